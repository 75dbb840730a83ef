//! The refresher: a credential that is fetched once for everybody, and renewed before it expires.

mod health;
mod machine;
mod snapshot;
mod task;
mod windows;

use std::borrow::Cow;
use std::fmt;
use std::future::Future;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use tokio::sync::watch;

pub use self::health::Health;
use self::machine::{Chores, Machine, Step};
use self::snapshot::Cell;
use crate::context::{BlockingIo, Context};
use crate::credentials::Credentials;
use crate::error::{Error, ErrorKind};
use crate::provider::{BoxFuture, ProvideCredentials};

/// The longest that a refresh may take, unless [`RefresherBuilder::refresh_timeout`] says otherwise.
const FLIGHT_LIMIT: Duration = Duration::from_secs(120);

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
/// An expired credential is never handed out. One refresh runs at a time, whoever asks, and all who wait share its one
/// result. After a failure nobody waits and nobody asks until a back-off has passed: the old credential while it is
/// valid, else the remembered error.
///
/// The advisory window is 5 minutes for credentials that last up to 20 minutes, 15 below 90, else 60, and never more than
/// half of what they last; the mandatory window is a minute, never more than a tenth.
///
/// # Where a refresh runs
///
/// Neither in a caller's future nor on a caller's runtime, but on one thread of the crate's own: a caller that gives up
/// harms nobody, and any executor will do. See [`Context`] to replace it.
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

struct Shared {
    provider: Arc<dyn ProvideCredentials>,
    context: Context,
    flight_limit: Duration,
    cell: Cell,
    /// Whether the credential is current is looked at by one at a time.
    looks: BlockingIo,
}

/// Builds a [`Refresher`].
pub struct RefresherBuilder {
    provider: Arc<dyn ProvideCredentials>,
    context: Context,
    advisory: Option<Duration>,
    flight_limit: Duration,
}

impl fmt::Debug for RefresherBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RefresherBuilder").field("provider", &self.provider.provider_name()).finish_non_exhaustive()
    }
}

impl RefresherBuilder {
    /// The outside world; the real one by default.
    #[must_use]
    pub fn context(mut self, context: Context) -> Self {
        self.context = context;
        self
    }

    /// How long before the end a refresh starts; never more than half of what a credential lasts.
    #[must_use]
    pub fn advisory_window(mut self, window: Duration) -> Self {
        self.advisory = Some(window);
        self
    }

    /// A refresh that takes longer has failed. Default 120 s.
    #[must_use]
    pub fn refresh_timeout(mut self, limit: Duration) -> Self {
        self.flight_limit = limit;
        self
    }

    /// The refresher. Nothing is asked yet.
    pub fn build(self) -> Refresher {
        let machine = Machine::new(self.advisory, self.flight_limit);
        Refresher::with_machine(self.provider, self.context, self.flight_limit, |_| machine)
    }
}

impl Refresher {
    /// Keeps `provider`'s credential fresh. No I/O, no thread, no runtime; nothing is asked yet.
    pub fn new(provider: impl ProvideCredentials) -> Self {
        Self::builder(provider).build()
    }

    /// The same, with choices.
    pub fn builder(provider: impl ProvideCredentials) -> RefresherBuilder {
        RefresherBuilder {
            provider: Arc::new(provider),
            context: Context::default(),
            advisory: None,
            flight_limit: FLIGHT_LIMIT,
        }
    }

    /// A refresher that holds `credentials` already, so that a literal costs no refresh.
    pub(crate) fn holding(credentials: Credentials, context: Context) -> Self {
        let draw = context.random();
        let held = credentials.clone();
        Self::with_machine(Arc::new(credentials), context, FLIGHT_LIMIT, |now| {
            Machine::holding(held, snapshot::next_generation(), now, draw, FLIGHT_LIMIT)
        })
    }

