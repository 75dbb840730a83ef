//! The pin, the region, the STS host that is fallen back to, and the explanation.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use alibabacloud_credentials::{
    AssumeRole, AssumeRoleProvider, BoxFuture, CliProfileProvider, Context, ContextBuilder, DefaultCredentialChain,
    DefaultCredentialChainBuilder, ErrorKind, HttpError, HttpErrorKind, HttpSend, ProvideCredentials, ProviderOutcome,
    SendOptions, TestClock,
};
use alibabacloud_emulator::{Emulator, account};
use bytes::Bytes;

use crate::support::drive::drive;

const ROLE: &str = "acs:ram::1234567890123456:role/imm-role";

fn builder(emulator: &Emulator) -> DefaultCredentialChainBuilder {
    let context = Context::builder()
        .env([
            ("ALIBABA_CLOUD_ACCESS_KEY_ID", account::RAM_USER.id.to_owned()),
            ("ALIBABA_CLOUD_ACCESS_KEY_SECRET", account::RAM_USER.secret.to_owned()),
            ("ALIBABA_CLOUD_STS_ENDPOINT", emulator.endpoint()),
        ])
        .build();
    DefaultCredentialChain::builder().context(context)
}

fn asked(emulator: &Emulator, action: &str) -> usize {
    emulator.calls().iter().filter(|call| call.action == action).count()
}

#[tokio::test]
async fn a_session_of_the_expected_role_passes_by_what_sts_said() {
    let emulator = Emulator::builder().start().await.unwrap();
    let chain =
        builder(&emulator).assume_role(AssumeRole::new(ROLE)).expect_account("1234567890123456").expect_role(ROLE);
    assert!(chain.build().credentials().await.is_ok());
    assert_eq!(asked(&emulator, "GetCallerIdentity"), 0);
}

#[tokio::test]
async fn a_key_is_asked_about_once() {
    let emulator = Emulator::builder().start().await.unwrap();
    let chain = builder(&emulator).expect_account("1234567890123456").build();
    for _ in 0..5 {
        let key = chain.credentials().await.unwrap();
        chain.refresher().invalidate(&key);
    }
    assert_eq!(asked(&emulator, "GetCallerIdentity"), 1);
}

#[tokio::test]
async fn another_identity_is_never_handed_out_not_even_at_first() {
    let emulator = Emulator::builder().start().await.unwrap();
    let other = "acs:ram::1234567890123456:role/other-role";
    let wrong = [
        builder(&emulator).expect_account("9999999999999999"),
        builder(&emulator).expect_role(ROLE),
        builder(&emulator).assume_role(AssumeRole::new(ROLE)).expect_role(other),
        builder(&emulator).assume_role(AssumeRole::new(ROLE)).expect_account("9999999999999999"),
    ];
    for builder in wrong {
        let chain = builder.build();
        let error = chain.credentials().await.unwrap_err();
        assert_eq!((error.kind(), error.code()), (ErrorKind::IdentityMismatch, Some("IdentityMismatch")));
        assert!(error.message().contains("acs:ram::1234567890123456:"), "{error}");
        assert!(chain.refresher().cached().is_none());
    }
}

/// Answers by host: a host that is not listed cannot be connected to.
#[derive(Clone, Default)]
struct Hosts {
    reachable: Arc<Mutex<Vec<&'static str>>>,
    tried: Arc<Mutex<Vec<String>>>,
    failure: Option<HttpErrorKind>,
}

const SESSION: &str = r#"{"RequestId":"R","AssumedRoleUser":{"Arn":"acs:ram::100:role/media/s"},"Credentials":{
    "AccessKeyId":"STS.x","AccessKeySecret":"fake-secret","SecurityToken":"fake-token","Expiration":"2099-01-01T00:00:00Z"}}"#;

