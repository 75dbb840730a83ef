//! Signatures of OSS, versions 4 and 1, as the server computes them: pure functions.
//!
//! Written from the published pages and not from a client's code, so that a client's mistake is not repeated here.

use super::address::{RESPONSE_OVERRIDES, UNSUPPORTED_SUBRESOURCES};
use crate::random::{hex, mac};
use crate::request::Request;
use crate::signature::{percent_encode, sha256_hex};

pub(super) const V4: &str = "OSS4-HMAC-SHA256";
pub(super) const UNSIGNED_PAYLOAD: &str = "UNSIGNED-PAYLOAD";
pub(super) const TERMINATOR: &str = "aliyun_v4_request";

/// Returns whether version 4 signs a header even if it is not listed.
fn is_always_signed(name: &str) -> bool {
    name == "content-type" || name == "content-md5" || name.starts_with("x-oss-")
}

/// Returns the canonical request of version 4. `additional` are the names of the additional headers in lower case,
/// sorted.
pub(super) fn canonical_request(request: &Request, resource: &str, additional: &[String]) -> String {
    let path: Vec<String> = resource.split('/').map(percent_encode).collect();
    let mut query: Vec<(String, String)> = request
        .query
        .iter()
        .filter(|(name, _)| name != "x-oss-signature")
        .map(|(name, value)| (percent_encode(name), percent_encode(value)))
        .collect();
    query.sort();
    let query: Vec<String> = query.into_iter().map(|(name, value)| pair(name, &value)).collect();
    let mut names: Vec<&str> = request.headers.keys().map(http::HeaderName::as_str).collect();
    names.retain(|name| is_always_signed(name) || additional.iter().any(|other| other == name));
    names.sort_unstable();
    let headers: String = names.into_iter().map(|name| format!("{name}:{}\n", values(request, name))).collect();
    format!(
        "{}\n{}\n{}\n{headers}\n{}\n{UNSIGNED_PAYLOAD}",
        request.method,
        path.join("/"),
        query.join("&"),
        additional.join(";")
    )
}

/// Returns the values of a header in the order in which they were sent, unlike ACS3, which sorts them: the official Go client
/// for OSS signs them so.
fn values(request: &Request, name: &str) -> String {
    let values = request.headers.get_all(name).iter();
    let values: Vec<String> = values.map(|value| String::from_utf8_lossy(value.as_bytes()).trim().to_owned()).collect();
    values.join(",")
}

/// Returns the string to sign of version 4.
pub(super) fn string_to_sign(date: &str, scope: &str, canonical_request: &str) -> String {
    format!("{V4}\n{date}\n{scope}\n{}", sha256_hex(canonical_request.as_bytes()))
}

/// Returns the signature of version 4. Its key is derived from the parts of the scope.
pub(super) fn sign(secret: &str, scope: &str, string_to_sign: &str) -> String {
    let key = scope
        .split('/')
        .fold(format!("aliyun_v4{secret}").into_bytes(), |key, part| mac(&key, part.as_bytes()).to_vec());
    hex(&mac(&key, string_to_sign.as_bytes()))
}

/// Returns the string to sign of version 1. `date` is the `Date` header, or the expiration of a URL.
pub(super) fn string_to_sign_v1(request: &Request, resource: &str, date: &str) -> String {
    let header = |name: &str| request.header(name).unwrap_or_default();
    let mut names: Vec<&str> = request.headers.keys().map(http::HeaderName::as_str).collect();
    names.retain(|name| name.starts_with("x-oss-"));
    names.sort_unstable();
    let headers: String = names.into_iter().map(|name| format!("{name}:{}\n", header(name))).collect();
    let mut query: Vec<&(String, String)> = request.query.iter().filter(|(name, _)| is_subresource(name)).collect();
    query.sort();
    let query: Vec<String> = query.into_iter().map(|(name, value)| pair(name.clone(), value)).collect();
    let mark = if query.is_empty() { "" } else { "?" };
    format!(
        "{}\n{}\n{}\n{date}\n{headers}{resource}{mark}{}",
        request.method,
        header("content-md5"),
        header("content-type"),
        query.join("&")
    )
}

/// Returns whether version 1 signs a query parameter.
fn is_subresource(name: &str) -> bool {
    RESPONSE_OVERRIDES.contains(&name)
        || UNSUPPORTED_SUBRESOURCES.contains(&name)
        || name.starts_with("x-oss-")
        || matches!(name, "continuation-token" | "security-token")
}

/// Joins a name and its value. Without a value there is no `=`.
fn pair(mut name: String, value: &str) -> String {
    if !value.is_empty() {
        name.push('=');
        name.push_str(value);
    }
    name
}

#[cfg(test)]
#[path = "signature_tests.rs"]
mod tests;
