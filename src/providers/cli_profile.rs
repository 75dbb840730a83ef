//! `cli_profile`: a profile of the `aliyun` CLI's config.json.

use std::borrow::Cow;

use crate::context::Context;
use crate::credentials::Credentials;
use crate::error::Error;
use crate::profile::list;
use crate::provider::{BoxFuture, ProvideCredentials, SourceStatus};
use crate::redact::shown;
use crate::sts::Sts;

use super::profile_files::ProfileFiles;

/// Reads `~/.aliyun/config.json`, or the file that `ALIBABA_CLOUD_CONFIG_FILE` names: modes `AK`, `StsToken`, `RamRoleArn`,
/// `ChainableRamRoleArn`, `EcsRamRole`, `RamRoleArnWithRoleName`, `OIDC` and `CredentialsURI`. A profile without mode is
/// what the CLI would take it for.
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
    files: ProfileFiles,
    /// Whether the ini file's provider follows: then that one judges a profile that is not here.
    ini_follows: bool,
}

impl Default for CliProfileProvider {
    fn default() -> Self {
        Self { profile: None, files: ProfileFiles::new(Sts::default()), ini_follows: false }
    }
}

impl CliProfileProvider {
    /// The profile that the environment and the file choose.
    pub fn new() -> Self {
        Self::default()
    }

    /// In front of the ini file's provider, with the STS settings already made.
    pub(crate) fn before_ini(sts: Sts, profile: Option<String>) -> Self {
        Self { profile, files: ProfileFiles::new(sts), ini_follows: true }
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
        self.files.sts.context = context;
        self
    }

    async fn ask(&self) -> Result<Credentials, Error> {
        if self.files.context().switch("ALIBABA_CLOUD_CLI_PROFILE_DISABLED")? {
            return Err(Error::not_configured("ALIBABA_CLOUD_CLI_PROFILE_DISABLED is true"));
        }
        let asked_for = self.files.asked_for(self.profile.as_ref())?;
        let Some(file) = self.files.config().await? else {
            return Err(Error::not_configured("there is no home directory"));
        };
        file.required()?;
        let path = file.shown();
        let Some(config) = &file.content else {
            return Err(match &asked_for {
                Some(name) if !self.ini_follows => self.not_found(name, format!("there is no {path}")),
                _ => Error::not_configured(format!("there is no {path}")),
            });
        };
        let selected = config.select(asked_for.as_deref());
        if !config.has(&selected.name) {
            let names = config.names();
            let name = shown(&selected.name);
            if !selected.named && (names.is_empty() || !config.has_current()) {
                return Err(Error::not_configured(format!("{path} has no profile `{name}`")));
            }
            let lists = format!("{path} has no profile `{name}`; it has {}", list(&names));
            return Err(match selected.named {
                true if self.ini_follows => Error::not_configured(lists),
                true => self.not_found(&selected.name, lists),
                false => Error::failed(lists).with_code("ProfileNotFound").permanent(),
            });
        }
        let source = config.source(&selected, &path, &self.files.env_defaults()?)?;
        let found = self.files.ask(source, &format!("profile `{}` of {path}", shown(&selected.name))).await?;
        self.files.sts.learn_profile(config.region(&selected.name), config.endpoint(&selected.name));
        Ok(found)
    }

    fn not_found(&self, name: &str, what: String) -> Error {
        let where_from = if self.profile.is_some() { "in code" } else { "by ALIBABA_CLOUD_PROFILE" };
        Error::failed(format!("profile `{}` was asked for {where_from}, and {what}", shown(name)))
            .with_code("ProfileNotFound")
            .with_remedy("write that profile by `aliyun configure --profile`, or ask for another one")
            .permanent()
    }
}

impl ProvideCredentials for CliProfileProvider {
    fn provider_name(&self) -> Cow<'_, str> {
        Cow::Borrowed("cli_profile")
    }

    fn provide_credentials(&self) -> BoxFuture<'_, Result<Credentials, Error>> {
        Box::pin(async move {
            match self.files.look(self.ask()).await {
                Ok(found) => Ok(found.in_provider("cli_profile")),
                Err(error) => Err(error.in_provider("cli_profile")),
            }
        })
    }

    fn source_status(&self) -> Option<SourceStatus> {
        self.files.config_status(self.profile.as_ref())
    }

    fn is_current(&self, _credentials: &Credentials) -> bool {
        self.files.is_current()
    }
}
