//! `cli_profile`: a profile of the `aliyun` CLI's config.json.

use std::borrow::Cow;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use crate::context::{Context, Stamp, shown_path};
use crate::credentials::Credentials;
use crate::error::Error;
use crate::profile::{Config, Fill, Source};
use crate::provider::{BoxFuture, ProvideCredentials};
use crate::sts::Sts;

use super::AssumeRoleProvider;

/// The largest file that is read: a real one has a few KiB.
const LIMIT: u64 = 1024 * 1024;

/// Reads `~/.aliyun/config.json`, or the file that `ALIBABA_CLOUD_CONFIG_FILE` names: modes `AK`, `StsToken` and
/// `RamRoleArn`.
///
/// The profile is the one given here, else `ALIBABA_CLOUD_PROFILE`, else the file's `current`, else `default`. The file is
/// read anew at every refresh, and a changed file starts one.
///
/// ```
/// use alibabacloud_credentials::{CliProfileProvider, Refresher};
///
/// let credentials = Refresher::new(CliProfileProvider::new().profile("prod"));
/// ```
#[derive(Debug)]
pub struct CliProfileProvider {
    profile: Option<String>,
    sts: Sts,
    read: Mutex<Option<(PathBuf, Stamp)>>,
}

impl Default for CliProfileProvider {
    fn default() -> Self {
        Self::with_sts(Sts::default())
    }
}

impl CliProfileProvider {
    /// The profile that the environment and the file choose.
    pub fn new() -> Self {
        Self::default()
    }

    pub(crate) fn with_sts(sts: Sts) -> Self {
        Self { profile: None, sts, read: Mutex::new(None) }
    }

    /// The profile of this name.
    #[must_use]
    pub fn profile(mut self, name: impl Into<String>) -> Self {
        self.profile = Some(name.into());
        self
    }

    /// The outside world; the real one by default.
    #[must_use]
    pub fn context(mut self, context: Context) -> Self {
        self.sts.context = context;
        self
    }

    fn context_ref(&self) -> &Context {
        &self.sts.context
    }

    async fn ask(&self) -> Result<Credentials, Error> {
        let context = self.context_ref();
        if context.switch("ALIBABA_CLOUD_CLI_PROFILE_DISABLED")? {
            return Err(Error::not_configured("ALIBABA_CLOUD_CLI_PROFILE_DISABLED is true"));
        }
        let by_variable = context.env("ALIBABA_CLOUD_PROFILE")?;
        let asked_for = self.profile.clone().or(by_variable);
        let (path, path_given) = match context.env("ALIBABA_CLOUD_CONFIG_FILE")? {
            Some(path) => (PathBuf::from(path), true),
            None => match context.home_dir()? {
                Some(home) => (home.join(".aliyun").join("config.json"), false),
                None => return Err(Error::not_configured("there is no home directory")),
            },
        };
        let stamp = context.stamp(&path);
        let bytes = context.read_file(&path, LIMIT).await?;
        *self.read.lock().unwrap_or_else(PoisonError::into_inner) = stamp.map(|stamp| (path.clone(), stamp));
        let Some(bytes) = bytes else { return Err(self.no_file(&path, path_given, asked_for.as_deref())) };

        let config = Config::parse(&bytes).map_err(|error| at(&shown_path(&path), error))?;
        let chosen = config.choose(asked_for.as_deref());
        let Some(profile) = config.profile(&chosen.name) else {
            return Err(no_profile(&path, &config, &chosen.name, chosen.named));
        };
        let fill = Fill {
            role_arn: context.env("ALIBABA_CLOUD_ROLE_ARN")?,
            external_id: context.env("ALIBABA_CLOUD_EXTERNAL_ID")?,
        };
        let place = format!("profile `{}` of {}", chosen.name, shown_path(&path));
        match profile.source(&chosen, fill).map_err(|error| at(&place, error))? {
            Source::Keys(keys) => Ok(keys),
            Source::Role { keys, role, endpoint } => {
                let mut sts = self.sts.clone();
                sts.endpoint.profile = Some(endpoint);
                let session = AssumeRoleProvider::with_sts(keys, role, sts).provide_credentials().await;
                session.map_err(|error| at(&place, error))
            }
        }
    }

    fn no_file(&self, path: &Path, path_given: bool, asked_for: Option<&str>) -> Error {
        let path = shown_path(path);
        if path_given {
            let message = format!("ALIBABA_CLOUD_CONFIG_FILE names {path}, and there is no such file");
            return Error::failed(message).with_code("ConfigMissing").permanent();
        }
        match asked_for {
            Some(name) => Error::failed(format!("profile `{name}` was asked for, and there is no {path}"))
                .with_code("ProfileNotFound")
                .with_remedy("unset ALIBABA_CLOUD_PROFILE, or write the profile by `aliyun configure --profile`")
                .permanent(),
            None => Error::not_configured(format!("there is no {path}")),
        }
    }
}

fn no_profile(path: &Path, config: &Config, name: &str, named: bool) -> Error {
    let path = shown_path(path);
    let names = config.names();
    if !named && (names.is_empty() || !config.has_current()) {
        return Error::not_configured(format!("{path} has no profile `{name}`"));
    }
    let has = if names.is_empty() { "no profiles".to_owned() } else { format!("the profiles {}", names.join(", ")) };
    Error::failed(format!("{path} has no profile `{name}`; it has {has}")).with_code("ProfileNotFound").permanent()
}

/// Says where, in front of what.
fn at(place: &str, error: Error) -> Error {
    error.map_message(|message| format!("{place} {message}"))
}

impl ProvideCredentials for CliProfileProvider {
    fn provider_name(&self) -> Cow<'_, str> {
        Cow::Borrowed("cli_profile")
    }

    fn provide_credentials(&self) -> BoxFuture<'_, Result<Credentials, Error>> {
        Box::pin(async move {
            match self.ask().await {
                Ok(found) => Ok(found.in_provider("cli_profile")),
                Err(error) => Err(error.in_provider("cli_profile")),
            }
        })
    }

    fn is_current(&self, _credentials: &Credentials) -> bool {
        let read = self.read.lock().unwrap_or_else(PoisonError::into_inner).clone();
        read.is_none_or(|(path, stamp)| self.context_ref().stamp(&path) == Some(stamp))
    }
}
