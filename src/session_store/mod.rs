//! Sessions that processes share: one call to STS for all of them.
//!
//! A store keeps bytes by name and says who may make the call. What the bytes are is settled here: a session, sealed, under a
//! name that depends on everything that influences what STS answers. So a store that is broken, full, hostile or another
//! user's can at worst be useless: what does not open is as if it were not there.

mod file;
mod seal;
#[cfg(test)]
mod tests;

use std::cell::RefCell;
use std::fmt;
use std::future::Future;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use zeroize::Zeroizing;

pub use self::file::FileStore;
use self::seal::{Keys, Sealed};
use crate::context::{Context, Passage, first, held, spread, while_set};
use crate::credentials::Credentials;
use crate::error::Error;
use crate::provider::BoxFuture;

/// The longest that one access to a store may take.
const ACCESS: Duration = Duration::from_secs(2);
/// The longest wait for a call that another process makes, and the pauses in it: the first ones and the last ones.
const PATIENCE: Duration = Duration::from_secs(5);
const PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_millis(500);
/// The longest wait for a turn that a store can impose.
const LONGEST_TURN: Duration = Duration::from_secs(60);
/// A session that lasts so much longer than the one that is to be replaced is a newer one.
const NEWER: Duration = Duration::from_secs(30);

/// The place where processes share the sessions of roles: [`FileStore`] for those of one host, and the crate
/// `alibabacloud-credentials-redis` for those of many.
///
/// A store sees sealed bytes and names that tell nothing. Its errors never reach a caller: a store that fails is as if it
/// were absent, and a warning event says so once. Each access is given up after 2 s.
///
/// ```
/// use std::time::Duration;
/// use alibabacloud_credentials::{BoxFuture, Error, SessionStore, StoreKey, StoreLease};
///
/// /// One that never has anything.
/// struct Nothing(StoreKey);
///
/// impl SessionStore for Nothing {
///     fn key(&self) -> BoxFuture<'_, Result<StoreKey, Error>> {
///         Box::pin(std::future::ready(Ok(self.0.clone())))
///     }
///     fn load(&self, _: &str) -> BoxFuture<'_, Result<Option<Vec<u8>>, Error>> {
///         Box::pin(std::future::ready(Ok(None)))
///     }
///     fn save(&self, _: &str, _: Vec<u8>, _: Duration) -> BoxFuture<'_, Result<(), Error>> {
///         Box::pin(std::future::ready(Ok(())))
///     }
///     fn try_lease(&self, _: &str) -> BoxFuture<'_, Result<Option<StoreLease>, Error>> {
///         Box::pin(std::future::ready(Ok(Some(StoreLease::new(())))))
///     }
/// }
/// ```
pub trait SessionStore: Send + Sync + 'static {
    /// Returns the key that all who share the store have, and nobody else: sessions are sealed and named by it.
    fn key(&self) -> BoxFuture<'_, Result<StoreKey, Error>>;

    /// Returns what was saved by this name last. `name` is 64 characters of `0-9 a-f`.
    fn load(&self, name: &str) -> BoxFuture<'_, Result<Option<Vec<u8>>, Error>>;

    /// Keeps `sealed` by this name. It is of no use after `lasts`.
    fn save(&self, name: &str, sealed: Vec<u8>, lasts: Duration) -> BoxFuture<'_, Result<(), Error>>;

    /// Returns the right to make the call for `name`, unless somebody has it. It has to end with its holder's life.
    fn try_lease(&self, name: &str) -> BoxFuture<'_, Result<Option<StoreLease>, Error>>;

    /// Takes one call to STS from the quota that all who share the store keep to together, and returns how long to wait before
    /// it is made: 60 s at most. Each process keeps to its own quota besides.
    ///
    /// The default is no wait: the store has no quota.
    fn turn(&self) -> BoxFuture<'_, Result<Duration, Error>> {
        Box::pin(std::future::ready(Ok(Duration::ZERO)))
    }
}

/// The key of a [`SessionStore`]: 32 random bytes. `Debug` shows nothing of it.
///
/// ```
/// use alibabacloud_credentials::StoreKey;
///
/// let key = StoreKey::new([7; 32]); // from a secret manager, the same for all replicas
/// assert_eq!(format!("{key:?}"), "StoreKey(..)");
/// ```
#[derive(Clone)]
pub struct StoreKey(Zeroizing<[u8; 32]>);

