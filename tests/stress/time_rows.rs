//! The rows on what remains of a session whatever the clocks do, and on sources that block or get lost.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, mpsc};
use std::task::{Context as TaskContext, Poll, Wake, Waker};
use std::thread::Thread;
use std::time::{Duration, UNIX_EPOCH};

use alibabacloud_credentials::{
    AssumeRole, AssumeRoleProvider, BoxFuture, Clock, Context, Credentials, Error, HttpError, HttpErrorKind, HttpSend,
    Refresher, SendOptions, TestClock, provider_fn,
};
use bytes::Bytes;
use http::{Request, Response};

use super::rows::{HERD, Verdict};
use super::world::{Cache, Does, GRANT, Gate, Kind, World, context, ms, s, settle};
use crate::support::dated::granted;

/// An outer cache over an inner refresher, whose session is 2,000 s old.
pub(crate) async fn a_refresher_over_a_refresher(kind: Kind) -> Verdict {
    let inner = World::with_session(Kind::Refresher, s(3600), s(1600)).await;
    let under = inner.refresher();
    let provider = provider_fn("inner", move || {
        let under = under.clone();
        async move { under.credentials().await }
    });
    let cache = Cache::over(kind, provider, &inner.clock, |outer| outer.context(context(&inner.clock, 8)));
    let outer = World { cache, ..inner };
    for _ in 0..400 {
        let found = outer.ask_within(s(3)).await.and_then(Result::ok).ok_or("not served")?;
        ensure!(!outer.is_expired(&found), "an expired credential");
        outer.advance(s(10)).await;
    }
    Ok(())
}

pub(crate) async fn a_literal_that_has_expired(kind: Kind) -> Verdict {
    let world = World::new(kind, GRANT);
    let over = Credentials::new("STS.1", "fake-secret").with_security_token("fake").with_expiration(UNIX_EPOCH);
    let cache = Cache::over(kind, over, &world.clock, |cache| cache.context(context(&world.clock, 7)));
    let answer = World { cache, ..world }.ask_within(s(3)).await.ok_or("no answer")?;
    ensure!(answer.is_err_and(|error| error.code() == Some("ExpiredCredential")), "an expired credential");
    Ok(())
}

/// Its answer takes longer than it lasts.
pub(crate) async fn a_session_that_is_over_on_arrival(kind: Kind) -> Verdict {
    let world = World::new(kind, Does::Late { lifetime: s(90), transit: s(100) });
    let answer = world.ask_within(s(101)).await.ok_or("no answer")?;
    ensure!(answer.is_err(), "an expired credential");
    Ok(())
}

pub(crate) async fn a_session_that_took_a_hundred_seconds(kind: Kind) -> Verdict {
    for lifetime in [160, 900] {
        let world = World::new(kind, Does::Late { lifetime: s(lifetime), transit: s(100) });
        for second in 0..lifetime {
            let found = world.ask_within(s(101)).await.and_then(Result::ok).ok_or("not served")?;
            ensure!(!world.is_expired(&found), "a session of {lifetime} s, expired after {second} s");
            world.advance(s(1)).await;
        }
    }
    Ok(())
}

/// The local clock is right, and the server's is not.
pub(crate) async fn a_date_that_is_wrong_or_absent(kind: Kind) -> Verdict {
    for ahead in [None, Some(-1_800_000_000), Some(-7200), Some(7200)] {
        let world = World::new(kind, Does::Misdated { ahead });
        for _ in 0..500 {
            let found = world.ask_within(s(3)).await.and_then(Result::ok).ok_or("a good session is not served")?;
            ensure!(!world.is_expired(&found), "{ahead:?}: an expired credential");
            world.advance(s(20)).await;
        }
        ensure!(world.source.contacts() <= 4, "{ahead:?}: {} contacts", world.source.contacts());
    }
    Ok(())
}

pub(crate) async fn the_wall_clock_is_slow_and_the_date_is_right(kind: Kind) -> Verdict {
    let world = World::new(kind, GRANT);
    world.clock.step(-7200);
    for _ in 0..500 {
        let found = world.ask_within(s(3)).await.and_then(Result::ok).ok_or("a good session is not served")?;
        ensure!(!world.is_expired(&found), "an expired credential");
        world.advance(s(20)).await;
    }
    Ok(())
}

