//! The way of a request through the emulator: log, faults, body, route, identity, product, answer.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, to_bytes};
use axum::extract::{ConnectInfo, Request as HttpRequest, State as Shared};
use axum::response::Response;
use axum::serve::ListenerExt;
use bytes::Bytes;
use http::header;
use http::request::Parts;
use tokio::net::TcpListener;
use tokio::sync::oneshot;

use crate::answer::{Answering, Outcome, Refusal};
use crate::authenticate::authenticate;
use crate::call::Invocation;
use crate::clock::Clock;
use crate::fault::Faults;
use crate::imm::{self, Projects};
use crate::log::{Call, Log, Slot};
use crate::random::Random;
use crate::request::{Request, header_text, wants_close};
use crate::route::{Product, Route};
use crate::sessions::{Nonces, Sessions};
use crate::signature::Authorization;
use crate::{control, sts};

/// More than any documented project or STS request needs.
const BODY_LIMIT: usize = 1024 * 1024;

/// Everything the emulator knows.
pub(crate) struct State {
    pub(crate) clock: Clock,
    pub(crate) random: Random,
    pub(crate) sessions: Sessions,
    pub(crate) nonces: Nonces,
    pub(crate) projects: Projects,
    pub(crate) log: Log,
    pub(crate) faults: Faults,
    /// Caps what AssumeRole grants.
    pub(crate) session_seconds: Option<u32>,
}

/// Serves until `stop` is dropped.
pub(crate) async fn serve(listener: TcpListener, state: Arc<State>, stop: oneshot::Receiver<()>) {
    let router = axum::Router::new().fallback(answer).with_state(state);
    let service = router.into_make_service_with_connect_info::<SocketAddr>();
    let listener = listener.tap_io(|stream| {
        // Answers are small; waiting to fill a packet only makes tests slow.
        let _ = stream.set_nodelay(true);
    });
    let stopped = async {
        let _ = stop.await;
    };
    let _ = axum::serve(listener, service).with_graceful_shutdown(stopped).await;
}

async fn answer(
    Shared(state): Shared<Arc<State>>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    request: HttpRequest,
) -> Response {
    let (parts, body) = request.into_parts();
    if parts.uri.path().starts_with(control::PREFIX) {
        let body = read_body(body).await.unwrap_or_default();
        return control::answer(&state.clock, peer, &parts.method, parts.uri.path(), &body);
    }
    let slot = state.log.arrived(log_entry(&state, &parts));
    let result = outcome(&state, &parts, body, slot).await;
    finish(&state, &parts, slot, result)
}

/// The JSON of a success, with the RequestId in it, or the refusal.
struct Reply {
    request_id: String,
    result: Outcome<String>,
}

async fn outcome(state: &State, parts: &Parts, body: Body, slot: Slot) -> Reply {
    let request_id = state.random.request_id();
    let product = Product::of_version(&header_text(&parts.headers, "x-acs-version").unwrap_or_default());
    let action = header_text(&parts.headers, "x-acs-action").unwrap_or_default();
    if let Some(fault) = product.and_then(|product| state.faults.next(product.code(), &action)) {
        hold_back(fault.delay).await;
        if let Some(refusal) = fault.refusal() {
            return Reply { request_id, result: Err(refusal) };
        }
    }
    let result = match read_body(body).await {
        Ok(body) => invoke(state, parts, body, slot, &request_id),
        Err(refusal) => Err(refusal),
    };
    Reply { request_id, result }
}

fn invoke(state: &State, parts: &Parts, body: Bytes, slot: Slot, request_id: &str) -> Outcome<String> {
    let request = Request::new(parts, body)?;
    let route = Route::find(&request)?;
    let now = state.clock.now();
    let caller = authenticate(state, &request, now)?;
    if let Some(session) = caller.session() {
        state.log.proven(slot, &session.name);
    }
    if route.product == Product::Sts {
        request.check_content_type()?;
    }
    let parameters = request.parameters()?;
    let call = Invocation { state, caller: &caller, parameters: &parameters, now, request_id, region: &route.region };
    match route.product {
        Product::Sts => sts::invoke(&call, &route.action),
        Product::Imm => imm::invoke(&call, &route.action),
    }
}

fn finish(state: &State, parts: &Parts, slot: Slot, reply: Reply) -> Response {
    let host = header_text(&parts.headers, "host").unwrap_or_default();
    let version = header_text(&parts.headers, "x-acs-version").unwrap_or_default();
    let answering = Answering {
        now: state.clock.now(),
        random: &state.random,
        request_id: &reply.request_id,
        host: &host,
        product: Product::of_version(&version).map_or("", Product::code),
        xml: wants_xml(parts),
        close: wants_close(parts),
    };
    let (response, code) = match reply.result {
        Ok(json) => (answering.success(json), None),
        Err(refusal) => (answering.refusal(&refusal), Some(refusal.code)),
    };
    state.log.answered(slot, response.status().as_u16(), code.as_deref());
    response
}

async fn read_body(body: Body) -> Outcome<Bytes> {
    to_bytes(body, BODY_LIMIT).await.map_err(|_| {
        Refusal::new(413, "RequestEntityTooLarge", "The request body is larger than 1 MiB, or it broke off.")
    })
}

/// An emulated slow network. Timed by tokio, so that a paused runtime does not really wait.
#[allow(clippy::disallowed_methods)]
async fn hold_back(delay: Duration) {
    if !delay.is_zero() {
        tokio::time::sleep(delay).await;
    }
}

fn log_entry(state: &State, parts: &Parts) -> Call {
    let text = |name: &str| header_text(&parts.headers, name);
    let authorization = text("authorization").and_then(|text| Authorization::parse(&text).ok());
    Call {
        method: parts.method.to_string(),
        action: text("x-acs-action").unwrap_or_default(),
        version: text("x-acs-version").unwrap_or_default(),
        access_key_id: authorization.map(|authorization| authorization.access_key_id),
        session: None,
        host: text("host").unwrap_or_default(),
        path_and_query: parts.uri.path_and_query().map(ToString::to_string).unwrap_or_default(),
        status: 0,
        code: None,
        at: state.clock.system_time(),
    }
}

/// `Format=XML`, else an `accept` header that asks for XML. Successes are always JSON.
fn wants_xml(parts: &Parts) -> bool {
    let query = parts.uri.query().unwrap_or_default().split('&');
    let format = query.filter_map(|pair| pair.split_once('=')).find(|(name, _)| *name == "Format");
    match format {
        Some((_, format)) if !format.is_empty() => format.eq_ignore_ascii_case("xml"),
        _ => {
            let accept = header_text(&parts.headers, header::ACCEPT.as_str()).unwrap_or_default().to_ascii_lowercase();
            accept.starts_with("application/xml") || accept.starts_with("text/xml")
        }
    }
}
