//! Many roles over one source, within one STS quota.
//!
//! A pool is a map from the arguments of AssumeRole to a [`Refresher`] each. The refreshers are ordinary ones: how a session
//! is renewed, what happens when that fails, and who waits for what, is theirs to say. The pool adds what only somebody who
//! sees all of them can do: it bounds their number, forgets the idle, renews what was used lately, and keeps all their calls
//! to one quota, by the gate of the STS host (`context/gate.rs`).

mod builder;
mod session;
mod sessions;
mod stats;
#[cfg(test)]
mod tests;
mod upkeep;
mod warm_up;

use std::fmt;
use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

pub use self::builder::RolePoolBuilder;
use self::session::Session;
use self::sessions::Sessions;
pub use self::stats::RolePoolStats;
pub use self::warm_up::{WarmUp, WarmUpProgress, WarmUpReport};
use crate::context::{Context, Quota};
use crate::credentials::Credentials;
use crate::error::Error;
use crate::provenance::RoleSession;
use crate::provider::{BoxFuture, provider_fn};
use crate::providers::RoleSource;
use crate::redact::shown;
use crate::refresh::Refresher;
use crate::sts::AssumeRole;

/// A session for each of many roles, assumed with the credentials of one source: for a service that acts for its customers.
/// Cloning is one reference count.
///
/// * **A session per distinct [`AssumeRole`]**, on demand. ARN, session name, policy, ExternalId, duration and
///   SourceIdentity are the key: two policies are two sessions. The first caller makes one call to STS, all that ask
///   meanwhile wait for it, and later ones wait for nobody.
/// * **One quota.** STS answers an account about a hundred times a second. All calls of a pool keep to
///   [`quota`](RolePoolBuilder::quota), at most 16 of them at once. Callers that have nothing go first, of these the most
///   used role, and then renewals by what is left. A call that STS refuses as one too many queues again, and slows all calls
///   to that host.
/// * **Renewed if it was used.** A session that somebody asked for since it was granted is renewed ahead of its end, at an
///   instant drawn for each, so that sessions granted together do not end together. One that nobody asked for is left to
///   expire, and forgotten after [`idle_after`](RolePoolBuilder::idle_after).
/// * **Bounded.** Above [`capacity`](RolePoolBuilder::capacity) the pool forgets what was not used lately. It never
///   forgets a session whose [`refresher`](Self::refresher) somebody holds, or that is being fetched.
/// * **A failure is its role's alone.** A role that trusts nobody costs one call per its back-off, and the error names it.
///
/// Constructors do no I/O and cannot fail: a bad argument is an error of [`credentials`](Self::credentials).
///
/// ```
/// use std::time::Duration;
/// use alibabacloud_credentials::{AssumeRole, DefaultCredentialChain, RolePool};
///
/// # async fn example() -> Result<(), alibabacloud_credentials::Error> {
/// let pool = RolePool::builder(DefaultCredentialChain::new()).quota(80.0).capacity(50_000).build();
/// let role = AssumeRole::new("acs:ram::1234567890123456:role/tenant-7").session_name("tenant-7");
/// let credentials = pool.credentials(&role).await?;
/// # Ok(()) }
/// ```
#[derive(Clone)]
pub struct RolePool(Arc<Pool>);

struct Pool {
    context: Context,
    source: Arc<RoleSource>,
    quota: Arc<Quota>,
    sessions: Sessions,
    settings: Settings,
    #[cfg(feature = "shared-sessions")]
    store: Option<crate::session_store::Shared>,
    /// The first bad argument of the builder.
    invalid: Option<Error>,
    misses: AtomicU64,
    waiting: AtomicUsize,
    /// In nanoseconds.
    slowest: AtomicU64,
    /// The process whose sessions are looked after: a child after `fork` has nobody for that yet.
    kept_in: AtomicU32,
    /// The last warning that the quota is too low, in seconds of the monotonic clock; 0: never.
    warned_at: AtomicU64,
}

#[derive(Clone, Copy, Debug)]
struct Settings {
    idle_after: Duration,
    /// The longest that a refresh may take, its time in the queue included.
    limit: Duration,
}

impl RolePool {
    /// Returns a builder over the credentials that roles are assumed with: a chain, a refresher, or a key.
    ///
    /// Of a [`DefaultCredentialChain`](crate::DefaultCredentialChain) the pool takes the STS host, region, signature,
    /// [`Context`] and HTTP client too.
    pub fn builder(source: impl Into<Refresher>) -> RolePoolBuilder {
        RolePoolBuilder::new(source.into())
    }

    /// Returns a credential of `role` that is valid now. Where the session is there already, this allocates nothing, but for the
    /// first time in a second.
    ///
    /// # Errors
    ///
    /// As [`Refresher::credentials`], for this role alone, and with its ARN in the message. `InvalidParameter.*` for a role or a
    /// setting of the builder that is malformed, before any request: such a role is not kept.
    pub async fn credentials(&self, role: &AssumeRole) -> Result<Credentials, Error> {
        if let Some(credentials) = self.0.sessions.get(role).and_then(|session| session.warm()) {
            return Ok(credentials);
        }
        self.0.ask(role).await
    }

    /// Returns the refresher of `role`, for clients that take one. While it is held, the pool does not forget the session.
    /// The arguments are checked when it is asked.
    ///
    /// ```
    /// use alibabacloud_credentials::{AssumeRole, DefaultCredentialChain, OpenApiClient, RolePool};
    ///
    /// let pool = RolePool::builder(DefaultCredentialChain::new()).build();
    /// let role = AssumeRole::new("acs:ram::1234567890123456:role/tenant-7");
    /// let imm = OpenApiClient::imm("cn-hangzhou", pool.refresher(&role));
    /// ```
    pub fn refresher(&self, role: &AssumeRole) -> Refresher {
        match self.0.session(role) {
            Ok(session) => {
                session.note_use(&self.0.context);
                session.into_refresher()
            }
            Err(error) => {
                let error = of_role(error, role);
                let refused = provider_fn("ram_role_arn", move || std::future::ready(Err(error.clone())));
                Refresher::builder(refused).context(self.0.context.clone()).build()
            }
        }
    }

