//! The request signed by version 3, ACS3: what every call but those of older gateways uses.

use std::borrow::Cow;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Request, header};

use super::{Call, FORM, encoded, post};
use crate::context::Context;
use crate::credentials::{Credentials, KeyHeaders};
use crate::error::Error;
use crate::key_characters::checked_headers;
use crate::sign::acs3;
use crate::time;

/// Names of headers, known to be valid: reading one from text costs as much as all else that is done with it.
pub(crate) mod names {
    use http::HeaderName;

    pub(crate) static ACTION: HeaderName = HeaderName::from_static("x-acs-action");
    pub(crate) static VERSION: HeaderName = HeaderName::from_static("x-acs-version");
    pub(crate) static DATE: HeaderName = HeaderName::from_static("x-acs-date");
    pub(crate) static NONCE: HeaderName = HeaderName::from_static("x-acs-signature-nonce");
    pub(crate) static CONTENT_SHA256: HeaderName = HeaderName::from_static("x-acs-content-sha256");
    pub(crate) static PROVIDER: HeaderName = HeaderName::from_static("x-acs-credentials-provider");
    pub(crate) static TOKEN: HeaderName = HeaderName::from_static("x-acs-security-token");
    pub(crate) static ACCESS_KEY_ID: HeaderName = HeaderName::from_static("x-acs-accesskey-id");
}

/// The headers that a signature adds to a request, but for `Authorization`.
pub(crate) struct SignatureHeaders<'a> {
    credentials: &'a Credentials,
    key: &'a KeyHeaders,
    date: String,
    nonce: String,
    payload_sha256: Cow<'static, str>,
}

impl<'a> SignatureHeaders<'a> {
    /// As many as there can be, `Authorization` among them.
    pub(crate) const MOST: usize = 7;

    /// A secret with a line feed would be told as an id that does not exist: the credential is checked.
    pub(crate) fn new(
        context: &Context,
        credentials: &'a Credentials,
        payload_sha256: Cow<'static, str>,
    ) -> Result<Self, Error> {
        let key = checked_headers(credentials)?;
        let (date, nonce) = (time::to_iso(context.signing_time()), context.nonce());
        Ok(Self { credentials, key, date, nonce, payload_sha256 })
    }

    /// In the order of their names, which they are signed in: little is left to sort.
    pub(crate) fn to_sign(&self) -> impl Iterator<Item = (&'static str, &str)> {
        let token = self.credentials.security_token();
        let all = [
            token.map(|_| (&names::ACCESS_KEY_ID, self.credentials.access_key_id())),
            Some((&names::CONTENT_SHA256, &*self.payload_sha256)),
            Some((&names::PROVIDER, self.key.provider.to_str().unwrap_or_default())),
            Some((&names::DATE, &*self.date)),
            token.map(|token| (&names::TOKEN, token)),
            Some((&names::NONCE, &*self.nonce)),
        ];
        all.into_iter().flatten().map(|(name, value)| (name.as_str(), value))
    }

    /// Puts them into a request, and its `Authorization`.
    pub(crate) fn insert_into(self, fields: &mut HeaderMap, authorization: String) -> Result<(), Error> {
        fields.reserve(Self::MOST);
        if let Some(token) = &self.key.security_token {
            fields.insert(&names::ACCESS_KEY_ID, self.key.access_key_id.clone());
            fields.insert(&names::TOKEN, token.clone());
        }
        fields.insert(&names::PROVIDER, self.key.provider.clone());
        insert(fields, &names::DATE, self.date)?;
        insert(fields, &names::NONCE, self.nonce)?;
        match self.payload_sha256 {
            Cow::Borrowed(fixed) => drop(fields.insert(&names::CONTENT_SHA256, HeaderValue::from_static(fixed))),
            Cow::Owned(hash) => insert(fields, &names::CONTENT_SHA256, hash)?,
        }
        insert(fields, &header::AUTHORIZATION, authorization)
    }
}

/// As the official SDKs sign: the token in a header, nothing of the key in the URL.
pub(crate) fn signed(context: &Context, call: Call<'_>, credentials: &Credentials) -> Result<Request<Bytes>, Error> {
    let body = encoded(call.form);
    let added = SignatureHeaders::new(context, credentials, payload_sha256(body.as_bytes()))?;
    let of_call = [
        (&header::HOST, call.endpoint.authority()),
        (&names::ACTION, call.action),
        (&names::VERSION, call.version),
        (&header::CONTENT_TYPE, FORM),
    ];
    let of_call = &of_call[..if body.is_empty() { 3 } else { 4 }];
    let mut headers = [("", ""); 10];
    let mut used = 0;
    for header in of_call.iter().map(|(name, value)| (name.as_str(), value.trim())).chain(added.to_sign()) {
        headers[used] = header;
        used += 1;
    }
    headers[..used].sort_unstable();
    let to_sign = acs3::Request {
        method: "POST",
        path: "/",
        query: call.query,
        headers: &headers[..used],
        payload_sha256: &added.payload_sha256,
    };
    let authorization =
        to_sign.authorization_of_sorted(None, credentials.access_key_id(), credentials.access_key_secret());
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

/// Sets a header of a request. `Authorization` is marked so that no HTTP client prints it. A `String` is not copied.
pub(crate) fn insert<V>(fields: &mut HeaderMap, name: &HeaderName, value: V) -> Result<(), Error>
where
    HeaderValue: TryFrom<V>,
{
    let mut value = HeaderValue::try_from(value).map_err(|_| {
        let what = if name == header::AUTHORIZATION { "the AccessKey ID" } else { name.as_str() };
        Error::invalid_input(format!("{what} holds characters that no header can carry"))
            .with_code("InvalidHeader")
            .with_remedy("write it in visible ASCII characters, without line breaks")
    })?;
    value.set_sensitive(name == header::AUTHORIZATION);
    fields.insert(name, value);
    Ok(())
}
