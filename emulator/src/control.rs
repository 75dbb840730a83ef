//! The control paths, for loopback clients only: `/_emulator/clock` and `/_emulator/faults`.

use std::net::SocketAddr;
use std::time::Duration;

use axum::body::Body;
use axum::response::Response;
use http::request::Parts;
use http::{Method, StatusCode, header};
use serde::{Deserialize, Serialize};

use crate::clock::Clock;
use crate::fault::Faults;
use crate::fault_list;
use crate::response::json;
use crate::state::State;

pub(crate) const PREFIX: &str = "/_emulator/";

/// The body of a request to change the clock. Without a member it only reads the clock.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct ClockChange {
    offset_seconds: Option<i64>,
    advance_seconds: Option<u64>,
}

#[derive(Serialize)]
struct ClockView {
    now: String,
    offset_seconds: i64,
    frozen: bool,
}

#[derive(Serialize)]
struct FaultsView {
    /// The number of responses that faults are still to change.
    pending: u64,
}

#[derive(Serialize)]
struct ErrorView<'a> {
    error: &'a str,
}

pub(crate) fn handle(state: &State, peer: SocketAddr, parts: &Parts, body: &[u8]) -> Response {
    if !peer.ip().to_canonical().is_loopback() {
        return error(StatusCode::FORBIDDEN, "only loopback clients may control the emulator");
    }
    match (parts.uri.path().strip_prefix(PREFIX), &parts.method) {
        (Some("clock"), &Method::POST) => change_clock(&state.clock, body),
        (Some("clock"), _) => error(StatusCode::METHOD_NOT_ALLOWED, "use POST"),
        (Some("faults"), &Method::POST) => add_faults(&state.faults, body),
        (Some("faults"), &Method::DELETE) => {
            state.faults.clear();
            pending(&state.faults)
        }
        (Some("faults"), _) => error(StatusCode::METHOD_NOT_ALLOWED, "use POST to add faults, DELETE to forget all"),
        _ => error(StatusCode::NOT_FOUND, "no such control path"),
    }
}

fn change_clock(clock: &Clock, body: &[u8]) -> Response {
    let change: Result<ClockChange, _> =
        if body.is_empty() { Ok(ClockChange::default()) } else { serde_json::from_slice(body) };
    match change {
        Ok(ClockChange { offset_seconds: None, advance_seconds: None }) => {}
        Ok(ClockChange { offset_seconds: Some(seconds), advance_seconds: None }) => clock.set_offset(seconds),
        Ok(ClockChange { offset_seconds: None, advance_seconds: Some(seconds) }) => {
            clock.advance(Duration::from_secs(seconds));
        }
        _ => return error(StatusCode::BAD_REQUEST, r#"send {"offset_seconds": N} or {"advance_seconds": N}"#),
    }
    let now = clock.now().format("%Y-%m-%dT%H:%M:%S%.3fZ").to_string();
    json_response(
        StatusCode::OK,
        json(&ClockView { now, offset_seconds: clock.offset_seconds(), frozen: clock.is_frozen() }),
    )
}

fn add_faults(faults: &Faults, body: &[u8]) -> Response {
    match fault_list::parse(body) {
        Ok(list) => {
            list.into_iter().for_each(|(route, fault)| faults.add(&route, fault));
            pending(faults)
        }
        Err(reason) => error(StatusCode::BAD_REQUEST, &reason),
    }
}

fn pending(faults: &Faults) -> Response {
    json_response(StatusCode::OK, json(&FaultsView { pending: faults.pending() }))
}

fn error(status: StatusCode, reason: &str) -> Response {
    json_response(status, json(&ErrorView { error: reason }))
}

fn json_response(status: StatusCode, body: impl Into<Body>) -> Response {
    let mut response = Response::new(body.into());
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, header::HeaderValue::from_static("application/json"));
    response
}
