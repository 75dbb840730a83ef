//! Instance metadata, end to end: provider, refresher and OpenAPI client against the emulator.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, UNIX_EPOCH};

use alibabacloud_credentials::{
    BoxFuture, Context, ContextBuilder, Credentials, EcsMetadataProvider, Error, ErrorKind, OpenApiClient,
    ProvideCredentials, Refresher, TestClock,
};
use alibabacloud_emulator::{Emulator, Fault, Metadata};

use crate::support::drive::drive_once;
use crate::support::redirect::Redirect;

async fn start(metadata: Metadata) -> Emulator {
    let emulator = Emulator::builder().metadata(metadata).metadata_newline(true).start().await.unwrap();
    emulator.freeze_clock_at(UNIX_EPOCH + Duration::from_secs(1_800_000_000));
    emulator
}

fn world(emulator: &Emulator, clock: &TestClock, env: &[(&str, &str)]) -> ContextBuilder {
    let context = Context::builder().env(env.iter().copied()).root("/no-such-root").clock(clock.clone());
    context.http(Redirect::to(emulator.http_addr()))
}

fn context(emulator: &Emulator, clock: &TestClock, env: &[(&str, &str)]) -> Context {
    world(emulator, clock, env).build()
}

fn provider(emulator: &Emulator) -> EcsMetadataProvider {
    EcsMetadataProvider::new().context(context(emulator, &TestClock::new(emulator.now()), &[]))
}

async fn error(provider: &EcsMetadataProvider) -> Error {
    provider.provide_credentials().await.unwrap_err()
}

fn asked(emulator: &Emulator, from: usize) -> Vec<(String, u16)> {
    emulator.calls()[from..].iter().map(|call| (call.action.clone(), call.status)).collect()
}

fn is(calls: &[(String, u16)], expected: &[(&str, u16)]) {
    let calls: Vec<_> = calls.iter().map(|(action, status)| (action.as_str(), *status)).collect();
    assert_eq!(calls, expected);
}

/// The first credential newer than `old`, bounded by the test's own patience.
async fn newer(refresher: &Refresher, old: u64) -> Credentials {
    let look = async {
        loop {
            let credentials = refresher.credentials().await.unwrap();
            if credentials.generation() > old {
                return credentials;
            }
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), look).await.unwrap()
}

#[tokio::test]
async fn a_service_runs_across_two_renewals_of_the_instances_session() {
    let emulator = start(Metadata::Hardened).await;
    let clock = TestClock::new(emulator.now());
    let context = context(&emulator, &clock, &[]);
    let refresher = Refresher::builder(EcsMetadataProvider::new().context(context.clone())).context(context).build();
    let imm = OpenApiClient::new(emulator.endpoint(), "2020-09-30", refresher.clone());
    let mut generation = 0;
    let mut ids = Vec::new();
    for round in 0..3 {
        let before = emulator.calls().len();
        let credentials = newer(&refresher, generation).await;
        generation = credentials.generation();
        ids.push(credentials.access_key_id().to_owned());
        assert_eq!(credentials.provider_name(), "ecs_ram_role");
        assert_eq!(credentials.expiration(), Some(emulator.now() + Duration::from_secs(21_600)));
        match round {
            0 => is(&asked(&emulator, before), &[("token", 200), ("role", 200), ("credentials", 200)]),
            1 => is(&asked(&emulator, before), &[("credentials", 200)]),
            _ => is(&asked(&emulator, before), &[("token", 200), ("credentials", 200)]),
        }
        imm.call("ListProjects", []).await.unwrap();
        // The window of an hour, and the fifth of it that the start is drawn from.
        let pass = Duration::from_secs(5 * 3600 + 15 * 60);
        clock.advance(pass);
        emulator.advance_clock(pass);
    }
    ids.dedup();
    assert_eq!(ids.len(), 3, "three sessions");
}

#[tokio::test]
async fn an_outage_of_the_service_is_not_seen_while_the_session_lasts() {
    let emulator = start(Metadata::Normal).await;
    let clock = TestClock::new(emulator.now());
    let refreshes = Arc::new(AtomicUsize::new(0));
    let under_way = Arc::clone(&refreshes);
    let spawn = move |task: BoxFuture<'static, ()>| {
        let under_way = Arc::clone(&under_way);
        under_way.fetch_add(1, Ordering::SeqCst);
        drop(tokio::spawn(async move {
            task.await;
            under_way.fetch_sub(1, Ordering::SeqCst);
        }));
    };
    let context = world(&emulator, &clock, &[]).spawn(spawn).build();
    let refresher = Refresher::builder(EcsMetadataProvider::new().context(context.clone())).context(context).build();
    let first = refresher.credentials().await.unwrap();
    emulator.fail_next("metadata/*", Fault::new(503, "Down").times(2));
    emulator.fail_next("metadata/*", Fault::answered().reset().times(2));
    let imm = OpenApiClient::new(emulator.endpoint(), "2020-09-30", refresher.clone());
    let mut last = first.clone();
    for _ in 0..215 {
        clock.advance(Duration::from_secs(100));
        emulator.advance_clock(Duration::from_secs(100));
        imm.call("ListProjects", []).await.unwrap();
        last = refresher.credentials().await.unwrap();
        // What goes on behind the scenes ends before the clock goes on.
        while refreshes.load(Ordering::SeqCst) > 0 {
            tokio::task::yield_now().await;
        }
        assert!(last.expiration().unwrap() > emulator.now());
    }
    assert!(last.generation() > first.generation(), "and it was renewed in time");
    assert_eq!(emulator.calls().iter().filter(|call| call.status == 503).count(), 2);
}

