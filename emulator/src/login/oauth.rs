//! OAuth: `/v1/token` takes a refresh token and gives new tokens, `/v1/exchange` takes an access token and gives a session.

use chrono::{DateTime, Duration, Utc};
use serde::Serialize;

use super::{bearer, is_json, session};
use crate::clock::utc;
use crate::logins::{CLIENTS, Kind, OAUTH_SECONDS};
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

pub(super) fn token(state: &State, request: &Request, now: DateTime<Utc>) -> PlainResponse {
    let content_type = request.header("content-type").unwrap_or_default();
    if !content_type.starts_with("application/x-www-form-urlencoded") || !request.query.is_empty() {
        return refusal(state, 400, "invalid_request", "The parameters have to be a form in the body.");
    }
    if request.first("grant_type") != Some("refresh_token") {
        return refusal(state, 400, "unsupported_grant_type", "The grant type is not supported.");
    }
    let client = request.first("client_id").unwrap_or_default();
    if !CLIENTS.contains(&client) {
        return refusal(state, 401, "invalid_client", "There is no such client.");
    }
    let Some(refresh_token) = request.first("refresh_token").filter(|token| !token.is_empty()) else {
        return refusal(state, 400, "invalid_request", "The refresh token is missing.");
    };
    // It is spent even where its response gets lost.
    let Some(client) = state.logins.spend(refresh_token).filter(|issued_to| *issued_to == client) else {
        return refusal(state, 400, "invalid_grant", "The refresh token is invalid, expired, revoked or was used.");
    };
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
