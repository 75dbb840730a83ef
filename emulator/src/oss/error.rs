//! Errors of OSS: XML in its own format, with additional members for some codes.
//!
//! `EC` distinguishes the cases of one `Code`; each has a page in the documents. Every error carries it, as some
//! clients cannot read an error without it.

use std::borrow::Cow;

use axum::response::Response;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;

use super::response::{OssResponse, ResponseContext};
use crate::response::{ApiError, write_members};

/// The `EC` of cases for which the documents give no number.
pub(super) const UNDOCUMENTED: &str = "0000-00000000";

pub(super) type OssResult<T> = Result<T, OssError>;

pub(super) struct OssError {
    status: u16,
    pub(super) code: Cow<'static, str>,
    message: Cow<'static, str>,
    ec: &'static str,
    members: Vec<(&'static str, String)>,
}

impl OssError {
    pub(super) fn new(status: u16, code: &'static str, ec: &'static str, message: &'static str) -> Self {
        Self { status, code: code.into(), message: message.into(), ec, members: Vec::new() }
    }

    pub(super) fn with(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.members.push((name, value.into()));
        self
    }

    pub(super) fn argument(ec: &'static str, message: &'static str, name: &str, value: &str) -> Self {
        Self::new(400, "InvalidArgument", ec, message).with("ArgumentName", name).with("ArgumentValue", value)
    }

    /// Returns the error for features that the emulator does not support, so that no test takes them for done.
    pub(super) fn not_implemented() -> Self {
        Self::new(
            501,
            "NotImplemented",
            UNDOCUMENTED,
            "A header you provided implies functionality that is not implemented.",
        )
    }

    pub(super) fn respond(&self, context: &ResponseContext<'_>) -> Response {
        let body = self.xml(context.request_id, context.host);
        let mut response = OssResponse::xml(self.status, body);
        response.push("x-oss-ec", self.ec);
        if context.head {
            // A HEAD response has no body, so the error is in a header.
            let encoded = STANDARD.encode(&response.body);
            response.push("x-oss-err", &encoded);
            response.body = Bytes::new();
        }
        response.respond(context)
    }

    fn xml(&self, request_id: &str, host: &str) -> String {
        let doc = format!("https://api.aliyun.com/troubleshoot?q={}", self.ec);
        let mut members = vec![
            ("Code", self.code.as_ref()),
            ("Message", self.message.as_ref()),
            ("RequestId", request_id),
            ("HostId", host),
        ];
        members.extend(self.members.iter().map(|(name, value)| (*name, value.as_str())));
        members.extend([("EC", self.ec), ("RecommendDoc", doc.as_str())]);
        let mut text = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Error>");
        write_members(&mut text, &members);
        text.push_str("</Error>\n");
        text
    }
}

/// Converts an injected fault or the error for an oversized body.
impl From<ApiError> for OssError {
    fn from(error: ApiError) -> Self {
        Self { status: error.status, code: error.code, message: error.message, ec: UNDOCUMENTED, members: Vec::new() }
    }
}
