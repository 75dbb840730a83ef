//! Signature V3 on the head of a request.

use std::borrow::Cow;

use http::{HeaderName, header, request};

use super::{SignedRequest, headers, missing, query, visible, without};
use crate::context::Context;
use crate::credentials::Credentials;
use crate::error::Error;
use crate::rpc::{SignatureHeaders, insert, names, payload_sha256};
use crate::sign::acs3;

/// Headers of the signature itself: whatever the request has of them is replaced.
pub(super) static OURS: [&HeaderName; 6] =
    [&names::DATE, &names::NONCE, &names::TOKEN, &names::ACCESS_KEY_ID, &names::PROVIDER, &names::CONTENT_SHA256];

pub(super) struct Signable {
    canonical_query: String,
    payload_sha256: Cow<'static, str>,
}

pub(super) fn prepare(head: &request::Parts, body: Option<&[u8]>) -> Result<Signable, Error> {
    let has = |name: &HeaderName| head.headers.get(name).is_some_and(|value| !value.is_empty());
    if !has(&names::VERSION) {
        return Err(missing("x-acs-version", "among its headers: it names the API version, as 2020-09-30"));
    }
    // A ROA operation is named by its path.
    if head.uri.path() == "/" && !has(&names::ACTION) {
        return Err(missing("x-acs-action", "among its headers: it names the operation"));
    }
    signed_headers(head).try_for_each(|header| header.map(drop))?;
    let canonical_query = acs3::canonical_query(query(head)?.collect());
    let payload_sha256 = match (body, head.headers.get(&names::CONTENT_SHA256)) {
        (Some(body), _) => payload_sha256(body),
        (None, Some(given)) => hash(visible(names::CONTENT_SHA256.as_str(), given)?)?.into(),
        (None, None) => {
            let error = Error::invalid_input("the body is a stream, and ACS3 signs the hash of a body");
            let remedy = "give its SHA-256 in the header x-acs-content-sha256, or a body that is in memory";
            return Err(error.with_code("StreamNeedsHash").with_remedy(remedy));
        }
    };
    Ok(Signable { canonical_query, payload_sha256 })
}

fn hash(given: &str) -> Result<String, Error> {
    let right = given.len() == 64 && given.bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte));
    if right {
        return Ok(given.to_owned());
    }
    let message = "x-acs-content-sha256 is not the lower-case hexadecimal SHA-256 of a body";
    let error = Error::invalid_input(message).with_code("InvalidHeader");
    Err(error.with_remedy("give the hash of the bytes that are sent, or a body that is in memory"))
}

/// The request's own headers that are signed. Its `Host` comes with the rest.
fn signed_headers(head: &request::Parts) -> impl Iterator<Item = Result<(&str, &str), Error>> {
    headers(head, |name| acs3::must_be_signed(name.as_str()) && name != header::HOST && !OURS.contains(&name))
}

impl Signable {
    pub(super) fn sign(
        &self,
        head: &request::Parts,
        host: &str,
        context: &Context,
        credentials: &Credentials,
    ) -> Result<SignedRequest, Error> {
        let added = SignatureHeaders::new(context, credentials, self.payload_sha256.clone())?;
        let mut to_sign = Vec::with_capacity(10);
        to_sign.push((header::HOST.as_str(), host));
        for header in signed_headers(head) {
            let (name, value) = header?;
            to_sign.push((name, value.trim()));
        }
        for header in added.to_sign() {
            to_sign.push(header);
        }
        to_sign.sort_unstable();
        let request = acs3::Request {
            method: head.method.as_str(),
            path: head.uri.path(),
            query: &[],
            headers: &to_sign,
            payload_sha256: &self.payload_sha256,
        };
        let (id, secret) = (credentials.access_key_id(), credentials.access_key_secret());
        let authorization = request.authorization_of_sorted(Some(&self.canonical_query), id, secret);
        let mut signed = without(&OURS, head, SignatureHeaders::MOST + 1);
        // The host as it was signed, whatever the client would have made of the URL.
        insert(&mut signed.headers, &header::HOST, host)?;
        added.insert_into(&mut signed.headers, authorization)?;
        Ok(SignedRequest { head: signed, body: None })
    }
}
