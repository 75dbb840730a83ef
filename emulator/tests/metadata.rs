//! The instance metadata service and the credentials URI: tokens, modes, and sessions that STS and IMM know.

// Tests stop at the first thing that is not as expected.

use std::time::Duration;

use alibabacloud_emulator::{Emulator, Fault, Metadata};

use crate::support::rpc::Rpc;
use crate::support::{Answer, Key, Request, emulator, plain, start};

const ROLE: &str = "/latest/meta-data/ram/security-credentials/";
const CREDENTIALS: &str = "/latest/meta-data/ram/security-credentials/imm-role";
const TTL: &str = "X-aliyun-ecs-metadata-token-ttl-seconds";
const TOKEN: &str = "X-aliyun-ecs-metadata-token";

async fn token(emulator: &Emulator, ttl: &str) -> String {
    let answer = plain(emulator, "PUT", "/latest/api/token", &[(TTL, ttl)]).await;
    assert_eq!(answer.status, 200);
    answer.body
}

fn key(answer: &Answer) -> Key {
    let json = answer.json();
    assert_eq!(json["Code"], "Success");
    let text = |name: &str| json[name].as_str().unwrap().to_owned();
    Key(text("AccessKeyId"), text("AccessKeySecret"), Some(text("SecurityToken")))
}

#[tokio::test]
async fn tokens_are_given_by_put_for_one_second_to_six_hours() {
    let emulator = emulator().await;
    for ttl in ["0", "21601", "-1", "", "x", "99999999999999999999"] {
        assert_eq!(plain(&emulator, "PUT", "/latest/api/token", &[(TTL, ttl)]).await.status, 400, "{ttl}");
    }
    assert_eq!(plain(&emulator, "PUT", "/latest/api/token", &[]).await.status, 400);
    let forwarded = [(TTL, "60"), ("X-Forwarded-For", "10.0.0.1")];
    assert_eq!(plain(&emulator, "PUT", "/latest/api/token", &forwarded).await.status, 403);
    assert_eq!(plain(&emulator, "GET", "/latest/api/token", &[(TTL, "60")]).await.status, 405);

    let token = token(&emulator, "60").await;
    assert_eq!(plain(&emulator, "GET", ROLE, &[(TOKEN, &token)]).await.body, "imm-role");
    emulator.advance_clock(Duration::from_millis(59_999));
    assert_eq!(plain(&emulator, "GET", ROLE, &[(TOKEN, &token)]).await.status, 200);
    emulator.advance_clock(Duration::from_millis(1));
    assert_eq!(plain(&emulator, "GET", ROLE, &[(TOKEN, &token)]).await.status, 401);
    for forged in ["", "x", &token.replace('0', "1"), &"é".repeat(40)] {
        assert_eq!(plain(&emulator, "GET", ROLE, &[(TOKEN, forged)]).await.status, 401, "{forged}");
    }
}

#[tokio::test]
async fn a_token_is_needed_only_when_hardened() {
    let normal = emulator().await;
    assert_eq!(plain(&normal, "GET", ROLE, &[]).await.status, 200);
    let hardened = start(Emulator::builder().metadata(Metadata::Hardened)).await;
    assert_eq!(plain(&hardened, "GET", ROLE, &[]).await.status, 403);
    let token = token(&hardened, "21600").await;
    assert_eq!(plain(&hardened, "GET", ROLE, &[(TOKEN, &token)]).await.status, 200);
    // A token is of its instance only.
    assert_eq!(plain(&normal, "GET", ROLE, &[(TOKEN, &token)]).await.status, 401);
    let off = start(Emulator::builder().metadata(Metadata::Off)).await;
    assert_eq!(plain(&off, "PUT", "/latest/api/token", &[(TTL, "60")]).await.status, 404);
    assert_eq!(plain(&off, "GET", ROLE, &[]).await.status, 404);
}

