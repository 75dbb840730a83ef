//! The provider behind both profile formats: chooses the file and the profile, asks the source, notices changes.

use std::borrow::Cow;
use std::fmt;
use std::future::Future;
use std::marker::PhantomData;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use zeroize::Zeroizing;

use crate::context::{Context, Stamp};
use crate::credentials::Credentials;
use crate::endpoint::valid_region;
use crate::error::Error;
use crate::paths;
use crate::profile::{EnvDefaults, ProfileFormat, Selected, Source};
use crate::provenance::Provenance;
use crate::provider::{BoxFuture, ProvideCredentials, SourceStatus, is_current};
use crate::redact::{shown, shown_path};
use crate::sts::Sts;

use super::kept_profile::{Chosen, KeptProfile};
use super::profile_file::ProfileFile;
use super::profile_source::{SourceSettings, build};

/// The largest file that is read: real ones have a few KiB.
const LIMIT: u64 = 1024 * 1024;

/// A format, as its provider looks for it.
pub(crate) trait Format: ProfileFormat + Send + Sync + 'static {
    /// The name of the provider.
    const PROVIDER: &'static str;
    /// The field's word for one profile.
    const PART: &'static str;
    /// The variable that names the file.
    const VARIABLE: &'static str;
    /// The directory of the file beneath the home directory, and the names that it may have there.
    const DEFAULTS: (&'static str, &'static [&'static str]);
    /// The variable that turns this format alone off.
    const DISABLED: Option<&'static str> = None;

    /// The error where a variable has all files ignored, as `why` says.
    fn ignored(of: &FileProvider<Self>, asked_for: Option<&AskedFor>, why: String) -> Error;

    /// The error where none of `files` has the profile.
    fn missing(
        of: &FileProvider<Self>,
        files: &[ProfileFile<Self>],
        selected: &Selected,
        asked_for: Option<&AskedFor>,
    ) -> impl Future<Output = Error> + Send;

    /// Says where in the file at `path` the profile is that would be used, for an explanation.
    fn place(of: &FileProvider<Self>, path: &Path) -> Option<String> {
        let _ = (of, path);
        None
    }
}

/// A profile that somebody asked for by name.
pub(crate) struct AskedFor {
    pub(super) name: String,
    /// `in code`, or `by` a variable.
    by: &'static str,
}

/// The provider of a profile in files of the format `F`.
pub(crate) struct FileProvider<F> {
    pub(super) profile: Option<String>,
    pub(super) sts: Sts,
    settings: SourceSettings,
    kept: Arc<KeptProfile>,
    /// Of a chain, which asks both formats, config.json first, and says when a profile is kept.
    pub(super) in_chain: bool,
    /// The provider is kept while the profile says the same: a metadata token or an inner session outlives a refresh.
    built: Mutex<Option<(Source, Arc<dyn ProvideCredentials>)>>,
    seen: Mutex<Vec<(PathBuf, Option<Stamp>)>>,
    /// The last look failed for a reason that need not be in the files.
    failed_elsewhere: AtomicBool,
    format: PhantomData<fn() -> F>,
}

impl<F> fmt::Debug for FileProvider<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FileProvider").field("profile", &self.profile).finish_non_exhaustive()
    }
}

