//! The verifier against signatures that official SDK code made or Alibaba Cloud published: see `about` in the file.

use std::collections::BTreeMap;

use http::{HeaderMap, HeaderName, HeaderValue};
use serde::Deserialize;

use super::*;
use crate::request::header_text;

#[derive(Deserialize)]
struct Vectors {
    cases: Vec<Case>,
}

#[derive(Deserialize)]
struct Case {
    id: String,
    method: String,
    query: BTreeMap<String, String>,
    headers: BTreeMap<String, String>,
    body_hex: String,
    secret: String,
    payload_sha256: String,
    /// The case gives a hash without its body.
    payload_is_given: bool,
    expected: Vec<Expected>,
}

#[derive(Deserialize)]
struct Expected {
    names_encoded: bool,
    signed_headers: String,
    canonical_request: String,
    signature: String,
    authorization: String,
}

fn cases() -> Vec<Case> {
    let vectors: Vectors = serde_json::from_str(include_str!("../tests/vectors/acs3.json")).unwrap();
    assert!(vectors.cases.len() > 15);
    vectors.cases
}

fn bytes(hex: &str) -> Vec<u8> {
    (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap()).collect()
}

fn headers(case: &Case, names: &[String]) -> Vec<(String, String)> {
    let mut map = HeaderMap::new();
    for (name, value) in &case.headers {
        map.append(HeaderName::from_bytes(name.as_bytes()).unwrap(), HeaderValue::from_str(value).unwrap());
    }
    names.iter().map(|name| (name.clone(), header_text(&map, name).unwrap())).collect()
}

#[test]
fn every_official_vector_is_accepted() {
    for case in cases() {
        let query: Vec<_> = case.query.clone().into_iter().collect();
        if !case.payload_is_given {
            assert_eq!(sha256_hex(&bytes(&case.body_hex)), case.payload_sha256, "{}", case.id);
        }
        for expected in &case.expected {
            let authorization = Authorization::parse(&expected.authorization).ok().unwrap();
            assert_eq!(authorization.signed_headers.join(";"), expected.signed_headers, "{}", case.id);
            assert_eq!(authorization.signature, expected.signature, "{}", case.id);
            let canonical = Canonical {
                method: &case.method,
                path: "/",
                query: &query,
                headers: &headers(&case, &authorization.signed_headers),
                payload_hash: &case.payload_sha256,
            };
            let names = if expected.names_encoded { Names::Encoded } else { Names::Raw };
            assert_eq!(canonical.request(names), expected.canonical_request, "{}", case.id);
            assert!(canonical.is_signed(&case.secret, &authorization.signature), "{}", case.id);
            assert!(!canonical.is_signed("another secret", &authorization.signature), "{}", case.id);
        }
    }
}

#[test]
fn names_that_need_encoding_are_accepted_in_both_forms() {
    let case = cases().into_iter().find(|case| case.id == "odd-keys").unwrap();
    let forms: Vec<bool> = case.expected.iter().map(|expected| expected.names_encoded).collect();
    assert!(forms.contains(&true) && forms.contains(&false));
}

#[test]
fn repeated_names_are_sorted_by_value() {
    let query = [("b".into(), "2".into()), ("a".into(), "x y".into()), ("b".into(), "1".into())];
    let canonical = Canonical { method: "GET", path: "/", query: &query, headers: &[], payload_hash: "" };
    assert_eq!(canonical.request(Names::Encoded), "GET\n/\na=x%20y&b=1&b=2\n\n\n");
}

#[test]
fn authorization_headers_have_one_form() {
    let good = "ACS3-HMAC-SHA256 Credential=k, SignedHeaders=B;a;b, Signature=00";
    let parsed = Authorization::parse(good).ok().unwrap();
    assert_eq!((parsed.access_key_id.as_str(), parsed.signature.as_str()), ("k", "00"));
    assert_eq!(parsed.signed_headers, ["a", "b"]);
    for (text, code) in [
        ("", "IncompleteSignature"),
        ("ACS3-HMAC-SHA256", "IncompleteSignature"),
        ("ACS3-HMAC-SHA256 Credential=k,Signature=00", "IncompleteSignature"),
        ("ACS3-HMAC-SHA256 Credential=k,Credential=k,SignedHeaders=a,Signature=00", "IncompleteSignature"),
        ("ACS3-HMAC-SHA256 Credential=k,SignedHeaders=a,Signature=00,Extra=1", "IncompleteSignature"),
        ("ACS3-HMAC-SHA256 Credential=,SignedHeaders=a,Signature=00", "MissingAccessKeyId"),
        ("ACS3-HMAC-SM3 Credential=k,SignedHeaders=a,Signature=00", "InvalidSignatureMethod"),
        ("Basic abc", "IncompleteSignature"),
    ] {
        assert_eq!(Authorization::parse(text).err().unwrap().code, code, "{text}");
    }
}
