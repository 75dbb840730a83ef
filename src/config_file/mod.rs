//! The `aliyun` CLI's config.json as a file that is looked at and changed: without loss, under its lock.

mod members;
mod new_profile;
mod summary;

use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::Value;
use zeroize::Zeroizing;

pub use self::new_profile::NewProfile;
use self::new_profile::check_name;
pub use self::summary::ProfileSummary;
use self::summary::summary;
use crate::context::{Context, Executor};
use crate::error::{Error, ErrorKind};
use crate::paths;
use crate::profile::{
    Config, EnvDefaults, NewValue, NotEdited, NotWritten, Place, ProfileFormat, Selected, add_profile, config_text,
    edit_profile, lock_new_config, set_current,
};
use crate::redact::{shown, shown_path};

/// The largest file that is read, as the providers have it.
const LIMIT: u64 = 1024 * 1024;
/// The longest wait for another process that writes.
const LOCK_LIMIT: Duration = Duration::from_secs(30);

/// The session that a login left in its profile.
const SESSION: [&str; 4] = ["access_key_id", "access_key_secret", "sts_token", "sts_expiration"];

/// The `aliyun` CLI's config.json: lists its profiles and changes them.
///
/// Of a file that is changed only the bytes of the changed values change; unknown members, order, indentation, mode and owner stay.
/// It is replaced as a whole, under a lock that all processes with this crate share. What a JSON parser would not give back
/// (comments, a key twice) is not written: that is the error `ConfigNotWritten`.
///
/// ```no_run
/// # async fn example() -> Result<(), alibabacloud_credentials::Error> {
/// use alibabacloud_credentials::ConfigFile;
///
/// let file = ConfigFile::new();
/// for profile in file.profiles().await? {
///     println!("{} {}", profile.name, profile.mode.unwrap_or_default());
/// }
/// file.switch("prod").await?;
/// # Ok(()) }
/// ```
#[derive(Clone, Debug, Default)]
pub struct ConfigFile {
    context: Context,
    path: Option<PathBuf>,
}

/// A member of a login.
pub(crate) enum LoginValue {
    Text(Zeroizing<String>),
    Number(i64),
}

impl ConfigFile {
    /// The file that `ALIBABA_CLOUD_CONFIG_FILE` names, else `~/.aliyun/config.json`. It need not be there yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// The file at a path.
    pub fn at(path: impl Into<PathBuf>) -> Self {
        Self { path: Some(path.into()), ..Self::default() }
    }

    /// Sets the outside world. The default is the real one.
    #[must_use]
    pub fn context(mut self, context: Context) -> Self {
        self.context = context;
        self
    }

    /// Returns the path of the file.
    ///
    /// # Errors
    ///
    /// `NotConfigured` if there is no home directory and no variable names the file.
    pub fn path(&self) -> Result<PathBuf, Error> {
        let named = self.path.clone().or_else(|| self.context.env_path("ALIBABA_CLOUD_CONFIG_FILE"));
        if let Some(path) = named {
            return Ok(paths::expand_home(&self.context, path));
        }
        let home = self.context.home_dir().ok_or_else(|| Error::not_configured("there is no home directory"))?;
        Ok(home.join(".aliyun/config.json"))
    }

    /// Returns the profiles in the order of the file; none if there is no file.
    ///
    /// # Errors
    ///
    /// A file that cannot be read (`FileUnreadable`) or is not what the `aliyun` CLI writes (`ConfigMalformed`).
    pub async fn profiles(&self) -> Result<Vec<ProfileSummary>, Error> {
        let this = self.clone();
        run(async move {
            let path = this.path()?;
            let Some(bytes) = this.context.read_file(&path, LIMIT).await? else { return Ok(Vec::new()) };
            let config = parse(&bytes, &path)?;
            let text = std::str::from_utf8(&bytes).unwrap_or_default();
            let value: Value = serde_json::from_str(text.trim_start_matches('\u{feff}')).unwrap_or_default();
            let profiles = value["profiles"].as_array().map(Vec::as_slice).unwrap_or_default();
            Ok(profiles.iter().filter_map(|profile| summary(profile, config.current())).collect())
        })
        .await
    }

    /// Chooses the profile that commands and chains use which ask for none by name.
    ///
    /// # Errors
    ///
    /// `ProfileNotFound`, and `ConfigNotWritten` if the file cannot be changed.
    pub async fn switch(&self, profile: &str) -> Result<(), Error> {
        let (this, profile) = (self.clone(), profile.to_owned());
        run(async move {
            this.check_exists(&profile)?;
            this.change(&profile, |_, _| Ok(()), |text| set_current(text.ok_or(NotEdited::NoSuchProfile)?, &profile))
                .await
                .map(|_| ())
        })
        .await
    }

