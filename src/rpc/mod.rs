//! One signed RPC request, and what its answer says: what the STS calls and `OpenApiClient` share.

mod actions;
mod advice;
mod document;
mod unsigned;
mod v1;
mod v3;

use std::error::Error as _;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, header};
use serde_json::Value;

use crate::context::{HttpError, HttpErrorKind, Transit, retry_after};
use crate::encode::percent_encode;
use crate::endpoint::Endpoint;
use crate::error::{Error, ErrorKind};
use crate::error_codes::{Product, effective_code};
use crate::redact::tame;

pub(crate) use self::actions::is_read_only;
use self::advice::advice;
pub(crate) use self::document::{encoding, without_bom, xml_error};
pub(crate) use self::unsigned::unsigned;
#[cfg(feature = "rsa-key-pair")]
pub(crate) use self::v1::signed_by_key_pair;
pub(crate) use self::v1::{signed as signed_v1, signed_form};
pub(crate) use self::v3::{SignatureHeaders, insert, names, payload_sha256, signed};

/// The user agent, in the pattern of the official SDKs.
pub(crate) const USER_AGENT: &str = concat!("AlibabaCloud (Rust) Credentials/", env!("CARGO_PKG_VERSION"), " TeaDSL/1");

/// The content type of a call with a body.
pub(crate) const FORM: &str = "application/x-www-form-urlencoded";

/// A call: everything but who makes it and when.
#[derive(Clone, Copy)]
pub(crate) struct Call<'a> {
    pub(crate) endpoint: &'a Endpoint,
    pub(crate) version: &'a str,
    pub(crate) action: &'a str,
    /// Parameters that go into the URL: never a secret, a token or a signature.
    pub(crate) query: &'a [(&'a str, &'a str)],
    /// Parameters that go into the body.
    pub(crate) form: &'a [(&'a str, &'a str)],
}

/// The request without its signature: `query` in the URL, `body` as a form.
fn post(call: Call<'_>, query: &[(&str, &str)], body: String) -> Result<Request<Bytes>, Error> {
    let mut uri = format!("{}://{}/", call.endpoint.scheme(), call.endpoint.authority());
    if !query.is_empty() {
        uri.push('?');
        push_pairs(query, &mut uri);
    }
    let length = uri.len();
    let uri = uri.try_into().map_err(|_| too_long(call.action, length))?;
    let mut request = Request::new(Bytes::from(body));
    *request.method_mut() = Method::POST;
    *request.uri_mut() = uri;
    let length = request.body().len();
    let fields = request.headers_mut();
    if length > 0 {
        fields.insert(header::CONTENT_TYPE, HeaderValue::from_static(FORM));
    }
    // Some gateways answer 411 to a POST that does not say how long it is.
    fields.insert(header::CONTENT_LENGTH, HeaderValue::from(length));
    fields.insert(header::ACCEPT, HeaderValue::from_static("application/json"));
    fields.insert(header::USER_AGENT, HeaderValue::from_static(USER_AGENT));
    Ok(request)
}

/// The limit is that of the crate `http`.
fn too_long(action: &str, length: usize) -> Error {
    let message =
        format!("the parameters of {action} make a URL of {length} bytes, and the longest that can be sent has 65534");
    Error::invalid_input(message).with_code("TooLong").with_remedy("ask for less at once: shorter lists, shorter texts")
}

fn encoded(pairs: &[(&str, &str)]) -> String {
    let mut out = String::new();
    push_pairs(pairs, &mut out);
    out
}

fn push_pairs(pairs: &[(&str, &str)], out: &mut String) {
    for (at, (name, value)) in pairs.iter().enumerate() {
        if at > 0 {
            out.push('&');
        }
        percent_encode(name, out);
        out.push('=');
        percent_encode(value, out);
    }
}

/// A server's answer to a call that it accepted.
#[derive(Clone)]
pub(crate) struct Accepted {
    #[cfg(feature = "openapi")]
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    /// The time at which the request was sent.
    pub(crate) transit: Option<Transit>,
    pub(crate) body: Value,
}

/// Reads an answer: success is a 2xx with a JSON object; anything else is an error without a word of the body but the
/// documented members of the error envelope, tamed: none of the `secrets` that were sent.
pub(crate) fn read(call: Call<'_>, response: Response<Bytes>, secrets: &[&str]) -> Result<Accepted, Error> {
    let (parts, bytes) = response.into_parts();
    let status = parts.status;
    if status.is_redirection() {
        return Err(redirect(call, status));
    }
    let body = serde_json::from_slice::<Value>(without_bom(&bytes)).ok().filter(Value::is_object);
    match body {
        Some(body) if status.is_success() && !is_refusal(call, &body) => Ok(Accepted {
            #[cfg(feature = "openapi")]
            status,
            transit: parts.extensions.get().copied(),
            headers: parts.headers,
            body,
        }),
        Some(body) => Err(refusal(call, status, &parts.headers, &body, secrets)),
        None => Err(match xml_error(&bytes) {
            Some(members) => refusal(call, status, &parts.headers, &members.into(), secrets),
            None => not_json(call, status, &parts.headers, &bytes),
        }),
    }
}

