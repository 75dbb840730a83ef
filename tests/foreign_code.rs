//! Other people's code may block its thread for as long as it likes: it holds up its own refresh, and nothing else.

use std::borrow::Cow;
use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::{self, Receiver, Sender};
use std::sync::{Arc, Mutex};
use std::task::{Context as TaskContext, Poll, Waker};
use std::time::Duration;

use alibabacloud_credentials::{
    AssumeRole, AssumeRoleProvider, BoxFuture, Chain, Clock, Context, Credentials, Error, ErrorKind, Health, HttpError,
    HttpSend, ProvideCredentials, Refresher, SendOptions, TestClock, provider_fn,
};
use bytes::Bytes;
use http::{Request, Response};

use crate::lifetimes::{HOUR, s, settle, start};
use crate::support::block_on;

/// Blocks the thread of whoever comes, until it is let go.
#[derive(Clone)]
struct Block {
    came: Sender<()>,
    gone: Arc<Mutex<Receiver<()>>>,
}

/// Lets everybody go when it is dropped.
struct LetGo {
    blocked: Receiver<()>,
    _let_go: Sender<()>,
}

fn block() -> (Block, LetGo) {
    let ((came, blocked), (let_go, gone)) = (mpsc::channel(), mpsc::channel());
    (Block { came, gone: Arc::new(Mutex::new(gone)) }, LetGo { blocked, _let_go: let_go })
}

impl Block {
    fn here(&self) {
        self.came.send(()).unwrap();
        let _ = self.gone.lock().unwrap().recv();
    }
}

fn key() -> Credentials {
    Credentials::new("an-id", "fake-secret")
}

fn instant() -> Refresher {
    Refresher::builder(provider_fn("instant", || async { Ok(key()) })).build()
}

/// Runs `caller` on a thread of its own and lets time pass until it has an answer: within `limit`.
fn within<T: Send + 'static>(
    clock: &TestClock,
    limit: Duration,
    caller: impl Future<Output = T> + Send + 'static,
) -> T {
    let (done, result) = mpsc::channel();
    let watch = clock.clone();
    std::thread::spawn(move || {
        let began = watch.now().monotonic;
        let value = block_on(caller);
        done.send((value, watch.now().monotonic - began))
    });
    loop {
        if let Ok((value, waited)) = result.try_recv() {
            assert!(waited <= limit, "waited {waited:?}");
            return value;
        }
        // In small steps, so that it has not long passed when the caller is driven again.
        if let Some(next) = clock.next_wake() {
            clock.advance(next.clamp(Duration::from_millis(1), Duration::from_millis(10)));
        }
        std::thread::yield_now();
    }
}

/// What is asked, with the context that it is asked in.
fn refresher<P: ProvideCredentials>(clock: &TestClock, provider: P) -> Refresher {
    let context = Context::builder().clock(clock.clone()).build();
    Refresher::builder(provider).context(context).refresh_timeout(s(1)).build()
}

#[test]
fn a_provider_that_blocks_holds_up_its_own_callers_until_their_limit_and_nobody_else() {
    let (block, let_go) = block();
    let clock = start();
    let blocking = refresher(
        &clock,
        provider_fn("blocking", move || {
            block.here();
            async { Ok(key()) }
        }),
    );
    let asked = blocking.clone();
    let caller = std::thread::spawn(move || block_on(async move { asked.credentials().await }));
    let_go.blocked.recv().unwrap();
    for _ in 0..10 {
        assert!(block_on(instant().credentials()).is_ok());
    }
    let other = blocking.clone();
    let error = within(&clock, s(6), async move { other.credentials().await }).unwrap_err();
    assert_eq!(
        (error.kind(), error.code(), error.provider_name()),
        (ErrorKind::TimedOut, Some("RefreshTimedOut"), Some("blocking"))
    );
    assert_eq!(caller.join().unwrap().unwrap_err().code(), Some("RefreshTimedOut"));
    assert!(matches!(blocking.health(), Health::Expired { .. }), "the failure is remembered");
    drop(let_go);
}

