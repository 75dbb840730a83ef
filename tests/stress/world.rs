//! The world of the stress rows: a virtual clock, a source that does as it is told, a cache under test, callers.

use std::future::Future;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::Thread;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use alibabacloud_credentials::{
    BoxFuture, Clock, Context, Credentials, Error, ProvideCredentials, Refresher, RefresherBuilder, TestClock,
    provider_fn,
};
use tokio::task::JoinHandle;

use crate::support::dated::{answered, dated};

pub(crate) const fn s(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

pub(crate) const fn ms(milliseconds: u64) -> Duration {
    Duration::from_millis(milliseconds)
}

/// What the source does when it is asked.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Does {
    /// Grants a new session of which this is left by the crate's reckoning (a second less than its answer says), after a
    /// while.
    Grant {
        lifetime: Duration,
        after: Duration,
    },
    /// Gives the session that it granted last.
    Repeat,
    /// Grants a session of `lifetime`, whose answer is on its way for so long.
    Late {
        lifetime: Duration,
        transit: Duration,
    },
    /// Grants a session of an hour, in an answer whose `Date` is so many seconds ahead of true time; without one if `None`.
    Misdated {
        ahead: Option<i64>,
    },
    /// Blocks the thread that asks, or keeps it busy, until the world ends.
    Block {
        spin: bool,
    },
    Fail {
        after: Duration,
    },
    Hang,
    Panic,
}

pub(crate) const GRANT: Does = Does::Grant { lifetime: s(3600), after: Duration::ZERO };
pub(crate) const FAIL: Does = Does::Fail { after: Duration::ZERO };

pub(crate) fn grant(lifetime: Duration) -> Does {
    Does::Grant { lifetime, after: Duration::ZERO }
}

/// A source that counts how often it is contacted. Its own clock is always right.
pub(crate) struct Source {
    clock: TestClock,
    epoch: SystemTime,
    /// What the machine missed without any of its clocks but the wall clock knowing.
    paused: Mutex<Duration>,
    gate: Gate,
    does: Mutex<Does>,
    last: Mutex<Option<Credentials>>,
    contacts: AtomicUsize,
}

impl Source {
    /// True time: what the source's clock shows, whatever was done to the machine's.
    pub(crate) fn true_time(&self) -> SystemTime {
        self.epoch + *self.paused.lock().unwrap() + self.clock.boot()
    }

    pub(crate) fn gate(&self) -> &Gate {
        &self.gate
    }

    pub(crate) fn now(&self, does: Does) {
        *self.does.lock().unwrap() = does;
    }

    /// The session that it granted last.
    pub(crate) fn last(&self) -> Option<Credentials> {
        self.last.lock().unwrap().clone()
    }

    pub(crate) fn contacts(&self) -> usize {
        self.contacts.load(Ordering::SeqCst)
    }

    pub(crate) fn provider(self: &Arc<Self>) -> impl ProvideCredentials + use<> {
        let asked = Arc::clone(self);
        provider_fn("source", move || Arc::clone(&asked).ask())
    }

    async fn ask(self: Arc<Self>) -> Result<Credentials, Error> {
        let n = self.contacts.fetch_add(1, Ordering::SeqCst) + 1;
        let does = *self.does.lock().unwrap();
        let session = |ends| {
            let session = Credentials::new(format!("STS.session-{n}"), "fake-secret");
            session.with_security_token(format!("fake-token-{n}")).with_expiration(ends)
        };
        let now = self.true_time();
        match does {
            Does::Grant { lifetime, after } => {
                self.clock.sleep(after).await;
                let now = self.true_time();
                let lasts = if lifetime.is_zero() { lifetime } else { lifetime + s(1) };
                let session = dated(&self.clock, &session(now + lasts), now).await?;
                *self.last.lock().unwrap() = Some(session.clone());
                Ok(session)
            }
            Does::Late { lifetime, transit } => {
                let session = dated(&self.clock, &session(now + lifetime), now).await?;
                self.clock.sleep(transit).await;
                Ok(session)
            }
            Does::Misdated { ahead } => {
                let date = ahead.map(|ahead| match ahead {
                    0.. => now + s(ahead.unsigned_abs()),
                    _ => now - s(ahead.unsigned_abs()),
                });
                answered(&self.clock, &session(now + s(3600)), date, s(3600)).await
            }
            Does::Block { spin } => {
                self.gate.block(spin);
                Err(Error::failed("the source was blocked"))
            }
            Does::Repeat => {
                let last = self.last().unwrap();
                dated(&self.clock, &last, self.true_time()).await
            }
            Does::Fail { after } => {
                self.clock.sleep(after).await;
                Err(Error::failed("the source is down"))
            }
            Does::Hang => std::future::pending().await,
            Does::Panic => panic!("the source panics, as it was told to"),
        }
    }
}

