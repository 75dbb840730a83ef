//! The request signed by version 3, ACS3: what every call but those of older gateways uses.

use std::borrow::Cow;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Request, header};

use super::{Call, FORM, encoded, post};
use crate::context::Context;
use crate::credentials::Credentials;
use crate::error::Error;
use crate::key_characters::check_characters;
use crate::sign::acs3;
use crate::time;

/// The headers that a signature adds to a request, but for `Authorization`.
pub(crate) struct SignatureHeaders<'a> {
    credentials: &'a Credentials,
    date: String,
    nonce: String,
    provider: Cow<'a, str>,
}

impl<'a> SignatureHeaders<'a> {
    pub(crate) fn new(context: &Context, credentials: &'a Credentials) -> Self {
        let provider = provider_header(credentials.provider_name());
        Self { credentials, date: time::to_iso(context.signing_time()), nonce: context.nonce(), provider }
    }

    pub(crate) fn headers<'h>(&'h self, payload_sha256: &'h str) -> impl Iterator<Item = (&'static str, &'h str)> {
        let token = self.credentials.security_token();
        let of_token = [
            token.map(|token| ("x-acs-security-token", token)),
            token.map(|_| ("x-acs-accesskey-id", self.credentials.access_key_id())),
        ];
        let always = [
            ("x-acs-date", &*self.date),
            ("x-acs-signature-nonce", &*self.nonce),
            ("x-acs-content-sha256", payload_sha256),
            ("x-acs-credentials-provider", &*self.provider),
        ];
        always.into_iter().chain(of_token.into_iter().flatten())
    }
}

/// As the official SDKs sign: the token in a header, nothing of the key in the URL.
pub(crate) fn signed(context: &Context, call: Call<'_>, credentials: &Credentials) -> Result<Request<Bytes>, Error> {
    // The server would blame another one of them: a secret with a line feed is told as an id that does not exist.
    check_characters(credentials)?;
    let body = encoded(call.form);
    let payload = match body.as_str() {
        "" => Cow::Borrowed(acs3::EMPTY_PAYLOAD),
        body => Cow::Owned(acs3::payload_sha256(body.as_bytes())),
    };
    let added = SignatureHeaders::new(context, credentials);
    let of_call = [
        ("host", call.endpoint.authority()),
        ("x-acs-action", call.action),
        ("x-acs-version", call.version),
        ("content-type", FORM),
    ];
    let of_call = &of_call[..if body.is_empty() { 3 } else { 4 }];
    let mut headers = [("", ""); 10];
    let mut used = 0;
    for header in of_call.iter().copied().chain(added.headers(&payload)) {
        headers[used] = header;
        used += 1;
    }
    let headers = &headers[..used];
    let to_sign = acs3::Request { method: "POST", path: "/", query: call.query, headers, payload_sha256: &payload };
    let authorization = to_sign.authorization(credentials.access_key_id(), credentials.access_key_secret());
    let mut request = post(call, call.query, body)?;
    insert_headers(request.headers_mut(), headers.iter().copied(), &authorization)?;
    Ok(request)
}

/// Puts the headers of a signature and its `Authorization` into a request.
pub(crate) fn insert_headers<'h>(
    fields: &mut HeaderMap,
    headers: impl Iterator<Item = (&'static str, &'h str)>,
    authorization: &str,
) -> Result<(), Error> {
    fields.reserve(headers.size_hint().0 + 1);
    for (name, value) in headers {
        fields.insert(HeaderName::from_static(name), header_value(name, value)?);
    }
    fields.insert(header::AUTHORIZATION, header_value("authorization", authorization)?);
    Ok(())
}

/// A provider's name as a header can carry it: users name their own as they like.
fn provider_header(name: &str) -> Cow<'_, str> {
    if name.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Cow::Borrowed(name);
    }
    Cow::Owned(name.chars().map(|c| if c.is_ascii_graphic() { c } else { '_' }).collect())
}

/// A header of the signature. What is secret in it is marked so that no HTTP client prints it.
pub(crate) fn header_value(name: &str, value: &str) -> Result<HeaderValue, Error> {
    let mut out = HeaderValue::from_str(value).map_err(|_| {
        let what = match name {
            "x-acs-security-token" | "x-oss-security-token" => "the security token",
            "authorization" | "x-acs-accesskey-id" => "the AccessKey ID",
            _ => name,
        };
        Error::invalid_input(format!("{what} holds characters that no header can carry"))
            .with_code("InvalidHeader")
            .with_remedy("write it in visible ASCII characters, without line breaks")
    })?;
    out.set_sensitive(name == "authorization" || name.ends_with("-security-token"));
    Ok(out)
}
