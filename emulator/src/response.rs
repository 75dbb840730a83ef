//! Responses: JSON bodies, error bodies in JSON or XML, and headers in the order in which the cloud sends them.

use std::borrow::Cow;

use axum::body::Body;
use axum::response::Response;
use chrono::{DateTime, Utc};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use serde::Serialize;

use crate::clock::http_date;
use crate::random::Random;

/// The result of a handler.
pub(crate) type ApiResult<T> = Result<T, ApiError>;

/// An error from the documented tables: HTTP status, `Code` and `Message`.
pub(crate) struct ApiError {
    pub(crate) status: u16,
    pub(crate) code: Cow<'static, str>,
    pub(crate) message: Cow<'static, str>,
    pub(crate) denied: Option<Box<AccessDenied>>,
    pub(crate) headers: Vec<(String, String)>,
}

impl ApiError {
    pub(crate) fn new(status: u16, code: impl Into<Cow<'static, str>>, message: impl Into<Cow<'static, str>>) -> Self {
        Self { status, code: code.into(), message: message.into(), denied: None, headers: Vec::new() }
    }

    /// Returns the gateway's error `Missing<Param>`.
    pub(crate) fn missing(name: &str) -> Self {
        Self::new(400, format!("Missing{name}"), format!("{name} is mandatory for this action."))
    }

    /// Returns the gateway's error `Invalid<Param>`.
    pub(crate) fn invalid(name: &str) -> Self {
        Self::new(400, format!("Invalid{name}"), format!("Specified parameter {name} is not valid."))
    }
}

/// The member `AccessDeniedDetail`: the denied action, the caller and the type of the policy that denied it.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct AccessDenied {
    pub(crate) auth_action: String,
    pub(crate) auth_principal_type: &'static str,
    pub(crate) auth_principal_display_name: String,
    pub(crate) auth_principal_owner_id: &'static str,
    pub(crate) policy_type: &'static str,
    pub(crate) no_permission_type: &'static str,
    pub(crate) encoded_diagnostic_message: String,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Envelope<'a> {
    request_id: &'a str,
    host_id: &'a str,
    code: &'a str,
    message: &'a str,
    recommend: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    access_denied_detail: Option<&'a AccessDenied>,
}

/// A response without the OpenAPI gateway's envelope, as of the metadata service and the credentials URI.
pub(crate) struct PlainResponse {
    pub(crate) status: u16,
    content_type: &'static str,
    body: String,
    headers: Vec<(String, String)>,
}

impl PlainResponse {
    pub(crate) fn text(status: u16, body: impl Into<String>) -> Self {
        Self { status, content_type: "text/plain", body: body.into(), headers: Vec::new() }
    }

    pub(crate) fn json(status: u16, body: String) -> Self {
        Self { status, content_type: "application/json", body, headers: Vec::new() }
    }

    /// Returns an injected fault as plain text.
    pub(crate) fn error(error: ApiError) -> Self {
        Self { headers: error.headers, ..Self::text(error.status, error.message) }
    }

    pub(crate) fn with_headers(mut self, headers: impl IntoIterator<Item = (String, String)>) -> Self {
        self.headers.extend(headers);
        self
    }

    pub(crate) fn respond(self, now: DateTime<Utc>, close: bool) -> Response {
        let length = self.body.len().to_string();
        let mut response = Response::new(Body::from(self.body));
        *response.status_mut() = status(self.status);
        let headers = response.headers_mut();
        set(headers, header::DATE, &http_date(now));
        set(headers, header::CONTENT_TYPE, self.content_type);
        set(headers, header::CONTENT_LENGTH, &length);
        set(headers, header::CONNECTION, if close { "close" } else { "keep-alive" });
        set_extra_headers(headers, &self.headers);
        response
    }
}

/// The parts of a request that its response needs.
pub(crate) struct ResponseContext<'a> {
    pub(crate) now: DateTime<Utc>,
    pub(crate) random: &'a Random,
    pub(crate) request_id: &'a str,
    pub(crate) host: &'a str,
    pub(crate) product: &'static str,
    pub(crate) xml: bool,
    pub(crate) close: bool,
}

