//! The library's signature V4 beside those that reqsign and ossify make for the same request: the same to the letter.

#![cfg(all(feature = "ossify", feature = "reqsign"))]
#![allow(clippy::unwrap_used)]

mod support;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use alibabacloud_credentials::Credentials;
use alibabacloud_credentials::sign::oss4;
use alibabacloud_credentials_adapters::{OssifyCredentials, ReqsignCredentials};
use axum::Router;
use axum::extract::Request;
use http::request::Parts;
use ossify::ops::object::base::{GetObjectOperations, GetObjectParams, PutObjectOperations};
use ossify::{Client, QueryAuthOptions, UrlStyle};
use reqsign_aliyun_oss::{RequestSigner, SigningVersion};
use reqsign_core::{Context, Signer};
use support::Cloud;

/// Keys with everything that encoders differ in.
const KEYS: [&str; 3] = ["films/a b.mp4", "a+b%2F&=?#~*'()!/中.txt", "k"];

fn encoded(key: &str) -> String {
    let segment = |text: &str| {
        let mut out = String::new();
        alibabacloud_credentials::sign::percent_encode(text, &mut out);
        out
    };
    key.split('/').map(segment).collect::<Vec<_>>().join("/")
}

/// What this library signs for a request that another one has signed, by the date that is in it.
fn ours(parts: &Parts, bucket: &str, key: &str, by: &Credentials) -> String {
    let additional: Vec<&str> = authorization(parts)
        .split_once("AdditionalHeaders=")
        .map(|(_, rest)| rest.split(',').next().unwrap().split(';').collect())
        .unwrap_or_default();
    let query: Vec<(String, String)> = form_urlencoded::parse(parts.uri.query().unwrap_or_default().as_bytes())
        .map(|(name, value)| (name.into_owned(), value.into_owned()))
        .collect();
    let query: Vec<(&str, &str)> = query.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    let headers: Vec<(&str, &str)> =
        parts.headers.iter().map(|(name, value)| (name.as_str(), value.to_str().unwrap())).collect();
    oss4::Request {
        method: parts.method.as_str(),
        bucket,
        key,
        region: "cn-hangzhou",
        query: &query,
        headers: &headers,
        additional_headers: &additional,
    }
    .authorization(by.access_key_id(), by.access_key_secret())
}

fn authorization(parts: &Parts) -> &str {
    parts.headers["authorization"].to_str().unwrap()
}

/// The parts of the header that say what is signed, and the signature, however the rest is spaced.
fn pieces(header: &str) -> BTreeMap<String, String> {
    let rest = header.strip_prefix("OSS4-HMAC-SHA256 ").unwrap();
    let pieces = rest.split(',').filter_map(|part| part.trim().split_once('='));
    // reqsign names its additional headers even when there are none.
    pieces.filter(|(_, value)| !value.is_empty()).map(|(k, v)| (k.to_owned(), v.to_owned())).collect()
}

#[tokio::test]
async fn reqsign_signs_headers_and_urls_the_same() {
    let cloud = Cloud::start().await;
    let session = cloud.refresher().credentials().await.unwrap();
    let oss = RequestSigner::new("media").with_region("cn-hangzhou").with_signing_version(SigningVersion::V4);
    let signer = Signer::new(Context::new(), ReqsignCredentials::new(&cloud.chain), oss);
    for key in KEYS {
        let host = "media.oss-cn-hangzhou.aliyuncs.com";
        let uri = format!("https://{host}/{}?acl&x-oss-process=style%2Fa%20b", encoded(key));
        let request = http::Request::put(&uri).header("content-type", "text/plain").header("x-oss-meta-a", "b");
        let mut parts = request.body(()).unwrap().into_parts().0;
        signer.sign(&mut parts, None).await.unwrap();
        assert_eq!(pieces(authorization(&parts)), pieces(&ours(&parts, "media", key, &session)), "{key}");
        let mut parts = http::Request::get(&uri).body(()).unwrap().into_parts().0;
        signer.sign(&mut parts, Some(Duration::from_secs(600))).await.unwrap();
        assert_same_url(&parts.uri.to_string(), "media", key, &session);
    }
}

