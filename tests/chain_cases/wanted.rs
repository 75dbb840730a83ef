//! What of a request is otherwise than the case has it.

use std::collections::BTreeMap;
use std::time::Duration;

use alibabacloud_credentials::SendOptions;
use bytes::Bytes;
use http::Request;

use super::case::Wanted;

const METADATA: &str = "100.100.100.200";

fn header<'a>(request: &'a Request<Bytes>, name: &str) -> &'a str {
    request.headers().get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
}

/// The signature, where the request has one.
pub(crate) fn signature(request: &Request<Bytes>) -> Option<&str> {
    let (_, signature) = header(request, "authorization").split_once(",Signature=")?;
    Some(signature).filter(|signature| signature.len() == 64)
}

/// What of the request is otherwise than wanted.
pub(crate) fn mismatches(wanted: &Wanted, request: &Request<Bytes>, options: SendOptions) -> Vec<String> {
    let mut wrong = Vec::new();
    let uri = request.uri();
    let header = |name: &str| header(request, name);
    let query = pairs(uri.query().unwrap_or_default());
    let form = pairs(std::str::from_utf8(request.body()).unwrap_or_default());
    let mut same = |what: &str, has: &str, wants: &str| {
        if has != wants {
            wrong.push(format!("{what} is `{has}` and not `{wants}`"));
        }
    };
    same("the method", request.method().as_str(), &wanted.method);
    same("the scheme", uri.scheme_str().unwrap_or_default(), &wanted.scheme);
    same("the host", uri.authority().map_or("", |authority| authority.as_str()), &wanted.host);
    same("the path", uri.path(), &wanted.path);
    if let Some(action) = &wanted.action {
        let of = |name: &str, header_name: &str| match &wanted.signed_by {
            Some(_) => header(header_name).to_owned(),
            None => query.get(name).cloned().unwrap_or_default(),
        };
        same("the action", &of("Action", "x-acs-action"), action);
        same("the version", &of("Version", "x-acs-version"), "2015-04-01");
    }
    let signer = header("authorization")
        .strip_prefix("ACS3-HMAC-SHA256 Credential=")
        .and_then(|rest| rest.split(',').next())
        .unwrap_or_default();
    same("the signer", signer, wanted.signed_by.as_deref().unwrap_or_default());
    for (name, value) in &wanted.query {
        same(name, query.get(name).map_or("", String::as_str), value);
    }
    for (name, value) in &wanted.form {
        same(name, form.get(name).map_or("", String::as_str), value);
    }
    for (name, value) in &wanted.headers {
        same(name, header(name), value);
    }
    if wanted.signed_by.is_some() {
        same("the Host header", header("host"), &wanted.host);
        same("what is signed", signature(request).map_or("nothing", |_| "the request"), "the request");
    }
    for name in &wanted.without {
        if query.contains_key(name) || form.contains_key(name) || request.headers().contains_key(name) {
            wrong.push(format!("{name} is there"));
        }
    }
    for text in &wanted.not_in_url {
        if uri.to_string().contains(text.as_str()) {
            wrong.push(format!("the URL holds {text}"));
        }
    }
    if bounds(wanted, uri.host().unwrap_or_default()) != without_address(options) {
        wrong.push(format!("its bounds are {options:?}"));
    }
    wrong
}

fn without_address(mut options: SendOptions) -> SendOptions {
    options.address = None;
    options
}

/// Metadata is near, small and quick, or not there; a credentials URI on this machine needs no proxy either.
fn bounds(wanted: &Wanted, host: &str) -> SendOptions {
    let mut bounds = SendOptions::default();
    bounds.proxy = wanted.action.is_some() || wanted.scheme == "https";
    if host == METADATA || host.starts_with("[fd00:") {
        let (connect, whole) = if wanted.probe { (200, 250) } else { (900, 1000) };
        bounds.connect_timeout = Duration::from_millis(connect);
        bounds.timeout = Duration::from_millis(whole);
        bounds.max_body = 16 * 1024;
    }
    bounds
}

fn pairs(text: &str) -> BTreeMap<String, String> {
    let pairs = text.split('&').filter_map(|pair| pair.split_once('='));
    pairs.map(|(name, value)| (decode(name), decode(value))).collect()
}

fn decode(text: &str) -> String {
    let mut out = Vec::new();
    let mut rest = text.as_bytes();
    while let [first, tail @ ..] = rest {
        let escaped = tail.get(..2).and_then(|hex| u8::from_str_radix(std::str::from_utf8(hex).ok()?, 16).ok());
        (rest, _) = match (first, escaped) {
            (b'%', Some(byte)) => (&tail[2..], out.push(byte)),
            _ => (tail, out.push(*first)),
        };
    }
    String::from_utf8_lossy(&out).into_owned()
}
