//! The scripted source: it does as it is told, counts how often it is contacted, and its own clock is always right.

use std::borrow::Cow;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use alibabacloud_credentials::{
    BoxFuture, Clock, Credentials, Error, HttpError, HttpSend, ProvideCredentials, SendOptions, TestClock,
};
use bytes::Bytes;
use http::{Request, Response};

use super::format::{Does, Failure};

/// Fri, 15 Jan 2027 08:00:00 GMT: when every scenario starts.
pub(crate) const START: Duration = Duration::from_secs(1_800_000_000);

pub(crate) struct Source {
    clock: TestClock,
    does: Mutex<Does>,
    last: Mutex<Option<Credentials>>,
    granted: AtomicUsize,
    contacts: AtomicUsize,
    current: AtomicBool,
    checks: AtomicUsize,
}

impl Source {
    pub(crate) fn new(clock: TestClock) -> Self {
        Self {
            clock,
            does: Mutex::new(Does::Hang {}),
            last: Mutex::default(),
            granted: AtomicUsize::new(0),
            contacts: AtomicUsize::new(0),
            current: AtomicBool::new(true),
            checks: AtomicUsize::new(0),
        }
    }

    pub(crate) fn now(&self, does: Does) {
        *self.does.lock().unwrap() = does;
    }

    pub(crate) fn says_current(&self, current: bool) {
        self.current.store(current, Ordering::SeqCst);
    }

    pub(crate) fn contacts(&self) -> usize {
        self.contacts.load(Ordering::SeqCst)
    }

    pub(crate) fn checks(&self) -> usize {
        self.checks.load(Ordering::SeqCst)
    }

    /// What the source's clock shows, whatever was done to the machine's.
    pub(crate) fn true_time(&self) -> SystemTime {
        UNIX_EPOCH + START + self.clock.boot()
    }

    fn at(&self, from_now: f64) -> SystemTime {
        let by = Duration::from_secs_f64(from_now.abs());
        if from_now < 0.0 { self.true_time() - by } else { self.true_time() + by }
    }

    fn key(&self) -> Credentials {
        let number = self.granted.fetch_add(1, Ordering::SeqCst) + 1;
        Credentials::new(format!("STS.session-{number}"), "fake-secret")
            .with_security_token(format!("fake-token-{number}"))
    }

    async fn answer(&self) -> Result<Credentials, Problem> {
        self.contacts.fetch_add(1, Ordering::SeqCst);
        let does = self.does.lock().unwrap().clone();
        let session = match does {
            Does::Grant { lasts, after, dated } => {
                self.clock.sleep(after.duration()).await;
                let session = self.key().with_expiration(self.at(lasts.0));
                if dated { session.with_issued_at(self.true_time()) } else { session }
            }
            Does::GrantForEver {} => self.key(),
            Does::Repeat { ends_in } => {
                let last = self.last.lock().unwrap().clone().ok_or(Problem::Failed(Failure::Failed))?;
                let last = last.with_issued_at(self.true_time());
                match ends_in {
                    Some(end) => last.with_expiration(self.at(end.0)),
                    None => last,
                }
            }
            Does::Fail { kind, after } => {
                self.clock.sleep(after.duration()).await;
                return Err(Problem::Failed(kind));
            }
            Does::Refuse { status, code, headers } => {
                let body = format!(r#"{{"Code":"{code}","Message":"refused","RequestId":"R-1"}}"#);
                let response = headers
                    .iter()
                    .fold(Response::builder().status(status), |response, (name, value)| response.header(name, value));
                return Err(Problem::Refused(response.body(body.into()).unwrap()));
            }
            Does::Hang {} => std::future::pending().await,
            Does::Panic { after } => {
                self.clock.sleep(after.duration()).await;
                panic!("the source panics, as it was told to")
            }
        };
        *self.last.lock().unwrap() = Some(session.clone());
        Ok(session)
    }
}

enum Problem {
    Failed(Failure),
    Refused(Response<Bytes>),
}

impl ProvideCredentials for Source {
    fn provider_name(&self) -> Cow<'_, str> {
        "source".into()
    }

    fn provide_credentials(&self) -> BoxFuture<'_, Result<Credentials, Error>> {
        Box::pin(async move {
            self.answer().await.map_err(|problem| match problem {
                Problem::Failed(Failure::Failed) => Error::failed("the source is down"),
                Problem::Failed(Failure::NotConfigured) => Error::not_configured("the source is gone"),
                Problem::Failed(Failure::InvalidInput) => Error::invalid_input("the source cannot be asked so"),
                Problem::Refused(_) => Error::failed("only STS refuses: through assume_role"),
            })
        })
    }

    fn is_current(&self, _: &Credentials) -> bool {
        self.checks.fetch_add(1, Ordering::SeqCst);
        self.current.load(Ordering::SeqCst)
    }
}

/// The source as STS: AssumeRole over HTTP.
pub(crate) struct Sts(pub(crate) Arc<Source>);

impl HttpSend for Sts {
    fn send(&self, _: Request<Bytes>, _: SendOptions) -> BoxFuture<'_, Result<Response<Bytes>, HttpError>> {
        Box::pin(async move {
            match self.0.answer().await {
                Ok(session) => Ok(granted(&session)),
                Err(Problem::Refused(response)) => Ok(response),
                Err(Problem::Failed(_)) => {
                    Ok(Response::builder().status(502).body(Bytes::from_static(b"<html>")).unwrap())
                }
            }
        })
    }
}

fn granted(session: &Credentials) -> Response<Bytes> {
    let end = chrono::DateTime::<chrono::Utc>::from(session.expiration().unwrap());
    let body = serde_json::json!({"RequestId": "R-1", "Credentials": {
        "AccessKeyId": session.access_key_id(),
        "AccessKeySecret": session.access_key_secret(),
        "SecurityToken": session.security_token(),
        "Expiration": end.to_rfc3339_opts(chrono::SecondsFormat::Secs, true),
    }});
    let mut response = Response::builder();
    if let Some(date) = session.issued_at() {
        let date = chrono::DateTime::<chrono::Utc>::from(date);
        response = response.header("Date", date.format("%a, %d %b %Y %H:%M:%S GMT").to_string());
    }
    response.body(body.to_string().into()).unwrap()
}