#[test]
fn what_a_blocked_refresh_brings_after_all_is_welcome() {
    let (block, let_go) = block();
    let clock = start();
    let blocking = refresher(
        &clock,
        provider_fn("blocking", move || {
            block.here();
            async { Ok(key()) }
        }),
    );
    let asked = blocking.clone();
    let caller = std::thread::spawn(move || block_on(async move { asked.credentials().await }));
    let_go.blocked.recv().unwrap();
    let other = blocking.clone();
    assert!(within(&clock, s(6), async move { other.credentials().await }).is_err());
    assert!(caller.join().unwrap().is_err());
    let mut told = blocking.subscribe();
    drop(let_go);
    block_on(async {
        told.wait_for(|generation| *generation > 0).await.unwrap();
    });
    assert_eq!(blocking.cached().unwrap().access_key_id(), "an-id");
    assert!(matches!(blocking.health(), Health::Fresh { .. }), "and ends the failure: {:?}", blocking.health());
}

/// Blocks the thread that sends.
struct BlockingSend(Block);

impl HttpSend for BlockingSend {
    fn send(&self, _: Request<Bytes>, _: SendOptions) -> BoxFuture<'_, Result<Response<Bytes>, HttpError>> {
        self.0.here();
        Box::pin(std::future::pending())
    }
}

#[test]
fn a_sender_that_blocks_is_the_same() {
    let (block, let_go) = block();
    let clock = start();
    let context = Context::builder().clock(clock.clone()).http(BlockingSend(block)).build();
    let role = AssumeRoleProvider::new(key(), AssumeRole::new("acs:ram::100:role/media")).context(context.clone());
    let blocking = Refresher::builder(role).context(context).build();
    let asked = blocking.clone();
    let caller = std::thread::spawn(move || block_on(async move { asked.credentials().await }));
    let_go.blocked.recv().unwrap();
    assert!(block_on(instant().credentials()).is_ok());
    let other = blocking.clone();
    let error = within(&clock, s(125), async move { other.credentials().await }).unwrap_err();
    assert_eq!(error.code(), Some("RefreshTimedOut"));
    assert!(caller.join().unwrap().is_err());
    drop(let_go);
}

/// Hangs once it has said that it was polled, and blocks the thread that drops it.
struct BlockingDrop(Block, Sender<()>);

impl Future for BlockingDrop {
    type Output = Result<Credentials, Error>;

    fn poll(self: Pin<&mut Self>, _: &mut TaskContext<'_>) -> Poll<Self::Output> {
        self.1.send(()).unwrap();
        Poll::Pending
    }
}

impl Drop for BlockingDrop {
    fn drop(&mut self) {
        self.0.here();
    }
}

#[test]
fn a_future_that_blocks_when_it_is_dropped_keeps_nobody_waiting() {
    let (block, let_go) = block();
    let clock = start();
    let (polled, is_polled) = mpsc::channel();
    let hanging = refresher(&clock, provider_fn("hanging", move || BlockingDrop(block.clone(), polled.clone())));
    let asked = hanging.clone();
    let caller = std::thread::spawn(move || block_on(async move { asked.credentials().await }));
    is_polled.recv().unwrap();
    let asked = hanging.clone();
    let error = within(&clock, s(6), async move { asked.credentials().await }).unwrap_err();
    assert_eq!(error.code(), Some("RefreshTimedOut"));
    assert!(caller.join().unwrap().is_err());
    let_go.blocked.recv().unwrap();
    assert!(block_on(instant().credentials()).is_ok());
    drop(let_go);
}

#[test]
fn a_future_that_panics_when_it_is_dropped_has_given_what_it_gave() {
    struct Panics;
    impl Drop for Panics {
        fn drop(&mut self) {
            panic!("as it was told to");
        }
    }
    impl Future for Panics {
        type Output = Result<Credentials, Error>;
        fn poll(self: Pin<&mut Self>, _: &mut TaskContext<'_>) -> Poll<Self::Output> {
            Poll::Ready(Ok(key()))
        }
    }
    let refresher = Refresher::builder(provider_fn("panics", || Panics)).build();
    let answer = block_on(refresher.credentials());
    assert!(answer.is_ok() || answer.is_err_and(|error| error.kind() == ErrorKind::Panicked));
}

