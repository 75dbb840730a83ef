//! OSS's signature V4 against the published vectors, and against a second implementation that is as plain as can be.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, SystemTime};

use alibabacloud_credentials::sign::oss4;
use alibabacloud_credentials::{Context, Credentials, ErrorKind, Refresher, TestClock, provider_fn};
use hmac::{Hmac, KeyInit, Mac};
use proptest::prelude::*;
use serde::Deserialize;
use sha2::{Digest, Sha256};

use crate::support::block_on;

#[derive(Deserialize)]
struct File {
    headers: Vec<Vector<InHeaders>>,
    presigned: Vec<Vector<InUrl>>,
}

#[derive(Deserialize)]
struct Vector<E> {
    id: String,
    input: Input,
    expected: E,
}

#[derive(Deserialize)]
struct Input {
    method: String,
    bucket: String,
    key: String,
    query: BTreeMap<String, String>,
    headers: BTreeMap<String, String>,
    additional_headers: Vec<String>,
    access_key_id: String,
    access_key_secret: String,
    security_token: Option<String>,
    region: String,
    signed_at: Option<u64>,
    expires: Option<u64>,
}

#[derive(Deserialize)]
struct InHeaders {
    canonical_request: String,
    string_to_sign: String,
    signature: String,
    authorization: String,
}

#[derive(Deserialize)]
struct InUrl {
    date: String,
    credential: String,
    additional_headers: Option<String>,
    signature: String,
}

/// Lends an input as a request.
fn with<T>(input: &Input, use_it: impl FnOnce(&oss4::Request<'_>) -> T) -> T {
    let pairs = |map: &'_ BTreeMap<String, String>| map.clone().into_iter().collect::<Pairs>();
    let (query, headers) = (pairs(&input.query), pairs(&input.headers));
    let additional: Vec<&str> = input.additional_headers.iter().map(String::as_str).collect();
    use_it(&oss4::Request {
        method: &input.method,
        bucket: &input.bucket,
        key: &input.key,
        region: &input.region,
        query: &refs(&query),
        headers: &refs(&headers),
        additional_headers: &additional,
    })
}

fn vectors() -> File {
    serde_json::from_str(include_str!("vectors/oss4.json")).unwrap()
}

#[test]
fn every_published_signature_in_a_header_is_reproduced() {
    let vectors = vectors().headers;
    assert_eq!(vectors.len(), 3);
    for Vector { id, input, expected } in &vectors {
        with(input, |request| {
            assert_eq!(request.canonical_request(), expected.canonical_request, "{id}");
            assert_eq!(request.string_to_sign(), expected.string_to_sign, "{id}");
            let authorization = request.authorization(&input.access_key_id, &input.access_key_secret);
            assert_eq!(authorization, expected.authorization, "{id}");
            assert!(authorization.ends_with(&expected.signature), "{id}: the vector agrees");
        });
    }
}

#[test]
fn every_published_signature_in_a_url_is_reproduced() {
    let vectors = vectors().presigned;
    assert_eq!(vectors.len(), 3);
    for Vector { id, input, expected } in &vectors {
        let at = SystemTime::UNIX_EPOCH + Duration::from_secs(input.signed_at.unwrap());
        let lifetime = Duration::from_secs(input.expires.unwrap());
        let key = Credentials::new(&input.access_key_id, &input.access_key_secret);
        let key = input.security_token.iter().fold(key, |key, token| key.with_security_token(token));
        let host = "bucket.oss-cn-hangzhou.aliyuncs.com";
        let url = with(input, |request| request.presigned_url(host, at, lifetime, &key)).unwrap();
        let (place, query) = url.as_str().split_once('?').unwrap();
        assert_eq!(place, "https://bucket.oss-cn-hangzhou.aliyuncs.com/1234%2B-/123/1.txt", "{id}");
        let query: BTreeMap<&str, &str> =
            query.split('&').map(|pair| pair.split_once('=').unwrap_or((pair, ""))).collect();
        for (name, value) in [
            ("x-oss-signature-version", Some(oss4::ALGORITHM)),
            ("x-oss-credential", Some(encode(&expected.credential).as_str())),
            ("x-oss-date", Some(expected.date.as_str())),
            ("x-oss-expires", Some("599")),
            ("x-oss-security-token", input.security_token.as_deref()),
            ("x-oss-additional-headers", expected.additional_headers.as_deref().map(encode).as_deref()),
            ("x-oss-signature", Some(expected.signature.as_str())),
        ] {
            assert_eq!(query.get(name).copied(), value, "{id}: {name}");
        }
    }
}

// ---- what is refused, and what is not shown

const FILM: oss4::Request<'_> = oss4::Request {
    method: "GET",
    bucket: "media",
    key: "films/a b.mp4",
    region: "cn-hangzhou",
    query: &[],
    headers: &[],
    additional_headers: &[],
};
const HOST: &str = "media.oss-cn-hangzhou.aliyuncs.com";
const HOUR: Duration = Duration::from_secs(3600);