/// The same URL made here, with the date, the lifetime and the signed headers of that one, has the same signature.
fn assert_same_url(url: &str, bucket: &str, key: &str, by: &Credentials) {
    let pairs = |url: &str| -> BTreeMap<String, String> {
        let query = url.split_once('?').unwrap().1;
        form_urlencoded::parse(query.as_bytes()).into_owned().collect()
    };
    let theirs = pairs(url);
    let ours = |name: &str| theirs.get(name).map(String::as_str).unwrap_or_default();
    let at = SystemTime::from(
        chrono::NaiveDateTime::parse_from_str(ours("x-oss-date"), "%Y%m%dT%H%M%SZ").unwrap().and_utc(),
    );
    let lifetime = Duration::from_secs(ours("x-oss-expires").parse().unwrap());
    let of_the_signature = [
        "x-oss-signature-version",
        "x-oss-credential",
        "x-oss-date",
        "x-oss-expires",
        "x-oss-security-token",
        "x-oss-additional-headers",
        "x-oss-signature",
    ];
    let own = |name: &&String| !of_the_signature.contains(&name.as_str());
    let query: Vec<(&str, &str)> =
        theirs.iter().filter(|(name, _)| own(name)).map(|(name, value)| (name.as_str(), value.as_str())).collect();
    let host: http::Uri = url.parse().unwrap();
    let host = host.authority().unwrap().as_str();
    let additional: Vec<&str> = ours("x-oss-additional-headers").split(';').filter(|name| !name.is_empty()).collect();
    let request = oss4::Request {
        method: "GET",
        bucket,
        key,
        region: "cn-hangzhou",
        query: &query,
        headers: &[("host", host)],
        additional_headers: &additional,
    };
    let endless =
        Credentials::new(by.access_key_id(), by.access_key_secret()).with_security_token(by.security_token().unwrap());
    let name = host.split(':').next().unwrap();
    let made = request.presigned_url(name, at, lifetime, &endless).unwrap();
    let (made, name) = (pairs(made.as_str()), "x-oss-signature");
    assert_eq!(theirs[name], made[name], "{key}: {theirs:?} {made:?}");
}

/// Takes every request, and keeps it.
async fn recorder() -> (String, Arc<Mutex<Vec<Parts>>>) {
    let kept = Arc::new(Mutex::new(Vec::new()));
    let keep = Arc::clone(&kept);
    let router = Router::new().fallback(async move |request: Request| {
        keep.lock().unwrap().push(request.into_parts().0);
    });
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, router).await });
    (endpoint, kept)
}

#[tokio::test]
async fn ossify_signs_headers_and_urls_the_same() {
    let cloud = Cloud::start().await;
    let session = cloud.refresher().credentials().await.unwrap();
    let (endpoint, kept) = recorder().await;
    let client = Client::builder()
        .endpoint(&endpoint)
        .region("cn-hangzhou")
        .bucket("media")
        .url_style(UrlStyle::Path)
        .credentials_provider(OssifyCredentials::new(&cloud.chain))
        .build()
        .unwrap();
    for key in KEYS {
        // The recorder answers nothing that the client could read; what was asked is what matters.
        let _ = client.put_object(key, "hello", None).await;
        let _ = client.get_object(key, GetObjectParams::default(), None).await;
        let seen = std::mem::take(&mut *kept.lock().unwrap());
        assert_eq!(seen.len(), 2, "{key}");
        for parts in &seen {
            assert_eq!(pieces(authorization(parts)), pieces(&ours(parts, "media", key, &session)), "{key}");
        }
        let lasts = QueryAuthOptions::builder().x_oss_expires(600).build();
        let url = client.presign_get_object(key, false, GetObjectParams::default(), None, lasts).await.unwrap();
        assert_same_url(&url, "media", key, &session);
    }
}
