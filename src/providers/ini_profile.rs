//! `profile`: a section of the SDKs' ini file.

use std::borrow::Cow;

use crate::context::Context;
use crate::credentials::Credentials;
use crate::error::{Error, shown};
use crate::profile::{Ini, list};
use crate::provider::{BoxFuture, ProvideCredentials, Signal};
use crate::sts::Sts;

use super::profile_files::{ProfileFiles, Read};

/// Reads `~/.alibabacloud/credentials`, else `credentials.ini` beside it, or the file that
/// `ALIBABA_CLOUD_CREDENTIALS_FILE` names: types `access_key`, `sts`, `ram_role_arn`, `oidc_role_arn` and `ecs_ram_role`.
///
/// The section is the one given here, else `ALIBABA_CLOUD_PROFILE`, else `default`. Values are taken as they stand, without
/// quotes, escapes or interpolation; a comment begins with `#` or `;` at the start of a line or after white space.
///
/// ```
/// use alibabacloud_credentials::{IniProfileProvider, Refresher};
///
/// let credentials = Refresher::new(IniProfileProvider::new().profile("prod"));
/// ```
#[derive(Debug)]
pub struct IniProfileProvider {
    profile: Option<String>,
    files: ProfileFiles,
    /// Whether config.json was looked at first: a profile that was asked for is missing only if it is in neither.
    after_config: bool,
}

impl Default for IniProfileProvider {
    fn default() -> Self {
        Self { profile: None, files: ProfileFiles::new(Sts::default()), after_config: false }
    }
}

impl IniProfileProvider {
    /// The section that the environment chooses.
    pub fn new() -> Self {
        Self::default()
    }

    /// Behind config.json's provider, with the STS settings already made.
    pub(crate) fn after_config(sts: Sts, profile: Option<String>) -> Self {
        Self { profile, files: ProfileFiles::new(sts), after_config: true }
    }

    /// The section of this name.
    #[must_use]
    pub fn profile(mut self, name: impl Into<String>) -> Self {
        self.profile = Some(name.into());
        self
    }

    /// The outside world; the real one by default.
    #[must_use]
    pub fn context(mut self, context: Context) -> Self {
        self.files.sts.context = context;
        self
    }

    async fn ask(&self) -> Result<Credentials, Error> {
        let asked_for = self.files.asked_for(self.profile.as_ref())?;
        let file = self.files.ini().await?;
        if let Some(file) = &file {
            file.required()?;
        }
        let chosen = Ini::choose(asked_for.as_deref());
        let found = file.as_ref().and_then(|file| Some((file.shown(), file.content.as_ref()?)));
        match found {
            Some((path, ini)) if ini.has(&chosen.name) => {
                let source = ini.source(&chosen, &path, &self.files.fill()?)?;
                self.files.ask(source, &format!("section `{}` of {path}", shown(&chosen.name))).await
            }
            _ if chosen.named => Err(self.not_found(&chosen.name, &missing(file.as_ref())).await),
            Some((path, _)) => Err(Error::not_configured(format!("{path} has no section `default`"))),
            None => Err(Error::not_configured(missing(file.as_ref()))),
        }
    }

    /// Nobody has the profile that was asked for.
    async fn not_found(&self, name: &str, here: &str) -> Error {
        let mut places = Vec::new();
        if self.after_config {
            // A file that is broken was reported by the provider before this one.
            let config = self.files.config().await.ok().flatten();
            places.extend(config.map(|file| match &file.content {
                Some(config) => format!("{} has {}", file.shown(), list(&config.names())),
                None => format!("there is no {}", file.shown()),
            }));
        }
        places.push(here.to_owned());
        let where_from = if self.profile.is_some() { "in code" } else { "by ALIBABA_CLOUD_PROFILE" };
        let message =
            format!("profile `{}` was asked for {where_from} and is not there: {}", shown(name), places.join("; "));
        Error::failed(message)
            .with_code("ProfileNotFound")
            .with_remedy("write that profile by `aliyun configure --profile`, or ask for another one")
            .permanent()
    }
}

/// What the ini file has, or that there is none.
fn missing(file: Option<&Read<Ini>>) -> String {
    match file {
        None => "there is no home directory".to_owned(),
        Some(file) => match &file.content {
            Some(ini) => format!("{} has {}", file.shown(), list(&ini.names())),
            None if file.variable.is_some() => format!("there is no {}", file.shown()),
            None => format!("there is no {} or credentials.ini", file.shown()),
        },
    }
}

impl ProvideCredentials for IniProfileProvider {
    fn provider_name(&self) -> Cow<'_, str> {
        Cow::Borrowed("profile")
    }

    fn provide_credentials(&self) -> BoxFuture<'_, Result<Credentials, Error>> {
        Box::pin(async move {
            match self.files.look(self.ask()).await {
                Ok(found) => Ok(found.in_provider("profile")),
                Err(error) => Err(error.in_provider("profile")),
            }
        })
    }

    fn signal(&self) -> Option<Signal> {
        self.files.ini_signal()
    }

    fn is_current(&self, _credentials: &Credentials) -> bool {
        self.files.is_current()
    }
}
