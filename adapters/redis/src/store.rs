//! The store itself: sessions, leases and turns as commands.

use std::fmt;
use std::future::Future;
use std::sync::{Arc, Weak};
use std::time::Duration;

use alibabacloud_credentials::{BoxFuture, Error, SessionStore, StoreKey, StoreLease};
use redis::cmd;
use tokio::sync::oneshot;

use crate::address::Address;
use crate::builder::RedisStoreBuilder;
use crate::driver::Driver;
use crate::link::{Link, millis};

/// A lease ends so long after its holder's life, who prolongs it so often, and so many times at most: no call takes longer.
const LEASE: Duration = Duration::from_secs(10);
const PROLONG: Duration = Duration::from_secs(3);
const MOST_PROLONGED: u32 = 40;
/// A session is some 2 KiB. What is longer is none.
const LONGEST: u32 = 64 * 1024;
/// No session lasts longer.
const LONGEST_LIFE: Duration = Duration::from_secs(13 * 3600);
/// A process says so often that it is there, so that the others know their share.
const PRESENT: Duration = Duration::from_secs(5);

/// Both do so only where the owner is the one given.
const DELETE: &str = "if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('DEL', KEYS[1]) end return 0";
const EXTEND: &str =
    "if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('PEXPIRE', KEYS[1], ARGV[2]) end return 0";

/// Shares sessions of roles, and a quota of calls to STS, between all processes that have the same server, prefix and key. Cloning is one
/// reference count.
///
/// It is given to `.shared(…)` of a `RolePool`'s or `Refresher`'s builder. What it promises is on the [front page](crate). Nothing
/// is connected before the first session is asked for.
#[derive(Clone)]
pub struct RedisStore(Arc<Inner>);

struct Inner {
    settings: Settings,
    driver: Driver<Link>,
}

/// The settings of the builder.
#[derive(Clone)]
pub(crate) struct Settings {
    pub(crate) address: Address,
    pub(crate) key: StoreKey,
    pub(crate) prefix: String,
    pub(crate) quota: f64,
    pub(crate) replicas: u32,
}

impl RedisStore {
    /// Uses the server at `url` (`rediss://[user:password@]host[:port][/database]`) with the defaults of [`builder`](Self::builder).
    /// `key` is 32 random bytes, the same for all replicas, and known to nobody who may read Redis.
    ///
    /// # Errors
    ///
    /// `InvalidInput` where the URL is malformed, or would send credentials unencrypted beyond this host.
    ///
    /// ```
    /// use alibabacloud_credentials::StoreKey;
    /// use alibabacloud_credentials_redis::RedisStore;
    ///
    /// let error = RedisStore::new("redis://10.0.0.7", StoreKey::new([7; 32])).unwrap_err();
    /// assert!(error.to_string().contains("rediss:// is required"));
    /// ```
    pub fn new(url: impl Into<String>, key: StoreKey) -> Result<Self, Error> {
        Self::builder(url, key).build()
    }

    /// Returns a builder, for settings other than the defaults.
    ///
    /// ```
    /// use alibabacloud_credentials::StoreKey;
    /// use alibabacloud_credentials_redis::RedisStore;
    ///
    /// # fn example() -> Result<(), alibabacloud_credentials::Error> {
    /// let store = RedisStore::builder("redis://127.0.0.1:6379", StoreKey::new([7; 32]))
    ///     .quota(40.0) // another service shares the account
    ///     .prefix("media-service")
    ///     .build()?;
    /// # Ok(()) }
    /// ```
    pub fn builder(url: impl Into<String>, key: StoreKey) -> RedisStoreBuilder {
        RedisStoreBuilder::new(url.into(), key)
    }

    pub(crate) fn with(settings: Settings) -> Self {
        Self(Arc::new(Inner { settings, driver: Driver::new() }))
    }

