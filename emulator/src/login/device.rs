//! CloudSSO's device flow: `/device-authorization` begins a login, a person opens `/device`, `/token` is polled for the access
//! token.
//!
//! The error codes but `AuthorizationPending` are those of RFC 8628 in this service's spelling: they are not documented.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::cloud_sso::refusal;
use super::is_json;
use crate::logins::CLOUD_SSO_SECONDS;
use crate::pending_logins::{DEVICE_INTERVAL, LoginDecision, NoToken, is_challenge};
use crate::request::Request;
use crate::response::{PlainResponse, json};
use crate::state::State;

/// The client of the `aliyun` CLI.
const CLIENT: &str = "app-vaz16tltdxs96audqf35";
const GRANT_TYPE: &str = "urn:ietf:params:oauth:grant-type:device_code";

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct Begin {
    portal_url: String,
    code_challenge: String,
    client_id: String,
    code_challenge_method: String,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Begun<'a> {
    request_id: &'a str,
    device_code: &'a str,
    user_code: &'a str,
    verification_uri: &'a str,
    verification_uri_complete: &'a str,
    interval: u32,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct Poll {
    code_verifier: String,
    client_id: String,
    device_code: String,
    grant_type: String,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Token<'a> {
    request_id: &'a str,
    access_token: &'a str,
    expires_in: i64,
    token_type: &'a str,
}

pub(super) fn begin(state: &State, request: &Request, now: DateTime<Utc>) -> PlainResponse {
    let begin = serde_json::from_slice::<Begin>(&request.body).ok().filter(|_| is_json(request));
    let Some(begin) = begin else {
        return refusal(
            state,
            400,
            "InvalidParameter",
            "The body has to be JSON with PortalUrl, CodeChallenge, ClientId and CodeChallengeMethod.",
        );
    };
    if begin.client_id != CLIENT {
        return refusal(state, 400, "InvalidClient", "There is no such client.");
    }
    if begin.code_challenge_method != "S256" || !is_challenge(&begin.code_challenge) {
        return refusal(state, 400, "InvalidParameter.CodeChallenge", "The challenge has to be of the method S256.");
    }
    if !begin.portal_url.starts_with("https://") && !begin.portal_url.starts_with("http://127.0.0.1:") {
        return refusal(state, 400, "InvalidParameter.PortalUrl", "The sign-in URL is not valid.");
    }
    let interval = state.settings.device_interval.unwrap_or(DEVICE_INTERVAL);
    let codes = state.pending_logins.add_device(&state.random, &begin.code_challenge, interval, now);
    let host = request.header("host").unwrap_or_default();
    let scheme = if host.starts_with("127.0.0.1") { "http" } else { "https" };
    let uri = format!("{scheme}://{host}/device");
    let begun = Begun {
        request_id: &state.random.request_id(),
        device_code: &codes.device_code,
        user_code: &codes.user_code,
        verification_uri: &uri,
        verification_uri_complete: &format!("{uri}?user_code={}", codes.user_code),
        interval,
    };
    PlainResponse::json(200, json(&begun))
}

/// The page, as a browser opens it.
pub(super) fn visit(state: &State, request: &Request, now: DateTime<Utc>) -> PlainResponse {
    match request.first("user_code").and_then(|code| state.pending_logins.visit(code, now)) {
        Some(LoginDecision::Approve) => PlainResponse::text(200, "The device is logged in."),
        Some(LoginDecision::Deny) => PlainResponse::text(200, "The device is refused."),
        Some(LoginDecision::Leave) => PlainResponse::text(200, "Log in?"),
        None => PlainResponse::text(404, "There is no such code."),
    }
}

pub(super) fn token(state: &State, request: &Request, now: DateTime<Utc>) -> PlainResponse {
    let poll = serde_json::from_slice::<Poll>(&request.body).ok().filter(|_| is_json(request));
    let Some(poll) = poll.filter(|poll| poll.client_id == CLIENT && poll.grant_type == GRANT_TYPE) else {
        return refusal(
            state,
            400,
            "InvalidParameter",
            "The body has to be JSON with CodeVerifier, ClientId, DeviceCode and GrantType.",
        );
    };
    let refused = |code, message| refusal(state, 400, code, message);
    match state.pending_logins.poll_device(&poll.device_code, &poll.code_verifier, now) {
        Ok(()) => {
            let tokens = state.logins.cloud_sso(&state.random, now);
            let token = Token {
                request_id: &state.random.request_id(),
                access_token: &tokens.access_token,
                expires_in: CLOUD_SSO_SECONDS,
                token_type: "Bearer",
            };
            PlainResponse::json(200, json(&token))
        }
        Err(NoToken::Pending) => refused("AuthorizationPending", "The person has not logged in yet."),
        Err(NoToken::TooFast) => refused("SlowDown", "The device polls faster than its interval."),
        Err(NoToken::Denied) => refused("AccessDenied", "The person refused."),
        Err(NoToken::Expired) => refused("ExpiredToken", "The device code has expired."),
        Err(NoToken::Unknown) => refused("InvalidGrant", "The device code is invalid or was used."),
        Err(NoToken::WrongVerifier) => refused("InvalidGrant", "The verifier does not belong to the challenge."),
    }
}
