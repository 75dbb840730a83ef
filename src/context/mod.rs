//! The outside world as a value: environment, files, HTTP, clocks, randomness, and where refreshes run.

mod blocking_io;
mod builder;
mod clock;
mod clock_skew;
mod environment;
mod executor;
mod files;
mod gate;
mod http;
mod metadata_absence;
#[cfg(feature = "process")]
mod program;
mod quota;
#[cfg(feature = "_client")]
mod reqwest_sender;
mod resolver;
mod response_time;
mod retry;
mod scope;
#[cfg(feature = "test-util")]
mod test_clock;

use std::collections::BTreeMap;
use std::fmt;
use std::future::Future;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::Poll;
use std::time::{Duration, SystemTime};

use ::http::{HeaderMap, Request, Response};
use bytes::Bytes;

pub(crate) use self::blocking_io::BlockingIo;
pub use self::builder::ContextBuilder;
pub use self::clock::{Clock, Now};
#[cfg(test)]
pub(crate) use self::executor::fork;
pub(crate) use self::executor::{Executor, process_id};
#[cfg(all(test, loom))]
pub(crate) use self::executor::{block_on, lose};
pub(crate) use self::files::Stamp;
pub(crate) use self::gate::{Passage, Turn};
pub use self::http::{HttpError, HttpErrorKind, HttpSend, SendOptions};
#[cfg(feature = "process")]
pub(crate) use self::program::{Ended, Program, ProgramError, ending};
pub(crate) use self::quota::Quota;
#[cfg(feature = "_client")]
pub use self::reqwest_sender::TlsLibrary;
pub(crate) use self::response_time::{retry_after, server_time};
#[cfg(feature = "openapi")]
pub(crate) use self::retry::Attempts;
pub(crate) use self::retry::{Repeat, Retries, is_passing, part, repeat, spread, with_retries};
#[cfg(feature = "shared-sessions")]
pub(crate) use self::scope::while_set;
#[cfg(feature = "role-pool")]
pub(crate) use self::scope::while_used;
pub(crate) use self::scope::{held, uses, while_held};
#[cfg(feature = "test-util")]
pub use self::test_clock::TestClock;
use crate::credentials::BootClock;
use crate::encode::push_hex;
use crate::provider::BoxFuture;
use crate::time;

/// Everything that the crate takes from outside. The real world by default; each part can be replaced, so a test needs
/// no process environment, no network and no waiting. Cloning is one reference count.
///
/// ```
/// use alibabacloud_credentials::{Context, DefaultCredentialChain};
///
/// let context = Context::builder()
///     .env([("ALIBABA_CLOUD_ACCESS_KEY_ID", "an id"), ("ALIBABA_CLOUD_ACCESS_KEY_SECRET", "a secret")])
///     .build();
/// let chain = DefaultCredentialChain::builder().context(context).build();
/// ```
#[derive(Clone)]
pub struct Context(Arc<Inner>);

struct Inner {
    env: Option<BTreeMap<String, String>>,
    root: Option<PathBuf>,
    http: Http,
    clock: Arc<dyn Clock>,
    boot_clock: Arc<dyn BootClock>,
    /// Whether the clock is the system's, so that the runtime's own timers keep the same time.
    #[cfg(all(feature = "_client", feature = "openapi"))]
    is_system_clock: bool,
    random: Random,
    executor: Executor,
    clock_skew: clock_skew::ClockSkew,
    resolver: resolver::Resolver,
    metadata_absence: metadata_absence::MetadataAbsence,
    reads: files::Reads,
    gates: gate::Gates,
}

enum Http {
    /// The crate's own client.
    #[cfg(feature = "_client")]
    Own(Arc<reqwest_sender::ReqwestSender>),
    Custom(Arc<dyn HttpSend>),
}

/// Says whether the `Date` of a response may correct the signing clock. Only the cloud's own hosts may, and never a service
/// that hands credentials on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Dates {
    Trusted,
    Ignored,
}

/// The time at which the request of a response was sent: its `Date` was written after that.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Transit {
    pub(crate) sent: Now,
    pub(crate) sent_boot: Duration,
}

/// The boot clock of a context, for credentials that carry what remains of them.
struct BootClockOf(Arc<dyn Clock>);

impl BootClock for BootClockOf {
    fn boot(&self) -> Duration {
        self.0.boot()
    }
}

enum Random {
    System,
    Seeded(AtomicU64),
}

