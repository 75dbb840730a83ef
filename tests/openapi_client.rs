//! The chain and the client against a cloud that checks everything.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use alibabacloud_credentials::{
    AssumeRole, BoxFuture, Clock, Context, Credentials, DefaultCredentialChain, Error, ErrorKind, HttpError,
    HttpErrorKind, HttpSend, OpenApiClient, Refresher, SendOptions, TestClock, provider_fn,
};
use alibabacloud_emulator::account::{self, AccessKey};
use alibabacloud_emulator::{Emulator, Fault};
use bytes::Bytes;

use crate::support::drive::drive;

const IMM_ROLE: &str = "acs:ram::1234567890123456:role/imm-role";

async fn emulator() -> Emulator {
    Emulator::builder().start().await.unwrap()
}

fn context(emulator: &Emulator, key: &AccessKey) -> alibabacloud_credentials::ContextBuilder {
    Context::builder().env([
        ("ALIBABA_CLOUD_ACCESS_KEY_ID", key.id.to_owned()),
        ("ALIBABA_CLOUD_ACCESS_KEY_SECRET", key.secret.to_owned()),
        ("ALIBABA_CLOUD_STS_ENDPOINT", emulator.endpoint()),
    ])
}

fn chain(emulator: &Emulator, key: &AccessKey, role: Option<AssumeRole>) -> DefaultCredentialChain {
    let builder = DefaultCredentialChain::builder().context(context(emulator, key).build());
    role.into_iter().fold(builder, |builder, role| builder.assume_role(role)).build()
}

fn imm(emulator: &Emulator, credentials: impl Into<Refresher>) -> OpenApiClient {
    OpenApiClient::new(emulator.endpoint(), "2020-09-30", credentials)
}

/// No request had a secret or a token in its URL.
fn urls_hold_no_secret(emulator: &Emulator) -> bool {
    emulator
        .calls()
        .iter()
        .all(|call| !call.path_and_query.contains("-secret") && !call.path_and_query.contains("CAIS"))
}

// ---- who may do what

#[tokio::test]
async fn projects_are_created_as_root_as_a_ram_user_and_as_a_role() {
    let emulator = emulator().await;
    let identities = [
        ("as-root", chain(&emulator, &account::ROOT, None), "default/env"),
        ("as-user", chain(&emulator, &account::RAM_USER, None), "default/env"),
        ("as-role", chain(&emulator, &account::RAM_USER, Some(AssumeRole::new(IMM_ROLE))), "default/ram_role_arn/env"),
    ];
    for (name, chain, provider) in identities {
        let answer = imm(&emulator, &chain).call("CreateProject", [("ProjectName", name)]).await.unwrap();
        assert_eq!(answer.status_code(), 200);
        assert_eq!(answer.body()["Project"]["ProjectName"], name);
        assert_eq!(answer.body()["Project"]["DatasetMaxTotalFileSize"], 90_000_000_000_000_000_i64);
        assert_eq!(answer.headers()["x-acs-request-id"], answer.request_id().unwrap());
        assert_eq!(chain.credentials().await.unwrap().provider_name(), provider);
    }
    assert!(urls_hold_no_secret(&emulator));
}

#[tokio::test]
async fn a_refusal_names_who_may_not_do_what() {
    let emulator = emulator().await;
    let reader = imm(&emulator, chain(&emulator, &account::READER, None));
    let error = reader.call("CreateProject", [("ProjectName", "p")]).await.unwrap_err();
    assert_eq!((error.kind(), error.http_status()), (ErrorKind::Refused, Some(403)));
    assert!(error.message().contains("imm:CreateProject of SubUser"), "{error}");
    assert!(error.remedy().unwrap().contains("AliyunIMMFullAccess"));
    assert!(error.request_id().is_some());
    assert!(reader.call("ListProjects", []).await.is_ok());
    let disabled = imm(&emulator, chain(&emulator, &account::DISABLED, None));
    assert_eq!(disabled.call("ListProjects", []).await.unwrap_err().code(), Some("InvalidAccessKeyId.Inactive"));
}

