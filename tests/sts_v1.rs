//! STS called by signature V1, against a cloud that verifies it.

use std::path::Path;
use std::time::Duration;

use alibabacloud_credentials::{
    AssumeRole, AssumeRoleProvider, Context, ContextBuilder, DefaultCredentialChain, EnvironmentProvider,
    OpenApiClient, Refresher, StsSignature, TestClock,
};
use alibabacloud_emulator::{Emulator, Fault, account};

const IMM_ROLE: &str = "acs:ram::1234567890123456:role/imm-role";
const CHAINED_ROLE: &str = "acs:ram::1234567890123456:role/chained-role";

async fn emulator() -> Emulator {
    Emulator::builder().start().await.unwrap()
}

const RAM_USER: (&str, &str) = (account::RAM_USER.id, account::RAM_USER.secret);

fn context(emulator: &Emulator, (id, secret): (&str, &str)) -> ContextBuilder {
    Context::builder().env([
        ("ALIBABA_CLOUD_ACCESS_KEY_ID", id.to_owned()),
        ("ALIBABA_CLOUD_ACCESS_KEY_SECRET", secret.to_owned()),
        ("ALIBABA_CLOUD_STS_ENDPOINT", emulator.endpoint()),
    ])
}

fn chain(context: Context, role: AssumeRole) -> DefaultCredentialChain {
    DefaultCredentialChain::builder().context(context).sts_signature(StsSignature::V1).assume_role(role).build()
}

/// The URLs of all calls to STS, each checked: three parameters, and nothing else, to the last byte.
fn sts_urls_are_bare(emulator: &Emulator) -> usize {
    let calls: Vec<_> = emulator.calls().into_iter().filter(|call| call.product == "sts").collect();
    for call in &calls {
        assert_eq!(call.method, "POST");
        assert_eq!(call.path_and_query, format!("/?Action={}&Version=2015-04-01&Format=JSON", call.action));
        assert!(call.access_key_id.is_some(), "the form was read");
    }
    calls.len()
}

fn statuses(emulator: &Emulator) -> Vec<u16> {
    emulator.calls().iter().filter(|call| call.product == "sts").map(|call| call.status).collect()
}

#[tokio::test]
async fn a_session_with_a_spaced_policy_is_granted_and_limited_by_it() {
    let emulator = emulator().await;
    let policy =
        r#"{"Version": "1", "Statement": [{"Effect": "Allow", "Action": ["imm:ListProjects"], "Resource": ["*"]}]}"#;
    let role = AssumeRole::new(IMM_ROLE).session_name("a.b@c-d_e").policy(policy).source_identity("alice");
    let chain = chain(context(&emulator, RAM_USER).build(), role);
    let session = chain.credentials().await.unwrap();
    assert_eq!(session.provider_name(), "default/ram_role_arn/env");
    let imm = OpenApiClient::new(emulator.endpoint(), "2020-09-30", &chain);
    assert!(imm.call("ListProjects", []).await.is_ok());
    let error = imm.call("CreateProject", [("ProjectName", "p")]).await.unwrap_err();
    assert_eq!(error.http_status(), Some(403), "the policy arrived whole: {error}");
    assert_eq!(sts_urls_are_bare(&emulator), 1);
}

#[tokio::test]
async fn a_session_is_a_source_too_its_token_travels_in_the_form() {
    let emulator = emulator().await;
    let first = chain(context(&emulator, RAM_USER).build(), AssumeRole::new(IMM_ROLE));
    let provider = AssumeRoleProvider::new(first, AssumeRole::new(CHAINED_ROLE))
        .context(context(&emulator, RAM_USER).build())
        .sts_signature(StsSignature::V1);
    let session = Refresher::new(provider).credentials().await.unwrap();
    assert_eq!(session.provider_name(), "ram_role_arn/default/ram_role_arn/env");
    assert!(session.security_token().is_some());
    assert_eq!(sts_urls_are_bare(&emulator), 2);
    let calls = emulator.calls();
    assert!(calls[1].session.is_some(), "called by the first session");
    for secret in [RAM_USER.1, session.access_key_secret(), session.security_token().unwrap(), "CAIS"] {
        assert!(calls.iter().all(|call| !call.path_and_query.contains(secret)));
    }
}

