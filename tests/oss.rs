//! Object Storage: requests and URLs that this crate signs, against a server that checks every signature.

use std::time::Duration;

use alibabacloud_credentials::{
    AssumeRole, Context, Credentials, DefaultCredentialChain, Refresher, RequestSigner, RetryDecision, TestClock, sign,
};
use alibabacloud_emulator::account::{self, AccessKey, BUCKET};
use alibabacloud_emulator::{Emulator, Fault};
use bytes::Bytes;
use http::{HeaderMap, Method, Request, StatusCode};

use crate::support::plain_http;

struct Answer {
    status: StatusCode,
    headers: HeaderMap,
    body: String,
}

/// An emulator, a clock that both it and the chain go by, and an HTTP client that knows nothing of either.
struct Cloud {
    emulator: Emulator,
    clock: TestClock,
    http: reqwest::Client,
}

impl Cloud {
    async fn start() -> Self {
        let emulator = Emulator::builder().start().await.unwrap();
        emulator.freeze_clock_at(emulator.now());
        let clock = TestClock::new(emulator.now());
        // The bucket's own name leads to the emulator too.
        let http = plain_http::client().resolve(&format!("{BUCKET}.localhost"), emulator.http_addr());
        Self { emulator, clock, http: http.build().unwrap() }
    }

    fn chain(&self, key: &AccessKey, role: Option<&str>) -> DefaultCredentialChain {
        let context = Context::builder().clock(self.clock.clone()).env([
            ("ALIBABA_CLOUD_ACCESS_KEY_ID", key.id.to_owned()),
            ("ALIBABA_CLOUD_ACCESS_KEY_SECRET", key.secret.to_owned()),
            ("ALIBABA_CLOUD_STS_ENDPOINT", self.emulator.endpoint()),
        ]);
        let builder = DefaultCredentialChain::builder().context(context.build());
        let role = role.map(|role| AssumeRole::new(format!("acs:ram::1234567890123456:role/{role}")));
        role.into_iter().fold(builder, |builder, role| builder.assume_role(role)).build()
    }

    fn signer(&self, credentials: impl Into<Refresher>) -> RequestSigner {
        RequestSigner::oss4("cn-hangzhou", credentials)
    }

    /// A literal key or session, dated by the same clock.
    fn with_key(&self, credentials: Credentials) -> RequestSigner {
        let context = Context::builder().clock(self.clock.clone()).build();
        self.signer(Refresher::builder(credentials).context(context).build())
    }

    fn advance(&self, by: Duration) {
        self.clock.advance(by);
        self.emulator.advance_clock(by);
    }

    /// In the path style.
    async fn send(&self, signer: &RequestSigner, method: Method, path: &str, body: &'static str) -> Answer {
        self.send_to(signer, method, &format!("{}/{BUCKET}/{path}", self.emulator.endpoint()), body).await
    }

    async fn send_to(&self, signer: &RequestSigner, method: Method, url: &str, body: &'static str) -> Answer {
        let request = Request::builder().method(method).uri(url).header("content-type", "text/plain");
        let mut prepared = signer.prepare(request.body(()).unwrap().into_parts().0, Some(body.as_bytes())).unwrap();
        loop {
            let signed = prepared.sign().await.unwrap().with_body(Bytes::from_static(body.as_bytes()));
            let answer = self.raw(signed).await;
            if prepared.review(answer.status, &answer.headers, answer.body.as_bytes()).await == RetryDecision::Done {
                return answer;
            }
        }
    }

    async fn raw(&self, request: Request<Bytes>) -> Answer {
        let answer = self.http.execute(request.try_into().unwrap()).await.unwrap();
        let (status, headers) = (answer.status(), answer.headers().clone());
        Answer { status, headers, body: answer.text().await.unwrap() }
    }

    fn codes(&self) -> Vec<String> {
        self.emulator.calls().into_iter().filter(|call| call.product == "oss").filter_map(|call| call.code).collect()
    }
}

#[tokio::test]
async fn an_object_is_put_read_listed_and_deleted_by_a_key_and_by_a_session_in_both_styles() {
    let cloud = Cloud::start().await;
    let host = format!("http://{BUCKET}.localhost:{}", cloud.emulator.http_addr().port());
    for (name, role) in [("a-key", None), ("a-session", Some("imm-role"))] {
        let signer = cloud.signer(cloud.chain(&account::RAM_USER, role));
        let awkward = format!("{name}/a%20b%2Bc~'()*!%E4%B8%AD");
        assert_eq!(cloud.send(&signer, Method::PUT, &awkward, "hello").await.status, 200, "{:?}", cloud.codes());
        // By the bucket's own name; beyond `localhost` itself that has to be allowed.
        let by_name = signer.clone().bucket(BUCKET).allow_plain_http();
        let read = cloud.send_to(&by_name, Method::GET, &format!("{host}/{awkward}"), "").await;
        assert_eq!((read.status.as_u16(), read.body.as_str()), (200, "hello"));
        assert_eq!(cloud.send(&signer, Method::HEAD, &awkward, "").await.headers["content-type"], "text/plain");
        let list = cloud.send(&signer, Method::GET, &format!("?list-type=2&prefix={name}%2F"), "").await;
        assert!(list.body.contains(&format!("<Key>{name}/a b+c~")), "{}", list.body);
        assert_eq!(cloud.send(&signer, Method::DELETE, &awkward, "").await.status, 204);
        assert_eq!(cloud.send(&signer, Method::GET, &awkward, "").await.status, 404);
    }
    assert_eq!(cloud.codes(), ["NoSuchKey", "NoSuchKey"]);
    assert!(!cloud.emulator.calls().iter().any(|call| call.path_and_query.contains("CAIS")), "a token is in a URL");
}

