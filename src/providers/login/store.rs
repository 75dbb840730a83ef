//! The profile in config.json that a login is read from and written to.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crate::context::Context;
use crate::error::{Error, ErrorKind};
use crate::profile::{Config, Locked, Login, LoginKind, NewValue, NotWritten, Prepared, ProfileFormat, lock_config};
use crate::redact::shown_path;

/// The longest wait for another process to renew the login. It makes two requests of ten seconds at most.
const LOCK_LIMIT: Duration = Duration::from_secs(30);
/// The CLI stores CloudSSO's sessions with so much less.
const CLOUD_SSO_MARGIN: i64 = 5;

pub(super) struct Store {
    context: Context,
    path: PathBuf,
    profile: String,
    /// The warning was given.
    warned: AtomicBool,
}

impl Store {
    pub(super) fn new(context: Context, path: &Path, profile: &str) -> Self {
        Self { context, path: path.to_owned(), profile: profile.to_owned(), warned: AtomicBool::new(false) }
    }

    /// Waits for the file's lock; none where the file cannot be written anyway.
    pub(super) async fn lock(&self) -> Result<Option<Locked>, Error> {
        match lock_config(&self.context, &self.path, LOCK_LIMIT).await {
            Ok(locked) => Ok(Some(locked)),
            Err(NotWritten::Locked) => {
                let path = shown_path(&self.path);
                let message = format!("another process has been renewing the login for {} s", LOCK_LIMIT.as_secs());
                let error = Error::new(ErrorKind::TimedOut, message).with_code("ConfigLocked");
                Err(error.with_remedy(format!("look for the process that holds the lock beside {path}")))
            }
            Err(error) => {
                self.warn(&error);
                Ok(None)
            }
        }
    }

    /// The login as the file has it now.
    pub(super) fn read(&self, locked: &Locked) -> Option<Login> {
        let bytes = locked.read_if_there().ok()??;
        Config::parse(&bytes).ok()?.login(&self.profile)
    }

    /// Makes the place for what is to be written.
    pub(super) fn prepare<'a>(&self, locked: &'a Locked) -> Option<Prepared<'a>> {
        locked.prepare().map_err(|error| self.warn(&error)).ok()
    }

    /// Writes the tokens; `false` if that was not possible.
    pub(super) fn write_tokens(&self, prepared: Prepared<'_>, login: &Login) -> bool {
        self.commit(prepared, &tokens(login))
    }

    /// Writes the session; `false` if that was not possible. Its tokens are written again, in case they were not before.
    pub(super) fn write_session(&self, prepared: Prepared<'_>, login: &Login) -> bool {
        let Some(session) = &login.session else { return false };
        let margin = if matches!(login.kind, LoginKind::CloudSso { .. }) { CLOUD_SSO_MARGIN } else { 0 };
        let mut changes = vec![
            ("access_key_id", NewValue::Text(&session.access_key_id)),
            ("access_key_secret", NewValue::Text(&session.access_key_secret)),
            ("sts_token", NewValue::Text(&session.security_token)),
            ("sts_expiration", NewValue::Number(session.expiration.saturating_sub(margin))),
        ];
        changes.extend(tokens(login));
        self.commit(prepared, &changes)
    }

    fn commit(&self, prepared: Prepared<'_>, changes: &[(&str, NewValue<'_>)]) -> bool {
        prepared.commit(&self.profile, changes).map_err(|error| self.warn(&error)).is_ok()
    }

    /// Says once that the file could not be written.
    fn warn(&self, error: &NotWritten) {
        if !self.warned.swap(true, Ordering::Relaxed) {
            let path = shown_path(&self.path);
            tracing::warn!(path, reason = error.why(), "the session of a login is used and cannot be written back");
        }
    }
}

/// The members that hold the tokens of OAuth, where the login has both.
fn tokens(login: &Login) -> Vec<(&'static str, NewValue<'_>)> {
    let (LoginKind::OAuth { refresh_token: Some(refresh_token), .. }, Some(access_token)) =
        (&login.kind, &login.access_token)
    else {
        return Vec::new();
    };
    vec![
        ("oauth_access_token", NewValue::Text(access_token)),
        ("oauth_refresh_token", NewValue::Text(refresh_token)),
        ("oauth_access_token_expire", NewValue::Number(login.access_token_expire)),
    ]
}
