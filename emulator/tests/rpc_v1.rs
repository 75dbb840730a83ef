//! Signature version 1: where its parameters may stand, what it must cover, and the order of its refusals.

use std::time::Duration;

use alibabacloud_emulator::account::{DISABLED, READER};

use crate::support::rpc::Rpc;
use crate::support::{Key, Request, emulator, raw};

fn assume() -> Rpc {
    Rpc::sts("AssumeRole").with("RoleArn", "acs:ram::1234567890123456:role/imm-role").with("RoleSessionName", "app")
}

#[tokio::test]
async fn both_products_take_it_by_get_and_post_in_query_and_form() {
    let emulator = emulator().await;
    let key = assume().get().send(&emulator).await.session();
    let form = Rpc::sts("AssumeRole")
        .form("RoleArn", "acs:ram::1234567890123456:role/imm-role")
        .form("RoleSessionName", "node")
        .form("Policy", r#"{"Version": "1", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]}"#);
    assert_eq!(form.send(&emulator).await.status, 200);
    let mut all_in_form = form.clone();
    all_in_form.form.append(&mut all_in_form.query);
    assert_eq!(all_in_form.send(&emulator).await.status, 200);

    let create = Rpc::imm("CreateProject").with("ProjectName", "p").form("Description", "描述 a+b*~'()!");
    assert_eq!(create.send(&emulator).await.json()["Project"]["Description"], "描述 a+b*~'()!");
    let get = Rpc::imm("GetProject").get().with("ProjectName", "p").key(key.clone());
    assert_eq!(get.send(&emulator).await.status, 200);

    let calls = emulator.calls();
    assert_eq!(
        (calls[0].product, calls[0].action.as_str(), calls[0].version.as_str()),
        ("sts", "AssumeRole", "2015-04-01")
    );
    assert_eq!(calls[2].action, "AssumeRole");
    assert_eq!(calls[4].access_key_id.as_deref(), Some(key.0.as_str()));
    assert_eq!(calls[4].session.as_deref(), Some("app"));
    let summary = emulator.summary();
    assert_eq!((summary.sts.accepted, summary.imm.accepted, summary.sessions_granted), (3, 2, 3));
}

#[tokio::test]
async fn what_official_clients_write_is_understood() {
    let emulator = emulator().await;
    // aliyun-python-sdk-core sends an empty SignatureType, and signs it; Format has been seen in both cases.
    let request = Rpc::sts("GetCallerIdentity").with("SignatureType", "").with("Format", "json").with("RegionId", "x");
    assert_eq!(request.send(&emulator).await.status, 200);
    // A space is `+` or `%20` on the wire, but always %20 in what is signed.
    let request = Rpc::imm("CreateProject").with("ProjectName", "p").with("Description", "a b");
    let wire = String::from_utf8(request.bytes(&emulator)).unwrap().replace("a%20b", "a+b");
    assert_eq!(raw(&emulator, wire.as_bytes()).await.status, 200);
    let mut request = Rpc::imm("UpdateProject").with("ProjectName", "p").with("Description", "a b");
    request.form_quoted = true;
    let answer = request.send(&emulator).await;
    assert_eq!((answer.status, answer.code().as_str()), (400, "SignatureDoesNotMatch"));
    // Without a space, that client's signature is the same as anyone's.
    let mut request = Rpc::imm("UpdateProject").with("ProjectName", "p").with("Description", "a+b");
    request.form_quoted = true;
    assert_eq!(request.send(&emulator).await.status, 200);
}

#[tokio::test]
async fn refusals_come_in_the_documented_order() {
    let emulator = emulator().await;
    let wrong_secret = Key("emulator-ram-user".into(), "wrong".into(), None);
    let base = || Rpc::sts("GetCallerIdentity");
    for (request, status, code) in [
        (base().with("Action", "Nothing").unsigned(), 404, "InvalidAction.NotFound"),
        (base().with("Version", "2000-01-01").unsigned(), 400, "InvalidVersion"),
        (base().with("Version", "").unsigned(), 400, "MissingVersion"),
        (base().with("Action", "").unsigned(), 400, "MissingAction"),
        (base().unsigned(), 400, "MissingAccessKeyId"),
        (base().without("Signature"), 400, "IncompleteSignature"),
        (base().without("SignatureMethod"), 400, "MissingSignatureMethod"),
        (base().without("SignatureVersion"), 400, "MissingSignatureVersion"),
        (base().without("SignatureNonce"), 400, "MissingSignatureNonce"),
        (base().without("Timestamp").with("SignatureMethod", "x"), 400, "MissingTimestamp"),
        (base().with("SignatureMethod", "HMAC-SHA256").with("Timestamp", "x"), 400, "InvalidSignatureMethod"),
        (base().with("SignatureType", "BEARERTOKEN"), 400, "InvalidSignatureMethod"),
        (base().with("SignatureVersion", "2.0"), 400, "InvalidSignatureVersion"),
        (base().with("Timestamp", "yesterday").with("AccessKeyId", "nobody"), 400, "InvalidTimeStamp.Format"),
        (
            base().with("Timestamp", "2026-01-02T02:49:04Z").with("AccessKeyId", "nobody"),
            400,
            "InvalidTimeStamp.Expired",
        ),
        (base().with("AccessKeyId", "nobody"), 404, "InvalidAccessKeyId.NotFound"),
        (base().key(DISABLED), 400, "InvalidAccessKeyId.Inactive"),
        (base().with("SecurityToken", "x"), 400, "InvalidSecurityToken.MismatchWithAccessKey"),
        (base().key(wrong_secret).with("RoleArn", "x"), 400, "SignatureDoesNotMatch"),
        (base().tamper("Extra", "1"), 400, "SignatureDoesNotMatch"),
        (base().with("Same", "1").form("Same", "2"), 400, "InvalidParameter"),
    ] {
        let answer = request.send(&emulator).await;
        assert_eq!((answer.status, answer.code().as_str()), (status, code));
    }
}

#[tokio::test]
async fn sessions_bring_their_token() {
    let emulator = emulator().await;
    let key = assume().send(&emulator).await.session();
    let with =
        |token: Option<&str>| Rpc::imm("ListProjects").key(Key(key.0.clone(), key.1.clone(), token.map(str::to_owned)));
    assert_eq!(with(key.2.as_deref()).send(&emulator).await.status, 200);
    assert_eq!(with(None).code(&emulator).await, "MissingSecurityToken");
    assert_eq!(with(Some("CAISx")).code(&emulator).await, "InvalidSecurityToken.Malformed");
    let other = assume().send(&emulator).await.session();
    assert_eq!(with(other.2.as_deref()).code(&emulator).await, "InvalidSecurityToken.MismatchWithAccessKey");
    emulator.advance_clock(Duration::from_secs(3_600));
    assert_eq!(with(key.2.as_deref()).code(&emulator).await, "InvalidSecurityToken.Expired");
}

#[tokio::test]
async fn a_mismatch_echoes_the_string_to_sign() {
    let emulator = emulator().await;
    let request = Rpc::sts("GetCallerIdentity")
        .with("Timestamp", "2026-01-02T03:04:05Z")
        .with("SignatureNonce", "n")
        .with("A b", "x y")
        .key(Key("emulator-ram-user".into(), "wrong".into(), None));
    assert_eq!(
        request.send(&emulator).await.message(),
        "Specified signature is not matched with our calculation. server string to sign is:\
         POST&%2F&A%2520b%3Dx%2520y%26AccessKeyId%3Demulator-ram-user%26Action%3DGetCallerIdentity%26Format%3DJSON\
         %26SignatureMethod%3DHMAC-SHA1%26SignatureNonce%3Dn%26SignatureVersion%3D1.0\
         %26Timestamp%3D2026-01-02T03%253A04%253A05Z%26Version%3D2015-04-01"
    );
}

#[tokio::test]
async fn a_nonce_serves_once_per_key_whatever_the_version_of_the_signature() {
    let emulator = emulator().await;
    let request = || Rpc::sts("GetCallerIdentity").with("SignatureNonce", "once");
    assert_eq!(
        request().key(Key(READER.id.into(), "wrong".into(), None)).code(&emulator).await,
        "SignatureDoesNotMatch"
    );
    assert_eq!(request().key(READER).send(&emulator).await.status, 200);
    assert_eq!(request().key(READER).code(&emulator).await, "SignatureNonceUsed");
    let version_3 = Request::sts("GetCallerIdentity").header("x-acs-signature-nonce", "once").key(READER);
    assert_eq!(version_3.code(&emulator).await, "SignatureNonceUsed");
    assert_eq!(request().send(&emulator).await.status, 200);
}

#[tokio::test]
async fn headers_say_nothing_in_a_call_whose_signature_does_not_cover_them() {
    let emulator = emulator().await;
    let wire = String::from_utf8(Rpc::sts("GetCallerIdentity").bytes(&emulator)).unwrap();
    let headers =
        "\r\nx-acs-action: AssumeRole\r\nx-acs-version: 2020-09-30\r\nx-acs-security-token: x\r\ncontent-length";
    let answer = raw(&emulator, wire.replacen("\r\ncontent-length", headers, 1).as_bytes()).await;
    assert_eq!(answer.json()["IdentityType"], "RAMUser", "{}", answer.body);
}

#[tokio::test]
async fn errors_are_xml_when_format_says_so() {
    let emulator = emulator().await;
    let answer = Rpc::sts("GetCallerIdentity").with("Format", "xml").unsigned().send(&emulator).await;
    assert!(answer.body.contains("<Code>MissingAccessKeyId</Code>"), "{}", answer.body);
    let mut request = Rpc::sts("Nothing").unsigned();
    request.query.retain(|(name, _)| name != "Format");
    let answer = request.form("Format", "XML").send(&emulator).await;
    assert!(answer.body.contains("<Code>InvalidAction.NotFound</Code>"), "{}", answer.body);
}
