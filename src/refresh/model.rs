//! The refresher under loom: a few threads, every order of their events that loom can tell apart, up to a bound of
//! preemptions. `cd tests/loom && cargo test --release --features test-util model::`.
//!
//! The code that ships is explored: [`Snapshot`](super::snapshot::Snapshot)'s lock and atomics, the machine, the waits of callers, the refresh and
//! its end. The clock stands still unless a model moves it, tokio's channels are taken at their word, and each refresh is a
//! thread of the model. In every model the source checks that it is asked by one refresh at a time, a wake-up that is lost
//! is a deadlock, and a deadlock is an error.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize as Count, Ordering};
use std::time::{Duration, UNIX_EPOCH};

use loom::sync::atomic::AtomicUsize;
use loom::thread;

use super::machine::Machine;
use super::step::Found;
use super::{Refresher, Store, snapshot};
use crate::context::{Context, TestClock, block_on, lose};
use crate::credentials::Credentials;
use crate::error::Error;
use crate::provider::{ProvideCredentials, provider_fn};

const LIMIT: Duration = Duration::from_secs(120);

/// Threads are switched where they wait, and so often where they need not. `LOOM_MAX_PREEMPTIONS` sets another bound.
const PREEMPTIONS: usize = 1;

fn explore(model: impl Fn() + Sync + Send + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound.get_or_insert(PREEMPTIONS);
    builder.max_branches = 10_000;
    builder.check(model);
}

/// Gives another key each time, or fails.
struct Source {
    fails: bool,
    asked: Count,
    under_way: AtomicUsize,
}

impl Source {
    fn new(fails: bool) -> Arc<Self> {
        Arc::new(Self { fails, asked: Count::new(0), under_way: AtomicUsize::new(0) })
    }

    fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }

    fn provider(self: &Arc<Self>) -> Arc<dyn ProvideCredentials> {
        let source = Arc::clone(self);
        Arc::new(provider_fn("source", move || std::future::ready(source.answer())))
    }

    fn answer(&self) -> Result<Credentials, Error> {
        let number = self.asked.fetch_add(1, Ordering::SeqCst) + 1;
        assert_eq!(self.under_way.fetch_add(1, Ordering::SeqCst), 0, "one refresh at a time");
        self.under_way.fetch_sub(1, Ordering::SeqCst);
        if self.fails { Err(Error::failed("the source is down")) } else { Ok(key(number)) }
    }
}

fn key(number: usize) -> Credentials {
    Credentials::new(format!("key-{number}"), "fake-secret")
}

fn context(clock: &TestClock) -> Context {
    Context::builder().env([("HOME", "/nowhere")]).clock(clock.clone()).seed(7).build()
}

fn start() -> TestClock {
    TestClock::new(UNIX_EPOCH + Duration::from_secs(1_800_000_000))
}

fn cold(source: &Arc<Source>, clock: &TestClock) -> Refresher {
    Refresher::builder(source.provider()).context(context(clock)).refresh_timeout(LIMIT).build()
}

/// One that holds a key already, which is invalidated.
fn invalidated(source: &Arc<Source>) -> (Refresher, u64) {
    let refresher = Refresher::with_machine(source.provider(), context(&start()), LIMIT, Store::default(), |now| {
        let found = Found { credentials: key(0), left: None, generation: snapshot::next_generation() };
        Machine::holding(found, now, 0, LIMIT)
    });
    let used = refresher.cached().unwrap();
    assert!(refresher.invalidate(&used));
    (refresher, used.generation())
}

/// A caller that waits, on a thread of its own.
fn caller(refresher: &Refresher) -> thread::JoinHandle<Result<Credentials, Error>> {
    let refresher = refresher.clone();
    thread::spawn(move || block_on(refresher.credentials()))
}

