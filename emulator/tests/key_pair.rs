//! GenerateSessionAccessKey: signed with the account's key pair, and with nothing else.

use std::time::Duration;

use alibabacloud_emulator::account::{KEY_PAIR_ID, RAM_USER, key_pair_pem};
use alibabacloud_emulator::{Emulator, Fault};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ring::rand::SystemRandom;
use ring::signature::{RSA_PKCS1_SHA256, RsaKeyPair};

use crate::support::rpc::Rpc;
use crate::support::{Answer, Key, emulator, raw, start};

/// As Go sends it: everything in the query of a GET.
fn generate() -> Rpc {
    Rpc::sts("GenerateSessionAccessKey")
        .get()
        .key(Key(KEY_PAIR_ID.into(), String::new(), None))
        .with("SignatureMethod", "SHA256withRSA")
        .with("SignatureType", "PRIVATEKEY")
        .with("DurationSeconds", "900")
        .by_key_pair(sign)
}

/// By the key that the account publishes as PEM.
fn sign(text: &str) -> String {
    let pem = key_pair_pem();
    let body: String = pem.lines().filter(|line| !line.starts_with("-----")).collect();
    let key = RsaKeyPair::from_der(&STANDARD.decode(body).unwrap()).unwrap();
    let mut signature = vec![0; key.public().modulus_len()];
    key.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), text.as_bytes(), &mut signature).unwrap();
    STANDARD.encode(signature)
}

fn session_key(answer: &Answer) -> Key {
    let json = answer.json();
    let member = |name: &str| json["SessionAccessKey"][name].as_str().unwrap().to_owned();
    Key(member("SessionAccessKeyId"), member("SessionAccessKeySecret"), None)
}

#[tokio::test]
async fn a_key_pair_is_worth_a_session_key_of_its_owner() {
    let emulator = emulator().await;
    let answer = generate().send(&emulator).await;
    let json = answer.json();
    assert_eq!(json["SessionAccessKey"]["Expiration"], "2026-01-02T03:19:05Z");
    assert!(json["RequestId"].is_string() && json["SessionAccessKey"].as_object().unwrap().len() == 3);
    let key = session_key(&answer);
    let who = Rpc::sts("GetCallerIdentity").key(key.clone()).send(&emulator).await.json();
    assert_eq!(who["Arn"], "acs:ram::1234567890123456:user/imm-dev");
    assert_eq!(Rpc::imm("ListProjects").key(key.clone()).send(&emulator).await.status, 200);
    let with_token = Key(key.0.clone(), key.1.clone(), Some("CAIS".into()));
    assert_eq!(
        Rpc::imm("ListProjects").key(with_token).code(&emulator).await,
        "InvalidSecurityToken.MismatchWithAccessKey"
    );
    emulator.advance_clock(Duration::from_secs(900));
    assert_eq!(Rpc::imm("ListProjects").key(key).code(&emulator).await, "InvalidAccessKeyId.NotFound");
    // The parameters in a form.
    let mut posted = generate();
    posted.method = "POST";
    posted.query.retain(|(name, _)| name != "DurationSeconds");
    assert_eq!(posted.form("DurationSeconds", "3600").send(&emulator).await.status, 200);
    assert_eq!(emulator.summary().sessions_granted, 2);
}

#[tokio::test]
async fn a_signature_by_anything_else_is_refused() {
    let emulator = emulator().await;
    let by_secret = Rpc::sts("GenerateSessionAccessKey").key(RAM_USER);
    let pem_as_secret = generate().by_key_pair(|_| STANDARD.encode("a signature by HMAC with the PEM text"));
    for (request, code) in [
        // What Java and Python send, and a signature with an AccessKey secret.
        (generate().with("SignatureMethod", "HMAC-SHA1"), "InvalidSignatureMethod"),
        (generate().with("SignatureType", ""), "InvalidSignatureMethod"),
        (by_secret, "InvalidSignatureMethod"),
        (pem_as_secret, "SignatureDoesNotMatch"),
        (generate().by_key_pair(|_| "?".to_owned()), "SignatureDoesNotMatch"),
        (generate().tamper("Extra", "x"), "SignatureDoesNotMatch"),
        (generate().key(Key("other".into(), String::new(), None)), "InvalidAccessKeyId.NotFound"),
        (generate().without("SignatureNonce"), "MissingSignatureNonce"),
        (generate().with("Timestamp", "2026-01-02T04:04:05Z"), "InvalidTimeStamp.Expired"),
        (generate().with("DurationSeconds", "899"), "InvalidParameter.DurationSeconds"),
        (generate().with("DurationSeconds", "3601"), "InvalidParameter.DurationSeconds"),
    ] {
        assert_eq!(request.code(&emulator).await, code, "{:?}", request.query);
    }
    // A key pair signs nothing but this.
    let other = generate().with("Action", "GetCallerIdentity");
    assert_eq!(other.code(&emulator).await, "InvalidSignatureMethod");
    let twice = generate().with("SignatureNonce", "once").with("Timestamp", "2026-01-02T03:04:05Z").bytes(&emulator);
    assert_eq!(raw(&emulator, &twice).await.status, 200);
    assert_eq!(raw(&emulator, &twice).await.code(), "SignatureNonceUsed");
}

#[tokio::test]
async fn only_the_site_of_japan_knows_key_pairs() {
    let emulator = emulator().await;
    for (host, status) in [
        ("sts.ap-northeast-1.aliyuncs.com", 200),
        ("sts-vpc.ap-northeast-1.aliyuncs.com", 200),
        ("sts.aliyuncs.com", 404),
        ("sts.cn-hangzhou.aliyuncs.com", 404),
    ] {
        let wire = String::from_utf8(generate().bytes(&emulator)).unwrap();
        let wire = wire.replacen(&emulator.http_addr().to_string(), host, 1);
        assert_eq!(raw(&emulator, wire.as_bytes()).await.status, status, "{host}");
    }
}

#[tokio::test]
async fn limits_and_faults_are_those_of_every_operation() {
    let emulator = start(Emulator::builder().sts_rate(1).session_seconds(5)).await;
    let json = generate().send(&emulator).await.json();
    assert_eq!(json["SessionAccessKey"]["Expiration"], "2026-01-02T03:04:10Z");
    assert_eq!(generate().code(&emulator).await, "Throttling.User");
    emulator.advance_clock(Duration::from_secs(1));
    emulator.fail_next("sts/GenerateSessionAccessKey", Fault::new(503, "ServiceUnavailable"));
    assert_eq!(generate().send(&emulator).await.status, 503);
}