fn start() -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(1_767_322_800)
}

#[test]
fn a_lifetime_is_a_second_to_seven_days() {
    let key = Credentials::new("ak", "sk");
    let sign = |lifetime| FILM.presigned_url(HOST, start(), lifetime, &key).map(drop).map_err(|error| error.kind());
    let (second, week) = (Duration::from_secs(1), 7 * 24 * HOUR);
    assert_eq!((sign(second), sign(week)), (Ok(()), Ok(())));
    for wrong in [Duration::ZERO, second - Duration::from_millis(1), week + Duration::from_millis(1), Duration::MAX] {
        assert_eq!(sign(wrong), Err(ErrorKind::InvalidInput), "{wrong:?}");
    }
}

#[test]
fn the_bucket_is_in_the_path_where_the_host_stands_for_none() {
    let key = Credentials::new("ak", "sk");
    for (host, place) in [
        (HOST, "https://media.oss-cn-hangzhou.aliyuncs.com/films/a%20b.mp4?"),
        ("films.example.com", "https://films.example.com/films/a%20b.mp4?"),
        ("oss-cn-hangzhou.aliyuncs.com", "https://oss-cn-hangzhou.aliyuncs.com/media/films/a%20b.mp4?"),
        ("http://127.0.0.1:3000", "http://127.0.0.1:3000/media/films/a%20b.mp4?"),
        ("http://[::1]:3000", "http://[::1]:3000/media/films/a%20b.mp4?"),
    ] {
        let url = FILM.presigned_url(host, start(), HOUR, &key).unwrap();
        assert!(url.as_str().starts_with(place), "{host}");
    }
}

#[test]
fn what_cannot_be_signed_is_refused_by_name() {
    let key = Credentials::new("ak", "sk");
    let code = |request: oss4::Request<'_>, host| {
        let error = request.presigned_url(host, start(), HOUR, &key).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput);
        error.code().unwrap().to_owned()
    };
    assert_eq!(code(FILM, "media.example.com/films"), "InvalidEndpoint");
    assert_eq!(code(FILM, "http://media.example.com"), "PlainHttp");
    for region in ["", "oss-cn-hangzhou", "CN-Hangzhou", "cn-shanghai"] {
        assert_eq!(code(oss4::Request { region, ..FILM }, HOST), "InvalidRegion", "{region}");
    }
    assert_eq!(code(oss4::Request { region: "a/b", ..FILM }, HOST), "InvalidRegion");
    for name in ["x-oss-expires", "X-OSS-Signature"] {
        assert_eq!(code(oss4::Request { query: &[(name, "1")], ..FILM }, HOST), "ReservedParameter");
    }
}

#[test]
fn a_time_that_no_date_can_say_is_refused_and_never_a_panic() {
    let key = Credentials::new("ak", "sk");
    let at = |seconds| SystemTime::UNIX_EPOCH + Duration::from_secs(seconds);
    for late in [253_402_300_800, 9_999_999_999_999] {
        assert_eq!(oss4::date(at(late)), "99991231T235959Z");
        let error = FILM.presigned_url(HOST, at(late), HOUR, &key).unwrap_err();
        assert_eq!((error.kind(), error.code()), (ErrorKind::InvalidInput, Some("InvalidTime")));
    }
    assert!(FILM.presigned_url(HOST, at(253_402_300_799), HOUR, &key).is_ok());
}

#[test]
fn a_url_does_not_outlive_its_credential_unawares() {
    let session = Credentials::new("STS.ak", "sk").with_security_token("t").with_expiration(start() + HOUR);
    assert!(FILM.presigned_url(HOST, start(), HOUR, &session).is_ok());
    let error = FILM.presigned_url(HOST, start() + Duration::from_secs(600), HOUR, &session).unwrap_err();
    assert_eq!((error.kind(), error.available_lifetime()), (ErrorKind::TooShort, Some(Duration::from_secs(3000))));
}

#[test]
fn neither_a_url_nor_a_request_is_shown() {
    let session = Credentials::new("STS.ak", "s3cr3t").with_security_token("t0k3n");
    let headers = [("x-oss-security-token", "t0k3n")];
    let request = oss4::Request { query: &[("secret", "t0k3n")], headers: &headers, ..FILM };
    let url = request.presigned_url(HOST, start(), HOUR, &session).unwrap();
    assert!(url.as_str().contains("x-oss-security-token=t0k3n"));
    assert_eq!(format!("{url:?}"), format!("PresignedUrl {{ host: {HOST:?}, .. }}"));
    assert!(!format!("{request:?}").contains("t0k3n"));
}

