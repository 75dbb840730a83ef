//! Refreshers over refreshers: a refusal and a wish reach the innermost source, at most once a second.

use std::borrow::Cow;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use alibabacloud_credentials::{
    AssumeRole, AssumeRoleProvider, BoxFuture, Chain, Clock, Context, Credentials, CredentialsUriProvider,
    DefaultCredentialChain, Error, ErrorKind, Health, HttpError, HttpSend, OnFailure, ProvideCredentials, Refresher,
    SendOptions, TestClock, provider_fn,
};
use bytes::Bytes;
use http::{Request, Response};

use crate::lifetimes::{HOUR, Hourly, context, s, settle, start};
use crate::support::dated::granted;

/// A refresher over a chain over a pointer to a refresher.
fn nested(source: &Hourly) -> (Refresher, Refresher) {
    let inner = source.refresher();
    let pointer: Box<dyn ProvideCredentials> = Box::new(inner.clone());
    let chain = Chain::new("mine").context(context(&source.clock)).then(pointer);
    let middle = Refresher::builder(chain).context(context(&source.clock)).build();
    (inner, Refresher::builder(middle).context(context(&source.clock)).build())
}

#[tokio::test]
async fn a_refusal_reaches_the_innermost_source() {
    let clock = start();
    let source = Hourly::new(&clock);
    let (inner, outer) = nested(&source);
    let first = outer.credentials().await.unwrap();
    assert_eq!(first.generation(), inner.generation(), "the number that the innermost gave");
    assert!(outer.invalidate(&first));
    let second = outer.credentials().await.unwrap();
    assert_eq!((second.access_key_id(), source.asked()), ("STS.2", 2));
    assert_eq!(second.generation(), inner.generation());
}

#[tokio::test]
async fn a_wish_reaches_the_innermost_source() {
    let clock = start();
    let source = Hourly::new(&clock);
    let (_, outer) = nested(&source);
    outer.credentials().await.unwrap();
    clock.advance(s(2000));
    let longer = outer.credentials_valid_for(s(3000)).await.unwrap();
    assert_eq!((longer.access_key_id(), source.asked()), ("STS.2", 2));
    // Longer than its sessions last: nobody is asked.
    for _ in 0..200 {
        let error = outer.credentials_valid_for(s(3700)).await.unwrap_err();
        assert_eq!((error.kind(), error.available_lifetime()), (ErrorKind::TooShort, Some(s(3599))));
    }
    assert_eq!(source.asked(), 2);
}

#[tokio::test]
async fn a_wish_of_somebody_who_has_nothing_yet_is_the_sources_from_the_beginning() {
    let clock = start();
    let source = Hourly::new(&clock);
    let inner = source.refresher();
    inner.credentials().await.unwrap();
    clock.advance(s(2000));
    let outer = Refresher::builder(inner).context(context(&clock)).build();
    assert_eq!(outer.credentials_valid_for(s(3000)).await.unwrap().access_key_id(), "STS.2");
}

#[tokio::test]
async fn who_asks_for_more_than_the_innermost_has_gets_to_know_what_there_is() {
    let clock = start();
    let source = Hourly { lasts: s(900), ..Hourly::new(&clock) };
    let inner = source.refresher();
    inner.credentials().await.unwrap();
    let outer = Refresher::builder(inner).context(context(&clock)).build();
    let error = outer.credentials_valid_for(s(1800)).await.unwrap_err();
    assert_eq!((error.kind(), error.available_lifetime()), (ErrorKind::TooShort, Some(s(899))));
    assert_eq!(outer.credentials().await.unwrap().access_key_id(), "STS.1", "too short for that is no failure");
    assert!(matches!(outer.health(), Health::Fresh { .. }));
    assert_eq!(source.asked(), 1);
}

#[tokio::test]
async fn sessions_that_became_shorter_are_not_asked_for_at_every_wish() {
    let clock = start();
    let mut source = Hourly::new(&clock);
    let lasts = Arc::new(std::sync::Mutex::new(HOUR));
    let (shared, counted) = (Arc::clone(&lasts), source.clone());
    let provider = provider_fn("source", move || {
        let source = Hourly { lasts: *shared.lock().unwrap(), ..counted.clone() };
        async move { source.provider().provide_credentials().await }
    });
    let refresher = Refresher::builder(provider).context(context(&clock)).build();
    refresher.credentials().await.unwrap();
    *lasts.lock().unwrap() = s(900);
    clock.advance(s(2000));
    for _ in 0..200 {
        let error = refresher.credentials_valid_for(s(1800)).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::TooShort);
        clock.advance(s(1));
        settle().await;
    }
    assert!(source.asked() <= 4, "{} source calls", source.asked());
    source.lasts = s(1);
}

/// STS: sessions of an hour; those of `source` are refused once they were called dead.
#[derive(Clone)]
struct Sts {
    clock: TestClock,
    is_dead: Arc<AtomicBool>,
    granted: Arc<AtomicUsize>,
}

