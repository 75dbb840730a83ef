//! aliyun-log-rust-sdk on the chain.

#![cfg(feature = "aliyun-log")]
#![allow(clippy::unwrap_used)]

mod support;

use std::error::Error as _;
use std::time::Duration;

use alibabacloud_credentials::{Credentials, Refresher};
use alibabacloud_credentials_adapters::AliyunLogCredentials;
use alibabacloud_emulator::Fault;
use aliyun_log_rust_sdk::{Client, Config, CredentialsError, CredentialsProvider, Error, FromConfig};
use support::{Cloud, holds_no_secret};

fn client(cloud: &Cloud) -> Client {
    let config = Config::builder()
        .endpoint(cloud.emulator.endpoint())
        .max_retry(0)
        .credentials_provider(AliyunLogCredentials::new(&cloud.chain))
        .build();
    Client::from_config(config.unwrap()).unwrap()
}

/// Asks, and says which session it was signed with.
async fn ask(client: &Client, cloud: &Cloud) -> String {
    client.list_projects(0, 10).send().await.unwrap();
    cloud.signers("ListProjects").pop().unwrap()
}

fn is(access_key_id: &str, session: &Credentials) -> bool {
    session.access_key_id() == access_key_id
}

/// Time passes for the client's own cache, and only for it: no connection waits meanwhile.
async fn age_the_clients_cache() {
    tokio::time::pause();
    tokio::time::advance(Duration::from_secs(3595)).await;
    tokio::time::resume();
}

#[tokio::test]
async fn calls_go_on_over_two_renewals() {
    let cloud = Cloud::start().await;
    let client = client(&cloud);
    ask(&client, &cloud).await;
    for _ in 0..2 {
        let old = cloud.refresher().credentials().await.unwrap();
        cloud.age();
        assert!(is(&ask(&client, &cloud).await, &old), "from the client's cache");
        age_the_clients_cache().await;
        assert!(is(&ask(&client, &cloud).await, &old), "the old one does, while the new one is fetched");
        cloud.renewed_since(old.generation()).await;
        age_the_clients_cache().await;
        let new = cloud.refresher().credentials().await.unwrap();
        assert!(is(&ask(&client, &cloud).await, &new));
    }
    assert_eq!(cloud.count("AssumeRole", 200), 3);
}

#[tokio::test]
async fn an_outage_of_sts_is_not_seen_while_the_session_lasts() {
    let cloud = Cloud::start().await;
    let client = client(&cloud);
    ask(&client, &cloud).await;
    let session = cloud.refresher().credentials().await.unwrap();
    cloud.break_sts();
    cloud.age();
    for _ in 0..5 {
        age_the_clients_cache().await;
        assert!(is(&ask(&client, &cloud).await, &session));
    }
    cloud.degraded().await;
    assert_eq!(cloud.count("AssumeRole", 503), 1);
}

#[tokio::test]
async fn a_session_that_died_early_is_replaced_by_a_new_client() {
    let cloud = Cloud::start().await;
    let used = cloud.refresher().credentials().await.unwrap();
    let first = client(&cloud);
    let dead = Fault::new(401, "Unauthorized").message("The security token you provided has expired.");
    cloud.emulator.fail_next("sls/ListProjects", dead);
    let error = first.list_projects(0, 10).send().await.err().unwrap();
    let Error::Server { error_code, error_message, .. } = &error else { panic!("{error}") };
    assert_eq!(error_code, "Unauthorized");
    assert!(error_message.starts_with("The security token you provided"), "{error}");
    assert!(cloud.refresher().invalidate(&used));
    assert!(is(&ask(&first, &cloud).await, &used), "the client's cache knows nothing of it");
    assert!(!is(&ask(&client(&cloud), &cloud).await, &used));
    assert!(!cloud.refresher().invalidate(&used), "once");
}

#[tokio::test]
async fn expiry_and_errors_are_the_chains_own_and_debug_shows_nothing() {
    let cloud = Cloud::start().await;
    let credentials = AliyunLogCredentials::new(&cloud.chain);
    cloud.emulator.fail_next("sts/AssumeRole", Fault::new(403, "NoPermission"));
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

#[tokio::test]
async fn the_services_refusals_are_told_apart_by_their_texts_alone() {
    let cloud = Cloud::start().await;
    let session = cloud.refresher().credentials().await.unwrap();
    let with = |credentials: Refresher| {
        let credentials = AliyunLogCredentials::new(credentials);
        let config = Config::builder().endpoint(cloud.emulator.endpoint()).max_retry(0);
        Client::from_config(config.credentials_provider(credentials).build().unwrap()).unwrap()
    };
    let of = |id: &str, secret: &str, token: &str| Credentials::new(id, secret).with_security_token(token).into();
    let token = session.security_token().unwrap();
    for (client, code, text) in [
        (with(Credentials::new("nobody", "fake-secret").into()), "Unauthorized", "AccessKeyId not found"),
        (with(of(session.access_key_id(), "fake-secret", token)), "SignatureNotMatch", ""),
        (with(of(session.access_key_id(), session.access_key_secret(), "fake-token")), "Unauthorized", "is invalid."),
        (with(cloud.as_role("short-role").into()), "Unauthorized", "denied by sts or ram"),
    ] {
        match client.list_projects(0, 10).send().await.err().unwrap() {
            Error::Server { error_code, error_message, http_status, .. } => {
                assert_eq!((error_code.as_str(), http_status), (code, 401), "{error_message}");
                assert!(error_message.contains(text), "{error_message}");
            }
            error => panic!("{error}"),
        }
    }
    cloud.emulator.advance_clock(Duration::from_secs(7200));
    let error = with(session.clone().into()).list_projects(0, 10).send().await.err().unwrap();
    assert!(matches!(&error, Error::Server { error_code, .. } if error_code == "RequestTimeExpired"), "{error}");
}
