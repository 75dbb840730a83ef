//! The shared part of the two file providers: the paths of the files, the profile that is asked for, and its last result.

use std::fmt;
use std::future::Future;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::context::{Context, Stamp};
use crate::credentials::Credentials;
use crate::error::Error;
use crate::paths;
use crate::profile::{Config, EnvDefaults, Ini, Source};
use crate::provenance::Provenance;
use crate::provider::{ProvideCredentials, SourceStatus};
use crate::redact::{shown, shown_path};
use crate::sts::Sts;

use super::kept_profile::{Chosen, KeptProfile};
use super::profile_source::{SourceSettings, build};

/// Turns the CLI's file off, and it alone.
pub(super) const CLI_DISABLED: &str = "ALIBABA_CLOUD_CLI_PROFILE_DISABLED";

/// The largest file that is read: real ones have a few KiB.
const LIMIT: u64 = 1024 * 1024;

/// A file that was read, or found missing.
pub(super) struct ProfileFile<T> {
    pub(super) path: PathBuf,
    /// The variable that names it, if one does.
    pub(super) variable: Option<&'static str>,
    pub(super) content: Option<T>,
    /// Nobody named it, and a directory on the way to it may not be entered.
    barred: bool,
}

impl<T> ProfileFile<T> {
    pub(super) fn shown(&self) -> String {
        shown_path(&self.path)
    }

    /// A file that a variable names has to be there.
    pub(super) fn required(&self) -> Result<(), Error> {
        match self.variable.filter(|_| self.content.is_none()) {
            None => Ok(()),
            Some(variable) => {
                let message = format!("{variable} names {}, and there is no such file", self.shown());
                let remedy = match paths::unexpanded(&self.path) {
                    Some(hint) => hint,
                    None => format!("mount the file, correct the path, or unset {variable}"),
                };
                Err(Error::failed(message).with_code("ConfigMissing").with_remedy(remedy).permanent())
            }
        }
    }

    pub(super) fn is_barred(&self) -> bool {
        self.barred
    }

    /// Why there is nothing to read.
    pub(super) fn absence(&self) -> String {
        match self.barred {
            true => format!("{} may not be looked for: permission denied on a directory of it", self.shown()),
            false => format!("there is no {}", self.shown()),
        }
    }
}

/// A profile that somebody asked for by name.
pub(super) struct AskedFor {
    pub(super) name: String,
    /// `in code`, or `by` a variable.
    pub(super) by: &'static str,
}

/// The profiles' files, and what was made of them last.
pub(super) struct ProfileFiles {
    pub(super) sts: Sts,
    settings: SourceSettings,
    kept: Arc<KeptProfile>,
    /// Keeps the profile by itself; otherwise the chain does, once the credential is handed out.
    keeps_itself: bool,
    /// The provider is kept while the profile says the same: a metadata token or an inner session outlives a refresh.
    built: Mutex<Option<(Source, Arc<dyn ProvideCredentials>)>>,
    seen: Mutex<Vec<(PathBuf, Option<Stamp>)>>,
    /// The last look failed for a reason that need not be in the files.
    failed_elsewhere: AtomicBool,
}

impl fmt::Debug for ProfileFiles {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ProfileFiles").finish_non_exhaustive()
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl ProfileFiles {
    pub(super) fn new(sts: Sts) -> Self {
        Self {
            sts,
            settings: SourceSettings::default(),
            kept: Arc::default(),
            keeps_itself: true,
            built: Mutex::new(None),
            seen: Mutex::new(Vec::new()),
            failed_elsewhere: AtomicBool::new(false),
        }
    }

    /// Of a chain, which says what it allows and when a profile is kept.
    pub(super) fn of_chain(sts: Sts, settings: SourceSettings) -> Self {
        Self { settings, keeps_itself: false, ..Self::new(sts) }
    }

    pub(super) fn kept_profile(&self) -> Arc<KeptProfile> {
        Arc::clone(&self.kept)
    }

    pub(super) fn kept(&self) -> Option<Chosen> {
        self.kept.kept()
    }

    pub(super) fn context(&self) -> &Context {
        &self.sts.context
    }

    /// Runs `ask`, and notes which files it looks at.
    pub(super) async fn look(
        &self,
        ask: impl Future<Output = Result<Credentials, Error>>,
    ) -> Result<Credentials, Error> {
        self.failed_elsewhere.store(false, Ordering::Release);
        lock(&self.seen).clear();
        ask.await
    }

    /// Returns whether the files still say what they said at the last look: every file that was read looks the same. If a file
    /// could not be read, or its source did not respond (STS was down), the next look is due when the back-off ends, changed
    /// or not.
    pub(super) fn is_current(&self) -> bool {
        !self.failed_elsewhere.load(Ordering::Acquire)
            && lock(&self.seen).iter().all(|(path, stamp)| self.context().stamp(path) == *stamp)
    }

    async fn read<T>(
        &self,
        path: PathBuf,
        variable: Option<&'static str>,
        parse: fn(&[u8]) -> Result<T, Error>,
    ) -> Result<ProfileFile<T>, Error> {
        // True as long as it is under way: it may never come to its end.
        self.failed_elsewhere.store(true, Ordering::Release);
        let (stamp, bytes) = self.context().read_stamped(&path, LIMIT).await;
        self.failed_elsewhere.store(bytes.is_err(), Ordering::Release);
        lock(&self.seen).push((path.clone(), stamp));
        let bytes = match bytes {
            // A home directory of somebody else's (a container's user without one, systemd's ProtectHome) holds nothing of ours.
            Err(error) if variable.is_none() && error.code() == Some("DirectoryUnreadable") => {
                self.failed_elsewhere.store(false, Ordering::Release);
                tracing::warn!(%error, "passed over: nobody named this file");
                return Ok(ProfileFile { path, variable, content: None, barred: true });
            }
            bytes => bytes?,
        };
        let content = bytes.map(|bytes| parse(&bytes)).transpose();
        let content =
            content.map_err(|error| error.map_message(|message| format!("{} {message}", shown_path(&path))))?;
        Ok(ProfileFile { path, variable, content, barred: false })
    }

    /// The variable that has all files ignored, if one does. The CLI wants it in capitals.
    pub(super) fn ignored(&self) -> Result<Option<&'static str>, Error> {
        let names = ["ALIBABA_CLOUD_IGNORE_PROFILE", "ALIBABACLOUD_IGNORE_PROFILE"];
        for name in &names[..if self.settings.legacy_variables { 2 } else { 1 }] {
            if self.context().switch(name)? {
                return Ok(Some(name));
            }
        }
        Ok(None)
    }

