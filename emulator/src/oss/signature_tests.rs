//! The verifier against signatures that stand in official SDKs' unit tests: see `about` in the file.

use std::collections::BTreeMap;

use bytes::Bytes;
use serde::Deserialize;

use super::*;

#[derive(Deserialize)]
struct Vectors {
    headers: Vec<InHeaders>,
    presigned: Vec<Presigned>,
}

#[derive(Deserialize)]
struct InHeaders {
    id: String,
    input: Input,
    expected: Expected,
}

#[derive(Deserialize)]
struct Presigned {
    id: String,
    input: Input,
    expected: ExpectedUrl,
}

#[derive(Deserialize)]
struct Input {
    method: String,
    bucket: String,
    key: String,
    query: BTreeMap<String, String>,
    headers: BTreeMap<String, String>,
    additional_headers: Vec<String>,
    access_key_secret: String,
    security_token: Option<String>,
    region: String,
    expires: Option<u32>,
}

#[derive(Deserialize)]
struct Expected {
    canonical_request: String,
    string_to_sign: String,
    signature: String,
}

#[derive(Deserialize)]
struct ExpectedUrl {
    date: String,
    credential: String,
    additional_headers: Option<String>,
    signature: String,
}

fn vectors() -> Vectors {
    serde_json::from_str(include_str!("../../tests/vectors/oss4.json")).unwrap()
}

fn request(input: &Input, more: &[(&str, &str)]) -> Request {
    let pairs = input.query.iter().map(|(name, value)| (name.as_str(), value.as_str())).chain(more.iter().copied());
    let query: Vec<_> =
        pairs.map(|(name, value)| format!("{}={}", percent_encode(name), percent_encode(value))).collect();
    let mut builder = http::Request::builder().method(input.method.as_str()).uri(format!("/?{}", query.join("&")));
    for (name, value) in &input.headers {
        builder = builder.header(name, value);
    }
    Request::new(&builder.body(()).unwrap().into_parts().0, Bytes::new())
}

#[test]
fn every_official_vector_of_headers_is_reproduced() {
    let vectors = vectors().headers;
    assert_eq!(vectors.len(), 3);
    for InHeaders { id, input, expected } in vectors {
        let resource = format!("/{}/{}", input.bucket, input.key);
        let canonical = canonical_request(&request(&input, &[]), &resource, &input.additional_headers);
        assert_eq!(canonical, expected.canonical_request, "{id}");
        let date = &input.headers["x-oss-date"];
        let scope = format!("{}/{}/oss/{TERMINATOR}", &date[..8], input.region);
        let to_sign = string_to_sign(date, &scope, &canonical);
        assert_eq!(to_sign, expected.string_to_sign, "{id}");
        assert_eq!(sign(&input.access_key_secret, &scope, &to_sign), expected.signature, "{id}");
    }
}

#[test]
fn every_official_vector_of_urls_is_reproduced() {
    let vectors = vectors().presigned;
    assert_eq!(vectors.len(), 3);
    for Presigned { id, input, expected } in vectors {
        let resource = format!("/{}/{}", input.bucket, input.key);
        let expires = input.expires.unwrap().to_string();
        let mut more = vec![
            ("x-oss-signature-version", V4),
            ("x-oss-credential", &expected.credential),
            ("x-oss-date", &expected.date),
            ("x-oss-expires", &expires),
            ("x-oss-signature", "is not signed"),
        ];
        more.extend(expected.additional_headers.as_deref().map(|names| ("x-oss-additional-headers", names)));
        more.extend(input.security_token.as_deref().map(|token| ("x-oss-security-token", token)));
        let names = expected.additional_headers.as_deref().unwrap_or_default();
        let additional: Vec<_> = names.split(';').filter(|name| !name.is_empty()).map(str::to_owned).collect();
        let canonical = canonical_request(&request(&input, &more), &resource, &additional);
        let scope = expected.credential.split_once('/').unwrap().1;
        let to_sign = string_to_sign(&expected.date, scope, &canonical);
        assert_eq!(sign(&input.access_key_secret, scope, &to_sign), expected.signature, "{id}");
    }
}

#[test]
fn the_published_example_of_version_1_is_reproduced() {
    // The page on signatures in headers has this one, with these fake keys.
    let head = http::Request::builder()
        .method("PUT")
        .uri("/nelson")
        .header("content-md5", "ODBGOERFMDMzQTczRUY3NUE3NzA5QzdFNUYzMDQxNEM=")
        .header("content-type", "text/html")
        .header("date", "Thu, 17 Nov 2005 18:49:58 GMT")
        .header("x-oss-magic", "abracadabra")
        .header("x-oss-meta-author", "foo@bar.com");
    let request = Request::new(&head.body(()).unwrap().into_parts().0, Bytes::new());
    let to_sign = string_to_sign_v1(&request, "/oss-example/nelson", "Thu, 17 Nov 2005 18:49:58 GMT");
    assert_eq!(
        to_sign,
        "PUT\nODBGOERFMDMzQTczRUY3NUE3NzA5QzdFNUYzMDQxNEM=\ntext/html\nThu, 17 Nov 2005 18:49:58 GMT\n\
         x-oss-magic:abracadabra\nx-oss-meta-author:foo@bar.com\n/oss-example/nelson"
    );
    assert_eq!(
        crate::signature_v1::hmac_sha1("OtxrzxIsfpFjA7SwPzILwy8Bw21TLhquhboDYROV", &to_sign),
        "26NBxoKdsyly4EDv6inkoDft/yA="
    );
}
