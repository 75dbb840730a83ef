//! Sources that do as a history says: STS, somebody who hands sessions on, a provider without dates, a key that is rotated.

use std::borrow::Cow;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::task::Poll;
use std::time::Duration;

use alibabacloud_credentials::{
    AssumeRole, AssumeRoleProvider, BoxFuture, Clock, Context, Credentials, CredentialsUriProvider, Error, HttpError,
    HttpErrorKind, HttpSend, ProvideCredentials, SendOptions,
};
use bytes::Bytes;
use http::{Request, Response};

use super::executor::block;
use super::random::Random;
use super::truth::{Arrival, Instant, Session, Truth, from_epoch, http_date, iso};

#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Kind {
    /// STS: the issuer, whose sessions last what they were asked for.
    Issuer,
    /// Somebody who hands sessions on.
    Relay,
    /// A user's provider, which says an Expiration and nothing else.
    Undated,
    /// A key without an end, which is rotated.
    Key,
}

/// How the source is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Mood {
    Good,
    Slow,
    Down,
    Hanging,
    Repeating,
    /// Anything, drawn at each call.
    Wild,
}

pub(crate) const MOODS: [Mood; 6] = [Mood::Good, Mood::Slow, Mood::Down, Mood::Hanging, Mood::Repeating, Mood::Wild];

/// What one call comes to.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Does {
    Grant,
    Repeat,
    Lost,
    Busy,
    Refuse,
    Garbage,
    Over,
    Hang,
    Panic,
    Block,
}

/// What a `Date` is when it is wrong, in seconds ahead of true time; `None`: absent.
const WRONG: [Option<i64>; 5] = [None, Some(-1_700_000_000), Some(-7200), Some(7200), Some(90_000)];

pub(crate) struct Source {
    truth: Arc<Truth>,
    kind: Kind,
    /// What a session lasts.
    lasts: Duration,
    random: Mutex<Random>,
    mood: Mutex<Mood>,
    /// How often in a hundred its `Date` is wrong.
    misdates: u64,
    last: Mutex<Option<usize>>,
    /// What the refresher above holds.
    held: Mutex<Option<usize>>,
    rotation: AtomicU64,
}

/// One call: what it comes to, and how long that takes before the source answers and after.
struct Call {
    does: Does,
    before: Duration,
    transit: Duration,
    date: Option<i64>,
}

impl Source {
    pub(crate) fn new(truth: Arc<Truth>, mut random: Random) -> Arc<Self> {
        let kind = random.weighted(&[(4, Kind::Issuer), (3, Kind::Relay), (2, Kind::Undated), (1, Kind::Key)]);
        Self::of(kind, truth, random)
    }

    pub(crate) fn issuer(truth: Arc<Truth>, random: Random) -> Arc<Self> {
        Self::of(Kind::Issuer, truth, random)
    }

    fn of(kind: Kind, truth: Arc<Truth>, mut random: Random) -> Arc<Self> {
        let lasts = Duration::from_secs(match kind {
            Kind::Issuer => random.pick(&[900, 900, 3600, 3600, 7200, 43_200]),
            _ => random.pick(&[10, 60, 300, 900, 1201, 3600, 7200, 21_600]),
        });
        let misdates = random.pick(&[0, 0, 20, 100]);
        let random = Mutex::new(random);
        let (mood, last, held) = (Mutex::new(Mood::Good), Mutex::default(), Mutex::default());
        Arc::new(Self { truth, kind, lasts, random, mood, misdates, last, held, rotation: AtomicU64::new(0) })
    }

    pub(crate) fn lasts(&self) -> Duration {
        self.lasts
    }

    pub(crate) fn set_mood(&self, mood: Mood) {
        *self.mood.lock().unwrap() = mood;
    }

    pub(crate) fn rotate(&self) {
        self.rotation.fetch_add(1, Ordering::SeqCst);
    }

