//! What comes late: an answer that lay there while the machine slept, a caller that nobody drove, a subscriber that holds
//! on to what it saw.

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context as TaskContext, Poll, Waker};
use std::time::{Duration, UNIX_EPOCH};

use alibabacloud_credentials::{
    AssumeRole, AssumeRoleProvider, BoxFuture, Clock, Context, Credentials, Error, ErrorKind, HttpError, HttpSend,
    ProvideCredentials, Refresher, SendOptions, TestClock, provider_fn,
};
use bytes::Bytes;
use chrono::{DateTime, Utc};
use http::{Request, Response};
use tokio::sync::Semaphore;

const HOUR: Duration = Duration::from_secs(3600);

/// STS: sessions of an hour, dated when they are asked for, whose answers arrive when they are let through.
#[derive(Clone)]
struct Sts {
    clock: TestClock,
    asked: Arc<AtomicUsize>,
    gates: [Arc<Semaphore>; 5],
}

impl Sts {
    fn let_through(&self, numbers: &[usize]) {
        numbers.iter().for_each(|number| self.gates[*number].add_permits(1));
    }
}

impl HttpSend for Sts {
    fn send(&self, _: Request<Bytes>, _: SendOptions) -> BoxFuture<'_, Result<Response<Bytes>, HttpError>> {
        let number = self.asked.fetch_add(1, Ordering::SeqCst) + 1;
        let issued = DateTime::<Utc>::from(self.clock.now().system_time());
        let ends = (issued + HOUR).format("%Y-%m-%dT%H:%M:%SZ");
        let session = format!(
            r#"{{"RequestId":"R","AssumedRoleUser":{{"Arn":"acs:ram::100:role/media/s"}},"Credentials":{{"AccessKeyId":
            "STS.{number}","AccessKeySecret":"fake-secret","SecurityToken":"fake-token","Expiration":"{ends}"}}}}"#
        );
        let date = issued.format("%a, %d %b %Y %H:%M:%S GMT").to_string();
        Box::pin(async move {
            self.gates[number].acquire().await.unwrap().forget();
            Ok(Response::builder().header("date", date).body(session.into()).unwrap())
        })
    }
}

struct World {
    clock: TestClock,
    sts: Sts,
    refresher: Refresher,
}

/// A world in which one session has come and gone, so that the servers' clock is known.
async fn world() -> World {
    let clock = TestClock::new(UNIX_EPOCH + Duration::from_secs(1_800_000_000));
    let sts = Sts {
        clock: clock.clone(),
        asked: Arc::default(),
        gates: std::array::from_fn(|_| Arc::new(Semaphore::new(0))),
    };
    let context = Context::builder().clock(clock.clone()).http(sts.clone()).spawn(|task| drop(tokio::spawn(task)));
    let context = context.build();
    let source = Credentials::new("an-id", "fake-secret");
    let role = AssumeRoleProvider::new(source, AssumeRole::new("acs:ram::100:role/media")).context(context.clone());
    let refresher = Refresher::builder(role).context(context).build();
    sts.let_through(&[1]);
    assert_eq!(refresher.credentials().await.unwrap().access_key_id(), "STS.1");
    clock.advance(HOUR);
    World { clock, sts, refresher }
}

/// Runs every task that can run.
async fn settle() {
    for _ in 0..20 {
        tokio::task::yield_now().await;
    }
}

fn poll<F: Future + Unpin>(future: &mut F) -> Poll<F::Output> {
    std::pin::Pin::new(future).poll(&mut TaskContext::from_waker(Waker::noop()))
}

#[tokio::test]
async fn a_session_that_arrives_after_the_machine_slept_through_it_is_asked_for_anew() {
    let World { clock, sts, refresher } = world().await;
    let mut call = pin!(refresher.credentials());
    assert!(poll(&mut call).is_pending());
    settle().await;
    clock.suspend(5 * HOUR);
    sts.let_through(&[2, 3]);
    assert_eq!(call.await.unwrap().access_key_id(), "STS.3");
}

#[tokio::test]
async fn what_such_a_session_has_left_counts_from_its_date() {
    let World { clock, sts, refresher } = world().await;
    let mut call = pin!(refresher.credentials());
    assert!(poll(&mut call).is_pending());
    settle().await;
    clock.suspend(HOUR / 2);
    sts.let_through(&[2]);
    assert_eq!(call.await.unwrap().access_key_id(), "STS.2");
    clock.suspend(HOUR / 2);
    assert!(refresher.cached().is_none(), "an hour after its date");
}