#[tokio::test]
async fn roles_of_the_environment_and_who_is_calling_are_asked_for_by_v1_too() {
    let emulator = emulator().await;
    let context = Context::builder().env([
        ("ALIBABA_CLOUD_ACCESS_KEY_ID", RAM_USER.0.to_owned()),
        ("ALIBABA_CLOUD_ACCESS_KEY_SECRET", RAM_USER.1.to_owned()),
        ("ALIBABA_CLOUD_ROLE_ARN", IMM_ROLE.to_owned()),
        ("ALIBABA_CLOUD_STS_ENDPOINT", emulator.endpoint()),
    ]);
    let chain = DefaultCredentialChain::builder().context(context.build()).sts_signature(StsSignature::V1).build();
    assert_eq!(chain.caller_identity().await.unwrap().identity_type, "AssumedRoleUser");
    assert_eq!(sts_urls_are_bare(&emulator), 2);
}

#[tokio::test]
async fn roles_of_a_profile_are_asked_for_by_v1_too() {
    let emulator = emulator().await;
    let root = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("sts_v1-{}", std::process::id()));
    std::fs::create_dir_all(root.join("home/.aliyun")).unwrap();
    let profile = serde_json::json!({
        "name": "default", "mode": "RamRoleArn", "access_key_id": RAM_USER.0, "access_key_secret": RAM_USER.1,
        "ram_role_arn": IMM_ROLE, "ram_session_name": "session", "sts_endpoint": emulator.endpoint(),
    });
    let config = serde_json::json!({"current": "default", "profiles": [profile]}).to_string();
    std::fs::write(root.join("home/.aliyun/config.json"), config).unwrap();
    let context = Context::builder().env([("HOME", "/home")]).root(&root).build();
    let chain = DefaultCredentialChain::builder().context(context).sts_signature(StsSignature::V1).build();
    let session = chain.credentials().await;
    std::fs::remove_dir_all(&root).unwrap();
    assert_eq!(session.unwrap().provider_name(), "default/cli_profile/ram_role_arn/static_ak");
    assert_eq!(sts_urls_are_bare(&emulator), 1);
}

#[tokio::test]
async fn without_a_choice_the_signature_is_v3() {
    let emulator = emulator().await;
    let context = context(&emulator, RAM_USER).build();
    let provider =
        AssumeRoleProvider::new(EnvironmentProvider::new().context(context.clone()), AssumeRole::new(IMM_ROLE));
    assert!(Refresher::new(provider.context(context)).credentials().await.is_ok());
    assert!(emulator.calls()[0].path_and_query.starts_with("/?RoleArn="));
}

#[tokio::test]
async fn a_refusal_says_what_is_wrong_and_shows_no_secret() {
    let emulator = emulator().await;
    let (disabled, root) = (account::DISABLED, account::ROOT);
    for (key, code, advice) in [
        ((RAM_USER.0, "not-the-secret"), "SignatureDoesNotMatch", "the AccessKey secret is not the one"),
        ((disabled.id, disabled.secret), "InvalidAccessKeyId.Inactive", "enable the AccessKey"),
        ((root.id, root.secret), "NoPermission", "create a RAM user"),
    ] {
        let chain = chain(context(&emulator, key).build(), AssumeRole::new(IMM_ROLE));
        let error = chain.credentials().await.unwrap_err();
        assert_eq!(error.code(), Some(code));
        assert!(error.remedy().unwrap().contains(advice), "{error}");
        let shown = format!("{error:#} {error:?}");
        assert!(!shown.contains(key.1) && !shown.contains("%26"), "no string to sign: {shown}");
    }
    assert_eq!(sts_urls_are_bare(&emulator), 3);
}

#[tokio::test]
async fn a_wrong_clock_and_a_used_nonce_are_mended_by_one_more_call() {
    for offset in [-3600, 3600] {
        let emulator = emulator().await;
        emulator.freeze_clock_at(emulator.now());
        let clock = TestClock::new(emulator.now());
        clock.step(offset);
        let context = context(&emulator, RAM_USER).clock(clock).build();
        let chain = chain(context, AssumeRole::new(IMM_ROLE));
        let session = chain.credentials().await.unwrap();
        assert_eq!(statuses(&emulator), [400, 200], "{offset}");
        assert_eq!(emulator.calls()[0].code.as_deref(), Some("InvalidTimeStamp.Expired"));
        let left = session.expiration().unwrap().duration_since(emulator.now()).unwrap();
        assert!(left > Duration::from_secs(3500), "judged by the server's Date: {left:?}");
    }
    let emulator = emulator().await;
    emulator.fail_next("sts/AssumeRole", Fault::new(400, "SignatureNonceUsed"));
    let chain = chain(context(&emulator, RAM_USER).build(), AssumeRole::new(IMM_ROLE));
    assert!(chain.credentials().await.is_ok());
    assert_eq!(statuses(&emulator), [400, 200]);
    assert_eq!(sts_urls_are_bare(&emulator), 2);
}
