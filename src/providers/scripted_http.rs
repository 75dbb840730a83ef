//! For the tests of providers: an HTTP server that is a closure, with the log of what it was asked.

use std::future::Future;
use std::sync::{Arc, Mutex};
use std::task::Poll;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};

use crate::context::{HttpError, HttpErrorKind, HttpSend, SendOptions, TestClock};
use crate::provider::BoxFuture;

pub(crate) type Answered = Result<Response<Bytes>, HttpError>;
type Rule = dyn Fn(&Request<Bytes>) -> Answered + Send + Sync;
pub(crate) type Seen = Vec<(Request<Bytes>, SendOptions)>;

/// Clones share the log.
#[derive(Clone)]
pub(crate) struct ScriptedHttp {
    rule: Arc<Rule>,
    seen: Arc<Mutex<Seen>>,
}

impl ScriptedHttp {
    pub(crate) fn new(rule: impl Fn(&Request<Bytes>) -> Answered + Send + Sync + 'static) -> Self {
        Self { rule: Arc::new(rule), seen: Arc::default() }
    }

    pub(crate) fn seen(&self) -> Seen {
        self.seen.lock().unwrap().clone()
    }
}

impl HttpSend for ScriptedHttp {
    fn send(&self, request: Request<Bytes>, options: SendOptions) -> BoxFuture<'_, Answered> {
        let answer = (self.rule)(&request);
        self.seen.lock().unwrap().push((request, options));
        Box::pin(std::future::ready(answer))
    }
}

pub(crate) fn answer(status: u16, body: impl Into<String>) -> Answered {
    Ok(Response::builder().status(status).body(Bytes::from(body.into())).unwrap())
}

pub(crate) fn broken(kind: HttpErrorKind) -> Answered {
    Err(HttpError::new(kind, "scripted"))
}

/// Drives `call` to its end; the pauses before a request is tried again pass at once.
pub(crate) async fn drive<T>(clock: &TestClock, call: impl Future<Output = T>) -> T {
    let mut call = std::pin::pin!(call);
    std::future::poll_fn(|cx| {
        loop {
            match (call.as_mut().poll(cx), clock.next_wake()) {
                (Poll::Pending, Some(pause)) if pause <= Duration::from_millis(400) => clock.advance(pause),
                (polled, _) => return polled,
            }
        }
    })
    .await
}

/// A session that ends on 2 January 2026, with secrets that a search for `fake` finds.
pub(crate) fn session(id: &str) -> String {
    format!(
        r#"{{"Code":"Success","AccessKeyId":"{id}","AccessKeySecret":"fake-secret","SecurityToken":"fake-token",
            "Expiration":"2026-01-02T03:04:05Z"}}"#
    )
}
