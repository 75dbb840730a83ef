//! The metadata service: its addresses and limits, what is tried again, and when it may be asked without a token.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, header};
use zeroize::Zeroizing;

use crate::context::{Context, Dates, HttpError, HttpErrorKind, SendOptions, with_retries};
use crate::error::{Error, ErrorKind};
use crate::rpc;
use crate::session_json::Origin;

pub(super) const HOST: &str = "100.100.100.200";
/// The same in every official SDK, and not to be changed from outside: a setting would choose the identity. The IPv6
/// address is the one that instances with IPv6 have, as cloud-init knows it.
const HOSTS: [&str; 2] = [HOST, "[fd00:100::100:200]"];

const TOKEN_PATH: &str = "/latest/api/token";
const TOKEN: &str = "x-aliyun-ecs-metadata-token";
const TOKEN_TTL: &str = "x-aliyun-ecs-metadata-token-ttl-seconds";
/// The longest that the service grants.
const TOKEN_SECONDS: u64 = 21_600;
/// A token is not used in its last minute.
const TOKEN_MARGIN: Duration = Duration::from_secs(60);
/// The largest answer: credentials have about 1 KiB.
const MAX_BODY: usize = 16 * 1024;

/// The effort to make before there was any response.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Effort {
    /// The official SDKs' second, one more attempt, and the other address where no connection can be made.
    Full,
    /// One short attempt at one address: most likely there is nobody.
    Probe,
}

impl Effort {
    fn options(self) -> SendOptions {
        // Connecting gets less than the whole, so that a silent service can be told from an absent one.
        let (connect, whole) = match self {
            Self::Full => (900, 1000),
            Self::Probe => (200, 250),
        };
        SendOptions {
            connect_timeout: Duration::from_millis(connect),
            timeout: Duration::from_millis(whole),
            max_body: MAX_BODY,
            // A proxy would answer with its own machine's role.
            proxy: false,
            address: None,
        }
    }
}

/// The service, and what is known of it.
pub(super) struct Service {
    pub(super) context: Context,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    token: Option<Token>,
    /// Which of [`HOSTS`] took the last connection.
    host: usize,
    /// There was a response before.
    answered: bool,
}

struct Token {
    text: Zeroizing<String>,
    /// Wall and boot time just before it was asked for.
    since: (Duration, Duration),
}

struct Ask<'a> {
    method: Method,
    path: &'a str,
    headers: HeaderMap,
}

