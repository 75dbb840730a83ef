//! One role of a pool: its refresher, and how it was used.

use std::borrow::Cow;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use crate::context::{Context, while_used};
use crate::credentials::Credentials;
use crate::error::Error;
use crate::provider::{BoxFuture, Private, ProvideCredentials};
use crate::providers::RoleSource;
use crate::refresh::{Refresher, RefresherBuilder, Renewal};
use crate::sts::AssumeRole;

/// Cloning is one reference count: a hit pays for it.
#[derive(Clone)]
pub(super) struct Session(Arc<Inner>);

struct Inner {
    refresher: Refresher,
    role: Arc<PooledRole>,
}

/// The provider of a session: the source and its settings are shared by all of them.
struct PooledRole {
    role: Arc<AssumeRole>,
    source: Arc<RoleSource>,
    context: Context,
    /// The number of times that the pool was asked for it.
    asked: AtomicU64,
    /// In how many seconds it was used, in whatever way.
    seconds: AtomicU64,
    /// The last of them, by the monotonic clock.
    used_at: AtomicU64,
    /// Set if it was used since its last renewal by the pool.
    is_wanted: AtomicBool,
}

impl Session {
    pub(super) fn new(
        role: &Arc<AssumeRole>,
        source: &Arc<RoleSource>,
        context: &Context,
        settings: impl FnOnce(RefresherBuilder) -> RefresherBuilder,
    ) -> Self {
        let role = Arc::new(PooledRole {
            role: Arc::clone(role),
            source: Arc::clone(source),
            context: context.clone(),
            asked: AtomicU64::new(0),
            seconds: AtomicU64::new(0),
            used_at: AtomicU64::new(seconds(context)),
            is_wanted: AtomicBool::new(false),
        });
        let provider: Arc<dyn ProvideCredentials> = role.clone();
        let refresher = settings(Refresher::builder(provider).context(context.clone())).build();
        Self(Arc::new(Inner { refresher, role }))
    }

    pub(super) fn refresher(&self) -> &Refresher {
        &self.0.refresher
    }

    pub(super) fn into_refresher(self) -> Refresher {
        self.0.refresher.clone()
    }

    /// The credential of a warm read, and counts it.
    pub(super) fn warm(&self) -> Option<Credentials> {
        let credentials = self.0.refresher.warm()?;
        self.count_ask();
        Some(credentials)
    }

    pub(super) fn count_ask(&self) {
        self.0.role.asked.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn asked(&self) -> u64 {
        self.0.role.asked.load(Ordering::Relaxed)
    }

    pub(super) fn note_use(&self, context: &Context) {
        self.0.role.note_use(seconds(context));
    }

    /// Returns whether somebody else than the map holds it: a user its refresher, a caller that waits, or a refresh under way.
    pub(super) fn is_in_use(&self) -> bool {
        Arc::strong_count(&self.0) > 1 || self.0.refresher.handles() > 1
    }

    pub(super) fn is_idle(&self, now: Duration, after: Duration) -> bool {
        !self.is_in_use()
            && now.as_secs().saturating_sub(self.0.role.used_at.load(Ordering::Relaxed)) >= after.as_secs()
    }

    /// The rhythm of its renewals, if it was used since the last one.
    pub(super) fn renewal(&self) -> Option<Renewal> {
        self.0.role.is_wanted.load(Ordering::Relaxed).then(|| self.0.refresher.renewal())?
    }

    pub(super) fn renew(&self) {
        self.0.role.is_wanted.store(false, Ordering::Relaxed);
        self.0.refresher.renew();
    }
}

fn seconds(context: &Context) -> u64 {
    context.now().monotonic.as_secs()
}

impl PooledRole {
    fn note_use(&self, now: u64) {
        if self.used_at.swap(now, Ordering::Relaxed) != now {
            self.seconds.fetch_add(1, Ordering::Relaxed);
        }
        self.is_wanted.store(true, Ordering::Relaxed);
    }

    /// Returns the rank among calls that are as urgent: the highest goes first.
    fn uses(&self) -> u64 {
        self.asked.load(Ordering::Relaxed).max(self.seconds.load(Ordering::Relaxed))
    }
}

impl ProvideCredentials for PooledRole {
    fn provider_name(&self) -> Cow<'_, str> {
        Cow::Borrowed("ram_role_arn")
    }

    fn provide_credentials(&self) -> BoxFuture<'_, Result<Credentials, Error>> {
        Box::pin(async move {
            let session = while_used(self.uses(), self.source.assume(&self.role)).await;
            // The use that the renewal was for has not had one yet: the pool tries again after the back-off.
            self.is_wanted.fetch_or(session.is_err(), Ordering::Relaxed);
            session.map_err(|error| error.in_provider("ram_role_arn"))
        })
    }

    /// Asked once per second of use, by whatever way: so it tells who is used, at no cost for warm reads.
    fn is_current(&self, _: &Credentials) -> bool {
        self.note_use(seconds(&self.context));
        true
    }

    fn checks_inline(&self, _: Private) -> bool {
        true
    }
}