/// A source of hour-long sessions that counts how often it is asked.
fn source(clock: &TestClock, asked: &Arc<AtomicUsize>) -> Refresher {
    let (source_clock, asked) = (clock.clone(), Arc::clone(asked));
    let provider = provider_fn("source", move || {
        let n = asked.fetch_add(1, Ordering::SeqCst);
        let end = alibabacloud_credentials::Clock::now(&source_clock).wall + HOUR;
        let session = Credentials::new(format!("STS.{n}"), "sk").with_security_token("t");
        async move { Ok(session.with_expiration(SystemTime::UNIX_EPOCH + end)) }
    });
    Refresher::builder(provider).context(Context::builder().clock(clock.clone()).build()).build()
}

#[test]
fn a_refresher_renews_the_session_that_would_end_before_the_url() {
    let (clock, asked) = (TestClock::new(start()), Arc::default());
    let refresher = source(&clock, &asked);
    let sign = |minutes: u32| block_on(refresher.presigned_oss_url(HOST, minutes * HOUR / 60, &FILM));
    assert!(sign(30).unwrap().as_str().contains("x-oss-date=20260102T030000Z&x-oss-expires=1800"));
    assert_eq!(asked.load(Ordering::SeqCst), 1);
    clock.advance(HOUR / 2);
    assert!(sign(50).unwrap().as_str().contains("STS.1"), "half an hour is left, so another session is asked for");
    assert_eq!(asked.load(Ordering::SeqCst), 2);
    let error = sign(120).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::TooShort);
    assert!(error.available_lifetime().unwrap() <= HOUR);
}

#[test]
fn nothing_is_asked_for_a_url_that_cannot_be() {
    let (clock, asked) = (TestClock::new(start()), Arc::default());
    let refresher = source(&clock, &asked);
    for (host, lifetime) in [(HOST, Duration::ZERO), (HOST, 8 * 24 * HOUR), ("a/b", HOUR)] {
        let error = block_on(refresher.presigned_oss_url(host, lifetime, &FILM)).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput);
    }
    assert_eq!(asked.load(Ordering::SeqCst), 0);
}

// ---- the second implementation: strings, no care for speed

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn encode(text: &str) -> String {
    let one = |byte: u8| match char::from(byte) {
        c if c.is_ascii_alphanumeric() || "-_.~".contains(c) => c.to_string(),
        _ => format!("%{byte:02X}"),
    };
    text.bytes().map(one).collect()
}

fn hmac(key: &[u8], message: &str) -> Vec<u8> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).unwrap();
    mac.update(message.as_bytes());
    mac.finalize().into_bytes().to_vec()
}

type Pairs = Vec<(String, String)>;

fn refs(pairs: &[(String, String)]) -> Vec<(&str, &str)> {
    pairs.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect()
}

/// Everything that both ways to sign have in common.
#[derive(Clone, Debug)]
struct Naive {
    method: String,
    bucket: String,
    key: String,
    query: Pairs,
    headers: Pairs,
    additional: Vec<String>,
}

impl Naive {
    fn names(&self) -> String {
        let always = |name: &str| name == "content-type" || name == "content-md5" || name.starts_with("x-oss-");
        let there = |name: &str| self.headers.iter().any(|(header, _)| header.to_lowercase() == name);
        let mut names: Vec<String> = self.additional.iter().map(|name| name.to_lowercase()).collect();
        names.retain(|name| there(name) && !always(name));
        names.sort();
        names.dedup();
        names.join(";")
    }

    fn query(&self) -> String {
        let one = |(name, value): &(String, String)| (encode(name), encode(value));
        let mut pairs: Vec<(String, String)> = self.query.iter().map(one).collect();
        pairs.retain(|pair| pair != &(String::new(), String::new()));
        pairs.sort();
        let one = |(name, value): (String, String)| if value.is_empty() { name } else { format!("{name}={value}") };
        pairs.into_iter().map(one).collect::<Vec<_>>().join("&")
    }

    fn signature(&self, date: &str, region: &str, secret: &str) -> String {
        let names = self.names();
        let mut merged: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for (name, value) in &self.headers {
            let name = name.to_lowercase();
            let listed = names.split(';').any(|listed| listed == name);
            if listed || name.starts_with("x-oss-") || name == "content-type" || name == "content-md5" {
                merged.entry(name).or_default().push(value.trim().to_owned());
            }
        }
        let lines: String = merged.iter().map(|(name, values)| format!("{name}:{}\n", values.join(","))).collect();
        let payload =
            merged.get("x-oss-content-sha256").map(|values| values[0].clone()).filter(|hash| !hash.is_empty());
        let payload = payload.unwrap_or("UNSIGNED-PAYLOAD".to_owned());
        let bucket = if self.bucket.is_empty() { String::new() } else { format!("{}/", self.bucket) };
        let path = encode(&format!("/{bucket}{}", self.key)).replace("%2F", "/");
        let canonical = [&self.method, &path, &self.query(), &lines, &names, &payload].map(String::as_str).join("\n");
        let day = &date[..8];
        let scope = format!("{day}/{region}/oss/aliyun_v4_request");
        let to_sign = format!("OSS4-HMAC-SHA256\n{date}\n{scope}\n{}", hex(&Sha256::digest(canonical)));
        let key = [day, region, "oss", "aliyun_v4_request"]
            .iter()
            .fold(format!("aliyun_v4{secret}").into_bytes(), |key, part| hmac(&key, part));
        hex(&hmac(&key, &to_sign))
    }
}

