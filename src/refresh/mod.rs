//! The refresher: a credential that is fetched once for everybody, and renewed before it expires.

mod builder;
mod health;
mod lease;
mod machine;
#[cfg(all(test, loom))]
mod model;
mod primitives;
mod snapshot;
mod step;
mod subscribers;
mod task;
#[cfg(feature = "role-pool")]
mod upkeep;
mod windows;

use std::borrow::Cow;
use std::fmt;
use std::future::Future;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, SystemTime};

use tokio::sync::watch;

pub use self::builder::RefresherBuilder;
pub use self::health::Health;
use self::lease::Time;
use self::machine::{Machine, Name};
use self::snapshot::Snapshot;
use self::step::{Found, Step};
use self::subscribers::Subscribers;
#[cfg(feature = "role-pool")]
pub(crate) use self::upkeep::Renewal;
use crate::context::{Context, Now, first, process_id};
use crate::credentials::Credentials;
use crate::error::{Error, ErrorKind};
use crate::provider::{BoxFuture, Private, ProvideCredentials};

/// The longest that a refresh may take, unless [`RefresherBuilder::refresh_timeout`] says otherwise.
const REFRESH_TIMEOUT: Duration = Duration::from_secs(120);

/// A caller waits so much longer than a refresh may take, at most.
const SLACK: Duration = Duration::from_secs(2);

/// What a wait counts for at least, so that no clock keeps a caller waiting for ever.
const LEAST: Duration = Duration::from_millis(1);

/// So many refreshes that come to nothing a caller waits for.
const ATTEMPTS: u32 = 3;

/// Keeps a provider's credential fresh, for any number of callers. Cloning is one reference count.
///
/// # What a caller gets
///
/// With *R* for what remains of the credential:
///
/// | remaining | a caller | behind the scenes |
/// |---|---|---|
/// | above the advisory window | gets it at once | nothing |
/// | advisory window | gets it at once | the first caller after an instant drawn from the window's first fifth starts a refresh |
/// | mandatory window | waits for the refresh at most min(2 s, R/2), then gets the old one | joins or starts it |
/// | invalidated | waits for the refresh to end; if it fails, gets the old one while valid | the same |
/// | expired, or none yet | waits for the refresh to end; if it fails, gets its error | the same |
///
/// An expired credential is never handed out. What remains travels inside the [`Credentials`], so a refresher over a
/// refresher, or over a value that is 2,000 s old, knows how old it is. One refresh runs at a time, whoever asks, and all who
/// wait share its one result. After a failure nobody waits and nobody asks until a back-off has passed: the old credential
/// while it is valid, else the remembered error. A wait ends 5 s after [`refresh_timeout`](RefresherBuilder::refresh_timeout)
/// at the latest, whatever the provider or its executor does.
///
/// Where the wall clock is set forward past the end of a credential (NTP, a virtual machine that was resumed), the next
/// caller waits for a refresh, as after [`invalidate`](Self::invalidate).
///
/// The advisory window is 5 minutes for credentials that last up to 20 minutes, 15 below 90, else 60, and never more than
/// half of what they last; the mandatory window is a minute, never more than a tenth.
///
/// # Where a refresh runs
///
/// Neither in a caller's future nor on a caller's runtime, but on worker threads of the crate's own: a caller that gives up
/// harms nobody, and any executor will do. A provider that blocks its thread holds up its own refresh only: no timer and
/// no other refresh depends on that thread. See
/// [`ContextBuilder::spawn`](crate::ContextBuilder::spawn) to run refreshes elsewhere.
///
/// ```
/// # async fn example() -> Result<(), alibabacloud_credentials::Error> {
/// use alibabacloud_credentials::{provider_fn, Credentials, Refresher};
///
/// let refresher = Refresher::new(provider_fn("vault", || async { Ok(Credentials::new("an id", "a secret")) }));
/// let credentials = refresher.credentials().await?;
/// # Ok(()) }
/// ```
#[derive(Clone)]
pub struct Refresher(Arc<Shared>);

/// The store in which its sessions are shared with other processes.
#[cfg(feature = "shared-sessions")]
type Store = Option<crate::session_store::Shared>;
#[cfg(not(feature = "shared-sessions"))]
#[derive(Default)]
struct Store {}

struct Shared {
    provider: Arc<dyn ProvideCredentials>,
    context: Context,
    limit: Duration,
    snapshot: Snapshot,
    subscribers: Subscribers,
    #[cfg_attr(not(feature = "shared-sessions"), allow(dead_code))]
    store: Store,
    name: Name,
    /// Closed when the last handle goes, for those who renew without a caller.
    alive: OnceLock<watch::Sender<()>>,
}

