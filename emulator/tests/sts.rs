//! AssumeRole and GetCallerIdentity: who may, what is granted, and every documented refusal.

use std::time::Duration;

use alibabacloud_emulator::Emulator;
use alibabacloud_emulator::account::{READER, ROOT};

use crate::support::{Request, emulator, start};

#[tokio::test]
async fn a_session_is_granted_in_the_documented_form() {
    let emulator = emulator().await;
    let answer = Request::assume("imm-role").with("DurationSeconds", "900").send(&emulator).await;
    let json = answer.json();
    assert_eq!(json["AssumedRoleUser"]["Arn"], "acs:ram::1234567890123456:role/imm-role/app");
    assert!(json["AssumedRoleUser"]["AssumedRoleId"].as_str().unwrap().ends_with(":app"));
    assert_eq!(json["Credentials"]["Expiration"], "2026-01-02T03:19:05Z");
    let key = answer.session();
    assert!(key.0.starts_with("STS."));
    assert!(key.2.unwrap().starts_with("CAIS"));
    assert!(answer.body.starts_with(r#"{"RequestId":""#), "{}", answer.body);
}

#[tokio::test]
async fn expiration_rounds_up_and_the_cap_holds_whatever_was_asked() {
    let emulator = start(Emulator::builder().session_seconds(4)).await;
    emulator.advance_clock(Duration::from_millis(1));
    let answer = Request::assume("imm-role").with("DurationSeconds", "43200").send(&emulator).await;
    assert_eq!(answer.json()["Credentials"]["Expiration"], "2026-01-02T03:04:10Z");
    // A cap is not a floor.
    let generous = start(Emulator::builder().session_seconds(10_000)).await;
    let answer = Request::assume("imm-role").with("DurationSeconds", "900").send(&generous).await;
    assert_eq!(answer.json()["Credentials"]["Expiration"], "2026-01-02T03:19:05Z");
    // The cap does not make an invalid duration valid.
    let request = Request::assume("imm-role").with("DurationSeconds", "4");
    assert_eq!(request.code(&emulator).await, "InvalidParameter.DurationSeconds");
}

#[tokio::test]
async fn a_session_works_until_its_expiration() {
    let emulator = start(Emulator::builder().session_seconds(4)).await;
    let key = Request::assume("imm-role").send(&emulator).await.session();
    let list = || Request::imm("ListProjects").key(key.clone());
    assert_eq!(list().send(&emulator).await.status, 200);
    emulator.advance_clock(Duration::from_millis(3_999));
    assert_eq!(list().send(&emulator).await.status, 200);
    emulator.advance_clock(Duration::from_millis(1));
    assert_eq!(list().code(&emulator).await, "InvalidSecurityToken.Expired");
    let other = Request::assume("imm-role").send(&emulator).await.session();
    assert_eq!(Request::imm("ListProjects").key(other).send(&emulator).await.status, 200);
    Request::assume("imm-role").send(&emulator).await.session();
    let summary = emulator.summary();
    assert_eq!((summary.sessions_granted, summary.sessions_used), (3, 2));
    assert_eq!((summary.sts.accepted, summary.imm.accepted, summary.imm.rejected), (3, 3, 1));
}

#[tokio::test]
async fn callers_learn_who_they_are() {
    let emulator = emulator().await;
    let who = async |request: Request| request.send(&emulator).await.json();
    let user = who(Request::sts("GetCallerIdentity")).await;
    assert_eq!(user["IdentityType"], "RAMUser");
    assert_eq!(user["Arn"], "acs:ram::1234567890123456:user/imm-dev");
    assert_eq!(user["PrincipalId"], user["UserId"]);
    let root = who(Request::sts("GetCallerIdentity").key(ROOT)).await;
    assert_eq!((&root["IdentityType"], &root["PrincipalId"]), (&"Account".into(), &"1234567890123456".into()));
    let key = Request::assume("imm-role").send(&emulator).await.session();
    let role = who(Request::sts("GetCallerIdentity").key(key)).await;
    assert_eq!(role["IdentityType"], "AssumedRoleUser");
    assert_eq!(role["Arn"], "acs:ram::1234567890123456:assumed-role/imm-role/app");
    assert_eq!(role["PrincipalId"], format!("{}:app", role["RoleId"].as_str().unwrap()));
    assert!(role.get("UserId").is_none());
}

#[tokio::test]
async fn every_missing_permission_has_its_own_message() {
    let emulator = emulator().await;
    let refused = async |request: Request, message: &str| {
        let answer = request.send(&emulator).await;
        assert_eq!((answer.status, answer.code().as_str()), (403, "NoPermission"), "{}", answer.body);
        assert_eq!(answer.message(), message);
        answer
    };
    refused(Request::assume("imm-role").key(ROOT), "Roles may not be assumed by root accounts.").await;
    let answer = refused(
        Request::assume("imm-role").key(READER),
        "You are not authorized to do this action. You should be authorized by RAM.",
    )
    .await;
    assert_eq!(answer.json()["AccessDeniedDetail"]["AuthAction"], "sts:AssumeRole");
    let untrusted = "No permission perform sts:AssumeRole on this Role. Maybe you are not authorized to perform \
        sts:AssumeRole or the specified role does not trust you";
    refused(Request::assume("denied-role"), untrusted).await;
    refused(Request::assume("chained-role"), untrusted).await;
    refused(Request::assume("partner-role"), untrusted).await;
    refused(Request::assume("partner-role").with("ExternalId", "partner-43"), untrusted).await;
    let request = Request::assume("partner-role").with("ExternalId", "partner-42");
    assert_eq!(request.send(&emulator).await.status, 200);
}

#[tokio::test]
async fn a_role_is_assumed_from_another_role_that_it_trusts() {
    let emulator = emulator().await;
    let imm_role = Request::assume("imm-role").with("SourceIdentity", "alice").send(&emulator).await.session();
    let answer = Request::assume("chained-role").key(imm_role.clone()).send(&emulator).await;
    assert_eq!(answer.json()["SourceIdentity"], "alice");
    let chained = answer.session();
    // The chained role may use IMM, but not assume further roles.
    assert_eq!(Request::imm("ListProjects").key(chained.clone()).send(&emulator).await.status, 200);
    assert_eq!(Request::assume("tenant-7").key(chained).code(&emulator).await, "NoPermission");
    let request = Request::assume("chained-role").key(imm_role).with("SourceIdentity", "mallory");
    assert_eq!(request.code(&emulator).await, "InvalidParameter.SourceIdentity");
}

#[tokio::test]
async fn parameters_are_checked_with_the_documented_codes() {
    let emulator = emulator().await;
    let policy = |length: usize| {
        let empty = r#"{"Version":"1","Statement":[{"Effect":"Allow","Action":"","Resource":"*"}]}"#;
        empty.replace(r#""Action":"""#, &format!(r#""Action":"{}""#, "a".repeat(length - empty.len())))
    };
    let long = |count: usize| "a".repeat(count);
    for (name, value, status, code) in [
        ("RoleArn", String::new(), 400, "MissingRoleArn"),
        ("RoleArn", "imm-role".into(), 400, "InvalidParameter.RoleArn"),
        ("RoleArn", "acs:ram::1234567890123456:role/none".into(), 404, "EntityNotExist.Role"),
        ("RoleArn", "acs:ram::6543210987654321:role/imm-role".into(), 404, "EntityNotExist.Role"),
        ("RoleSessionName", String::new(), 400, "MissingRoleSessionName"),
        ("RoleSessionName", "a".into(), 400, "InvalidParameter.RoleSessionName"),
        ("RoleSessionName", "a b".into(), 400, "InvalidParameter.RoleSessionName"),
        ("RoleSessionName", long(65), 400, "InvalidParameter.RoleSessionName"),
        ("DurationSeconds", "899".into(), 400, "InvalidParameter.DurationSeconds"),
        ("DurationSeconds", "3601".into(), 400, "InvalidParameter.DurationSeconds"),
        ("Policy", "{}".into(), 400, "InvalidParameter.PolicyGrammar"),
        ("Policy", policy(2_049), 400, "InvalidParameter.PolicySize"),
        ("ExternalId", "a".into(), 400, "InvalidParameter.ExternalId"),
        ("ExternalId", "a b".into(), 400, "InvalidParameter.ExternalId"),
        ("ExternalId", long(1_225), 400, "InvalidParameter.ExternalId"),
        ("SourceIdentity", "acs:alice".into(), 400, "InvalidParameter.SourceIdentity"),
        ("SourceIdentity", "a/b".into(), 400, "InvalidParameter.SourceIdentity"),
    ] {
        let answer = Request::assume("short-role").with(name, &value).send(&emulator).await;
        assert_eq!((answer.status, answer.code().as_str()), (status, code), "{name}={value}");
    }
    for (name, value) in [
        ("RoleSessionName", long(64)),
        ("RoleSessionName", "a.b@c_d-e".into()),
        ("DurationSeconds", "3600".into()),
        ("Policy", policy(2_048)),
        ("ExternalId", "a+b=c,d.e@f:g/h-i_j".into()),
        ("ExternalId", long(1_224)),
        ("SourceIdentity", "alice@example.com".into()),
    ] {
        let answer = Request::assume("short-role").with(name, &value).send(&emulator).await;
        assert_eq!(answer.status, 200, "{name}={value} {}", answer.body);
    }
    let answer = Request::assume("short-role").with("DurationSeconds", "43200").send(&emulator).await;
    assert_eq!(answer.message(), "The Min/Max value of DurationSeconds is 15min/1hr.");
}

#[tokio::test]
async fn a_body_is_a_form_or_json() {
    let emulator = emulator().await;
    let mut request = Request::assume("imm-role").form("DurationSeconds=900");
    assert_eq!(request.send(&emulator).await.json()["Credentials"]["Expiration"], "2026-01-02T03:19:05Z");
    request = Request::assume("imm-role").form("<a/>").header("content-type", "text/xml");
    assert_eq!(request.code(&emulator).await, "InvalidParameter.ContentType");
}

#[tokio::test]
async fn a_session_policy_limits_the_session() {
    let emulator = emulator().await;
    let policy = r#"{"Version": "1", "Statement": [
        {"Effect": "Allow", "Action": ["imm:Get*", "imm:List*", "imm:Create*"], "Resource": "*"},
        {"Effect": "Deny", "Action": "imm:Create*", "Resource": "acs:imm:*:*:project/secret-*"}]}"#;
    let key = Request::assume("imm-role").with("Policy", policy).send(&emulator).await.session();
    let create = |name: &str| Request::imm("CreateProject").with("ProjectName", name).key(key.clone());
    assert_eq!(create("open").send(&emulator).await.status, 200);
    assert_eq!(Request::imm("ListProjects").key(key.clone()).send(&emulator).await.status, 200);

    let answer = create("secret-1").send(&emulator).await;
    let detail = &answer.json()["AccessDeniedDetail"];
    assert_eq!((&detail["PolicyType"], &detail["NoPermissionType"]), (&"SessionPolicy".into(), &"ExplicitDeny".into()));
    assert_eq!(detail["AuthPrincipalDisplayName"], "imm-role:app");
    assert_eq!(detail["AuthPrincipalType"], "AssumedRoleUser");

    let answer = Request::imm("DeleteProject").with("ProjectName", "open").key(key.clone()).send(&emulator).await;
    assert_eq!((answer.status, answer.code().as_str()), (403, "Forbidden.RAM"));
    assert_eq!(answer.json()["AccessDeniedDetail"]["NoPermissionType"], "ImplicitDeny");
    // The role may assume roles; this session of it may not.
    assert_eq!(Request::assume("chained-role").key(key.clone()).code(&emulator).await, "NoPermission");
    // Needs no permission.
    assert_eq!(Request::sts("GetCallerIdentity").key(key).send(&emulator).await.status, 200);
    // A policy never widens what the role may do.
    let all = r#"{"Version":"1","Statement":[{"Effect":"Allow","Action":"*","Resource":"*"}]}"#;
    let key = Request::assume("short-role").with("Policy", all).send(&emulator).await.session();
    assert_eq!(Request::assume("tenant-1").key(key).code(&emulator).await, "NoPermission");
}