#[tokio::test]
async fn nothing_there_is_not_configured_unless_it_was_asked_for() {
    let emulator = start(Metadata::Off).await;
    assert_eq!(error(&provider(&emulator)).await.kind(), ErrorKind::NotConfigured);
    let asked_for = error(&provider(&emulator).required()).await;
    assert_eq!((asked_for.kind(), asked_for.code()), (ErrorKind::Failed, Some("NoRamRole")));
    let variable = [("ALIBABA_CLOUD_ECS_METADATA", "imm-role")];
    let context = context(&emulator, &TestClock::new(emulator.now()), &variable);
    let by_variable = error(&EcsMetadataProvider::new().context(context)).await;
    assert_eq!((by_variable.kind(), by_variable.http_status()), (ErrorKind::Failed, Some(404)));
}

#[tokio::test]
async fn a_role_that_was_swapped_is_read_anew() {
    let emulator = start(Metadata::Hardened).await;
    emulator.fail_next("metadata/role", Fault::answered().body("former-role"));
    assert!(provider(&emulator).provide_credentials().await.is_ok());
    let expected = [("token", 200), ("role", 200), ("credentials", 404), ("role", 200), ("credentials", 200)];
    is(&asked(&emulator, 0), &expected);
}

#[tokio::test]
async fn a_token_that_dies_early_is_replaced() {
    let emulator = start(Metadata::Hardened).await;
    let provider = provider(&emulator);
    assert!(provider.provide_credentials().await.is_ok());
    let before = emulator.calls().len();
    // By the emulator's clock the token has ended; by ours it has not.
    emulator.advance_clock(Duration::from_secs(21_600));
    assert!(provider.provide_credentials().await.is_ok());
    is(&asked(&emulator, before), &[("credentials", 401), ("token", 200), ("credentials", 200)]);
}

#[tokio::test]
async fn version_1_serves_where_tokens_are_unknown_and_never_a_hardened_instance() {
    let normal = start(Metadata::Normal).await;
    normal.fail_next("metadata/token", Fault::new(405, "MethodNotAllowed").times(2));
    assert!(provider(&normal).provide_credentials().await.is_ok());
    is(&asked(&normal, 0), &[("token", 405), ("role", 200), ("token", 405), ("credentials", 200)]);
    normal.fail_next("metadata/token", Fault::new(405, "MethodNotAllowed"));
    assert_eq!(error(&provider(&normal).disable_imds_v1(true)).await.code(), Some("TokenUnsupported"));
    normal.fail_next("metadata/token", Fault::new(403, "Forbidden"));
    let before = normal.calls().len();
    assert_eq!(error(&provider(&normal)).await.http_status(), Some(403));
    is(&asked(&normal, before), &[("token", 403)]);

    let hardened = start(Metadata::Hardened).await;
    hardened.fail_next("metadata/token", Fault::new(404, "NotFound"));
    assert_eq!(error(&provider(&hardened)).await.http_status(), Some(403));
    is(&asked(&hardened, 0), &[("token", 404), ("role", 403)]);
}

#[tokio::test]
async fn answers_that_are_broken_are_typed_errors_that_show_nothing() {
    for (fault, kind) in [
        (Fault::answered().truncate(40).times(2), ErrorKind::Unreachable),
        (Fault::answered().reset().times(2), ErrorKind::Unreachable),
        (Fault::answered().body(r#"{"Code":"Success","AccessKeyId":"STS.fake""#), ErrorKind::InvalidResponse),
        (Fault::answered().body("<html>fake</html>"), ErrorKind::InvalidResponse),
        (Fault::answered().body(r#"{"Code":"Failed","AccessKeySecret":"fake"}"#), ErrorKind::Refused),
        (Fault::answered().body("x".repeat(20_000)), ErrorKind::InvalidResponse),
        (Fault::new(503, "Down").body("fake").times(3), ErrorKind::Refused),
    ] {
        let emulator = start(Metadata::Hardened).await;
        emulator.fail_next("metadata/credentials", fault.clone());
        let clock = TestClock::new(emulator.now());
        let provider = EcsMetadataProvider::new().context(context(&emulator, &clock, &[]));
        let is_busy = || emulator.calls().iter().any(|call| call.status == 503);
        let error = drive_once(&clock, Duration::from_millis(400), is_busy, error(&provider)).await;
        assert_eq!(error.kind(), kind, "{fault:?}: {error}");
        assert!(!format!("{error:#} {error:?} {provider:?}").contains("fake"), "{error}");
        assert!(provider.provide_credentials().await.is_ok(), "{fault:?}: and the next one works");
    }
    let emulator = start(Metadata::Hardened).await;
    emulator.fail_next("metadata/credentials", Fault::answered().reset());
    assert!(provider(&emulator).provide_credentials().await.is_ok(), "one lost answer is asked for again");
}
