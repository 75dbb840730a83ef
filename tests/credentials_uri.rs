//! The credentials URI, end to end: provider, refresher and OpenAPI client against the emulator, by the crate's own client.

use std::time::{Duration, UNIX_EPOCH};

use alibabacloud_credentials::{
    Context, Credentials, CredentialsUriProvider, ErrorKind, OpenApiClient, ProvideCredentials, Refresher, TestClock,
};
use alibabacloud_emulator::{Emulator, Fault};

use crate::support::drive::drive;

async fn start() -> Emulator {
    let emulator = Emulator::builder().start().await.unwrap();
    emulator.freeze_clock_at(UNIX_EPOCH + Duration::from_secs(1_800_000_000));
    emulator
}

fn context(emulator: &Emulator, clock: &TestClock) -> Context {
    let variables = [
        ("ALIBABA_CLOUD_CREDENTIALS_URI", emulator.credentials_uri()),
        // Nobody listens there: whatever asks a proxy fails.
        ("http_proxy", "http://127.0.0.1:1".to_owned()),
        ("ALL_PROXY", "http://127.0.0.1:1".to_owned()),
    ];
    Context::builder().env(variables).clock(clock.clone()).build()
}

fn provider(emulator: &Emulator) -> CredentialsUriProvider {
    CredentialsUriProvider::new().context(context(emulator, &TestClock::new(emulator.now())))
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
async fn a_service_runs_across_two_renewals() {
    let emulator = start().await;
    let clock = TestClock::new(emulator.now());
    let context = context(&emulator, &clock);
    let refresher = Refresher::builder(CredentialsUriProvider::new().context(context.clone())).context(context).build();
    let imm = OpenApiClient::new(emulator.endpoint(), "2020-09-30", refresher.clone());
    let mut generation = 0;
    for _ in 0..3 {
        let credentials = newer(&refresher, generation).await;
        assert!(credentials.generation() > generation);
        generation = credentials.generation();
        assert_eq!(credentials.provider_name(), "credentials_uri");
        assert_eq!(credentials.expiration(), Some(emulator.now() + Duration::from_secs(3600)));
        assert!(imm.call("ListProjects", []).await.is_ok());
        // The emulator hands out another session in the last ten minutes.
        clock.advance(Duration::from_secs(3010));
        emulator.advance_clock(Duration::from_secs(3010));
    }
    let summary = emulator.summary();
    assert_eq!((summary.uri.calls, summary.rejected), (3, 0));
}

#[tokio::test]
async fn a_name_is_reached_by_the_address_that_was_checked() {
    let emulator = start().await;
    let uri = format!("http://LocalHost:{}/credentials?key=fake-key", emulator.http_addr().port());
    let found = provider(&emulator).uri(uri).provide_credentials().await.unwrap();
    assert!(found.security_token().is_some());
    assert_eq!(emulator.calls().last().unwrap().path_and_query, "/credentials?key=fake-key");
}

#[tokio::test]
async fn answers_that_are_broken_are_typed_errors_that_show_nothing() {
    let whole = |secret: &str| {
        format!(
            r#"{{"AccessKeyId":"STS.fake","AccessKeySecret":"{secret}","SecurityToken":"fake","Expiration":"2027-01-15T09:00:00Z"}}"#
        )
    };
    for (fault, kind, says) in [
        (Fault::new(503, "Down").body("fake").times(3), ErrorKind::Refused, "HTTP 503"),
        (Fault::new(302, "Moved").header("location", "http://fake.example/"), ErrorKind::InvalidResponse, "redirect"),
        (Fault::answered().truncate(40).times(3), ErrorKind::Unreachable, "no answer"),
        (Fault::answered().reset().times(3), ErrorKind::Unreachable, "no answer"),
        (Fault::answered().body("<html>fake</html>"), ErrorKind::InvalidResponse, "not JSON"),
        (Fault::answered().body(&whole("fake")[..60]), ErrorKind::InvalidResponse, "breaks off"),
        (Fault::answered().body(whole("")), ErrorKind::InvalidResponse, "AccessKeySecret"),
        (Fault::answered().body("x".repeat(70_000)), ErrorKind::InvalidResponse, "larger than"),
        (Fault::answered().body(r#"{"Code":"Failed"}"#), ErrorKind::Refused, "Failed"),
    ] {
        let emulator = start().await;
        emulator.fail_next("uri/credentials", fault.clone());
        let clock = TestClock::new(emulator.now());
        let provider = CredentialsUriProvider::new().context(context(&emulator, &clock));
        let provider = provider.uri(format!("{}?key=fake-key", emulator.credentials_uri()));
        let error = drive(&clock, provider.provide_credentials()).await.unwrap_err();
        assert_eq!(error.kind(), kind, "{fault:?}: {error}");
        assert!(error.to_string().contains(says) && error.message().contains("http://127.0.0.1:"), "{error}");
        assert!(!format!("{error:#} {error:?} {provider:?}").contains("fake"), "{error} {provider:?}");
        assert!(provider.provide_credentials().await.is_ok(), "{fault:?}: and the next one works");
    }
    let emulator = start().await;
    emulator.fail_next("uri/credentials", Fault::answered().body(whole("fake-secret")));
    assert!(provider(&emulator).provide_credentials().await.is_ok(), "Code may be missing");
    let expired = whole("fake").replace("2027-01-15T09", "2027-01-15T07");
    emulator.fail_next("uri/credentials", Fault::answered().body(expired));
    assert_eq!(provider(&emulator).provide_credentials().await.unwrap_err().kind(), ErrorKind::Expired);
}
