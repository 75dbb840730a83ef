//! aliyun-log-rust-sdk on the chain.

#![cfg(feature = "aliyun-log")]
#![allow(clippy::unwrap_used)]

mod support;

use std::error::Error as _;
use std::time::Duration;

use alibabacloud_credentials::Credentials;
use alibabacloud_credentials_adapters::AliyunLogCredentials;
use aliyun_log_rust_sdk::{Client, Config, CredentialsError, CredentialsProvider, Error, FromConfig};
use support::product::Product;
use support::{Cloud, holds_no_secret};

fn client(cloud: &Cloud, sls: &Product) -> Client {
    let config = Config::builder()
        .endpoint(&sls.endpoint)
        .max_retry(0)
        .credentials_provider(AliyunLogCredentials::new(&cloud.chain))
        .build();
    Client::from_config(config.unwrap()).unwrap()
}

/// The stand-in knows no project: what counts is which session asked.
async fn ask(client: &Client, sls: &Product) -> String {
    sls.refuse_next(200, r#"{"count":0,"total":0,"projects":[]}"#, None);
    client.list_projects(0, 10).send().await.unwrap();
    let seen = sls.seen();
    assert_eq!(seen.len(), 1);
    seen[0].header("x-acs-security-token").to_owned()
}

fn is(token: &str, session: &Credentials) -> bool {
    session.security_token() == Some(token)
}

/// Time passes for the client's own cache, and only for it: no connection waits meanwhile.
async fn age_the_clients_cache() {
    tokio::time::pause();
    tokio::time::advance(Duration::from_secs(3595)).await;
    tokio::time::resume();
}

#[tokio::test]
async fn calls_go_on_over_two_renewals() {
    let (cloud, sls) = (Cloud::start().await, Product::start().await);
    let client = client(&cloud, &sls);
    ask(&client, &sls).await;
    for _ in 0..2 {
        let old = cloud.refresher().credentials().await.unwrap();
        cloud.age();
        assert!(is(&ask(&client, &sls).await, &old), "from the client's cache");
        age_the_clients_cache().await;
        assert!(is(&ask(&client, &sls).await, &old), "the old one does, while the new one is fetched");
        cloud.renewed_since(old.generation()).await;
        age_the_clients_cache().await;
        let new = cloud.refresher().credentials().await.unwrap();
        assert!(is(&ask(&client, &sls).await, &new));
    }
    assert_eq!(cloud.count("AssumeRole", 200), 3);
}

#[tokio::test]
async fn an_outage_of_sts_is_not_seen_while_the_session_lasts() {
    let (cloud, sls) = (Cloud::start().await, Product::start().await);
    let client = client(&cloud, &sls);
    ask(&client, &sls).await;
    let session = cloud.refresher().credentials().await.unwrap();
    cloud.break_sts();
    cloud.age();
    for _ in 0..5 {
        age_the_clients_cache().await;
        assert!(is(&ask(&client, &sls).await, &session));
    }
    cloud.degraded().await;
    assert_eq!(cloud.count("AssumeRole", 503), 1);
}

#[tokio::test]
async fn a_session_that_died_early_is_replaced_by_a_new_client() {
    let (cloud, sls) = (Cloud::start().await, Product::start().await);
    let used = cloud.refresher().credentials().await.unwrap();
    let first = client(&cloud, &sls);
    sls.refuse_next(401, r#"{"errorCode":"Unauthorized","errorMessage":"The security token is expired."}"#, None);
    let error = first.list_projects(0, 10).send().await.err().unwrap();
    assert!(matches!(error, Error::Server { http_status: 401, .. }), "{error}");
    sls.seen();
    assert!(cloud.refresher().invalidate(&used));
    assert!(is(&ask(&first, &sls).await, &used), "the client's cache knows nothing of it");
    assert!(!is(&ask(&client(&cloud, &sls), &sls).await, &used));
    assert!(!cloud.refresher().invalidate(&used), "once");
}

#[tokio::test]
async fn expiry_and_errors_are_the_chains_own_and_debug_shows_nothing() {
    let cloud = Cloud::start().await;
    let credentials = AliyunLogCredentials::new(&cloud.chain);
    cloud.emulator.fail_next("sts/AssumeRole", alibabacloud_emulator::Fault::new(403, "NoPermission"));
    let error = credentials.fetch_credentials().await.unwrap_err();
    assert!(matches!(error, CredentialsError::Provider(_)));
    assert!(error.to_string().contains("NoPermission"), "{error}");
    assert!(error.source().is_some());

    let cloud = Cloud::start().await;
    let credentials = AliyunLogCredentials::new(&cloud.chain);
    let given = credentials.fetch_credentials().await.unwrap();
    let session = cloud.refresher().credentials().await.unwrap();
    assert_eq!(given.expiration(), session.expiration());
    assert!(holds_no_secret(&format!("{credentials:?}"), cloud.refresher()));
}