/// The members of the error envelope.
const ENVELOPE: [&str; 6] = ["Code", "Message", "RequestId", "HostId", "Recommend", "AccessDeniedDetail"];

/// Whether a body with the status of success is an error and nothing else: gateways in front of STS send such. Products have
/// success codes of their own (`OK`, `200`), so from them only a code counts that every product refuses by.
fn is_refusal(call: Call<'_>, body: &Value) -> bool {
    let Some(code) = body.get("Code").and_then(Value::as_str) else { return false };
    let bare = body.as_object().is_some_and(|members| members.keys().all(|name| ENVELOPE.contains(&name.as_str())));
    let of_sts = call.version == STS_VERSION && !code.is_empty() && code != "Success";
    bare && (of_sts || advice(code, "").is_some())
}

/// The API version of STS.
const STS_VERSION: &str = "2015-04-01";

fn redirect(call: Call<'_>, status: StatusCode) -> Error {
    let message = format!(
        "{} answered {} by a redirect, which is not followed; it does not say whether the call was carried out",
        call.endpoint, call.action
    );
    Error::new(ErrorKind::InvalidResponse, message)
        .with_code("InvalidResponse")
        .with_http_status(status.as_u16())
        .with_remedy("check that the endpoint is the service itself, not a proxy or a captive portal")
}

fn refusal(call: Call<'_>, status: StatusCode, headers: &HeaderMap, body: &Value, secrets: &[&str]) -> Error {
    let member = |names: [&str; 2]| names.iter().find_map(|name| body.get(name)?.as_str());
    let raw = member(["Message", "message"]).unwrap_or_default();
    let code = tame(member(["Code", "code"]).unwrap_or("Unknown"), secrets);
    let meant = effective_code(&code, raw);
    let mut message = format!("{} refused {}: {}", call.endpoint, call.action, tame(raw, secrets));
    if let Some(detail) = body.get("AccessDeniedDetail") {
        let part = |name: &str| tame(detail.get(name).and_then(Value::as_str).unwrap_or("?"), secrets);
        message.push_str(&format!(
            " [{} of {} {}: {}]",
            part("AuthAction"),
            part("AuthPrincipalType"),
            part("AuthPrincipalDisplayName"),
            part("NoPermissionType")
        ));
    }
    let mut error = Error::new(ErrorKind::Refused, message)
        .with_code(&*code)
        .with_http_status(status.as_u16())
        .with_retry_after(retry_after(headers));
    let header_id = headers.get("x-acs-request-id").and_then(|id| id.to_str().ok());
    if let Some(id) = member(["RequestId", "requestId"]).or(header_id) {
        error = error.with_request_id(tame(id, secrets));
    }
    // A refusal that comes with the status of success is a refusal all the same.
    if !status.is_server_error() && !is_passing(&code, status) {
        error = error.permanent();
    }
    match advice(meant, raw) {
        Some(remedy) => error.with_remedy(remedy),
        None => error,
    }
}

fn not_json(call: Call<'_>, status: StatusCode, headers: &HeaderMap, bytes: &[u8]) -> Error {
    let what = if bytes.is_empty() {
        "an empty body".to_owned()
    } else if let Some(encoding) = encoding(headers) {
        format!("a compressed body ({encoding}), which was not asked for")
    } else if std::str::from_utf8(bytes).is_err() {
        "a body that is not text".to_owned()
    } else {
        format!("something that is not a JSON object ({})", media_type(headers))
    };
    let accepted = if status.is_success() { "; by its status the call was carried out" } else { "" };
    let message = format!("{} answered {} with {what}{accepted}", call.endpoint, call.action);
    let remedy = match status {
        StatusCode::PROXY_AUTHENTICATION_REQUIRED => "give the proxy's user name and password in its variable",
        _ => "check that the endpoint is the service itself, not a proxy or a captive portal",
    };
    let error = Error::new(ErrorKind::InvalidResponse, message)
        .with_code("InvalidResponse")
        .with_http_status(status.as_u16())
        .with_remedy(remedy)
        .with_retry_after(retry_after(headers));
    if status.is_success() { error.permanent() } else { error }
}

