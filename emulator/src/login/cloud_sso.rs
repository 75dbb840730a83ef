//! CloudSSO: `/cloud-credentials` takes an access token and gives a session of an access configuration in an account.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::{bearer, is_json, session};
use crate::account::ACCOUNT_ID;
use crate::clock::utc;
use crate::logins::Kind;
use crate::request::Request;
use crate::response::{PlainResponse, json};
use crate::state::State;

/// The access configuration of the fixed account.
pub(crate) const ACCESS_CONFIGURATION: &str = "ac-emulator";

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct Wanted {
    account_id: String,
    access_configuration_id: String,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct CredentialsResponse<'a> {
    request_id: &'a str,
    cloud_credential: CloudCredential<'a>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct CloudCredential<'a> {
    access_key_id: &'a str,
    access_key_secret: &'a str,
    security_token: &'a str,
    expiration: String,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Refusal<'a> {
    error_code: &'a str,
    error_message: &'a str,
    request_id: &'a str,
}

pub(super) fn credentials(state: &State, request: &Request, now: DateTime<Utc>) -> PlainResponse {
    let wanted = serde_json::from_slice::<Wanted>(&request.body).ok().filter(|_| is_json(request));
    let Some(wanted) = wanted else {
        let message = "The body has to be JSON with AccountId and AccessConfigurationId.";
        return refusal(state, 400, "InvalidParameter", message);
    };
    if let Some(refused) = refuse_token(state, bearer(request), now) {
        return refused;
    }
    if wanted.account_id != ACCOUNT_ID || wanted.access_configuration_id != ACCESS_CONFIGURATION {
        let message = "The user is not assigned this access configuration in this account.";
        return refusal(state, 403, "AccessDenied", message);
    }
    let session = session(state, "cloud-sso", now);
    let cloud_credential = CloudCredential {
        access_key_id: &session.access_key_id,
        access_key_secret: &session.secret,
        security_token: &session.token,
        expiration: utc(session.expires),
    };
    let request_id = &state.random.request_id();
    PlainResponse::json(200, json(&CredentialsResponse { request_id, cloud_credential }))
}

/// Returns the refusal of an access token that is not valid now.
pub(super) fn refuse_token(state: &State, token: Option<String>, now: DateTime<Utc>) -> Option<PlainResponse> {
    match token.and_then(|token| state.logins.expiration(&token, Kind::CloudSso)) {
        None => Some(refusal(state, 401, "InvalidAccessToken", "The access token is invalid.")),
        Some(expires) if expires <= now => {
            Some(refusal(state, 401, "AccessTokenExpired", "The access token has expired."))
        }
        Some(_) => None,
    }
}

pub(super) fn refusal(state: &State, status: u16, error_code: &str, error_message: &str) -> PlainResponse {
    let request_id = &state.random.request_id();
    PlainResponse::json(status, json(&Refusal { error_code, error_message, request_id }))
}