/// Though the machine was never off: somebody sets its clock wrong.
pub(crate) async fn the_wall_clock_is_set_past_expiration(kind: Kind) -> Verdict {
    let world = World::with_session(kind, s(3600), s(3000)).await;
    world.clock.step(5 * 3600);
    all_have_the_second_session(&world).await
}

/// A virtual machine, from a snapshot.
pub(crate) async fn resumed_five_hours_later(kind: Kind) -> Verdict {
    let world = World::with_session(kind, s(3600), s(3000)).await;
    world.resume_after(s(5 * 3600));
    all_have_the_second_session(&world).await
}

async fn all_have_the_second_session(world: &World) -> Verdict {
    let herd = world.herd(HERD);
    settle().await;
    let answers = herd.answers().await;
    let is_new = |answer: &Result<Credentials, Error>| {
        answer.as_ref().is_ok_and(|found| found.access_key_id() == "STS.session-2")
    };
    ensure!(answers.len() == HERD && answers.iter().all(is_new), "not all had the new session");
    ensure!(world.source.contacts() == 2, "{} contacts", world.source.contacts());
    Ok(())
}

pub(crate) async fn a_source_that_blocks_its_thread(kind: Kind) -> Verdict {
    for spin in [false, true] {
        let world = World::on_threads(kind, Does::Block { spin });
        let _open = Opens(world.source.gate());
        for _ in 0..2 {
            let error = on_a_thread(&world, s(6))?.err().ok_or("served by whom?")?;
            ensure!(error.code() == Some("RefreshTimedOut"), "{error}");
        }
    }
    Ok(())
}

pub(crate) async fn a_source_that_blocks_its_thread_and_a_valid_credential(kind: Kind) -> Verdict {
    let world = World::on_threads(kind, GRANT);
    world.cache.get().await.map_err(|error| error.to_string())?;
    world.clock.advance(s(3570));
    world.source.now(Does::Block { spin: false });
    let _open = Opens(world.source.gate());
    let answer = on_a_thread(&world, s(2))?;
    ensure!(answer.is_ok_and(|found| found.access_key_id() == "STS.session-1"), "not served while valid");
    Ok(())
}

/// Lets everybody go when the row ends.
struct Opens<'a>(&'a Gate);

impl Drop for Opens<'_> {
    fn drop(&mut self) {
        self.0.open();
    }
}

/// A caller on a thread of its own, and whether it waits.
struct Caller {
    thread: Thread,
    is_polled: AtomicBool,
    is_woken: AtomicBool,
}

impl Wake for Caller {
    fn wake(self: Arc<Self>) {
        self.is_woken.store(true, Ordering::SeqCst);
        self.thread.unpark();
    }
}

impl Caller {
    fn waits(&self) -> bool {
        self.is_polled.load(Ordering::SeqCst) && !self.is_woken.load(Ordering::SeqCst)
    }
}

/// Asks on a thread of its own, and lets time pass while that waits, until it has an answer: within `limit`.
fn on_a_thread(world: &World, limit: Duration) -> Result<Result<Credentials, Error>, String> {
    let (mut call, (send, caller), (done, ended)) = (world.cache.get(), mpsc::channel(), mpsc::channel());
    let thread = std::thread::spawn(move || {
        let (thread, is_polled, is_woken) = (std::thread::current(), AtomicBool::new(false), AtomicBool::new(true));
        let caller = Arc::new(Caller { thread, is_polled, is_woken });
        let _ = send.send(Arc::clone(&caller));
        let waker = Waker::from(Arc::clone(&caller));
        loop {
            while !caller.is_woken.swap(false, Ordering::SeqCst) {
                std::thread::park();
            }
            caller.is_polled.store(false, Ordering::SeqCst);
            if let Poll::Ready(answer) = call.as_mut().poll(&mut TaskContext::from_waker(&waker)) {
                let _ = done.send(());
                return answer;
            }
            caller.is_polled.store(true, Ordering::SeqCst);
        }
    });
    let caller = caller.recv().map_err(|_| "the caller panicked")?;
    let mut waited = Duration::ZERO;
    while !thread.is_finished() {
        ensure!(!world.source.gate().keeps(&caller.thread), "the caller's own thread is blocked");
        if waited == limit {
            // Whatever wakes it may need a moment of real time.
            ended.recv_timeout(s(30)).map_err(|_| format!("waits for more than {limit:?}"))?;
        } else if caller.waits() {
            world.clock.advance(ms(10));
            waited += ms(10);
        }
        std::thread::yield_now();
    }
    thread.join().map_err(|_| "the caller panicked".to_owned())
}

