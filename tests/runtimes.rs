//! Credentials on any executor or none: refreshes have a home of their own.

use std::future::Future;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::task::{Context as TaskContext, Poll, Waker};
use std::time::{Duration, UNIX_EPOCH};

use alibabacloud_credentials::{
    AssumeRole, AssumeRoleProvider, BoxFuture, Context, Credentials, DefaultCredentialChain, Error, HttpError,
    HttpSend, ProvideCredentials, Refresher, SendOptions, TestClock, provider_fn,
};
use alibabacloud_emulator::{Emulator, account};
use bytes::Bytes;
use tokio::runtime::{Builder, Runtime};
use tokio::sync::Semaphore;

use crate::support::block_on;

/// A source that answers when it is released, and counts.
struct Gate {
    open: Arc<Semaphore>,
    contacts: Arc<AtomicUsize>,
    refresher: Refresher,
}

fn gate() -> Gate {
    let (open, contacts) = (Arc::new(Semaphore::new(0)), Arc::new(AtomicUsize::new(0)));
    let (gate, counter) = (Arc::clone(&open), Arc::clone(&contacts));
    let refresher = Refresher::new(provider_fn("gate", move || {
        counter.fetch_add(1, Ordering::SeqCst);
        let gate = Arc::clone(&gate);
        async move {
            gate.acquire().await.unwrap().forget();
            Ok(Credentials::new("the-id", "fake-secret"))
        }
    }));
    Gate { open, contacts, refresher }
}

fn current_thread() -> Runtime {
    Builder::new_current_thread().build().unwrap()
}

fn poll_once<F: Future + Unpin>(future: &mut F) -> Poll<F::Output> {
    std::pin::Pin::new(future).poll(&mut TaskContext::from_waker(Waker::noop()))
}

#[test]
fn cold_and_warm_reads_work_outside_any_runtime() {
    let Gate { open, refresher, .. } = gate();
    open.add_permits(1);
    assert_eq!(block_on(refresher.credentials()).unwrap().access_key_id(), "the-id");
    assert_eq!(block_on(refresher.credentials()).unwrap().access_key_id(), "the-id");
    assert_eq!(refresher.with(|found| found.access_key_id().len()), Some(6));
}

#[test]
fn the_next_caller_is_served_when_the_first_ones_runtime_is_gone() {
    let Gate { open, contacts, refresher } = gate();
    let runtime = current_thread();
    let first = refresher.clone();
    let task = runtime.spawn(async move { first.credentials().await });
    runtime.block_on(tokio::task::yield_now());
    drop(runtime);
    assert!(block_on(task).unwrap_err().is_cancelled());
    open.add_permits(1);
    assert!(block_on(refresher.credentials()).is_ok());
    assert_eq!(contacts.load(Ordering::SeqCst), 1, "the first caller's refresh went on without him");
}

#[test]
fn the_next_caller_is_served_when_the_first_ones_runtime_is_alive_and_not_driven() {
    let Gate { open, contacts, refresher } = gate();
    let runtime = current_thread();
    let first = refresher.clone();
    let task = runtime.spawn(async move { first.credentials().await });
    runtime.block_on(tokio::task::yield_now());
    open.add_permits(1);
    let elsewhere = current_thread();
    assert!(elsewhere.block_on(refresher.credentials()).is_ok());
    assert_eq!(contacts.load(Ordering::SeqCst), 1);
    assert!(runtime.block_on(task).unwrap().is_ok(), "and so is the first one when he is driven again");
}

/// The same with a lock around the fetch: the lock's holder is not driven, so nobody is ever served.
#[test]
fn a_lock_around_a_fetch_hangs_when_its_holder_is_not_driven() {
    let open = Arc::new(Semaphore::new(0));
    let naive = Arc::new(tokio::sync::Mutex::new(None::<Credentials>));
    let get = || {
        let (naive, open) = (Arc::clone(&naive), Arc::clone(&open));
        Box::pin(async move {
            let mut held = naive.lock().await;
            if held.is_none() {
                open.acquire().await.unwrap().forget();
                *held = Some(Credentials::new("the-id", "fake-secret"));
            }
            held.clone()
        })
    };
    let mut first = get();
    assert!(poll_once(&mut first).is_pending());
    open.add_permits(1);
    let mut second = get();
    for _ in 0..1000 {
        assert!(poll_once(&mut second).is_pending());
    }
}

/// A source whose files are on a file system that hangs: it says when it looks, and goes on when it is let go.
struct Hanging {
    looking: mpsc::Sender<()>,
    go_on: Mutex<mpsc::Receiver<()>>,
    looks: AtomicUsize,
}

impl ProvideCredentials for Hanging {
    fn provider_name(&self) -> std::borrow::Cow<'_, str> {
        "hanging".into()
    }

    fn provide_credentials(&self) -> BoxFuture<'_, Result<Credentials, Error>> {
        Box::pin(async { Ok(Credentials::new("held", "fake-secret")) })
    }

    fn is_current(&self, _: &Credentials) -> bool {
        self.looks.fetch_add(1, Ordering::SeqCst);
        // The test that it belongs to may have ended.
        let _ = self.looking.send(());
        let _ = self.go_on.lock().unwrap().recv();
        true
    }
}