/// Returns the media type of a response from a list of our own: a header is as little trusted as a body.
fn media_type(headers: &HeaderMap) -> &'static str {
    const KNOWN: [&str; 5] = ["text/html", "text/plain", "text/xml", "application/xml", "application/json"];
    let Some(given) = headers.get(header::CONTENT_TYPE) else { return "no content type" };
    let given = given.as_bytes().split(|byte| *byte == b';').next().unwrap_or_default().trim_ascii();
    KNOWN.into_iter().find(|known| given.eq_ignore_ascii_case(known.as_bytes())).unwrap_or("another content type")
}

/// The error of a call that got no answer.
pub(crate) fn unreachable(call: Call<'_>, error: &HttpError) -> Error {
    no_answer(call.endpoint.authority(), call.action, error)
}

/// The error of a request that got no answer: who was asked for what.
pub(crate) fn no_answer(host: &str, asked: &str, error: &HttpError) -> Error {
    let remedy = match error.kind() {
        HttpErrorKind::Connect => "check the endpoint's name, the network and the proxy variables",
        HttpErrorKind::ConnectTimeout | HttpErrorKind::Timeout => {
            "check that the network lets this host through, in a VPC by its VPC endpoint"
        }
        HttpErrorKind::Proxy => "check the proxy and its variable, or leave the host out by NO_PROXY",
        HttpErrorKind::Setup => "this does not pass by itself: change what is named",
        HttpErrorKind::Tls => {
            "check the endpoint's name, the system's root certificates (or SSL_CERT_FILE) and its clock"
        }
        HttpErrorKind::TooLarge => "check that the endpoint is the service itself",
        HttpErrorKind::Other => "it may pass; if it does not, look at what stands between",
    };
    let (kind, code) = match error.kind() {
        HttpErrorKind::TooLarge => (ErrorKind::InvalidResponse, "InvalidResponse"),
        HttpErrorKind::Connect => (ErrorKind::Unreachable, "ConnectFailed"),
        HttpErrorKind::ConnectTimeout | HttpErrorKind::Timeout => (ErrorKind::Unreachable, "Timeout"),
        HttpErrorKind::Proxy => (ErrorKind::Unreachable, "ProxyFailed"),
        HttpErrorKind::Setup => (ErrorKind::Failed, "HttpClientSetup"),
        HttpErrorKind::Tls => (ErrorKind::Unreachable, "TlsFailed"),
        HttpErrorKind::Other => (ErrorKind::Unreachable, "ConnectionBroken"),
    };
    let message = match error.kind() {
        HttpErrorKind::Setup => format!("{host} was not asked for {asked}: {error}"),
        _ => format!("{host} gave no answer to {asked}: {error}"),
    };
    let is_permanent = error.kind() == HttpErrorKind::Setup;
    let error = Error::new(kind, message).with_code(code).with_remedy(remedy).with_source(error.clone());
    if is_permanent { error.permanent() } else { error }
}

/// Refusals that pass by themselves.
fn is_passing(code: &str, status: StatusCode) -> bool {
    is_throttling(code, status) || Product::OpenApi.is_wrong_date(code) || Product::OpenApi.is_used_nonce(code)
}

/// Returns how the request of a call was lost that got no answer.
pub(crate) fn lost(error: &Error) -> Option<HttpErrorKind> {
    error.source().and_then(|source| source.downcast_ref::<HttpError>()).map(HttpError::kind)
}

/// Returns the status of the answer that a call failed by.
pub(crate) fn status(error: &Error) -> Option<StatusCode> {
    error.http_status().and_then(|status| StatusCode::from_u16(status).ok())
}

/// Returns whether a call failed by an answer that asks to wait.
pub(crate) fn is_throttled(error: &Error) -> bool {
    status(error).is_some_and(|status| is_throttling(error.code().unwrap_or_default(), status))
}