    pub(crate) fn is_held(&self, number: Option<usize>) {
        *self.held.lock().unwrap() = number;
    }

    fn arrived(&self, number: usize, is_as_asked: bool, sent: Instant, date: Option<i64>) -> Session {
        let is_held = *self.held.lock().unwrap() == Some(number);
        self.truth.arrived(number, Arrival { sent, date, is_as_asked, is_held })
    }

    /// The provider of the library that asks this source.
    pub(crate) fn provider(
        self: &Arc<Self>,
        outside: Context,
        key: Arc<dyn ProvideCredentials>,
    ) -> Arc<dyn ProvideCredentials> {
        match self.kind {
            Kind::Issuer => {
                let role = AssumeRole::new("acs:ram::100:role/media").session_name("history").duration(self.lasts);
                Arc::new(AssumeRoleProvider::new(key, role).context(outside).sts_endpoint("sts.test"))
            }
            Kind::Relay => Arc::new(CredentialsUriProvider::new().uri("http://127.0.0.1/session").context(outside)),
            Kind::Undated | Kind::Key => Arc::new(Plain(Arc::clone(self))),
        }
    }

    fn call(&self) -> Call {
        let mut random = self.random.lock().unwrap();
        let millis = |random: &mut Random, most| Duration::from_millis(random.below(most));
        let mut does = match *self.mood.lock().unwrap() {
            Mood::Good | Mood::Slow => Does::Grant,
            Mood::Down => random.pick(&[Does::Lost, Does::Busy, Does::Refuse, Does::Garbage]),
            Mood::Hanging => Does::Hang,
            Mood::Repeating => Does::Repeat,
            Mood::Wild => random.weighted(&[
                (6, Does::Grant),
                (2, Does::Repeat),
                (2, Does::Lost),
                (2, Does::Busy),
                (1, Does::Refuse),
                (1, Does::Garbage),
                (1, Does::Over),
                (1, Does::Hang),
                (1, Does::Panic),
                (1, Does::Block),
            ]),
        };
        if self.last.lock().unwrap().is_none() && does == Does::Repeat {
            does = Does::Grant;
        }
        let slow = *self.mood.lock().unwrap() == Mood::Slow;
        let (before, transit) = match (slow, random.below(10)) {
            (true, _) => (millis(&mut random, 9000), millis(&mut random, 130_000)),
            (false, 0) => (millis(&mut random, 300), millis(&mut random, 3000)),
            _ => (Duration::ZERO, Duration::ZERO),
        };
        let date = if random.percent(self.misdates) { random.pick(&WRONG) } else { Some(0) };
        Call { does, before, transit, date }
    }

    /// The session that is granted, or given again, at this instant of true time.
    fn session(&self, does: Does) -> usize {
        let mut last = self.last.lock().unwrap();
        let (now, asked) = (self.truth.now(), self.lasts);
        if let (Does::Repeat, Some(session)) = (does, *last) {
            return session;
        }
        let lasts = match (self.kind, does) {
            (Kind::Key, _) => None,
            (_, Does::Over) => Some(Duration::ZERO),
            // Somebody who hands a session on has had it for a while.
            (Kind::Relay, _) => Some(asked - asked.mul_f64(self.random.lock().unwrap().below(50) as f64 / 100.0)),
            _ => Some(asked),
        };
        // Whole seconds, as Expiration is.
        let ends = lasts.map(|lasts| Duration::from_secs((now + lasts).as_secs()));
        let rotation = self.rotation.load(Ordering::SeqCst);
        let session = self.truth.grant(Session::new(self.kind, ends, asked, rotation));
        *last = Some(session);
        session
    }
}