#[tokio::test]
async fn a_caller_that_nobody_drove_until_the_session_was_over_gets_another_one() {
    let World { clock, sts, refresher } = world().await;
    let mut call = pin!(refresher.credentials());
    assert!(poll(&mut call).is_pending());
    sts.let_through(&[2, 3]);
    settle().await;
    assert_eq!(refresher.cached().unwrap().access_key_id(), "STS.2", "it landed");
    clock.advance(2 * HOUR);
    assert_eq!(call.await.unwrap().access_key_id(), "STS.3");
}

#[tokio::test]
async fn a_caller_that_is_always_driven_too_late_has_an_error_after_three_sessions() {
    let World { clock, sts, refresher } = world().await;
    let mut call = pin!(refresher.credentials());
    for number in 2..=4 {
        assert!(poll(&mut call).is_pending());
        sts.let_through(&[number]);
        settle().await;
        assert_eq!(refresher.cached().unwrap().access_key_id(), format!("STS.{number}"));
        clock.advance(2 * HOUR);
    }
    let Poll::Ready(answer) = poll(&mut call) else { panic!("a fourth one is asked for") };
    assert_eq!(answer.unwrap_err().code(), Some("ExpiredCredential"));
}

#[tokio::test]
async fn a_subscriber_that_holds_on_to_what_it_saw_stops_nobody() {
    let World { clock, sts, refresher } = world().await;
    sts.let_through(&[2]);
    let first = refresher.generation();
    let mut told = refresher.subscribe();
    refresher.credentials().await.unwrap();
    assert_eq!(*told.wait_for(|told| *told > first).await.unwrap(), refresher.generation());
    let seen = told.borrow();
    // Past the second after which a reader takes the slow path.
    clock.advance(Duration::from_secs(2));
    assert!(refresher.cached().is_some());
    assert!(refresher.credentials().await.is_ok());
    drop(seen);
}

#[tokio::test]
async fn not_even_where_a_new_generation_waits_to_be_told_to_him() {
    let source = || provider_fn("source", || async { Ok(Credentials::new("an-id", "fake-secret")) });
    let [watched, other] = [source(), source()].map(|source| Refresher::builder(source).build());
    let told = watched.subscribe();
    let seen = told.borrow();
    // On the Executor thread, which both share.
    assert!(watched.credentials().await.is_ok());
    assert!(other.credentials().await.is_ok());
    drop(seen);
    let mut told = told;
    assert_eq!(*told.wait_for(|generation| *generation > 0).await.unwrap(), watched.generation());
}

#[tokio::test]
async fn no_limit_of_a_refresh_is_too_long() {
    let clock = TestClock::new(UNIX_EPOCH + Duration::from_secs(1_800_000_000));
    let context = Context::builder().clock(clock).spawn(|task| drop(tokio::spawn(task))).build();
    let source = provider_fn("source", || async { Ok(Credentials::new("an-id", "fake-secret")) });
    let refresher = Refresher::builder(source).context(context).refresh_timeout(Duration::MAX).build();
    assert_eq!(refresher.credentials().await.unwrap().access_key_id(), "an-id");
}

#[tokio::test]
async fn a_provider_whose_name_panics_is_a_typed_error_and_asked_once() {
    struct Nameless(AtomicUsize);
    impl ProvideCredentials for Nameless {
        fn provider_name(&self) -> std::borrow::Cow<'_, str> {
            panic!("no name, as it was told to")
        }
        fn provide_credentials(&self) -> BoxFuture<'_, Result<Credentials, Error>> {
            self.0.fetch_add(1, Ordering::SeqCst);
            Box::pin(std::future::ready(Ok(Credentials::new("an-id", "fake-secret"))))
        }
    }
    let source = Arc::new(Nameless(AtomicUsize::new(0)));
    let context = Context::builder().spawn(|task| drop(tokio::spawn(task))).build();
    let refresher = Refresher::builder(Arc::clone(&source)).context(context).build();
    let error = refresher.credentials().await.unwrap_err();
    assert_eq!((error.kind(), source.0.load(Ordering::SeqCst)), (ErrorKind::Panicked, 1));
}