impl StoreKey {
    /// Takes the bytes of a key.
    pub fn new(bytes: [u8; 32]) -> Self {
        Self(Zeroizing::new(bytes))
    }
}

impl fmt::Debug for StoreKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("StoreKey(..)")
    }
}

/// The right to make a call, until this is dropped: see [`SessionStore::try_lease`].
///
/// ```
/// use alibabacloud_credentials::StoreLease;
///
/// let file = std::fs::File::open("Cargo.toml"); // whatever ends the lease when it is dropped
/// let lease = StoreLease::new(file);
/// ```
pub struct StoreLease {
    _holder: Box<dyn Send>,
}

impl StoreLease {
    /// Makes a lease that ends when `holder` is dropped.
    pub fn new(holder: impl Send + 'static) -> Self {
        Self { _holder: Box::new(holder) }
    }
}

impl fmt::Debug for StoreLease {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("StoreLease(..)")
    }
}

/// A store in use. Cloning is one reference count.
#[derive(Clone)]
pub(crate) struct Shared(Arc<Inner>);

struct Inner {
    store: Box<dyn SessionStore>,
    keys: OnceLock<Keys>,
    /// Set once a warning has said that it does not work.
    is_told: AtomicBool,
}

/// The store of the refresh being polled, and the session that it is to replace.
#[derive(Clone)]
pub(crate) struct Sharing {
    pub(crate) store: Shared,
    /// The session that a server refused.
    pub(crate) rejected: Option<Credentials>,
}

thread_local! {
    static CURRENT: RefCell<Option<Sharing>> = const { RefCell::new(None) };
}

/// Returns how the refresh being polled shares its sessions, if it does.
pub(crate) fn current() -> Option<Sharing> {
    CURRENT.with_borrow(Clone::clone)
}

/// Runs `refresh`, whose sessions are shared so.
pub(crate) async fn while_shared<T>(sharing: Option<Sharing>, refresh: impl Future<Output = T>) -> T {
    while_set(&CURRENT, sharing, refresh).await
}

/// The session that is looked for.
struct Wanted<'a> {
    keys: &'a Keys,
    name: &'a str,
    /// The key id of a session that is not taken.
    rejected: Option<&'a str>,
}

/// The response to asking for a lease.
enum Claim {
    Found(Credentials),
    Leased(StoreLease),
    /// Somebody has it.
    Taken,
    /// The store does not work.
    Nothing,
}

/// The pauses of a process that waits for another one's call: 5 s in all at most, and no longer than what it has lasts.
struct Patience {
    left: Duration,
    most: Duration,
}

impl Patience {
    fn new() -> Self {
        let held = held();
        Self { left: if held.is_zero() { PATIENCE } else { PATIENCE.min(held) }, most: PAUSE * 2 }
    }

    /// Returns the next pause, drawn so that those who wait do not come back together; `None` when it is over.
    fn pause(&mut self, context: &Context) -> Option<Duration> {
        let pause = spread(self.most, context.random());
        let left = self.left.checked_sub(pause);
        self.left = left.unwrap_or_default();
        self.most = (self.most * 2).min(LONGEST_PAUSE);
        left.map(|_| pause)
    }
}

impl Shared {
    pub(crate) fn new(store: impl SessionStore) -> Self {
        Self(Arc::new(Inner { store: Box::new(store), keys: OnceLock::new(), is_told: AtomicBool::new(false) }))
    }