    /// Adds a profile behind the others; the file is made if there is none. It becomes the current one if none is chosen.
    ///
    /// # Errors
    ///
    /// A profile of that name that is there (`ProfileExists`), one that could not give credentials (`HalfSet`,
    /// `UnsupportedMode`, `InvalidKeyCharacter` and others), a member that is not known
    /// (`InvalidParameter.ProfileMember`), and `ConfigNotWritten`.
    pub async fn add(&self, profile: NewProfile) -> Result<(), Error> {
        let this = self.clone();
        run(async move {
            check_name(&profile.name)?;
            let values = profile.values()?;
            let name = profile.name.as_str();
            let check = |text: Option<&str>, path: &Path| match add_profile(text, name, &values) {
                Ok(after) => check_source(&after, name, path),
                // What is wrong with the file is said by the change itself.
                Err(_) => Ok(()),
            };
            this.change(name, check, |text| add_profile(text, name, &values)).await.map(|_| ())
        })
        .await
    }

    /// Clears the session that a login (mode `OAuth` or `CloudSSO`) has left in its profile; its tokens stay. Returns whether there
    /// was one.
    ///
    /// # Errors
    ///
    /// `ProfileNotFound`, a profile of another mode (`InvalidParameter.ProfileMode`), and `ConfigNotWritten`.
    pub async fn clear_session(&self, profile: &str) -> Result<bool, Error> {
        let (this, profile) = (self.clone(), profile.to_owned());
        run(async move {
            let check = |text: Option<&str>, path: &Path| {
                let config = parse(text.unwrap_or_default().as_bytes(), path)?;
                match config.login(&profile) {
                    None if config.has(&profile) => {
                        let message = format!("profile `{}` is no login and keeps no session", shown(&profile));
                        Err(Error::invalid_input(message).with_code("InvalidParameter.ProfileMode"))
                    }
                    _ => Ok(()),
                }
            };
            this.check_exists(&profile)?;
            let cleared = SESSION.map(|member| (member, NewValue::Cleared));
            this.change(&profile, check, |text| edit_profile(text.ok_or(NotEdited::NoSuchProfile)?, &profile, &cleared))
                .await
        })
        .await
    }

    /// Checks that there is a file: none is made for a change of what cannot be in it.
    fn check_exists(&self, profile: &str) -> Result<(), Error> {
        match self.context.locate(&self.path()?).exists() {
            true => Ok(()),
            false => Err(self.not_written(profile, NotWritten::Edit(NotEdited::NoSuchProfile))),
        }
    }

    /// Checks, before anyone logs in, that the login could be written: the file may be written, and the profile is not
    /// there or is such a login. Leaves nothing behind.
    pub(crate) async fn check_login(&self, profile: &str, mode: &'static str) -> Result<(), Error> {
        let (this, profile) = (self.clone(), profile.to_owned());
        run(async move {
            check_name(&profile)?;
            let path = this.path()?;
            let not_written = |error| this.not_written(&profile, error);
            let place = Place::of(&this.context, &path).map_err(not_written)?;
            check_mode(place.read().map_err(not_written)?.as_ref(), &path, &profile, mode)?;
            place.check(&this.context).map_err(not_written)
        })
        .await
    }