    /// Says that a server refused `used` as invalid, and returns whether that is the current credential of `role`: see
    /// [`Refresher::invalidate`].
    pub fn invalidate(&self, role: &AssumeRole, used: &Credentials) -> bool {
        self.0.sessions.get(role).is_some_and(|session| session.refresher().invalidate(used))
    }

    /// Fetches the sessions of `roles` ahead of the first request, at the pace of the quota. Awaiting it waits for all of
    /// them; dropped, it fetches no more.
    ///
    /// It counts as no use: a session that nobody asks for afterwards is not renewed.
    ///
    /// ```
    /// use alibabacloud_credentials::{AssumeRole, DefaultCredentialChain, RolePool};
    ///
    /// # async fn example(tenants: Vec<String>) {
    /// let pool = RolePool::builder(DefaultCredentialChain::new()).build();
    /// let roles = tenants.into_iter().map(AssumeRole::new);
    /// let report = pool.warm_up(roles).on_progress(|so_far| println!("{so_far:?}")).await;
    /// for (role, error) in report.failed {
    ///     eprintln!("{role:?}: {error}");
    /// }
    /// # }
    /// ```
    pub fn warm_up(&self, roles: impl IntoIterator<Item = AssumeRole>) -> WarmUp<'_> {
        WarmUp::new(self, roles.into_iter().collect())
    }

    /// Returns what the pool has done so far. It looks at every session, so it is not for every request.
    ///
    /// ```
    /// use alibabacloud_credentials::{DefaultCredentialChain, RolePool};
    ///
    /// let pool = RolePool::builder(DefaultCredentialChain::new()).build();
    /// let stats = pool.stats();
    /// println!("{} sessions, {} calls, {} refused", stats.sessions, stats.calls, stats.refused);
    /// ```
    pub fn stats(&self) -> RolePoolStats {
        let pool = &*self.0;
        let (sessions, asked) = pool.sessions.count();
        let misses = pool.misses.load(Ordering::Relaxed);
        RolePoolStats {
            sessions,
            hits: asked.saturating_sub(misses),
            misses,
            evicted: pool.sessions.evicted(),
            calls: pool.quota.calls(),
            refused: pool.quota.refused(),
            waiting: pool.waiting.load(Ordering::Relaxed),
            slowest: Duration::from_nanos(pool.slowest.load(Ordering::Relaxed)),
        }
    }
}

impl fmt::Debug for RolePool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RolePool")
            .field("sessions", &self.0.sessions.len())
            .field("quota", &self.0.quota.per_second())
            .field("idle_after", &self.0.settings.idle_after)
            .finish_non_exhaustive()
    }
}

impl Pool {
    /// The way of those whom a warm read does not serve.
    #[cold]
    fn ask<'a>(self: &'a Arc<Self>, role: &'a AssumeRole) -> BoxFuture<'a, Result<Credentials, Error>> {
        Box::pin(async move {
            let session = self.session(role).map_err(|error| of_role(error, role))?;
            session.count_ask();
            session.note_use(&self.context);
            let mut wait = None;
            let mut answer = pin!(session.refresher().credentials());
            let answer = std::future::poll_fn(|cx| {
                let poll = answer.as_mut().poll(cx);
                if poll.is_pending() {
                    wait.get_or_insert_with(|| Wait::begin(self));
                }
                poll
            })
            .await;
            if wait.is_none() && answer.is_err() {
                self.misses.fetch_add(1, Ordering::Relaxed);
            }
            answer.map_err(|error| of_role(error, role))
        })
    }

    /// The session of `role`, made if there is none.
    fn session(self: &Arc<Self>, role: &AssumeRole) -> Result<Session, Error> {
        if let Some(error) = &self.invalid {
            return Err(error.clone());
        }
        if let Some(session) = self.sessions.get(role) {
            return Ok(session);
        }
        role.check()?;
        let session = self.sessions.get_or_insert(&Arc::new(role.clone()), |role| {
            Session::new(role, &self.source, &self.context, |session| {
                let session = session.refresh_timeout(self.settings.limit);
                #[cfg(feature = "shared-sessions")]
                let session = session.shared_by(self.store.clone());
                session
            })
        });
        self.keep();
        Ok(session)
    }
}

/// A caller that waits, until this is dropped.
struct Wait<'a> {
    pool: &'a Pool,
    since: Duration,
}

impl<'a> Wait<'a> {
    fn begin(pool: &'a Pool) -> Self {
        pool.misses.fetch_add(1, Ordering::Relaxed);
        pool.waiting.fetch_add(1, Ordering::Relaxed);
        Self { pool, since: pool.context.now().monotonic }
    }
}

impl Drop for Wait<'_> {
    fn drop(&mut self) {
        let waited = self.pool.context.now().monotonic.saturating_sub(self.since);
        let waited = u64::try_from(waited.as_nanos()).unwrap_or(u64::MAX);
        self.pool.slowest.fetch_max(waited, Ordering::Relaxed);
        self.pool.waiting.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Names the role of an error that does not name it yet: a pool has many.
fn of_role(error: Error, role: &AssumeRole) -> Error {
    if error.message().contains(&shown(role.role_arn())) {
        return error;
    }
    let role = RoleSession { role_arn: role.role_arn().to_owned(), session_name: role.session_name.clone() };
    error.of(&role.to_string())
}