impl HttpSend for Hosts {
    fn send(
        &self,
        request: http::Request<Bytes>,
        _options: SendOptions,
    ) -> BoxFuture<'_, Result<http::Response<Bytes>, HttpError>> {
        let host = request.uri().host().unwrap_or_default().to_owned();
        let reachable = self.reachable.lock().unwrap().contains(&host.as_str());
        self.tried.lock().unwrap().push(host);
        let failure = self.failure.unwrap_or(HttpErrorKind::Connect);
        Box::pin(async move {
            if reachable {
                Ok(http::Response::new(Bytes::from_static(SESSION.as_bytes())))
            } else {
                Err(HttpError::new(failure, "unreachable"))
            }
        })
    }
}

const GLOBAL: &str = "sts.aliyuncs.com";
const REGIONAL: &str = "sts.cn-hangzhou.aliyuncs.com";

fn over(hosts: &Hosts, more: &[(&str, &str)]) -> DefaultCredentialChainBuilder {
    under(hosts, Context::builder(), more)
}

fn under(hosts: &Hosts, world: ContextBuilder, more: &[(&str, &str)]) -> DefaultCredentialChainBuilder {
    let mut env = vec![("ALIBABA_CLOUD_ACCESS_KEY_ID", "an-id"), ("ALIBABA_CLOUD_ACCESS_KEY_SECRET", "fake-secret")];
    env.extend(more);
    let context = world.env(env).http(hosts.clone()).build();
    DefaultCredentialChain::builder().context(context).assume_role(AssumeRole::new("acs:ram::100:role/media"))
}

#[tokio::test]
async fn a_region_whose_sts_cannot_be_connected_to_falls_back_to_the_global_host_and_that_is_remembered() {
    // Refused, or packets dropped until the limit: either way nothing was sent.
    for failure in [HttpErrorKind::Connect, HttpErrorKind::ConnectTimeout] {
        let reachable = Arc::new(Mutex::new(vec![GLOBAL]));
        let hosts = Hosts { reachable, failure: Some(failure), ..Hosts::default() };
        let chain = over(&hosts, &[("ALIBABA_CLOUD_STS_REGION", "cn-hangzhou")]).build();
        let first = chain.credentials().await.unwrap();
        chain.refresher().invalidate(&first);
        chain.credentials().await.unwrap();
        assert_eq!(*hosts.tried.lock().unwrap(), [REGIONAL, GLOBAL, GLOBAL], "{failure:?}");
        assert_eq!(chain.region().as_deref(), Some("cn-hangzhou"));
    }
}

/// Asks anew, whatever was had before.
async fn served_by(clock: &TestClock, chain: &DefaultCredentialChain, hosts: &Hosts) -> Option<String> {
    // `cached` asks already, where there is nothing.
    hosts.tried.lock().unwrap().clear();
    if let Some(used) = chain.refresher().cached() {
        chain.refresher().invalidate(&used);
    }
    let answer = drive(clock, chain.credentials()).await;
    answer.ok().and_then(|_| hosts.tried.lock().unwrap().last().cloned())
}

#[tokio::test]
async fn a_host_that_did_not_answer_is_not_the_one_that_is_remembered() {
    let hosts = Hosts::default();
    let clock = TestClock::new(std::time::UNIX_EPOCH + Duration::from_secs(1_800_000_000));
    let chain = under(&hosts, Context::builder().clock(clock.clone()), &[("ALIBABA_CLOUD_STS_REGION", "cn-hangzhou")]);
    let chain = chain.build();
    let now_reachable = |names: &[&'static str]| {
        *hosts.reachable.lock().unwrap() = names.to_vec();
        clock.advance(Duration::from_secs(60));
    };
    assert_eq!(served_by(&clock, &chain, &hosts).await, None);
    assert_eq!(*hosts.tried.lock().unwrap(), [REGIONAL, GLOBAL, GLOBAL, GLOBAL], "an outage of both");
    now_reachable(&[REGIONAL]);
    assert_eq!(served_by(&clock, &chain, &hosts).await.as_deref(), Some(REGIONAL), "the regional one is back alone");
    now_reachable(&[GLOBAL]);
    assert_eq!(served_by(&clock, &chain, &hosts).await.as_deref(), Some(GLOBAL));
    now_reachable(&[REGIONAL]);
    assert_eq!(served_by(&clock, &chain, &hosts).await.as_deref(), Some(REGIONAL), "the remembered one is gone");
}