#[tokio::test]
async fn two_renewals_and_an_outage_are_not_noticed() {
    let cloud = Cloud::start().await;
    let chain = cloud.chain(&account::RAM_USER, Some("imm-role"));
    let signer = cloud.signer(&chain);
    for _ in 0..2 {
        assert_eq!(cloud.send(&signer, Method::PUT, "k", "v").await.status, 200);
        let before = chain.refresher().generation();
        cloud.advance(Duration::from_secs(3300));
        assert_eq!(cloud.send(&signer, Method::GET, "k", "").await.status, 200);
        chain.refresher().subscribe().wait_for(|generation| *generation > before).await.unwrap();
    }
    cloud.emulator.fail_next("sts/AssumeRole", Fault::new(503, "ServiceUnavailable").times(1000));
    for _ in 0..5 {
        cloud.advance(Duration::from_secs(600));
        assert_eq!(cloud.send(&signer, Method::GET, "k", "").await.status, 200);
    }
    assert!(cloud.codes().is_empty());
}

#[tokio::test]
async fn a_session_that_died_early_is_replaced_also_where_the_answer_has_no_body() {
    let cloud = Cloud::start().await;
    let chain = cloud.chain(&account::RAM_USER, Some("imm-role"));
    let signer = cloud.signer(&chain);
    cloud.send(&signer, Method::PUT, "k", "v").await;
    for (method, code) in [
        (Method::GET, "SecurityTokenExpired"),
        (Method::HEAD, "SecurityTokenExpired"),
        (Method::PUT, "InvalidSecurityToken"),
        (Method::GET, "InvalidAccessKeyId"),
        (Method::DELETE, "AccessKeyIdAndSecurityTokenNotMatch"),
    ] {
        let before = chain.credentials().await.unwrap().generation();
        cloud.emulator.fail_next("oss/*", Fault::new(403, code));
        assert!(cloud.send(&signer, method.clone(), "k", "").await.status.is_success(), "{method} {code}");
        assert_ne!(chain.credentials().await.unwrap().generation(), before, "{method} {code}");
        // Older than a minute, so that its rejection is not taken for a rejection of everything fresh.
        cloud.advance(Duration::from_secs(61));
    }
}

#[tokio::test]
async fn the_clock_is_corrected_and_a_session_that_is_over_by_the_servers_clock_replaced() {
    let cloud = Cloud::start().await;
    let signer = cloud.signer(cloud.chain(&account::RAM_USER, Some("imm-role")));
    assert_eq!(cloud.send(&signer, Method::PUT, "k", "v").await.status, 200);
    cloud.emulator.advance_clock(Duration::from_secs(2 * 3600));
    assert_eq!(cloud.send(&signer, Method::GET, "k", "").await.status, 200);
    assert_eq!(cloud.codes(), ["RequestTimeTooSkewed", "SecurityTokenExpired"]);
}

#[tokio::test]
async fn refusals_that_another_token_cannot_mend_are_the_callers() {
    let cloud = Cloud::start().await;
    let reader = cloud.signer(cloud.chain(&account::READER, None));
    let session = cloud.chain(&account::RAM_USER, Some("imm-role")).credentials().await.unwrap();
    let other = cloud.chain(&account::RAM_USER, Some("imm-role")).credentials().await.unwrap();
    let without_oss = cloud.signer(cloud.chain(&account::RAM_USER, Some("short-role")));
    let token = || session.security_token().unwrap().to_owned();
    let literal = |id: &str, secret: &str| Credentials::new(id, secret);
    let of_session =
        |token: String| literal(session.access_key_id(), session.access_key_secret()).with_security_token(token);
    let rows = [
        ("may not write", reader.clone(), "AccessDenied"),
        ("a role without OSS", without_oss, "AccessDenied"),
        ("no such key", cloud.with_key(literal("nobody", "fake-secret")), "InvalidAccessKeyId"),
        (
            "a disabled key",
            cloud.with_key(literal(account::DISABLED.id, account::DISABLED.secret)),
            "InvalidAccessKeyId",
        ),
        ("a wrong secret", cloud.with_key(literal(account::RAM_USER.id, "fake-secret")), "SignatureDoesNotMatch"),
        (
            "a session's key alone",
            cloud.with_key(literal(session.access_key_id(), "fake-secret")),
            "InvalidAccessKeyId",
        ),
        ("no token of ours", cloud.with_key(of_session("fake-token".to_owned())), "InvalidSecurityToken"),
        (
            "another session's token",
            cloud.with_key(of_session(other.security_token().unwrap().to_owned())),
            "AccessKeyIdAndSecurityTokenNotMatch",
        ),
        (
            "a key with a session's token",
            cloud.with_key(literal(account::RAM_USER.id, account::RAM_USER.secret).with_security_token(token())),
            "InvalidAccessKeyId",
        ),
        ("another region", RequestSigner::oss4("cn-beijing", cloud.chain(&account::RAM_USER, None)), "InvalidArgument"),
    ];
    for (what, signer, code) in rows {
        let answer = cloud.send(&signer, Method::PUT, "k", "v").await;
        assert!(answer.body.contains(&format!("<Code>{code}</Code>")), "{what}: {}", answer.body);
        assert!(!answer.status.is_success() && answer.headers.contains_key("x-oss-request-id"), "{what}");
    }
    // Each was asked once: a literal has no other credential to give.
    assert_eq!(cloud.codes().len(), 10);
    assert_eq!(cloud.send(&reader, Method::GET, "k", "").await.status, 404, "and nothing was written");
}

