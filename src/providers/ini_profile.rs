//! `profile`: a section of the SDKs' ini file.

use crate::context::Context;
use crate::error::Error;
use crate::profile::{Config, Ini, ProfileFormat, Selected, list};
use crate::provider::provide_through;

use super::file_provider::{AskedFor, FileProvider, Format};
use super::profile_file::ProfileFile;

/// Reads `~/.alibabacloud/credentials` and `credentials.ini` beside it, or only the file that
/// `ALIBABA_CLOUD_CREDENTIALS_FILE` names: types `access_key`, `sts`, `ram_role_arn`, `oidc_role_arn`, `ecs_ram_role` and
/// `rsa_key_pair` (with feature `rsa-key-pair`; key pairs exist on the site of Japan alone).
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
#[derive(Debug, Default)]
pub struct IniProfileProvider(FileProvider<Ini>);

impl IniProfileProvider {
    /// Creates a provider for the section that the environment chooses.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets the name of the section.
    #[must_use]
    pub fn profile(mut self, name: impl Into<String>) -> Self {
        self.0.profile = Some(name.into());
        self
    }

    /// Sets the outside world. The default is the real one.
    #[must_use]
    pub fn context(mut self, context: Context) -> Self {
        self.0.sts.context = context;
        self
    }
}

provide_through!([] IniProfileProvider: |this| this.0);

impl Format for Ini {
    const PROVIDER: &'static str = "profile";
    const PART: &'static str = "section";
    const VARIABLE: &'static str = "ALIBABA_CLOUD_CREDENTIALS_FILE";
    const DEFAULTS: (&'static str, &'static [&'static str]) = (".alibabacloud", &["credentials", "credentials.ini"]);

    /// The CLI ignores a variable's profile together with the files; one that the program itself asks for is missing.
    fn ignored(of: &FileProvider<Self>, asked_for: Option<&AskedFor>, why: String) -> Error {
        match &of.profile {
            Some(name) => of.not_found(name, asked_for, &why),
            None => Error::not_configured(why),
        }
    }

    async fn missing(
        of: &FileProvider<Self>,
        files: &[ProfileFile<Self>],
        selected: &Selected,
        asked_for: Option<&AskedFor>,
    ) -> Error {
        let there: Vec<_> = files.iter().filter_map(|file| Some((file, file.content.as_ref()?))).collect();
        let nowhere = there.is_empty().then(|| nowhere(files));
        if selected.named {
            let mut places = Vec::from_iter(config_place(of).await);
            places.extend(there.iter().map(|(file, ini)| format!("{} has {}", file.shown(), list(&ini.names()))));
            places.extend(nowhere);
            return of.not_found(&selected.name, asked_for, &format!("is not there: {}", places.join("; ")));
        }
        Error::not_configured(nowhere.unwrap_or_else(|| {
            let paths: Vec<_> = there.iter().map(|(file, _)| file.shown()).collect();
            let has = if paths.len() == 1 { "has" } else { "have" };
            format!("{} {has} no section `default`", paths.join(" and "))
        }))
    }
}

/// Describes what config.json has instead of the profile that was asked for, if it was looked at first: a profile is missing
/// only if it is in neither file.
async fn config_place(of: &FileProvider<Ini>) -> Option<String> {
    if !of.in_chain || of.kept().is_some() {
        return None;
    }
    if let Ok(Some(variable)) = of.disabled::<Config>() {
        return Some(format!("config.json is not read ({variable} is true)"));
    }
    let (paths, variable) = of.default_paths::<Config>();
    // A file that is broken was reported by the provider before this one.
    let file = of.read::<Config>(paths.into_iter().next()?, variable).await.ok()?;
    Some(match &file.content {
        Some(config) => format!("{} has {}", file.shown(), list(&config.names())),
        None => file.absence(),
    })
}

/// That none of the files is there.
fn nowhere(files: &[ProfileFile<Ini>]) -> String {
    match files {
        [] => "there is no home directory".to_owned(),
        [file] => file.absence(),
        [file, ..] if file.barred => file.absence(),
        [file, ..] => format!("there is no {} or credentials.ini", file.shown()),
    }
}
