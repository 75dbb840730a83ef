//! AssumeRoleWithOIDC: how the official clients send it, what it answers, and every documented refusal.

// Tests stop at the first thing that is not as expected.

use std::time::{Duration, UNIX_EPOCH};

use alibabacloud_emulator::Emulator;
use alibabacloud_emulator::account::{OIDC_ISSUER, OIDC_PROVIDER_ARN, TokenOptions, oidc_token};

use crate::support::rpc::Rpc;
use crate::support::{NOW, Request, emulator, raw, start};

fn token(options: TokenOptions) -> String {
    oidc_token(&options).unwrap()
}

fn options() -> TokenOptions {
    TokenOptions::default().issued_at(UNIX_EPOCH + NOW)
}

/// As Node and Go send it: system parameters in the query, the rest in the form.
fn exchange() -> Rpc {
    exchange_with(&token(options()))
}

fn exchange_with(token: &str) -> Rpc {
    Rpc::sts("AssumeRoleWithOIDC")
        .unsigned()
        .with("Timestamp", "2026-01-02T03:04:05Z")
        .form("RoleArn", "acs:ram::1234567890123456:role/imm-role")
        .form("OIDCProviderArn", OIDC_PROVIDER_ARN)
        .form("OIDCToken", token)
        .form("RoleSessionName", "pod")
        .form("DurationSeconds", "900")
}

/// Changes a form parameter; takes it away, if `None`.
fn with_form(mut request: Rpc, name: &str, value: Option<&str>) -> Rpc {
    request.form.retain(|(other, _)| other != name);
    request.form.extend(value.map(|value| (name.to_owned(), value.to_owned())));
    request
}

#[tokio::test]
async fn a_pods_token_is_worth_a_session() {
    let emulator = emulator().await;
    let answer = exchange().send(&emulator).await;
    let json = answer.json();
    assert_eq!(json["AssumedRoleUser"]["Arn"], "acs:ram::1234567890123456:role/imm-role/pod");
    assert_eq!(json["Credentials"]["Expiration"], "2026-01-02T03:19:05Z");
    assert_eq!(
        json["OIDCTokenInfo"],
        serde_json::json!({
            "Subject": "system:serviceaccount:default:app",
            "Issuer": OIDC_ISSUER,
            "ClientIds": "sts.aliyuncs.com",
            "IssuanceTime": "2026-01-02T03:04:05Z",
            "ExpirationTime": "2026-01-02T04:04:05Z",
            "VerificationInfo": "Success",
        })
    );
    let key = answer.session();
    assert_eq!(Rpc::imm("ListProjects").key(key.clone()).send(&emulator).await.status, 200);
    assert_eq!(Request::assume("chained-role").key(key).send(&emulator).await.status, 200);
    assert_eq!(emulator.summary().sessions_granted, 2);
}

#[tokio::test]
async fn every_way_in_which_official_clients_send_it_is_understood() {
    let emulator = emulator().await;
    // Python credentials: GET, everything in the query.
    let mut request = exchange().get();
    request.query.append(&mut request.form);
    assert_eq!(request.send(&emulator).await.status, 200);
    // Java: a nonce and a method without a signature.
    let request =
        exchange().with("SignatureNonce", "n").with("SignatureMethod", "HMAC-SHA1").with("SignatureVersion", "1.0");
    assert_eq!(request.send(&emulator).await.status, 200);
    assert_eq!(request.send(&emulator).await.status, 200);
    // The STS SDKs: the action in headers too.
    let wire = String::from_utf8(exchange().bytes(&emulator)).unwrap();
    let headers = "\r\nx-acs-action: AssumeRoleWithOIDC\r\nx-acs-version: 2015-04-01\r\ncontent-length";
    assert_eq!(raw(&emulator, wire.replacen("\r\ncontent-length", headers, 1).as_bytes()).await.status, 200);
    // Version 3 style: the action in headers only.
    let wire = wire.replacen("\r\ncontent-length", headers, 1);
    let wire = wire.replacen("Version=2015-04-01&Action=AssumeRoleWithOIDC&", "", 1);
    assert_eq!(raw(&emulator, wire.as_bytes()).await.status, 200);
    assert!(emulator.calls().iter().all(|call| call.action == "AssumeRoleWithOIDC" && call.product == "sts"));
    // Without a timestamp; one that is given must be right.
    let mut request = exchange();
    request.query.retain(|(name, _)| name != "Timestamp");
    assert_eq!(request.send(&emulator).await.status, 200);
    assert_eq!(exchange().with("Timestamp", "x").code(&emulator).await, "InvalidTimeStamp.Format");
    assert_eq!(exchange().with("Timestamp", "2026-01-02T04:04:05Z").code(&emulator).await, "InvalidTimeStamp.Expired");
}