#[tokio::test]
async fn each_way_that_assume_role_is_refused_has_its_own_advice() {
    let emulator = emulator().await;
    let role = |name: &str| AssumeRole::new(format!("acs:ram::1234567890123456:role/{name}"));
    let cases = [
        (&account::ROOT, role("imm-role"), "NoPermission", "create a RAM user"),
        (&account::READER, role("imm-role"), "NoPermission", "AliyunSTSAssumeRoleAccess"),
        (&account::RAM_USER, role("denied-role"), "NoPermission", "trust policy"),
        (&account::RAM_USER, role("partner-role").external_id("wrong-id"), "NoPermission", "ExternalId"),
        (&account::RAM_USER, role("no-such-role"), "EntityNotExist.Role", "case-sensitive"),
        (
            &account::RAM_USER,
            role("short-role").duration(Duration::from_secs(7200)),
            "InvalidParameter.DurationSeconds",
            "MaxSessionDuration",
        ),
        (&account::DISABLED, role("imm-role"), "InvalidAccessKeyId.Inactive", "enable the AccessKey"),
    ];
    for (key, role, code, advice) in cases {
        let error = chain(&emulator, key, Some(role.clone())).credentials().await.unwrap_err();
        assert_eq!(error.code(), Some(code), "{role:?}");
        assert!(error.remedy().unwrap().contains(advice), "{error}");
        assert_eq!(error.provider_name(), Some("default/ram_role_arn"));
        assert!(!format!("{error:#} {error:?}").contains("-secret"));
    }
    let partner = chain(&emulator, &account::RAM_USER, Some(role("partner-role").external_id("partner-42")));
    assert!(partner.credentials().await.is_ok());
}

#[tokio::test]
async fn roles_chain() {
    let emulator = emulator().await;
    let first = chain(&emulator, &account::RAM_USER, Some(AssumeRole::new(IMM_ROLE)));
    let chained = AssumeRole::new("acs:ram::1234567890123456:role/chained-role");
    let provider = alibabacloud_credentials::AssumeRoleProvider::new(first, chained.clone())
        .context(context(&emulator, &account::RAM_USER).build());
    let session = Refresher::new(provider).credentials().await.unwrap();
    assert_eq!(session.provider_name(), "ram_role_arn/default/ram_role_arn/env");
    let straight = chain(&emulator, &account::RAM_USER, Some(chained)).credentials().await.unwrap_err();
    assert_eq!(straight.code(), Some("NoPermission"));
}

// ---- what is sent

#[tokio::test]
async fn awkward_text_arrives_as_it_was_written() {
    let emulator = emulator().await;
    let imm = imm(&emulator, chain(&emulator, &account::RAM_USER, Some(AssumeRole::new(IMM_ROLE))));
    for (at, text) in
        ["a b+c*d~e%20f/g", "中文 🎬 é", "\"quotes\" & = ? # ; \\", "line\nfeed\ttab", "*'()!"].iter().enumerate()
    {
        let name = format!("p{at}");
        let parameters = [("ProjectName", name.as_str()), ("Description", text)];
        let answer = imm.call("CreateProject", parameters).await.unwrap();
        assert_eq!(answer.body()["Project"]["Description"], *text);
    }
}

#[tokio::test]
async fn structures_become_text_numbers_and_compact_json() {
    let emulator = emulator().await;
    let imm = imm(&emulator, chain(&emulator, &account::RAM_USER, None));
    let parameters = serde_json::json!({
        "ProjectName": "tagged", "DatasetMaxBindCount": 7, "Description": null,
        "Tag": [{"Key": "stage", "Value": "prüfung"}],
    });
    let answer = imm.call_json("CreateProject", &parameters).await.unwrap();
    let project = &answer.body()["Project"];
    assert_eq!(project["DatasetMaxBindCount"], 7);
    assert_eq!(project["Description"], "");
    assert_eq!(project["Tags"], serde_json::json!([{"TagKey": "stage", "TagValue": "prüfung"}]));
    let error = imm.call_json("CreateProject", &["not", "a", "map"]).await.unwrap_err();
    assert_eq!((error.kind(), error.code()), (ErrorKind::InvalidInput, Some("InvalidParameters")));
}

