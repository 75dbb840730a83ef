//! Authentication of signed API calls, by signature version 3 or 1.
//!
//! The checks run in the order in which the cloud reports failures: signature present, timestamp, key, token,
//! signature, nonce. The first failure is returned.

use std::sync::Arc;

use chrono::{DateTime, Duration, Utc};
use subtle::ConstantTimeEq;

use crate::account::{ACCOUNT_ID, AccessKey, KEY_PAIR_ID, RAM_USER, find_key};
use crate::clock::{parse_utc, parse_utc_with_fraction};
use crate::policy::{Decision, Facts, wildcard};
use crate::request::{Parameters, Request, Style};
use crate::response::{ApiError, ApiResult};
use crate::sessions::{Session, SessionKey};
use crate::signature::{Authorization, Canonical, Names, incomplete, sha256_hex, string_to_sign};
use crate::signature_v1::{Method, Signed, unsupported};
use crate::state::State;

/// Maximum difference between a request's timestamp and the clock, in either direction. Documented.
const WINDOW: Duration = Duration::minutes(15);

/// Headers that the documents require to be signed.
const REQUIRED_HEADERS: [&str; 6] =
    ["host", "x-acs-action", "x-acs-version", "x-acs-date", "x-acs-signature-nonce", "x-acs-content-sha256"];
/// Headers that must be signed if they are present.
const REQUIRED_IF_PRESENT: [&str; 2] = ["content-type", "x-acs-security-token"];

const TOKEN: &str = "x-acs-security-token";
const DATE: &str = "x-acs-date";