fn refusal(status: u16, code: &str) -> Result<Response<Bytes>, HttpError> {
    let body = format!(r#"{{"Code":"{code}","Message":"as it was told to","RequestId":"R"}}"#);
    Ok(Response::builder().status(status).body(body.into()).unwrap())
}

/// A source that is asked over HTTP.
pub(crate) struct Server(pub(crate) Arc<Source>);

impl HttpSend for Server {
    fn send(&self, _: Request<Bytes>, _: SendOptions) -> BoxFuture<'_, Result<Response<Bytes>, HttpError>> {
        let call = self.0.call();
        Box::pin(async move {
            let source = &self.0;
            let sent = source.truth.instant();
            stand_by(&source.truth, &call).await;
            match call.does {
                Does::Lost => return Err(HttpError::new(HttpErrorKind::Other, "reset")),
                Does::Busy => return refusal(503, "ServiceUnavailable"),
                Does::Refuse => return refusal(403, "NoPermission"),
                Does::Garbage => return Ok(Response::new("<html>".into())),
                _ => {}
            }
            let (number, dated) = (source.session(call.does), source.truth.now());
            source.truth.clock.sleep(call.transit).await;
            let session = source.arrived(number, call.does == Does::Grant, sent, call.date);
            let end = iso(session.ends.unwrap());
            let body = format!(
                r#"{{"AccessKeyId":"STS.{number}","AccessKeySecret":"fake","SecurityToken":"fake-{number}","Expiration":"{end}""#
            );
            let body = match source.kind {
                Kind::Issuer => format!(r#"{{"RequestId":"R","Credentials":{body}}}}}"#),
                _ => format!(r#"{body},"Code":"Success"}}"#),
            };
            let mut response = Response::builder();
            if let Some(ahead) = call.date {
                let date = dated.as_secs().saturating_add_signed(ahead);
                response = response.header("Date", http_date(from_epoch(Duration::from_secs(date))));
            }
            Ok(response.body(body.into()).unwrap())
        })
    }
}

/// Lets pass what passes before the source does anything.
async fn stand_by(truth: &Truth, call: &Call) {
    truth.clock.sleep(call.before).await;
    match call.does {
        Does::Hang => std::future::pending().await,
        // Without the message that a panic writes.
        Does::Panic => std::panic::resume_unwind(Box::new("as it was told to")),
        Does::Block => {
            let mut is_blocked = false;
            std::future::poll_fn(|_| {
                if std::mem::replace(&mut is_blocked, true) {
                    return Poll::Ready(());
                }
                block(call.transit + Duration::from_secs(8));
                Poll::Pending
            })
            .await;
        }
        _ => {}
    }
}

/// A user's provider.
struct Plain(Arc<Source>);

impl ProvideCredentials for Plain {
    fn provider_name(&self) -> Cow<'_, str> {
        "plain".into()
    }

    fn provide_credentials(&self) -> BoxFuture<'_, Result<Credentials, Error>> {
        let call = self.0.call();
        Box::pin(async move {
            let (source, truth) = (&self.0, &self.0.truth);
            let sent = truth.instant();
            stand_by(truth, &call).await;
            match call.does {
                Does::Lost | Does::Busy | Does::Garbage => return Err(Error::failed("down")),
                Does::Refuse => return Err(Error::failed("refused")),
                _ => {}
            }
            let number = source.session(call.does);
            truth.clock.sleep(call.transit).await;
            let session = source.arrived(number, call.does == Does::Grant, sent, None);
            let key = match source.kind {
                // The same key until it is rotated.
                Kind::Key => Credentials::new(format!("STS.{number}"), format!("fake-{}", session.rotation)),
                _ => Credentials::new(format!("STS.{number}"), "fake").with_security_token("fake"),
            };
            Ok(match session.ends {
                Some(end) => key.with_expiration(from_epoch(end)),
                None => key,
            })
        })
    }

    fn is_current(&self, credentials: &Credentials) -> bool {
        let number = Truth::number(credentials);
        self.0.kind != Kind::Key || self.0.truth.session(number).rotation == self.0.rotation.load(Ordering::SeqCst)
    }
}