impl<F> Default for FileProvider<F> {
    fn default() -> Self {
        Self { in_chain: false, ..Self::in_chain(Sts::default(), None, SourceSettings::default()) }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl<F> FileProvider<F> {
    /// Of a chain, with the STS settings already made.
    pub(crate) fn in_chain(sts: Sts, profile: Option<String>, settings: SourceSettings) -> Self {
        Self {
            profile,
            sts,
            settings,
            kept: Arc::default(),
            in_chain: true,
            built: Mutex::new(None),
            seen: Mutex::new(Vec::new()),
            failed_elsewhere: AtomicBool::new(false),
            format: PhantomData,
        }
    }

    pub(crate) fn kept_profile(&self) -> Arc<KeptProfile> {
        Arc::clone(&self.kept)
    }

    pub(super) fn kept(&self) -> Option<Chosen> {
        self.kept.kept()
    }

    pub(super) fn context(&self) -> &Context {
        &self.sts.context
    }

    /// Reads a file of this format or, for what an error lists, of the other one.
    pub(super) async fn read<T: Format>(
        &self,
        path: PathBuf,
        variable: Option<&'static str>,
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
        let content = bytes.map(|bytes| T::parse(&bytes)).transpose();
        let content =
            content.map_err(|error| error.map_message(|message| format!("{} {message}", shown_path(&path))))?;
        Ok(ProfileFile { path, variable, content, barred: false })
    }

    /// Reads the file at `path` for an explanation.
    pub(super) fn read_now<T: Format>(&self, path: &Path) -> Option<(Zeroizing<Vec<u8>>, T)> {
        let bytes = self.context().read_now(path, LIMIT).ok()??;
        let content = T::parse(&bytes).ok()?;
        Some((bytes, content))
    }

    /// The variable that has all files ignored, if one does. The CLI wants it in capitals.
    fn ignored(&self) -> Result<Option<&'static str>, Error> {
        let names = ["ALIBABA_CLOUD_IGNORE_PROFILE", "ALIBABACLOUD_IGNORE_PROFILE"];
        for name in &names[..if self.settings.legacy_variables { 2 } else { 1 }] {
            if self.context().switch(name)? {
                return Ok(Some(name));
            }
        }
        Ok(None)
    }

    /// The variable that turns the format `T` off, if it does.
    pub(super) fn disabled<T: Format>(&self) -> Result<Option<&'static str>, Error> {
        let Some(name) = T::DISABLED else { return Ok(None) };
        Ok(self.context().switch(name)?.then_some(name))
    }

    /// The paths of the format's file and the variable that names it; no path without a home directory.
    pub(super) fn default_paths<T: Format>(&self) -> (Vec<PathBuf>, Option<&'static str>) {
        if let Some(path) = self.context().env_path(T::VARIABLE) {
            return (vec![paths::expand_home(self.context(), path)], Some(T::VARIABLE));
        }
        let (directory, names) = T::DEFAULTS;
        let directory = self.context().home_dir().map(|home| home.join(directory));
        let paths = directory.map(|directory| names.iter().map(|name| directory.join(name)).collect());
        (paths.unwrap_or_default(), None)
    }