/// Expirations at the ends of what can be said, sessions of nothing and of 10,000 years, and a wall clock that is set as far.
pub(crate) async fn ends_of_time(kind: Kind) -> Verdict {
    let start = UNIX_EPOCH + s(1_800_000_000);
    let ends = [
        UNIX_EPOCH.checked_add(s(i64::MAX as u64)).unwrap_or(UNIX_EPOCH + s(1 << 40)),
        UNIX_EPOCH.checked_sub(s(i64::MAX as u64)).unwrap_or(UNIX_EPOCH),
        UNIX_EPOCH,
        start,
        start + s(1),
        start + s(10_000 * 365 * 86_400),
    ];
    for end in ends {
        for step in [0, i64::MAX, i64::MIN + 1, 3600] {
            let key = Credentials::new("id", "fake-secret").with_security_token("fake").with_expiration(end);
            let clock = TestClock::new(start);
            let cache = Cache::over(kind, key.clone(), &clock, |cache| cache.context(context(&clock, 7)));
            let answer = cache.get().await;
            ensure!(answer.is_ok() == (end > start), "{end:?}: {answer:?}");
            if let Cache::Refresher(refresher) = cache {
                let literal = Refresher::from(key);
                look(&literal).await;
                look(&refresher).await;
                clock.step(step);
                look(&refresher).await;
                clock.suspend(s(1 << 33));
                look(&refresher).await;
            }
        }
    }
    Ok(())
}

/// Whatever it says, it does not panic.
async fn look(refresher: &Refresher) {
    let _ = refresher.credentials().await;
    let _ = refresher.credentials_valid_for(Duration::MAX).await;
    let _ = (refresher.cached(), refresher.health(), refresher.generation());
}

/// STS whose first answer is lost in one of the ways that answers are lost.
struct Lossy {
    clock: TestClock,
    how: &'static str,
    asked: Arc<AtomicUsize>,
}

impl HttpSend for Lossy {
    fn send(&self, _: Request<Bytes>, _: SendOptions) -> BoxFuture<'_, Result<Response<Bytes>, HttpError>> {
        let refusal = |status, code: &str| {
            let body = format!(r#"{{"Code":"{code}","Message":"later","RequestId":"R"}}"#);
            Ok(Response::builder().status(status).body(body.into()).unwrap())
        };
        let answer = match (self.asked.fetch_add(1, Ordering::SeqCst), self.how) {
            (0, "connect") => Err(HttpError::new(HttpErrorKind::Connect, "refused")),
            (0, "reset") => Err(HttpError::new(HttpErrorKind::Other, "reset")),
            (0, "503") => refusal(503, "ServiceUnavailable"),
            (0, "429") => refusal(429, "Throttling.User"),
            (0, "400") => refusal(400, "Throttling"),
            _ => {
                let now = self.clock.now().system_time();
                let session = Credentials::new("STS.1", "fake-secret").with_security_token("fake");
                Ok(granted(&session.with_expiration(now + s(3600)), Some(now)))
            }
        };
        Box::pin(std::future::ready(answer))
    }
}

pub(crate) async fn one_lost_answer_of_sts(kind: Kind) -> Verdict {
    for how in ["connect", "reset", "503", "429", "400"] {
        let world = World::new(kind, GRANT);
        let (clock, asked) = (world.clock.clone(), Arc::new(AtomicUsize::new(0)));
        let lossy = Lossy { clock: clock.clone(), how, asked: Arc::clone(&asked) };
        let outside = Context::builder().env([("HOME", "/nowhere")]).clock(clock.clone()).http(lossy);
        let outside = outside.spawn(|task| drop(tokio::spawn(task))).build();
        let role = AssumeRole::new("acs:ram::100:role/media");
        let provider = AssumeRoleProvider::new(Credentials::new("id", "fake-secret"), role).context(outside.clone());
        let cache = Cache::over(kind, provider, &clock, |cache| cache.context(outside));
        let world = World { cache, ..world };
        let herd = world.herd(HERD);
        settle().await;
        world.advance(s(1)).await;
        let answers = herd.answers().await;
        ensure!(answers.len() == HERD && answers.iter().all(Result::is_ok), "{how}: not all were served");
        let asked = asked.load(Ordering::SeqCst);
        ensure!(asked == 2, "{how}: {asked} calls");
    }
    Ok(())
}