#[tokio::test]
async fn an_endpoint_that_is_none_is_an_error_of_the_call_and_nothing_is_sent() {
    let key = Credentials::new("an-id", "fake-secret");
    for (endpoint, code) in
        [("", "InvalidEndpoint"), ("a/b", "InvalidEndpoint"), ("http://imm.example.com", "PlainHttp")]
    {
        let client = OpenApiClient::new(endpoint, "2020-09-30", key.clone());
        assert_eq!(client.call("ListProjects", []).await.unwrap_err().code(), Some(code), "{endpoint}");
    }
    for region in ["cn-x/../", "", "oss-cn-hangzhou", "中国"] {
        let client = OpenApiClient::imm(region, key.clone());
        assert_eq!(client.call("ListProjects", []).await.unwrap_err().code(), Some("InvalidRegion"), "{region}");
    }
    for action in ["", "中", " ListProjects ", "Bad\r\nX: y", "a/b"] {
        let client = OpenApiClient::imm("cn-hangzhou", key.clone());
        assert_eq!(client.call(action, []).await.unwrap_err().code(), Some("InvalidAction"), "{action}");
    }
}

#[tokio::test]
async fn a_key_that_no_header_can_carry_and_a_name_of_any_script_are_handled() {
    let emulator = emulator().await;
    let broken = imm(&emulator, Credentials::new("line\nfeed", "fake-secret"));
    let error = broken.call("ListProjects", []).await.unwrap_err();
    assert_eq!(error.code(), Some("InvalidKeyCharacter"));
    let named =
        provider_fn("保险库", || async { Ok(Credentials::new(account::RAM_USER.id, account::RAM_USER.secret)) });
    assert!(imm(&emulator, Refresher::new(named)).call("ListProjects", []).await.is_ok());
}

// ---- what is done about failures

/// A client under a virtual clock, with its emulator.
async fn under_test_clock(role: Option<AssumeRole>) -> (Emulator, TestClock, DefaultCredentialChain, OpenApiClient) {
    let emulator = emulator().await;
    emulator.freeze_clock_at(emulator.now());
    let clock = TestClock::new(emulator.now());
    let context = context(&emulator, &account::RAM_USER).clock(clock.clone()).build();
    let builder = DefaultCredentialChain::builder().context(context);
    let chain = role.into_iter().fold(builder, |builder, role| builder.assume_role(role)).build();
    let client = imm(&emulator, &chain);
    (emulator, clock, chain, client)
}

fn statuses(emulator: &Emulator, action: &str) -> Vec<u16> {
    emulator.calls().iter().filter(|call| call.action == action).map(|call| call.status).collect()
}

#[tokio::test]
async fn throttling_and_unavailability_are_waited_out_three_attempts_in_all() {
    let (emulator, clock, _, imm) = under_test_clock(None).await;
    let began = clock.now().monotonic;
    emulator.fail_next("imm/ListProjects", Fault::new(429, "Throttling.User").header("x-acs-retry-after", "900"));
    emulator.fail_next("imm/ListProjects", Fault::new(503, "ServiceUnavailable"));
    assert!(drive(&clock, imm.call("ListProjects", [])).await.is_ok());
    assert_eq!(statuses(&emulator, "ListProjects"), [429, 503, 200]);
    assert!(clock.now().monotonic - began >= Duration::from_millis(900 + 400), "both pauses passed");

    emulator.fail_next("imm/ListProjects", Fault::new(503, "ServiceUnavailable").times(10));
    let error = drive(&clock, imm.call("ListProjects", [])).await.unwrap_err();
    assert_eq!((error.code(), error.http_status()), (Some("ServiceUnavailable"), Some(503)));
    assert_eq!(statuses(&emulator, "ListProjects").len(), 6);
}

/// Fails in one way, and counts.
struct Broken(HttpErrorKind, Arc<AtomicUsize>);

impl HttpSend for Broken {
    fn send(
        &self,
        _request: http::Request<Bytes>,
        _options: SendOptions,
    ) -> BoxFuture<'_, Result<http::Response<Bytes>, HttpError>> {
        self.1.fetch_add(1, Ordering::SeqCst);
        Box::pin(std::future::ready(Err(HttpError::new(self.0, "broken"))))
    }
}