    /// Runs `work` where the connection lives.
    fn run<V, F>(&self, work: impl FnOnce(Arc<Link>) -> F + Send + 'static) -> BoxFuture<'_, Result<V, Error>>
    where
        V: Send + 'static,
        F: Future<Output = Result<V, Error>> + Send + 'static,
    {
        Box::pin(async move {
            let member = random()?;
            let Settings { address, prefix, quota, replicas, .. } = &self.0.settings;
            let link = || Arc::new(Link::new(address.clone(), member.clone(), prefix, *quota, *replicas));
            let present = |link| Box::pin(stay_present(link)) as BoxFuture<'static, ()>;
            self.0.driver.run(link, present, work).await
        })
    }

    fn name_of(&self, kind: &str, name: &str) -> String {
        format!("{}:{kind}:{name}", self.0.settings.prefix)
    }
}

impl fmt::Debug for RedisStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Settings { address, prefix, quota, .. } = &self.0.settings;
        f.debug_struct("RedisStore")
            .field("address", &address.shown)
            .field("prefix", prefix)
            .field("quota", quota)
            .finish_non_exhaustive()
    }
}

impl SessionStore for RedisStore {
    fn key(&self) -> BoxFuture<'_, Result<StoreKey, Error>> {
        Box::pin(std::future::ready(Ok(self.0.settings.key.clone())))
    }

    fn load(&self, name: &str) -> BoxFuture<'_, Result<Option<Vec<u8>>, Error>> {
        let name = self.name_of("session", name);
        self.run(async move |link: Arc<Link>| {
            // Of a value that is too long no more is fetched than shows it; one that is not there is empty.
            let bytes: Vec<u8> = link.ask(cmd("GETRANGE").arg(name).arg(0).arg(LONGEST)).await?;
            Ok(Some(bytes).filter(|bytes| !bytes.is_empty()))
        })
    }

    fn save(&self, name: &str, sealed: Vec<u8>, lasts: Duration) -> BoxFuture<'_, Result<(), Error>> {
        let name = self.name_of("session", name);
        let lasts = millis(lasts.min(LONGEST_LIFE)).max(1);
        self.run(async move |link: Arc<Link>| link.ask(cmd("SET").arg(name).arg(sealed).arg("PX").arg(lasts)).await)
    }

    fn try_lease(&self, name: &str) -> BoxFuture<'_, Result<Option<StoreLease>, Error>> {
        let name = self.name_of("lease", name);
        self.run(async move |link: Arc<Link>| {
            let owner = random()?;
            let mut lease = cmd("SET");
            lease.arg(&name).arg(&owner).arg("NX").arg("PX").arg(millis(LEASE));
            let is_ours: Option<String> = link.ask(&lease).await?;
            Ok(is_ours.map(|_| {
                let (holder, dropped) = oneshot::channel::<()>();
                tokio::spawn(hold(link, name, owner, dropped));
                StoreLease::new(holder)
            }))
        })
    }

    fn turn(&self) -> BoxFuture<'_, Result<Duration, Error>> {
        self.run(async move |link: Arc<Link>| Ok(link.turn().await))
    }
}

/// Prolongs a lease until its holder is dropped, and ends it then. Whatever fails here, it ends by itself.
async fn hold(link: Arc<Link>, name: String, owner: String, mut dropped: oneshot::Receiver<()>) {
    for _ in 0..MOST_PROLONGED {
        if tokio::time::timeout(PROLONG, &mut dropped).await.is_ok() {
            break;
        }
        let mut extend = cmd("EVAL");
        extend.arg(EXTEND).arg(1).arg(&name).arg(&owner).arg(millis(LEASE));
        let _ = link.ask::<i64>(&extend).await;
    }
    let mut delete = cmd("EVAL");
    delete.arg(DELETE).arg(1).arg(&name).arg(&owner);
    let _ = link.ask::<i64>(&delete).await;
}

/// Says that this process is there, for as long as the store is.
async fn stay_present(link: Weak<Link>) {
    // By the real clock, as everything here.
    #[allow(clippy::disallowed_methods)]
    let pause = || tokio::time::sleep(PRESENT);
    while let Some(link) = link.upgrade() {
        link.say_present().await;
        drop(link);
        pause().await;
    }
}

/// 128 random bits in hexadecimal.
fn random() -> Result<String, Error> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).map_err(|error| Error::failed(format!("no random bytes: {error}")))?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}
