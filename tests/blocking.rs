//! The chain from synchronous code: with no runtime, inside one, on many threads at once, and where it must not wait.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Barrier, Mutex, OnceLock};
use std::time::Duration;

use alibabacloud_credentials::sign::oss4;
use alibabacloud_credentials::{
    AssumeRole, Context, Credentials, DefaultCredentialChain, Error, ErrorKind, OpenApiClient, ProviderOutcome,
    Refresher, RequestSigner, RetryDecision, provider_fn,
};
use alibabacloud_emulator::{Emulator, account};
use http::{HeaderMap, Request, StatusCode};
use tokio::runtime::{Builder, Runtime};

use crate::support::block_on;

/// A source that yields before it answers, so that whoever asks first has to wait, and that counts.
fn source() -> (Refresher, Arc<AtomicUsize>) {
    let asked = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&asked);
    let provider = provider_fn("source", move || {
        counter.fetch_add(1, Ordering::SeqCst);
        async {
            for _ in 0..100 {
                tokio::task::yield_now().await;
            }
            Ok(Credentials::new("the-id", "fake-secret"))
        }
    });
    (Refresher::new(provider), asked)
}

fn assert_cold_and_warm_reads_work() {
    let (refresher, asked) = source();
    for _ in 0..3 {
        assert_eq!(refresher.credentials_blocking().unwrap().access_key_id(), "the-id");
        assert!(refresher.credentials_valid_for_blocking(Duration::from_secs(1800)).is_ok());
    }
    assert_eq!(asked.load(Ordering::SeqCst), 1);
}

#[test]
fn no_runtime_is_needed() {
    assert_cold_and_warm_reads_work();
}

#[test]
fn it_works_inside_a_current_thread_runtime() {
    let runtime = Builder::new_current_thread().build().unwrap();
    runtime.block_on(async { assert_cold_and_warm_reads_work() });
}

#[test]
fn it_works_inside_a_multi_thread_runtime() {
    let runtime = Builder::new_multi_thread().worker_threads(1).build().unwrap();
    runtime.block_on(runtime.spawn(async { assert_cold_and_warm_reads_work() })).unwrap();
}

#[test]
fn it_works_in_a_task_that_has_used_up_its_budget() {
    let runtime = Builder::new_multi_thread().worker_threads(1).build().unwrap();
    let task = runtime.spawn(async {
        // tokio's channels answer "not yet" to a task that has done this, until it yields.
        let (sender, mut receiver) = tokio::sync::mpsc::unbounded_channel();
        (0..1000).for_each(|n| sender.send(n).unwrap());
        std::future::poll_fn(|cx| {
            while receiver.poll_recv(cx).is_ready() {}
            std::task::Poll::Ready(())
        })
        .await;
        assert!(!tokio::task::coop::has_budget_remaining());
        assert_cold_and_warm_reads_work();
    });
    runtime.block_on(task).unwrap();
}

#[test]
fn a_hundred_threads_ask_the_source_once() {
    let (refresher, asked) = source();
    let start = Barrier::new(100);
    std::thread::scope(|scope| {
        for _ in 0..100 {
            scope.spawn(|| {
                start.wait();
                assert_eq!(refresher.credentials_blocking().unwrap().access_key_id(), "the-id");
            });
        }
    });
    assert_eq!(asked.load(Ordering::SeqCst), 1);
}

#[test]
fn a_failure_is_the_same_error_as_that_of_the_asynchronous_call() {
    let refresher = Refresher::new(provider_fn("vault", || async { Err(Error::failed("sealed").with_code("Sealed")) }));
    let error = refresher.credentials_blocking().unwrap_err();
    assert_eq!((error.code(), error.provider_name()), (Some("Sealed"), Some("vault")));
}

// ---- where it would wait for itself

/// A refresher whose provider calls itself, as nobody should.
fn selfish(context: Context) -> Refresher {
    let own: Arc<OnceLock<Refresher>> = Arc::default();
    let inner = Arc::clone(&own);
    let provider = provider_fn("selfish", move || {
        let own = Arc::clone(&inner);
        async move { own.get().unwrap().credentials_blocking() }
    });
    let refresher = Refresher::builder(provider).context(context).build();
    own.set(refresher.clone()).unwrap();
    refresher
}

fn would_deadlock(error: &Error) -> bool {
    error.kind() == ErrorKind::Failed && error.code() == Some("WouldDeadlock")
}

#[test]
fn a_provider_that_blocks_gets_an_error_and_no_deadlock() {
    let error = selfish(Context::default()).credentials_blocking().unwrap_err();
    assert!(would_deadlock(&error), "{error}");
    assert!(error.remedy().unwrap().contains("await"));
}

#[test]
fn so_does_one_that_runs_on_a_spawner_of_the_users() {
    let runtime: &'static Runtime = Box::leak(Box::new(Builder::new_multi_thread().worker_threads(1).build().unwrap()));
    let context = Context::builder().spawn(move |task| drop(runtime.spawn(task))).build();
    let error = selfish(context).credentials_blocking().unwrap_err();
    assert!(would_deadlock(&error), "{error}");
    let here = runtime.spawn(async { assert_cold_and_warm_reads_work() });
    block_on(here).unwrap();
}

