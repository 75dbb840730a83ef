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
use crate::support::dated::{dated, granted};

/// Fri, 15 Jan 2027 08:00:00 GMT: when every scenario starts.
pub(crate) const START: Duration = Duration::from_secs(1_800_000_000);

pub(crate) struct Source {
    clock: TestClock,
    does: Mutex<Does>,
    last: Mutex<Option<Credentials>>,
    /// When the last session was given, by this source's clock, if its answer says so.
    issued: Mutex<Option<SystemTime>>,
    /// Whether it answers as STS does.
    is_sts: bool,
    granted: AtomicUsize,
    contacts: AtomicUsize,
    current: AtomicBool,
    checks: AtomicUsize,
}

impl Source {
    pub(crate) fn new(clock: TestClock, is_sts: bool) -> Self {
        Self {
            clock,
            does: Mutex::new(Does::Hang {}),
            last: Mutex::default(),
            issued: Mutex::default(),
            is_sts,
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

    /// The session as this source gives it: through STS it travels as it is, and else it carries what remains of it.
    async fn given(&self, session: Credentials, is_dated: bool) -> Result<Credentials, Problem> {
        let now = self.true_time();
        *self.issued.lock().unwrap() = is_dated.then_some(now);
        if !is_dated || self.is_sts {
            return Ok(session);
        }
        dated(&self.clock, &session, now).await.map_err(Problem::Known)
    }

    async fn answer(&self) -> Result<Credentials, Problem> {
        self.contacts.fetch_add(1, Ordering::SeqCst);
        let does = self.does.lock().unwrap().clone();
        let session = match does {
            Does::Grant { lasts, after, dated } => {
                self.clock.sleep(after.duration()).await;
                // What is left of a session is a second less than its answer says, or a tenth: of short ones the answers, which
                // count whole seconds, say too little.
                let dated = dated && (lasts.0 <= 0.0 || lasts.0 >= 9.0);
                let ends = self.at(if dated && lasts.0 > 0.0 { lasts.0 + 1.0 } else { lasts.0 });
                let session = self.key().with_expiration(ends);
                self.given(session, dated).await?
            }
            Does::GrantForEver {} => self.key(),
            Does::Repeat { ends_in } => {
                let last = self.last.lock().unwrap().clone().ok_or(Problem::Failed(Failure::Failed))?;
                let last = match ends_in {
                    Some(end) if end.0 > 0.0 => last.with_expiration(self.at(end.0 + 1.0)),
                    Some(end) => last.with_expiration(self.at(end.0)),
                    None => last,
                };
                let is_dated = last.expiration().is_some();
                self.given(last, is_dated).await?
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
    Known(Error),
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
                Problem::Known(error) => error,
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
                Ok(session) => Ok(granted(&session, *self.0.issued.lock().unwrap())),
                Err(Problem::Refused(response)) => Ok(response),
                Err(Problem::Failed(_) | Problem::Known(_)) => {
                    Ok(Response::builder().status(502).body(Bytes::from_static(b"<html>")).unwrap())
                }
            }
        })
    }
}
