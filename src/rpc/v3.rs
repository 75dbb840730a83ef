//! The request signed by version 3, ACS3: what every call but those of older gateways uses.

use std::borrow::Cow;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Request};

use super::{Call, FORM, encoded, post};
use crate::context::Context;
use crate::credentials::Credentials;
use crate::error::Error;
use crate::key_characters::check_characters;
use crate::sign::acs3;
use crate::time;

pub(crate) const AUTHORIZATION: &str = "authorization";

/// The headers that a signature adds to a request, but for `Authorization`.
pub(crate) struct SignatureHeaders<'a> {
    credentials: &'a Credentials,
    date: String,
    nonce: String,
    provider: Cow<'a, str>,
    payload_sha256: Cow<'static, str>,
}

impl<'a> SignatureHeaders<'a> {
    pub(crate) fn new(context: &Context, credentials: &'a Credentials, payload_sha256: Cow<'static, str>) -> Self {
        let provider = provider_header(credentials.provider_name());
        let (date, nonce) = (time::to_iso(context.signing_time()), context.nonce());
        Self { credentials, date, nonce, provider, payload_sha256 }
    }

    pub(crate) fn to_sign(&self) -> impl Iterator<Item = (&'static str, &str)> {
        let of_token = self.of_token().into_iter().flatten();
        let always = [
            ("x-acs-date", &*self.date),
            ("x-acs-signature-nonce", &*self.nonce),
            ("x-acs-content-sha256", &*self.payload_sha256),
            ("x-acs-credentials-provider", &*self.provider),
        ];
        always.into_iter().chain(of_token)
    }

    fn of_token(&self) -> [Option<(&'static str, &'a str)>; 2] {
        let token = self.credentials.security_token();
        [
            token.map(|token| ("x-acs-security-token", token)),
            token.map(|_| ("x-acs-accesskey-id", self.credentials.access_key_id())),
        ]
    }

    /// Puts them into a request, and its `Authorization`.
    pub(crate) fn insert_into(self, fields: &mut HeaderMap, authorization: String) -> Result<(), Error> {
        fields.reserve(7);
        for (name, value) in self.of_token().into_iter().flatten() {
            insert(fields, name, value)?;
        }
        insert(fields, "x-acs-date", self.date)?;
        insert(fields, "x-acs-signature-nonce", self.nonce)?;
        match self.payload_sha256 {
            Cow::Borrowed(fixed) => drop(fields.insert("x-acs-content-sha256", HeaderValue::from_static(fixed))),
            Cow::Owned(hash) => insert(fields, "x-acs-content-sha256", hash)?,
        }
        insert(fields, "x-acs-credentials-provider", &*self.provider)?;
        insert(fields, AUTHORIZATION, authorization)
    }
}

/// As the official SDKs sign: the token in a header, nothing of the key in the URL.
pub(crate) fn signed(context: &Context, call: Call<'_>, credentials: &Credentials) -> Result<Request<Bytes>, Error> {
    // The server would blame another one of them: a secret with a line feed is told as an id that does not exist.
    check_characters(credentials)?;
    let body = encoded(call.form);
    let added = SignatureHeaders::new(context, credentials, payload_sha256(body.as_bytes()));
    let of_call = [
        ("host", call.endpoint.authority()),
        ("x-acs-action", call.action),
        ("x-acs-version", call.version),
        ("content-type", FORM),
    ];
    let of_call = &of_call[..if body.is_empty() { 3 } else { 4 }];
    let mut headers = [("", ""); 10];
    let mut used = 0;
    for header in of_call.iter().copied().chain(added.to_sign()) {
        headers[used] = header;
        used += 1;
    }
    let to_sign = acs3::Request {
        method: "POST",
        path: "/",
        query: call.query,
        headers: &headers[..used],
        payload_sha256: &added.payload_sha256,
    };
    let authorization = to_sign.authorization(credentials.access_key_id(), credentials.access_key_secret());
    let mut request = post(call, call.query, body)?;
    for (name, value) in &of_call[..3] {
        insert(request.headers_mut(), name, *value)?;
    }
    added.insert_into(request.headers_mut(), authorization)?;
    Ok(request)
}

/// The hash of a body, which most calls don't have.
pub(crate) fn payload_sha256(body: &[u8]) -> Cow<'static, str> {
    match body {
        [] => acs3::EMPTY_PAYLOAD.into(),
        body => acs3::payload_sha256(body).into(),
    }
}

/// A provider's name as a header can carry it: users name their own as they like.
fn provider_header(name: &str) -> Cow<'_, str> {
    if name.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Cow::Borrowed(name);
    }
    Cow::Owned(name.chars().map(|c| if c.is_ascii_graphic() { c } else { '_' }).collect())
}

/// Sets a header of a signature. What is secret in it is marked so that no HTTP client prints it. A `String` is not copied.
pub(crate) fn insert<V>(fields: &mut HeaderMap, name: &'static str, value: V) -> Result<(), Error>
where
    HeaderValue: TryFrom<V>,
{
    let mut value = HeaderValue::try_from(value).map_err(|_| {
        let what = match name {
            "x-acs-security-token" | "x-oss-security-token" => "the security token",
            AUTHORIZATION | "x-acs-accesskey-id" => "the AccessKey ID",
            _ => name,
        };
        Error::invalid_input(format!("{what} holds characters that no header can carry"))
            .with_code("InvalidHeader")
            .with_remedy("write it in visible ASCII characters, without line breaks")
    })?;
    value.set_sensitive(name == AUTHORIZATION || name.ends_with("-security-token"));
    fields.insert(HeaderName::from_static(name), value);
    Ok(())
}
