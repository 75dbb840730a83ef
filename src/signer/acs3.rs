//! Signature V3 on the head of a request.

use http::{header, request};

use super::{Pairs, SignedRequest, borrowed, headers, missing, query, visible};
use crate::context::Context;
use crate::credentials::Credentials;
use crate::error::Error;
use crate::rpc::{SignatureHeaders, header_value, insert_headers};
use crate::sign::acs3;

const CONTENT_SHA256: &str = "x-acs-content-sha256";

/// Headers of the signature itself: whatever the request has of them is replaced.
pub(super) const OURS: [&str; 6] = [
    "x-acs-date",
    "x-acs-signature-nonce",
    "x-acs-security-token",
    "x-acs-accesskey-id",
    "x-acs-credentials-provider",
    CONTENT_SHA256,
];

pub(super) struct Signable {
    query: Pairs,
    payload_sha256: String,
}

pub(super) fn prepare(head: &request::Parts, body: Option<&[u8]>) -> Result<Signable, Error> {
    let has = |name: &str| head.headers.get(name).is_some_and(|value| !value.is_empty());
    if !has("x-acs-version") {
        return Err(missing("x-acs-version", "among its headers: it names the API version, as 2020-09-30"));
    }
    // A ROA operation is named by its path.
    if head.uri.path() == "/" && !has("x-acs-action") {
        return Err(missing("x-acs-action", "among its headers: it names the operation"));
    }
    signed_headers(head)?;
    let payload_sha256 = match (body, head.headers.get(CONTENT_SHA256)) {
        (Some([]), _) => acs3::EMPTY_PAYLOAD.to_owned(),
        (Some(body), _) => acs3::payload_sha256(body),
        (None, Some(given)) => hash(visible(CONTENT_SHA256, given)?)?,
        (None, None) => {
            let error = Error::invalid_input("the body is a stream, and ACS3 signs the hash of a body");
            let remedy = "give its SHA-256 in the header x-acs-content-sha256, or a body that is in memory";
            return Err(error.with_code("StreamNeedsHash").with_remedy(remedy));
        }
    };
    Ok(Signable { query: query(head)?, payload_sha256 })
}

fn hash(given: &str) -> Result<String, Error> {
    let right = given.len() == 64 && given.bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte));
    if right {
        return Ok(given.to_owned());
    }
    let message = "x-acs-content-sha256 is not the lower-case hexadecimal SHA-256 of a body";
    Err(Error::invalid_input(message).with_code("InvalidHeader"))
}

/// The request's own headers that are signed. Its `Host` comes with the rest.
fn signed_headers(head: &request::Parts) -> Result<Vec<(&str, &str)>, Error> {
    headers(head, |name| acs3::must_be_signed(name) && name != "host" && !OURS.contains(&name))
}

impl Signable {
    pub(super) fn sign(
        &self,
        head: &request::Parts,
        host: &str,
        context: &Context,
        credentials: &Credentials,
    ) -> Result<SignedRequest, Error> {
        let added = SignatureHeaders::new(context, credentials);
        let mut to_sign = signed_headers(head)?;
        to_sign.push(("host", host));
        for header in added.headers(&self.payload_sha256) {
            to_sign.push(header);
        }
        let query = borrowed(&self.query);
        let request = acs3::Request {
            method: head.method.as_str(),
            path: head.uri.path(),
            query: &query,
            headers: &to_sign,
            payload_sha256: &self.payload_sha256,
        };
        let authorization = request.authorization(credentials.access_key_id(), credentials.access_key_secret());
        let mut signed = head.clone();
        for name in OURS {
            signed.headers.remove(name);
        }
        insert_headers(&mut signed.headers, added.headers(&self.payload_sha256), &authorization)?;
        // The host as it was signed, whatever the client would have made of the URL.
        signed.headers.insert(header::HOST, header_value("host", host)?);
        Ok(SignedRequest { head: signed, body: None })
    }
}