fn text() -> impl Strategy<Value = String> {
    let chosen =
        prop::collection::vec(prop::sample::select("aZ09 +*~%/'()!-_.&=|中🎬\n".chars().collect::<Vec<_>>()), 0..12);
    prop_oneof![chosen.prop_map(|chars| chars.into_iter().collect()), any::<String>()]
}

fn name() -> impl Strategy<Value = String> {
    let names =
        ["x-oss-a", "X-Oss-A", "x-oss-content-sha256", "host", "Host", "Content-Type", "content-md5", "x-os", "range"];
    prop::sample::select(names.to_vec()).prop_map(str::to_owned)
}

fn request() -> impl Strategy<Value = Naive> {
    let (method, bucket) = (prop::sample::select(vec!["GET", "PUT"]), prop::sample::select(vec!["", "a-bucket"]));
    let query = prop::collection::vec((text(), text()), 0..6);
    let headers = prop::collection::vec((name(), text()), 0..8);
    (method, bucket, text(), query, headers, prop::collection::vec(name(), 0..4)).prop_map(
        |(method, bucket, key, query, headers, additional)| {
            let (method, bucket) = (method.to_owned(), bucket.to_owned());
            Naive { method, bucket, key, query, headers, additional }
        },
    )
}

fn lend<T>(naive: &Naive, use_it: impl FnOnce(&oss4::Request<'_>) -> T) -> T {
    let additional: Vec<&str> = naive.additional.iter().map(String::as_str).collect();
    use_it(&oss4::Request {
        method: &naive.method,
        bucket: &naive.bucket,
        key: &naive.key,
        region: "cn-hangzhou",
        query: &refs(&naive.query),
        headers: &refs(&naive.headers),
        additional_headers: &additional,
    })
}

const DATE: &str = "20260102T030000Z";
const SCOPE: &str = "20260102/cn-hangzhou/oss/aliyun_v4_request";

proptest! {
    #[test]
    fn any_header_is_signed_as_the_plain_implementation_signs_it(naive in request(), secret in text()) {
        let mut naive = naive;
        naive.headers.push(("X-Oss-Date".to_owned(), DATE.to_owned()));
        let names = naive.names();
        let names = if names.is_empty() { names } else { format!(",AdditionalHeaders={names}") };
        let signature = naive.signature(DATE, "cn-hangzhou", &secret);
        let expected = format!("OSS4-HMAC-SHA256 Credential=an-id/{SCOPE}{names},Signature={signature}");
        prop_assert_eq!(lend(&naive, |request| request.authorization("an-id", &secret)), expected);
    }

    #[test]
    fn any_url_is_signed_as_the_plain_implementation_signs_it(
        naive in request(), secret in text(), token in prop::option::of("[a-zA-Z0-9+/=]{1,40}"), seconds in 1_u64..=604_800,
    ) {
        let key = Credentials::new("an-id", &secret);
        let key = token.iter().fold(key, |key, token| key.with_security_token(token));
        let lifetime = Duration::from_secs(seconds);
        let url = lend(&naive, |request| request.presigned_url(HOST, start(), lifetime, &key)).unwrap();
        let mut naive = naive;
        let names = naive.names();
        let ours = [("signature-version", "OSS4-HMAC-SHA256"), ("date", DATE), ("expires", &seconds.to_string())];
        naive.query.extend(ours.map(|(name, value)| (format!("x-oss-{name}"), value.to_owned())));
        naive.query.push(("x-oss-credential".to_owned(), format!("an-id/{SCOPE}")));
        naive.query.extend(token.map(|token| ("x-oss-security-token".to_owned(), token)));
        if !names.is_empty() {
            naive.query.push(("x-oss-additional-headers".to_owned(), names));
        }
        let signature = naive.signature(DATE, "cn-hangzhou", &secret);
        let path = encode(&naive.key).replace("%2F", "/");
        let expected = format!("https://{HOST}/{path}?{}&x-oss-signature={signature}", naive.query());
        prop_assert_eq!(url.as_str(), expected);
    }
}