    /// Returns the path of config.json and the variable that names it; `None` without a home directory.
    fn config_path(&self) -> Option<(PathBuf, Option<&'static str>)> {
        const VARIABLE: &str = "ALIBABA_CLOUD_CONFIG_FILE";
        if let Some(kept) = self.kept() {
            return Some((kept.path, kept.variable));
        }
        if let Some(path) = self.context().env_path(VARIABLE) {
            return Some((paths::expand_home(self.context(), path), Some(VARIABLE)));
        }
        self.context().home_dir().map(|home| (home.join(".aliyun").join("config.json"), None))
    }

    /// Returns the paths of the ini file and the variable that names it; no path without a home directory.
    fn ini_paths(&self) -> (Vec<PathBuf>, Option<&'static str>) {
        const VARIABLE: &str = "ALIBABA_CLOUD_CREDENTIALS_FILE";
        if let Some(kept) = self.kept() {
            return (vec![kept.path], kept.variable);
        }
        if let Some(path) = self.context().env_path(VARIABLE) {
            return (vec![paths::expand_home(self.context(), path)], Some(VARIABLE));
        }
        let directory = self.context().home_dir().map(|home| home.join(".alibabacloud"));
        let paths = directory.map(|path| vec![path.join("credentials"), path.join("credentials.ini")]);
        (paths.unwrap_or_default(), None)
    }

    /// The `aliyun` CLI's file.
    pub(super) async fn config(&self) -> Result<Option<ProfileFile<Config>>, Error> {
        match self.config_path() {
            Some((path, variable)) => self.read(path, variable, Config::parse).await.map(Some),
            None => Ok(None),
        }
    }

    /// The SDKs' ini file under each of its names, up to the first one that has `section`: some SDKs write one of them and
    /// some the other, so a machine may have both.
    pub(super) async fn ini(&self, section: &str) -> Result<Vec<ProfileFile<Ini>>, Error> {
        let (paths, variable) = self.ini_paths();
        let mut files = Vec::new();
        for path in paths {
            let file = self.read(path, variable, Ini::parse).await?;
            let found = file.content.as_ref().is_some_and(|ini| ini.has(section));
            files.push(file);
            if found {
                break;
            }
        }
        Ok(files)
    }

    fn files_status(&self, paths: &[PathBuf]) -> Option<SourceStatus> {
        let there = paths.iter().find(|path| self.context().stamp(path).is_some());
        Some(match there {
            Some(path) => SourceStatus::configured(format!("{} is there", shown_path(path))),
            None => SourceStatus::not_configured(match paths.first() {
                Some(path) => format!("there is no {}", shown_path(path)),
                None => "there is no home directory".to_owned(),
            }),
        })
    }