impl ResponseContext<'_> {
    pub(crate) fn success(&self, json: String) -> Response {
        let mut response = self.respond(StatusCode::OK, "application/json;charset=utf-8", json);
        set(response.headers_mut(), HeaderName::from_static("etag"), &self.random.base64(24));
        response
    }

    pub(crate) fn error(&self, error: &ApiError) -> Response {
        let envelope = Envelope {
            request_id: self.request_id,
            host_id: self.host,
            code: &error.code,
            message: &error.message,
            recommend: format!(
                "https://api.aliyun.com/troubleshoot?q={}&product={}&requestId={}",
                error.code.replace(' ', "%20"),
                self.product,
                self.request_id
            ),
            access_denied_detail: error.denied.as_deref(),
        };
        let status = status(error.status);
        let mut response = if self.xml {
            self.respond(status, "text/xml;charset=utf-8", xml(&envelope))
        } else {
            self.respond(status, "application/json;charset=utf-8", json(&envelope))
        };
        set_extra_headers(response.headers_mut(), &error.headers);
        response
    }

    /// The headers are in the order of the captured response, as clients print them as they arrive.
    fn respond(&self, status: StatusCode, content_type: &str, body: String) -> Response {
        let length = body.len().to_string();
        let mut response = Response::new(Body::from(body));
        *response.status_mut() = status;
        let headers = response.headers_mut();
        set(headers, header::DATE, &http_date(self.now));
        set(headers, header::CONTENT_TYPE, content_type);
        set(headers, header::CONTENT_LENGTH, &length);
        if self.close {
            set(headers, header::CONNECTION, "close");
        } else {
            set(headers, header::CONNECTION, "keep-alive");
            set(headers, HeaderName::from_static("keep-alive"), "timeout=25");
        }
        set(headers, header::ACCESS_CONTROL_ALLOW_ORIGIN, "*");
        set(headers, header::ACCESS_CONTROL_EXPOSE_HEADERS, "*");
        set(headers, HeaderName::from_static("x-acs-request-id"), self.request_id);
        set(headers, HeaderName::from_static("x-acs-trace-id"), &self.random.hex(32));
        response
    }
}

pub(crate) fn set(headers: &mut HeaderMap, name: HeaderName, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        headers.insert(name, value);
    }
}

/// Sets the headers of a fault.
pub(crate) fn set_extra_headers(headers: &mut HeaderMap, extra: &[(String, String)]) {
    for (name, value) in extra {
        // These describe the body as sent: wrong ones would break the connection and not only the response.
        let framing = |name: &HeaderName| name == header::CONTENT_LENGTH || name == header::TRANSFER_ENCODING;
        if let Some(name) = HeaderName::from_bytes(name.as_bytes()).ok().filter(|name| !framing(name)) {
            set(headers, name, value);
        }
    }
}

/// Returns the status, or 500 for an invalid code. 1xx is invalid too, as it announces another response, which never
/// comes.
pub(crate) fn status(code: u16) -> StatusCode {
    StatusCode::from_u16(code)
        .ok()
        .filter(|status| !status.is_informational())
        .unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
}

pub(crate) fn json(value: &impl Serialize) -> String {
    // Only maps with keys that are not text can fail, and none of these values has one.
    serde_json::to_string(value).unwrap_or_else(|_| "{}".to_owned())
}

fn xml(envelope: &Envelope<'_>) -> String {
    let mut text = String::from("<?xml version='1.0' encoding='UTF-8'?><Error>");
    let mut members = vec![
        ("RequestId", envelope.request_id),
        ("HostId", envelope.host_id),
        ("Code", envelope.code),
        ("Message", envelope.message),
        ("Recommend", &envelope.recommend),
    ];
    write_members(&mut text, &members);
    if let Some(denied) = envelope.access_denied_detail {
        members = vec![
            ("AuthAction", &denied.auth_action),
            ("AuthPrincipalType", denied.auth_principal_type),
            ("AuthPrincipalDisplayName", &denied.auth_principal_display_name),
            ("AuthPrincipalOwnerId", denied.auth_principal_owner_id),
            ("PolicyType", denied.policy_type),
            ("NoPermissionType", denied.no_permission_type),
            ("EncodedDiagnosticMessage", &denied.encoded_diagnostic_message),
        ];
        text.push_str("<AccessDeniedDetail>");
        write_members(&mut text, &members);
        text.push_str("</AccessDeniedDetail>");
    }
    text.push_str("</Error>");
    text
}

/// Appends XML elements with escaped text.
pub(crate) fn write_members(text: &mut String, members: &[(&str, &str)]) {
    for (name, value) in members {
        text.push_str(&format!("<{name}>"));
        for character in value.chars() {
            match character {
                '&' => text.push_str("&amp;"),
                '<' => text.push_str("&lt;"),
                '>' => text.push_str("&gt;"),
                '"' => text.push_str("&quot;"),
                '\n' | '\t' => text.push(character),
                // XML 1.0 cannot express most control characters.
                control if control.is_control() => text.push(char::REPLACEMENT_CHARACTER),
                other => text.push(other),
            }
        }
        text.push_str(&format!("</{name}>"));
    }
}
