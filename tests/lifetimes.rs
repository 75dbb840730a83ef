//! What remains of a session is as much in every hand: through refreshers over refreshers, literals, slow answers, servers
//! whose clocks are wrong and local clocks that are set.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use alibabacloud_credentials::{
    BoxFuture, Clock, Context, Credentials, CredentialsUriProvider, Error, ErrorKind, Health, HttpError, HttpSend,
    ProvideCredentials, Refresher, SendOptions, TestClock, provider_fn,
};
use bytes::Bytes;
use chrono::{DateTime, SecondsFormat, Utc};
use http::{Request, Response};

use crate::support::dated::dated;

pub(crate) const HOUR: Duration = Duration::from_secs(3600);

pub(crate) const fn s(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

pub(crate) fn start() -> TestClock {
    TestClock::new(UNIX_EPOCH + s(1_800_000_000))
}

/// Under the virtual clock, with refreshes on the test's own runtime.
pub(crate) fn context(clock: &TestClock) -> Context {
    Context::builder().env([("HOME", "/nowhere")]).clock(clock.clone()).spawn(|task| drop(tokio::spawn(task))).build()
}

pub(crate) async fn settle() {
    for _ in 0..60 {
        tokio::task::yield_now().await;
    }
}

/// A source of dated sessions of an hour, and how often it was asked.
#[derive(Clone)]
pub(crate) struct Hourly {
    pub(crate) clock: TestClock,
    pub(crate) asked: Arc<AtomicUsize>,
    /// How long each answer is on its way.
    pub(crate) transit: Duration,
    pub(crate) lasts: Duration,
}

impl Hourly {
    pub(crate) fn new(clock: &TestClock) -> Self {
        Self { clock: clock.clone(), asked: Arc::default(), transit: Duration::ZERO, lasts: HOUR }
    }

    pub(crate) fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }

    fn true_time(&self) -> SystemTime {
        UNIX_EPOCH + s(1_800_000_000) + self.clock.boot()
    }

    async fn session(self) -> Result<Credentials, Error> {
        let number = self.asked.fetch_add(1, Ordering::SeqCst) + 1;
        let now = self.true_time();
        let session = Credentials::new(format!("STS.{number}"), "fake-secret")
            .with_security_token(format!("fake-token-{number}"))
            .with_expiration(now + self.lasts);
        let session = dated(&self.clock, &session, now).await?;
        self.clock.sleep(self.transit).await;
        Ok(session)
    }

    pub(crate) fn provider(&self) -> impl ProvideCredentials + use<> {
        let source = self.clone();
        provider_fn("source", move || source.clone().session())
    }

    pub(crate) fn refresher(&self) -> Refresher {
        Refresher::builder(self.provider()).context(context(&self.clock)).build()
    }

    fn is_over(&self, credentials: &Credentials) -> bool {
        credentials.expiration().is_some_and(|end| end <= self.true_time())
    }
}

