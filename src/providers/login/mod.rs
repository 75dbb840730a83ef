//! `oauth` and `cloud_sso`: the session of a login that the module `login` or the `aliyun` CLI made.
//!
//! The session that the profile holds is used while it lasts. Then, under the lock of config.json:
//!
//! 1. The profile is read again: another process may have renewed it while this one waited.
//! 2. (OAuth) If the access token is about to end, the refresh token is spent for new tokens. It can be spent once, so the
//!    temporary file that will hold the new ones is there before; they are on the disk before they are used.
//! 3. The access token is exchanged for a session, which is written into the profile.

mod cloud_sso;
mod oauth;
mod store;

use std::borrow::Cow;
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use self::store::Store;
use crate::context::{self, Context};
use crate::credentials::Credentials;
use crate::error::Error;
use crate::login_service::expired;
use crate::profile::{Login, LoginKind, StoredSession, login_seconds};
use crate::provider::{BoxFuture, ProvideCredentials};

/// A stored session with less left is replaced, if that is possible. The refresher asks ahead of the end by no more than this
/// for a session of an hour.
const REUSED: Duration = Duration::from_secs(20 * 60);
/// `/v1/exchange` refuses an access token with less than 15 minutes left. The official SDKs renew it at 20.
const RENEWED: Duration = Duration::from_secs(20 * 60);
const EXCHANGEABLE: Duration = Duration::from_secs(15 * 60);

/// Gives the session of a profile of mode `OAuth` or `CloudSSO`.
pub(super) struct LoginProvider {
    context: Context,
    /// The login as the profile had it when this was built.
    login: Login,
    store: Store,
    /// The login that could not be written to the file.
    unwritten: Mutex<Option<Unwritten>>,
    /// The key id of a session that a server refused.
    refused: Mutex<Option<String>>,
}

