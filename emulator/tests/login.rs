//! The services behind logins: refresh tokens that are spent once, sessions that STS knows, and refusals in the services' own form.

use std::time::Duration;

use alibabacloud_emulator::{Emulator, Fault, LoginDecision};
use serde_json::{Value, json};

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

/// The challenge and the verifier of RFC 7636, appendix B.
const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";
const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
const CALLBACK: &str = "http%3A%2F%2F127.0.0.1%3A12345%2Fcli%2Fcallback";
const FORM: &str = "application/x-www-form-urlencoded";

async fn get(emulator: &Emulator, path: &str, token: &str) -> Answer {
    let bearer = if token.is_empty() { String::new() } else { format!("Authorization: Bearer {token}\r\n") };
    let wire = format!("GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n{bearer}\r\n");
    raw(emulator, wire.as_bytes()).await
}

async fn page(emulator: &Emulator, client: &str, change: impl Fn(String) -> String) -> Answer {
    let path = format!(
        "/oauth2/v1/auth?response_type=code&client_id={client}&redirect_uri={CALLBACK}&state=s-1\
         &code_challenge={CHALLENGE}&code_challenge_method=S256"
    );
    get(emulator, &change(path), "").await
}

/// The code in the address that the browser is sent to.
async fn code(emulator: &Emulator, client: &str) -> String {
    let answer = page(emulator, client, |path| path).await;
    let location = answer.header("location").to_owned();
    assert_eq!(answer.status, 302);
    let query = location.strip_prefix("http://127.0.0.1:12345/cli/callback?code=").unwrap();
    query.strip_suffix("&state=s-1").unwrap().to_owned()
}

fn redeemed(client: &str, code: &str) -> String {
    format!(
        "grant_type=authorization_code&code={code}&client_id={client}&redirect_uri={CALLBACK}&code_verifier={VERIFIER}"
    )
}

#[tokio::test]
async fn a_code_is_redeemed_once_by_its_client_its_verifier_and_its_address() {
    let emulator = emulator().await;
    for (client, other) in [(CN, INTL), (INTL, CN)] {
        let body = redeemed(client, &code(&emulator, client).await);
        let answer = post(&emulator, "/v1/token", FORM, "", &body).await;
        let tokens = answer.json();
        assert_eq!((answer.status, tokens["token_type"].as_str()), (200, Some("Bearer")));
        assert_eq!(exchange(&emulator, tokens["access_token"].as_str().unwrap()).await.status, 200);
        assert_eq!(renew(&emulator, client, tokens["refresh_token"].as_str().unwrap()).await.status, 200);
        let again = post(&emulator, "/v1/token", FORM, "", &body).await;
        assert_eq!(refused(&again), (400, "invalid_grant".to_owned()));
        let wrong: [(&str, &str); 3] = [("dBjftJeZ", "eBjftJeZ"), ("12345", "12346"), (client, other)];
        for (what, by) in wrong {
            let body = redeemed(client, &code(&emulator, client).await);
            let answer = post(&emulator, "/v1/token", FORM, "", &body.replace(what, by)).await;
            assert_eq!(refused(&answer), (400, "invalid_grant".to_owned()), "{by}");
            let answer = post(&emulator, "/v1/token", FORM, "", &body).await;
            assert_eq!(refused(&answer), (400, "invalid_grant".to_owned()), "a try spends it");
        }
    }
    let late = redeemed(CN, &code(&emulator, CN).await);
    emulator.advance_clock(Duration::from_secs(300));
    assert_eq!(refused(&post(&emulator, "/v1/token", FORM, "", &late).await), (400, "invalid_grant".to_owned()));
    let without = late.replace("code_verifier", "x");
    assert_eq!(refused(&post(&emulator, "/v1/token", FORM, "", &without).await), (400, "invalid_request".to_owned()));
}

#[tokio::test]
async fn the_page_sends_a_browser_nowhere_but_to_a_registered_address() {
    let emulator = emulator().await;
    for (what, by) in [
        (CN, "1"),
        ("12345", "12350"),
        ("127.0.0.1", "localhost"),
        ("callback", "callbacks"),
        ("=code&", "=token&"),
        ("S256", "plain"),
        (CHALLENGE, VERIFIER.get(1..).unwrap()),
        ("state=s-1", "state="),
        ("state=s-1", "state=a%0d%0ab"),
    ] {
        let answer = page(&emulator, CN, |path| path.replace(what, by)).await;
        assert_eq!((answer.status, answer.header("location")), (400, ""), "{by}");
    }
    emulator.decide_logins(LoginDecision::Deny);
    let answer = page(&emulator, CN, |path| path).await;
    let location = answer.header("location");
    assert_eq!(location, "http://127.0.0.1:12345/cli/callback?error=access_denied&state=s-1");
    emulator.decide_logins(LoginDecision::Leave);
    assert_eq!(page(&emulator, CN, |path| path).await.status, 200);
    emulator.fail_next("oauth/authorize", Fault::new(503, "ServiceUnavailable"));
    assert_eq!(page(&emulator, CN, |path| path).await.status, 503);
}

const DEVICE_CLIENT: &str = "app-vaz16tltdxs96audqf35";