    /// Describes whether config.json is there, and which of its profiles would be used.
    pub(super) fn config_status(&self, in_code: Option<&String>) -> Option<SourceStatus> {
        let disabled = self.context().switch(CLI_DISABLED).ok()?.then_some(CLI_DISABLED);
        if let Some(variable) = self.ignored().ok()?.or(disabled) {
            return Some(SourceStatus::not_configured(format!("{variable} is true")));
        }
        let Some((path, _)) = self.config_path() else { return self.files_status(&[]) };
        let status = self.files_status(std::slice::from_ref(&path))?;
        let named = || {
            let bytes = self.context().read_now(&path, LIMIT).ok()??;
            let config = Config::parse(&bytes).ok()?;
            let asked_for = self.asked_for(in_code).ok()?;
            let selected = config.select(asked_for.as_ref().map(|asked| asked.name.as_str()));
            config.has(&selected.name).then(|| place(&bytes, &selected.name, &path))
        };
        Some(named().map_or(status, SourceStatus::configured))
    }

    /// Describes whether the ini file is there.
    pub(super) fn ini_status(&self) -> Option<SourceStatus> {
        if let Some(variable) = self.ignored().ok()? {
            return Some(SourceStatus::not_configured(format!("{variable} is true")));
        }
        self.files_status(&self.ini_paths().0)
    }

    /// The profile that was asked for: in code, else by variable.
    pub(super) fn asked_for(&self, in_code: Option<&String>) -> Result<Option<AskedFor>, Error> {
        if let Some(name) = in_code {
            return Ok(Some(AskedFor { name: name.clone(), by: "in code" }));
        }
        let variables = [
            ("ALIBABA_CLOUD_PROFILE", "by ALIBABA_CLOUD_PROFILE"),
            ("ALIBABACLOUD_PROFILE", "by ALIBABACLOUD_PROFILE"),
            ("ALICLOUD_PROFILE", "by ALICLOUD_PROFILE"),
        ];
        for (variable, by) in &variables[..if self.settings.legacy_variables { 3 } else { 1 }] {
            if let Some(name) = self.context().env(variable)? {
                return Ok(Some(AskedFor { name, by }));
            }
        }
        Ok(None)
    }

    /// The error where nobody has the profile `name`.
    pub(super) fn not_found(&self, name: &str, asked_for: Option<&AskedFor>, what: &str) -> Error {
        let name = shown(name);
        let error = match asked_for.filter(|_| self.kept().is_none()) {
            Some(asked_for) => Error::failed(format!("profile `{name}` was asked for {}, and {what}", asked_for.by))
                .with_remedy("write that profile by `aliyun configure --profile`, or ask for another one"),
            None => Error::failed(format!("profile `{name}` gave credentials before, and now {what}"))
                .with_remedy("bring it back; only a new chain looks for another profile"),
        };
        error.with_code("ProfileNotFound").permanent()
    }

    pub(super) fn env_defaults(&self) -> Result<EnvDefaults, Error> {
        Ok(EnvDefaults {
            role_arn: self.context().env("ALIBABA_CLOUD_ROLE_ARN")?,
            external_id: self.context().env("ALIBABA_CLOUD_EXTERNAL_ID")?,
            now: Some(self.context().now().system_time()),
        })
    }

    /// Asks the source of a profile; errors say which profile they are about. `moved` is what else is to be said of the place.
    pub(super) async fn ask(
        &self,
        source: Source,
        kind: &str,
        chosen: Chosen,
        moved: Option<String>,
    ) -> Result<Credentials, Error> {
        let place = format!("{kind} `{}` of {}", shown(&chosen.selected.name), shown_path(&chosen.path));
        let at = |error: Error| error.map_message(|message| format!("{place}: {message}"));
        let written_down = source.is_written_down().then(|| place.clone());
        let provider = {
            let mut built = lock(&self.built);
            match &*built {
                Some((same, provider)) if *same == source => Arc::clone(provider),
                _ => {
                    let provider = build(&source, &self.sts, &self.settings).map_err(at)?;
                    *built = Some((source, Arc::clone(&provider)));
                    provider
                }
            }
        };
        self.failed_elsewhere.store(true, Ordering::Release);
        let answer = provider.provide_credentials().await;
        self.failed_elsewhere.store(answer.is_err(), Ordering::Release);
        let found = answer.map_err(at)?.or_provider_name(&provider.provider_name());
        self.kept.answered(chosen);
        if self.keeps_itself {
            self.kept.keep();
        }
        Ok(Provenance::edit(found, |known| {
            known.place = Some(match moved {
                Some(moved) => format!("{place} ({moved})"),
                None => place.clone(),
            });
            known.written_down = known.written_down.take().or(written_down);
        }))
    }
}

/// A profile by name, file and line.
fn place(bytes: &[u8], name: &str, path: &Path) -> String {
    let quoted = serde_json::Value::from(name).to_string();
    let names_it = |line: &&[u8]| {
        let line = String::from_utf8_lossy(line);
        line.contains("\"name\"") && line.contains(&quoted)
    };
    let line = bytes.split(|byte| *byte == b'\n').position(|line| names_it(&line));
    let line = line.map(|at| format!(", line {}", at + 1)).unwrap_or_default();
    format!("{} is there: profile `{}`{line}", shown_path(path), shown(name))
}