#[test]
fn a_hit_beside_a_refresh_shows_nothing_that_was_refused_and_nothing_older_than_was_seen() {
    explore(|| {
        let source = Source::new(false);
        let (refresher, refused) = invalidated(&source);
        let seen = Arc::new(AtomicUsize::new(0));
        let asks = caller(&refresher);
        let reads = {
            let (refresher, seen) = (refresher.clone(), Arc::clone(&seen));
            thread::spawn(move || {
                let known = refresher.generation().max(seen.load(Ordering::Acquire) as u64);
                let now = refresher.context().now();
                let hits = [(); 2].map(|()| refresher.0.snapshot.peek(now, Credentials::generation).ok());
                assert!(hits.iter().flatten().all(|hit| *hit > refused && *hit >= known), "{hits:?} after {known}");
                assert!(hits[0].is_none() || hits[1].is_some(), "from then on every read is a hit");
            })
        };
        let found = asks.join().unwrap().unwrap();
        assert!(found.generation() > refused);
        seen.store(found.generation() as usize, Ordering::Release);
        reads.join().unwrap();
        assert_eq!((refresher.cached().map(|held| held.generation()), source.asked()), (Some(found.generation()), 1));
    });
}

#[test]
fn callers_who_find_nothing_share_one_refresh_and_its_result() {
    for fails in [false, true] {
        explore(move || {
            let (source, clock) = (Source::new(fails), start());
            let refresher = cold(&source, &clock);
            let other = caller(&refresher);
            let mine = block_on(refresher.credentials());
            let other = other.join().unwrap();
            let generation = |found: Result<Credentials, Error>| found.map(|found| found.generation()).ok();
            let shared = [mine, other].map(generation);
            assert_eq!((shared[0], shared[0].is_none(), source.asked()), (shared[1], fails, 1));
        });
    }
}

#[test]
fn a_caller_that_gives_up_harms_neither_the_refresh_nor_who_waits_beside_it() {
    explore(|| {
        let (source, clock) = (Source::new(false), start());
        let refresher = cold(&source, &clock);
        let gives_up = {
            let refresher = refresher.clone();
            thread::spawn(move || {
                let mut call = Box::pin(refresher.credentials());
                let _ = call.as_mut().poll(&mut std::task::Context::from_waker(std::task::Waker::noop()));
            })
        };
        assert!(block_on(refresher.credentials()).is_ok());
        gives_up.join().unwrap();
        assert_eq!(source.asked(), 1);
    });
}

#[test]
fn a_refresh_that_is_lost_is_begun_anew_by_who_waits_for_it() {
    explore(|| {
        let (source, clock) = (Source::new(false), start());
        let refresher = cold(&source, &clock);
        lose(1);
        let other = caller(&refresher);
        assert!(block_on(refresher.credentials()).is_ok() && other.join().unwrap().is_ok());
        assert_eq!(source.asked(), 1);
    });
}

#[test]
fn who_invalidates_during_a_refresh_gets_another_credential() {
    explore(|| {
        let (source, clock) = (Source::new(false), start());
        let refresher = cold(&source, &clock);
        let other = caller(&refresher);
        let refused = refresher.cached().map_or(0, |used| {
            assert!(refresher.invalidate(&used), "nobody else has");
            used.generation()
        });
        let found = block_on(refresher.credentials()).unwrap();
        assert!(found.generation() > refused);
        assert!(other.join().unwrap().is_ok());
        assert_eq!(source.asked(), if refused == 0 { 1 } else { 2 });
    });
}

#[test]
fn a_refresh_that_ends_while_it_is_given_up_is_a_result_or_an_error_for_all() {
    explore(|| {
        let (source, clock) = (Source::new(false), start());
        let refresher = cold(&source, &clock);
        let other = caller(&refresher);
        clock.advance(LIMIT * 2);
        let mine = block_on(refresher.credentials());
        let answers = [mine, other.join().unwrap()];
        assert!(answers.iter().flatten().all(|found| found.generation() > 0));
        let errors = answers.iter().filter_map(|answer| answer.as_ref().err());
        assert!(errors.into_iter().all(|error| error.code() == Some("RefreshTimedOut")), "{answers:?}");
        assert!((1..=2).contains(&source.asked()));
    });
}

#[test]
fn renewal_ends_when_the_last_handle_goes_at_any_time() {
    explore(|| {
        let (source, clock) = (Source::new(false), start());
        let refresher = cold(&source, &clock);
        refresher.keep_fresh(std::future::pending());
        drop(refresher);
        // Loom waits for all threads, and renewal is one.
    });
}