impl Refresher {
    /// Keeps `provider`'s credential fresh. No I/O, no thread, no runtime; nothing is asked yet.
    pub fn new(provider: impl ProvideCredentials) -> Self {
        Self::builder(provider).build()
    }

    /// The same, with choices.
    pub fn builder(provider: impl ProvideCredentials) -> RefresherBuilder {
        RefresherBuilder::new(Arc::new(provider))
    }

    /// A refresher that holds `credentials` already, so that a literal costs no refresh.
    pub(crate) fn holding(credentials: Credentials, context: Context) -> Self {
        let draw = context.random();
        let held = credentials.clone();
        Self::with_machine(Arc::new(credentials), context, REFRESH_TIMEOUT, Store::default(), |now| {
            let left = held.left(now.wall);
            let found = Found { credentials: held, left, generation: snapshot::next_generation() };
            Machine::holding(found, now, draw, REFRESH_TIMEOUT)
        })
    }

    fn with_machine(
        provider: Arc<dyn ProvideCredentials>,
        context: Context,
        limit: Duration,
        store: Store,
        machine: impl FnOnce(Time) -> Machine,
    ) -> Self {
        let now = context.now();
        let now = Time { wall: now.wall, monotonic: now.monotonic, boot: context.boot(), process: process_id() };
        let machine = machine(now);
        let name = machine.name();
        let snapshot = Snapshot::new(machine, now);
        let (subscribers, alive) = (Subscribers::default(), OnceLock::new());
        Self(Arc::new(Shared { provider, context, limit, snapshot, subscribers, store, name, alive }))
    }

    /// The credential, valid now. A warm read takes no lock and allocates nothing.
    ///
    /// # Errors
    ///
    /// Only when there is no valid credential: the error of the refresh that was waited for, or of the last one while its
    /// back-off runs.
    pub async fn credentials(&self) -> Result<Credentials, Error> {
        match self.0.snapshot.peek(self.0.context.now(), Clone::clone) {
            Ok(credentials) => Ok(credentials),
            Err(_) => self.wait(None).await,
        }
    }

    /// A credential that lasts at least `lifetime` from now: for a presigned URL, or a call that takes long.
    ///
    /// Asks the source at most once a second for this reason, and not at all when its sessions never last that long.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::TooShort`], with what can be had in [`Error::available_lifetime`]; otherwise as [`credentials`](Self::credentials).
    pub async fn credentials_valid_for(&self, lifetime: Duration) -> Result<Credentials, Error> {
        self.wait(Some(lifetime)).await
    }

    /// The credential that the source would give now: one that is no longer current is replaced first. For a provider
    /// that uses the credential to get another, where a new key must not wait for the next second of use.
    pub(crate) async fn current_credentials(&self) -> Result<Credentials, Error> {
        if let Some(held) = self.0.current()
            && self.0.is_outdated(&held).await
        {
            let now = self.0.now();
            let (under_way, actions) = self.0.snapshot.update(now, |machine| {
                let actions = machine.checked(&held, Some(false), now);
                (machine.under_way(), actions)
            });
            Shared::perform(&self.0, actions);
            if let Some(mut ended) = under_way {
                let _ = first(ended.wait_for(Option::is_some), self.0.context.sleep(self.0.limit)).await;
            }
        }
        self.credentials().await
    }

    /// Lends the credential, if one is valid, without waiting and without writing to shared memory. Starts whatever
    /// refresh a caller of [`credentials`](Self::credentials) would start.
    pub fn with<T>(&self, read: impl FnOnce(&Credentials) -> T) -> Option<T> {
        match self.0.snapshot.peek(self.0.context.now(), read) {
            Ok(value) => Some(value),
            Err(read) => self.current().as_ref().map(read),
        }
    }

    /// The credential, if one is valid, without waiting. Starts whatever refresh a caller would start.
    pub fn cached(&self) -> Option<Credentials> {
        self.with(Clone::clone)
    }

    #[cold]
    fn current(&self) -> Option<Credentials> {
        let now = self.0.now();
        let (step, actions) = self.0.snapshot.update(now, |machine| machine.on_request(now));
        Shared::perform(&self.0, actions);
        match step {
            Step::Use(credentials) => Some(credentials),
            Step::Fail(_) => None,
            Step::Wait(_) | Step::Pause(_) => self.0.current(),
        }
    }

    /// The number of the credential: it grows with every new one, and clients cache what they derive by it. 0: none yet.
    pub fn generation(&self) -> u64 {
        self.0.snapshot.generation()
    }

