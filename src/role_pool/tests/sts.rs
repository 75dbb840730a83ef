//! An STS that grants sessions by a virtual clock, and the pools that ask it.

use std::collections::BTreeMap;
use std::future::Future;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, UNIX_EPOCH};

use bytes::Bytes;
use chrono::{DateTime, Utc};
use http::{Request, Response};

use crate::context::{Clock, Context, HttpError, HttpErrorKind, HttpSend, SendOptions, TestClock};
use crate::credentials::Credentials;
use crate::provider::BoxFuture;
use crate::refresh::Refresher;
use crate::role_pool::{RolePool, RolePoolBuilder};
use crate::sts::AssumeRole;
use crate::time;

pub(super) const fn s(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// The time of a call, its role, and whether it was answered at all.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Call {
    pub(super) at: Duration,
    pub(super) role: String,
    pub(super) is_answered: bool,
}

/// Clones share everything.
#[derive(Clone)]
pub(super) struct Sts {
    pub(super) clock: TestClock,
    lasts: Duration,
    calls: Arc<Mutex<Vec<Call>>>,
    /// So many calls are refused as one too many.
    pub(super) throttles: Arc<AtomicUsize>,
    /// The call of this number is answered by a 503.
    pub(super) unavailable_at: Arc<AtomicUsize>,
    /// Set while no connection can be made.
    pub(super) is_down: Arc<AtomicBool>,
    /// The most calls that were under way at once, and those of now.
    at_once: Arc<(AtomicUsize, AtomicUsize)>,
}

/// Trusts nobody.
pub(super) const DENIED: &str = "acs:ram::100:role/denied";

impl Sts {
    pub(super) fn granting(lasts: Duration) -> Self {
        let clock = TestClock::new(UNIX_EPOCH + s(1_800_000_000));
        Self {
            clock,
            lasts,
            calls: Arc::default(),
            throttles: Arc::default(),
            unavailable_at: Arc::default(),
            is_down: Arc::default(),
            at_once: Arc::default(),
        }
    }

    pub(super) fn context(&self) -> Context {
        Context::builder()
            .env([("ALIBABA_CLOUD_STS_ENDPOINT", "sts.test")])
            .clock(self.clock.clone())
            .http(self.clone())
            .seed(7)
            .spawn(|task| drop(tokio::spawn(task)))
            .build()
    }

    pub(super) fn builder(&self) -> RolePoolBuilder {
        let key = Credentials::new("fake-id", "fake-secret");
        RolePool::builder(Refresher::builder(key).context(self.context()).build())
    }

    pub(super) fn pool(&self) -> RolePool {
        self.builder().build()
    }

    pub(super) fn calls(&self) -> Vec<Call> {
        self.calls.lock().unwrap().clone()
    }

    /// Returns the number of calls for each role.
    pub(super) fn calls_by_role(&self) -> BTreeMap<String, usize> {
        self.calls().into_iter().fold(BTreeMap::new(), |mut counts, call| {
            *counts.entry(call.role).or_default() += 1;
            counts
        })
    }

    pub(super) fn most_at_once(&self) -> usize {
        self.at_once.0.load(Ordering::SeqCst)
    }

    /// The most calls of any ten seconds.
    pub(super) fn most_in_ten_seconds(&self) -> usize {
        let calls = self.calls();
        let within = |from: &Call| calls.iter().filter(|call| call.at >= from.at && call.at < from.at + s(10)).count();
        calls.iter().map(within).max().unwrap_or_default()
    }

    /// Drives `work` to its end; time goes on where everything waits.
    pub(super) async fn drive<T>(&self, work: impl Future<Output = T>) -> T {
        self.drive_while(|| true, work).await
    }

    /// The same, but time stands still unless `may_pass`.
    pub(super) async fn drive_while<T>(&self, may_pass: impl Fn() -> bool, work: impl Future<Output = T>) -> T {
        let mut work = std::pin::pin!(work);
        loop {
            let polled = std::future::poll_fn(|cx| std::task::Poll::Ready(work.as_mut().poll(cx))).await;
            if let std::task::Poll::Ready(value) = polled {
                return value;
            }
            if let Some(pause) = self.clock.next_wake().filter(|pause| *pause <= s(1) && may_pass()) {
                self.clock.advance(pause);
            }
            tokio::task::yield_now().await;
        }
    }

    /// Waits until `is_so`, while the clock stands still.
    pub(super) async fn until(&self, is_so: impl Fn() -> bool) {
        while !is_so() {
            tokio::task::yield_now().await;
        }
    }

    fn answer(&self, request: &Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        let query = request.uri().query().unwrap_or_default();
        let role = form_urlencoded::parse(query.as_bytes()).find(|(name, _)| name == "RoleArn").unwrap().1.into_owned();
        let is_answered = !self.is_down.load(Ordering::SeqCst);
        let number = {
            let mut calls = self.calls.lock().unwrap();
            calls.push(Call { at: self.clock.now().monotonic, role: role.clone(), is_answered });
            calls.len()
        };
        if !is_answered {
            return Err(HttpError::new(HttpErrorKind::Connect, "connection refused"));
        }
        Ok(self.response(number, &role))
    }

    fn response(&self, number: usize, role: &str) -> Response<Bytes> {
        if self.throttles.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1)).is_ok() {
            let body = r#"{"Code":"Throttling.User","Message":"Request was denied due to user flow control."}"#;
            let response = Response::builder().status(429).header("x-acs-retry-after", "200");
            return response.body(Bytes::from(body)).unwrap();
        }
        if number == self.unavailable_at.load(Ordering::SeqCst) {
            return Response::builder().status(503).body(Bytes::new()).unwrap();
        }
        if role == DENIED {
            let body = r#"{"Code":"NoPermission","Message":"The role does not trust you.","RequestId":"R-1"}"#;
            return Response::builder().status(403).body(Bytes::from(body)).unwrap();
        }
        let now = time::from_epoch(self.clock.now().wall);
        let body = serde_json::json!({"RequestId": "R-1", "Credentials": {
            "AccessKeyId": format!("STS.session-{number}"),
            "AccessKeySecret": "fake-secret",
            "SecurityToken": format!("fake-token-{number}"),
            "Expiration": time::to_iso(now + self.lasts),
        }});
        let date = DateTime::<Utc>::from(now).format("%a, %d %b %Y %H:%M:%S GMT").to_string();
        Response::builder().header("Date", date).body(Bytes::from(body.to_string())).unwrap()
    }
}

impl HttpSend for Sts {
    fn send(&self, request: Request<Bytes>, _: SendOptions) -> BoxFuture<'_, Result<Response<Bytes>, HttpError>> {
        Box::pin(async move {
            let now = self.at_once.1.fetch_add(1, Ordering::SeqCst) + 1;
            self.at_once.0.fetch_max(now, Ordering::SeqCst);
            tokio::task::yield_now().await;
            let answer = self.answer(&request);
            self.at_once.1.fetch_sub(1, Ordering::SeqCst);
            answer
        })
    }
}

pub(super) fn role(number: usize) -> AssumeRole {
    AssumeRole::new(arn(number)).session_name("test")
}

pub(super) fn arn(number: usize) -> String {
    format!("acs:ram::100:role/tenant-{number}")
}
