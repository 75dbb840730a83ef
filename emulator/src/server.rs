//! The path of a request through the emulator: body, log, faults, route, authentication, product, response.

use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, to_bytes};
use axum::extract::{ConnectInfo, Request as HttpRequest, State as Shared};
use axum::response::Response;
use bytes::Bytes;
use http::Method;
use http::request::Parts;
use tokio::sync::oneshot;

use crate::authenticate::{authenticate, authenticate_key_pair, check_given_timestamp};
use crate::fault_body::apply_fault;
use crate::invocation::Invocation;
use crate::listener::{Incoming, Peer};
use crate::log::{Call, Slot};
use crate::request::{Request, Style, header_text, wants_close};
use crate::response::{ApiError, ApiResult, PlainResponse, ResponseContext, set_extra_headers};
use crate::route::{Product, Route};
use crate::state::State;
use crate::target::{Service, Target};
use crate::{control, imm, login, metadata, oidc, oss, saml, sls, sts};

/// Maximum size of a request body in bytes, except for OSS. No documented request needs more.
const BODY_LIMIT: usize = 1024 * 1024;

/// Serves until the sender of `stop` is dropped.
pub(crate) async fn serve(incoming: Incoming, state: Arc<State>, stop: oneshot::Receiver<()>) {
    let router = axum::Router::new().fallback(handle).with_state(state);
    let service = router.into_make_service_with_connect_info::<Peer>();
    let stopped = async {
        let _ = stop.await;
    };
    let _ = axum::serve(incoming, service).with_graceful_shutdown(stopped).await;
}

async fn handle(
    Shared(state): Shared<Arc<State>>,
    ConnectInfo(peer): ConnectInfo<Peer>,
    request: HttpRequest,
) -> Response {
    let (parts, body) = request.into_parts();
    let for_oss = oss::matches(&parts);
    let body = read_body(body, for_oss).await;
    if parts.uri.path().starts_with(control::PREFIX) {
        return control::handle(&state, peer.address, &parts, &body.unwrap_or_default());
    }
    let (body, broken) = match body {
        Ok(body) => (body, None),
        Err(error) => (Bytes::new(), Some(error)),
    };
    let request = Request::new(&parts, body);
    let target = Target::of(&request, for_oss);
    let slot = state.log.begin(log_entry(&state, &parts, &target));
    let fault = state.faults.next(target.product(), &target.action);
    if let Some(fault) = &fault {
        delay_response(fault.delay).await;
    }
    let error = fault.as_ref().and_then(|fault| fault.error()).or(broken);
    let mut response = match target.service {
        Service::OpenApi(product) => open_api(&state, &parts, &request, product, target.xml, slot, error),
        Service::Oss => oss::handle(&state, &request, slot, error, wants_close(&parts)),
        Service::Sls => sls::handle(&state, &request, slot, error, wants_close(&parts)),
        Service::Metadata | Service::CredentialsUri | Service::Login(_) => {
            let response = error.map_or_else(|| local_service(&state, &request, target.service), PlainResponse::error);
            state.log.finish(slot, response.status, None);
            response.respond(state.clock.now(), wants_close(&parts))
        }
    };
    let Some(fault) = fault else { return response };
    // Set here, so that every response gets them, including the fault's own error.
    set_extra_headers(response.headers_mut(), &fault.headers);
    if fault.corrupts_response() { apply_fault(response, &fault, &peer.reset).await } else { response }
}

/// Serves the metadata service, the credentials URI and the logins, which need no signature.
fn local_service(state: &State, request: &Request, service: Service) -> PlainResponse {
    let now = state.clock.now();
    match service {
        Service::Metadata => metadata::handle(state, request, now),
        Service::Login(path) => login::handle(state, request, path, now),
        _ if request.method == Method::GET => {
            let max_seconds = state.settings.session_seconds;
            PlainResponse::json(200, state.uri.json(&state.sessions, &state.random, max_seconds, now, false))
        }
        _ => PlainResponse::text(405, "Method Not Allowed"),
    }
}

fn open_api(
    state: &State,
    parts: &Parts,
    request: &Request,
    product: Option<Product>,
    xml: bool,
    slot: Slot,
    error: Option<ApiError>,
) -> Response {
    let request_id = state.random.request_id();
    let result = match error {
        Some(error) => Err(error),
        None => invoke(state, request, slot, &request_id),
    };
    let host = header_text(&parts.headers, "host").unwrap_or_default();
    let context = ResponseContext {
        now: state.clock.now(),
        random: &state.random,
        request_id: &request_id,
        host: &host,
        product: product.map_or("", Product::code),
        xml,
        close: wants_close(parts),
    };
    let (response, code) = match result {
        Ok(json) => (context.success(json), None),
        Err(error) => (context.error(&error), Some(error.code)),
    };
    state.log.finish(slot, response.status().as_u16(), code.as_deref());
    response
}

/// Runs the operation and returns its JSON, with the RequestId.
fn invoke(state: &State, request: &Request, slot: Slot, request_id: &str) -> ApiResult<String> {
    request.check_query()?;
    // In version 1 the action is a parameter too, so contradicting parameters are rejected first.
    let signed_parameters = match request.style() {
        Style::Parameters => Some(request.parameters()?),
        Style::Headers => None,
    };
    let route = Route::find(request, signed_parameters.as_ref())?;
    let now = state.clock.now();
    let caller = if route.is_unsigned() {
        check_given_timestamp(request, now)?;
        None
    } else if route.is_by_key_pair() {
        Some(authenticate_key_pair(state, request, signed_parameters.as_ref(), now)?)
    } else {
        Some(authenticate(state, request, signed_parameters.as_ref(), now)?)
    };
    if let Some(session) = caller.as_ref().and_then(|caller| caller.session()) {
        state.log.authenticated(slot, &session.name);
    }
    if route.product == Product::Sts {
        state.throttle.check(now)?;
        request.check_content_type()?;
    }
    let parameters = match signed_parameters {
        Some(parameters) => parameters,
        None => request.parameters()?,
    };
    let Some(caller) = &caller else {
        return match route.action.as_str() {
            sts::WITH_SAML => saml::assume_role(state, &parameters, now, request_id),
            _ => oidc::assume_role(state, &parameters, now, request_id),
        };
    };
    let call = Invocation { state, caller, parameters: &parameters, now, request_id, region: &route.region };
    match route.product {
        Product::Sts => sts::invoke(&call, &route.action),
        Product::Imm => imm::invoke(&call, &route.action),
    }
}

async fn read_body(body: Body, for_oss: bool) -> ApiResult<Bytes> {
    let limit = if for_oss { oss::LARGEST } else { BODY_LIMIT };
    to_bytes(body, limit).await.map_err(|_| match for_oss {
        true => oss::too_large(),
        false => ApiError::new(413, "RequestEntityTooLarge", "The request body is larger than 1 MiB, or it broke off."),
    })
}

/// Delays a response by tokio's clock, so that a paused runtime does not really wait.
#[allow(clippy::disallowed_methods)]
async fn delay_response(delay: Duration) {
    if !delay.is_zero() {
        tokio::time::sleep(delay).await;
    }
}

fn log_entry(state: &State, parts: &Parts, target: &Target) -> Call {
    Call {
        method: parts.method.to_string(),
        product: target.product(),
        action: target.action.clone(),
        version: target.version.clone(),
        access_key_id: target.access_key_id.clone(),
        session: None,
        host: header_text(&parts.headers, "host").unwrap_or_default(),
        path_and_query: parts.uri.path_and_query().map(ToString::to_string).unwrap_or_default(),
        status: 0,
        code: None,
        at: state.clock.system_time(),
    }
}