/// An authenticated identity.
pub(crate) enum Caller {
    Key(&'static AccessKey),
    /// The session key of a key pair, and the key of the pair's owner.
    SessionKey(Arc<SessionKey>, &'static AccessKey),
    Session(Arc<Session>),
}

/// Authenticates a request that is signed with the account's key pair: version 1 with RSA and SHA-256, in parameters.
pub(crate) fn authenticate_key_pair(
    state: &State,
    request: &Request,
    parameters: Option<&Parameters>,
    now: DateTime<Utc>,
) -> ApiResult<Caller> {
    let parameters = parameters.ok_or_else(unsupported)?;
    let signed = Signed::read(parameters, Method::KeyPair)?;
    let timestamp = within_window(parse_utc_with_fraction(signed.timestamp), now)?;
    if signed.access_key_id != KEY_PAIR_ID {
        return Err(not_found());
    }
    signed.verify_key_pair(request.method.as_str(), parameters)?;
    record(state, signed.access_key_id, signed.nonce, timestamp, now)?;
    Ok(Caller::Key(&RAM_USER))
}

/// Authenticates a request: by its parameters (version 1) if `parameters` is given, else by its headers (version 3).
pub(crate) fn authenticate(
    state: &State,
    request: &Request,
    parameters: Option<&Parameters>,
    now: DateTime<Utc>,
) -> ApiResult<Caller> {
    match parameters {
        Some(parameters) => by_parameters(state, request, parameters, now),
        None => by_headers(state, request, now),
    }
}

fn by_headers(state: &State, request: &Request, now: DateTime<Utc>) -> ApiResult<Caller> {
    let header = request.header("authorization").ok_or_else(|| ApiError::missing("AccessKeyId"))?;
    let authorization = Authorization::parse(&header)?;
    let timestamp = timestamp(request.header(DATE).as_deref(), now)?;
    let token = request.header(TOKEN).filter(|token| !token.is_empty());
    let caller = find(state, &authorization.access_key_id, token.as_deref(), now)?;
    verify(request, &authorization, caller.secret())?;
    let nonce = request.header("x-acs-signature-nonce").unwrap_or_default();
    record(state, &authorization.access_key_id, &nonce, timestamp, now)?;
    Ok(caller)
}

fn by_parameters(state: &State, request: &Request, parameters: &Parameters, now: DateTime<Utc>) -> ApiResult<Caller> {
    let signed = Signed::read(parameters, Method::Secret)?;
    let timestamp = within_window(parse_utc_with_fraction(signed.timestamp), now)?;
    let caller = find(state, signed.access_key_id, signed.token, now)?;
    signed.verify(request.method.as_str(), parameters, caller.secret())?;
    record(state, signed.access_key_id, signed.nonce, timestamp, now)?;
    Ok(caller)
}

/// Checks the timestamp of an unsigned call, if it has one.
pub(crate) fn check_given_timestamp(request: &Request, now: DateTime<Utc>) -> ApiResult<()> {
    let timestamp_text = match request.style() {
        Style::Headers => request.header(DATE),
        Style::Parameters => request.first("Timestamp").map(str::to_owned),
    };
    timestamp_text.filter(|text| !text.is_empty()).map_or(Ok(()), |text| timestamp(Some(&text), now).map(drop))
}

fn timestamp(text: Option<&str>, now: DateTime<Utc>) -> ApiResult<DateTime<Utc>> {
    within_window(text.and_then(parse_utc), now)
}

fn within_window(timestamp: Option<DateTime<Utc>>, now: DateTime<Utc>) -> ApiResult<DateTime<Utc>> {
    let timestamp = timestamp.ok_or_else(|| {
        ApiError::new(400, "InvalidTimeStamp.Format", "Specified time stamp or date value is not well formatted.")
    })?;
    if (now - timestamp).abs() > WINDOW {
        return Err(ApiError::new(400, "InvalidTimeStamp.Expired", "Specified time stamp or date value is expired."));
    }
    Ok(timestamp)
}

/// Records a nonce, or rejects one that was used before. Called after the signature was verified, so that a request
/// signed with another key cannot use up this key's nonces.
fn record(
    state: &State,
    access_key_id: &str,
    nonce: &str,
    timestamp: DateTime<Utc>,
    now: DateTime<Utc>,
) -> ApiResult<()> {
    if state.nonces.record(access_key_id, nonce, timestamp, now, WINDOW) {
        return Ok(());
    }
    Err(ApiError::new(400, "SignatureNonceUsed", "Specified signature nonce was used already."))
}

/// Finds the holder of an AccessKey and checks the token that comes with it. The signature is not verified yet.
fn find(state: &State, access_key_id: &str, token: Option<&str>, now: DateTime<Utc>) -> ApiResult<Caller> {
    if let Some(key) = find_key(access_key_id) {
        if !key.active {
            return Err(ApiError::new(400, "InvalidAccessKeyId.Inactive", "Specified access key is disabled."));
        }
        return match token {
            None => Ok(Caller::Key(key)),
            Some(_) => Err(mismatch()),
        };
    }
    if let Some(key) = state.session_keys.by_id(access_key_id) {
        return match token {
            None if key.expires <= now => Err(not_found()),
            None => Ok(Caller::SessionKey(key, &RAM_USER)),
            Some(_) => Err(mismatch()),
        };
    }
    let session = state.sessions.by_key(access_key_id).ok_or_else(not_found)?;
    let Some(token) = token else {
        return Err(ApiError::new(400, "MissingSecurityToken", "SecurityToken is mandatory for this action."));
    };
    if !bool::from(token.as_bytes().ct_eq(session.token.as_bytes())) {
        return Err(match state.sessions.key_of_token(token) {
            Some(_) => mismatch(),
            None => ApiError::new(400, "InvalidSecurityToken.Malformed", "Specified SecurityToken is malformed."),
        });
    }
    if session.expires <= now {
        return Err(ApiError::new(400, "InvalidSecurityToken.Expired", "Specified SecurityToken is expired."));
    }
    Ok(Caller::Session(session))
}

fn not_found() -> ApiError {
    ApiError::new(404, "InvalidAccessKeyId.NotFound", "Specified access key is not found.")
}

fn mismatch() -> ApiError {
    ApiError::new(
        400,
        "InvalidSecurityToken.MismatchWithAccessKey",
        "Specified SecurityToken mismatch with the AccessKey.",
    )
}

fn verify(request: &Request, authorization: &Authorization, secret: &str) -> ApiResult<()> {
    let signed = |name: &str| authorization.signed_headers.iter().any(|signed| signed == name);
    let all_signed = REQUIRED_HEADERS.into_iter().all(signed)
        && REQUIRED_IF_PRESENT.into_iter().all(|name| request.header(name).is_none() || signed(name));
    if !all_signed || request.header("x-acs-signature-nonce").is_none_or(|nonce| nonce.is_empty()) {
        return Err(incomplete());
    }
    let headers: Vec<(String, String)> = authorization
        .signed_headers
        .iter()
        .map(|name| request.header(name).map(|value| (name.clone(), value)))
        .collect::<Option<_>>()
        .ok_or_else(incomplete)?;
    // The hash of the body as received: a changed body fails even if its header was not changed.
    let payload_hash = sha256_hex(&request.body);
    let canonical = Canonical {
        method: request.method.as_str(),
        path: &request.path,
        query: &request.query,
        headers: &headers,
        payload_hash: &payload_hash,
    };
    let hash_fits = request.header("x-acs-content-sha256").is_some_and(|header| header == payload_hash);
    if hash_fits && canonical.is_signed(secret, &authorization.signature) {
        return Ok(());
    }
    let canonical_request = canonical.request(Names::Encoded);
    Err(ApiError::new(
        400,
        "SignatureDoesNotMatch",
        format!(
            "Specified signature does not match our calculation. server StringToSign is [{}] server CanonicalRequest is [{}]",
            string_to_sign(&canonical_request).replace('\n', "\\n"),
            canonical_request.replace('\n', "\\n"),
        ),
    ))
}

impl Caller {
    pub(crate) fn secret(&self) -> &str {
        match self {
            Self::Key(key) => key.secret,
            Self::SessionKey(key, _) => &key.secret,
            Self::Session(session) => &session.secret,
        }
    }

    pub(crate) fn is_root(&self) -> bool {
        matches!(self, Self::Key(key) | Self::SessionKey(_, key) if key.user.is_none())
    }

    pub(crate) fn session(&self) -> Option<&Session> {
        match self {
            Self::Key(_) | Self::SessionKey(..) => None,
            Self::Session(session) => Some(session),
        }
    }

    /// Returns the decision of the identity's policies and of the session policy, if there is one, with the
    /// `PolicyType` of the policy that decided.
    pub(crate) fn decide(&self, action: &str, resource: &str, facts: Facts<'_>) -> (Decision, &'static str) {
        let allows = match self {
            Self::Key(key) | Self::SessionKey(_, key) => key.allows,
            Self::Session(session) => session.role.allows,
        };
        if !allows.iter().any(|pattern| wildcard(pattern, action)) {
            return (Decision::ImplicitDeny, "AccountLevelIdentityBasedPolicy");
        }
        match self.session().and_then(|session| session.policy.as_ref()) {
            Some(policy) => (policy.decide(action, resource, facts), "SessionPolicy"),
            None => (Decision::Allow, "AccountLevelIdentityBasedPolicy"),
        }
    }

    /// Returns `AuthPrincipalType` and `AuthPrincipalDisplayName` for an `AccessDeniedDetail`.
    pub(crate) fn principal(&self) -> (&'static str, String) {
        match self {
            Self::Key(AccessKey { user: Some(user), .. }) | Self::SessionKey(_, AccessKey { user: Some(user), .. }) => {
                ("SubUser", user.id.to_owned())
            }
            Self::Key(_) | Self::SessionKey(..) => ("Account", ACCOUNT_ID.to_owned()),
            Self::Session(session) => ("AssumedRoleUser", format!("{}:{}", session.role.name, session.name)),
        }
    }
}
