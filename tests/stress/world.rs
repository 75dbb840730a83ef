//! The world of the stress rows: a virtual clock, a source that does as it is told, a cache under test, callers.

use std::future::Future;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use alibabacloud_credentials::{
    BoxFuture, Clock, Context, Credentials, Error, ProvideCredentials, Refresher, TestClock, provider_fn,
};
use tokio::task::JoinHandle;

use crate::support::dated::dated;

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
    does: Mutex<Does>,
    last: Mutex<Option<Credentials>>,
    contacts: AtomicUsize,
}

impl Source {
    /// True time: what the source's clock shows, whatever was done to the machine's.
    pub(crate) fn true_time(&self) -> SystemTime {
        self.epoch + self.clock.boot()
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

    async fn ask(self: Arc<Self>) -> Result<Credentials, Error> {
        let n = self.contacts.fetch_add(1, Ordering::SeqCst) + 1;
        let does = *self.does.lock().unwrap();
        match does {
            Does::Grant { lifetime, after } => {
                self.clock.sleep(after).await;
                let now = self.true_time();
                let session = Credentials::new(format!("STS.session-{n}"), "fake-secret")
                    .with_security_token(format!("fake-token-{n}"))
                    .with_expiration(now + if lifetime.is_zero() { lifetime } else { lifetime + s(1) });
                let session = dated(&self.clock, &session, now).await?;
                *self.last.lock().unwrap() = Some(session.clone());
                Ok(session)
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
    pub(crate) fn get(&self) -> BoxFuture<'static, Result<Credentials, Error>> {
        match self.clone() {
            Self::Refresher(refresher) => Box::pin(async move { refresher.credentials().await }),
            Self::Naive(naive) => Box::pin(async move { naive.get().await }),
        }
    }
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
        let epoch = UNIX_EPOCH + s(1_800_000_000);
        let clock = TestClock::new(epoch);
        let source = Arc::new(Source {
            clock: clock.clone(),
            epoch,
            does: Mutex::new(does),
            last: Mutex::new(None),
            contacts: AtomicUsize::new(0),
        });
        let asked = Arc::clone(&source);
        let provider = provider_fn("source", move || Arc::clone(&asked).ask());
        let cache = match kind {
            Kind::Refresher => Cache::Refresher(Refresher::builder(provider).context(context(&clock, seed)).build()),
            Kind::Naive => Cache::Naive(Arc::new(super::naive::Naive::new(provider, clock.clone()))),
        };
        Self { clock, source, cache }
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
