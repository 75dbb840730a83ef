//! Signature V1 against the published vectors, and against a second implementation that is as plain as can be.

use std::collections::BTreeMap;

use alibabacloud_credentials::sign::rpc_v1;
use proptest::prelude::*;
use serde::Deserialize;
use sha1::{Digest, Sha1};

#[derive(Deserialize)]
struct File {
    vectors: Vec<Vector>,
}

#[derive(Deserialize)]
struct Vector {
    id: String,
    input: Input,
    expected: Expected,
}

#[derive(Deserialize)]
struct Input {
    method: String,
    query: BTreeMap<String, String>,
    form: BTreeMap<String, String>,
    access_key_secret: String,
}

#[derive(Deserialize)]
struct Expected {
    canonical_query: String,
    string_to_sign: String,
    signature: String,
}

#[test]
fn every_published_vector_is_reproduced() {
    let file: File = serde_json::from_str(include_str!("vectors/rpc_v1.json")).unwrap();
    assert_eq!(file.vectors.len(), 16);
    assert!(file.vectors.iter().any(|vector| !vector.input.form.is_empty()));
    for Vector { id, input, expected } in &file.vectors {
        let parameters: Vec<(&str, &str)> =
            input.query.iter().chain(&input.form).map(|(name, value)| (name.as_str(), value.as_str())).collect();
        let request = rpc_v1::Request { method: &input.method, parameters: &parameters };
        assert_eq!(request.string_to_sign(), expected.string_to_sign, "{id}");
        assert_eq!(request.signature(&input.access_key_secret), expected.signature, "{id}");
        assert!(expected.string_to_sign.ends_with(&encode(&expected.canonical_query)), "{id}: the vector agrees");
    }
}

/// What all four calls of AssumeRole have in common; two implementations agree on their signatures.
const ASSUME_ROLE: [(&str, &str); 11] = [
    ("Version", "2015-04-01"),
    ("Action", "AssumeRole"),
    ("Format", "JSON"),
    ("Timestamp", "2024-01-02T03:04:05Z"),
    ("SignatureMethod", rpc_v1::SIGNATURE_METHOD),
    ("SignatureVersion", rpc_v1::SIGNATURE_VERSION),
    ("SignatureNonce", "nonce-0001"),
    ("AccessKeyId", "testid"),
    ("RoleArn", "acs:ram::123456789012:role/demo"),
    ("RoleSessionName", "sess"),
    ("DurationSeconds", "3600"),
];

#[test]
fn assume_role_is_signed_with_spaces_tokens_and_any_script() {
    const POLICY: &str =
        r#"{"Version": "1", "Statement": [{"Effect": "Allow", "Action": ["oss:*"], "Resource": ["*"]}]}"#;
    type Changes = &'static [(&'static str, &'static str)];
    let cases: [(&str, Changes, &str); 4] = [
        ("POST", &[], "DsV/kMY5R6hvSFyoR6ezYfL4/JE="),
        ("GET", &[], "YpXCXJmyiNDH2nCodAP92e9qYjw="),
        ("POST", &[("SecurityToken", "CAIS+a/b=="), ("Policy", POLICY)], "OpdHTvkUGNh8ka/x/hOlll8jKrM="),
        ("POST", &[("RoleSessionName", "a b~c*d"), ("ExternalId", "中文!'()")], "xzYQiIjBWWmSf8p4//PkkrPI9rI="),
    ];
    for (method, changes, signature) in cases {
        let mut all: BTreeMap<&str, &str> = ASSUME_ROLE.into();
        all.extend(changes.iter().copied());
        let parameters: Vec<_> = all.into_iter().collect();
        let request = rpc_v1::Request { method, parameters: &parameters };
        assert_eq!(request.signature("testsecret"), signature, "{method} {changes:?}");
    }
    let plain = rpc_v1::Request { method: "POST", parameters: &ASSUME_ROLE };
    let expected = "POST&%2F&AccessKeyId%3Dtestid%26Action%3DAssumeRole%26DurationSeconds%3D3600%26Format%3DJSON%26RoleArn%3Dacs%253Aram%253A%253A123456789012%253Arole%252Fdemo%26RoleSessionName%3Dsess%26SignatureMethod%3DHMAC-SHA1%26SignatureNonce%3Dnonce-0001%26SignatureVersion%3D1.0%26Timestamp%3D2024-01-02T03%253A04%253A05Z%26Version%3D2015-04-01";
    assert_eq!(plain.string_to_sign(), expected);
}

