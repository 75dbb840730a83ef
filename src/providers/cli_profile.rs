//! `cli_profile`: a profile of the `aliyun` CLI's config.json.

use std::path::Path;

use crate::context::Context;
use crate::error::Error;
use crate::profile::{Config, ProfileFormat, Selected, list};
use crate::provider::provide_through;
use crate::redact::{shown, shown_path};

use super::file_provider::{AskedFor, FileProvider, Format};
use super::profile_file::ProfileFile;

/// The remedy where `current` leads nowhere.
const SWITCH: &str = "choose one of them by `aliyun configure switch`, or by ALIBABA_CLOUD_PROFILE";

/// Reads `~/.aliyun/config.json`, or the file that `ALIBABA_CLOUD_CONFIG_FILE` names: modes `AK`, `StsToken`, `RamRoleArn`,
/// `ChainableRamRoleArn`, `EcsRamRole`, `RamRoleArnWithRoleName`, `OIDC`, `CredentialsURI`, `OAuth`, `CloudSSO`, `External` (with
/// feature `process`) and `RsaKeyPair` (with feature `rsa-key-pair`; key pairs exist on the site of Japan alone). A profile
/// without mode is read as the CLI reads it.
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
#[derive(Debug, Default)]
pub struct CliProfileProvider(FileProvider<Config>);

impl CliProfileProvider {
    /// Creates a provider for the profile that the environment and the file choose.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets the name of the profile.
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

provide_through!([] CliProfileProvider: |this| this.0);

impl Format for Config {
    const PROVIDER: &'static str = "cli_profile";
    const PART: &'static str = "profile";
    const VARIABLE: &'static str = "ALIBABA_CLOUD_CONFIG_FILE";
    const DEFAULTS: (&'static str, &'static [&'static str]) = (".aliyun", &["config.json"]);
    const DISABLED: Option<&'static str> = Some("ALIBABA_CLOUD_CLI_PROFILE_DISABLED");

    /// An error if a profile was asked for by name and no other file may have it.
    fn ignored(of: &FileProvider<Self>, asked_for: Option<&AskedFor>, why: String) -> Error {
        match asked_for {
            Some(asked_for) if !of.in_chain => of.not_found(&asked_for.name, Some(asked_for), &why),
            _ => Error::not_configured(why),
        }
    }

    async fn missing(
        of: &FileProvider<Self>,
        files: &[ProfileFile<Self>],
        selected: &Selected,
        asked_for: Option<&AskedFor>,
    ) -> Error {
        let Some(file) = files.first() else { return Error::not_configured("there is no home directory") };
        let Some(config) = &file.content else { return Self::ignored(of, asked_for, file.absence()) };
        let (names, what) = (config.names(), format!("{} has no profile `{}`", file.shown(), shown(&selected.name)));
        if !selected.named && (names.is_empty() || config.current().is_none()) {
            return Error::not_configured(what);
        }
        let lists = format!("{what}; it has {}", list(&names));
        match selected.named {
            true if of.in_chain && of.kept().is_none() => Error::not_configured(lists),
            true => of.not_found(&selected.name, asked_for, &lists),
            false => Error::failed(lists).with_code("ProfileNotFound").with_remedy(SWITCH).permanent(),
        }
    }

    fn place(of: &FileProvider<Self>, path: &Path) -> Option<String> {
        let (bytes, config) = of.read_now::<Self>(path)?;
        let asked_for = of.asked_for().ok()?;
        let name = Selected::new(asked_for.as_ref().map(|asked| asked.name.as_str()), config.current()).name;
        let line = line_of(&bytes, &name).map(|line| format!(", line {line}")).unwrap_or_default();
        config.has(&name).then(|| format!("{} is there: profile `{}`{line}", shown_path(path), shown(&name)))
    }
}

/// The line in which the profile's name stands.
fn line_of(bytes: &[u8], name: &str) -> Option<usize> {
    let quoted = serde_json::Value::from(name).to_string();
    let names_it = |line: &[u8]| {
        let line = String::from_utf8_lossy(line);
        line.contains("\"name\"") && line.contains(&quoted)
    };
    bytes.split(|byte| *byte == b'\n').position(names_it).map(|at| at + 1)
}
