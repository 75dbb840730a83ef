//! The control path: `/_emulator/clock`, for loopback clients only.

use std::net::SocketAddr;
use std::time::Duration;

use axum::body::Body;
use axum::response::Response;
use http::{Method, StatusCode, header};
use serde::{Deserialize, Serialize};

use crate::answer::json;
use crate::clock::Clock;

pub(crate) const PREFIX: &str = "/_emulator/";

/// Either member, or none to only read the clock.
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

pub(crate) fn answer(clock: &Clock, peer: SocketAddr, method: &Method, path: &str, body: &[u8]) -> Response {
    if !peer.ip().to_canonical().is_loopback() {
        return plain(StatusCode::FORBIDDEN, r#"{"error":"only loopback clients may control the emulator"}"#);
    }
    match (path.strip_prefix(PREFIX), method) {
        (Some("clock"), &Method::POST) => {}
        (Some("clock"), _) => return plain(StatusCode::METHOD_NOT_ALLOWED, r#"{"error":"use POST"}"#),
        _ => return plain(StatusCode::NOT_FOUND, r#"{"error":"no such control path"}"#),
    }
    let change: Result<ClockChange, _> =
        if body.is_empty() { Ok(ClockChange::default()) } else { serde_json::from_slice(body) };
    match change {
        Ok(ClockChange { offset_seconds: None, advance_seconds: None }) => {}
        Ok(ClockChange { offset_seconds: Some(seconds), advance_seconds: None }) => clock.set_offset(seconds),
        Ok(ClockChange { offset_seconds: None, advance_seconds: Some(seconds) }) => {
            clock.advance(Duration::from_secs(seconds));
        }
        _ => {
            return plain(
                StatusCode::BAD_REQUEST,
                r#"{"error":"send {\"offset_seconds\": N} or {\"advance_seconds\": N}"}"#,
            );
        }
    }
    let now = clock.now().format("%Y-%m-%dT%H:%M:%S%.3fZ").to_string();
    plain(StatusCode::OK, json(&ClockView { now, offset_seconds: clock.offset_seconds(), frozen: clock.is_frozen() }))
}

fn plain(status: StatusCode, body: impl Into<Body>) -> Response {
    let mut response = Response::new(body.into());
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, header::HeaderValue::from_static("application/json"));
    response
}