    /// Says that a server refused `used` as a dead credential (`InvalidSecurityToken.*`; never a lack of permission).
    ///
    /// `true` if it was the current one: the next caller waits for a new one, even if a back-off runs. Retry only with a
    /// credential of another generation: a source may have nothing else to give. After three rejections of credentials
    /// younger than a minute the answer is `false` for a minute: see [`Health::RejectedWhileFresh`].
    pub fn invalidate(&self, used: &Credentials) -> bool {
        let now = self.0.now();
        let current = self.0.snapshot.update(now, |machine| machine.rejected(used, now));
        if current {
            tracing::warn!(
                provider = %used.provider_name(),
                arn = used.arn(),
                generation = used.generation(),
                "credential rejected"
            );
        }
        current
    }

    /// Returns how it is doing: see [`Health`] for how to read it as readiness. No I/O, and nobody is asked.
    pub fn health(&self) -> Health {
        let now = self.0.now();
        self.0.snapshot.look(|machine| machine.health(now))
    }

    /// What a request is to be dated with: the wall clock of the [`Context`], as the servers' `Date` headers have corrected
    /// it. For those who sign by themselves, with [`sign`](crate::sign).
    ///
    /// ```
    /// # use alibabacloud_credentials::{sign::oss4, Credentials, Refresher};
    /// # let refresher = Refresher::from(Credentials::new("an id", "a secret"));
    /// let date = oss4::date(refresher.signing_time());
    /// ```
    pub fn signing_time(&self) -> SystemTime {
        self.0.context.signing_time()
    }

    /// Tells of every new generation. Each subscription is a channel of its own: one whose `borrow` is held for long misses
    /// the generations in between, and holds up neither refreshes nor other subscribers. It closes when the last handle is
    /// gone.
    pub fn subscribe(&self) -> watch::Receiver<u64> {
        self.0.subscribers.add(|| self.generation())
    }

    /// Renews the credential even when nobody asks, until `stop` ends or the last handle is dropped. Returns at once.
    ///
    /// ```
    /// # use alibabacloud_credentials::DefaultCredentialChain;
    /// # let chain = DefaultCredentialChain::new();
    /// let stop = tokio_util::sync::CancellationToken::new();
    /// chain.refresher().keep_fresh(stop.clone().cancelled_owned());
    /// ```
    pub fn keep_fresh(&self, stop: impl Future<Output = ()> + Send + 'static) {
        let (shared, context) = (Arc::downgrade(&self.0), self.0.context.clone());
        let gone = self.0.alive.get_or_init(|| watch::channel(()).0).subscribe();
        self.0.context.executor().spawn(Box::pin(task::keep_fresh(shared, context, gone, stop)));
    }

    /// What is known now: the credential if one is valid, else why not; `None` before the first look. Starts nothing.
    pub(crate) fn known(&self) -> Option<Result<Credentials, Error>> {
        match (self.0.current(), self.health()) {
            (Some(credentials), _) => Some(Ok(credentials)),
            (None, Health::Expired { error, .. }) => Some(Err(error)),
            (None, _) => None,
        }
    }

    /// The credential that came last, whether it is still valid or not. Starts nothing.
    pub(crate) fn last(&self) -> Option<Credentials> {
        self.0.snapshot.look(|machine| machine.published().map(|(credentials, ..)| credentials))
    }

    /// The outside world that it lives in.
    pub(crate) fn context(&self) -> &Context {
        &self.0.context
    }