#[test]
fn a_signature_does_not_sign_itself_and_debug_shows_no_parameter() {
    let signed = [("SecurityToken", "a-token"), ("Signature", "anything")];
    let with = rpc_v1::Request { method: "POST", parameters: &signed };
    let without = rpc_v1::Request { method: "POST", parameters: &signed[..1] };
    assert_eq!(with.signature("s"), without.signature("s"));
    assert!(!format!("{with:?}").contains("a-token"));
}

// ---- the second implementation: strings, HMAC and Base64 by hand, no care for speed

fn encode(text: &str) -> String {
    let one = |byte: u8| match char::from(byte) {
        c if c.is_ascii_alphanumeric() || "-_.~".contains(c) => c.to_string(),
        _ => format!("%{byte:02X}"),
    };
    text.bytes().map(one).collect()
}

fn hmac_sha1(key: &[u8], message: &[u8]) -> Vec<u8> {
    let mut block = if key.len() > 64 { Sha1::digest(key).to_vec() } else { key.to_vec() };
    block.resize(64, 0);
    let padded = |pad: u8| block.iter().map(|byte| byte ^ pad).collect::<Vec<u8>>();
    let inner = Sha1::digest([padded(0x36), message.to_vec()].concat());
    Sha1::digest([padded(0x5c), inner.to_vec()].concat()).to_vec()
}

fn to_base64(bytes: &[u8]) -> String {
    let alphabet: Vec<char> = ('A'..='Z').chain('a'..='z').chain('0'..='9').chain(['+', '/']).collect();
    let bits: Vec<u8> = bytes.iter().flat_map(|byte| (0..8).rev().map(move |bit| (byte >> bit) & 1)).collect();
    let sixes =
        bits.chunks(6).map(|six| six.iter().fold(0, |all, bit| all << 1 | usize::from(*bit)) << (6 - six.len()));
    let mut out: String = sixes.map(|at| alphabet[at]).collect();
    while !out.len().is_multiple_of(4) {
        out.push('=');
    }
    out
}

fn naive(method: &str, parameters: &[(String, String)], secret: &str) -> (String, String) {
    let mut sorted: Vec<_> = parameters.iter().filter(|(name, _)| name != "Signature").collect();
    sorted.sort();
    let pairs: Vec<String> = sorted.iter().map(|(name, value)| format!("{}={}", encode(name), encode(value))).collect();
    let to_sign = format!("{method}&{}&{}", encode("/"), encode(&pairs.join("&")));
    let signature = to_base64(&hmac_sha1(format!("{secret}&").as_bytes(), to_sign.as_bytes()));
    (to_sign, signature)
}

fn text() -> impl Strategy<Value = String> {
    let chosen =
        prop::collection::vec(prop::sample::select("aZ09 +*~%/'()!-_.&=中🎬\n".chars().collect::<Vec<_>>()), 0..12);
    let name = prop::sample::select(vec!["Signature", "SignatureNonce", "Action", "a", "A", "_"]);
    prop_oneof![chosen.prop_map(|chars| chars.into_iter().collect()), any::<String>(), name.prop_map(str::to_owned)]
}

proptest! {
    #[test]
    fn any_request_is_signed_as_the_plain_implementation_signs_it(
        method in prop::sample::select(vec!["GET", "POST"]),
        parameters in prop::collection::vec((text(), text()), 0..10),
        secret in prop_oneof![text(), "[ -~]{50,80}"],
    ) {
        let (to_sign, signature) = naive(method, &parameters, &secret);
        let pairs: Vec<_> = parameters.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        let request = rpc_v1::Request { method, parameters: &pairs };
        prop_assert_eq!(request.string_to_sign(), to_sign);
        prop_assert_eq!(request.signature(&secret), signature);
    }
}