impl HttpSend for Sts {
    fn send(&self, request: Request<Bytes>, _: SendOptions) -> BoxFuture<'_, Result<Response<Bytes>, HttpError>> {
        let token = request.headers().get("x-acs-security-token").map(|token| token.to_str().unwrap().to_owned());
        let answer = if token.as_deref() == Some("token-1") && self.is_dead.load(Ordering::SeqCst) {
            let body = r#"{"Code":"InvalidSecurityToken.Expired","Message":"dead","RequestId":"R"}"#;
            Response::builder().status(403).body(body.into()).unwrap()
        } else {
            let number = self.granted.fetch_add(1, Ordering::SeqCst) + 1;
            let now = self.clock.now().system_time();
            let session = Credentials::new(format!("STS.{number}"), "fake-secret")
                .with_security_token(format!("token-{number}"))
                .with_expiration(now + HOUR);
            granted(&session, Some(now))
        };
        Box::pin(std::future::ready(Ok(answer)))
    }
}

#[tokio::test]
async fn a_role_over_a_chain_replaces_a_source_session_that_is_dead() {
    let clock = start();
    let sts = Sts { clock: clock.clone(), is_dead: Arc::default(), granted: Arc::default() };
    let env = [("ALIBABA_CLOUD_ACCESS_KEY_ID", "id"), ("ALIBABA_CLOUD_ACCESS_KEY_SECRET", "fake-secret")];
    let context = Context::builder().env(env).clock(clock.clone()).http(sts.clone());
    let context = context.spawn(|task| drop(tokio::spawn(task))).build();
    let chain = DefaultCredentialChain::builder()
        .context(context.clone())
        .assume_role(AssumeRole::new("acs:ram::100:role/first"))
        .build();
    let second = AssumeRoleProvider::new(chain, AssumeRole::new("acs:ram::100:role/second")).context(context.clone());
    let refresher = Refresher::builder(second).context(context).build();
    let session = refresher.credentials().await.unwrap();
    assert_eq!(session.access_key_id(), "STS.2", "by STS.1");
    sts.is_dead.store(true, Ordering::SeqCst);
    assert!(refresher.invalidate(&session));
    assert_eq!(refresher.credentials().await.unwrap().access_key_id(), "STS.4", "by STS.3, since STS.1 is dead");
}

#[tokio::test]
async fn a_refresh_that_was_given_up_changes_no_identity_when_it_comes_back() {
    // The first provider's answer comes late: by then the refresh was given up, and the next one has kept the second.
    let clock = start();
    let (late, attempts) = (Arc::new(tokio::sync::Semaphore::new(0)), Arc::new(AtomicUsize::new(0)));
    let (gate, count) = (Arc::clone(&late), Arc::clone(&attempts));
    let first = provider_fn("first", move || {
        let (gate, number) = (Arc::clone(&gate), count.fetch_add(1, Ordering::SeqCst));
        async move {
            if number == 0 {
                gate.acquire().await.unwrap().forget();
                return Ok(Credentials::new("first", "fake-secret"));
            }
            Err(Error::failed("down"))
        }
    });
    let second = provider_fn("second", || async { Ok(Credentials::new("second", "fake-secret")) });
    let chain =
        Arc::new(Chain::new("mine").context(context(&clock)).on_failure(OnFailure::TryNext).then(first).then(second));
    assert_eq!(chain.provider_name(), "mine");
    assert_eq!(format!("{chain:?}"), r#"Chain { name: "mine", providers: ["first", "second"], .. }"#);
    let lost = tokio::spawn({
        let chain = Arc::clone(&chain);
        async move { chain.provide_credentials().await }
    });
    settle().await;
    assert_eq!(chain.provide_credentials().await.unwrap().access_key_id(), "second");
    late.add_permits(1);
    assert_eq!(lost.await.unwrap().unwrap().access_key_id(), "second", "what is kept stays");
    assert_eq!(chain.provide_credentials().await.unwrap().access_key_id(), "second");
}

#[tokio::test]
async fn a_key_without_an_end_is_looked_at_again_after_its_renewal_was_lost() {
    struct Rotating(AtomicUsize);
    impl ProvideCredentials for Rotating {
        fn provider_name(&self) -> Cow<'_, str> {
            "rotating".into()
        }
        fn provide_credentials(&self) -> BoxFuture<'_, Result<Credentials, Error>> {
            let number = self.0.fetch_add(1, Ordering::SeqCst);
            Box::pin(std::future::ready(Ok(Credentials::new(format!("key-{number}"), "fake-secret"))))
        }
        fn is_current(&self, credentials: &Credentials) -> bool {
            credentials.access_key_id() != "key-0"
        }
    }
    let clock = start();
    let lose = Arc::new(AtomicUsize::new(0));
    let kept: Arc<std::sync::Mutex<Vec<BoxFuture<'static, ()>>>> = Arc::default();
    let (count, keep) = (Arc::clone(&lose), Arc::clone(&kept));
    // The third task is the renewal: it stands still, neither run nor dropped.
    let spawn = move |task| match count.fetch_add(1, Ordering::SeqCst) {
        2 => keep.lock().unwrap().push(task),
        _ => drop(tokio::spawn(task)),
    };
    let context = Context::builder().clock(clock.clone()).spawn(spawn).build();
    let refresher = Refresher::builder(Rotating(AtomicUsize::new(0))).context(context).build();
    assert_eq!(refresher.credentials().await.unwrap().access_key_id(), "key-0");
    clock.advance(s(1));
    assert!(refresher.cached().is_some());
    settle().await;
    clock.advance(s(130));
    for _ in 0..5 {
        assert!(refresher.credentials().await.is_ok());
        settle().await;
        clock.advance(s(2));
    }
    assert_eq!(refresher.credentials().await.unwrap().access_key_id(), "key-1");
}