#[tokio::test]
async fn a_call_is_repeated_only_when_it_was_surely_never_sent() {
    let kinds = [
        (HttpErrorKind::Connect, 3),
        (HttpErrorKind::ConnectTimeout, 3),
        (HttpErrorKind::Timeout, 1),
        (HttpErrorKind::Tls, 1),
        (HttpErrorKind::TooLarge, 1),
        (HttpErrorKind::Other, 1),
    ];
    for (kind, attempts) in kinds {
        let sent = Arc::new(AtomicUsize::new(0));
        let clock = TestClock::new(std::time::UNIX_EPOCH + Duration::from_secs(1_800_000_000));
        let context = Context::builder().clock(clock.clone()).http(Broken(kind, Arc::clone(&sent))).build();
        let key = Refresher::builder(Credentials::new("an-id", "fake-secret")).context(context).build();
        let imm = OpenApiClient::imm("cn-hangzhou", key);
        assert!(drive(&clock, imm.call("CreateProject", [("ProjectName", "p")])).await.is_err());
        assert_eq!(sent.load(Ordering::SeqCst), attempts, "{kind:?}");
    }
}

#[tokio::test]
async fn other_refusals_are_not_repeated() {
    let (emulator, clock, _, imm) = under_test_clock(None).await;
    for (status, code) in [(400, "InvalidArgument"), (403, "Forbidden.RAM"), (500, "InternalError")] {
        emulator.fail_next("imm/ListProjects", Fault::new(status, code));
        let error = drive(&clock, imm.call("ListProjects", [])).await.unwrap_err();
        assert_eq!(error.code(), Some(code));
    }
    assert_eq!(statuses(&emulator, "ListProjects"), [400, 403, 500]);
}

#[tokio::test]
async fn a_wrong_clock_is_corrected_once_by_the_servers_own_date() {
    for offset in [-3600, 3600] {
        let (emulator, clock, chain, imm) = under_test_clock(Some(AssumeRole::new(IMM_ROLE))).await;
        clock.step(offset);
        assert!(drive(&clock, imm.call("ListProjects", [])).await.is_ok(), "{offset}");
        assert_eq!(statuses(&emulator, "AssumeRole"), [400, 200], "{offset}: corrected by STS's refusal");
        assert_eq!(statuses(&emulator, "ListProjects"), [200], "{offset}: and known from then on");
        let dated = chain.refresher().signing_time();
        let apart = dated.duration_since(emulator.now()).unwrap_or_else(|error| error.duration());
        assert!(apart <= Duration::from_secs(1), "{offset}: others date by it too: {apart:?}");
        let session = chain.credentials().await.unwrap();
        let left = session.expiration().unwrap().duration_since(emulator.now()).unwrap();
        assert!(left > Duration::from_secs(3500), "judged by the server's Date: {left:?}");
        // The session lives its hour by the server's clock, whatever ours shows.
        for _ in 0..70 {
            clock.advance(Duration::from_secs(60));
            emulator.advance_clock(Duration::from_secs(60));
            assert!(drive(&clock, imm.call("ListProjects", [])).await.is_ok());
        }
        assert_eq!(emulator.summary().rejected, 1, "{offset}");
    }
}

#[tokio::test]
async fn a_dead_session_is_replaced_and_the_call_made_once_more() {
    let (emulator, clock, chain, imm) = under_test_clock(Some(AssumeRole::new(IMM_ROLE))).await;
    let first = chain.credentials().await.unwrap();
    emulator.fail_next("imm/ListProjects", Fault::new(400, "InvalidSecurityToken.Expired"));
    assert!(drive(&clock, imm.call("ListProjects", [])).await.is_ok());
    assert_eq!(statuses(&emulator, "ListProjects"), [400, 200]);
    assert!(chain.credentials().await.unwrap().generation() > first.generation());

    // A server that calls every session dead gets two requests a call, and no more sessions than it refused.
    emulator.fail_next("imm/ListProjects", Fault::new(400, "InvalidSecurityToken.Malformed").times(100));
    for _ in 0..10 {
        let error = drive(&clock, imm.call("ListProjects", [])).await.unwrap_err();
        assert_eq!(error.code(), Some("InvalidSecurityToken.Malformed"));
    }
    assert!(statuses(&emulator, "AssumeRole").len() <= 6, "{:?}", statuses(&emulator, "AssumeRole"));
    assert!(statuses(&emulator, "ListProjects").len() <= 2 + 20);
}

#[tokio::test]
async fn a_lack_of_permission_is_never_taken_for_a_dead_session() {
    let (emulator, clock, chain, imm) = under_test_clock(Some(AssumeRole::new(IMM_ROLE))).await;
    let before = chain.credentials().await.unwrap().generation();
    emulator.fail_next("imm/ListProjects", Fault::new(403, "NoPermission"));
    assert!(drive(&clock, imm.call("ListProjects", [])).await.is_err());
    assert_eq!(chain.credentials().await.unwrap().generation(), before);
}