    /// The session that another process got by the same call, else that of `call`, for the others too.
    ///
    /// `identity` is all that the response depends on. A session that has the key id `rejected` is not taken. `enter` waits at the
    /// gate of the STS host: only who is through it asks for the lease, so that nobody holds one in a queue.
    pub(crate) async fn session<'a, 'e>(
        &self,
        context: &Context,
        identity: &[&str],
        rejected: Option<&str>,
        enter: impl Fn() -> BoxFuture<'e, Passage>,
        call: impl FnOnce(Option<Passage>) -> BoxFuture<'a, Result<Credentials, Error>>,
    ) -> Result<Credentials, Error> {
        let Some((keys, name)) = self.named(context, identity).await else { return call(None).await };
        let wanted = Wanted { keys, name: &name, rejected };
        let mut patience = Patience::new();
        let (passage, lease) = loop {
            if let Some(found) = self.load(context, &wanted).await {
                return Ok(found);
            }
            let passage = enter().await;
            match self.claim(context, &wanted).await {
                Claim::Found(found) => {
                    passage.unused();
                    return Ok(found);
                }
                Claim::Leased(lease) => break (passage, Some(lease)),
                Claim::Taken if patience.left.is_zero() => break (passage, None),
                Claim::Taken => {
                    passage.unused();
                    self.wait(context, &wanted, &mut patience).await;
                }
                // Nobody says who may call: better one call too many than none.
                Claim::Nothing => break (passage, None),
            }
        };
        let session = call(Some(passage)).await?;
        if let Some((sealed, lasts)) = Sealed::of(&session, context).and_then(|it| it.seal(keys, &name)) {
            self.tried(context, self.0.store.save(&name, sealed, lasts)).await;
        }
        drop(lease);
        Ok(session)
    }

    /// Waits until another process's call has ended, or for as long as patience lasts: not at the gate, since most find the session
    /// there afterwards.
    async fn wait(&self, context: &Context, wanted: &Wanted<'_>, patience: &mut Patience) {
        while let Some(pause) = patience.pause(context) {
            context.sleep(pause).await;
            let is_taken = matches!(self.tried(context, self.0.store.try_lease(wanted.name)).await, Some(None));
            if !is_taken || self.load(context, wanted).await.is_some() {
                return;
            }
        }
    }

    /// Asks for the right to call. Who had it may have saved a session since this process looked.
    async fn claim(&self, context: &Context, wanted: &Wanted<'_>) -> Claim {
        match self.tried(context, self.0.store.try_lease(wanted.name)).await {
            Some(Some(lease)) => match self.load(context, wanted).await {
                Some(found) => Claim::Found(found),
                None => Claim::Leased(lease),
            },
            Some(None) => Claim::Taken,
            None => Claim::Nothing,
        }
    }

    /// Waits for a turn in the quota that all who share the store keep to.
    pub(crate) async fn turn(&self, context: &Context) {
        if let Some(wait) = self.tried(context, self.0.store.turn()).await.filter(|wait| !wait.is_zero()) {
            context.sleep(wait.min(LONGEST_TURN)).await;
        }
    }

    /// The keys of the store, and by what name it keeps the session that `identity` leads to.
    async fn named(&self, context: &Context, identity: &[&str]) -> Option<(&Keys, String)> {
        let keys = match self.0.keys.get() {
            Some(keys) => keys,
            None => {
                let keys = Keys::of(&self.tried(context, self.0.store.key()).await?)?;
                self.0.keys.get_or_init(|| keys)
            }
        };
        Some((keys, keys.name(identity)?))
    }

    async fn load(&self, context: &Context, wanted: &Wanted<'_>) -> Option<Credentials> {
        let Wanted { keys, name, rejected } = *wanted;
        let bytes = self.tried(context, self.0.store.load(name)).await??;
        let sealed = Sealed::open(&bytes, keys, name)?;
        let (session, left, whole) = sealed.session(context)?;
        let is_wanted = left > (whole / 10).min(NEWER) && left > held().saturating_add(NEWER.min(whole / 10));
        (is_wanted && rejected != Some(session.access_key_id())).then_some(session)
    }

    /// Returns what an access gives; none where it fails or takes too long, which is said once.
    async fn tried<T>(&self, context: &Context, access: BoxFuture<'_, Result<T, Error>>) -> Option<T> {
        let error = match first(access, context.sleep(ACCESS)).await {
            Some(Ok(value)) => return Some(value),
            Some(Err(error)) => error,
            None => Error::failed("it does not answer within 2 s"),
        };
        if !self.0.is_told.swap(true, Ordering::Relaxed) {
            tracing::warn!(%error, "sessions are not shared with other processes: the store does not work");
        }
        None
    }
}
