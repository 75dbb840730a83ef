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
    let request_id = state.random.request_id();
    let refusal = |status, error_code, error_message| {
        PlainResponse::json(status, json(&Refusal { error_code, error_message, request_id: &request_id }))
    };
    let wanted = serde_json::from_slice::<Wanted>(&request.body).ok().filter(|_| is_json(request));
    let Some(wanted) = wanted else {
        return refusal(400, "InvalidParameter", "The body has to be JSON with AccountId and AccessConfigurationId.");
    };
    match bearer(request).and_then(|token| state.logins.expiration(&token, Kind::CloudSso)) {
        None => return refusal(401, "InvalidAccessToken", "The access token is invalid."),
        Some(expires) if expires <= now => return refusal(401, "AccessTokenExpired", "The access token has expired."),
        Some(_) => {}
    }
    if wanted.account_id != ACCOUNT_ID || wanted.access_configuration_id != ACCESS_CONFIGURATION {
        return refusal(403, "AccessDenied", "The user is not assigned this access configuration in this account.");
    }
    let session = session(state, "cloud-sso", now);
    let cloud_credential = CloudCredential {
        access_key_id: &session.access_key_id,
        access_key_secret: &session.secret,
        security_token: &session.token,
        expiration: utc(session.expires),
    };
    PlainResponse::json(200, json(&CredentialsResponse { request_id: &request_id, cloud_credential }))
}
