//! One test per step of the documented order of checks. Each request is wrong in that step and, where that can be, in
//! every later one too: the first failure wins.

use std::time::Duration;

use alibabacloud_emulator::account::{DISABLED, RAM_USER, READER};

use crate::support::{Key, Request, emulator};

/// Wrong in the parameters (no ProjectName), without permission, and signed with a wrong secret.
fn wrong() -> Request {
    Request::imm("CreateProject").key(Key(READER.id.into(), "wrong".into(), None))
}

#[tokio::test]
async fn step_1_the_host_the_version_and_the_action_are_known() {
    let emulator = emulator().await;
    let base = || wrong().tamper("authorization", None);
    assert_eq!(base().tamper("host", Some("ecs.aliyuncs.com")).code(&emulator).await, "InvalidProduct.NotFound");
    assert_eq!(base().tamper("x-acs-version", None).code(&emulator).await, "MissingVersion");
    assert_eq!(base().tamper("x-acs-action", None).code(&emulator).await, "MissingAction");
    assert_eq!(base().tamper("x-acs-version", Some("2017-09-06")).code(&emulator).await, "InvalidVersion");
    assert_eq!(base().tamper("host", Some("sts.aliyuncs.com")).code(&emulator).await, "InvalidVersion");
    let answer = base().tamper("x-acs-action", Some("createproject")).send(&emulator).await;
    assert_eq!((answer.status, answer.code().as_str()), (404, "InvalidAction.NotFound"));
    assert_eq!(answer.message(), "Specified api is not found, please check your url and method.");
    let mut request = base();
    request.path = "/somewhere".into();
    assert_eq!(request.code(&emulator).await, "InvalidAction.NotFound");
    request.method = "PUT".into();
    assert_eq!(request.code(&emulator).await, "UnsupportedHTTPMethod");
}

#[tokio::test]
async fn step_2_there_is_a_signature() {
    let emulator = emulator().await;
    let base = || wrong().tamper("x-acs-date", Some("yesterday"));
    assert_eq!(base().tamper("authorization", None).code(&emulator).await, "MissingAccessKeyId");
    assert_eq!(base().tamper("authorization", Some("Bearer x")).code(&emulator).await, "IncompleteSignature");
    let other = "ACS3-RSA-SHA256 Credential=a,SignedHeaders=b,Signature=c";
    assert_eq!(base().tamper("authorization", Some(other)).code(&emulator).await, "InvalidSignatureMethod");
}

#[tokio::test]
async fn step_3_the_timestamp_is_well_formed_and_within_15_minutes() {
    let emulator = emulator().await;
    let unknown = || Request::imm("CreateProject").key(Key("nobody".into(), "wrong".into(), None));
    for date in [Some("yesterday"), Some("2026-01-02 03:04:05"), None] {
        let answer = unknown().tamper("x-acs-date", date).send(&emulator).await;
        assert_eq!((answer.status, answer.code().as_str()), (400, "InvalidTimeStamp.Format"));
    }
    for date in ["2026-01-02T02:49:04Z", "2026-01-02T03:19:06Z"] {
        let answer = unknown().tamper("x-acs-date", Some(date)).send(&emulator).await;
        assert_eq!((answer.status, answer.code().as_str()), (400, "InvalidTimeStamp.Expired"));
        assert_eq!(answer.message(), "Specified time stamp or date value is expired.");
    }
    for seconds in [-900, 900] {
        let at = chrono::DateTime::<chrono::Utc>::from(emulator.now()) + chrono::Duration::seconds(seconds);
        let mut request = Request::sts("GetCallerIdentity");
        request.at = Some(at.into());
        assert_eq!(request.send(&emulator).await.status, 200);
    }
}

#[tokio::test]
async fn step_4_the_key_is_known_and_active() {
    let emulator = emulator().await;
    let unknown = wrong().key(Key("nobody".into(), "wrong".into(), Some("a token".into())));
    let answer = unknown.send(&emulator).await;
    assert_eq!((answer.status, answer.code().as_str()), (404, "InvalidAccessKeyId.NotFound"));
    let answer = wrong().key(Key(DISABLED.id.into(), "wrong".into(), Some("a token".into()))).send(&emulator).await;
    assert_eq!((answer.status, answer.code().as_str()), (400, "InvalidAccessKeyId.Inactive"));
}

#[tokio::test]
async fn step_5_the_token_is_there_known_of_this_key_and_in_time() {
    let emulator = emulator().await;
    let first = Request::assume("imm-role").send(&emulator).await.session();
    let second = Request::assume("imm-role").send(&emulator).await.session();
    let token = |token: Option<String>| Key(first.0.clone(), "wrong".into(), token);
    let code = async |key: Key| wrong().key(key).code(&emulator).await;

    assert_eq!(code(token(None)).await, "MissingSecurityToken");
    assert_eq!(code(token(Some("CAISnonsense".into()))).await, "InvalidSecurityToken.Malformed");
    assert_eq!(code(token(second.2)).await, "InvalidSecurityToken.MismatchWithAccessKey");
    let long_term = Key(RAM_USER.id.into(), "wrong".into(), first.2.clone());
    assert_eq!(code(long_term).await, "InvalidSecurityToken.MismatchWithAccessKey");

    emulator.advance_clock(Duration::from_secs(3_599));
    assert_eq!(code(token(first.2.clone())).await, "SignatureDoesNotMatch");
    emulator.advance_clock(Duration::from_secs(1));
    let answer = wrong().key(token(first.2.clone())).send(&emulator).await;
    assert_eq!((answer.status, answer.code().as_str()), (400, "InvalidSecurityToken.Expired"));
    assert_eq!(answer.message(), "Specified SecurityToken is expired.");
}

