//! Scripted traffic: what must be sent, in which order, and what comes back.

use std::collections::{BTreeMap, VecDeque};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use alibabacloud_credentials::{BoxFuture, HttpError, HttpErrorKind, HttpSend, SendOptions};
use bytes::Bytes;
use http::{Request, Response};
use serde_json::Value;

use crate::case::{Answer, Exchange, Wanted};

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
        let unused = state.left.iter().map(|exchange| format!("never sent: {}", exchange.request.action));
        state.problems.iter().cloned().chain(unused).collect()
    }

    fn answer(&self, request: &Request<Bytes>, options: SendOptions) -> Outcome {
        let mut state = self.state();
        state.sent += 1;
        // Without the body: that is where a token belongs.
        let head = format!("{:?} {:?}", request.uri(), request.headers());
        let shown = (request.uri().to_string(), head);
        state.shown.push(shown);
        let authorization = header(request, "authorization");
        let signed = authorization.split_once(",Signature=").filter(|(_, signature)| signature.len() == 64);
        state.signatures.extend(signed.map(|(_, signature)| signature.to_owned()));
        let number = state.sent;
        let Some(exchange) = state.left.pop_front() else {
            state.problems.push(format!("request {number} is not in the script: {}", request.uri()));
            return Outcome::Answer(Err(HttpError::new(HttpErrorKind::Other, "not in the script")));
        };
        let mut wrong = mismatches(&exchange.request, request);
        if exchange.request.signed_by.is_some() && options != SendOptions::default() {
            wrong.push(format!("its bounds are {options:?}"));
        }
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

fn header<'a>(request: &'a Request<Bytes>, name: &str) -> &'a str {
    request.headers().get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
}

/// What of the request is otherwise than wanted.
fn mismatches(wanted: &Wanted, request: &Request<Bytes>) -> Vec<String> {
    let mut wrong = Vec::new();
    let uri = request.uri();
    let header = |name: &str| header(request, name);
    let mut same = |what: &str, has: &str, wants: &str| {
        if has != wants {
            wrong.push(format!("{what} is `{has}` and not `{wants}`"));
        }
    };
    same("the method", request.method().as_str(), &wanted.method);
    same("the scheme", uri.scheme_str().unwrap_or_default(), &wanted.scheme);
    same("the host", uri.authority().map_or("", |authority| authority.as_str()), &wanted.host);
    same("the path", uri.path(), &wanted.path);
    let query = query(uri.query().unwrap_or_default());
    if wanted.signed_by.is_some() {
        same("the Host header", header("host"), &wanted.host);
        same("the action", header("x-acs-action"), &wanted.action);
        same("the version", header("x-acs-version"), "2015-04-01");
    } else {
        same("the action", query.get("Action").map_or("", String::as_str), &wanted.action);
    }
    let signer = header("authorization")
        .strip_prefix("ACS3-HMAC-SHA256 Credential=")
        .and_then(|rest| rest.split(',').next())
        .unwrap_or_default();
    same("the signer", signer, wanted.signed_by.as_deref().unwrap_or_default());
    let form = self::query(std::str::from_utf8(request.body()).unwrap_or_default());
    for (name, value) in &wanted.form {
        same(name, form.get(name).map_or("", String::as_str), value);
    }
    for (name, value) in &wanted.query {
        same(name, query.get(name).map_or("", String::as_str), value);
    }
    for (name, value) in &wanted.headers {
        same(name, header(name), value);
    }
    for name in &wanted.without {
        if query.contains_key(name) || request.headers().contains_key(name) {
            wrong.push(format!("{name} is there"));
        }
    }
    for text in &wanted.not_in_url {
        if uri.to_string().contains(text.as_str()) {
            wrong.push(format!("the URL holds {text}"));
        }
    }
    wrong
}

fn query(text: &str) -> BTreeMap<String, String> {
    let pairs = text.split('&').filter_map(|pair| pair.split_once('='));
    pairs.map(|(name, value)| (decode(name), decode(value))).collect()
}

fn decode(text: &str) -> String {
    let mut out = Vec::new();
    let mut rest = text.as_bytes();
    while let [first, tail @ ..] = rest {
        let escaped = tail.get(..2).and_then(|hex| u8::from_str_radix(std::str::from_utf8(hex).ok()?, 16).ok());
        (rest, _) = match (first, escaped) {
            (b'%', Some(byte)) => (&tail[2..], out.push(byte)),
            _ => (tail, out.push(*first)),
        };
    }
    String::from_utf8_lossy(&out).into_owned()
}