#[tokio::test]
async fn the_role_and_the_facts_are_text() {
    let emulator = start(Emulator::builder().metadata_newline(true)).await;
    assert_eq!(plain(&emulator, "GET", ROLE, &[]).await.body, "imm-role\n");
    for (item, value) in
        [("region-id", "cn-hangzhou"), ("zone-id", "cn-hangzhou-i"), ("owner-account-id", "1234567890123456")]
    {
        let answer = plain(&emulator, "GET", &format!("/latest/meta-data/{item}"), &[]).await;
        assert_eq!((answer.body.as_str(), answer.header("content-type")), (value, "text/plain"));
    }
    assert!(plain(&emulator, "GET", "/latest/meta-data/instance-id", &[]).await.body.starts_with("i-"));
    for path in ["/latest/", "/latest/meta-data/none", &format!("{ROLE}other-role"), &format!("{CREDENTIALS}/")] {
        assert_eq!(plain(&emulator, "GET", path, &[]).await.status, 404, "{path}");
    }
    assert_eq!(plain(&emulator, "POST", ROLE, &[]).await.status, 405);
}

#[tokio::test]
async fn its_credentials_last_six_hours_and_are_renewed_ahead_of_their_end() {
    let emulator = emulator().await;
    let answer = plain(&emulator, "GET", CREDENTIALS, &[]).await;
    let json = answer.json();
    assert_eq!(
        (&json["LastUpdated"], &json["Expiration"]),
        (&"2026-01-02T03:04:05Z".into(), &"2026-01-02T09:04:05Z".into())
    );
    let first = key(&answer);
    let who = Request::sts("GetCallerIdentity").key(first.clone()).send(&emulator).await.json();
    assert!(who["Arn"].as_str().unwrap().starts_with("acs:ram::1234567890123456:assumed-role/imm-role/i-"), "{who}");
    assert_eq!(Rpc::imm("ListProjects").key(first.clone()).send(&emulator).await.status, 200);
    assert_eq!(Request::assume("chained-role").key(first.clone()).send(&emulator).await.status, 200);

    emulator.advance_clock(Duration::from_secs(17_999));
    assert_eq!(key(&plain(&emulator, "GET", CREDENTIALS, &[]).await).0, first.0);
    emulator.advance_clock(Duration::from_secs(1));
    let second = key(&plain(&emulator, "GET", CREDENTIALS, &[]).await);
    assert_ne!(second.0, first.0);
    // Those that were handed out before are good to their end.
    for key in [first, second] {
        assert_eq!(Request::imm("ListProjects").key(key).send(&emulator).await.status, 200);
    }
}

#[tokio::test]
async fn the_credentials_uri_hands_out_sessions_too() {
    let emulator = start(Emulator::builder().session_seconds(60)).await;
    assert_eq!(emulator.credentials_uri(), format!("{}/credentials", emulator.endpoint()));
    let answer = plain(&emulator, "GET", "/credentials?a=b", &[]).await;
    assert_eq!(answer.json()["Expiration"], "2026-01-02T03:05:05Z");
    assert!(answer.json().get("LastUpdated").is_none());
    let first = key(&answer);
    assert_eq!(Request::imm("ListProjects").key(first.clone()).send(&emulator).await.status, 200);
    emulator.advance_clock(Duration::from_secs(50));
    assert_ne!(key(&plain(&emulator, "GET", "/credentials", &[]).await).0, first.0);
    assert_eq!(plain(&emulator, "POST", "/credentials", &[]).await.status, 405);
}

#[tokio::test]
async fn calls_are_logged_and_faults_have_routes() {
    let emulator = emulator().await;
    emulator.fail_next("metadata/token", Fault::new(404, "NotFound"));
    emulator.fail_next("uri/*", Fault::new(503, "ServiceUnavailable").header("retry-after", "1").body("oops"));
    assert_eq!(plain(&emulator, "PUT", "/latest/api/token", &[(TTL, "60")]).await.status, 404);
    let answer = plain(&emulator, "GET", "/credentials", &[]).await;
    assert_eq!((answer.status, answer.body.as_str(), answer.header("retry-after")), (503, "oops", "1"));
    plain(&emulator, "GET", ROLE, &[]).await;
    plain(&emulator, "GET", CREDENTIALS, &[]).await;
    plain(&emulator, "GET", "/latest/meta-data/region-id", &[]).await;
    let calls = emulator.calls();
    let seen: Vec<_> = calls.iter().map(|call| (call.product, call.action.as_str(), call.status)).collect();
    assert_eq!(
        seen,
        [
            ("metadata", "token", 404),
            ("uri", "credentials", 503),
            ("metadata", "role", 200),
            ("metadata", "credentials", 200),
            ("metadata", "item", 200)
        ]
    );
    let summary = emulator.summary();
    assert_eq!((summary.metadata.calls, summary.metadata.rejected, summary.uri.rejected), (4, 1, 1));
}