#[tokio::test]
async fn every_documented_refusal_can_be_had() {
    let emulator = emulator().await;
    let provider = |name: &str| {
        let arn = OIDC_PROVIDER_ARN.replace("ack-rrsa-test", name);
        with_form(exchange(), "OIDCProviderArn", Some(&arn))
    };
    let role = |arn: &str| with_form(exchange(), "RoleArn", Some(arn));
    let good = token(options());
    let (claims, signature) = good.rsplit_once('.').unwrap();
    let other_signature = token(options().subject("other"));
    let forged = format!("{claims}.{}", other_signature.rsplit_once('.').unwrap().1);
    assert_ne!(other_signature.rsplit_once('.').unwrap().1, signature);
    for (request, status, code, message) in [
        (with_form(exchange(), "OIDCProviderArn", None), 400, "MissingOIDCProviderArn", "mandatory"),
        (with_form(exchange(), "OIDCToken", None), 400, "MissingOIDCToken", "mandatory"),
        (with_form(exchange(), "RoleArn", None), 400, "MissingRoleArn", "mandatory"),
        (with_form(exchange(), "RoleSessionName", None), 400, "MissingRoleSessionName", "mandatory"),
        (provider("none"), 401, "AuthenticationFail.NoPermission", "No such OIDC Provider registered."),
        (exchange_with(""), 401, "AuthenticationFail.OIDCToken.Invalid", "empty"),
        (exchange_with("not a token"), 401, "AuthenticationFail.OIDCToken.Invalid", "divided into 3 parts"),
        (exchange_with("?.?.?"), 401, "AuthenticationFail.OIDCToken.Invalid", "base64"),
        (exchange_with(&forged), 401, "AuthenticationFail.OIDCToken.InvalidSignature", "invalid signature"),
        (exchange_with(&token(options().ttl(Duration::ZERO))), 401, "AuthenticationFail.OIDCToken.Expired", "expired"),
        (
            exchange_with(&token(options().issued_at(UNIX_EPOCH + NOW + Duration::from_secs(1)))),
            401,
            "AuthenticationFail.OIDCToken.Invalid",
            "not valid yet",
        ),
        (
            exchange_with(&token(options().audience("other"))),
            401,
            "AuthenticationFail.OIDCToken.AudienceNotMatch",
            "Invalid audience.",
        ),
        (
            exchange_with(&token(options().issuer("https://other"))),
            401,
            "AuthenticationFail.OIDCToken.IssuerNotMatch",
            "doesn't match the OIDC Provider registered",
        ),
        (provider("broken-issuer"), 401, "AuthenticationFail.OIDCToken.IssuerConfigurationBroken", OIDC_ISSUER),
        (provider("wrong-fingerprint"), 401, "AuthenticationFail.OIDCToken.PublicKeyFingerprintMismatch", OIDC_ISSUER),
        (provider("plain-http-issuer"), 401, "AuthenticationFail.OIDCToken.HttpsUrlInvalid", OIDC_ISSUER),
        (
            exchange_with(&token(options().subject("system:serviceaccount:default:other"))),
            401,
            "AuthenticationFail.NoPermission",
            "There is no permission",
        ),
        (
            role("acs:ram::1234567890123456:role/short-role"),
            401,
            "AuthenticationFail.NoPermission",
            "There is no permission",
        ),
        (
            role("acs:ram::1234567890123456:role/none"),
            404,
            "EntityNotExist.Role",
            "The role not exists: acs:ram::1234567890123456:role/none",
        ),
        (role("imm-role"), 400, "InvalidParameter.RoleArn", "wrongly formed"),
        (with_form(exchange(), "DurationSeconds", Some("1")), 400, "InvalidParameter.DurationSeconds", "15min/12hr"),
        (with_form(exchange(), "Policy", Some("{")), 400, "InvalidParameter.PolicyGrammar", "grammar"),
    ] {
        let answer = request.send(&emulator).await;
        assert_eq!((answer.status, answer.code().as_str()), (status, code), "{}", answer.body);
        assert!(answer.message().contains(message), "{}", answer.message());
    }
}

#[tokio::test]
async fn the_flow_limit_counts_calls_in_each_second_of_the_clock() {
    let emulator = start(Emulator::builder().sts_rate(2)).await;
    assert_eq!(exchange().send(&emulator).await.status, 200);
    assert_eq!(Rpc::sts("GetCallerIdentity").send(&emulator).await.status, 200);
    // What is not proven to be the account's does not use up its calls, and IMM has no such limit.
    assert_eq!(Rpc::sts("GetCallerIdentity").unsigned().code(&emulator).await, "MissingAccessKeyId");
    assert_eq!(Rpc::imm("ListProjects").send(&emulator).await.status, 200);
    emulator.advance_clock(Duration::from_millis(250));
    let answer = Rpc::sts("GetCallerIdentity").send(&emulator).await;
    assert_eq!((answer.status, answer.code().as_str()), (429, "Throttling.User"));
    assert_eq!(answer.message(), "Request was denied due to user flow control.");
    assert_eq!(answer.header("x-acs-retry-after"), "750");
    emulator.advance_clock(Duration::from_millis(750));
    assert_eq!(Rpc::sts("GetCallerIdentity").send(&emulator).await.status, 200);
}
