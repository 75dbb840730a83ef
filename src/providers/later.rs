//! Sources that stand in the chain's order and that this version cannot read yet.
//!
//! Passing over a source that is configured would be another identity than the official SDKs give; so it fails, by name.

use std::borrow::Cow;

use crate::context::Context;
use crate::credentials::Credentials;
use crate::error::Error;
use crate::provider::{BoxFuture, ProvideCredentials, Signal};

type Look = fn(&Context) -> Result<Result<String, String>, Error>;

/// A source by its name, and how to tell that it is configured.
pub(crate) struct Later {
    pub(crate) context: Context,
    pub(crate) name: &'static str,
    /// `Ok`: what says that it is configured. `Err`: what says that it is not.
    pub(crate) signal: Look,
}

impl Later {
    pub(crate) fn ecs_metadata(context: Context) -> Self {
        let signal: Look = |context| {
            Ok(match context.env("ALIBABA_CLOUD_ECS_METADATA")? {
                Some(_) => Ok("ALIBABA_CLOUD_ECS_METADATA is set".to_owned()),
                None => Err("ALIBABA_CLOUD_ECS_METADATA is unset, and this version does not look further".to_owned()),
            })
        };
        Self { context, name: "ecs_ram_role", signal }
    }

    pub(crate) fn credentials_uri(context: Context) -> Self {
        let signal: Look = |context| {
            Ok(match context.env("ALIBABA_CLOUD_CREDENTIALS_URI")? {
                Some(_) => Ok("ALIBABA_CLOUD_CREDENTIALS_URI is set".to_owned()),
                None => Err("ALIBABA_CLOUD_CREDENTIALS_URI is unset".to_owned()),
            })
        };
        Self { context, name: "credentials_uri", signal }
    }

    fn answer(&self) -> Error {
        match (self.signal)(&self.context) {
            Ok(Err(signal)) => Error::not_configured(signal),
            Ok(Ok(signal)) => {
                Error::failed(format!("{signal}, and this version of the crate cannot read that source yet"))
                    .with_code("NotYetSupported")
                    .with_remedy("use the environment, config.json or AssumeRole")
                    .permanent()
            }
            Err(error) => error,
        }
    }
}

impl ProvideCredentials for Later {
    fn provider_name(&self) -> Cow<'_, str> {
        Cow::Borrowed(self.name)
    }

    fn provide_credentials(&self) -> BoxFuture<'_, Result<Credentials, Error>> {
        Box::pin(std::future::ready(Err(self.answer())))
    }

    fn signal(&self) -> Option<Signal> {
        Some(match (self.signal)(&self.context).ok()? {
            Ok(text) => Signal::configured(text),
            Err(text) => Signal::not_configured(text),
        })
    }
}

/// A source that a profile names and that this version cannot read.
pub(crate) fn later(mode: &'static str) -> impl ProvideCredentials {
    crate::provider_fn(mode, move || async move {
        Err(Error::failed(format!("mode {mode} cannot be read by this version of the crate yet"))
            .with_code("NotYetSupported")
            .permanent())
    })
}
