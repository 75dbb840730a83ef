//! Simple Log Service: ListProjects of an account without projects, with which a client can prove its identity.
//!
//! An unknown key, an invalid token and a missing permission all have the code `Unauthorized`; only the message
//! differs.

use axum::response::Response;
use chrono::{DateTime, Duration, NaiveDateTime, Utc};
use http::Method;
use serde_json::json;
use subtle::ConstantTimeEq;

use crate::account::{ACCOUNT_ID, find_key};
use crate::authenticate::Caller;
use crate::log::Slot;
use crate::policy::Decision;
use crate::request::Request;
use crate::response::{ApiError, PlainResponse};
use crate::signature_v1::hmac_sha1;
use crate::state::State;

pub(crate) const LIST_PROJECTS: &str = "ListProjects";

/// Maximum difference between a request's date and the clock. Documented.
const WINDOW: Duration = Duration::minutes(15);

type ApiResult<T> = Result<T, ApiError>;

/// Returns whether a request is for this service: by its signature or a header that only this service has.
pub(crate) fn matches(request: &Request) -> bool {
    request.header("authorization").is_some_and(|text| text.starts_with("LOG "))
        || request.header("x-log-apiversion").is_some()
}

/// Returns the operation and the AccessKey id of a request, for log and faults. Nothing is verified.
pub(crate) fn summary(request: &Request) -> (&'static str, Option<String>) {
    let action = if request.path == "/" && request.method == Method::GET { LIST_PROJECTS } else { "" };
    (action, read(request).ok().map(|(id, _)| id))
}

pub(crate) fn handle(state: &State, request: &Request, slot: Slot, error: Option<ApiError>, close: bool) -> Response {
    let now = state.clock.now();
    let request_id = ("x-log-requestid".to_owned(), state.random.hex(24).to_uppercase());
    let result = match error {
        Some(error) => Err(error),
        None => serve(state, request, slot, now),
    };
    let (response, code) = match result {
        Ok(body) => (PlainResponse::json(200, body), None),
        Err(error) => {
            let body = json!({"errorCode": error.code, "errorMessage": error.message}).to_string();
            let response = PlainResponse::json(error.status, body).with_headers(error.headers);
            (response, Some(error.code))
        }
    };
    let response = response.with_headers([request_id]).respond(now, close);
    state.log.finish(slot, response.status().as_u16(), code.as_deref());
    response
}

fn serve(state: &State, request: &Request, slot: Slot, now: DateTime<Utc>) -> ApiResult<String> {
    let (access_key_id, signature) = read(request)?;
    let date = request.header("date").unwrap_or_default();
    let at = NaiveDateTime::parse_from_str(&date, "%a, %d %b %Y %H:%M:%S GMT")
        .map_err(|_| ApiError::new(400, "InvalidDateFormat", format!("Date {date} must follow RFC822.")))?;
    if (now - at.and_utc()).abs() > WINDOW {
        let message = format!("Request time {date} has been expired while server time is {now}.");
        return Err(ApiError::new(400, "RequestTimeExpired", message));
    }
    let caller = find(state, request, &access_key_id, now)?;
    let expected = hmac_sha1(caller.secret(), &string_to_sign(request, &date));
    if !bool::from(expected.as_bytes().ct_eq(signature.as_bytes())) {
        return Err(ApiError::new(401, "SignatureNotMatch", format!("Signature {signature} not matched.")));
    }
    if let Some(session) = caller.session() {
        state.log.authenticated(slot, &session.name);
    }
    let resource = format!("acs:log:cn-hangzhou:{ACCOUNT_ID}:project/*");
    if caller.decide("log:ListProject", &resource, &[]).0 != Decision::Allow {
        return Err(unauthorized(format!("denied by sts or ram, action: log:ListProject, resource: {resource}")));
    }
    if request.path != "/" || request.method != Method::GET {
        return Err(ApiError::new(404, "ProjectNotExist", "The Project does not exist."));
    }
    Ok(json!({"count": 0, "total": 0, "projects": []}).to_string())
}

/// Parses `LOG <key id>:<signature>`. Only one signature method is supported.
fn read(request: &Request) -> ApiResult<(String, String)> {
    let header = request.header("authorization").unwrap_or_default();
    let parts = header.strip_prefix("LOG ").and_then(|rest| rest.split_once(':'));
    let method = request.header("x-log-signaturemethod").unwrap_or_default();
    match parts {
        Some((id, signature)) if method == "hmac-sha1" => Ok((id.to_owned(), signature.to_owned())),
        Some(_) => {
            Err(ApiError::new(400, "InvalidSignatureMethod", format!("Signature method {method} is unsupported.")))
        }
        None => Err(ApiError::new(400, "InvalidParameter", "The authorization header is invalid.")),
    }
}

fn find(state: &State, request: &Request, access_key_id: &str, now: DateTime<Utc>) -> ApiResult<Caller> {
    let Some(token) = request.header("x-acs-security-token").filter(|token| !token.is_empty()) else {
        return match find_key(access_key_id) {
            Some(key) if key.active => Ok(Caller::Key(key)),
            Some(_) => Err(unauthorized(format!("AccessKeyId is disabled: {access_key_id}"))),
            None => Err(unauthorized(format!("AccessKeyId not found: {access_key_id}"))),
        };
    };
    let session = state.sessions.by_key(access_key_id);
    let fits = |session: &str| bool::from(token.as_bytes().ct_eq(session.as_bytes()));
    match session.filter(|session| fits(&session.token)) {
        Some(session) if session.expires > now => Ok(Caller::Session(session)),
        Some(_) => Err(unauthorized("The security token you provided has expired.".to_owned())),
        None => Err(unauthorized("The security token you provided is invalid.".to_owned())),
    }
}

fn unauthorized(message: String) -> ApiError {
    ApiError::new(401, "Unauthorized", message)
}

/// Returns the documented string to sign: method, MD5, content type, date, the service's headers, and the resource with
/// its sorted and decoded parameters.
fn string_to_sign(request: &Request, date: &str) -> String {
    let header = |name: &str| request.header(name).unwrap_or_default();
    let mut names: Vec<&str> = request.headers.keys().map(http::HeaderName::as_str).collect();
    names.retain(|name| name.starts_with("x-log-") || name.starts_with("x-acs-"));
    names.sort_unstable();
    let headers: String = names.into_iter().map(|name| format!("{name}:{}\n", header(name))).collect();
    let mut query: Vec<String> = request.query.iter().map(|(name, value)| format!("{name}={value}")).collect();
    query.sort_unstable();
    let question = if query.is_empty() { "" } else { "?" };
    format!(
        "{}\n{}\n{}\n{date}\n{headers}{}{question}{}",
        request.method,
        header("content-md5"),
        header("content-type"),
        request.path,
        query.join("&")
    )
}