/// Where threads are kept.
#[derive(Default)]
pub(crate) struct Gate {
    is_open: AtomicBool,
    kept: Mutex<Vec<Thread>>,
}

impl Gate {
    fn block(&self, spin: bool) {
        self.kept.lock().unwrap().push(std::thread::current());
        while !self.is_open.load(Ordering::SeqCst) {
            if spin {
                std::hint::spin_loop();
            } else {
                std::thread::park();
            }
        }
    }

    pub(crate) fn keeps(&self, thread: &Thread) -> bool {
        self.kept.lock().unwrap().iter().any(|kept| kept.id() == thread.id())
    }

    /// Lets everybody go.
    pub(crate) fn open(&self) {
        self.is_open.store(true, Ordering::SeqCst);
        self.kept.lock().unwrap().iter().for_each(Thread::unpark);
    }
}

/// What is tested: the refresher, or the naive cache that shows that the rows have teeth.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Kind {
    Refresher,
    Naive,
}

#[derive(Clone)]
pub(crate) enum Cache {
    Refresher(Refresher),
    Naive(Arc<super::naive::Naive>),
}

impl Cache {
    /// The cache under test over any provider.
    pub(crate) fn over(
        kind: Kind,
        provider: impl ProvideCredentials,
        clock: &TestClock,
        build: impl FnOnce(RefresherBuilder) -> RefresherBuilder,
    ) -> Self {
        match kind {
            Kind::Refresher => Self::Refresher(build(Refresher::builder(provider)).build()),
            Kind::Naive => Self::Naive(Arc::new(super::naive::Naive::new(provider, clock.clone()))),
        }
    }

    pub(crate) fn get(&self) -> BoxFuture<'static, Result<Credentials, Error>> {
        match self.clone() {
            Self::Refresher(refresher) => Box::pin(async move { refresher.credentials().await }),
            Self::Naive(naive) => Box::pin(async move { naive.get().await }),
        }
    }
}

fn source(does: Does) -> (TestClock, Arc<Source>) {
    let epoch = UNIX_EPOCH + s(1_800_000_000);
    let clock = TestClock::new(epoch);
    let source = Arc::new(Source {
        clock: clock.clone(),
        epoch,
        paused: Mutex::default(),
        gate: Gate::default(),
        does: Mutex::new(does),
        last: Mutex::new(None),
        contacts: AtomicUsize::new(0),
    });
    (clock, source)
}

#[derive(Clone)]
pub(crate) struct World {
    pub(crate) clock: TestClock,
    pub(crate) source: Arc<Source>,
    pub(crate) cache: Cache,
}

impl World {
    pub(crate) fn new(kind: Kind, does: Does) -> Self {
        Self::seeded(kind, does, 7)
    }

    pub(crate) fn seeded(kind: Kind, does: Does, seed: u64) -> Self {
        let (clock, source) = source(does);
        let cache = Cache::over(kind, source.provider(), &clock, |refresher| refresher.context(context(&clock, seed)));
        Self { clock, source, cache }
    }

    /// The same on threads: refreshes run on the crate's own, and have a second.
    pub(crate) fn on_threads(kind: Kind, does: Does) -> Self {
        let (clock, source) = source(does);
        let cache = Cache::over(kind, source.provider(), &clock, |refresher| {
            refresher.context(Context::builder().clock(clock.clone()).build()).refresh_timeout(s(1))
        });
        Self { clock, source, cache }
    }