impl Default for Context {
    fn default() -> Self {
        Self::builder().build()
    }
}

impl fmt::Debug for Context {
    /// Neither variables nor paths: either may hold a secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Context")
            .field("env", &if self.0.env.is_some() { "given" } else { "process" })
            .field("executor", &self.0.executor)
            .finish_non_exhaustive()
    }
}

impl Context {
    /// Returns a builder for the real world with parts replaced.
    pub fn builder() -> ContextBuilder {
        ContextBuilder::default()
    }

    pub(crate) fn now(&self) -> Now {
        self.0.clock.now()
    }

    pub(crate) fn boot(&self) -> Duration {
        self.0.clock.boot()
    }

    /// The boot clock by itself.
    pub(crate) fn boot_clock(&self) -> Arc<dyn BootClock> {
        Arc::clone(&self.0.boot_clock)
    }

    pub(crate) fn sleep(&self, duration: Duration) -> BoxFuture<'static, ()> {
        self.0.clock.sleep(duration)
    }

    /// Runs refreshes.
    pub(crate) fn executor(&self) -> &Executor {
        &self.0.executor
    }

    /// The wall clock as the servers have it: what requests are signed with.
    pub(crate) fn signing_time(&self) -> SystemTime {
        let now = self.now();
        time::from_epoch(self.0.clock_skew.correct(now.wall, self.boot()))
    }

    /// The wall clock as the servers have it, once a server's `Date` has told.
    pub(crate) fn measured_time(&self) -> Option<SystemTime> {
        let wall = self.0.clock_skew.measured(self.now().wall, self.boot())?;
        Some(time::from_epoch(wall))
    }

    pub(crate) fn random(&self) -> u64 {
        match &self.0.random {
            Random::Seeded(state) => {
                // SplitMix64: every seed gives a full period.
                let mut z =
                    state.fetch_add(0x9e37_79b9_7f4a_7c15, Ordering::Relaxed).wrapping_add(0x9e37_79b9_7f4a_7c15);
                z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
                z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
                z ^ (z >> 31)
            }
            // Asked of the system each time, since a state in memory would be shared with a child after `fork`.
            Random::System => getrandom::u64().unwrap_or_else(|_| {
                let now = self.now();
                let nanos = now.wall.as_nanos() ^ (now.monotonic.as_nanos() << 32) ^ u128::from(process_id());
                (nanos as u64) ^ ((nanos >> 64) as u64)
            }),
        }
    }

    /// A nonce: 128 random bits in hexadecimal.
    pub(crate) fn nonce(&self) -> String {
        let mut out = String::with_capacity(32);
        let mut bytes = [0; 16];
        // One request to the system for both halves.
        if matches!(self.0.random, Random::System) && getrandom::fill(&mut bytes).is_ok() {
            push_hex(&bytes, &mut out);
            return out;
        }
        for _ in 0..2 {
            push_hex(&self.random().to_be_bytes(), &mut out);
        }
        out
    }

    /// A secret of so many random bytes, in hexadecimal. Unlike a nonce it is not made of anything else where the system has no
    /// randomness.
    #[cfg(feature = "login")]
    pub(crate) fn secret(&self, bytes: usize) -> Result<zeroize::Zeroizing<String>, crate::error::Error> {
        let mut random = zeroize::Zeroizing::new(vec![0; bytes]);
        match &self.0.random {
            Random::System => getrandom::fill(&mut random)
                .map_err(|error| crate::error::Error::failed("the system has no randomness").with_source(error))?,
            Random::Seeded(_) => {
                random.chunks_mut(8).for_each(|chunk| {
                    chunk.copy_from_slice(&self.random().to_be_bytes()[..chunk.len()]);
                });
            }
        }
        let mut out = zeroize::Zeroizing::new(String::with_capacity(2 * bytes));
        push_hex(&random, &mut out);
        Ok(out)
    }

    /// Sends a request for credentials. The crate's own client runs on the timekeeper, a user's where this is polled.
    pub(crate) async fn send(
        &self,
        request: Request<Bytes>,
        options: SendOptions,
        dates: Dates,
    ) -> Result<Response<Bytes>, HttpError> {
        match &self.0.http {
            Http::Custom(sender) => self.bounded(sender.as_ref(), request, options, dates).await,
            #[cfg(feature = "_client")]
            Http::Own(sender) => {
                sender.learn(self);
                let (context, sender) = (self.clone(), Arc::clone(sender));
                let answer = executor::TIMEKEEPER
                    .run(async move { context.bounded(sender.as_ref(), request, options, dates).await });
                let lost = || Err(HttpError::new(HttpErrorKind::Other, "the HTTP client is gone"));
                answer.await.unwrap_or_else(lost)
            }
        }
    }

    /// A sender for calls on the caller's own runtime: the crate's own client, another one than for credentials.
    #[cfg(feature = "openapi")]
    pub(crate) fn caller_sender(&self) -> CallerSender {
        match &self.0.http {
            Http::Custom(sender) => CallerSender::Custom(Arc::clone(sender)),
            #[cfg(feature = "_client")]
            Http::Own(sender) => {
                let sender = sender.another();
                sender.learn(self);
                CallerSender::Own(Arc::new(sender))
            }
        }
    }

    /// Sends with `sender`, and enforces the bounds whatever it does. The response carries a [`Transit`], and corrects the
    /// signing clock if its `Date` is to be believed.
    async fn bounded(
        &self,
        sender: &dyn HttpSend,
        request: Request<Bytes>,
        options: SendOptions,
        dates: Dates,
    ) -> Result<Response<Bytes>, HttpError> {
        let transit = Transit { sent: self.now(), sent_boot: self.boot() };
        let answer = first(sender.send(request, options), self.sleep(options.timeout)).await;
        let Some(answer) = answer else {
            let limit = options.timeout.as_secs_f64();
            return Err(HttpError::new(HttpErrorKind::Timeout, format!("no complete answer within {limit} s")));
        };
        let mut answer = answer?;
        if answer.body().len() > options.max_body {
            return Err(HttpError::new(
                HttpErrorKind::TooLarge,
                format!("the answer is larger than {} bytes", options.max_body),
            ));
        }
        self.learn_clock(dates == Dates::Trusted, answer.headers(), transit.sent);
        answer.extensions_mut().insert(transit);
        Ok(answer)
    }

    /// Measures the wall clock by the `Date` of an answer that has just come, if it comes from a `trusted` server.
    pub(crate) fn learn_clock(&self, trusted: bool, answer: &HeaderMap, sent: Now) {
        if let Some(date) = server_time(answer).filter(|_| trusted) {
            self.0.clock_skew.measure(date, sent.wall, self.now().wall, self.boot());
        }
    }
}