/// A login that is newer than the file's, which could not be written.
#[derive(Clone)]
struct Unwritten {
    /// The login that the file had.
    file: Login,
    login: Login,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl LoginProvider {
    /// For the profile of config.json at `path` that holds this login.
    pub(super) fn new(context: Context, login: Login, path: &Path) -> Self {
        let store = Store::new(context.clone(), path, &login.profile);
        Self { context, login, store, unwritten: Mutex::new(None), refused: Mutex::new(None) }
    }

    /// The newer one of the file's login and what could not be written to it.
    fn newest(&self, file: Login) -> Login {
        match &*lock(&self.unwritten) {
            Some(unwritten) if unwritten.file == file => unwritten.login.clone(),
            _ => file,
        }
    }

    /// The stored session if more than `least` is left of it and no server has refused it.
    fn stored(&self, login: &Login, least: Duration) -> Option<Credentials> {
        let session = login.session.as_ref()?;
        let left = session.left(self.context.now().system_time())?;
        if left <= least || lock(&self.refused).as_ref() == Some(&session.access_key_id) {
            return None;
        }
        let credentials = Credentials::new(&session.access_key_id, session.access_key_secret.as_str())
            .with_security_token(session.security_token.as_str());
        Some(credentials.with_expiration(session.end()?).with_provider_name(login.provider_name()))
    }

    /// Gives the session, with more than `least` left if that can be had.
    async fn ask(&self, least: Duration) -> Result<Credentials, Error> {
        let known = self.newest(self.login.clone());
        if let Some(session) = self.stored(&known, least) {
            return Ok(session);
        }
        let error = match self.renew(least).await {
            Ok(session) => return Ok(session),
            Err(error) => error,
        };
        // Who holds a session has it for longer, and needs to know of the failure: the back-off follows it.
        let fallback = context::held().is_zero().then(|| self.stored(&known, Duration::ZERO)).flatten();
        let Some(session) = fallback else { return Err(error) };
        tracing::warn!(%error, "the session of a login could not be renewed; the one that the profile holds is used");
        Ok(session)
    }

    async fn renew(&self, least: Duration) -> Result<Credentials, Error> {
        let locked = self.store.lock().await?;
        let file = locked.as_ref().and_then(|locked| self.store.read(locked));
        let file = file.unwrap_or_else(|| self.login.clone());
        let mut login = self.newest(file.clone());
        if let Some(session) = self.stored(&login, least) {
            return Ok(session);
        }
        let mut renewed = false;
        if matches!(login.kind, LoginKind::OAuth { .. }) {
            let left = login.access(self.context.now().system_time()).map(|(_, left)| left);
            if left.is_none_or(|left| left <= RENEWED) && login.refresh_token().is_some() {
                renewed = self.renew_tokens(&mut login, &file, locked.as_ref(), left).await?;
            }
        }
        let (session, credentials) = match self.exchange(&login).await {
            // A token may be revoked before its time.
            Err(error) if error.code() == Some("LoginExpired") && !renewed && login.refresh_token().is_some() => {
                self.renew_tokens(&mut login, &file, locked.as_ref(), None).await?;
                self.exchange(&login).await?
            }
            exchanged => exchanged?,
        };
        login.session = Some(session);
        let prepared = locked.as_ref().and_then(|locked| self.store.prepare(locked));
        self.keep(&file, &login, prepared.is_some_and(|prepared| self.store.write_session(prepared, &login)));
        Ok(credentials)
    }

    /// Spends the refresh token; `false` if that was not possible and the access token will do.
    async fn renew_tokens(
        &self,
        login: &mut Login,
        file: &Login,
        locked: Option<&crate::profile::Locked>,
        left: Option<Duration>,
    ) -> Result<bool, Error> {
        let prepared = locked.and_then(|locked| self.store.prepare(locked));
        match oauth::renew(&self.context, login).await {
            Ok(newer) => *login = newer,
            Err(_) if left.is_some_and(|left| left > EXCHANGEABLE) => return Ok(false),
            Err(error) => return Err(error),
        }
        self.keep(file, login, prepared.is_some_and(|prepared| self.store.write_tokens(prepared, login)));
        Ok(true)
    }

    /// Remembers what was not written.
    fn keep(&self, file: &Login, login: &Login, written: bool) {
        let unwritten = Unwritten { file: file.clone(), login: login.clone() };
        *lock(&self.unwritten) = (!written).then_some(unwritten);
    }

    async fn exchange(&self, login: &Login) -> Result<(StoredSession, Credentials), Error> {
        let Some((access_token, _)) = login.access(self.context.now().system_time()) else {
            return Err(expired(login, "has an access token that has expired"));
        };
        let credentials = match &login.kind {
            LoginKind::OAuth { site, .. } => oauth::exchange(&self.context, login, *site, access_token).await?,
            LoginKind::CloudSso { sign_in_url, account_id, access_config } => {
                cloud_sso::credentials(&self.context, login, sign_in_url, [account_id, access_config], access_token)
                    .await?
            }
        };
        let session = StoredSession {
            access_key_id: credentials.access_key_id().to_owned(),
            access_key_secret: credentials.access_key_secret().to_owned().into(),
            security_token: credentials.security_token().unwrap_or_default().to_owned().into(),
            expiration: credentials.expiration().map_or(0, login_seconds),
        };
        Ok((session, credentials.with_provider_name(login.provider_name())))
    }
}

impl ProvideCredentials for LoginProvider {
    fn provider_name(&self) -> Cow<'_, str> {
        Cow::Borrowed(self.login.provider_name())
    }

    fn provide_credentials(&self) -> BoxFuture<'_, Result<Credentials, Error>> {
        self.provide_credentials_valid_for(Duration::ZERO)
    }

    fn provide_credentials_valid_for(&self, lifetime: Duration) -> BoxFuture<'_, Result<Credentials, Error>> {
        let name = self.login.provider_name();
        Box::pin(async move { self.ask(REUSED.max(lifetime)).await.map_err(|error| error.in_provider(name)) })
    }

    fn invalidate(&self, credentials: &Credentials) {
        *lock(&self.refused) = Some(credentials.access_key_id().to_owned());
    }
}
