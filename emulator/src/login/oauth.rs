//! OAuth: `/oauth2/v1/auth` is the page on which a person logs in, `/v1/token` takes its code or a refresh token and gives new
//! tokens, `/v1/exchange` takes an access token and gives a session.

use chrono::{DateTime, Duration, Utc};
use serde::Serialize;

use super::{bearer, is_json, session};
use crate::clock::utc;
use crate::logins::{CLIENTS, Kind, OAUTH_SECONDS};
use crate::pending_logins::{LoginDecision, is_challenge, is_verified};
use crate::request::Request;
use crate::response::{PlainResponse, json};
use crate::state::State;

/// An access token has to last so long when it is exchanged.
const LEAST_LEFT: Duration = Duration::minutes(15);

#[derive(Serialize)]
struct TokenResponse<'a> {
    access_token: &'a str,
    refresh_token: &'a str,
    expires_in: i64,
    token_type: &'a str,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ExchangeResponse<'a> {
    request_id: &'a str,
    access_key_id: &'a str,
    access_key_secret: &'a str,
    security_token: &'a str,
    expiration: String,
}

#[derive(Serialize)]
struct Refusal<'a> {
    error: &'a str,
    error_description: &'a str,
    #[serde(rename = "requestId")]
    request_id: &'a str,
}

/// The ports on loopback to which the clients may send a browser back.
const REDIRECT_PORTS: std::ops::RangeInclusive<u16> = 12_345..=12_349;

/// The page. What is wrong with its address is said on it: a browser is sent nowhere but where its client may send it.
pub(super) fn authorize(state: &State, request: &Request, now: DateTime<Utc>) -> PlainResponse {
    let given = |name: &str| request.first(name).unwrap_or_default();
    let wrong = |what: &str| PlainResponse::text(400, format!("The address of this page has no valid {what}."));
    let Some(client) = CLIENTS.into_iter().find(|client| *client == given("client_id")) else {
        return wrong("client_id");
    };
    let redirect_uri = given("redirect_uri");
    let is_registered = |port: u16| redirect_uri == format!("http://127.0.0.1:{port}/cli/callback");
    if !REDIRECT_PORTS.into_iter().any(is_registered) {
        return wrong("redirect_uri");
    }
    if given("response_type") != "code" {
        return wrong("response_type");
    }
    if given("code_challenge_method") != "S256" || !is_challenge(given("code_challenge")) {
        return wrong("code_challenge of the method S256");
    }
    let state_parameter = given("state");
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    if state_parameter.is_empty() || !state_parameter.bytes().all(is_plain) {
        return wrong("state");
    }
    let answer = match state.pending_logins.decision() {
        LoginDecision::Leave => return PlainResponse::text(200, "Log in?"),
        LoginDecision::Deny => "error=access_denied".to_owned(),
        LoginDecision::Approve => {
            let challenge = given("code_challenge");
            let code = state.pending_logins.issue_code(&state.random, client, redirect_uri, challenge, now);
            format!("code={code}")
        }
    };
    let location = format!("{redirect_uri}?{answer}&state={state_parameter}");
    PlainResponse::text(302, "").with_headers([("location".to_owned(), location)])
}

pub(super) fn token(state: &State, request: &Request, now: DateTime<Utc>) -> PlainResponse {
    let content_type = request.header("content-type").unwrap_or_default();
    if !content_type.starts_with("application/x-www-form-urlencoded") || !request.query.is_empty() {
        return refusal(state, 400, "invalid_request", "The parameters have to be a form in the body.");
    }
    let grant_type = request.first("grant_type").unwrap_or_default();
    if !["authorization_code", "refresh_token"].contains(&grant_type) {
        return refusal(state, 400, "unsupported_grant_type", "The grant type is not supported.");
    }
    let Some(client) = CLIENTS.into_iter().find(|client| Some(*client) == request.first("client_id")) else {
        return refusal(state, 401, "invalid_client", "There is no such client.");
    };
    if grant_type == "authorization_code" {
        return redeem(state, request, client, now);
    }
    let Some(refresh_token) = request.first("refresh_token").filter(|token| !token.is_empty()) else {
        return refusal(state, 400, "invalid_request", "The refresh token is missing.");
    };
    // It is spent even where its response gets lost.
    let Some(client) = state.logins.spend(refresh_token).filter(|issued_to| *issued_to == client) else {
        return refusal(state, 400, "invalid_grant", "The refresh token is invalid, expired, revoked or was used.");
    };
    issue(state, client, now)
}

/// Gives the tokens of a code. It is spent even where something else is wrong.
fn redeem(state: &State, request: &Request, client: &'static str, now: DateTime<Utc>) -> PlainResponse {
    let given = |name: &str| request.first(name).filter(|value| !value.is_empty());
    let parameters = (given("code"), given("redirect_uri"), given("code_verifier"));
    let (Some(code), Some(redirect_uri), Some(verifier)) = parameters else {
        return refusal(state, 400, "invalid_request", "The code, the redirect_uri or the code_verifier is missing.");
    };
    let code = state.pending_logins.take_code(code, now).filter(|code| {
        code.client == client && code.redirect_uri == redirect_uri && is_verified(verifier, &code.challenge)
    });
    match code {
        Some(_) => issue(state, client, now),
        None => refusal(state, 400, "invalid_grant", "The code is invalid, expired, was used or is another client's."),
    }
}

fn issue(state: &State, client: &'static str, now: DateTime<Utc>) -> PlainResponse {
    let tokens = state.logins.oauth(&state.random, client, now);
    let response = TokenResponse {
        access_token: &tokens.access_token,
        refresh_token: tokens.refresh_token.as_deref().unwrap_or_default(),
        expires_in: OAUTH_SECONDS,
        token_type: "Bearer",
    };
    PlainResponse::json(200, json(&response))
}

pub(super) fn exchange(state: &State, request: &Request, now: DateTime<Utc>) -> PlainResponse {
    if !is_json(request) || !request.body.is_empty() || !request.query.is_empty() {
        return refusal(state, 400, "invalid_request", "The request has to be JSON, with an empty body.");
    }
    let expires = bearer(request).and_then(|token| state.logins.expiration(&token, Kind::OAuth));
    match expires {
        None => refusal(state, 401, "invalid_token", "The access token is invalid."),
        Some(expires) if expires <= now => refusal(state, 401, "expired_token", "The access token has expired."),
        Some(expires) if expires - now < LEAST_LEFT => {
            refusal(state, 400, "invalid_token", "The access token expires within 15 minutes.")
        }
        Some(_) => {
            let session = session(state, "oauth", now);
            let response = ExchangeResponse {
                request_id: &state.random.request_id(),
                access_key_id: &session.access_key_id,
                access_key_secret: &session.secret,
                security_token: &session.token,
                expiration: utc(session.expires),
            };
            PlainResponse::json(200, json(&response))
        }
    }
}

fn refusal(state: &State, status: u16, error: &str, description: &str) -> PlainResponse {
    let request_id = state.random.request_id();
    PlainResponse::json(status, json(&Refusal { error, error_description: description, request_id: &request_id }))
}
