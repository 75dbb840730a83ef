//! A request that needs no key: an exchange of tokens.

use bytes::Bytes;
use http::Request;

use super::{Call, encoded, post};
use crate::context::Context;
use crate::error::Error;
use crate::time;

/// Builds an unsigned call. Secrets travel in the form.
pub(crate) fn unsigned(context: &Context, call: Call<'_>) -> Result<Request<Bytes>, Error> {
    let (timestamp, nonce) = (time::to_iso(context.signing_time()), context.nonce());
    let query = [
        ("Action", call.action),
        ("Version", call.version),
        ("Format", "JSON"),
        ("Timestamp", &timestamp),
        ("SignatureNonce", &nonce),
    ];
    post(call, &query, encoded(call.form))
}
