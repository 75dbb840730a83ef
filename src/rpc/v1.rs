//! The same request signed by version 1, for gateways that know no other.

use bytes::Bytes;
use http::Request;

use super::{Call, encoded, post};
use crate::context::Context;
use crate::credentials::Credentials;
use crate::error::Error;
use crate::key_characters::check_characters;
use crate::sign::rpc_v1;
use crate::time;

/// `Action`, `Version` and `Format` in the URL, where logs may show them; all the rest in the form, key id, token and
/// signature included. Gateways read both as one, and the signature covers both.
pub(crate) fn signed(context: &Context, call: Call<'_>, credentials: &Credentials) -> Result<Request<Bytes>, Error> {
    // The server would blame another one of them: a secret with a line feed is told as an id that does not exist.
    check_characters(credentials)?;
    let query = [("Action", call.action), ("Version", call.version), ("Format", "JSON")];
    let form = call.query.iter().chain(call.form).copied();
    post(call, &query, signed_form(context, credentials, &query, form))
}

/// The form with the signature in it, over what is in the query and what is in the form.
pub(crate) fn signed_form<'a>(
    context: &Context,
    credentials: &Credentials,
    query: &[(&str, &str)],
    form: impl IntoIterator<Item = (&'a str, &'a str)>,
) -> String {
    let timestamp = time::to_iso(context.signing_time());
    let nonce = context.nonce();
    let mut form: Vec<(&str, &str)> = form.into_iter().collect();
    form.extend([
        ("AccessKeyId", credentials.access_key_id()),
        ("SignatureMethod", rpc_v1::SIGNATURE_METHOD),
        ("SignatureVersion", rpc_v1::SIGNATURE_VERSION),
        ("SignatureNonce", &nonce),
        ("Timestamp", &timestamp),
    ]);
    form.extend(credentials.security_token().map(|token| ("SecurityToken", token)));
    let parameters: Vec<_> = query.iter().chain(&form).copied().collect();
    let to_sign = rpc_v1::Request { method: "POST", parameters: &parameters };
    let signature = to_sign.signature(credentials.access_key_secret());
    form.push(("Signature", &signature));
    encoded(&form)
}
