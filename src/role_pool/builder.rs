//! The settings of a pool.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, AtomicUsize};
use std::time::Duration;

use super::sessions::Sessions;
use super::{Pool, RolePool, Settings};
use crate::context::Quota;
use crate::error::Error;
use crate::providers::RoleSource;
use crate::refresh::Refresher;

/// Four fifths of what STS answers an account in a second: the account has other users.
const QUOTA: f64 = 80.0;
const CAPACITY: usize = 50_000;
const IDLE_AFTER: Duration = Duration::from_secs(3600);

/// The range of a quota. The lower end is a call in a quarter of an hour, the shortest session of STS.
const QUOTAS: std::ops::RangeInclusive<f64> = 0.001..=10_000.0;

/// The limits of a refresh: by itself, as with any refresher, and with the longest queue before it.
const REFRESH: Duration = Duration::from_secs(120);
const LONGEST: Duration = Duration::from_secs(3600);

/// Builds a [`RolePool`]. A bad argument shows as an error of [`credentials`](RolePool::credentials), before any request.
///
/// ```
/// use std::time::Duration;
/// use alibabacloud_credentials::{DefaultCredentialChain, RolePool};
///
/// let pool = RolePool::builder(DefaultCredentialChain::new())
///     .quota(20.0) // four replicas share 80 calls a second
///     .capacity(50_000)
///     .idle_after(Duration::from_secs(1800))
///     .build();
/// ```
#[must_use]
pub struct RolePoolBuilder {
    source: Refresher,
    quota: f64,
    capacity: usize,
    idle_after: Duration,
    #[cfg(feature = "shared-sessions")]
    store: Option<crate::session_store::Shared>,
}

impl fmt::Debug for RolePoolBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RolePoolBuilder")
            .field("source", &self.source)
            .field("quota", &self.quota)
            .field("capacity", &self.capacity)
            .field("idle_after", &self.idle_after)
            .finish()
    }
}

impl RolePoolBuilder {
    pub(super) fn new(source: Refresher) -> Self {
        Self {
            source,
            quota: QUOTA,
            capacity: CAPACITY,
            idle_after: IDLE_AFTER,
            #[cfg(feature = "shared-sessions")]
            store: None,
        }
    }

    /// Sets how many calls to STS the pool makes in a second at most, from 0.001 to 10,000. The default is 80, since STS
    /// answers an account 100 times a second and refuses all its users beyond that. Where several processes share an account,
    /// each takes its share.
    pub fn quota(mut self, calls_per_second: f64) -> Self {
        self.quota = calls_per_second;
        self
    }

    /// Sets how many sessions the pool keeps, 1 at least. The default is 50,000. Sessions that are in use stay beyond that.
    pub fn capacity(mut self, sessions: usize) -> Self {
        self.capacity = sessions;
        self
    }

    /// Sets after which time without use a session is forgotten. The default is an hour.
    pub fn idle_after(mut self, idle: Duration) -> Self {
        self.idle_after = idle;
        self
    }

    /// Shares the sessions with other processes: see [`FileStore`](crate::FileStore).
    ///
    /// ```
    /// use alibabacloud_credentials::{DefaultCredentialChain, FileStore, RolePool};
    ///
    /// let pool = RolePool::builder(DefaultCredentialChain::new()).shared(FileStore::default()).build();
    /// ```
    #[cfg(feature = "shared-sessions")]
    pub fn shared(mut self, store: impl crate::session_store::SessionStore) -> Self {
        self.store = Some(crate::session_store::Shared::new(store));
        self
    }

    /// Creates the pool. Nothing is asked yet.
    pub fn build(self) -> RolePool {
        let invalid = self.check().err();
        // What was refused is replaced, so that no arithmetic meets it; nothing is ever asked with it.
        let (quota, capacity) = match &invalid {
            Some(_) => (QUOTA, 1),
            None => (self.quota, self.capacity),
        };
        let queue = Duration::from_secs_f64((capacity as f64 / quota).min(LONGEST.as_secs_f64()));
        let settings = Settings { idle_after: self.idle_after, limit: (REFRESH + queue).min(LONGEST) };
        let quota = Arc::new(Quota::new(quota));
        RolePool(Arc::new(Pool {
            context: self.source.context().clone(),
            source: Arc::new(RoleSource::shared(self.source, Arc::clone(&quota))),
            quota,
            sessions: Sessions::new(capacity),
            settings,
            #[cfg(feature = "shared-sessions")]
            store: self.store,
            invalid,
            misses: AtomicU64::new(0),
            waiting: AtomicUsize::new(0),
            slowest: AtomicU64::new(0),
            kept_in: AtomicU32::new(0),
            warned_at: AtomicU64::new(0),
        }))
    }

    fn check(&self) -> Result<(), Error> {
        if !QUOTAS.contains(&self.quota) {
            let message = format!("a quota is 0.001 to 10000 calls a second, and {} was given", self.quota);
            return Err(Error::invalid_input(message).with_code("InvalidParameter.Quota"));
        }
        if self.capacity == 0 {
            let message = "a pool holds one session at least, and a capacity of 0 was given";
            return Err(Error::invalid_input(message).with_code("InvalidParameter.Capacity"));
        }
        Ok(())
    }
}