/// Sends on the caller's runtime. See [`Context::caller_sender`].
#[cfg(feature = "openapi")]
#[derive(Clone)]
pub(crate) enum CallerSender {
    /// Keeps the bounds by itself, with the timers of the caller's runtime: a timer of ours would double the CPU of a call.
    #[cfg(feature = "_client")]
    Own(Arc<reqwest_sender::ReqwestSender>),
    Custom(Arc<dyn HttpSend>),
}

#[cfg(feature = "openapi")]
impl CallerSender {
    pub(crate) async fn send(
        &self,
        context: &Context,
        request: Request<Bytes>,
        options: SendOptions,
    ) -> Result<Response<Bytes>, HttpError> {
        match self {
            #[cfg(feature = "_client")]
            Self::Own(sender) if context.0.is_system_clock => {
                let sent = context.now();
                let answer = sender.exchange(request, options).await?;
                context.learn_clock(true, answer.headers(), sent);
                Ok(answer)
            }
            #[cfg(feature = "_client")]
            Self::Own(sender) => context.bounded(sender.as_ref(), request, options, Dates::Trusted).await,
            Self::Custom(sender) => context.bounded(sender.as_ref(), request, options, Dates::Trusted).await,
        }
    }
}

/// The result of `work`, or `None` when `limit` ends first.
pub(crate) async fn first<T>(work: impl Future<Output = T>, limit: impl Future<Output = ()>) -> Option<T> {
    let (mut work, mut limit) = (std::pin::pin!(work), std::pin::pin!(limit));
    std::future::poll_fn(|cx| match work.as_mut().poll(cx) {
        Poll::Ready(value) => Poll::Ready(Some(value)),
        Poll::Pending => limit.as_mut().poll(cx).map(|()| None),
    })
    .await
}

/// `localhost` and the loopback addresses, brackets allowed.
pub(crate) fn is_loopback(host: &str) -> bool {
    let bare = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(host);
    bare.eq_ignore_ascii_case("localhost")
        || bare.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
}
