//! Requests of other people's HTTP clients: signed as our own are, and signed again when that can help.

use std::pin::pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context as TaskContext, Poll, Waker};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use alibabacloud_credentials::{
    BoxFuture, Context, Credentials, Error, ErrorKind, HttpError, HttpSend, OpenApiClient, PreparedRequest, Product,
    Refresher, RequestSigner, RetryDecision, SendOptions, SignedRequest, TestClock, provider_fn, sign,
};
use bytes::Bytes;
use http::{HeaderMap, HeaderName, Request, Response, StatusCode, header, request};

const NOW: SystemTime = UNIX_EPOCH;

/// Answers everything with `{}`, and keeps what was asked.
#[derive(Clone, Default)]
struct Recorder(Arc<Mutex<Vec<Request<Bytes>>>>);

impl HttpSend for Recorder {
    fn send(&self, request: Request<Bytes>, _: SendOptions) -> BoxFuture<'_, Result<Response<Bytes>, HttpError>> {
        self.0.lock().unwrap().push(request);
        Box::pin(std::future::ready(Ok(Response::new(Bytes::from_static(b"{}")))))
    }
}

fn clock() -> TestClock {
    TestClock::new(NOW + Duration::from_secs(1_800_000_000))
}

fn session() -> Credentials {
    Credentials::new("STS.an-id", "fake-secret").with_security_token("fake-token+/=")
}

/// Credentials that never change, in a world where every draw repeats itself.
fn fixed() -> Refresher {
    let context = Context::builder().clock(clock()).seed(7).build();
    Refresher::builder(provider_fn("test", || async { Ok(session()) })).context(context).build()
}

/// A source whose every answer is another session.
fn renewing(clock: &TestClock) -> Refresher {
    let count = Arc::new(AtomicU64::new(0));
    let source = provider_fn("test", move || {
        let n = count.fetch_add(1, Ordering::Relaxed);
        async move { Ok(Credentials::new(format!("STS.{n}"), "fake-secret").with_security_token(format!("token-{n}"))) }
    });
    Refresher::builder(source).context(Context::builder().clock(clock.clone()).build()).build()
}

fn head(request: http::request::Builder) -> request::Parts {
    request.body(()).unwrap().into_parts().0
}

fn rpc_call(uri: &str) -> request::Parts {
    head(Request::post(uri).header("x-acs-action", "CreateProject").header("x-acs-version", "2020-09-30"))
}

const IMM: &str = "https://imm.cn-hangzhou.aliyuncs.com/?ProjectName=p&Description=a%20b%2Bc";

fn header<'a>(signed: &'a SignedRequest, name: &str) -> &'a str {
    signed.head.headers.get(name).unwrap().to_str().unwrap()
}

fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
    pairs.iter().map(|(name, value)| (HeaderName::from_static(name), value.parse().unwrap())).collect()
}

