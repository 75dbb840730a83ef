//! STS GenerateSessionAccessKey: a session key for a call that is signed with an RSA key pair.

use chrono::Duration;
use serde::Serialize;

use crate::clock::utc;
use crate::grant::{duration, round_up};
use crate::invocation::Invocation;
use crate::response::{ApiResult, json};
use crate::sessions::SessionKey;

/// As Go's client limits it.
const MAX_SECONDS: u32 = 3_600;

pub(crate) fn generate(call: &Invocation<'_>) -> ApiResult<String> {
    let seconds = duration(call.parameters, MAX_SECONDS)?;
    let seconds = call.state.settings.session_seconds.map_or(seconds, |max| max.min(seconds));
    let random = &call.state.random;
    let key = SessionKey {
        access_key_id: format!("TMPSK.{}", random.alphanumeric(24)),
        secret: random.alphanumeric(44),
        expires: round_up(call.now) + Duration::seconds(i64::from(seconds)),
    };
    let body = json(&GenerateSessionAccessKeyResponse {
        request_id: call.request_id,
        session_access_key: SessionAccessKey {
            session_access_key_id: &key.access_key_id,
            session_access_key_secret: &key.secret,
            expiration: utc(key.expires),
        },
    });
    call.state.session_keys.add(key, call.now);
    Ok(body)
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct GenerateSessionAccessKeyResponse<'a> {
    request_id: &'a str,
    session_access_key: SessionAccessKey<'a>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct SessionAccessKey<'a> {
    session_access_key_id: &'a str,
    session_access_key_secret: &'a str,
    expiration: String,
}
