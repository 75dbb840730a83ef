//! AssumeRoleWithSAML: what an assertion is worth, and every documented refusal.

use std::time::{Duration, UNIX_EPOCH};

use alibabacloud_emulator::account::{
    AssertionOptions, SAML_ISSUER, SAML_PROVIDER_ARN, SAML_RECIPIENT, saml_assertion,
};
use alibabacloud_emulator::{Emulator, Fault};

use crate::support::rpc::Rpc;
use crate::support::{NOW, Request, emulator, start};

fn options() -> AssertionOptions {
    AssertionOptions::default().issued_at(UNIX_EPOCH + NOW)
}

fn exchange() -> Rpc {
    exchange_with(&saml_assertion(&options()).unwrap())
}

fn exchange_of(options: AssertionOptions) -> Rpc {
    exchange_with(&saml_assertion(&options).unwrap())
}

fn exchange_with(assertion: &str) -> Rpc {
    Rpc::sts("AssumeRoleWithSAML")
        .unsigned()
        .with("Timestamp", "2026-01-02T03:04:05Z")
        .form("RoleArn", "acs:ram::1234567890123456:role/imm-role")
        .form("SAMLProviderArn", SAML_PROVIDER_ARN)
        .form("SAMLAssertion", assertion)
        .form("DurationSeconds", "900")
}

/// Changes a form parameter; takes it away, if `None`.
fn with_form(mut request: Rpc, name: &str, value: Option<&str>) -> Rpc {
    request.form.retain(|(other, _)| other != name);
    request.form.extend(value.map(|value| (name.to_owned(), value.to_owned())));
    request
}

#[tokio::test]
async fn an_assertion_is_worth_a_session_that_is_called_as_it_says() {
    let emulator = emulator().await;
    let answer = exchange_of(options().subject("subject-1").session_name("alice")).send(&emulator).await;
    let json = answer.json();
    assert_eq!(json["AssumedRoleUser"]["Arn"], "acs:ram::1234567890123456:role/imm-role/alice");
    assert_eq!(json["Credentials"]["Expiration"], "2026-01-02T03:19:05Z");
    assert_eq!(
        json["SAMLAssertionInfo"],
        serde_json::json!({
            "SubjectType": "persistent",
            "Subject": "subject-1",
            "Recipient": SAML_RECIPIENT,
            "Issuer": SAML_ISSUER,
        })
    );
    let key = answer.session();
    assert_eq!(Rpc::imm("ListProjects").key(key.clone()).send(&emulator).await.status, 200);
    assert_eq!(Request::assume("chained-role").key(key).send(&emulator).await.status, 200);
    assert_eq!(emulator.summary().sessions_granted, 2);
}

#[tokio::test]
async fn every_documented_refusal_can_be_had() {
    let emulator = emulator().await;
    let provider =
        |name: &str| with_form(exchange(), "SAMLProviderArn", Some(&SAML_PROVIDER_ARN.replace("emulator-idp", name)));
    let role = |arn: &str| with_form(exchange(), "RoleArn", Some(arn));
    let short = "acs:ram::1234567890123456:role/short-role";
    let (invalid, no_permission) = ("AuthenticationFail.SAMLAssertion.Invalid", "AuthenticationFail.NoPermission");
    for (request, status, code, message) in [
        (with_form(exchange(), "SAMLProviderArn", None), 400, "MissingParameter.SAMLProviderArn", "mandatory"),
        (with_form(exchange(), "SAMLAssertion", None), 400, "MissingParameter.SAMLAssertion", "mandatory"),
        (with_form(exchange(), "SAMLAssertion", Some("")), 400, "MissingParameter.SAMLAssertion", "mandatory"),
        (with_form(exchange(), "RoleArn", None), 400, "MissingParameter.RoleArn", "mandatory"),
        (provider("none"), 404, "EntityNotExist.SAMLProvider", "does not exist"),
        (provider("broken-metadata"), 401, "AuthenticationFail.IDPMetadata.Invalid", "metadata"),
        (exchange_with("not base64"), 401, invalid, "base64"),
        (exchange_with("bm90IHhtbA=="), 401, invalid, "unreadable"),
        (exchange_of(options().ttl(Duration::ZERO)), 401, "AuthenticationFail.SAMLAssertion.Expired", "expired"),
        (exchange_of(options().issued_at(UNIX_EPOCH + NOW + Duration::from_secs(1))), 401, invalid, "not valid yet"),
        (exchange_of(options().issuer("https://other")), 401, invalid, "issuer"),
        (exchange_of(options().audience("urn:other")), 401, invalid, "audience"),
        (exchange_of(options().recipient("https://other")), 401, invalid, "recipient"),
        (exchange_of(options().session_name("a")), 401, invalid, "RoleSessionName"),
        (exchange_of(options().session_name("a".repeat(33))), 401, invalid, "RoleSessionName"),
        (exchange_of(options().provider_arn("other")), 401, no_permission, "There is no permission"),
        (role(short), 401, no_permission, "There is no permission"),
        (
            with_form(exchange_of(options().role_arn(short)), "RoleArn", Some(short)),
            401,
            no_permission,
            "no permission",
        ),
        (role("acs:ram::1234567890123456:role/none"), 404, "EntityNotExist.Role", "The specified Role not exists ."),
        (role("imm-role"), 400, "InvalidParameter.RoleArn", "wrongly formed"),
        (with_form(exchange(), "DurationSeconds", Some("1")), 400, "InvalidParameter.DurationSeconds", "15min/12hr"),
        (with_form(exchange(), "Policy", Some("{")), 400, "InvalidParameter.PolicyGrammar", "grammar"),
        (exchange().with("Timestamp", "2026-01-02T04:04:05Z"), 400, "InvalidTimeStamp.Expired", "expired"),
    ] {
        let answer = request.send(&emulator).await;
        assert_eq!((answer.status, answer.code().as_str()), (status, code), "{}", answer.body);
        assert!(answer.message().contains(message), "{}", answer.message());
        assert!(!answer.body.contains("PHNhbWxw"), "the assertion is not echoed");
    }
    // Role and provider in either order.
    let swapped = options().role_arn(SAML_PROVIDER_ARN).provider_arn("acs:ram::1234567890123456:role/imm-role");
    assert_eq!(exchange_of(swapped).send(&emulator).await.status, 200);
}

#[tokio::test]
async fn limits_and_faults_are_those_of_every_operation() {
    let emulator = start(Emulator::builder().sts_rate(1)).await;
    assert_eq!(exchange().send(&emulator).await.status, 200);
    assert_eq!(exchange().code(&emulator).await, "Throttling.User");
    emulator.advance_clock(Duration::from_secs(1));
    emulator.fail_next("sts/AssumeRoleWithSAML", Fault::new(503, "ServiceUnavailable"));
    assert_eq!(exchange().send(&emulator).await.status, 503);
    assert_eq!(exchange().send(&emulator).await.status, 200);
    assert_eq!(emulator.calls().last().unwrap().action, "AssumeRoleWithSAML");
}
