//! Responses of OSS: bytes or XML, with headers.

use axum::body::Body;
use axum::response::Response;
use bytes::Bytes;
use chrono::{DateTime, Utc};
use http::{HeaderName, HeaderValue, StatusCode, header};

use crate::clock::http_date;
use crate::response::{set, status};

/// The parts of a request that its response needs.
pub(super) struct ResponseContext<'a> {
    pub(super) now: DateTime<Utc>,
    pub(super) request_id: &'a str,
    pub(super) host: &'a str,
    /// Whether it is a HEAD request, whose response has no body.
    pub(super) head: bool,
    pub(super) close: bool,
}

pub(super) struct OssResponse {
    status: u16,
    pub(super) body: Bytes,
    headers: Vec<(HeaderName, HeaderValue)>,
}

impl OssResponse {
    pub(super) fn new(status: u16, body: Bytes) -> Self {
        Self { status, body, headers: Vec::new() }
    }

    pub(super) fn xml(status: u16, xml: String) -> Self {
        let mut response = Self::new(status, xml.into());
        response.push("content-type", "application/xml");
        response
    }

    /// Sets a header. A value that HTTP does not allow is omitted.
    pub(super) fn push(&mut self, name: &'static str, value: &str) {
        if let Ok(value) = HeaderValue::from_str(value) {
            self.set(HeaderName::from_static(name), value);
        }
    }

    pub(super) fn set(&mut self, name: HeaderName, value: HeaderValue) {
        self.headers.retain(|(other, _)| *other != name);
        self.headers.push((name, value));
    }

    pub(super) fn respond(self, context: &ResponseContext<'_>) -> Response {
        let length = self.body.len();
        // For a HEAD request the HTTP layer sends only the headers, with the content length of a GET response.
        let mut response = Response::new(Body::from(self.body));
        *response.status_mut() = status(self.status);
        let no_content = response.status() == StatusCode::NO_CONTENT;
        let headers = response.headers_mut();
        set(headers, header::SERVER, "AliyunOSS");
        set(headers, header::DATE, &http_date(context.now));
        if !no_content {
            headers.insert(header::CONTENT_LENGTH, length.into());
        }
        set(headers, header::CONNECTION, if context.close { "close" } else { "keep-alive" });
        set(headers, HeaderName::from_static("x-oss-request-id"), context.request_id);
        set(headers, HeaderName::from_static("x-oss-server-time"), "1");
        headers.extend(self.headers);
        response
    }
}