/// The source, a sign that it looks, and the leave to go on.
fn hanging() -> (Arc<Hanging>, mpsc::Receiver<()>, mpsc::Sender<()>) {
    let ((looking, looks_now), (let_go, go_on)) = (mpsc::channel(), mpsc::channel());
    (Arc::new(Hanging { looking, go_on: Mutex::new(go_on), looks: AtomicUsize::new(0) }), looks_now, let_go)
}

#[test]
fn a_look_at_a_file_system_that_hangs_stops_nobody_elses_refresh_and_is_the_only_one() {
    let (source, looks_now, let_go) = hanging();
    let clock = TestClock::new(UNIX_EPOCH + Duration::from_secs(1_800_000_000));
    let context = Context::builder().clock(clock.clone()).build();
    let refresher = Refresher::builder(Arc::clone(&source)).context(context).build();
    let use_it = || {
        clock.advance(Duration::from_secs(2));
        assert_eq!(block_on(refresher.credentials()).unwrap().access_key_id(), "held");
    };
    use_it();
    use_it();
    looks_now.recv().unwrap();
    for _ in 0..10 {
        use_it();
        // On the same Executor thread, behind what the use has set off there.
        let Gate { open, refresher: other, .. } = gate();
        open.add_permits(1);
        assert!(block_on(other.credentials()).is_ok());
    }
    assert_eq!(source.looks.load(Ordering::SeqCst), 1);
    // Once it goes on, looks are had again: each needs its own leave.
    let_go.send(()).unwrap();
    let mut again = looks_now.try_recv();
    while again.is_err() {
        use_it();
        std::thread::yield_now();
        again = looks_now.try_recv();
    }
    let_go.send(()).unwrap();
}

/// Grants a new session every time.
struct Sts(AtomicUsize);

impl HttpSend for Sts {
    fn send(&self, _: http::Request<Bytes>, _: SendOptions) -> BoxFuture<'_, Result<http::Response<Bytes>, HttpError>> {
        let id = format!("STS.{}", self.0.fetch_add(1, Ordering::SeqCst));
        let session = serde_json::json!({"RequestId": "R", "Credentials": {"AccessKeyId": id,
            "AccessKeySecret": "fake-secret", "SecurityToken": "fake-token", "Expiration": "2099-01-01T00:00:00Z"}});
        Box::pin(std::future::ready(Ok(http::Response::new(session.to_string().into()))))
    }
}

#[test]
fn a_session_is_renewed_with_the_key_in_hand_when_nobody_can_say_whether_it_is_current() {
    let (source, looks_now, let_go) = hanging();
    let clock = TestClock::new(UNIX_EPOCH + Duration::from_secs(1_800_000_000));
    let context = Context::builder().clock(clock.clone()).http(Sts(AtomicUsize::new(0))).build();
    let role = AssumeRole::new("acs:ram::1234567890123456:role/imm-role");
    let provider = AssumeRoleProvider::new(source, role).context(context.clone());
    let refresher = Refresher::builder(provider).context(context).build();
    let session = block_on(refresher.credentials()).unwrap();
    assert_eq!(session.access_key_id(), "STS.0");
    refresher.invalidate(&session);
    let waiting = refresher.clone();
    let next = std::thread::spawn(move || block_on(waiting.credentials()));
    looks_now.recv().unwrap();
    // The look's limit is a second ahead, the refresh's own two minutes.
    while clock.next_wake().is_none_or(|wait| wait > Duration::from_secs(1)) {
        std::thread::yield_now();
    }
    clock.advance(Duration::from_secs(1));
    assert_eq!(next.join().unwrap().unwrap().access_key_id(), "STS.1");
    drop(let_go);
}

#[test]
fn sts_is_reached_from_a_thread_with_no_runtime() {
    let server = Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let emulator = server.block_on(Emulator::builder().start()).unwrap();
    let context = Context::builder()
        .env([
            ("ALIBABA_CLOUD_ACCESS_KEY_ID", account::RAM_USER.id.to_owned()),
            ("ALIBABA_CLOUD_ACCESS_KEY_SECRET", account::RAM_USER.secret.to_owned()),
            ("ALIBABA_CLOUD_STS_ENDPOINT", emulator.endpoint()),
        ])
        .build();
    let role = AssumeRole::new("acs:ram::1234567890123456:role/imm-role");
    let chain = DefaultCredentialChain::builder().context(context).assume_role(role).build();
    let session = block_on(chain.credentials()).unwrap();
    assert!(session.access_key_id().starts_with("STS."));
    assert_eq!(session.provider_name(), "default/ram_role_arn/env");
    let identity = block_on(chain.caller_identity()).unwrap();
    assert_eq!(
        (identity.identity_type.as_str(), identity.account_id.as_str()),
        ("AssumedRoleUser", "1234567890123456")
    );
}
