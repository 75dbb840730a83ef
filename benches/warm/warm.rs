//! What a warm read and a signature cost: nanoseconds and allocations. `cargo bench`.

#![allow(clippy::expect_used)]

use std::future::Future;
use std::hint::black_box;
use std::pin::pin;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, SystemTime};

use alibabacloud_credentials::sign::acs3;
use alibabacloud_credentials::{Credentials, Refresher, RequestSigner, provider_fn};
use divan::{AllocProfiler, Bencher};

#[global_allocator]
static ALLOCATIONS: AllocProfiler = AllocProfiler::system();

fn main() {
    divan::main();
}

/// A session as STS grants it: a token of some 600 characters, an hour to live.
fn session() -> Credentials {
    Credentials::new("STS.NUgYrLnoC37mZZCNnAbez", "CVwjCkNzTMupZ8NbTCxCBRq3K16jtcWFTJAyBEv2")
        .with_security_token("t".repeat(600))
        .with_expiration(now() + Duration::from_secs(3600))
}

#[allow(clippy::disallowed_methods)]
fn now() -> SystemTime {
    SystemTime::now()
}

/// Polls once: a warm read is ready at once.
fn ready<T>(future: impl Future<Output = T>) -> T {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(value) => value,
        Poll::Pending => panic!("a warm read waited"),
    }
}

fn warm() -> Refresher {
    let refresher = Refresher::new(provider_fn("source", || async { Ok(session()) }));
    let runtime = tokio::runtime::Builder::new_current_thread().build();
    runtime.expect("a runtime").block_on(refresher.credentials()).expect("credentials");
    refresher
}

#[divan::bench(threads = [1, 2], sample_size = 1000)]
fn with(bencher: Bencher<'_, '_>) {
    let refresher = warm();
    bencher.bench(|| refresher.with(|found| black_box(found.access_key_id().len())));
}

#[divan::bench(threads = [1, 2], sample_size = 1000)]
fn credentials(bencher: Bencher<'_, '_>) {
    let refresher = warm();
    bencher.bench(|| drop(black_box(ready(refresher.credentials()))));
}

/// The least that a read has to do: the two coarse clocks.
#[divan::bench(threads = [1, 2], sample_size = 1000)]
fn two_coarse_clock_reads() -> [rustix::time::Timespec; 2] {
    use rustix::time::ClockId;
    [ClockId::RealtimeCoarse, ClockId::MonotonicCoarse].map(rustix::time::clock_gettime)
}

/// The yardstick: one full clock read, which most caches pay on every hit.
#[divan::bench(threads = [1, 2], sample_size = 1000)]
#[allow(clippy::disallowed_methods)]
fn one_full_clock_read() -> std::time::Instant {
    std::time::Instant::now()
}

#[divan::bench]
fn acs3_signature_of_create_project(bencher: Bencher<'_, '_>) {
    let found = session();
    bencher.bench(|| {
        let headers = [
            ("host", "imm.cn-hangzhou.aliyuncs.com"),
            ("x-acs-action", "CreateProject"),
            ("x-acs-version", "2020-09-30"),
            ("x-acs-date", "2026-01-02T03:04:05Z"),
            ("x-acs-signature-nonce", "7f1c3b0a9d8e4f5566778899aabbccdd"),
            ("x-acs-content-sha256", acs3::EMPTY_PAYLOAD),
            ("x-acs-credentials-provider", "default/ram_role_arn/env"),
            ("x-acs-accesskey-id", found.access_key_id()),
            ("x-acs-security-token", found.security_token().unwrap_or_default()),
        ];
        let request = acs3::Request {
            method: "POST",
            path: "/",
            query: &[("ProjectName", "testproject")],
            headers: &headers,
            payload_sha256: acs3::EMPTY_PAYLOAD,
        };
        black_box(request.authorization(found.access_key_id(), found.access_key_secret()))
    });
}

/// A whole request by [`RequestSigner`]: prepared, signed, its response not looked at.
#[divan::bench]
fn request_signer_acs3(bencher: Bencher<'_, '_>) {
    let signer = RequestSigner::acs3(warm());
    let head = || {
        let request = http::Request::post("https://imm.cn-hangzhou.aliyuncs.com/?ProjectName=testproject");
        let request = request.header("x-acs-action", "CreateProject").header("x-acs-version", "2020-09-30");
        request.body(()).expect("a request").into_parts().0
    };
    bencher.with_inputs(head).bench_values(|head| {
        let mut prepared = signer.prepare(head, Some(b"")).expect("a request that can be signed");
        ready(prepared.sign()).expect("a signature")
    });
}

#[divan::bench]
fn request_signer_oss4(bencher: Bencher<'_, '_>) {
    let signer = RequestSigner::oss4("cn-hangzhou", warm());
    let head = || {
        let request = http::Request::get("https://media.oss-cn-hangzhou.aliyuncs.com/films/a%20b.mp4");
        request.body(()).expect("a request").into_parts().0
    };
    bencher.with_inputs(head).bench_values(|head| {
        let mut prepared = signer.prepare(head, Some(b"")).expect("a request that can be signed");
        ready(prepared.sign()).expect("a signature")
    });
}
