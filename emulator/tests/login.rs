//! The services behind logins: refresh tokens that are spent once, sessions that STS knows, and refusals in the services' own form.

use std::time::Duration;

use alibabacloud_emulator::{Emulator, Fault};

use crate::support::{Answer, Key, Request, emulator, raw};

const CN: &str = "4038181954557748008";
const INTL: &str = "4103531455503354461";

async fn post(emulator: &Emulator, path: &str, content_type: &str, token: &str, body: &str) -> Answer {
    let bearer = if token.is_empty() { String::new() } else { format!("Authorization: Bearer {token}\r\n") };
    let wire = format!(
        "POST {path} HTTP/1.1\r\nHost: oauth.aliyun.com\r\nConnection: close\r\nContent-Type: {content_type}\r\n{bearer}\
         Content-Length: {}\r\n\r\n{body}",
        body.len()
    );
    raw(emulator, wire.as_bytes()).await
}

async fn renew(emulator: &Emulator, client: &str, token: &str) -> Answer {
    let body = format!("grant_type=refresh_token&refresh_token={token}&client_id={client}");
    post(emulator, "/v1/token", "application/x-www-form-urlencoded", "", &body).await
}

async fn exchange(emulator: &Emulator, token: &str) -> Answer {
    post(emulator, "/v1/exchange", "application/json", token, "").await
}

async fn cloud(emulator: &Emulator, token: &str, account: &str, configuration: &str) -> Answer {
    let body = format!(r#"{{"AccountId":"{account}","AccessConfigurationId":"{configuration}"}}"#);
    post(emulator, "/cloud-credentials", "application/json", token, &body).await
}

fn refused(answer: &Answer) -> (u16, String) {
    let json = answer.json();
    assert!(json["requestId"].is_string() || json["RequestId"].is_string(), "{json}");
    let code = json["error"].as_str().or(json["ErrorCode"].as_str());
    (answer.status, code.unwrap().to_owned())
}

#[tokio::test]
async fn a_refresh_token_is_spent_once_and_by_its_own_client() {
    let emulator = emulator().await;
    for (site, client, other) in [("CN", CN, INTL), ("INTL", INTL, CN)] {
        let first = emulator.oauth_login(site).unwrap().refresh_token.unwrap();
        let answer = renew(&emulator, client, &first).await;
        assert_eq!((answer.status, answer.json()["expires_in"].as_i64()), (200, Some(3600)));
        assert_eq!(refused(&renew(&emulator, client, &first).await), (400, "invalid_grant".to_owned()));
        let second = answer.json()["refresh_token"].as_str().unwrap().to_owned();
        assert_eq!(renew(&emulator, client, &second).await.status, 200);
        let foreign = emulator.oauth_login(site).unwrap().refresh_token.unwrap();
        assert_eq!(refused(&renew(&emulator, other, &foreign).await), (400, "invalid_grant".to_owned()));
    }
    assert!(emulator.oauth_login("EU").is_none());
    assert_eq!(refused(&renew(&emulator, "1", "x").await), (401, "invalid_client".to_owned()));
    assert_eq!(refused(&renew(&emulator, CN, "").await), (400, "invalid_request".to_owned()));
    let answer = post(&emulator, "/v1/token", "application/json", "", "{}").await;
    assert_eq!(refused(&answer), (400, "invalid_request".to_owned()));
}

#[tokio::test]
async fn an_access_token_with_a_quarter_of_an_hour_left_is_exchanged_for_a_session_that_sts_knows() {
    let emulator = emulator().await;
    let token = emulator.oauth_login("CN").unwrap().access_token;
    let answer = exchange(&emulator, &token).await;
    let json = answer.json();
    let text = |name: &str| json[name].as_str().unwrap().to_owned();
    let key = Key(text("accessKeyId"), text("accessKeySecret"), Some(text("securityToken")));
    assert_eq!(text("expiration"), "2026-01-02T04:04:05Z");
    assert_eq!(Request::sts("GetCallerIdentity").key(key).send(&emulator).await.status, 200);
    emulator.advance_clock(Duration::from_secs(2700));
    assert_eq!(exchange(&emulator, &token).await.status, 200);
    emulator.advance_clock(Duration::from_secs(1));
    assert_eq!(refused(&exchange(&emulator, &token).await), (400, "invalid_token".to_owned()));
    emulator.advance_clock(Duration::from_secs(900));
    assert_eq!(refused(&exchange(&emulator, &token).await), (401, "expired_token".to_owned()));
    for token in ["", "x", &emulator.cloud_sso_login().access_token] {
        assert_eq!(refused(&exchange(&emulator, token).await), (401, "invalid_token".to_owned()));
    }
    let answer = post(&emulator, "/v1/exchange", "application/json", &token, "{}").await;
    assert_eq!(refused(&answer), (400, "invalid_request".to_owned()));
}

#[tokio::test]
async fn cloud_sso_gives_a_session_for_its_own_access_configuration_until_the_token_ends() {
    let emulator = emulator().await;
    let token = emulator.cloud_sso_login().access_token;
    let answer = cloud(&emulator, &token, "1234567890123456", "ac-emulator").await;
    assert!(answer.json()["CloudCredential"]["SecurityToken"].is_string());
    for (account, configuration) in [("1234567890123456", "ac-other"), ("1", "ac-emulator")] {
        let answer = cloud(&emulator, &token, account, configuration).await;
        assert_eq!(refused(&answer), (403, "AccessDenied".to_owned()));
    }
    let answer = post(&emulator, "/cloud-credentials", "application/json", &token, "").await;
    assert_eq!(refused(&answer), (400, "InvalidParameter".to_owned()));
    emulator.advance_clock(Duration::from_secs(28_800));
    let answer = cloud(&emulator, &token, "1234567890123456", "ac-emulator").await;
    assert_eq!(refused(&answer), (401, "AccessTokenExpired".to_owned()));
}

#[tokio::test]
async fn logins_can_be_revoked_and_their_services_can_fail() {
    let emulator = emulator().await;
    let login = emulator.oauth_login("CN").unwrap();
    emulator.fail_next("oauth/exchange", Fault::new(503, "ServiceUnavailable"));
    assert_eq!(exchange(&emulator, &login.access_token).await.status, 503);
    assert_eq!(exchange(&emulator, &login.access_token).await.status, 200);
    emulator
        .add_faults(r#"[{"route":"oauth/token","status":500},{"route":"cloudsso/credentials","status":429}]"#)
        .unwrap();
    let sso = emulator.cloud_sso_login().access_token;
    assert_eq!(renew(&emulator, CN, login.refresh_token.as_deref().unwrap()).await.status, 500);
    assert_eq!(cloud(&emulator, &sso, "1234567890123456", "ac-emulator").await.status, 429);
    emulator.revoke_logins();
    assert_eq!(exchange(&emulator, &login.access_token).await.status, 401);
    assert_eq!(renew(&emulator, CN, login.refresh_token.as_deref().unwrap()).await.status, 400);
    assert_eq!(cloud(&emulator, &sso, "1234567890123456", "ac-emulator").await.status, 401);
    assert_eq!(raw(&emulator, b"GET /v1/token HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").await.status, 405);
}
