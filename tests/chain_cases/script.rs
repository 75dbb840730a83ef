//! Scripted traffic: what must be sent, in which order, and what comes back.

use std::collections::VecDeque;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use alibabacloud_credentials::{BoxFuture, HttpError, HttpErrorKind, HttpSend, SendOptions};
use bytes::Bytes;
use http::{Request, Response};
use serde_json::Value;

use super::case::{Answer, Exchange};
use super::wanted::{mismatches, signature};

/// A sender that knows its lines. Clones share them.
#[derive(Clone)]
pub(crate) struct Script(Arc<Mutex<State>>);

struct State {
    folder: PathBuf,
    left: VecDeque<Exchange>,
    sent: usize,
    problems: Vec<String>,
    /// URL and `Debug` of each request.
    shown: Vec<(String, String)>,
    signatures: Vec<String>,
}

impl Script {
    pub(crate) fn new(folder: PathBuf, exchanges: Vec<Exchange>) -> Self {
        let left = exchanges.into();
        let (problems, shown, signatures) = (Vec::new(), Vec::new(), Vec::new());
        Self(Arc::new(Mutex::new(State { folder, left, sent: 0, problems, shown, signatures })))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn sent(&self) -> usize {
        self.state().sent
    }

    pub(crate) fn shown(&self) -> Vec<(String, String)> {
        self.state().shown.clone()
    }

    /// The signatures that were sent: they are secrets too.
    pub(crate) fn signatures(&self) -> Vec<String> {
        self.state().signatures.clone()
    }

    /// What went otherwise than written, exchanges that nobody used included.
    pub(crate) fn problems(&self) -> Vec<String> {
        let state = self.state();
        let what = |exchange: &Exchange| exchange.request.action.clone().unwrap_or(exchange.request.path.clone());
        let unused = state.left.iter().map(|exchange| format!("never sent: {}", what(exchange)));
        state.problems.iter().cloned().chain(unused).collect()
    }

    fn answer(&self, request: &Request<Bytes>, options: SendOptions) -> Outcome {
        let mut state = self.state();
        state.sent += 1;
        state.signatures.extend(signature(request).map(str::to_owned));
        // The form is where a token belongs: it is not shown.
        let shown = (request.uri().to_string(), format!("{:?}", request.clone().map(|_| ())));
        if !state.left.front().is_some_and(|exchange| exchange.request.secret_url) {
            state.shown.push(shown);
        }
        let number = state.sent;
        let again = state.left.front_mut().filter(|exchange| exchange.times > 1).map(|exchange| {
            exchange.times -= 1;
            exchange.clone()
        });
        let Some(exchange) = again.or_else(|| state.left.pop_front()) else {
            state.problems.push(format!("request {number} is not in the script: {}", request.uri()));
            return Outcome::Answer(Err(HttpError::new(HttpErrorKind::Other, "not in the script")));
        };
        let wrong = mismatches(&exchange.request, request, options);
        state.problems.extend(wrong.into_iter().map(|wrong| format!("request {number}: {wrong}")));
        match (exchange.answer, exchange.error.as_deref()) {
            (Some(answer), None) => match response(answer, &state.folder) {
                Ok(answer) => Outcome::Answer(Ok(answer)),
                Err(problem) => {
                    state.problems.push(format!("answer {number}: {problem}"));
                    Outcome::Answer(Err(HttpError::new(HttpErrorKind::Other, "bad script")))
                }
            },
            (None, Some("hang")) => Outcome::Hang,
            (None, Some(error)) => Outcome::Answer(Err(broken(error))),
            _ => {
                state.problems.push(format!("exchange {number} needs an answer or an error"));
                Outcome::Hang
            }
        }
    }
}

enum Outcome {
    Answer(Result<Response<Bytes>, HttpError>),
    Hang,
}

impl HttpSend for Script {
    fn send(&self, request: Request<Bytes>, options: SendOptions) -> BoxFuture<'_, Result<Response<Bytes>, HttpError>> {
        match self.answer(&request, options) {
            Outcome::Answer(answer) => Box::pin(std::future::ready(answer)),
            Outcome::Hang => Box::pin(std::future::pending()),
        }
    }
}

fn broken(error: &str) -> HttpError {
    let kind = match error {
        "connect" => HttpErrorKind::Connect,
        "connect_timeout" => HttpErrorKind::ConnectTimeout,
        "timeout" => HttpErrorKind::Timeout,
        "tls" => HttpErrorKind::Tls,
        "too_large" => HttpErrorKind::TooLarge,
        _ => HttpErrorKind::Other,
    };
    HttpError::new(kind, format!("scripted failure ({error})"))
}

fn response(answer: Answer, folder: &std::path::Path) -> Result<Response<Bytes>, String> {
    let body = match (answer.body_file, answer.body_size, answer.body) {
        (Some(file), ..) => std::fs::read(folder.join(file)).map_err(|error| error.to_string())?,
        (None, Some(size), _) => format!("{{\"Filler\":\"{}\"}}", "x".repeat(size)).into_bytes(),
        (None, None, Value::Null) => Vec::new(),
        (None, None, Value::String(text)) => text.into_bytes(),
        (None, None, json) => json.to_string().into_bytes(),
    };
    let mut response = Response::builder().status(answer.status);
    for (name, value) in &answer.headers {
        response = response.header(name, value);
    }
    response.body(body.into()).map_err(|error| error.to_string())
}