    fn with_machine(
        provider: Arc<dyn ProvideCredentials>,
        context: Context,
        flight_limit: Duration,
        machine: impl FnOnce(machine::Time) -> Machine,
    ) -> Self {
        let now = time(&context);
        let cell = Cell::new(machine(now), now);
        Self(Arc::new(Shared { provider, context, flight_limit, cell, looks: BlockingIo::default() }))
    }

    /// The credential, valid now. A warm read takes no lock and allocates nothing.
    ///
    /// # Errors
    ///
    /// Only when there is no valid credential: the error of the refresh that was waited for, or of the last one while its
    /// back-off runs.
    pub async fn credentials(&self) -> Result<Credentials, Error> {
        match self.0.cell.peek(self.0.context.now(), Clone::clone) {
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
        if let Some(held) = self.cached()
            && self.0.is_outdated(&held).await
        {
            let now = self.now();
            let (chores, landing) =
                self.0.cell.update(now, |machine| (machine.outdated(&held, now), machine.landing()));
            self.start(chores);
            if let Some(landing) = landing {
                self.0.outcome(landing, None).await;
            }
        }
        self.credentials().await
    }

    /// Lends the credential, if one is valid, without waiting and without writing to shared memory. Starts whatever
    /// refresh a caller of [`credentials`](Self::credentials) would start.
    pub fn with<T>(&self, read: impl FnOnce(&Credentials) -> T) -> Option<T> {
        match self.0.cell.peek(self.0.context.now(), read) {
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
        let now = self.now();
        let (step, chores) = self.0.cell.update(now, |machine| machine.asked(now));
        self.start(chores);
        match step {
            Step::Use(credentials) => Some(credentials),
            Step::Fail(_) => None,
            Step::Wait(..) => self.0.cell.update(now, |machine| machine.current(now)),
        }
    }

    /// The number of the credential: it grows with every new one, and clients cache what they derive by it. 0: none yet.
    pub fn generation(&self) -> u64 {
        self.0.cell.generation()
    }

    /// Says that a server refused `used` as a dead credential (`InvalidSecurityToken.*`; never a lack of permission).
    ///
    /// `true` if it was the current one: the next caller waits for a new one, even if a back-off runs. Retry only with a
    /// credential of another generation: a source may have nothing else to give. After three rejections of credentials
    /// younger than a minute the answer is `false` for a minute: see [`Health::RejectedWhileFresh`].
    pub fn invalidate(&self, used: &Credentials) -> bool {
        let now = self.now();
        let current = self.0.cell.update(now, |machine| machine.rejected(used, now));
        if current {
            tracing::warn!(provider = %used.provider_name(), generation = used.generation(), "credential rejected");
        }
        current
    }

    /// How it is doing. No I/O.
    pub fn health(&self) -> Health {
        let now = self.now();
        self.0.cell.look(|machine| machine.health(now))
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

    /// Tells of every new generation. The channel closes when the last handle is gone. Do not hold a `borrow` of it across
    /// an await: the next generation waits for that.
    pub fn subscribe(&self) -> watch::Receiver<u64> {
        self.0.cell.subscribe()
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
        let shared = Arc::downgrade(&self.0);
        let (context, generations) = (self.0.context.clone(), self.subscribe());
        self.0.context.executor().spawn(Box::pin(task::keep_fresh(shared, context, generations, stop)));
    }

    /// What is known now: the credential if one is valid, else why not; `None` before the first look. Starts nothing.
    pub(crate) fn known(&self) -> Option<Result<Credentials, Error>> {
        let now = self.now();
        self.0.cell.look(|machine| match (machine.current(now), machine.health(now)) {
            (Some(credentials), _) => Some(Ok(credentials)),
            (None, Health::Expired { error, .. }) => Some(Err(error)),
            (None, _) => None,
        })
    }

    /// The outside world that it lives in.
    pub(crate) fn context(&self) -> &Context {
        &self.0.context
    }

    fn now(&self) -> machine::Time {
        time(&self.0.context)
    }

    /// The slow path of both ways to ask.
    #[cold]
    fn wait(&self, lifetime: Option<Duration>) -> BoxFuture<'_, Result<Credentials, Error>> {
        Box::pin(async move {
            let (mut again, mut ended) = (false, None);
            // A refresh that was dropped unfinished counts as no attempt, but a home that drops all of them is broken.
            for _ in 0..3 {
                let now = self.now();
                let (step, chores) = self.0.cell.update(now, |machine| match lifetime {
                    Some(lifetime) => machine.asked_for(lifetime, now, again),
                    None => machine.asked(now),
                });
                self.start(chores);
                let (landing, at_most) = match step {
                    Step::Use(credentials) => return Ok(credentials),
                    Step::Fail(error) => return Err(error),
                    Step::Wait(landing, at_most) => (landing, at_most),
                };
                let outcome = self.0.outcome(landing, at_most).await;
                let now = self.now();
                match (outcome, lifetime) {
                    // It may have landed long before this caller was driven again.
                    (task::Waited::Landed(Ok(_)), None) => {
                        if let Some(credentials) = self.0.cell.look(|machine| machine.current(now)) {
                            return Ok(credentials);
                        }
                        let message = "each credential had expired by the time that it was waited for";
                        let error = Error::new(ErrorKind::Expired, message).with_code("ExpiredCredential");
                        ended = Some(error.in_provider(&self.0.provider.provider_name()));
                    }
                    (task::Waited::Landed(Ok(_)), Some(_)) => again = true,
                    (task::Waited::Landed(Err(error)), None) => {
                        return self.0.cell.update(now, |machine| machine.current(now)).ok_or(error);
                    }
                    (task::Waited::Landed(Err(error)), Some(_)) => {
                        if self.0.cell.update(now, |machine| machine.current(now)).is_none() {
                            return Err(error);
                        }
                        again = true;
                    }
                    (task::Waited::TooLong, _) => {
                        if let Some(credentials) = self.0.cell.update(now, |machine| machine.current(now)) {
                            return Ok(credentials);
                        }
                    }
                    (task::Waited::Dropped, _) => {}
                }
            }
            let now = self.now();
            let held = self.0.cell.update(now, |machine| machine.make_do_for(lifetime.unwrap_or_default(), now));
            held.unwrap_or_else(|| {
                if let Some(error) = ended {
                    return Err(error);
                }
                let message = "refreshes are dropped before they end: the place where they run is gone";
                Err(Error::new(ErrorKind::Failed, message).with_code("RefreshDropped"))
            })
        })
    }

    fn start(&self, chores: Chores) {
        Shared::start(&self.0, chores);
    }
}

fn time(context: &Context) -> machine::Time {
    let now = context.now();
    machine::Time {
        wall: now.wall,
        monotonic: now.monotonic,
        boot: context.boot(),
        process: crate::context::Executor::process_id(),
    }
}

impl From<Credentials> for Refresher {
    fn from(credentials: Credentials) -> Self {
        Self::holding(credentials, Context::default())
    }
}

impl fmt::Debug for Refresher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Refresher")
            .field("provider", &self.0.provider.provider_name())
            .field("generation", &self.generation())
            .finish_non_exhaustive()
    }
}

impl ProvideCredentials for Refresher {
    fn provider_name(&self) -> Cow<'_, str> {
        self.0.provider.provider_name()
    }

    fn provide_credentials(&self) -> BoxFuture<'_, Result<Credentials, Error>> {
        Box::pin(async move {
            let given = self.credentials().await?;
            // Whoever keeps this credential judges it by what remains now, not by what did when it was issued.
            let now = self.now();
            let held = self.0.cell.look(|machine| machine.remaining(now));
            let (credentials, remaining) = held.unwrap_or((given, Some(Duration::ZERO)));
            let expires = credentials.expiration().zip(remaining);
            Ok(match expires.and_then(|(expiration, remaining)| expiration.checked_sub(remaining)) {
                Some(issued) => credentials.with_issued_at(issued),
                None => credentials,
            })
        })
    }

    fn is_current(&self, credentials: &Credentials) -> bool {
        self.cached().is_none_or(|current| current.same_keys(credentials))
    }
}