#[test]
fn whoever_drops_a_refresh_halfway_hears_nothing_of_a_panic_in_its_future() {
    struct Panics;
    impl Drop for Panics {
        fn drop(&mut self) {
            panic!("as it was told to");
        }
    }
    let kept: Arc<Mutex<Vec<BoxFuture<'static, ()>>>> = Arc::default();
    let keep = Arc::clone(&kept);
    let context = Context::builder().clock(start()).spawn(move |task| keep.lock().unwrap().push(task)).build();
    let provider = provider_fn("panics", || async {
        let _panics = Panics;
        std::future::pending().await
    });
    let refresher = Refresher::builder(provider).context(context).build();
    let poll = |future: Pin<&mut dyn Future<Output = ()>>| future.poll(&mut TaskContext::from_waker(Waker::noop()));
    let mut call = Box::pin(async move { drop(refresher.credentials().await) });
    assert!(poll(call.as_mut()).is_pending());
    let mut refresh = kept.lock().unwrap().pop().unwrap();
    assert!(poll(refresh.as_mut()).is_pending());
    drop(refresh);
}

#[test]
fn a_spawner_that_blocks_or_never_runs_its_task_is_an_error_in_time() {
    let (block, let_go) = block();
    let kept: Arc<Mutex<Vec<BoxFuture<'static, ()>>>> = Arc::default();
    let keep = Arc::clone(&kept);
    for spawn in [
        Box::new(move |task| keep.lock().unwrap().push(task)) as Box<dyn Fn(BoxFuture<'static, ()>) + Send + Sync>,
        Box::new(move |task| {
            block.here();
            drop(task);
        }),
    ] {
        let clock = start();
        let context = Context::builder().clock(clock.clone()).spawn(spawn).build();
        let provider = provider_fn("source", || async { Ok(key()) });
        let refresher = Refresher::builder(provider).context(context).refresh_timeout(s(1)).build();
        let asked = refresher.clone();
        let error = within(&clock, s(6), async move { asked.credentials().await }).unwrap_err();
        assert_eq!(error.code(), Some("RefreshTimedOut"));
    }
    assert!(block_on(instant().credentials()).is_ok());
    drop(let_go);
}

/// A place where refreshes run until it is told to hold them: then it drops them, late.
#[derive(Clone)]
struct DropsLate {
    clock: TestClock,
    holds: Arc<AtomicBool>,
    held: Arc<Mutex<Vec<BoxFuture<'static, ()>>>>,
}

impl DropsLate {
    fn new(clock: &TestClock) -> Self {
        Self { clock: clock.clone(), holds: Arc::default(), held: Arc::default() }
    }

    fn refresher(&self, provider: impl ProvideCredentials) -> Refresher {
        let this = self.clone();
        let spawn = move |task| match this.holds.load(Ordering::SeqCst) {
            true => this.held.lock().unwrap().push(task),
            false => drop(tokio::spawn(task)),
        };
        let context = Context::builder().clock(self.clock.clone()).spawn(spawn).build();
        Refresher::builder(provider).context(context).refresh_timeout(s(10)).build()
    }

    /// Runs `caller` for at most 15 s, while refreshes are dropped 10.5 s after they began.
    async fn answer(
        &self,
        caller: impl Future<Output = Result<Credentials, Error>> + Send + 'static,
    ) -> Result<Credentials, Error> {
        self.holds.store(true, Ordering::SeqCst);
        let caller = tokio::spawn(caller);
        let mut dropped = 0;
        for tenth in 1..=150 {
            settle().await;
            if caller.is_finished() {
                assert_eq!(dropped, 1, "the second one was under way");
                return caller.await.unwrap();
            }
            self.clock.advance(Duration::from_millis(100));
            if tenth % 105 == 0 {
                dropped += self.held.lock().unwrap().drain(..).count();
            }
        }
        panic!("still waiting after 15 s");
    }
}

#[tokio::test]
async fn a_spawner_that_drops_one_refresh_after_another_late_keeps_no_caller_beyond_its_limit() {
    let clock = start();
    let place = DropsLate::new(&clock);
    let refresher = place.refresher(provider_fn("source", || async { Ok(key()) }));
    let error = place.answer(async move { refresher.credentials().await }).await.unwrap_err();
    assert_eq!((error.code(), error.provider_name()), (Some("RefreshTimedOut"), None), "nobody was asked for a name");
}

#[tokio::test]
async fn after_such_a_wait_a_caller_has_what_there_is_if_it_lasts_as_long_as_was_wanted() {
    // A session of an hour with 2,600 s left, and whether a server refused it.
    for (wanted, is_refused) in [(3000, false), (1000, true)] {
        let clock = start();
        let place = DropsLate::new(&clock);
        let ends = clock.now().system_time() + HOUR;
        let refresher = place.refresher(provider_fn("source", move || async move { Ok(key().with_expiration(ends)) }));
        let first = refresher.credentials().await.unwrap();
        clock.advance(s(1000));
        assert!(!is_refused || refresher.invalidate(&first));
        let asked = refresher.clone();
        let answer = place.answer(async move { asked.credentials_valid_for(s(wanted)).await }).await;
        match is_refused {
            false => assert_eq!(answer.unwrap_err().kind(), ErrorKind::TooShort),
            true => assert_eq!(answer.unwrap().generation(), first.generation()),
        }
        // When it is over, the error names the source, whose name is known by now. No refresh may be dropped a fourth time in a row.
        place.held.lock().unwrap().clear();
        clock.advance(HOUR);
        let error = place.answer(async move { refresher.credentials().await }).await.unwrap_err();
        assert_eq!((error.code(), error.provider_name()), (Some("RefreshDropped"), Some("source")));
    }
}

#[tokio::test]
async fn renewal_over_a_spawner_that_drops_refreshes_stays_calm() {
    let clock = start();
    let spawned = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&spawned);
    // The first task is the renewal itself.
    let spawn =
        move |task| if count.fetch_add(1, Ordering::SeqCst) == 0 { drop(tokio::spawn(task)) } else { drop(task) };
    let context = Context::builder().clock(clock.clone()).spawn(spawn).build();
    let refresher = Refresher::builder(provider_fn("source", || async { Ok(key()) })).context(context).build();
    refresher.keep_fresh(std::future::pending());
    settle().await;
    for _ in 0..2000 {
        clock.advance(Duration::from_millis(10));
        settle().await;
    }
    let refreshes = spawned.load(Ordering::SeqCst) - 1;
    assert!((2..=24).contains(&refreshes), "{refreshes} refreshes in 20 s");
}

