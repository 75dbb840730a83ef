//! Signature V1 of an RPC call, in the form that is its body.

use bytes::Bytes;
use http::{HeaderValue, Method, header, request};

use super::{SignedRequest, acs3, already_signed, borrowed, decoded, missing, query};
use crate::context::Context;
use crate::credentials::Credentials;
use crate::error::Error;
use crate::rpc::{FORM, signed_form};

/// Parameters of the signature itself: whatever the form has of them is replaced.
const OURS: [&str; 7] =
    ["AccessKeyId", "SecurityToken", "Signature", "SignatureMethod", "SignatureNonce", "SignatureVersion", "Timestamp"];

/// Decoded parameters.
type Pairs = Vec<(String, String)>;

pub(super) struct Signable {
    query: Pairs,
    form: Pairs,
}

pub(super) fn prepare(head: &request::Parts, body: Option<&[u8]>) -> Result<Signable, Error> {
    let media = head.headers.get(header::CONTENT_TYPE).map_or(FORM.as_bytes(), HeaderValue::as_bytes);
    let is_form = media.split(|byte| *byte == b';').next().is_some_and(|m| m.eq_ignore_ascii_case(FORM.as_bytes()));
    let form = match body {
        Some(body) if head.method == Method::POST && (is_form || body.is_empty()) => decoded(body)
            .ok_or_else(|| Error::invalid_input("the form is not UTF-8 when decoded").with_code("InvalidForm"))?
            .into_owned(),
        _ => {
            let error = Error::invalid_input("signature V1 is for a POST whose body, if any, is a form in memory");
            return Err(error.with_code("NotAForm").with_remedy("send the parameters as a form, or sign by ACS3"));
        }
    };
    let query: Pairs = query(head)?.into_owned().collect();
    let form = form.filter(|(name, _)| !OURS.contains(&name.as_str())).collect();
    if let Some((name, _)) = query.iter().find(|(name, _)| OURS.contains(&name.as_str())) {
        return Err(already_signed(name));
    }
    for name in ["Action", "Version"] {
        if !query.iter().chain(&form).any(|(given, value)| given == name && !value.is_empty()) {
            return Err(missing(name, "among its parameters"));
        }
    }
    Ok(Signable { query, form })
}

impl Signable {
    pub(super) fn action(&self) -> Option<&str> {
        self.query.iter().chain(&self.form).find(|(name, _)| name == "Action").map(|(_, value)| value.as_str())
    }

    pub(super) fn sign(
        &self,
        head: &request::Parts,
        context: &Context,
        credentials: &Credentials,
    ) -> Result<SignedRequest, Error> {
        let form = signed_form(context, credentials, &borrowed(&self.query), borrowed(&self.form))?;
        let mut signed = head.clone();
        signed.headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(FORM));
        // What another signature left: two identities in one request would be one too many.
        for name in acs3::OURS.into_iter().chain([&header::AUTHORIZATION]) {
            signed.headers.remove(name);
        }
        // The client finds out how long the new body is.
        signed.headers.remove(header::CONTENT_LENGTH);
        Ok(SignedRequest { head: signed, body: Some(Bytes::from(form)) })
    }
}
