//! Any HTTP client: requests of reqwest-middleware and of tower's services, signed, against the emulator.

#![cfg(all(feature = "reqwest-middleware", feature = "tower"))]
#![allow(clippy::unwrap_used)]

mod support;

use std::time::Duration;

use alibabacloud_credentials::{ErrorKind, RequestSigner, sign};
use alibabacloud_credentials_adapters::{SigningLayer, SigningMiddleware, SigningService};
use alibabacloud_emulator::Fault;
use alibabacloud_emulator::account::BUCKET;
use bytes::Bytes;
use http::{Method, Request, StatusCode};
use http_body_util::{BodyExt as _, Full, StreamBody, combinators::BoxBody};
use hyper_util::client::legacy::{self, connect::HttpConnector};
use hyper_util::rt::TokioExecutor;
use support::Cloud;
use tower::{Layer as _, ServiceExt as _};

type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// hyper-util's client takes one type of body; a stream and a whole body are both this.
struct AnyBody(BoxBody<Bytes, BoxError>);

impl From<Bytes> for AnyBody {
    fn from(bytes: Bytes) -> Self {
        Self(Full::new(bytes).map_err(Into::into).boxed())
    }
}

impl http_body::Body for AnyBody {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: std::pin::Pin<&mut Self>,
        cx: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Result<http_body::Frame<Bytes>, BoxError>>> {
        std::pin::Pin::new(&mut self.0).poll_frame(cx)
    }

    fn size_hint(&self) -> http_body::SizeHint {
        self.0.size_hint()
    }

    fn is_end_stream(&self) -> bool {
        self.0.is_end_stream()
    }
}

/// Both ways of the same thing, so that every test is of both.
enum Client {
    Reqwest(reqwest_middleware::ClientWithMiddleware),
    Tower(Box<SigningService<legacy::Client<HttpConnector, AnyBody>>>),
}

fn both(signer: impl Fn() -> RequestSigner) -> [Client; 2] {
    let plain = reqwest::Client::builder().no_proxy().redirect(reqwest::redirect::Policy::none()).build().unwrap();
    let client = reqwest_middleware::ClientBuilder::new(plain).with(SigningMiddleware::new(signer())).build();
    let hyper = legacy::Client::builder(TokioExecutor::new()).build_http();
    [Client::Reqwest(client), Client::Tower(Box::new(SigningLayer::new(signer()).layer(hyper)))]
}