#[test]
fn a_look_at_a_credential_that_blocks_holds_up_nobody() {
    struct Looks(Block);
    impl ProvideCredentials for Looks {
        fn provider_name(&self) -> Cow<'_, str> {
            "looks".into()
        }
        fn provide_credentials(&self) -> BoxFuture<'_, Result<Credentials, Error>> {
            Box::pin(std::future::ready(Ok(key())))
        }
        fn is_current(&self, _: &Credentials) -> bool {
            self.0.here();
            true
        }
    }
    let in_a_chain = |clock: &TestClock, looks| refresher(clock, Chain::new("mine").then(looks));
    for make in [refresher::<Looks>, in_a_chain] {
        let (block, let_go) = block();
        let clock = start();
        let looks = make(&clock, Looks(block));
        for _ in 0..5 {
            assert!(block_on(looks.credentials()).is_ok());
            clock.advance(s(2));
        }
        let_go.blocked.recv().unwrap();
        assert!(let_go.blocked.try_recv().is_err(), "one look at a time");
        assert!(block_on(instant().credentials()).is_ok());
        drop(let_go);
    }
}

#[test]
fn what_a_subscriber_holds_on_to_stops_no_renewal() {
    let clock = start();
    let (now, asked) = (clock.clone(), Arc::new(AtomicUsize::new(0)));
    let count = Arc::clone(&asked);
    let refresher = refresher(
        &clock,
        provider_fn("hourly", move || {
            let number = count.fetch_add(1, Ordering::SeqCst);
            let ends = now.now().system_time() + HOUR;
            async move { Ok(Credentials::new(format!("STS.{number}"), "fake-secret").with_expiration(ends)) }
        }),
    );
    let (held, mut other) = (refresher.subscribe(), refresher.subscribe());
    let seen = held.borrow();
    refresher.keep_fresh(std::future::pending());
    for renewed in 1..4 {
        // Another subscriber hears of each.
        let known = *other.borrow_and_update();
        let generation = within(&clock, 2 * HOUR, {
            let mut other = other.clone();
            async move { *other.wait_for(|generation| *generation > known).await.unwrap() }
        });
        assert!(generation > known && asked.load(Ordering::SeqCst) >= renewed);
    }
    drop(seen);
}