async fn begin(emulator: &Emulator, change: impl Fn(&mut Value)) -> Answer {
    let mut body = json!({
        "PortalUrl": "https://signin-xx.example/tenant/login", "CodeChallenge": CHALLENGE, "ClientId": DEVICE_CLIENT,
        "CodeChallengeMethod": "S256",
    });
    change(&mut body);
    post(emulator, "/device-authorization", "application/json", "", &body.to_string()).await
}

async fn poll(emulator: &Emulator, begun: &Value, change: impl Fn(&mut Value)) -> Answer {
    let mut body = json!({
        "CodeVerifier": VERIFIER, "ClientId": DEVICE_CLIENT, "DeviceCode": begun["DeviceCode"],
        "GrantType": "urn:ietf:params:oauth:grant-type:device_code",
    });
    change(&mut body);
    post(emulator, "/token", "application/json", "", &body.to_string()).await
}

async fn open(emulator: &Emulator, begun: &Value) -> u16 {
    let path = begun["VerificationUriComplete"].as_str().unwrap().split_once("//").unwrap().1;
    get(emulator, &path[path.find('/').unwrap()..], "").await.status
}

#[tokio::test]
async fn a_device_waits_for_its_person_polls_no_faster_than_told_and_gets_one_token() {
    let emulator = emulator().await;
    let interval = || emulator.advance_clock(Duration::from_secs(5));
    let begun = begin(&emulator, |_| {}).await.json();
    assert_eq!(begun["Interval"], 5);
    let code = |answer: Answer| refused(&answer).1;
    assert_eq!(code(poll(&emulator, &begun, |_| {}).await), "AuthorizationPending");
    assert_eq!(code(poll(&emulator, &begun, |_| {}).await), "SlowDown");
    interval();
    assert_eq!(open(&emulator, &begun).await, 200);
    assert_eq!(code(poll(&emulator, &begun, |body| body["CodeVerifier"] = json!("x")).await), "InvalidGrant");
    let token = poll(&emulator, &begun, |_| {}).await.json();
    assert_eq!(token["ExpiresIn"], 28_800);
    assert_eq!(code(poll(&emulator, &begun, |_| {}).await), "InvalidGrant");
    let token = token["AccessToken"].as_str().unwrap();
    assert_eq!(cloud(&emulator, token, "1234567890123456", "ac-emulator").await.status, 200);
    // Refused, and forgotten.
    emulator.decide_logins(LoginDecision::Deny);
    let begun = begin(&emulator, |_| {}).await.json();
    open(&emulator, &begun).await;
    assert_eq!(code(poll(&emulator, &begun, |_| {}).await), "AccessDenied");
    emulator.advance_clock(Duration::from_secs(600));
    assert_eq!(code(poll(&emulator, &begun, |_| {}).await), "ExpiredToken");
    assert_eq!(open(&emulator, &begun).await, 404);
}

#[tokio::test]
async fn a_device_has_to_be_the_clients_with_a_challenge() {
    let emulator = emulator().await;
    for (member, value) in [
        ("ClientId", json!("app-1")),
        ("CodeChallenge", json!("short")),
        ("CodeChallengeMethod", json!("plain")),
        ("PortalUrl", json!("ftp://x")),
        ("More", json!("x")),
    ] {
        assert_eq!(begin(&emulator, |body| body[member] = value.clone()).await.status, 400, "{member}");
    }
    let begun = begin(&emulator, |_| {}).await.json();
    for (member, value) in [("ClientId", json!("app-1")), ("GrantType", json!("x")), ("DeviceCode", json!("x"))] {
        assert_eq!(poll(&emulator, &begun, |body| body[member] = value.clone()).await.status, 400, "{member}");
    }
}

#[tokio::test]
async fn a_user_sees_accounts_and_access_configurations_page_by_page() {
    let emulator = emulator().await;
    let token = emulator.cloud_sso_login().access_token;
    let first = get(&emulator, "/access-assignments/accounts?MaxResults=1", &token).await.json();
    assert_eq!((&first["IsTruncated"], &first["Accounts"][0]["AccountId"]), (&json!(true), &json!("1234567890123456")));
    let next = format!("/access-assignments/accounts?MaxResults=1&NextToken={}", first["NextToken"].as_str().unwrap());
    let second = get(&emulator, &next, &token).await.json();
    assert_eq!((&second["IsTruncated"], second.get("NextToken")), (&json!(false), None));
    let list = "/access-assignments/access-configurations?AccountId=1234567890123456";
    let configurations = get(&emulator, list, &token).await.json();
    let first = &configurations["AccessConfigurationsForAccount"][0];
    assert_eq!(first["AccessConfigurationId"], "ac-emulator");
    for (path, token, status) in [
        (list, "x", 401),
        (list, "", 401),
        ("/access-assignments/access-configurations?AccountId=1", token.as_str(), 403),
        ("/access-assignments/accounts?MaxResults=101", token.as_str(), 400),
        ("/access-assignments/accounts?NextToken=9", token.as_str(), 400),
    ] {
        assert_eq!(get(&emulator, path, token).await.status, status, "{path}");
    }
}
