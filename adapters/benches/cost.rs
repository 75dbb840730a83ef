//! The cost of an adapter for a request while the session is warm, and of a whole signed request beside a peer's: nanoseconds and
//! allocations. `cargo bench --all-features`

#![allow(missing_docs, clippy::unwrap_used)]

use std::future::Future;
use std::pin::pin;
use std::task::{Context, Poll, Waker};

use alibabacloud_credentials::sign::percent_encode;
use alibabacloud_credentials::{Credentials, Refresher, RequestSigner};
use alibabacloud_credentials_adapters::{AliyunLogCredentials, ImmCredentials, OssifyCredentials, ReqsignCredentials};
use aliyun_log_rust_sdk::CredentialsProvider as _;
use divan::{AllocProfiler, Bencher};
use reqsign_core::ProvideCredentialDyn as _;

#[global_allocator]
static ALLOCATIONS: AllocProfiler = AllocProfiler::system();

fn main() {
    divan::main();
}

/// As long as a real session's strings.
fn session() -> Refresher {
    let session = Credentials::new("STS.".repeat(7), "s".repeat(44)).with_security_token("t".repeat(720));
    Refresher::from(session)
}

/// A warm session is there at the first poll.
fn at_once<T>(future: impl Future<Output = T>) -> T {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(value) => value,
        Poll::Pending => unreachable!("the session is held"),
    }
}

#[divan::bench]
fn imm(bencher: Bencher<'_, '_>) {
    use alibabacloud_imm::credentials::CredentialsProvider as _;
    let adapter = ImmCredentials::new(session());
    bencher.bench(|| at_once(adapter.get_credentials()).unwrap());
}

#[divan::bench]
fn ossify(bencher: Bencher<'_, '_>) {
    use ossify::credentials::CredentialsProvider as _;
    let adapter = OssifyCredentials::new(session());
    bencher.bench(|| at_once(adapter.get_credentials()).unwrap());
}

/// What its `Signer` asks for at the end of its cache.
#[divan::bench]
fn reqsign(bencher: Bencher<'_, '_>) {
    let (adapter, context) = (ReqsignCredentials::new(session()), reqsign_core::Context::new());
    bencher.bench(|| at_once(adapter.provide_credential_dyn(&context)).unwrap());
}

/// What the client asks for at the end of its cache.
#[divan::bench]
fn aliyun_log(bencher: Bencher<'_, '_>) {
    let adapter = AliyunLogCredentials::new(session());
    bencher.bench(|| at_once(adapter.fetch_credentials()).unwrap());
}

/// A request for an object, as a client has it before it is signed.
fn get_object() -> http::request::Parts {
    let request = http::Request::get("https://media.oss-cn-hangzhou.aliyuncs.com/films/a%20b.mp4");
    request.body(()).unwrap().into_parts().0
}

#[divan::bench]
fn signed_oss_request(bencher: Bencher<'_, '_>) {
    let signer = RequestSigner::oss4("cn-hangzhou", session());
    bencher.with_inputs(get_object).bench_values(|head| {
        let mut prepared = signer.prepare(head, Some(b"")).unwrap();
        at_once(prepared.sign()).unwrap()
    });
}

/// The same by reqsign, with a source that costs nothing.
#[divan::bench]
fn signed_oss_request_by_reqsign(bencher: Bencher<'_, '_>) {
    use reqsign_aliyun_oss::{RequestSigner, SigningVersion, StaticCredentialProvider};
    let source =
        StaticCredentialProvider::new(&"STS.".repeat(7), &"s".repeat(44)).with_security_token(&"t".repeat(720));
    let oss = RequestSigner::new("media").with_region("cn-hangzhou").with_signing_version(SigningVersion::V4);
    let signer = reqsign_core::Signer::new(reqsign_core::Context::new(), source, oss);
    bencher.with_inputs(get_object).bench_local_values(|mut head| {
        at_once(signer.sign(&mut head, None)).unwrap();
        head
    });
}

/// A call's parameters as the head of a request.
fn create_project() -> http::request::Parts {
    let mut url = String::from("https://imm.cn-hangzhou.aliyuncs.com/?ProjectName=");
    percent_encode("testproject", &mut url);
    let request = http::Request::post(url).header("x-acs-action", "CreateProject");
    request.header("x-acs-version", "2020-09-30").body(()).unwrap().into_parts().0
}

/// CreateProject from its parameters to the head of a signed request, which is then dropped: URL, headers, date, nonce, hash and
/// signature, by a session that is held.
#[divan::bench(sample_size = 1000)]
fn signed_create_project(bencher: Bencher<'_, '_>) {
    let signer = RequestSigner::acs3(session());
    bencher.bench_local(|| {
        let head = create_project();
        drop(at_once(signer.prepare(head, Some(b"")).unwrap().sign()).unwrap());
    });
}

/// The part of it that is the caller's: the head without a signature.
#[divan::bench(sample_size = 1000)]
fn unsigned_create_project(bencher: Bencher<'_, '_>) {
    bencher.bench_local(|| drop(create_project()));
}

/// The same by alibabacloud-imm, with its own source of a fixed session. Its request cannot be had without being sent, so its
/// endpoint has a scheme that reqwest refuses: after all is signed, before a connection is looked for. The refusal, some 30 ns
/// and one allocation, is in this figure, and so is that its request is one of reqwest, with a URL that was parsed.
#[divan::bench(sample_size = 1000)]
fn signed_create_project_by_imm(bencher: Bencher<'_, '_>) {
    use alibabacloud_imm::ops::{CreateProjectOps as _, CreateProjectQuery};
    let _ = rustls::crypto::ring::default_provider().install_default();
    let client = alibabacloud_imm::Client::builder().endpoint("unsent://imm.cn-hangzhou.aliyuncs.com");
    let client =
        client.access_key_id("STS.".repeat(7)).access_key_secret("s".repeat(44)).security_token("t".repeat(720));
    let client = client.build().unwrap();
    bencher.bench_local(|| {
        let query = CreateProjectQuery { project_name: "testproject".to_owned(), ..Default::default() };
        drop(at_once(client.create_project(query)).unwrap_err());
    });
}