#[tokio::test]
async fn vpc_explicit_endpoints_and_broken_connections_never_fall_back() {
    let refused = Hosts::default();
    let broken = Hosts { failure: Some(HttpErrorKind::Timeout), ..Hosts::default() };
    let region = ("ALIBABA_CLOUD_STS_REGION", "cn-hangzhou");
    let cases = [
        (
            over(&refused, &[region, ("ALIBABA_CLOUD_VPC_ENDPOINT_ENABLED", "true")]),
            &refused,
            "sts-vpc.cn-hangzhou.aliyuncs.com",
        ),
        (over(&refused, &[region]).sts_endpoint("sts.example.internal"), &refused, "sts.example.internal"),
        (over(&broken, &[region]), &broken, "sts.cn-hangzhou.aliyuncs.com"),
    ];
    for (builder, hosts, host) in cases {
        let times = if hosts.failure.is_some() { 1 } else { 3 };
        assert_eq!(builder.build().credentials().await.unwrap_err().kind(), ErrorKind::Unreachable);
        assert_eq!(std::mem::take(&mut *hosts.tried.lock().unwrap()), vec![host; times]);
    }
}

#[tokio::test]
async fn an_explanation_asks_once_and_then_reports_what_is_known() {
    let hosts = Hosts { reachable: Arc::new(Mutex::new(vec!["sts.aliyuncs.com"])), ..Hosts::default() };
    let chain = over(&hosts, &[("ALIBABA_CLOUD_CREDENTIALS_URI", "http://127.0.0.1:1/")]).build();
    for _ in 0..3 {
        let explanation = chain.explain().await;
        assert_eq!(explanation.credentials.as_ref().unwrap().provider_name, "default/ram_role_arn/env");
        assert_eq!(explanation.providers[0].outcome, ProviderOutcome::Used);
        let uri = explanation.providers.last().unwrap();
        assert!(uri.outcome == ProviderOutcome::NotReached && uri.hidden, "{uri:?}");
        assert!(explanation.to_string().contains("hidden by the one in use"));
        let json = serde_json::to_string(&explanation).unwrap();
        assert!(json.contains(r#""outcome":"used""#) && !json.contains("fake-"), "{json}");
    }
    assert_eq!(hosts.tried.lock().unwrap().len(), 1);
}

#[tokio::test]
async fn an_explanation_names_the_profile_that_a_key_of_the_environment_hides() {
    let root = std::env::temp_dir().join(format!("alibabacloud-hidden-{}", std::process::id()));
    std::fs::create_dir_all(root.join("home/me/.aliyun")).unwrap();
    let config = "{\n \"current\": \"prod\",\n \"profiles\": [\n  {\"name\": \"dev\"},\n  {\"name\": \"prod\", \"mode\": \"AK\"}\n]}";
    std::fs::write(root.join("home/me/.aliyun/config.json"), config).unwrap();
    let env = [
        ("ALIBABA_CLOUD_ACCESS_KEY_ID", "an-id"),
        ("ALIBABA_CLOUD_ACCESS_KEY_SECRET", "fake-secret"),
        ("HOME", "/home/me"),
    ];
    let context = Context::builder().env(env).root(&root).build();
    let explanation = DefaultCredentialChain::builder().context(context).build().explain().await;
    std::fs::remove_dir_all(&root).unwrap();
    let hidden = &explanation.providers[2];
    assert!(hidden.hidden, "{explanation}");
    assert_eq!(hidden.detail.as_deref(), Some("/home/me/.aliyun/config.json is there: profile `prod`, line 5"));
}

#[tokio::test]
async fn an_explanation_is_in_the_chains_error() {
    let context = Context::builder().env([("ALIBABA_CLOUD_ACCESS_KEY", "typo")]).build();
    let chain = DefaultCredentialChain::builder().context(context).build();
    let error = chain.credentials().await.unwrap_err();
    let explanation = error.explanation().unwrap();
    assert!(explanation.credentials.is_none());
    assert!(explanation.notes[0].contains("ALIBABA_CLOUD_ACCESS_KEY_ID is meant?"), "{explanation}");
    assert!(explanation.providers.iter().all(|report| report.outcome == ProviderOutcome::NotConfigured));
    assert_eq!(chain.explain().await.error, explanation.error);
}

#[tokio::test]
async fn whose_a_profiles_key_is_and_a_role_over_it_are_asked_of_the_profiles_sts() {
    let emulator = Emulator::builder().start().await.unwrap();
    let root = std::env::temp_dir().join(format!("alibabacloud-pinned-{}", std::process::id()));
    std::fs::create_dir_all(root.join("home/me/.aliyun")).unwrap();
    let profile = serde_json::json!({
        "name": "default", "mode": "AK", "region_id": "cn-beijing", "sts_endpoint": emulator.endpoint(),
        "access_key_id": account::RAM_USER.id, "access_key_secret": account::RAM_USER.secret,
    });
    let config = serde_json::json!({"current": "default", "profiles": [profile]}).to_string();
    std::fs::write(root.join("home/me/.aliyun/config.json"), config).unwrap();
    let context = Context::builder().env([("HOME", "/home/me")]).root(&root).build();
    let pinned = DefaultCredentialChain::builder().context(context.clone()).expect_account("1234567890123456").build();
    let over = DefaultCredentialChain::builder().context(context.clone()).assume_role(AssumeRole::new(ROLE)).build();
    let profile = CliProfileProvider::new().context(context.clone());
    let alone = AssumeRoleProvider::new(profile, AssumeRole::new(ROLE)).context(context);
    let (key, session) = (pinned.credentials().await, over.credentials().await);
    let without_chain = alone.provide_credentials().await;
    std::fs::remove_dir_all(&root).unwrap();
    assert_eq!(key.unwrap().access_key_id(), account::RAM_USER.id);
    assert_eq!(session.unwrap().provider_name(), "default/ram_role_arn/cli_profile/static_ak");
    assert_eq!(without_chain.unwrap().provider_name(), "ram_role_arn/cli_profile/static_ak");
    assert_eq!((asked(&emulator, "GetCallerIdentity"), asked(&emulator, "AssumeRole")), (1, 2));
    assert_eq!(pinned.region().as_deref(), Some("cn-beijing"));
}

#[tokio::test]
async fn the_sts_host_is_known_without_a_request() {
    let endpoint = |env: &[(&str, &str)], region: Option<&str>| {
        let context = Context::builder().env(env.iter().copied()).build();
        let mut chain = DefaultCredentialChain::builder().context(context);
        if let Some(region) = region {
            chain = chain.region(region);
        }
        chain.build().sts_endpoint()
    };
    let local = ("ALIBABA_CLOUD_STS_ENDPOINT", "http://127.0.0.1:8080");
    assert_eq!(endpoint(&[], None).unwrap(), "https://sts.aliyuncs.com");
    assert_eq!(endpoint(&[], Some("cn-hangzhou")).unwrap(), "https://sts.cn-hangzhou.aliyuncs.com");
    assert_eq!(endpoint(&[local], Some("cn-hangzhou")).unwrap(), "http://127.0.0.1:8080");
    assert_eq!(endpoint(&[], Some("cn x")).unwrap_err().code(), Some("InvalidRegion"));
}