fn refusal(code: &str) -> String {
    format!(r#"{{"Code":"{code}","Message":"m","RequestId":"r"}}"#)
}

fn oss_refusal(code: &str) -> String {
    format!("<?xml version=\"1.0\"?><Error><Code>{code}</Code><SecurityToken>t</SecurityToken></Error>")
}

#[tokio::test]
async fn a_call_is_signed_exactly_as_our_own_client_signs_it() {
    let recorder = Recorder::default();
    let context = Context::builder().clock(clock()).seed(7).http(recorder.clone()).build();
    let ours = Refresher::builder(provider_fn("test", || async { Ok(session()) })).context(context).build();
    let parameters = [("ProjectName", "p"), ("Description", "a b+c")];
    let client = OpenApiClient::new("imm.cn-hangzhou.aliyuncs.com", "2020-09-30", ours.clone());
    client.call("CreateProject", parameters).await.unwrap();
    let sent = recorder.0.lock().unwrap().remove(0);

    let mut prepared = RequestSigner::acs3(fixed()).prepare(rpc_call(IMM), Some(b"")).unwrap();
    let signed = prepared.sign().await.unwrap();
    for name in ["authorization", "x-acs-date", "x-acs-signature-nonce", "x-acs-security-token", "x-acs-accesskey-id"] {
        assert_eq!(signed.head.headers[name], sent.headers()[name], "{name}");
    }
    assert!(signed.head.headers["authorization"].is_sensitive());
    assert!(signed.head.headers["x-acs-security-token"].is_sensitive());
    assert!(signed.body.is_none() && signed.head.uri == IMM);
}

#[tokio::test]
async fn each_signature_has_a_nonce_of_its_own_and_the_body_is_hashed_once() {
    let mut prepared = RequestSigner::acs3(renewing(&clock())).prepare(rpc_call(IMM), Some(b"x")).unwrap();
    let first = prepared.sign().await.unwrap();
    let second = prepared.sign().await.unwrap();
    assert_ne!(header(&first, "x-acs-signature-nonce"), header(&second, "x-acs-signature-nonce"));
    assert_eq!(header(&second, "x-acs-content-sha256"), sign::acs3::payload_sha256(b"x"));
}

#[tokio::test]
async fn what_was_there_of_another_signature_is_replaced() {
    let mut old = rpc_call(IMM);
    for name in ["authorization", "x-acs-security-token", "x-acs-signature-nonce", "x-acs-date", "x-acs-accesskey-id"] {
        old.headers.append(name, "stale".parse().unwrap());
    }
    let key = Refresher::from(Credentials::new("an-id", "fake-secret"));
    let signed = RequestSigner::acs3(key).prepare(old, Some(b"")).unwrap().sign().await.unwrap();
    assert!(!format!("{:?}", signed.head.headers).contains("stale"));
    assert!(!signed.head.headers.contains_key("x-acs-security-token"), "a key has no token");
}

#[tokio::test]
async fn the_host_is_signed_as_it_is_sent_without_a_default_port() {
    for (uri, given, host) in [
        ("https://imm.cn-hangzhou.aliyuncs.com:443/", None, "imm.cn-hangzhou.aliyuncs.com"),
        ("http://127.0.0.1:80/", None, "127.0.0.1"),
        ("http://127.0.0.1:8080/", None, "127.0.0.1:8080"),
        ("http://[::1]:8080/", None, "[::1]:8080"),
        ("https://[2001:db8::1]:443/", None, "[2001:db8::1]"),
        ("https://[2001:db8::1]:8443/", None, "[2001:db8::1]:8443"),
        ("https://gateway.internal/", Some("imm.cn-hangzhou.aliyuncs.com"), "imm.cn-hangzhou.aliyuncs.com"),
        ("http://127.0.0.1:8080/", Some("imm.cn-hangzhou.aliyuncs.com"), "imm.cn-hangzhou.aliyuncs.com"),
        ("https://gateway.internal/", Some("imm.cn-hangzhou.aliyuncs.com:443"), "imm.cn-hangzhou.aliyuncs.com"),
    ] {
        let mut call = rpc_call(uri);
        call.headers.extend(given.map(|host| (header::HOST, host.parse().unwrap())));
        let signed = RequestSigner::acs3(fixed()).prepare(call, Some(b"")).unwrap().sign().await.unwrap();
        assert_eq!(header(&signed, "host"), host);
        assert!(header(&signed, "authorization").contains("SignedHeaders=host;x-acs-accesskey-id;"));
    }
}

#[tokio::test]
async fn a_stream_is_signed_by_the_hash_that_comes_with_it_or_refused() {
    let signer = RequestSigner::acs3(fixed());
    let refused = |head| signer.prepare(head, None).unwrap_err();
    let error = refused(rpc_call(IMM));
    assert_eq!((error.kind(), error.code()), (ErrorKind::InvalidInput, Some("StreamNeedsHash")));
    assert!(error.remedy().unwrap().contains("x-acs-content-sha256"));

    let mut hashed = rpc_call(IMM);
    let hash = sign::acs3::payload_sha256(b"a stream");
    hashed.headers.insert("x-acs-content-sha256", hash.parse().unwrap());
    let signed = signer.prepare(hashed.clone(), None).unwrap().sign().await.unwrap();
    assert_eq!(header(&signed, "x-acs-content-sha256"), hash);

    hashed.headers.insert("x-acs-content-sha256", "UNSIGNED-PAYLOAD".parse().unwrap());
    assert_eq!(refused(hashed).code(), Some("InvalidHeader"));
}

#[tokio::test]
async fn version_1_puts_everything_of_the_signature_into_the_form() {
    let call = head(
        Request::post("https://sts.aliyuncs.com/?Action=GetCallerIdentity&Version=2015-04-01&Format=JSON")
            .header(header::CONTENT_LENGTH, "18")
            .header("authorization", "Basic stale")
            .header("x-acs-security-token", "stale"),
    );
    let form = b"A=b+c&Timestamp=old";
    let signed = RequestSigner::rpc_v1(fixed()).prepare(call.clone(), Some(form)).unwrap().sign().await.unwrap();
    assert_eq!(signed.head.uri, call.uri, "nothing of the signature is in the URL");
    assert!(!signed.head.headers.contains_key(header::CONTENT_LENGTH), "it was the old body's");
    assert!(
        !format!("{:?}", signed.head.headers).contains("stale") && !signed.head.headers.contains_key("authorization")
    );
    assert_eq!(header(&signed, "content-type"), "application/x-www-form-urlencoded");
    let form = String::from_utf8(signed.body.clone().unwrap().to_vec()).unwrap();
    assert!(form.starts_with("A=b%20c&AccessKeyId=STS.an-id&"), "{form}");
    assert!(form.contains("SecurityToken=fake-token%2B%2F%3D&Signature=") && !form.contains("old"), "{form}");
    assert_eq!(signed.with_body(Bytes::from("mine")).into_body(), form, "the signature's body goes before one's own");
}

#[tokio::test]
async fn an_object_is_signed_with_its_bucket_and_no_hash() {
    let call =
        head(Request::put("https://media.oss-cn-hangzhou.aliyuncs.com/a%20b?acl").header("x-oss-acl", "private"));
    let signed = RequestSigner::oss4("cn-hangzhou", fixed()).prepare(call, None).unwrap().sign().await.unwrap();
    let headers = [
        ("x-oss-acl", "private"),
        ("x-oss-date", "20270115T080000Z"),
        ("x-oss-content-sha256", "UNSIGNED-PAYLOAD"),
        ("x-oss-security-token", "fake-token+/="),
    ];
    let expected = sign::oss4::Request {
        method: "PUT",
        bucket: "media",
        key: "a b",
        region: "cn-hangzhou",
        query: &[("acl", "")],
        headers: &headers,
        additional_headers: &[],
    };
    assert_eq!(header(&signed, "authorization"), expected.authorization("STS.an-id", "fake-secret"));
    assert!(signed.head.headers["x-oss-security-token"].is_sensitive());
}

#[tokio::test]
async fn a_key_with_characters_that_none_has_signs_nothing_by_any_signature() {
    let good = || Credentials::new("STS.an-id", "fake-secret").with_security_token("fake-token");
    let bad: [(&str, Credentials, &str); 4] = [
        ("the AccessKey secret", Credentials::new("an-id", "fake-secret\n"), "InvalidKeyCharacter"),
        ("the AccessKey secret", Credentials::new("an-id", "${SECRET}"), "Placeholder"),
        ("the AccessKey ID", Credentials::new("\u{200b}an-id", "fake-secret"), "InvalidKeyCharacter"),
        ("the security token", good().with_security_token("\"fake-token\""), "InvalidKeyCharacter"),
    ];
    let rpc = || head(Request::post("https://sts.aliyuncs.com/?Action=A&Version=V"));
    let object = || head(Request::get("https://media.oss-cn-hangzhou.aliyuncs.com/k"));
    for (what, credentials, code) in bad {
        let refresher = Refresher::new(provider_fn("test", move || std::future::ready(Ok(credentials.clone()))));
        let signers = [
            (RequestSigner::acs3(refresher.clone()), rpc_call(IMM)),
            (RequestSigner::rpc_v1(refresher.clone()), rpc()),
            (RequestSigner::oss4("cn-hangzhou", refresher.clone()), object()),
        ];
        let mut errors = Vec::new();
        for (signer, head) in signers {
            errors.push(signer.prepare(head, Some(b"")).unwrap().sign().await.unwrap_err());
        }
        let (host, lifetime) = ("media.oss-cn-hangzhou.aliyuncs.com", Duration::from_secs(60));
        let film = sign::oss4::Request {
            method: "GET",
            bucket: "media",
            key: "k",
            region: "cn-hangzhou",
            ..Default::default()
        };
        errors.push(refresher.presigned_oss_url(host, lifetime, &film).await.unwrap_err());
        for error in errors {
            assert_eq!(error.code(), Some(code), "{error}");
            assert!(error.message().starts_with(what), "{error}");
            assert!(!format!("{error} {error:?}").contains("fake-"), "{error}");
        }
    }
}

#[test]
fn a_request_that_cannot_be_signed_is_refused_before_anything_is_asked() {
    let acs3 = RequestSigner::acs3(fixed());
    let v1 = RequestSigner::rpc_v1(fixed());
    let oss = RequestSigner::oss4("cn-hangzhou", fixed());
    let sts = "https://sts.aliyuncs.com/?Action=A&Version=V";
    let named = |name: &str, value: &[u8]| {
        let mut call = rpc_call(IMM);
        call.headers.insert(HeaderName::try_from(name).unwrap(), http::HeaderValue::from_bytes(value).unwrap());
        call
    };
    let mut to_another_host = rpc_call("http://192.0.2.1/");
    to_another_host.headers.insert(header::HOST, "localhost".parse().unwrap());
    let mut no_scheme = rpc_call("/?Name=a");
    no_scheme.headers.insert(header::HOST, "imm.cn-hangzhou.aliyuncs.com".parse().unwrap());
    let json = head(Request::post(sts).header("content-type", "application/json"));
    let cases: [(&str, &RequestSigner, request::Parts, Option<&str>, &str); 23] = [
        ("no host", &acs3, rpc_call("/"), Some(""), "InvalidEndpoint"),
        ("a user name", &acs3, rpc_call("https://user:pw@imm.example.com/"), Some(""), "InvalidEndpoint"),
        ("plain http", &acs3, rpc_call("http://imm.cn-hangzhou.aliyuncs.com/"), Some(""), "PlainHttp"),
        ("plain http, whatever its Host says", &acs3, to_another_host, Some(""), "PlainHttp"),
        ("another scheme", &acs3, rpc_call("ftp://imm.cn-hangzhou.aliyuncs.com/"), Some(""), "InvalidEndpoint"),
        ("no version", &acs3, head(Request::post(IMM).header("x-acs-action", "A")), Some(""), "Missing.x-acs-version"),
        ("no action", &acs3, head(Request::post(IMM).header("x-acs-version", "V")), Some(""), "Missing.x-acs-action"),
        ("no text in a header", &acs3, named("x-acs-x", b"\xff"), Some(""), "InvalidHeader"),
        ("no text as host", &acs3, named("host", b"\xff"), Some(""), "InvalidHeader"),
        ("a bucket of no storage", &acs3.clone().bucket("media"), rpc_call(IMM), Some(""), "NoBucket"),
        ("V1 by GET", &v1, head(Request::get(sts)), Some(""), "NotAForm"),
        ("V1 over JSON", &v1, json, Some("{}"), "NotAForm"),
        ("V1 over a stream", &v1, head(Request::post(sts)), None, "NotAForm"),
        ("V1 over a form that is no text", &v1, head(Request::post(sts)), Some("Name=%FF"), "InvalidForm"),
        ("V1 twice", &v1, head(Request::post(format!("{sts}&AccessKeyId=a"))), Some(""), "AlreadySigned"),
        (
            "V1 without action",
            &v1,
            head(Request::post("https://sts.aliyuncs.com/?Version=V")),
            Some(""),
            "Missing.Action",
        ),
        ("V1 without version", &v1, head(Request::post("https://a.com/")), Some("Action=A"), "Missing.Version"),
        ("a key that is no text", &oss, head(Request::get("https://a.com/%ff")), None, "InvalidPath"),
        ("a query that is no text", &acs3, rpc_call("https://a.com/?Name=%ff"), Some(""), "InvalidQuery"),
        ("no scheme", &acs3, no_scheme, Some(""), "InvalidEndpoint"),
        ("a presigned URL", &oss, head(Request::get("https://a.com/b/k?x-oss-signature=s")), None, "AlreadySigned"),
        ("plain http to OSS", &oss, head(Request::get("http://oss.example.com/b/k")), None, "PlainHttp"),
        (
            "a region that is none",
            &RequestSigner::oss4("oss-cn/hangzhou", fixed()),
            head(Request::get("https://a.com/b/k")),
            None,
            "InvalidRegion",
        ),
    ];
    for (what, signer, head, body, code) in cases {
        let error = signer.prepare(head, body.map(str::as_bytes)).unwrap_err();
        assert_eq!((error.kind(), error.code()), (ErrorKind::InvalidInput, Some(code)), "{what}: {error}");
        assert!(!error.to_string().contains("pw@"), "{error}");
        assert!(code != "InvalidHeader" || error.remedy().is_some(), "{what}: {error}");
        assert_eq!(signer.refresher().generation(), 0, "{what}: the source was asked");
    }
}

#[tokio::test]
async fn plain_http_is_signed_where_that_was_allowed() {
    let signer = RequestSigner::acs3(fixed()).allow_plain_http();
    let call = rpc_call("http://imm.example.internal/");
    assert!(signer.prepare(call, Some(b"")).unwrap().sign().await.is_ok());
}

trait NowOrNever: Future + Sized {
    /// What it has at its first poll.
    fn now_or_never(self) -> Option<Self::Output> {
        match pin!(self).poll(&mut TaskContext::from_waker(Waker::noop())) {
            Poll::Ready(output) => Some(output),
            Poll::Pending => None,
        }
    }
}

impl<F: Future> NowOrNever for F {}

/// Signs, answers, and says what came of it.
async fn answered(prepared: &mut PreparedRequest, status: u16, body: &str) -> RetryDecision {
    prepared.sign().await.unwrap();
    prepared.review(StatusCode::from_u16(status).unwrap(), &HeaderMap::new(), body.as_bytes()).await
}

#[tokio::test]
async fn an_invalid_token_is_replaced_once_and_a_lack_of_permission_is_left_alone() {
    let oss_call = || head(Request::get("https://media.oss-cn-hangzhou.aliyuncs.com/k"));
    let rows: [(Product, String, u16, RetryDecision); 9] = [
        (Product::OpenApi, refusal("InvalidSecurityToken.Expired"), 400, RetryDecision::SignAgain),
        (Product::OpenApi, refusal("InvalidSecurityToken.Malformed"), 403, RetryDecision::SignAgain),
        (Product::OpenApi, refusal("NoPermission"), 403, RetryDecision::Done),
        (Product::OpenApi, refusal("InvalidSecurityToken.Expired"), 200, RetryDecision::Done),
        (Product::OpenApi, "<html>InvalidSecurityToken.Expired".to_owned(), 400, RetryDecision::Done),
        (Product::Oss, oss_refusal("SecurityTokenExpired"), 403, RetryDecision::SignAgain),
        (Product::Oss, oss_refusal("InvalidAccessKeyId"), 403, RetryDecision::SignAgain),
        (Product::Oss, oss_refusal("AccessDenied"), 403, RetryDecision::Done),
        (Product::Oss, refusal("InvalidSecurityToken.Expired"), 403, RetryDecision::Done),
    ];
    for (product, body, status, decision) in rows {
        let refresher = renewing(&clock());
        let mut prepared = match product {
            Product::Oss => RequestSigner::oss4("cn-hangzhou", refresher.clone()).prepare(oss_call(), None),
            _ => RequestSigner::acs3(refresher.clone()).prepare(rpc_call(IMM), Some(b"")),
        }
        .unwrap();
        let before = refresher.credentials().await.unwrap().generation();
        assert_eq!(answered(&mut prepared, status, &body).await, decision, "{product:?} {status} {body}");
        let replaced = refresher.credentials().await.unwrap().generation() != before;
        assert_eq!(replaced, decision == RetryDecision::SignAgain, "{product:?} {status} {body}");
        assert_eq!(
            answered(&mut prepared, status, &body).await,
            RetryDecision::Done,
            "once: {product:?} {status} {body}"
        );
    }
}

#[tokio::test]
async fn a_refusal_of_an_older_credential_replaces_nothing_but_is_signed_again() {
    let refresher = renewing(&clock());
    let signer = RequestSigner::acs3(refresher.clone());
    let mut requests = [0, 1].map(|_| signer.prepare(rpc_call(IMM), Some(b"")).unwrap());
    for prepared in &mut requests {
        prepared.sign().await.unwrap();
    }
    let body = refusal("InvalidSecurityToken.Expired");
    for prepared in &mut requests {
        assert_eq!(
            prepared.review(StatusCode::BAD_REQUEST, &HeaderMap::new(), body.as_bytes()).await,
            RetryDecision::SignAgain
        );
    }
    assert_eq!(refresher.credentials().await.unwrap().access_key_id(), "STS.1", "one new credential for both");
}

#[tokio::test]
async fn a_source_with_nothing_else_to_give_leaves_the_answer_to_the_caller() {
    let mut prepared = RequestSigner::acs3(fixed()).prepare(rpc_call(IMM), Some(b"")).unwrap();
    assert_eq!(answered(&mut prepared, 400, &refusal("InvalidSecurityToken.Expired")).await, RetryDecision::Done);

    let failing = Arc::new(AtomicU64::new(0));
    let source = provider_fn("test", move || {
        let n = failing.fetch_add(1, Ordering::Relaxed);
        async move { if n == 0 { Ok(session()) } else { Err(Error::failed("the source is down")) } }
    });
    let refresher = Refresher::builder(source).context(Context::builder().clock(clock()).build()).build();
    let mut prepared = RequestSigner::acs3(refresher).prepare(rpc_call(IMM), Some(b"")).unwrap();
    assert_eq!(answered(&mut prepared, 400, &refusal("InvalidSecurityToken.Expired")).await, RetryDecision::Done);
}

#[tokio::test]
async fn a_request_that_is_sent_once_gives_up_its_invalid_token_and_waits_for_nothing() {
    let asked = AtomicU64::new(0);
    let source = provider_fn("test", move || {
        let n = asked.fetch_add(1, Ordering::Relaxed);
        async move { if n == 0 { Ok(session()) } else { std::future::pending().await } }
    });
    let refresher = Refresher::builder(source).context(Context::builder().clock(clock()).build()).build();
    refresher.credentials().await.unwrap();
    for code in ["SignatureNonceUsed", "InvalidSecurityToken.Expired"] {
        assert!(refresher.credentials().now_or_never().is_some(), "{code}");
        let mut prepared = RequestSigner::acs3(refresher.clone()).prepare(rpc_call(IMM), Some(b"")).unwrap().once();
        assert_eq!(answered(&mut prepared, 400, &refusal(code)).now_or_never(), Some(RetryDecision::Done), "{code}");
    }
    assert!(refresher.credentials().now_or_never().is_none(), "whoever comes next waits for another one");
}

#[tokio::test]
async fn a_nonce_that_was_used_is_signed_again_once_and_only_for_what_reads() {
    let acs3 = RequestSigner::acs3(renewing(&clock()));
    let rpc_v1 = RequestSigner::rpc_v1(renewing(&clock()));
    let call =
        |action: &str| head(Request::post(IMM).header("x-acs-action", action).header("x-acs-version", "2020-09-30"));
    let roa = |method: &str, path: &str| {
        let uri = format!("https://cs.cn-hangzhou.aliyuncs.com{path}");
        head(Request::builder().method(method).uri(uri).header("x-acs-version", "2015-12-15"))
    };
    let form = |action: &str| head(Request::post(format!("https://old.example/?Action={action}&Version=2020-09-30")));
    for (signer, head, reads) in [
        (&acs3, call("ListProjects"), true),
        (&acs3, call("CreateProject"), false),
        (&acs3, roa("GET", "/api/v1/clusters"), true),
        (&acs3, roa("POST", "/clusters"), false),
        (&acs3, roa("DELETE", "/clusters/c"), false),
        (&rpc_v1, form("DescribeRegions"), true),
        (&rpc_v1, form("RunInstances"), false),
    ] {
        let what = format!("{} {}", head.method, head.uri);
        let mut prepared = signer.prepare(head, Some(b"")).unwrap();
        let decision = answered(&mut prepared, 400, &refusal("SignatureNonceUsed")).await;
        assert_eq!(decision == RetryDecision::SignAgain, reads, "{what}");
        let decision = answered(&mut prepared, 400, &refusal("SignatureNonceUsed")).await;
        assert_eq!(decision, RetryDecision::Done, "{what}: once");
    }
}

#[tokio::test]
async fn an_answers_date_corrects_the_next_signature_over_https_or_from_loopback() {
    const AHEAD: &str = "Fri, 15 Jan 2027 09:00:00 GMT"; // an hour ahead of the clock
    for (uri, given, date) in [
        (IMM, vec![("date", AHEAD)], "2027-01-15T09:00:00Z"),
        ("http://127.0.0.1:1/", vec![("date", AHEAD)], "2027-01-15T09:00:00Z"),
        ("http://imm.example.internal/", vec![("date", AHEAD)], "2027-01-15T08:00:00Z"),
        (IMM, vec![("date", AHEAD), ("age", "3600")], "2027-01-15T08:00:00Z"),
        (IMM, vec![], "2027-01-15T08:00:00Z"),
    ] {
        let signer = RequestSigner::acs3(renewing(&clock())).allow_plain_http();
        let mut prepared = signer.prepare(rpc_call(uri), Some(b"")).unwrap();
        prepared.sign().await.unwrap();
        let (dated, body) = (headers(&given), refusal("InvalidTimeStamp.Expired"));
        assert_eq!(prepared.review(StatusCode::BAD_REQUEST, &dated, body.as_bytes()).await, RetryDecision::SignAgain);
        let again = prepared.sign().await.unwrap();
        assert_eq!(header(&again, "x-acs-date"), date, "{uri} {given:?}");
        assert_eq!(
            prepared.review(StatusCode::BAD_REQUEST, &dated, body.as_bytes()).await,
            RetryDecision::Done,
            "once"
        );
    }
}

#[tokio::test]
async fn an_answer_to_nothing_that_was_signed_says_nothing() {
    let refresher = renewing(&clock());
    let mut prepared = RequestSigner::acs3(refresher.clone()).prepare(rpc_call(IMM), Some(b"")).unwrap();
    let body = refusal("InvalidSecurityToken.Expired");
    assert_eq!(prepared.review(StatusCode::BAD_REQUEST, &HeaderMap::new(), body.as_bytes()).await, RetryDecision::Done);
    assert_eq!(refresher.generation(), 0);
}

#[tokio::test]
async fn nothing_that_is_printed_holds_a_secret() {
    let signer = RequestSigner::acs3(fixed());
    let mut prepared = signer.prepare(rpc_call(IMM), Some(b"")).unwrap();
    let signed = prepared.sign().await.unwrap();
    let shown = format!("{signer:?} {prepared:?} {signed:?} {:?}", signed.head);
    assert!(!shown.contains("fake-") && !shown.contains("Signature="), "{shown}");
    assert!(shown.contains("Acs3") && shown.contains("imm.cn-hangzhou.aliyuncs.com"), "{shown}");
}

#[test]
fn bodies_are_wanted_of_refusals_alone() {
    let wanted = (100..600).filter(|status| PreparedRequest::wants_body(StatusCode::from_u16(*status).unwrap()));
    assert_eq!(wanted.collect::<Vec<_>>(), [400, 401, 402, 403, 404]);
}
