//! `cli_profile`: a profile of the `aliyun` CLI's config.json.

use std::borrow::Cow;
use std::sync::Arc;

use crate::context::Context;
use crate::credentials::Credentials;
use crate::error::Error;
use crate::profile::list;
use crate::provider::{BoxFuture, ProvideCredentials, SourceStatus};
use crate::redact::shown;
use crate::sts::Sts;

use super::kept_profile::{Chosen, KeptProfile};
use super::profile_files::{AskedFor, CLI_DISABLED, ProfileFiles};
use super::profile_source::SourceSettings;

/// The remedy where `current` leads nowhere.
const SWITCH: &str = "choose one of them by `aliyun configure switch`, or by ALIBABA_CLOUD_PROFILE";

/// Reads `~/.aliyun/config.json`, or the file that `ALIBABA_CLOUD_CONFIG_FILE` names: modes `AK`, `StsToken`, `RamRoleArn`,
/// `ChainableRamRoleArn`, `EcsRamRole`, `RamRoleArnWithRoleName`, `OIDC` and `CredentialsURI`. A profile without mode is
/// read as the CLI reads it.
///
/// The profile is the one given here, else `ALIBABA_CLOUD_PROFILE`, else the file's `current`, else `default`. The file is
/// read at every refresh, and a changed file starts one. The profile that gave the first credential is kept: its content
/// may change, but a changed `current` switches nobody's identity. `ALIBABA_CLOUD_IGNORE_PROFILE=true` turns all files off.
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
    /// The ini file's provider follows, and judges a profile that is not here.
    ini_follows: bool,
}

impl Default for CliProfileProvider {
    fn default() -> Self {
        Self { profile: None, files: ProfileFiles::new(Sts::default()), ini_follows: false }
    }
}

impl CliProfileProvider {
    /// Creates a provider for the profile that the environment and the file choose.
    pub fn new() -> Self {
        Self::default()
    }

    /// In front of the ini file's provider, with the STS settings already made.
    pub(crate) fn before_ini(sts: Sts, profile: Option<String>, settings: SourceSettings) -> Self {
        Self { profile, files: ProfileFiles::of_chain(sts, settings), ini_follows: true }
    }

    pub(crate) fn kept_profile(&self) -> Arc<KeptProfile> {
        self.files.kept_profile()
    }

    /// Sets the name of the profile.
    #[must_use]
    pub fn profile(mut self, name: impl Into<String>) -> Self {
        self.profile = Some(name.into());
        self
    }

    /// Sets the outside world. The default is the real one.
    #[must_use]
    pub fn context(mut self, context: Context) -> Self {
        self.files.sts.context = context;
        self
    }

    async fn ask(&self) -> Result<Credentials, Error> {
        let asked_for = self.files.asked_for(self.profile.as_ref())?;
        if let Some(variable) = self.files.ignored()? {
            return Err(self.nothing_to_read(asked_for.as_ref(), format!("{variable} is true")));
        }
        if self.files.context().switch(CLI_DISABLED)? {
            return Err(Error::not_configured(format!("{CLI_DISABLED} is true")));
        }
        let Some(file) = self.files.config().await? else {
            return Err(Error::not_configured("there is no home directory"));
        };
        file.required()?;
        let path = file.shown();
        let Some(config) = &file.content else {
            return Err(self.nothing_to_read(asked_for.as_ref(), file.absence()));
        };
        let now_selected = config.select(asked_for.as_ref().map(|asked| asked.name.as_str()));
        let kept = self.files.kept();
        let selected = kept.map_or_else(|| now_selected.clone(), |kept| kept.selected);
        if !config.has(&selected.name) {
            let names = config.names();
            let name = shown(&selected.name);
            if !selected.named && (names.is_empty() || !config.has_current()) {
                return Err(Error::not_configured(format!("{path} has no profile `{name}`")));
            }
            let lists = format!("{path} has no profile `{name}`; it has {}", list(&names));
            return Err(match selected.named {
                true if self.ini_follows && self.files.kept().is_none() => Error::not_configured(lists),
                true => self.files.not_found(&selected.name, asked_for.as_ref(), &lists),
                false => Error::failed(lists).with_code("ProfileNotFound").with_remedy(SWITCH).permanent(),
            });
        }
        let source = config.source(&selected, &path, &self.files.env_defaults()?)?;
        let moved = (now_selected.name != selected.name)
            .then(|| format!("`{}` is chosen there now, which only a new chain takes up", shown(&now_selected.name)));
        let (region, endpoint) = (config.region(&selected.name), config.endpoint(&selected.name));
        let chosen = Chosen { selected, path: file.path.clone(), variable: file.variable };
        let found = self.files.ask(source, "profile", chosen, moved).await?;
        self.files.sts.learn_profile(region, endpoint);
        Ok(found)
    }

    /// There is no file, or none is to be read: an error if a profile was asked for by name and no other file may have it.
    fn nothing_to_read(&self, asked_for: Option<&AskedFor>, why: String) -> Error {
        match asked_for {
            Some(asked_for) if !self.ini_follows => self.files.not_found(&asked_for.name, Some(asked_for), &why),
            _ => Error::not_configured(why),
        }
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
