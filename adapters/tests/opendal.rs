//! OpenDAL's OSS operator on the chain.

#![cfg(feature = "opendal")]
#![allow(clippy::unwrap_used)]

mod support;

use std::time::Duration;

use alibabacloud_credentials::RequestSigner;
use alibabacloud_credentials_adapters::oss_operator;
use opendal::services::OssConfig;
use opendal::{ErrorKind, HttpTransporter, OperationContext, Operator};
use opendal_http_transport_reqwest::ReqwestTransport;
use support::product::Product;
use support::{Cloud, holds_no_secret};

const DEAD: &str =
    "<Error><Code>SecurityTokenExpired</Code><Message>The security token you provided has expired.</Message></Error>";

fn operator(cloud: &Cloud, oss: &Product) -> Operator {
    let mut config = OssConfig::default();
    config.bucket = "media".to_owned();
    config.endpoint = Some(oss.endpoint.clone());
    config.addressing_style = Some("path".to_owned());
    // With OpenDAL's default features there is one for the whole process.
    let transport = HttpTransporter::new(ReqwestTransport::default());
    oss_operator(config, RequestSigner::oss4("cn-hangzhou", &cloud.chain))
        .unwrap()
        .with_context(OperationContext::new().with_http_transport(transport))
}

async fn world() -> (Cloud, Product, Operator) {
    let (cloud, oss) = (Cloud::start().await, Product::start().await);
    let operator = operator(&cloud, &oss);
    (cloud, oss, operator)
}

#[tokio::test]
async fn an_operator_lives_through_two_renewals() {
    let (cloud, oss, operator) = world().await;
    operator.write("films/a b+c.txt", "hello").await.unwrap();
    for _ in 0..2 {
        let old = cloud.refresher().credentials().await.unwrap();
        oss.seen();
        cloud.age();
        assert_eq!(operator.read("films/a b+c.txt").await.unwrap().to_vec(), b"hello");
        assert!(oss.seen().iter().all(|request| request.is_signed_by(&old, "media", "films/a b+c.txt")));
        cloud.renewed_since(old.generation()).await;
        let new = cloud.refresher().credentials().await.unwrap();
        assert_eq!(operator.read("films/a b+c.txt").await.unwrap().to_vec(), b"hello");
        let seen = oss.seen();
        assert!(!seen.is_empty() && seen.iter().all(|request| request.is_signed_by(&new, "media", "films/a b+c.txt")));
        assert_ne!(old.access_key_id(), new.access_key_id());
    }
    operator.delete("films/a b+c.txt").await.unwrap();
    assert_eq!(operator.read("films/a b+c.txt").await.unwrap_err().kind(), ErrorKind::NotFound);
    assert_eq!(cloud.count("AssumeRole", 200), 3);
}

#[tokio::test]
async fn sub_resources_and_parameters_are_signed_as_they_are_sent() {
    let (cloud, oss, operator) = world().await;
    let session = cloud.refresher().credentials().await.unwrap();
    // The stand-in keeps no lists; what matters is what it was asked.
    assert!(operator.list("films/").await.is_err());
    let mut writer = operator.writer_with("big").append(true).await.unwrap();
    let written = writer.write("x").await;
    assert!(written.is_err() || writer.close().await.is_err());
    let seen = oss.seen();
    assert!(seen[0].query.contains("list-type=2"), "{seen:?}");
    assert!(seen.iter().any(|request| request.query.contains("append")), "{seen:?}");
    for request in seen {
        // As the stand-in decodes nothing, only what needs no encoding is compared.
        if !request.query.contains('%') {
            let key = request.path.trim_start_matches("/media").trim_start_matches('/');
            assert!(request.is_signed_by(&session, "media", key), "{request:?}");
        }
    }
}

#[tokio::test]
async fn an_outage_of_sts_is_not_seen_while_the_session_lasts() {
    let (cloud, _oss, operator) = world().await;
    operator.write("a", "b").await.unwrap();
    cloud.break_sts();
    cloud.age();
    operator.read("a").await.unwrap();
    cloud.degraded().await;
    for _ in 0..10 {
        operator.read("a").await.unwrap();
    }
    assert_eq!(cloud.count("AssumeRole", 503), 1);
}

#[tokio::test]
async fn a_dead_session_is_replaced_and_the_request_sent_once_more() {
    let (cloud, oss, operator) = world().await;
    operator.write("a", "b").await.unwrap();
    oss.refuse_next(403, DEAD, None);
    operator.write("a", "with its body again").await.unwrap();
    assert_eq!(operator.read("a").await.unwrap().to_vec(), b"with its body again");
    // HEAD has no body to tell by, so OSS says it in a header, in Base64.
    oss.refuse_next(403, "", Some("PEVycm9yPjxDb2RlPlNlY3VyaXR5VG9rZW5FeHBpcmVkPC9Db2RlPjwvRXJyb3I+"));
    assert_eq!(operator.stat("a").await.unwrap().content_length(), 19);
    assert_eq!(cloud.count("AssumeRole", 200), 3);

    // One that is refused with every session is the caller's to see, whole.
    oss.refuse_next(403, DEAD, None);
    oss.refuse_next(403, DEAD, None);
    let error = operator.read("a").await.unwrap_err();
    assert!(error.to_string().contains("SecurityTokenExpired"), "{error}");
}

#[tokio::test]
async fn other_refusals_reach_the_caller_and_cost_no_session() {
    let (cloud, oss, operator) = world().await;
    oss.refuse_next(403, "<Error><Code>AccessDenied</Code><Message>no</Message></Error>", None);
    let error = operator.read("a").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::PermissionDenied);
    assert!(error.to_string().contains("AccessDenied"), "the body was looked at, and is still there: {error}");
    assert_eq!(cloud.count("AssumeRole", 200), 1);
}

#[tokio::test]
async fn presigned_urls_are_refused_rather_than_made_without_a_signature() {
    let (_cloud, oss, operator) = world().await;
    let error = operator.presign_read("a", Duration::from_secs(60)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported);
    assert!(!operator.info().capability().presign);
    assert!(oss.seen().is_empty());
}

#[tokio::test]
async fn errors_are_the_chains_own_words_and_debug_shows_nothing() {
    let (cloud, oss, operator) = world().await;
    cloud.emulator.fail_next("sts/AssumeRole", alibabacloud_emulator::Fault::new(403, "NoPermission"));
    let error = operator.read("a").await.unwrap_err();
    assert!(error.to_string().contains("NoPermission"), "{error}");
    assert!(oss.seen().is_empty(), "nothing was sent without a signature");
    let (cloud, _oss, operator) = world().await;
    operator.write("a", "b").await.unwrap();
    assert!(holds_no_secret(&format!("{operator:?}"), cloud.refresher()));
}