    /// The profile that was asked for: in code, else by variable.
    pub(super) fn asked_for(&self) -> Result<Option<AskedFor>, Error> {
        if let Some(name) = &self.profile {
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

    fn env_defaults(&self) -> Result<EnvDefaults, Error> {
        Ok(EnvDefaults {
            role_arn: self.context().env("ALIBABA_CLOUD_ROLE_ARN")?,
            external_id: self.context().env("ALIBABA_CLOUD_EXTERNAL_ID")?,
            now: Some(self.context().now().system_time()),
        })
    }
}

impl<F: Format> FileProvider<F> {
    /// The paths to read: those of the kept profile, if there is one.
    fn paths(&self) -> (Vec<PathBuf>, Option<&'static str>) {
        match self.kept() {
            Some(kept) => (vec![kept.path], kept.variable),
            None => self.default_paths::<F>(),
        }
    }

    async fn ask(&self, wanted: Option<Duration>) -> Result<Credentials, Error> {
        self.failed_elsewhere.store(false, Ordering::Release);
        lock(&self.seen).clear();
        let asked_for = self.asked_for()?;
        let is_true = |variable: &str| format!("{variable} is true");
        if let Some(variable) = self.ignored()? {
            return Err(F::ignored(self, asked_for.as_ref(), is_true(variable)));
        }
        if let Some(variable) = self.disabled::<F>()? {
            return Err(Error::not_configured(is_true(variable)));
        }
        let kept = self.kept();
        let now_selected = |content: Option<&F>| {
            Selected::new(asked_for.as_ref().map(|asked| asked.name.as_str()), content.and_then(F::current))
        };
        let select = |content: Option<&F>| match &kept {
            Some(kept) => kept.selected.clone(),
            None => now_selected(content),
        };
        // Some SDKs write one of the names and some the other, so a machine may have both: the first file with the profile counts.
        let (paths, variable) = self.paths();
        let mut files = Vec::new();
        for path in paths {
            let file = self.read::<F>(path, variable).await?;
            file.required()?;
            if let Some(content) = &file.content
                && let selected = select(Some(content))
                && content.has(&selected.name)
            {
                let source = content.source(&selected, &file.shown(), &self.env_defaults()?)?;
                let now = now_selected(Some(content)).name;
                let moved = (now != selected.name)
                    .then(|| format!("`{}` is chosen there now, which only a new chain takes up", shown(&now)));
                let (region, sts_profile) = content.sts_settings(&selected.name);
                let region = valid_region(region);
                let chosen = Chosen { selected, path: file.path, variable };
                let found = self.ask_source(source, chosen, moved, wanted).await?;
                return Ok(Provenance::edit(found, |known| (known.region, known.sts_profile) = (region, sts_profile)));
            }
            files.push(file);
        }
        let selected = select(files.last().and_then(|file| file.content.as_ref()));
        Err(F::missing(self, &files, &selected, asked_for.as_ref()).await)
    }

    /// Asks the source of a profile; errors say which profile they are about. `moved` is what else is to be said of the place.
    /// `wanted` is how long the credential has to last.
    async fn ask_source(
        &self,
        source: Source,
        chosen: Chosen,
        moved: Option<String>,
        wanted: Option<Duration>,
    ) -> Result<Credentials, Error> {
        let place = format!("{} `{}` of {}", F::PART, shown(&chosen.selected.name), shown_path(&chosen.path));
        let at = |error: Error| error.map_message(|message| format!("{place}: {message}"));
        let written_down = source.is_written_down().then(|| place.clone());
        let provider = {
            let mut built = lock(&self.built);
            match &*built {
                Some((same, provider)) if *same == source => Arc::clone(provider),
                _ => {
                    let provider = build(&source, &self.sts, &self.settings, &chosen.path).map_err(at)?;
                    *built = Some((source, Arc::clone(&provider)));
                    provider
                }
            }
        };
        self.failed_elsewhere.store(true, Ordering::Release);
        let answer = match wanted {
            Some(lifetime) => provider.provide_credentials_valid_for(lifetime).await,
            None => provider.provide_credentials().await,
        };
        self.failed_elsewhere.store(answer.is_err(), Ordering::Release);
        let found = answer.map_err(at)?.or_provider_name(&provider.provider_name());
        self.kept.answered(chosen);
        if !self.in_chain {
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

    async fn provide(&self, wanted: Option<Duration>) -> Result<Credentials, Error> {
        match self.ask(wanted).await {
            Ok(found) => Ok(found.in_provider(F::PROVIDER)),
            Err(error) => Err(error.in_provider(F::PROVIDER)),
        }
    }

    /// The provider that the profile became last.
    fn built(&self) -> Option<Arc<dyn ProvideCredentials>> {
        lock(&self.built).as_ref().map(|(_, provider)| Arc::clone(provider))
    }
}

impl<F: Format> ProvideCredentials for FileProvider<F> {
    fn provider_name(&self) -> Cow<'_, str> {
        Cow::Borrowed(F::PROVIDER)
    }

    fn provide_credentials(&self) -> BoxFuture<'_, Result<Credentials, Error>> {
        Box::pin(self.provide(None))
    }

    fn provide_credentials_valid_for(&self, lifetime: Duration) -> BoxFuture<'_, Result<Credentials, Error>> {
        Box::pin(self.provide(Some(lifetime)))
    }

    fn invalidate(&self, credentials: &Credentials) {
        if let Some(provider) = self.built() {
            provider.invalidate(credentials);
        }
    }

    fn source_status(&self) -> Option<SourceStatus> {
        if let Some(variable) = self.ignored().ok()?.or(self.disabled::<F>().ok()?) {
            return Some(SourceStatus::not_configured(format!("{variable} is true")));
        }
        let (paths, _) = self.paths();
        Some(match (paths.iter().find(|path| self.context().stamp(path).is_some()), paths.first()) {
            (Some(path), _) => {
                let place = F::place(self, path);
                SourceStatus::configured(place.unwrap_or_else(|| format!("{} is there", shown_path(path))))
            }
            (None, Some(path)) => SourceStatus::not_configured(format!("there is no {}", shown_path(path))),
            (None, None) => SourceStatus::not_configured("there is no home directory"),
        })
    }

    /// Returns whether the files still say what they said at the last look: every file that was read looks the same. If a file
    /// could not be read, or its source did not respond (STS was down), the next look is due when the back-off ends, changed
    /// or not.
    fn is_current(&self, credentials: &Credentials) -> bool {
        !self.failed_elsewhere.load(Ordering::Acquire)
            && lock(&self.seen).iter().all(|(path, stamp)| self.context().stamp(path) == *stamp)
            && self.built().is_none_or(|provider| is_current(&*provider, credentials) != Some(false))
    }
}