#[tokio::test]
async fn a_presigned_url_works_as_long_as_it_says_and_for_what_it_says() {
    let cloud = Cloud::start().await;
    let chain = cloud.chain(&account::RAM_USER, Some("imm-role"));
    cloud.send(&cloud.signer(&chain), Method::PUT, "films/a%20b.mp4", "a film").await;
    let film = |method| sign::oss4::Request {
        method,
        bucket: BUCKET,
        key: "films/a b.mp4",
        region: "cn-hangzhou",
        query: &[],
        headers: &[],
        additional_headers: &[],
    };
    // In the path style, since an address stands for no bucket.
    let host = cloud.emulator.endpoint();
    let url = chain.refresher().presigned_oss_url(&host, Duration::from_secs(600), &film("GET")).await.unwrap();
    let url = url.as_str().to_owned();
    let fetch = async |method: Method, url: &str| {
        cloud.raw(Request::builder().method(method).uri(url).body(Bytes::new()).unwrap()).await
    };
    let answer = fetch(Method::GET, &url).await;
    assert_eq!((answer.status.as_u16(), answer.body.as_str()), (200, "a film"), "{:?}", cloud.codes());
    assert_eq!(fetch(Method::DELETE, &url).await.status, 403, "it is for GET");
    assert_eq!(fetch(Method::GET, &url.replace("films", "other")).await.status, 403, "it is for this film");
    cloud.advance(Duration::from_secs(601));
    assert_eq!(fetch(Method::GET, &url).await.status, 403, "it has ended");
    assert_eq!(cloud.codes(), ["SignatureDoesNotMatch", "SignatureDoesNotMatch", "AccessDenied"]);
}

#[tokio::test]
async fn a_header_with_two_values_is_signed_in_the_order_in_which_it_is_sent() {
    let cloud = Cloud::start().await;
    let signer = cloud.signer(cloud.chain(&account::RAM_USER, None));
    let url = format!("{}/{BUCKET}/two-values", cloud.emulator.endpoint());
    let request = Request::put(url).header("x-oss-meta-a", "z").header("x-oss-meta-a", "a");
    let mut prepared = signer.prepare(request.body(()).unwrap().into_parts().0, Some(b"")).unwrap();
    let answer = cloud.raw(prepared.sign().await.unwrap().with_body(Bytes::new())).await;
    assert_eq!(answer.status, 200, "{:?}", cloud.codes());
}

#[tokio::test]
async fn a_list_comes_in_pages_and_in_groups() {
    let cloud = Cloud::start().await;
    let signer = cloud.signer(cloud.chain(&account::RAM_USER, None));
    for key in ["a/1", "a/2", "b", "c/1"] {
        assert_eq!(cloud.send(&signer, Method::PUT, key, "v").await.status, 200);
    }
    let between = |text: &str, from: &str, to: &str| {
        let rest = text.split_once(from).map(|(_, rest)| rest.to_owned())?;
        rest.split_once(to).map(|(inner, _)| inner.to_owned())
    };
    let (mut found, mut token) = (Vec::new(), String::new());
    loop {
        let page = cloud.send(&signer, Method::GET, &format!("?list-type=2&max-keys=1&delimiter=%2F{token}"), "").await;
        found.extend(between(&page.body, "<Key>", "</Key>"));
        found.extend(between(&page.body, "<CommonPrefixes><Prefix>", "</Prefix>"));
        match between(&page.body, "<NextContinuationToken>", "</NextContinuationToken>") {
            Some(next) => token = format!("&continuation-token={next}"),
            None => break,
        }
    }
    assert_eq!(found, ["a/", "b", "c/"]);
    let bad = cloud.send(&signer, Method::GET, "?list-type=2&continuation-token=made-up", "").await;
    assert!(bad.status == 400 && bad.body.contains("InvalidArgument"), "{}", bad.body);
}
