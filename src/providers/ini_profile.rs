//! `profile`: a section of the SDKs' ini file.

use std::borrow::Cow;
use std::sync::Arc;

use crate::context::Context;
use crate::credentials::Credentials;
use crate::error::Error;
use crate::profile::{Ini, list};
use crate::provider::{BoxFuture, ProvideCredentials, SourceStatus};
use crate::sts::Sts;

use super::kept_profile::{Chosen, KeptProfile};
use super::profile_files::{CLI_DISABLED, ProfileFile, ProfileFiles};
use super::profile_source::SourceSettings;

/// Reads `~/.alibabacloud/credentials` and `credentials.ini` beside it, or only the file that
/// `ALIBABA_CLOUD_CREDENTIALS_FILE` names: types `access_key`, `sts`, `ram_role_arn`, `oidc_role_arn` and `ecs_ram_role`.
///
/// The section is the one given here, else `ALIBABA_CLOUD_PROFILE`, else `default`; the first file that has it counts.
/// A pair of quotes around a value is dropped; otherwise values are taken as they stand, without escapes or interpolation. A
/// comment begins with `#` or `;` at the start of a line or after white space.
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
    /// config.json was looked at first: a profile that was asked for is missing only if it is in neither file.
    after_config: bool,
}

impl Default for IniProfileProvider {
    fn default() -> Self {
        Self { profile: None, files: ProfileFiles::new(Sts::default()), after_config: false }
    }
}

impl IniProfileProvider {
    /// Creates a provider for the section that the environment chooses.
    pub fn new() -> Self {
        Self::default()
    }

    /// Behind config.json's provider, with the STS settings already made.
    pub(crate) fn after_config(sts: Sts, profile: Option<String>, settings: SourceSettings) -> Self {
        Self { profile, files: ProfileFiles::of_chain(sts, settings), after_config: true }
    }

    pub(crate) fn kept_profile(&self) -> Arc<KeptProfile> {
        self.files.kept_profile()
    }

    /// Sets the name of the section.
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
            let why = format!("{variable} is true");
            // The CLI ignores a variable's profile together with the files; one that the program itself asks for is missing.
            return Err(match &self.profile {
                Some(name) => self.files.not_found(name, asked_for.as_ref(), &why),
                None => Error::not_configured(why),
            });
        }
        let selected = match self.files.kept() {
            Some(kept) => kept.selected,
            None => Ini::select(asked_for.as_ref().map(|asked| asked.name.as_str())),
        };
        let files = self.files.ini(&selected.name).await?;
        files.iter().try_for_each(ProfileFile::required)?;
        let there: Vec<_> = files.iter().filter_map(|file| Some((file, file.content.as_ref()?))).collect();
        match there.last() {
            Some((file, ini)) if ini.has(&selected.name) => {
                let source = ini.source(&selected, &file.shown(), &self.files.env_defaults()?)?;
                let chosen = Chosen { selected, path: file.path.clone(), variable: file.variable };
                self.files.ask(source, "section", chosen, None).await
            }
            None if !selected.named => Err(Error::not_configured(nowhere(&files))),
            _ if !selected.named => {
                let paths: Vec<_> = there.into_iter().map(|(file, _)| file.shown()).collect();
                let has = if paths.len() == 1 { "has" } else { "have" };
                Err(Error::not_configured(format!("{} {has} no section `default`", paths.join(" and "))))
            }
            last => {
                let mut places = self.config_place().await;
                places.extend(there.iter().map(|(file, ini)| format!("{} has {}", file.shown(), list(&ini.names()))));
                places.extend(last.is_none().then(|| nowhere(&files)));
                let what = format!("is not there: {}", places.join("; "));
                Err(self.files.not_found(&selected.name, asked_for.as_ref(), &what))
            }
        }
    }

    /// Describes what config.json has instead of the profile that was asked for, if it was looked at.
    async fn config_place(&self) -> Vec<String> {
        if !self.after_config {
            return Vec::new();
        }
        if matches!(self.files.context().switch(CLI_DISABLED), Ok(true)) {
            return vec![format!("config.json is not read ({CLI_DISABLED} is true)")];
        }
        // A file that is broken was reported by the provider before this one.
        let config = self.files.config().await.ok().flatten();
        let place = config.map(|file| match &file.content {
            Some(config) => format!("{} has {}", file.shown(), list(&config.names())),
            None => file.absence(),
        });
        place.into_iter().collect()
    }
}

/// That none of the files is there.
fn nowhere(files: &[ProfileFile<Ini>]) -> String {
    match files {
        [] => "there is no home directory".to_owned(),
        [file] => file.absence(),
        [file, ..] if file.is_barred() => file.absence(),
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
