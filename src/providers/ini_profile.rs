//! `profile`: a section of the SDKs' ini file.

use std::borrow::Cow;

use crate::context::Context;
use crate::credentials::Credentials;
use crate::error::Error;
use crate::profile::{Ini, list};
use crate::provider::{BoxFuture, ProvideCredentials, SourceStatus};
use crate::redact::shown;
use crate::sts::Sts;

use super::profile_files::{ProfileFile, ProfileFiles};

/// Reads `~/.alibabacloud/credentials` and `credentials.ini` beside it, or only the file that
/// `ALIBABA_CLOUD_CREDENTIALS_FILE` names: types `access_key`, `sts`, `ram_role_arn`, `oidc_role_arn` and `ecs_ram_role`.
///
/// The section is the one given here, else `ALIBABA_CLOUD_PROFILE`, else `default`; the first file that has it counts.
/// Values are taken as they stand, without quotes, escapes or interpolation; a comment begins with `#` or `;` at the start
/// of a line or after white space.
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
        let selected = Ini::select(asked_for.as_deref());
        let files = self.files.ini(&selected.name).await?;
        files.iter().try_for_each(ProfileFile::required)?;
        let there: Vec<_> = files.iter().filter_map(|file| Some((file.shown(), file.content.as_ref()?))).collect();
        match there.last() {
            Some((path, ini)) if ini.has(&selected.name) => {
                let source = ini.source(&selected, path, &self.files.env_defaults()?)?;
                self.files.ask(source, &format!("section `{}` of {path}", shown(&selected.name))).await
            }
            None if !selected.named => Err(Error::not_configured(nowhere(&files))),
            _ if !selected.named => {
                let paths: Vec<_> = there.into_iter().map(|(path, _)| path).collect();
                let has = if paths.len() == 1 { "has" } else { "have" };
                Err(Error::not_configured(format!("{} {has} no section `default`", paths.join(" and "))))
            }
            last => {
                let mut places = self.config_place().await;
                places.extend(there.iter().map(|(path, ini)| format!("{path} has {}", list(&ini.names()))));
                places.extend(last.is_none().then(|| nowhere(&files)));
                Err(self.not_found(&selected.name, &places))
            }
        }
    }

    /// What config.json has instead of the profile that was asked for, where it was looked at.
    async fn config_place(&self) -> Vec<String> {
        const DISABLED: &str = "ALIBABA_CLOUD_CLI_PROFILE_DISABLED";
        if !self.after_config {
            return Vec::new();
        }
        if matches!(self.files.context().switch(DISABLED), Ok(true)) {
            return vec![format!("config.json is not read ({DISABLED} is true)")];
        }
        // A file that is broken was reported by the provider before this one.
        let config = self.files.config().await.ok().flatten();
        let place = config.map(|file| match &file.content {
            Some(config) => format!("{} has {}", file.shown(), list(&config.names())),
            None => format!("there is no {}", file.shown()),
        });
        place.into_iter().collect()
    }

    /// Nobody has the profile that was asked for.
    fn not_found(&self, name: &str, places: &[String]) -> Error {
        let where_from = if self.profile.is_some() { "in code" } else { "by ALIBABA_CLOUD_PROFILE" };
        let message =
            format!("profile `{}` was asked for {where_from} and is not there: {}", shown(name), places.join("; "));
        Error::failed(message)
            .with_code("ProfileNotFound")
            .with_remedy("write that profile by `aliyun configure --profile`, or ask for another one")
            .permanent()
    }
}

/// That none of the files is there.
fn nowhere(files: &[ProfileFile<Ini>]) -> String {
    match files {
        [] => "there is no home directory".to_owned(),
        [file] => format!("there is no {}", file.shown()),
        [file, ..] => format!("there is no {} or credentials.ini", file.shown()),
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

    fn source_status(&self) -> Option<SourceStatus> {
        self.files.ini_status()
    }

    fn is_current(&self, _credentials: &Credentials) -> bool {
        self.files.is_current()
    }
}