#[test]
fn everything_that_would_wait_says_so_inside_a_provider_even_when_nothing_had_to_be_waited_for() {
    let chain = DefaultCredentialChain::builder().context(keys("an-id", "a-secret", "http://127.0.0.1:1")).build();
    let imm = OpenApiClient::imm("cn-hangzhou", &chain);
    assert!(chain.credentials_blocking().is_ok(), "warm from here on");
    let told: Arc<Mutex<Vec<Error>>> = Arc::default();
    let (inside, all) = (chain.clone(), Arc::clone(&told));
    let provider = provider_fn("blocks", move || {
        all.lock().unwrap().extend([
            inside.credentials_blocking().unwrap_err(),
            inside.credentials_valid_for_blocking(Duration::from_secs(1)).unwrap_err(),
            inside.caller_identity_blocking().unwrap_err(),
            imm.call_blocking("ListProjects", []).unwrap_err(),
            imm.call_json_blocking("ListProjects", &serde_json::json!({})).unwrap_err(),
            imm.pages("ListProjects", []).next_blocking().unwrap().unwrap_err(),
            inside
                .refresher()
                .presigned_oss_url_blocking("h", Duration::from_secs(1), &oss4::Request::default())
                .unwrap_err(),
        ]);
        let known = inside.explain_blocking();
        assert!(known.credentials.is_some(), "what is known can be told");
        assert!(known.providers.iter().any(|report| report.outcome == ProviderOutcome::Used));
        async { Err(Error::failed("enough")) }
    });
    assert_eq!(Refresher::new(provider).credentials_blocking().unwrap_err().message(), "enough");
    let told = told.lock().unwrap();
    assert_eq!(told.len(), 7);
    assert!(told.iter().all(would_deadlock), "{told:?}");
}

// ---- end to end

fn keys(id: &str, secret: &str, sts: &str) -> Context {
    Context::builder()
        .env([
            ("ALIBABA_CLOUD_ACCESS_KEY_ID", id),
            ("ALIBABA_CLOUD_ACCESS_KEY_SECRET", secret),
            ("ALIBABA_CLOUD_STS_ENDPOINT", sts),
        ])
        .build()
}

/// Everything, as a role, against STS and IMM.
fn assert_the_cloud_is_reached(emulator: &Emulator, project: &str) {
    let key = account::RAM_USER;
    let chain = DefaultCredentialChain::builder()
        .context(keys(key.id, key.secret, &emulator.endpoint()))
        .assume_role(AssumeRole::new("acs:ram::1234567890123456:role/imm-role"))
        .build();
    let explanation = chain.explain_blocking();
    assert_eq!(explanation.credentials.unwrap().provider_name, "default/ram_role_arn/env");
    assert!(chain.credentials_blocking().unwrap().access_key_id().starts_with("STS."));
    assert!(chain.credentials_valid_for_blocking(Duration::from_secs(1800)).is_ok());
    assert_eq!(chain.caller_identity_blocking().unwrap().identity_type, "AssumedRoleUser");

    let imm = OpenApiClient::new(emulator.endpoint(), "2020-09-30", &chain);
    let answer = imm.call_blocking("CreateProject", [("ProjectName", project)]).unwrap();
    assert_eq!(answer.body()["Project"]["ProjectName"], project);
    let wanted = serde_json::json!({ "ProjectName": project });
    assert_eq!(imm.call_json_blocking("GetProject", &wanted).unwrap().status_code(), 200);
    let error = imm.call_blocking("GetProject", [("ProjectName", "none-of-this-name")]).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Refused);
    let mut pages = imm.pages("ListProjects", [("MaxResults", "1")]);
    let mut names = Vec::new();
    while let Some(page) = pages.next_blocking() {
        let page = page.unwrap();
        names.extend(page.body()["Projects"].as_array().unwrap().iter().map(|each| each["ProjectName"].clone()));
    }
    assert!(names.contains(&project.into()), "{names:?}");

    let head = Request::post("https://imm.cn-hangzhou.aliyuncs.com/").header("x-acs-action", "ListProjects");
    let (head, ()) = head.header("x-acs-version", "2020-09-30").body(()).unwrap().into_parts();
    let mut prepared = RequestSigner::acs3(&chain).prepare(head, Some(b"")).unwrap();
    assert!(prepared.sign_blocking().unwrap().head.headers.contains_key("x-acs-security-token"));
    let refused = br#"{"Code":"SignatureNonceUsed","Message":"m"}"#;
    let decision = prepared.review_blocking(StatusCode::BAD_REQUEST, &HeaderMap::new(), refused);
    assert_eq!(decision, RetryDecision::SignAgain);
    let object =
        oss4::Request { method: "GET", bucket: "media", key: "k", region: "cn-hangzhou", ..Default::default() };
    let host = "media.oss-cn-hangzhou.aliyuncs.com";
    let url = chain.refresher().presigned_oss_url_blocking(host, Duration::from_secs(600), &object).unwrap();
    assert!(url.as_str().contains("x-oss-security-token="));
    // The client is the same one, whoever drives it.
    let elsewhere = || {
        let runtime = Builder::new_current_thread().enable_all().build().unwrap();
        assert!(runtime.block_on(imm.call("GetProject", [("ProjectName", project)])).is_ok());
    };
    std::thread::scope(|scope| scope.spawn(elsewhere).join().unwrap());
    assert!(imm.call_blocking("GetProject", [("ProjectName", project)]).is_ok());
}

#[test]
fn sts_and_imm_are_reached_with_no_runtime_inside_one_and_on_many_threads() {
    let server = Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let emulator = server.block_on(Emulator::builder().start()).unwrap();
    assert_the_cloud_is_reached(&emulator, "no-runtime");
    let inside = Builder::new_current_thread().build().unwrap();
    inside.block_on(async { assert_the_cloud_is_reached(&emulator, "in-a-runtime") });
    let names: Vec<String> = (0..8).map(|n| format!("thread-{n}")).collect();
    std::thread::scope(|scope| {
        for name in &names {
            let emulator = &emulator;
            scope.spawn(move || assert_the_cloud_is_reached(emulator, name));
        }
    });
    assert_eq!(emulator.summary().rejected, 10, "the one call of each round that asks for what is not there");
}
