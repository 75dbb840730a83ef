//! AssumeRoleWithSAML against the emulator: sources of assertions, their end, and what each refusal says.

use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use alibabacloud_credentials::{
    AssumeRole, Context, Error, ErrorKind, ProvideCredentials, Refresher, SamlAssertion, SamlProvider, TestClock,
};
use alibabacloud_emulator::account::{AssertionOptions, SAML_PROVIDER_ARN, saml_assertion};
use alibabacloud_emulator::{Emulator, Fault};
use base64::Engine as _;

const ROLE: &str = "acs:ram::1234567890123456:role/imm-role";

/// An emulator and a client's clock that stand still together.
struct World {
    emulator: Emulator,
    clock: TestClock,
    directory: PathBuf,
}

impl Drop for World {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.directory);
    }
}

impl World {
    async fn new(name: &str) -> Self {
        let emulator = Emulator::builder().start().await.unwrap();
        emulator.freeze_clock_at(emulator.now());
        let clock = TestClock::new(emulator.now());
        let directory = std::env::temp_dir().join(format!("alibabacloud-saml-{name}-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&directory);
        std::fs::create_dir_all(&directory).unwrap();
        Self { emulator, clock, directory }
    }

    fn assertion(&self, edit: impl FnOnce(AssertionOptions) -> AssertionOptions) -> String {
        saml_assertion(&edit(AssertionOptions::default().issued_at(self.emulator.now()))).unwrap()
    }

    fn context(&self, env: &[(&str, &str)]) -> Context {
        Context::builder().clock(self.clock.clone()).env(env.iter().copied()).build()
    }

    fn provider(&self) -> SamlProvider {
        self.provider_for(AssumeRole::new(ROLE))
    }

    fn provider_for(&self, role: AssumeRole) -> SamlProvider {
        SamlProvider::new(SAML_PROVIDER_ARN, role).sts_endpoint(self.emulator.endpoint()).context(self.context(&[]))
    }

    fn file(&self, text: &str) -> PathBuf {
        let path = self.directory.join("saml-response");
        std::fs::write(&path, text).unwrap();
        path
    }

    fn advance(&self, by: Duration) {
        self.clock.advance(by);
        self.emulator.advance_clock(by);
    }
}

async fn error_of(provider: &SamlProvider) -> Error {
    provider.provide_credentials().await.unwrap_err()
}

#[tokio::test]
async fn an_assertion_from_a_file_a_variable_or_a_closure_is_worth_a_session() {
    let world = World::new("sources").await;
    let assertion = world.assertion(|options| options.session_name("alice"));
    let xml = base64::engine::general_purpose::STANDARD.decode(&assertion).unwrap();
    let wrapped: Vec<&str> = assertion.as_bytes().chunks(76).map(|line| std::str::from_utf8(line).unwrap()).collect();
    let of_variable = world.context(&[("SAML_RESPONSE", &assertion)]);
    let given = assertion.clone();
    let closure = world.provider().assertion_fn("the company's portal", move || {
        let assertion = SamlAssertion::new(&given);
        async move { Ok(assertion) }
    });
    let mut sessions = Vec::new();
    for text in [assertion.clone(), format!("{}\r\n", wrapped.join("\r\n")), String::from_utf8(xml).unwrap()] {
        let provider = world.provider().assertion_file(world.file(&text));
        sessions.push(provider.provide_credentials().await.unwrap());
    }
    for provider in [world.provider().assertion_variable("SAML_RESPONSE").context(of_variable), closure] {
        let shown = format!("{provider:?} {:?}", provider.source_status());
        assert!(shown.contains("SAML_RESPONSE") || shown.contains("the company's portal"), "{shown}");
        assert!(!shown.contains(&assertion[..40]), "{shown}");
        sessions.push(provider.provide_credentials().await.unwrap());
    }
    for session in &sessions {
        assert_eq!(session.provider_name(), "saml_role_arn");
        assert!(session.security_token().is_some() && session.expiration().is_some());
        assert!(format!("{session:?}").contains("role/imm-role/alice"), "{session:?}");
    }
    let calls = world.emulator.calls();
    assert_eq!((calls.len(), world.emulator.summary().rejected), (5, 0));
    for call in calls {
        assert_eq!((call.method.as_str(), call.access_key_id), ("POST", None), "unsigned");
        assert!(
            !call.path_and_query.contains("Assertion") && call.path_and_query.len() < 200,
            "{}",
            call.path_and_query
        );
    }
}

#[tokio::test]
async fn the_assertion_is_read_again_for_every_exchange_and_the_roles_settings_are_sent() {
    let world = World::new("renewed").await;
    let policy = r#"{"Version":"1","Statement":[{"Effect":"Allow","Action":["imm:*"],"Resource":["*"]}]}"#;
    let role = AssumeRole::new(ROLE).duration(Duration::from_secs(900)).policy(policy);
    let file = world.file(&world.assertion(|options| options));
    let refresher =
        Refresher::builder(world.provider_for(role).assertion_file(&file)).context(world.context(&[])).build();
    let first = refresher.credentials().await.unwrap();
    assert_eq!(first.expiration().unwrap().duration_since(world.emulator.now()).unwrap().as_secs(), 900);
    world.advance(Duration::from_secs(901));
    world.file(&world.assertion(|options| options.session_name("renewed")));
    let second = refresher.credentials().await.unwrap();
    assert!(format!("{second:?}").contains("imm-role/renewed"));
    assert_eq!(world.emulator.summary().sessions_granted, 2);
}

#[tokio::test]
async fn an_expired_assertion_costs_no_request_and_the_error_says_so() {
    let world = World::new("expired").await;
    let file = world.file(&world.assertion(|options| options.ttl(Duration::from_secs(300))));
    let provider = world.provider().assertion_file(&file);
    world.advance(Duration::from_secs(360));
    for _ in 0..3 {
        let error = error_of(&provider).await;
        assert_eq!((error.kind(), error.code()), (ErrorKind::Failed, Some("SamlAssertionExpired")));
        assert!(error.message().contains("saml-response expired 60 s ago by this machine's clock"), "{error}");
        assert!(error.remedy().unwrap().contains("identity provider"), "{error}");
    }
    assert!(world.emulator.calls().is_empty());
    // Once a server has told the time, the error does not doubt it.
    world.file(&world.assertion(|options| options));
    provider.provide_credentials().await.unwrap();
    world.advance(Duration::from_secs(300));
    let error = error_of(&provider).await;
    assert!(error.message().ends_with("saml-response expired 0 s ago"), "{error}");
    assert_eq!(world.emulator.calls().len(), 1);
}

#[tokio::test]
async fn a_clock_that_is_ahead_does_not_keep_every_assertion_from_sts() {
    let world = World::new("ahead").await;
    world.clock.step(7200);
    let file = world.file(&world.assertion(|options| options));
    let provider = world.provider().assertion_file(&file);
    assert_eq!(error_of(&provider).await.code(), Some("SamlAssertionExpired"));
    assert_eq!(error_of(&provider).await.code(), Some("SamlAssertionExpired"));
    world.file(&world.assertion(|options| options.session_name("next")));
    assert!(provider.provide_credentials().await.is_ok());
    world.file(&world.assertion(|options| options.ttl(Duration::ZERO)));
    assert!(error_of(&provider).await.message().ends_with("expired 0 s ago"));
}

#[tokio::test]
async fn what_is_no_assertion_is_named_and_neither_sent_nor_shown() {
    let world = World::new("malformed").await;
    let secret = "PHNlY3JldC8+s3cr3t!";
    let missing = world.provider().assertion_file(world.directory.join("none"));
    let unset = world.provider().assertion_variable("NO_SUCH_ASSERTION");
    let refused = world.provider().assertion_fn("portal", || async { Err(Error::failed("the portal is closed")) });
    for (provider, code, text) in [
        (
            world.provider().assertion_file(world.file(secret)),
            Some("SamlAssertionMalformed"),
            "saml-response holds no SAML",
        ),
        (unset, Some("SamlAssertionMissing"), "NO_SUCH_ASSERTION is unset"),
        (refused, None, "the portal is closed"),
        (world.provider(), Some("HalfSet"), "no assertion was named"),
    ] {
        let error = error_of(&provider).await;
        assert_eq!(error.code(), code, "{error}");
        assert!(error.message().contains(text), "{error}");
        assert!(!format!("{error:#} {error:?}").contains(secret));
    }
    let ask = tokio::spawn(async move { missing.provide_credentials().await });
    while !ask.is_finished() {
        if world.clock.next_wake().is_some_and(|wake| wake <= Duration::from_millis(75)) {
            world.clock.advance(Duration::from_millis(75));
        }
        tokio::task::yield_now().await;
    }
    assert_eq!(ask.await.unwrap().unwrap_err().code(), Some("SamlAssertionMissing"));
    assert!(world.emulator.calls().is_empty());
}

#[tokio::test]
async fn what_the_exchange_has_no_place_for_is_refused_and_never_left_out() {
    let world = World::new("no-place").await;
    let file = world.file(&world.assertion(|options| options));
    let role = || AssumeRole::new(ROLE);
    for (role, code) in [
        (role().external_id("partner-42"), "InvalidParameter.ExternalId"),
        (role().source_identity("alice"), "InvalidParameter.SourceIdentity"),
        (role().session_name("alice"), "InvalidParameter.RoleSessionName"),
        (role().duration(Duration::from_secs(1)), "InvalidParameter.DurationSeconds"),
        (AssumeRole::new("imm-role"), "InvalidParameter.RoleArn"),
    ] {
        let error = error_of(&world.provider_for(role).assertion_file(&file)).await;
        assert_eq!((error.kind(), error.code()), (ErrorKind::InvalidInput, Some(code)));
    }
    let provider = SamlProvider::new("acs:ram::1:oidc-provider/x", role()).assertion_file(&file);
    assert_eq!(error_of(&provider).await.code(), Some("InvalidParameter.SAMLProviderArn"));
    assert!(world.emulator.calls().is_empty());
}

#[tokio::test]
async fn a_refusal_says_what_to_do_and_shows_nothing_of_the_assertion() {
    let world = World::new("refused").await;
    let other = SAML_PROVIDER_ARN.replace("emulator-idp", "none");
    let good = world.assertion(|options| options);
    let cases = [
        (
            SAML_PROVIDER_ARN,
            world.assertion(|options| options.role_arn("x")),
            "AuthenticationFail.NoPermission",
            "attribute Role",
        ),
        (
            SAML_PROVIDER_ARN,
            world.assertion(|options| options.audience("x")),
            "AuthenticationFail.SAMLAssertion.Invalid",
            "audience",
        ),
        (other.as_str(), good.clone(), "EntityNotExist.SAMLProvider", "saml-provider/"),
    ];
    for (arn, assertion, code, remedy) in cases {
        let provider = SamlProvider::new(arn, AssumeRole::new(ROLE))
            .sts_endpoint(world.emulator.endpoint())
            .context(world.context(&[]))
            .assertion_file(world.file(&assertion));
        let error = error_of(&provider).await;
        assert_eq!((error.kind(), error.code()), (ErrorKind::Refused, Some(code)), "{error}");
        assert!(error.remedy().unwrap().contains(remedy) && error.request_id().is_some(), "{error}");
        assert!(error.message().starts_with("a session of acs:ram::1234567890123456:role/imm-role: "), "{error}");
        assert!(!format!("{error:#} {error:?}").contains(&assertion[..60]));
    }
    // A server that echoes what it was sent.
    let echo = Fault::new(400, "InvalidParameter").message(format!("you sent {good}"));
    world.emulator.fail_next("sts/AssumeRoleWithSAML", echo);
    let error = error_of(&world.provider().assertion_file(world.file(&good))).await;
    assert!(!format!("{error:#} {error:?}").contains(&good[..60]), "{error}");
}

#[tokio::test]
async fn an_outage_is_tried_again_with_a_new_assertion_at_the_next_refresh() {
    let world = World::new("outage").await;
    world.emulator.fail_next("sts/AssumeRoleWithSAML", Fault::new(503, "ServiceUnavailable"));
    let asked = Arc::new(AtomicUsize::new(0));
    let given = Arc::new(Mutex::new(world.assertion(|options| options)));
    let (count, text) = (Arc::clone(&asked), Arc::clone(&given));
    let provider = world.provider().assertion_fn("portal", move || {
        count.fetch_add(1, Ordering::Relaxed);
        let assertion = SamlAssertion::new(text.lock().unwrap().as_str());
        async move { Ok(assertion) }
    });
    let ask = tokio::spawn(async move { provider.provide_credentials().await });
    while !ask.is_finished() {
        if let Some(wake) = world.clock.next_wake().filter(|wake| *wake <= Duration::from_secs(3)) {
            world.clock.advance(wake);
        }
        tokio::task::yield_now().await;
    }
    assert!(ask.await.unwrap().is_ok());
    assert_eq!((asked.load(Ordering::Relaxed), world.emulator.calls().len()), (1, 2));
}