    /// The virtual machine is resumed later, from a snapshot: its wall clock alone is set right.
    pub(crate) fn resume_after(&self, pause: Duration) {
        *self.source.paused.lock().unwrap() += pause;
        self.clock.step(pause.as_secs().cast_signed());
    }

    pub(crate) fn refresher(&self) -> Refresher {
        match &self.cache {
            Cache::Refresher(refresher) => refresher.clone(),
            Cache::Naive(_) => panic!("this row is the refresher's alone"),
        }
    }

    /// Lets time pass and everything that is due happen.
    pub(crate) async fn advance(&self, duration: Duration) {
        self.clock.advance(duration);
        settle().await;
    }

    /// A world whose first session has `remaining` left.
    pub(crate) async fn with_session(kind: Kind, lifetime: Duration, remaining: Duration) -> Self {
        let world = Self::new(kind, grant(lifetime));
        let first = world.cache.get();
        assert!(first.await.is_ok());
        settle().await;
        world.advance(lifetime - remaining).await;
        world
    }

    /// `n` callers at once, each a task of its own.
    pub(crate) fn herd(&self, n: usize) -> Herd {
        Herd((0..n).map(|_| tokio::spawn(self.cache.get())).collect())
    }

    /// One caller, who is given as much virtual time as he needs, up to `patience`.
    pub(crate) async fn ask_within(&self, patience: Duration) -> Option<Result<Credentials, Error>> {
        let caller = self.herd(1);
        settle().await;
        let mut waited = Duration::ZERO;
        while caller.finished() == 0 && waited < patience {
            let step = self.clock.next_wake().unwrap_or(ms(100)).clamp(ms(1), patience - waited);
            self.advance(step).await;
            waited += step;
        }
        caller.answers().await.pop()
    }

    pub(crate) fn is_expired(&self, credentials: &Credentials) -> bool {
        credentials.expiration().is_some_and(|end| end <= self.source.true_time())
    }
}

/// A context under the virtual clock, whose refreshes run on the test's own runtime.
pub(crate) fn context(clock: &TestClock, seed: u64) -> Context {
    Context::builder()
        .env([("HOME", "/nowhere")])
        .clock(clock.clone())
        .seed(seed)
        .spawn(|task| drop(tokio::spawn(task)))
        .build()
}

/// Runs every task that can run: with one thread and no timers, nothing is left after that.
pub(crate) async fn settle() {
    for _ in 0..60 {
        tokio::task::yield_now().await;
    }
}

pub(crate) struct Herd(Vec<JoinHandle<Result<Credentials, Error>>>);

impl Herd {
    pub(crate) fn join(&mut self, others: Self) {
        self.0.extend(others.0);
    }

    pub(crate) fn finished(&self) -> usize {
        self.0.iter().filter(|task| task.is_finished()).count()
    }

    /// The answers of those who have one. Who still waits gives up; a panic is an answer that nobody wants.
    pub(crate) async fn answers(self) -> Vec<Result<Credentials, Error>> {
        let mut answers = Vec::new();
        for task in self.0 {
            if task.is_finished() {
                answers.push(task.await.unwrap_or_else(|_| Err(Error::failed("the caller panicked"))));
            } else {
                task.abort();
            }
        }
        answers
    }
}

/// Polls `future` exactly `times` times, or until it is ready.
pub(crate) async fn poll_times<F: Future + Unpin>(future: &mut F, times: usize) -> bool {
    for _ in 0..times {
        let mut ready = false;
        std::future::poll_fn(|cx| {
            ready = std::pin::Pin::new(&mut *future).poll(cx).is_ready();
            std::task::Poll::Ready(())
        })
        .await;
        if ready {
            return true;
        }
        tokio::task::yield_now().await;
    }
    false
}

/// The provider as a trait object, for the naive cache.
pub(crate) type Provider = Arc<dyn ProvideCredentials>;