#[tokio::test]
async fn health_says_since_when_there_is_no_valid_credential() {
    let clock = start();
    let down = Arc::new(AtomicBool::new(false));
    let (source, is_down) = (Hourly::new(&clock), Arc::clone(&down));
    let provider = provider_fn("source", move || {
        let (source, is_down) = (source.clone(), is_down.load(Ordering::SeqCst));
        async move { if is_down { Err(Error::failed("down")) } else { source.provider().provide_credentials().await } }
    });
    let refresher = Refresher::builder(provider).context(context(&clock)).build();
    refresher.credentials().await.unwrap();
    let end = clock.now().system_time() + s(3599);
    down.store(true, Ordering::SeqCst);
    clock.advance(s(3000));
    let _ = refresher.credentials().await;
    settle().await;
    clock.advance(s(1000));
    assert!(refresher.credentials().await.is_err());
    let Health::Expired { since, .. } = refresher.health() else { panic!("{:?}", refresher.health()) };
    assert_eq!(since, end, "the end, and not the first failure before it");
    assert!(since < clock.now().system_time() - Duration::from_secs(300));
}

/// Somebody who hands one session of an hour on, with a `Date` or without one.
#[derive(Clone)]
struct Relay {
    clock: TestClock,
    is_dated: Arc<AtomicBool>,
}

impl HttpSend for Relay {
    fn send(&self, _: Request<Bytes>, _: SendOptions) -> BoxFuture<'_, Result<Response<Bytes>, HttpError>> {
        let body = r#"{"Code":"Success","AccessKeyId":"STS.1","AccessKeySecret":"fake","SecurityToken":"fake",
            "Expiration":"2027-01-15T09:00:00Z"}"#;
        let mut response = Response::builder();
        if self.is_dated.load(Ordering::SeqCst) {
            let date = chrono::DateTime::<chrono::Utc>::from(self.clock.now().system_time());
            response = response.header("date", date.format("%a, %d %b %Y %H:%M:%S GMT").to_string());
        }
        Box::pin(std::future::ready(Ok(response.body(body.into()).unwrap())))
    }
}

#[tokio::test]
async fn what_a_repeated_session_is_known_to_last_is_known_to_whoever_holds_it() {
    let relay = Relay { clock: start(), is_dated: Arc::default() };
    let outside = Context::builder().env([("HOME", "/nowhere")]).clock(relay.clock.clone()).http(relay.clone());
    let outside = outside.spawn(|task| drop(tokio::spawn(task))).build();
    let uri = CredentialsUriProvider::new().uri("http://127.0.0.1/session").context(outside.clone());
    let inner = Refresher::builder(uri).context(outside.clone()).build();
    let outer = Refresher::builder(inner.clone()).context(outside).build();
    let used = outer.credentials().await.unwrap();
    // Without a Date the wall clock alone says when it ends. With one that is settled, and travels with the credential.
    relay.is_dated.store(true, Ordering::SeqCst);
    relay.clock.advance(s(1000));
    assert!(outer.invalidate(&used));
    outer.credentials().await.unwrap();
    relay.clock.step(-5 * 3600);
    assert!(inner.cached().is_some() && outer.cached().is_some(), "a wall clock that steps back ends nothing");
    relay.clock.advance(s(2600));
    assert!(inner.cached().is_none(), "it is over");
    assert!(outer.cached().is_none(), "in every hand");
}

#[tokio::test]
async fn a_wish_that_came_with_a_refresh_is_not_asked_for_again_within_the_second() {
    let clock = start();
    let lasts = Arc::new(AtomicUsize::new(3600));
    let (source, shared) = (Hourly::new(&clock), Arc::clone(&lasts));
    let counted = source.clone();
    let provider = provider_fn("source", move || {
        let source = Hourly { lasts: s(shared.load(Ordering::SeqCst) as u64), ..counted.clone() };
        async move { source.provider().provide_credentials().await }
    });
    let refresher = Refresher::builder(provider).context(context(&clock)).build();
    refresher.credentials().await.unwrap();
    clock.advance(s(3600));
    lasts.store(900, Ordering::SeqCst);
    for _ in 0..10 {
        assert_eq!(refresher.credentials_valid_for(s(1800)).await.unwrap_err().kind(), ErrorKind::TooShort);
    }
    assert_eq!(source.asked(), 2, "once for all of them");
}