    /// The slow path of both ways to ask: waits for whatever refresh is under way, until there is an answer.
    #[cold]
    fn wait(&self, wanted: Option<Duration>) -> BoxFuture<'_, Result<Credentials, Error>> {
        Box::pin(async move {
            let shared = &self.0;
            // The refresh under way may be given up, the next one be dropped: whatever happens, this wait ends.
            let mut rest = shared.limit.saturating_add(SLACK);
            let (mut again, mut ended_badly, mut last) = (false, 0, None);
            while ended_badly < ATTEMPTS {
                let now = shared.now();
                if rest.is_zero() {
                    last = Some(machine::timed_out(shared.limit, &shared.name));
                    break;
                }
                let (step, actions) = shared.snapshot.update(now, |machine| match wanted {
                    Some(wanted) => machine.on_request_for(wanted, now, again),
                    None => machine.on_request(now),
                });
                Shared::perform(shared, actions);
                let mut wait = match step {
                    Step::Use(credentials) => return Ok(credentials),
                    Step::Fail(error) => return Err(error),
                    Step::Pause(pause) => {
                        shared.context.sleep(pause.min(rest)).await;
                        rest = rest.saturating_sub(pause.max(LEAST));
                        ended_badly += 1;
                        continue;
                    }
                    Step::Wait(wait) => wait,
                };
                let at_most = wait.patience.unwrap_or(Duration::MAX).min(wait.overdue).min(rest);
                let ended = first(wait.ended.wait_for(Option::is_some), shared.context.sleep(at_most)).await;
                let waited = shared.now().monotonic.saturating_sub(now.monotonic);
                // A caller that nobody drove meanwhile has not waited.
                if ended.is_none() || waited <= at_most {
                    rest = rest.saturating_sub(waited.max(LEAST));
                }
                let outcome = ended.map(|ended| ended.ok().and_then(|outcome| outcome.clone()));
                match (outcome, wanted) {
                    // It may have ended long before this caller was driven again.
                    (Some(Some(Ok(_))), None) => {
                        if let Some(credentials) = shared.current() {
                            return Ok(credentials);
                        }
                        last = Some(machine::over_when_waited_for(&shared.name));
                        ended_badly += 1;
                    }
                    (Some(Some(Err(error))), None) => return shared.current().ok_or(error),
                    (Some(Some(Ok(_))), Some(_)) => again = wait.covers,
                    (Some(Some(Err(error))), Some(_)) => {
                        if shared.current().is_none() {
                            return Err(error);
                        }
                        again = true;
                    }
                    (Some(None), _) => ended_badly += 1,
                    (None, _) => {
                        if wait.patience.is_some()
                            && let Some(credentials) = shared.current()
                        {
                            return Ok(credentials);
                        }
                    }
                }
            }
            self.make_do(wanted, last)
        })
    }

    /// When waiting has come to nothing: the old credential while it is valid, and lasts as long as is `wanted`.
    fn make_do(&self, wanted: Option<Duration>, last: Option<Error>) -> Result<Credentials, Error> {
        if let Some(credentials) = self.0.current() {
            let left = credentials.left(self.0.now().wall).map_or(Duration::MAX, |left| left.left);
            return match wanted {
                Some(wanted) if left < wanted => Err(machine::too_short(wanted, left)),
                _ => Ok(credentials),
            };
        }
        Err(last.unwrap_or_else(|| machine::dropped(&self.0.name)))
    }
}

impl Shared {
    fn now(&self) -> Time {
        let Now { wall, monotonic, .. } = self.context.now();
        Time { wall, monotonic, boot: self.context.boot(), process: process_id() }
    }

    /// The current credential, if one may be handed out.
    fn current(self: &Arc<Self>) -> Option<Credentials> {
        let now = self.now();
        let (credentials, actions) = self.snapshot.update(now, |machine| machine.current(now));
        Self::perform(self, actions);
        credentials
    }
}

impl fmt::Debug for Refresher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("Refresher");
        shown.field("provider", &self.0.provider.provider_name());
        // Thousands of refreshers differ in nothing else.
        if let Some(arn) = self.0.snapshot.look(Machine::arn) {
            shown.field("arn", &arn);
        }
        shown.field("generation", &self.generation()).finish_non_exhaustive()
    }
}

impl From<Credentials> for Refresher {
    fn from(credentials: Credentials) -> Self {
        Self::holding(credentials, Context::default())
    }
}

impl From<&Refresher> for Refresher {
    fn from(refresher: &Refresher) -> Self {
        refresher.clone()
    }
}

impl From<Arc<dyn ProvideCredentials>> for Refresher {
    fn from(provider: Arc<dyn ProvideCredentials>) -> Self {
        Self::new(provider)
    }
}

impl From<Box<dyn ProvideCredentials>> for Refresher {
    fn from(provider: Box<dyn ProvideCredentials>) -> Self {
        Self::new(provider)
    }
}

impl ProvideCredentials for Refresher {
    fn provider_name(&self) -> Cow<'_, str> {
        self.0.provider.provider_name()
    }

    fn provide_credentials(&self) -> BoxFuture<'_, Result<Credentials, Error>> {
        Box::pin(self.credentials())
    }

    fn is_current(&self, credentials: &Credentials) -> bool {
        self.cached().is_none_or(|current| current.same_keys(credentials))
    }

    fn checks_inline(&self, _: Private) -> bool {
        true
    }

    fn invalidate(&self, credentials: &Credentials) {
        Self::invalidate(self, credentials);
    }

    fn provide_credentials_valid_for(&self, lifetime: Duration) -> BoxFuture<'_, Result<Credentials, Error>> {
        Box::pin(async move {
            match self.credentials_valid_for(lifetime).await {
                // Whoever asked learns what there is.
                Err(error) if error.kind() == ErrorKind::TooShort => self.credentials().await,
                answer => answer,
            }
        })
    }
}
