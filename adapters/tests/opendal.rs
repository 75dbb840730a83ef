//! OpenDAL's OSS operator on the chain.

#![cfg(feature = "opendal")]
#![allow(clippy::unwrap_used)]

mod support;

use std::time::Duration;

use alibabacloud_credentials::RequestSigner;
use alibabacloud_credentials_adapters::oss_operator;
use alibabacloud_emulator::{Fault, account};
use opendal::services::OssConfig;
use opendal::{ErrorKind, HttpTransporter, OperationContext, Operator};
use opendal_http_transport_reqwest::ReqwestTransport;
use support::{Cloud, holds_no_secret};

fn operator(cloud: &Cloud) -> Operator {
    let mut config = OssConfig::default();
    config.bucket = account::BUCKET.to_owned();
    config.endpoint = Some(cloud.emulator.endpoint());
    config.addressing_style = Some("path".to_owned());
    // With OpenDAL's default features there is one for the whole process.
    let transport = HttpTransporter::new(ReqwestTransport::default());
    oss_operator(config, RequestSigner::oss4(account::BUCKET_REGION, &cloud.chain))
        .unwrap()
        .with_context(OperationContext::new().with_http_transport(transport))
}

async fn world() -> (Cloud, Operator) {
    let cloud = Cloud::start().await;
    let operator = operator(&cloud);
    (cloud, operator)
}

#[tokio::test]
async fn an_operator_lives_through_two_renewals() {
    let (cloud, operator) = world().await;
    operator.write("films/a b+c.txt", "hello").await.unwrap();
    for _ in 0..2 {
        let before = cloud.refresher().generation();
        cloud.age_together();
        assert_eq!(operator.read("films/a b+c.txt").await.unwrap().to_vec(), b"hello");
        cloud.renewed_since(before).await;
        assert_eq!(operator.read("films/a b+c.txt").await.unwrap().to_vec(), b"hello");
    }
    assert_eq!(cloud.signers("GetObject").len(), 3);
    operator.delete("films/a b+c.txt").await.unwrap();
    assert_eq!(operator.read("films/a b+c.txt").await.unwrap_err().kind(), ErrorKind::NotFound);
    assert_eq!(cloud.count("AssumeRole", 200), 3);
    assert_eq!(cloud.oss_refusals(), ["NoSuchKey"]);
}

#[tokio::test]
async fn sub_resources_and_parameters_are_signed_as_they_are_sent() {
    let (cloud, operator) = world().await;
    for name in ["films/a b.txt", "films/中.txt"] {
        operator.write(name, "x").await.unwrap();
    }
    let mut names: Vec<String> =
        operator.list("films/").await.unwrap().iter().map(|entry| entry.path().to_owned()).collect();
    names.sort();
    assert_eq!(names, ["films/a b.txt", "films/中.txt"]);
    // The emulator does not append; it says so once it has found the signature good.
    let mut writer = operator.writer_with("big").append(true).await.unwrap();
    let error = match writer.write("x").await {
        Ok(()) => writer.close().await.map(drop).unwrap_err(),
        Err(error) => error,
    };
    assert!(error.to_string().contains("NotImplemented"), "{error}");
    assert!(cloud.oss_refusals().iter().all(|code| code == "NotImplemented" || code == "NoSuchKey"));
}

#[tokio::test]
async fn an_outage_of_sts_is_not_seen_while_the_session_lasts() {
    let (cloud, operator) = world().await;
    operator.write("a", "b").await.unwrap();
    cloud.break_sts();
    cloud.age_together();
    operator.read("a").await.unwrap();
    cloud.degraded().await;
    for _ in 0..10 {
        operator.read("a").await.unwrap();
    }
    assert_eq!(cloud.count("AssumeRole", 503), 1);
}

#[tokio::test]
async fn an_outage_of_sts_at_a_cold_start_is_temporary() {
    let (cloud, operator) = world().await;
    cloud.break_sts();
    let error = cloud.drive(operator.write("a", "b")).await.unwrap_err();
    assert!(error.is_temporary(), "RetryLayer tries again: {error}");
}

#[tokio::test]
async fn a_dead_session_is_replaced_and_the_request_sent_once_more() {
    let (cloud, operator) = world().await;
    operator.write("a", "b").await.unwrap();
    cloud.emulator.fail_next("oss/PutObject", Fault::new(403, "SecurityTokenExpired"));
    operator.write("a", "with its body again").await.unwrap();
    assert_eq!(operator.read("a").await.unwrap().to_vec(), b"with its body again");
    // HEAD has no body to tell by, so OSS says it in a header.
    cloud.emulator.fail_next("oss/HeadObject", Fault::new(403, "SecurityTokenExpired"));
    assert_eq!(operator.stat("a").await.unwrap().content_length(), 19);
    assert_eq!(cloud.count("AssumeRole", 200), 3);

    // One that is refused with every session is the caller's to see, whole.
    cloud.emulator.fail_next("oss/GetObject", Fault::new(403, "SecurityTokenExpired").times(2));
    let error = operator.read("a").await.unwrap_err();
    assert!(error.to_string().contains("SecurityTokenExpired"), "{error}");
}

#[tokio::test]
async fn other_refusals_reach_the_caller_and_cost_no_session() {
    let (cloud, operator) = world().await;
    cloud.emulator.fail_next("oss/GetObject", Fault::new(403, "AccessDenied"));
    let error = operator.read("a").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::PermissionDenied);
    assert!(error.to_string().contains("AccessDenied"), "the body was looked at, and is still there: {error}");
    assert_eq!(cloud.count("AssumeRole", 200), 1);
}

#[tokio::test]
async fn a_refusal_without_end_is_an_error_and_not_kept() {
    let (cloud, operator) = world().await;
    let long = "SecurityTokenExpired".repeat(50_000);
    cloud.emulator.fail_next("oss/GetObject", Fault::new(403, "SecurityTokenExpired").body(long));
    let error = operator.read("a").await.unwrap_err();
    assert!(error.to_string().contains("longer than 64 KiB"), "{error}");
    assert_eq!((cloud.oss_calls(), cloud.count("AssumeRole", 200)), (1, 1));
}

#[tokio::test]
async fn presigned_urls_are_refused_rather_than_made_without_a_signature() {
    let (cloud, operator) = world().await;
    let error = operator.presign_read("a", Duration::from_secs(60)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported);
    assert!(!operator.info().capability().presign);
    assert_eq!(cloud.oss_calls(), 0);
}

#[tokio::test]
async fn errors_are_the_chains_own_words_and_debug_shows_nothing() {
    let (cloud, operator) = world().await;
    cloud.emulator.fail_next("sts/AssumeRole", Fault::new(403, "NoPermission"));
    let error = operator.read("a").await.unwrap_err();
    assert!(error.to_string().contains("NoPermission"), "{error}");
    assert_eq!(cloud.oss_calls(), 0, "nothing was sent without a signature");
    let (cloud, operator) = world().await;
    operator.write("a", "b").await.unwrap();
    assert!(holds_no_secret(&format!("{operator:?}"), cloud.refresher()));
}