fn expires_at(refresher: &Refresher) -> Option<SystemTime> {
    match refresher.health() {
        Health::Fresh { expires_at, .. } | Health::Degraded { expires_at, .. } => expires_at,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_refresher_over_a_refresher_knows_how_old_its_session_is() {
    for way in ["closure", "value", "pointer"] {
        let clock = start();
        let source = Hourly::new(&clock);
        let inner = source.refresher();
        inner.credentials().await.unwrap();
        clock.advance(s(2000));
        let under = inner.clone();
        let builder = match way {
            "closure" => Refresher::builder(provider_fn("inner", move || {
                let inner = under.clone();
                async move { inner.credentials().await }
            })),
            "value" => Refresher::builder(under),
            _ => Refresher::builder(Arc::new(under) as Arc<dyn ProvideCredentials>),
        };
        let outer = builder.context(context(&clock)).build();
        outer.credentials().await.unwrap();
        assert_eq!(expires_at(&outer), expires_at(&inner), "{way}");
        for _ in 0..400 {
            let handed_out = outer.credentials().await.unwrap();
            assert!(!source.is_over(&handed_out), "{way}: expired at {:?}", clock.now());
            assert_ne!(outer.with(|lent| source.is_over(lent)), Some(true), "{way}");
            clock.advance(s(10));
            settle().await;
        }
    }
}

#[tokio::test]
async fn a_literal_that_has_expired_is_an_error_everywhere() {
    let over = Credentials::new("STS.1", "fake-secret").with_security_token("fake").with_expiration(UNIX_EPOCH + HOUR);
    let refresher = Refresher::from(over);
    assert!(refresher.with(|_| ()).is_none() && refresher.cached().is_none());
    assert_eq!(refresher.credentials().await.unwrap_err().code(), Some("ExpiredCredential"));
    assert!(refresher.credentials_valid_for(s(3000)).await.is_err());
    assert!(matches!(refresher.health(), Health::Expired { .. }), "{:?}", refresher.health());
}

#[tokio::test]
async fn a_literal_ends_when_its_session_does() {
    let clock = start();
    let session = Hourly::new(&clock).refresher().credentials().await.unwrap();
    clock.advance(s(3000));
    // As a client does that is given credentials by value.
    let refresher = Refresher::builder(session).context(context(&clock)).build();
    assert!(refresher.credentials().await.is_ok());
    assert_eq!(expires_at(&refresher), Some(clock.now().system_time() + s(599)));
    clock.advance(s(600));
    assert_eq!(refresher.credentials().await.unwrap_err().kind(), ErrorKind::Expired);
    assert!(refresher.cached().is_none());
}

#[tokio::test]
async fn the_time_between_an_answer_and_its_cache_counts() {
    for lasts in [160, 900] {
        let clock = start();
        let source = Hourly { transit: s(100), lasts: s(lasts), ..Hourly::new(&clock) };
        let refresher = source.refresher();
        let caller = tokio::spawn({
            let refresher = refresher.clone();
            async move { refresher.credentials().await }
        });
        settle().await;
        clock.advance(s(100));
        assert!(caller.await.unwrap().is_ok());
        assert_eq!(expires_at(&refresher), Some(clock.now().system_time() + s(lasts - 101)));
        // Nobody drives the next refresh: the old one is lent as long as it lasts.
        clock.advance(s(lasts - 102));
        assert!(refresher.cached().is_some());
        clock.advance(s(1));
        assert!(refresher.cached().is_none(), "a session of {lasts} s");
    }
}

/// Somebody who hands sessions of an hour on, and whose clock is `behind`; it has no `Date` at all where that is `None`.
#[derive(Clone)]
struct Relay {
    clock: TestClock,
    behind: Option<i64>,
    ends: Option<&'static str>,
    asked: Arc<AtomicUsize>,
}

impl HttpSend for Relay {
    fn send(&self, _: Request<Bytes>, _: SendOptions) -> BoxFuture<'_, Result<Response<Bytes>, HttpError>> {
        let number = self.asked.fetch_add(1, Ordering::SeqCst) + 1;
        let now = DateTime::<Utc>::from(UNIX_EPOCH + s(1_800_000_000) + self.clock.boot());
        let ends = (now + HOUR).to_rfc3339_opts(SecondsFormat::Secs, true);
        let body = serde_json::json!({"Code": "Success", "AccessKeyId": format!("STS.{number}"), "AccessKeySecret": "fake",
            "SecurityToken": "fake", "Expiration": self.ends.unwrap_or(&ends)});
        let mut response = Response::builder();
        if let Some(behind) = self.behind {
            let date = now - chrono::Duration::seconds(behind);
            response = response.header("date", date.format("%a, %d %b %Y %H:%M:%S GMT").to_string());
        }
        Box::pin(std::future::ready(Ok(response.body(body.to_string().into()).unwrap())))
    }
}

fn relayed(relay: &Relay) -> Refresher {
    let context = Context::builder()
        .env([("HOME", "/nowhere")])
        .clock(relay.clock.clone())
        .http(relay.clone())
        .spawn(|task| drop(tokio::spawn(task)))
        .build();
    let provider = CredentialsUriProvider::new().uri("http://127.0.0.1/session").context(context.clone());
    Refresher::builder(provider).context(context).build()
}

#[tokio::test]
async fn a_date_of_somebody_who_hands_sessions_on_is_believed_as_far_as_the_local_clock_agrees() {
    const CENTURY: i64 = 1_800_000_000;
    for (behind, left) in [
        (Some(0), 3600),
        (Some(7200), 3600),
        (Some(CENTURY), 3600),
        (None, 3600),
        (Some(-600), 3000),
        (Some(-7200), 900),
    ] {
        let relay = Relay { clock: start(), behind, ends: None, asked: Arc::default() };
        let refresher = relayed(&relay);
        assert_eq!(refresher.credentials().await.unwrap().access_key_id(), "STS.1", "{behind:?}");
        assert_eq!(expires_at(&refresher), Some(relay.clock.now().system_time() + s(left)), "{behind:?}");
        assert_eq!(
            refresher.signing_time(),
            relay.clock.now().system_time(),
            "{behind:?}: nor is anything signed by it"
        );
        // Never past its end, though nobody drives a refresh.
        relay.clock.advance(s(left));
        assert!(refresher.cached().is_none(), "{behind:?}");
    }
}

#[tokio::test]
async fn no_session_that_is_handed_on_lasts_longer_than_twelve_hours() {
    for behind in [Some(0), None] {
        let relay = Relay { clock: start(), behind, ends: Some("9999-12-31T23:59:59Z"), asked: Arc::default() };
        let refresher = relayed(&relay);
        refresher.credentials().await.unwrap();
        assert_eq!(expires_at(&refresher), Some(relay.clock.now().system_time() + 12 * HOUR), "{behind:?}");
    }
}

#[tokio::test]
async fn a_session_that_both_clocks_call_over_is_refused() {
    let relay =
        Relay { clock: start(), behind: Some(-7200), ends: Some("2027-01-15T07:59:59Z"), asked: Arc::default() };
    assert_eq!(relayed(&relay).credentials().await.unwrap_err().code(), Some("ExpiredCredential"));
}

#[tokio::test]
async fn a_machine_that_is_resumed_hours_later_asks_once_and_hands_out_what_is_new() {
    let clock = start();
    let source = Hourly::new(&clock);
    let refresher = source.refresher();
    assert_eq!(refresher.credentials().await.unwrap().access_key_id(), "STS.1");
    clock.step(5 * 3600);
    assert!(refresher.with(|_| ()).is_none(), "lent to nobody until it is known that nothing better can be had");
    let herd: Vec<_> = (0..100)
        .map(|_| {
            tokio::spawn({
                let refresher = refresher.clone();
                async move { refresher.credentials().await }
            })
        })
        .collect();
    for caller in herd {
        assert_eq!(caller.await.unwrap().unwrap().access_key_id(), "STS.2");
    }
    assert_eq!(source.asked(), 2);
}

#[tokio::test]
async fn ten_sleeps_amid_a_refresh_are_one_refresh() {
    let clock = start();
    let source = Hourly { transit: s(5), ..Hourly::new(&clock) };
    let refresher = source.refresher();
    let ask = || {
        let refresher = refresher.clone();
        tokio::spawn(async move { refresher.credentials().await })
    };
    let mut callers = vec![ask()];
    for _ in 0..10 {
        settle().await;
        clock.suspend(s(126));
        callers.push(ask());
    }
    settle().await;
    clock.advance(s(5));
    for caller in callers {
        assert_eq!(caller.await.unwrap().unwrap().access_key_id(), "STS.1");
    }
    assert_eq!(source.asked(), 1);
}

#[tokio::test]
async fn a_sleep_and_an_equal_step_back_do_not_cancel_out() {
    let clock = start();
    let refresher = Hourly::new(&clock).refresher();
    refresher.credentials().await.unwrap();
    clock.suspend(s(5 * 3600));
    clock.step(-5 * 3600);
    // The two clocks that a warm read looks at show what they did before; the third is read once a second.
    clock.advance(s(1));
    assert!(refresher.cached().is_none());
}

#[tokio::test]
async fn one_that_is_withheld_waits_for_the_second_in_which_its_source_is_left_alone() {
    let clock = start();
    let (source, repeats) = (Hourly::new(&clock), Arc::new(AtomicUsize::new(0)));
    let (counted, shared) = (source.clone(), Arc::clone(&repeats));
    let held = Arc::new(std::sync::Mutex::new(None));
    let provider = provider_fn("source", move || {
        let (source, held, repeats) = (counted.clone(), Arc::clone(&held), shared.load(Ordering::SeqCst) > 0);
        async move {
            let known: Option<Credentials> = held.lock().unwrap().clone();
            match known {
                Some(known) if repeats => Ok(known),
                _ => {
                    let session = source.session().await?;
                    *held.lock().unwrap() = Some(session.clone());
                    Ok(session)
                }
            }
        }
    });
    let refresher = Refresher::builder(provider).context(context(&clock)).build();
    let used = refresher.credentials().await.unwrap();
    repeats.store(1, Ordering::SeqCst);
    assert!(refresher.invalidate(&used));
    assert_eq!(refresher.credentials().await.unwrap().access_key_id(), "STS.1", "the same again");
    // Within that second the clock is set past its end, and the source has a new one.
    repeats.store(0, Ordering::SeqCst);
    clock.step(5 * 3600);
    let caller = tokio::spawn(async move { refresher.credentials().await });
    settle().await;
    clock.advance(s(1));
    assert_eq!(caller.await.unwrap().unwrap().access_key_id(), "STS.2");
}