#[tokio::test]
async fn an_outage_of_sts_in_the_advisory_window_is_not_seen_by_calls() {
    let (emulator, clock, chain, imm) = under_test_clock(Some(AssumeRole::new(IMM_ROLE))).await;
    assert!(chain.credentials().await.is_ok());
    emulator.fail_next("sts/AssumeRole", Fault::new(503, "ServiceUnavailable").times(1000));
    for _ in 0..59 {
        clock.advance(Duration::from_secs(60));
        emulator.advance_clock(Duration::from_secs(60));
        drive(&clock, imm.call("ListProjects", [])).await.unwrap();
    }
    let asked = statuses(&emulator, "AssumeRole").len();
    assert!((2..40).contains(&asked), "{asked} calls to STS in an outage of 15 minutes");
}

#[tokio::test]
async fn a_server_that_asks_for_more_patience_than_the_session_has_makes_nobody_use_it_dead() {
    let emulator = Emulator::builder().session_seconds(60).start().await.unwrap();
    // A whole second, since `Date` and `Expiration` have no others.
    emulator.freeze_clock_at(std::time::UNIX_EPOCH + Duration::from_secs(1_800_000_000));
    let clock = TestClock::new(emulator.now());
    let context = context(&emulator, &account::RAM_USER).clock(clock.clone()).build();
    let chain = DefaultCredentialChain::builder().context(context).assume_role(AssumeRole::new(IMM_ROLE)).build();
    assert!(chain.credentials().await.is_ok());
    let fault = Fault::new(429, "Throttling.User").header("x-acs-retry-after", "60000");
    emulator.fail_next("sts/AssumeRole", fault);
    // The first caller in the mandatory window waits for the refresh, and is given the old one when it fails.
    clock.advance(Duration::from_secs(55));
    assert!(chain.credentials().await.is_ok());
    assert!(chain.credentials().await.is_ok(), "while the back-off runs, the old one");
    clock.advance(Duration::from_secs(5));
    assert_eq!(chain.credentials().await.unwrap_err().code(), Some("Throttling.User"));
    assert!(chain.refresher().cached().is_none());
    assert_eq!(statuses(&emulator, "AssumeRole"), [200, 429], "and the server is left alone");
    clock.advance(Duration::from_secs(55));
    emulator.advance_clock(Duration::from_secs(115));
    assert!(chain.credentials().await.is_ok());
}

#[tokio::test]
async fn many_callers_share_few_sessions_and_every_nonce_is_used_once() {
    let emulator = Emulator::builder().session_seconds(60).start().await.unwrap();
    emulator.freeze_clock_at(emulator.now());
    let clock = TestClock::new(emulator.now());
    let context = context(&emulator, &account::RAM_USER).clock(clock.clone()).build();
    let chain = DefaultCredentialChain::builder().context(context).assume_role(AssumeRole::new(IMM_ROLE)).build();
    let imm = imm(&emulator, &chain);
    for _ in 0..10 {
        let calls: Vec<_> = (0..20)
            .map(|_| {
                let imm = imm.clone();
                tokio::spawn(async move { imm.call("ListProjects", []).await.map(drop) })
            })
            .collect();
        for call in calls {
            call.await.unwrap().unwrap();
        }
        // A renewal that is under way would be out of time by the step.
        chain.refresher().credentials_valid_for(Duration::from_secs(31)).await.unwrap();
        clock.advance(Duration::from_secs(20));
        emulator.advance_clock(Duration::from_secs(20));
    }
    let seen = emulator.summary();
    assert_eq!((seen.imm.calls, seen.rejected), (200, 0));
    assert!(seen.sessions_granted <= 8, "{seen:?}");
    assert!(urls_hold_no_secret(&emulator));
}

#[tokio::test]
async fn errors_are_shared_and_cheap_to_clone() {
    fn assert_api<T: Clone + Send + Sync + std::fmt::Debug + 'static>() {}
    assert_api::<Error>();
    assert_api::<Credentials>();
    assert_api::<Refresher>();
    assert_api::<DefaultCredentialChain>();
    assert_api::<OpenApiClient>();
    assert_api::<Context>();
}
