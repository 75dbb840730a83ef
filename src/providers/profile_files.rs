//! What the two file providers share: where the files are, and the provider that a profile's source becomes.

use std::fmt;
use std::future::Future;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::context::{Context, Stamp};
use crate::credentials::Credentials;
use crate::error::Error;
use crate::profile::{Config, EnvDefaults, Ini, Source};
use crate::provider::{ProvideCredentials, SourceStatus};
use crate::redact::shown;
use crate::redact::shown_path;
use crate::sts::Sts;

use super::{AssumeRoleProvider, CredentialsUriProvider, EcsMetadataProvider, OidcRoleProvider};

/// The largest file that is read: real ones have a few KiB.
const LIMIT: u64 = 1024 * 1024;

/// A file that was read, or found missing.
pub(super) struct ProfileFile<T> {
    pub(super) path: PathBuf,
    /// Whether a variable names it.
    pub(super) variable: Option<&'static str>,
    pub(super) content: Option<T>,
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
                Err(Error::failed(message).with_code("ConfigMissing").permanent())
            }
        }
    }
}

/// The profiles' files, and what was made of them last.
pub(super) struct ProfileFiles {
    pub(super) sts: Sts,
    /// The provider is kept while the profile says the same: a metadata token or an inner session outlives a refresh.
    built: Mutex<Option<(Source, Arc<dyn ProvideCredentials>)>>,
    seen: Mutex<Vec<(PathBuf, Option<Stamp>)>>,
    /// Whether the last look failed for a reason that need not be in the files.
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
        Self { sts, built: Mutex::new(None), seen: Mutex::new(Vec::new()), failed_elsewhere: AtomicBool::new(false) }
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

    /// Whether what was given last is what the files still say: every file that was looked at looks the same. Where a file
    /// could not be read, or its source did not answer (STS was down), the next look is due when the back-off ends, changed
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
        let content = bytes?.map(|bytes| parse(&bytes)).transpose();
        let content =
            content.map_err(|error| error.map_message(|message| format!("{} {message}", shown_path(&path))))?;
        Ok(ProfileFile { path, variable, content })
    }

    /// Where config.json is, and the variable that says so; `None` without a home directory.
    fn config_path(&self) -> Result<Option<(PathBuf, Option<&'static str>)>, Error> {
        const VARIABLE: &str = "ALIBABA_CLOUD_CONFIG_FILE";
        if let Some(path) = self.context().env(VARIABLE)? {
            return Ok(Some((PathBuf::from(path), Some(VARIABLE))));
        }
        Ok(self.context().home_dir()?.map(|home| (home.join(".aliyun").join("config.json"), None)))
    }

    /// Where the ini file may be, and the variable that says so; nowhere without a home directory.
    fn ini_paths(&self) -> Result<(Vec<PathBuf>, Option<&'static str>), Error> {
        const VARIABLE: &str = "ALIBABA_CLOUD_CREDENTIALS_FILE";
        if let Some(path) = self.context().env(VARIABLE)? {
            return Ok((vec![PathBuf::from(path)], Some(VARIABLE)));
        }
        let directory = self.context().home_dir()?.map(|home| home.join(".alibabacloud"));
        let paths = directory.map(|path| vec![path.join("credentials"), path.join("credentials.ini")]);
        Ok((paths.unwrap_or_default(), None))
    }

    /// The `aliyun` CLI's file.
    pub(super) async fn config(&self) -> Result<Option<ProfileFile<Config>>, Error> {
        match self.config_path()? {
            Some((path, variable)) => self.read(path, variable, Config::parse).await.map(Some),
            None => Ok(None),
        }
    }

    /// The SDKs' ini file under each of its names, up to the first one that has `section`: some SDKs write one of them and
    /// some the other, so a machine may have both.
    pub(super) async fn ini(&self, section: &str) -> Result<Vec<ProfileFile<Ini>>, Error> {
        let (paths, variable) = self.ini_paths()?;
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

    /// Whether config.json is there, and which of its profiles would be used.
    pub(super) fn config_status(&self, in_code: Option<&String>) -> Option<SourceStatus> {
        if self.context().switch("ALIBABA_CLOUD_CLI_PROFILE_DISABLED").ok()? {
            return Some(SourceStatus::not_configured("ALIBABA_CLOUD_CLI_PROFILE_DISABLED is true"));
        }
        let Some((path, _)) = self.config_path().ok()? else { return self.files_status(&[]) };
        let status = self.files_status(std::slice::from_ref(&path))?;
        let named = || {
            let bytes = self.context().read_now(&path, LIMIT).ok()??;
            let config = Config::parse(&bytes).ok()?;
            let selected = config.select(self.asked_for(in_code).ok()?.as_deref());
            config.has(&selected.name).then(|| place(&bytes, &selected.name, &path))
        };
        Some(named().map_or(status, SourceStatus::configured))
    }

    /// Whether the ini file is there.
    pub(super) fn ini_status(&self) -> Option<SourceStatus> {
        self.files_status(&self.ini_paths().ok()?.0)
    }

    /// The profile that was asked for: in code, else by variable.
    pub(super) fn asked_for(&self, in_code: Option<&String>) -> Result<Option<String>, Error> {
        match in_code {
            Some(name) => Ok(Some(name.clone())),
            None => self.context().env("ALIBABA_CLOUD_PROFILE"),
        }
    }

    pub(super) fn env_defaults(&self) -> Result<EnvDefaults, Error> {
        Ok(EnvDefaults {
            role_arn: self.context().env("ALIBABA_CLOUD_ROLE_ARN")?,
            external_id: self.context().env("ALIBABA_CLOUD_EXTERNAL_ID")?,
        })
    }

    /// Asks the source; errors say which profile they are about.
    pub(super) async fn ask(&self, source: Source, place: &str) -> Result<Credentials, Error> {
        let provider = {
            let mut built = lock(&self.built);
            match &*built {
                Some((same, provider)) if *same == source => Arc::clone(provider),
                _ => {
                    let provider = build(&source, &self.sts);
                    *built = Some((source, Arc::clone(&provider)));
                    provider
                }
            }
        };
        self.failed_elsewhere.store(true, Ordering::Release);
        let answer = provider.provide_credentials().await;
        self.failed_elsewhere.store(answer.is_err(), Ordering::Release);
        let answer = answer.map(|found| found.or_provider_name(&provider.provider_name()));
        answer.map_err(|error| error.map_message(|message| format!("{place}: {message}")))
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

fn build(source: &Source, sts: &Sts) -> Arc<dyn ProvideCredentials> {
    let with = |endpoint: &crate::sts::ProfileEndpoint| {
        let mut sts = sts.clone();
        sts.endpoint.profile = Some(endpoint.clone());
        sts
    };
    match source {
        Source::Keys(keys) => Arc::new(keys.clone()),
        Source::Role { source, role, endpoint } => {
            Arc::new(AssumeRoleProvider::with_shared_source(build(source, sts), role.clone(), with(endpoint)))
        }
        Source::Oidc { provider_arn, token_file, role, endpoint } => {
            Arc::new(OidcRoleProvider::of_profile(provider_arn, Path::new(token_file), role.clone(), with(endpoint)))
        }
        Source::EcsRamRole { role_name } => {
            let metadata = EcsMetadataProvider::new().required().context(sts.context.clone());
            Arc::new(role_name.iter().fold(metadata, |metadata, name| metadata.role_name(name)))
        }
        Source::CredentialsUri { url } => Arc::new(CredentialsUriProvider::new().uri(url).context(sts.context.clone())),
    }
}