enum Payload {
    Whole(&'static str),
    Stream(&'static str),
}

impl Client {
    async fn send(
        &self,
        method: Method,
        url: &str,
        headers: &[(&str, &str)],
        payload: Payload,
    ) -> Result<(StatusCode, Bytes), alibabacloud_credentials::Error> {
        match self {
            Self::Reqwest(client) => {
                let mut request = client.request(method, url);
                for (name, value) in headers {
                    request = request.header(*name, *value);
                }
                let request = match payload {
                    Payload::Whole("") => request,
                    Payload::Whole(text) => request.body(text),
                    Payload::Stream(text) => {
                        let chunks = futures_util::stream::iter([Ok::<_, std::io::Error>(Bytes::from(text))]);
                        request.body(reqwest::Body::wrap_stream(chunks))
                    }
                };
                match request.send().await {
                    Ok(answer) => {
                        let host = url.split('?').next().unwrap();
                        assert!(answer.url().as_str().starts_with(host), "the answer knows where it comes from");
                        Ok((answer.status(), answer.bytes().await.unwrap()))
                    }
                    Err(reqwest_middleware::Error::Middleware(error)) => Err(error.downcast().unwrap()),
                    Err(error) => panic!("{error}"),
                }
            }
            Self::Tower(client) => {
                let mut request = Request::builder().method(method).uri(url);
                for (name, value) in headers {
                    request = request.header(*name, *value);
                }
                let body = match payload {
                    Payload::Whole(text) => AnyBody::from(Bytes::from(text)),
                    Payload::Stream(text) => {
                        let frame = Ok::<_, BoxError>(http_body::Frame::data(Bytes::from(text)));
                        AnyBody(StreamBody::new(futures_util::stream::iter([frame])).boxed())
                    }
                };
                match client.as_ref().clone().oneshot(request.body(body).unwrap()).await {
                    Ok(answer) => {
                        let (head, body) = answer.into_parts();
                        Ok((head.status, body.collect().await.unwrap().to_bytes()))
                    }
                    Err(error) => Err(*error.downcast().unwrap()),
                }
            }
        }
    }

    async fn imm(&self, cloud: &Cloud, action: &str, query: &str) -> (StatusCode, Bytes) {
        let url = format!("{}/?{query}", cloud.emulator.endpoint());
        let headers = [("x-acs-action", action), ("x-acs-version", "2020-09-30")];
        self.send(Method::POST, &url, &headers, Payload::Whole("")).await.unwrap()
    }

    async fn lists(&self, cloud: &Cloud) {
        let (status, body) = self.imm(cloud, "ListProjects", "MaxResults=10").await;
        assert_eq!(status, 200, "{body:?}");
    }
}

async fn cloud_and_clients() -> (Cloud, [Client; 2]) {
    let cloud = Cloud::start().await;
    let clients = both(|| RequestSigner::acs3(&cloud.chain));
    (cloud, clients)
}

#[tokio::test]
async fn calls_go_on_over_two_renewals_and_an_outage_in_the_advisory_window() {
    let (cloud, clients) = cloud_and_clients().await;
    for _ in 0..3 {
        for client in &clients {
            client.lists(&cloud).await;
        }
        let before = cloud.refresher().generation();
        cloud.age_together();
        for client in &clients {
            client.lists(&cloud).await;
        }
        cloud.renewed_since(before).await;
    }
    assert!(cloud.signers("ListProjects").len() >= 3);

    cloud.break_sts();
    cloud.age_together();
    for client in &clients {
        client.lists(&cloud).await;
    }
    cloud.degraded().await;
    for client in &clients {
        client.lists(&cloud).await;
    }
    assert_eq!(cloud.emulator.calls().iter().filter(|call| call.product == "imm" && call.status != 200).count(), 0);
}

#[tokio::test]
async fn an_invalid_token_is_replaced_and_the_request_sent_once_more() {
    let (cloud, clients) = cloud_and_clients().await;
    for (n, client) in clients.iter().enumerate() {
        cloud.emulator.fail_next("imm/ListProjects", Fault::new(400, "InvalidSecurityToken.Expired"));
        client.lists(&cloud).await;
        assert_eq!(cloud.count("ListProjects", 400), n + 1);
        assert_eq!(cloud.count("AssumeRole", 200), n + 2);
    }
}

#[tokio::test]
async fn a_token_that_stays_dead_is_the_callers_after_one_repetition() {
    let (cloud, clients) = cloud_and_clients().await;
    for (n, client) in clients.iter().enumerate() {
        cloud.emulator.fail_next("imm/ListProjects", Fault::new(400, "InvalidSecurityToken.Expired").times(2));
        let (status, body) = client.imm(&cloud, "ListProjects", "").await;
        assert_eq!((status, cloud.count("ListProjects", 400)), (StatusCode::BAD_REQUEST, 2 * (n + 1)));
        assert!(std::str::from_utf8(&body).unwrap().contains("InvalidSecurityToken.Expired"), "{body:?}");
    }
}

#[tokio::test]
async fn a_refusal_longer_than_is_read_ahead_reaches_the_caller_whole() {
    let (cloud, clients) = cloud_and_clients().await;
    let long = "0123456789".repeat(100_000);
    for client in &clients {
        cloud.emulator.fail_next("imm/ListProjects", Fault::new(403, "NoPermission").body(long.clone()));
        let (status, body) = client.imm(&cloud, "ListProjects", "").await;
        assert!(status == 403 && body == long, "{status}, {} bytes", body.len());
    }
}

#[tokio::test]
async fn a_refusal_that_is_no_document_is_the_callers_as_it_is_and_nothing_is_repeated() {
    let (cloud, clients) = cloud_and_clients().await;
    let page = "<html>InvalidSecurityToken.Expired</html>".to_owned();
    let list = r#"["InvalidSecurityToken.Expired"]"#.to_owned();
    let number = r#"{"Code":7}"#.to_owned();
    let ten_megabytes = "InvalidSecurityToken.Expired".repeat(400_000);
    for body in [page, list, number, String::new(), ten_megabytes] {
        for status in [400, 401, 403, 503] {
            for client in &clients {
                let before = cloud.emulator.calls().len();
                let fault = Fault::new(status, "InvalidSecurityToken.Expired").body(body.clone());
                cloud.emulator.fail_next("imm/ListProjects", fault);
                let (answered, read) = client.imm(&cloud, "ListProjects", "").await;
                assert!(answered == status && read == body, "{status}, {} of {} bytes", read.len(), body.len());
                let asked = cloud.emulator.calls().split_off(before);
                assert_eq!(asked.iter().filter(|call| call.product == "imm").count(), 1);
            }
        }
    }
    assert_eq!(cloud.count("AssumeRole", 200), 1);
}

#[tokio::test]
async fn a_lack_of_permission_is_the_callers_at_once() {
    let (cloud, clients) = cloud_and_clients().await;
    for client in &clients {
        cloud.emulator.fail_next("imm/ListProjects", Fault::new(403, "NoPermission"));
        let (status, body) = client.imm(&cloud, "ListProjects", "").await;
        assert_eq!(status, 403);
        assert!(std::str::from_utf8(&body).unwrap().contains("NoPermission"));
    }
    assert_eq!((cloud.count("ListProjects", 403), cloud.count("AssumeRole", 200)), (2, 1));
}

#[tokio::test]
async fn awkward_parameters_are_signed_as_they_are_sent() {
    let (cloud, clients) = cloud_and_clients().await;
    for (name, client) in ["by-reqwest", "by-tower"].into_iter().zip(&clients) {
        let query = format!("ProjectName={name}&Description=a+b%2Bc%20d%26e%3D%E4%B8%AD~*'()!");
        let (status, body) = client.imm(&cloud, "CreateProject", &query).await;
        assert_eq!(status, 200, "{body:?}");
        assert!(std::str::from_utf8(&body).unwrap().contains("a b+c d&e=中~*'()!"), "{body:?}");
    }
}

#[tokio::test]
async fn a_form_is_hashed_and_a_stream_needs_its_hash() {
    let (cloud, clients) = cloud_and_clients().await;
    let url = format!("{}/", cloud.emulator.endpoint());
    for (name, client) in ["by-reqwest", "by-tower"].into_iter().zip(&clients) {
        let form: &'static str = format!("ProjectName={name}").leak();
        let hash = sign::acs3::payload_sha256(form.as_bytes());
        let mut headers = vec![
            ("x-acs-action", "CreateProject"),
            ("x-acs-version", "2020-09-30"),
            ("content-type", "application/x-www-form-urlencoded"),
        ];
        let (status, body) = client.send(Method::POST, &url, &headers, Payload::Whole(form)).await.unwrap();
        assert_eq!(status, 200, "{body:?}");

        headers[0].1 = "GetProject";
        let error = client.send(Method::POST, &url, &headers, Payload::Stream(form)).await.unwrap_err();
        assert_eq!((error.kind(), error.code()), (ErrorKind::InvalidInput, Some("StreamNeedsHash")));

        headers.push(("x-acs-content-sha256", &hash));
        let (status, body) = client.send(Method::POST, &url, &headers, Payload::Stream(form)).await.unwrap();
        assert_eq!(status, 200, "{body:?}");

        let sessions = cloud.count("AssumeRole", 200);
        cloud.emulator.fail_next("imm/GetProject", Fault::new(400, "InvalidSecurityToken.Expired"));
        let (status, _) = client.send(Method::POST, &url, &headers, Payload::Stream(form)).await.unwrap();
        assert_eq!(status, 400, "a stream is sent once");
        assert_eq!(cloud.count("AssumeRole", 200), sessions, "and waits for no other session");
        let (status, body) = client.send(Method::POST, &url, &headers, Payload::Stream(form)).await.unwrap();
        assert_eq!(status, 200, "{body:?}");
        assert_eq!(cloud.count("AssumeRole", 200), sessions + 1, "which the next request has");
    }
}

#[tokio::test]
async fn version_1_is_in_the_form_and_leaves_the_url_alone() {
    let (cloud, _) = cloud_and_clients().await;
    let url = format!("{}/?Action=CreateProject&Version=2020-09-30&Format=JSON", cloud.emulator.endpoint());
    let forms = ["ProjectName=v1-reqwest&Description=a+b", "ProjectName=v1-tower&Description=a+b"];
    for (form, client) in forms.into_iter().zip(&both(|| RequestSigner::rpc_v1(&cloud.chain))) {
        cloud.emulator.fail_next("imm/CreateProject", Fault::new(400, "InvalidSecurityToken.Expired"));
        let headers = [("content-type", "application/x-www-form-urlencoded")];
        let (status, body) = client.send(Method::POST, &url, &headers, Payload::Whole(form)).await.unwrap();
        assert_eq!(status, 200, "{body:?}");
        let error = client.send(Method::GET, &url, &[], Payload::Whole("")).await.unwrap_err();
        assert_eq!(error.code(), Some("NotAForm"));
    }
    let calls = cloud.emulator.calls();
    let leaking = |path: &str| ["Token", "Signature", "AccessKeyId"].iter().any(|name| path.contains(name));
    assert!(!calls.iter().any(|call| leaking(&call.path_and_query)));
    assert_eq!(cloud.count("CreateProject", 200), 2);
}

#[tokio::test]
async fn an_object_needs_no_hash_and_its_invalid_token_is_replaced_too() {
    for (at, name) in ["by-reqwest", "by-tower"].into_iter().enumerate() {
        let cloud = Cloud::start().await;
        let client = &both(|| RequestSigner::oss4("cn-hangzhou", &cloud.chain))[at];
        let url = format!("{}/{BUCKET}/{name}/a%20b%2Bc", cloud.emulator.endpoint());
        // A stream that says its length can be told from one that does not; OSS takes no other.
        let length = [("content-length", "8")];
        let put = client.send(Method::PUT, &url, &length, Payload::Stream("a stream")).await.unwrap();
        assert_eq!(put.0, 200, "{:?}", put.1);
        for code in ["SecurityTokenExpired", "InvalidAccessKeyId"] {
            cloud.emulator.fail_next("oss/GetObject", Fault::new(403, code));
            let (status, body) = client.send(Method::GET, &url, &[], Payload::Whole("")).await.unwrap();
            assert_eq!((status.as_u16(), &body[..]), (200, &b"a stream"[..]), "{name}, {code}");
        }
        assert_eq!(cloud.count("AssumeRole", 200), 3);
    }
}

#[tokio::test]
async fn a_clock_that_is_off_is_corrected_by_the_servers_answer() {
    for at in 0..2 {
        let cloud = Cloud::start().await;
        let client = &both(|| RequestSigner::acs3(&cloud.chain))[at];
        client.lists(&cloud).await;
        // The server's clock moves: the date is refused first, and then the session that is over by it.
        cloud.emulator.advance_clock(Duration::from_secs(2 * 3600));
        client.lists(&cloud).await;
        let codes: Vec<_> = cloud.emulator.calls().iter().filter_map(|call| call.code.clone()).collect();
        assert_eq!(codes, ["InvalidTimeStamp.Expired", "InvalidSecurityToken.Expired"], "client {at}");
    }
}

#[tokio::test]
async fn no_credentials_is_an_error_of_ours_and_nothing_is_sent() {
    let cloud = Cloud::start().await;
    // Refused for good: what may pass is tried again, after pauses that this clock never ends.
    cloud.emulator.fail_next("sts/AssumeRole", alibabacloud_emulator::Fault::new(403, "NoPermission").times(1000));
    for client in &both(|| RequestSigner::acs3(&cloud.chain)) {
        let headers = [("x-acs-action", "ListProjects"), ("x-acs-version", "2020-09-30")];
        let url = format!("{}/", cloud.emulator.endpoint());
        let error = client.send(Method::POST, &url, &headers, Payload::Whole("")).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Refused, "{error}");
    }
    assert_eq!(cloud.signers("ListProjects").len(), 0);
}

#[test]
fn nothing_that_is_printed_holds_a_secret() {
    let key = alibabacloud_credentials::Credentials::new("an-access-key-id", "fake-secret");
    let signer = RequestSigner::acs3(key);
    let layer = SigningLayer::new(signer.clone());
    let shown = format!("{:?} {layer:?} {:?}", SigningMiddleware::new(signer), layer.layer(()));
    assert!(!shown.contains("fake-secret") && !shown.contains("an-access-key-id"), "{shown}");
}