/// Returns whether a refusal asks to wait.
fn is_throttling(code: &str, status: StatusCode) -> bool {
    status == StatusCode::TOO_MANY_REQUESTS || code == "Throttling" || code.starts_with("Throttling.")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read_text(status: u16, body: &str) -> Error {
        let endpoint = Endpoint::https("sts.aliyuncs.com".to_owned());
        let call = Call { endpoint: &endpoint, version: "2015-04-01", action: "AssumeRole", query: &[], form: &[] };
        let response = Response::builder().status(status).body(Bytes::from(body.to_owned())).unwrap();
        read(call, response, &["the-secret", "the-token"]).err().unwrap()
    }

    #[test]
    fn the_three_messages_under_no_permission_have_an_advice_each() {
        let advice = |message: &str| {
            let body = format!(r#"{{"Code":"NoPermission","Message":"{message}","RequestId":"R-1"}}"#);
            let error = read_text(403, &body);
            assert_eq!(
                (error.code(), error.http_status(), error.request_id()),
                (Some("NoPermission"), Some(403), Some("R-1"))
            );
            assert!(error.is_permanent());
            error.remedy().unwrap().to_owned()
        };
        assert!(advice("Roles may not be assumed by root accounts.").contains("RAM user"));
        assert!(
            advice("You are not authorized to do this action. You should be authorized by RAM.")
                .contains("AliyunSTSAssumeRoleAccess")
        );
        let third = "No permission perform sts:AssumeRole on this Role. Maybe you are not authorized to perform \
                     sts:AssumeRole or the specified role does not trust you";
        assert!(advice(third).contains("trust policy"));
    }

    #[test]
    fn a_servers_text_is_not_trusted() {
        let error = read_text(
            400,
            r#"{"Code":"X","Message":"you sent the-token and the-secret; string to sign is:GET&the-token"}"#,
        );
        let shown = format!("{error} {error:?}");
        assert!(!shown.contains("the-token") && !shown.contains("the-secret"), "{shown}");
    }

    #[test]
    fn what_is_no_json_object_is_said_without_its_text() {
        for (body, what) in
            [("", "empty"), ("<html>the-token</html>", "not a JSON object"), ("[1]", "not a JSON object")]
        {
            let error = read_text(502, body);
            assert_eq!((error.kind(), error.http_status()), (ErrorKind::InvalidResponse, Some(502)));
            assert!(error.to_string().contains(what) && !error.to_string().contains("the-token"), "{error}");
            assert!(!error.is_permanent());
        }
    }

    #[test]
    fn a_refusal_is_read_in_xml_and_with_the_status_of_success() {
        let xml = "<?xml version='1.0'?><Error><RequestId>R-1</RequestId><Code>InvalidAccessKeyId.NotFound</Code>\
                   <Message>the-token is not found.</Message></Error>";
        let error = read_text(404, xml);
        let seen = (error.kind(), error.code(), error.http_status(), error.request_id(), error.is_permanent());
        assert_eq!(seen, (ErrorKind::Refused, Some("InvalidAccessKeyId.NotFound"), Some(404), Some("R-1"), true));
        assert!(error.message().contains("*** is not found") && error.remedy().unwrap().contains("deleted"), "{error}");
        let error = read_text(200, r#"{"RequestId":"R","Code":"NoPermission","Message":"You are not authorized"}"#);
        assert_eq!(
            (error.kind(), error.code(), error.http_status()),
            (ErrorKind::Refused, Some("NoPermission"), Some(200))
        );
        assert!(error.is_permanent());
    }

    #[test]
    fn a_product_with_success_codes_of_its_own_is_understood() {
        let endpoint = Endpoint::https("dysmsapi.aliyuncs.com".to_owned());
        let call = Call { endpoint: &endpoint, version: "2017-05-25", action: "SendSms", query: &[], form: &[] };
        let read = |body: &str| read(call, Response::new(Bytes::from(body.to_owned())), &[]);
        assert!(read(r#"{"Code":"OK","Message":"OK","RequestId":"r","BizId":"b"}"#).is_ok());
        assert!(read(r#"{"Code":"isv.AMOUNT_NOT_ENOUGH","Message":"m","RequestId":"r"}"#).is_ok());
        assert_eq!(read("\u{feff}{\"A\":1}").unwrap().body["A"], 1);
        let refused = read(r#"{"Code":"InvalidSecurityToken.Expired","Message":"m","RequestId":"r"}"#);
        assert_eq!(refused.err().unwrap().code(), Some("InvalidSecurityToken.Expired"));
    }

    #[test]
    fn an_answer_without_an_object_says_whether_the_call_was_carried_out() {
        for (status, body) in [(204, ""), (200, "[]"), (200, "")] {
            let error = read_text(status, body);
            assert!(error.message().ends_with("the call was carried out"), "{error}");
            assert!(error.is_permanent());
        }
        let error = read_text(302, "{}");
        assert_eq!((error.kind(), error.code()), (ErrorKind::InvalidResponse, Some("InvalidResponse")));
        assert!(error.message().contains("redirect") && error.message().contains("not say whether"), "{error}");
    }

    #[test]
    fn a_compressed_body_is_called_so() {
        let endpoint = Endpoint::https("sts.aliyuncs.com".to_owned());
        let call = Call { endpoint: &endpoint, version: "2015-04-01", action: "AssumeRole", query: &[], form: &[] };
        let response = Response::builder().header("content-encoding", "gzip").body(Bytes::from_static(b"\x1f\x8b"));
        let error = read(call, response.unwrap(), &[]).err().unwrap();
        assert!(error.message().contains("compressed body (gzip)"), "{error}");
    }

    #[test]
    fn a_refusal_by_throttling_is_known_by_its_code() {
        assert!(is_throttling("Throttling.User", StatusCode::BAD_REQUEST));
        assert!(!is_throttling("ThrottlingX", StatusCode::BAD_REQUEST));
    }
}