    /// Writes a login into its profile, which is made if it is not there. The session of the login before is cleared: it may be
    /// another person's.
    pub(crate) async fn write_login(
        &self,
        profile: &str,
        mode: &'static str,
        members: Vec<(&'static str, LoginValue)>,
    ) -> Result<PathBuf, Error> {
        let (this, profile) = (self.clone(), profile.to_owned());
        run(async move {
            let mut values = vec![("mode", NewValue::Text(mode))];
            values.extend(members.iter().map(|(name, value)| match value {
                LoginValue::Text(text) => (*name, NewValue::Text(text)),
                LoginValue::Number(number) => (*name, NewValue::Number(*number)),
            }));
            let changes: Vec<_> =
                values.iter().copied().chain(SESSION.map(|member| (member, NewValue::Cleared))).collect();
            let check = |text: Option<&str>, path: &Path| check_mode(text.map(str::as_bytes), path, &profile, mode);
            let change = |text: Option<&str>| match text.map(|text| edit_profile(text, &profile, &changes)) {
                Some(Err(NotEdited::NoSuchProfile | NotEdited::NotJson)) | None => add_profile(text, &profile, &values),
                Some(edited) => edited,
            };
            this.change(&profile, check, change).await?;
            this.path()
        })
        .await
    }

    /// Changes the file under its lock, once `check` has nothing against it. Returns whether there was anything to change.
    async fn change(
        &self,
        profile: &str,
        check: impl Fn(Option<&str>, &Path) -> Result<(), Error>,
        change: impl Fn(Option<&str>) -> Result<Zeroizing<String>, NotEdited>,
    ) -> Result<bool, Error> {
        let path = self.path()?;
        let not_written = |error| self.not_written(profile, error);
        // Without the lock: what comes to nothing leaves nothing behind.
        let place = Place::of(&self.context, &path).map_err(not_written)?;
        let before = place.read().map_err(not_written)?;
        let text = config_text(before.as_ref()).map_err(not_written)?;
        check(text, &path)?;
        let after = change(text).map_err(|error| not_written(NotWritten::Edit(error)))?;
        if text == Some(after.as_str()) {
            return Ok(false);
        }
        let locked = lock_new_config(&self.context, &path, LOCK_LIMIT).await.map_err(not_written)?;
        let now = locked.read_if_there().map_err(not_written)?;
        check(config_text(now.as_ref()).map_err(not_written)?, &path)?;
        let prepared = locked.prepare().map_err(not_written)?;
        prepared.commit_edit(change, || {}).map_err(not_written)
    }

    /// The error of a change that was not made.
    fn not_written(&self, profile: &str, error: NotWritten) -> Error {
        let path = self.path().map(|path| shown_path(&path)).unwrap_or_default();
        let name = shown(profile);
        match error {
            NotWritten::Locked => {
                let message = format!("another process has held the lock of {path} for {} s", LOCK_LIMIT.as_secs());
                let error = Error::new(ErrorKind::TimedOut, message).with_code("ConfigLocked");
                error.with_remedy("look for the process that holds the lock beside it")
            }
            NotWritten::Edit(NotEdited::ProfileExists) => exists(format!("{path} has a profile `{name}` already")),
            NotWritten::Edit(NotEdited::NoSuchProfile) => {
                let message = format!("{path} has no profile `{name}`, or has it twice");
                let error = Error::failed(message).with_code("ProfileNotFound").permanent();
                error.with_remedy("`alicred profiles` lists those that are there")
            }
            error => {
                let error = Error::failed(format!("{path} cannot be changed: {}", error.why()));
                let error = error.with_code("ConfigNotWritten").permanent();
                error.with_remedy("let it and its folder be written by you, and be plain JSON")
            }
        }
    }
}

/// Runs file access on the crate's own threads: a caller's runtime is not held up.
async fn run<T: Send + 'static>(work: impl Future<Output = Result<T, Error>> + Send + 'static) -> Result<T, Error> {
    Executor::run(work).await.unwrap_or_else(|_| Err(Error::failed("the access to the file was lost")))
}

fn parse(bytes: &[u8], path: &Path) -> Result<Config, Error> {
    Config::parse(bytes).map_err(|error| error.map_message(|message| format!("{} {message}", shown_path(path))))
}

fn exists(message: String) -> Error {
    let error = Error::invalid_input(message).with_code("ProfileExists");
    error.with_remedy("choose another name, or delete that profile first")
}

/// Checks that a login may take the profile: it is not there, or is such a login itself.
fn check_mode(bytes: Option<impl AsRef<[u8]>>, path: &Path, profile: &str, mode: &'static str) -> Result<(), Error> {
    let Some(bytes) = bytes.filter(|bytes| !bytes.as_ref().trim_ascii().is_empty()) else { return Ok(()) };
    let config = parse(bytes.as_ref(), path)?;
    match config.mode_name(profile) {
        Some(other) if other != mode => Err(exists(format!(
            "profile `{}` of {} has mode {}, and a login of mode {mode} would replace its credentials",
            shown(profile),
            shown_path(path),
            shown(&other),
        ))),
        _ => Ok(()),
    }
}

/// Checks that a new profile describes a source.
fn check_source(text: &str, profile: &str, path: &Path) -> Result<(), Error> {
    let config = parse(text.as_bytes(), path)?;
    if config.mode_name(profile).is_some_and(|mode| ["OAuth", "CloudSSO"].contains(&mode.as_str())) {
        let error = Error::invalid_input("a profile of this mode is made by logging in");
        return Err(error.with_code("InvalidParameter.ProfileMode").with_remedy("run `alicred login`"));
    }
    let selected = Selected { name: profile.to_owned(), named: true };
    config.source(&selected, &shown_path(path), &EnvDefaults::default()).map(|_| ())
}