#[tokio::test]
async fn step_6_every_required_header_is_signed() {
    let emulator = emulator().await;
    for name in ["host", "x-acs-action", "x-acs-version", "x-acs-date", "x-acs-signature-nonce", "x-acs-content-sha256"]
    {
        let mut request = wrong();
        request.unsigned = vec![name.into()];
        assert_eq!(request.code(&emulator).await, "IncompleteSignature", "{name}");
    }
    let mut request = wrong().form("ProjectName=p");
    request.unsigned = vec!["content-type".into()];
    assert_eq!(request.code(&emulator).await, "IncompleteSignature");
    let mut request = wrong().key(Request::assume("imm-role").send(&emulator).await.session());
    request.unsigned = vec!["x-acs-security-token".into()];
    assert_eq!(request.code(&emulator).await, "IncompleteSignature");
    // A header that is listed but was not sent.
    assert_eq!(
        wrong().header("x-acs-extra", "1").tamper("x-acs-extra", None).code(&emulator).await,
        "IncompleteSignature"
    );
}

#[tokio::test]
async fn step_6_the_body_and_everything_signed_arrive_as_they_were_signed() {
    let emulator = emulator().await;
    let good = || Request::imm("CreateProject").with("ProjectName", "p");
    // A wrong hash fails although it is signed.
    assert_eq!(good().header("x-acs-content-sha256", &"0".repeat(64)).code(&emulator).await, "SignatureDoesNotMatch");
    assert_eq!(
        good().header("x-acs-content-sha256", "UNSIGNED-PAYLOAD").code(&emulator).await,
        "SignatureDoesNotMatch"
    );
    for (name, value) in [("accept", "text/html"), ("x-acs-signature-nonce", "another")] {
        assert_eq!(good().tamper(name, Some(value)).code(&emulator).await, "SignatureDoesNotMatch", "{name}");
    }
    let mut request = good();
    request.wire_query = Some("ProjectName=q".into());
    assert_eq!(request.code(&emulator).await, "SignatureDoesNotMatch");
    assert_eq!(wrong().code(&emulator).await, "SignatureDoesNotMatch");
}

#[tokio::test]
async fn a_mismatch_echoes_what_the_server_would_have_signed() {
    let emulator = emulator().await;
    let request = Request::imm("CreateProject")
        .with("ProjectName", "x y")
        .header("host", "imm.cn-hangzhou.aliyuncs.com")
        .header("x-acs-signature-nonce", "n1")
        .key(Key(RAM_USER.id.into(), "wrong".into(), None));
    let answer = request.send(&emulator).await;
    let canonical = "POST\\n/\\nProjectName=x%20y\\naccept:application/json\\nhost:imm.cn-hangzhou.aliyuncs.com\\n\
        x-acs-action:CreateProject\\nx-acs-content-sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855\\n\
        x-acs-date:2026-01-02T03:04:05Z\\nx-acs-signature-nonce:n1\\nx-acs-version:2020-09-30\\n\\n\
        accept;host;x-acs-action;x-acs-content-sha256;x-acs-date;x-acs-signature-nonce;x-acs-version\\n\
        e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
    let message = answer.message();
    let begins = "Specified signature does not match our calculation. server StringToSign is [ACS3-HMAC-SHA256\\n";
    assert!(message.starts_with(begins), "{message}");
    assert!(message.ends_with(&format!("] server CanonicalRequest is [{canonical}]")), "{message}");
    assert_eq!(answer.json()["HostId"], "imm.cn-hangzhou.aliyuncs.com");
    assert_eq!(answer.json()["RequestId"], answer.header("x-acs-request-id"));
}

#[tokio::test]
async fn step_7_a_nonce_serves_once_per_key_and_only_when_the_signature_was_good() {
    let emulator = emulator().await;
    let request = |key: Key| Request::imm("CreateProject").header("x-acs-signature-nonce", "once").key(key);
    // A wrong signature does not use the nonce up; the step after the nonce reports the reader's missing permission.
    assert_eq!(request(Key(READER.id.into(), "wrong".into(), None)).code(&emulator).await, "SignatureDoesNotMatch");
    assert_eq!(request(READER.into()).code(&emulator).await, "Forbidden.RAM");
    let answer = request(READER.into()).send(&emulator).await;
    assert_eq!((answer.status, answer.code().as_str()), (400, "SignatureNonceUsed"));
    assert_eq!(request(RAM_USER.into()).code(&emulator).await, "InvalidArgument");
    // Once the first request's timestamp is out of the window, only that keeps a replay out.
    emulator.advance_clock(Duration::from_secs(901));
    assert_eq!(request(READER.into()).code(&emulator).await, "Forbidden.RAM");
}

#[tokio::test]
async fn step_8_permission_comes_before_parameters() {
    let emulator = emulator().await;
    assert_eq!(Request::imm("CreateProject").key(READER).code(&emulator).await, "Forbidden.RAM");
    let request = Request::assume("denied-role").with("DurationSeconds", "1").with("Policy", "{");
    assert_eq!(request.code(&emulator).await, "NoPermission");
    assert_eq!(Request::sts("AssumeRole").key(READER).code(&emulator).await, "NoPermission");
}

#[tokio::test]
async fn step_9_a_name_with_two_values_is_refused() {
    let emulator = emulator().await;
    let request = Request::imm("CreateProject").with("ProjectName", "a").form("ProjectName=b");
    assert_eq!(request.code(&emulator).await, "InvalidParameter");
    let request = Request::imm("CreateProject").with("ProjectName", "a").form("ProjectName=a");
    assert_eq!(request.send(&emulator).await.status, 200);
    assert_eq!(Request::imm("CreateProject").form("ProjectName=%zz").code(&emulator).await, "InvalidParameter.Format");
}
