//! The same request signed by version 1, for gateways that know no other.

use std::convert::Infallible;

use bytes::Bytes;
use http::Request;

use super::{Call, encoded, post};
use crate::context::Context;
use crate::credentials::Credentials;
use crate::error::Error;
use crate::key_characters::check_characters;
#[cfg(feature = "rsa-key-pair")]
use crate::rsa_key::RsaKey;
use crate::sign::rpc_v1;
use crate::time;

/// `Action`, `Version` and `Format` in the URL, where logs may show them; all the rest in the form, key id, token and
/// signature included. Gateways read both as one, and the signature covers both.
pub(crate) fn signed(context: &Context, call: Call<'_>, credentials: &Credentials) -> Result<Request<Bytes>, Error> {
    let query = [("Action", call.action), ("Version", call.version), ("Format", "JSON")];
    let form = call.query.iter().chain(call.form).copied();
    post(call, &query, signed_form(context, credentials, &query, form)?)
}

/// The form with the signature in it, over what is in the query and what is in the form.
pub(crate) fn signed_form<'a>(
    context: &Context,
    credentials: &Credentials,
    query: &[(&str, &str)],
    form: impl IntoIterator<Item = (&'a str, &'a str)>,
) -> Result<String, Error> {
    // The server would blame another one of them: a secret with a line feed is told as an id that does not exist.
    check_characters(credentials)?;
    let mut own = vec![("SignatureMethod", rpc_v1::SIGNATURE_METHOD)];
    own.extend(credentials.security_token().map(|token| ("SecurityToken", token)));
    let sign = |request: rpc_v1::Request<'_>| -> Result<String, Infallible> {
        Ok(request.signature(credentials.access_key_secret()))
    };
    let Ok(form) = completed(context, credentials.access_key_id(), query, form, own, sign);
    Ok(form)
}

/// The same, signed by an RSA key pair, as the Go SDK does; it has no session, and no other operation takes it. Go sends a GET. The
/// generated PHP SDK of STS posts the operation, with an AccessKey's signature.
#[cfg(feature = "rsa-key-pair")]
pub(crate) fn signed_by_key_pair(
    context: &Context,
    call: Call<'_>,
    key_id: &str,
    key: &RsaKey,
) -> Result<Request<Bytes>, Error> {
    let query = [("Action", call.action), ("Version", call.version), ("Format", "JSON")];
    let own = vec![("SignatureMethod", "SHA256withRSA"), ("SignatureType", "PRIVATEKEY")];
    let sign = |request: rpc_v1::Request<'_>| key.sign(&request.string_to_sign());
    let form = completed(context, key_id, &query, call.form.iter().copied(), own, sign)?;
    post(call, &query, form)
}

/// The form with the parameters of the signature, of which `own` are those of the kind of key, and the signature over all.
fn completed<'a, E>(
    context: &Context,
    key_id: &str,
    query: &[(&str, &str)],
    form: impl IntoIterator<Item = (&'a str, &'a str)>,
    own: Vec<(&str, &str)>,
    sign: impl FnOnce(rpc_v1::Request<'_>) -> Result<String, E>,
) -> Result<String, E> {
    let timestamp = time::to_iso(context.signing_time());
    let nonce = context.nonce();
    let mut form: Vec<(&str, &str)> = form.into_iter().collect();
    form.extend([
        ("AccessKeyId", key_id),
        ("SignatureVersion", rpc_v1::SIGNATURE_VERSION),
        ("SignatureNonce", &nonce),
        ("Timestamp", &timestamp),
    ]);
    form.extend(own);
    let parameters: Vec<_> = query.iter().chain(&form).copied().collect();
    let signature = sign(rpc_v1::Request { method: "POST", parameters: &parameters })?;
    form.push(("Signature", &signature));
    Ok(encoded(&form))
}