impl Service {
    pub(super) fn new(context: Context) -> Self {
        Self { context, state: Mutex::default() }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns whether it has ever responded.
    pub(super) fn answered(&self) -> bool {
        self.state().answered
    }

    /// The item at `path`, whatever the status. `v1`: a service that grants no tokens may be asked without.
    pub(super) async fn get(&self, path: &str, effort: Effort, v1: bool) -> Result<Response<Bytes>, Error> {
        let mut renewed = false;
        loop {
            let token = self.token(effort, v1).await?;
            let has_token = token.is_some();
            let headers = token.into_iter().map(|token| (http::HeaderName::from_static(TOKEN), token)).collect();
            let ask = Ask { method: Method::GET, path, headers };
            let answer = self.send(&ask, Effort::Full).await;
            let answer = answer.map_err(|error| {
                rpc::no_answer(HOST, &format!("GET {path}"), &error)
                    .with_remedy("it may pass: the service has answered before")
            })?;
            // It died early: the instance was cloned, or the service restarted.
            if answer.status() == StatusCode::UNAUTHORIZED && has_token && !renewed {
                self.state().token = None;
                renewed = true;
                continue;
            }
            return Ok(answer);
        }
    }

    /// A token for the next request, or `None` where none is granted and `v1` allows to ask without. Only a service that
    /// does not know the request at all grants none: what was refused, or lost, is no reason to ask with less.
    async fn token(&self, effort: Effort, v1: bool) -> Result<Option<HeaderValue>, Error> {
        if let Some(kept) = self.kept_token() {
            return Ok(Some(kept));
        }
        let since = (self.context.now().wall, self.context.boot());
        let ttl = (http::HeaderName::from_static(TOKEN_TTL), HeaderValue::from(TOKEN_SECONDS));
        let ask = Ask { method: Method::PUT, path: TOKEN_PATH, headers: HeaderMap::from_iter([ttl]) };
        let answer = self.send(&ask, effort).await.map_err(|error| no_token(&error, effort))?;
        let origin = Origin { host: HOST, asked: "PUT /latest/api/token", within: "" };
        match answer.status() {
            StatusCode::OK => {
                let text = std::str::from_utf8(answer.body()).unwrap_or_default().trim();
                let Some(value) = token_header(text) else {
                    let message = format!("{HOST} granted a token that no header can carry");
                    return Err(Error::new(ErrorKind::InvalidResponse, message).with_code("InvalidResponse"));
                };
                self.state().token = Some(Token { text: Zeroizing::new(text.to_owned()), since });
                Ok(Some(value))
            }
            StatusCode::NOT_FOUND | StatusCode::METHOD_NOT_ALLOWED if v1 => Ok(None),
            status @ (StatusCode::NOT_FOUND | StatusCode::METHOD_NOT_ALLOWED) => {
                let message = format!("{HOST} grants no tokens, and version 1 of the service is disabled");
                Err(Error::new(ErrorKind::Refused, message)
                    .with_code("TokenUnsupported")
                    .with_http_status(status.as_u16())
                    .with_remedy("unset ALIBABA_CLOUD_IMDSV1_DISABLED where the service has version 1 alone")
                    .permanent())
            }
            status @ StatusCode::FORBIDDEN => Err(origin
                .refused(status, answer.headers())
                .with_remedy("let nothing stand between: the service refuses requests that were forwarded")),
            status => Err(origin.refused(status, answer.headers())),
        }
    }

    /// The kept token while both clocks say that it is good: boot time counts suspend, and the wall clock knows of a machine
    /// that was restored from an image.
    fn kept_token(&self) -> Option<HeaderValue> {
        let now = (self.context.now().wall, self.context.boot());
        let mut state = self.state();
        let token = state.token.as_ref()?;
        let good_for = Duration::from_secs(TOKEN_SECONDS) - TOKEN_MARGIN;
        let is_good = |now: Duration, since: Duration| now.checked_sub(since).is_some_and(|age| age < good_for);
        if is_good(now.0, token.since.0) && is_good(now.1, token.since.1) {
            return token_header(&token.text);
        }
        state.token = None;
        None
    }

    /// One exchange, tried again as `effort` says: one lost packet is no failure, and neither is a service that is busy.
    async fn send(&self, ask: &Ask<'_>, effort: Effort) -> Result<Response<Bytes>, HttpError> {
        if effort == Effort::Probe {
            return self.send_to(0, ask, effort).await;
        }
        // A lost answer is replaced within the exchange.
        with_retries(&self.context, Result::is_ok, || self.send_to_either(ask, effort)).await
    }

    /// One exchange with the host that answered last, or the other where that cannot be connected to.
    async fn send_to_either(&self, ask: &Ask<'_>, effort: Effort) -> Result<Response<Bytes>, HttpError> {
        let host = self.state().host;
        let mut answer = self.send_to(host, ask, effort).await;
        if answer.as_ref().is_err_and(|error| error.kind() != HttpErrorKind::TooLarge) {
            answer = self.send_to(host, ask, effort).await;
        }
        if answer.as_ref().is_err_and(|error| error.kind().is_unconnected())
            && let Ok(other) = self.send_to(1 - host, ask, effort).await
        {
            return Ok(other);
        }
        answer
    }

    async fn send_to(&self, host: usize, ask: &Ask<'_>, effort: Effort) -> Result<Response<Bytes>, HttpError> {
        let mut request = Request::new(Bytes::new());
        *request.method_mut() = ask.method.clone();
        let uri = format!("http://{}{}", HOSTS[host], ask.path).parse();
        *request.uri_mut() = uri.map_err(|_| HttpError::new(HttpErrorKind::Other, "the path cannot be asked for"))?;
        *request.headers_mut() = ask.headers.clone();
        let headers = request.headers_mut();
        headers.insert(header::USER_AGENT, HeaderValue::from_static(rpc::USER_AGENT));
        if ask.method == Method::PUT {
            headers.insert(header::CONTENT_LENGTH, HeaderValue::from_static("0"));
        }
        let answer = self.context.send(request, effort.options(), Dates::Ignored).await;
        let mut state = self.state();
        match &answer {
            Ok(_) => (state.answered, state.host) = (true, host),
            // Too much of an answer is one.
            Err(error) => state.answered |= error.kind() == HttpErrorKind::TooLarge,
        }
        drop(state);
        answer
    }
}

fn token_header(text: &str) -> Option<HeaderValue> {
    let visible = !text.is_empty() && text.len() <= 4096 && text.bytes().all(|byte| byte.is_ascii_graphic());
    let mut value = HeaderValue::from_str(text).ok().filter(|_| visible)?;
    value.set_sensitive(true);
    Some(value)
}

/// Why there is no token, where there was no answer. A connection that is taken and then silent is the signature of the
/// hop limit: the answer to the PUT alone is sent with it, and dies on the way into a container.
fn no_token(error: &HttpError, effort: Effort) -> Error {
    if error.kind() != HttpErrorKind::Timeout {
        return rpc::no_answer(HOST, "PUT /latest/api/token", error)
            .with_remedy("is this an ECS instance, and does its network let the metadata service through?");
    }
    let limit = effort.options().timeout.as_millis();
    let message = format!(
        "{HOST} took the connection and gave no answer to PUT /latest/api/token within {limit} ms; in a container that is \
         the hop limit"
    );
    Error::new(ErrorKind::Unreachable, message)
        .with_code("HopLimit")
        .with_remedy("set the instance's HttpPutResponseHopLimit to 2 or more, or use RRSA in Kubernetes")
        .with_source(error.clone())
}
