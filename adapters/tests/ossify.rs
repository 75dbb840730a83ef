//! ossify on the chain.

#![cfg(feature = "ossify")]
#![allow(clippy::unwrap_used)]

mod support;

use alibabacloud_credentials_adapters::OssifyCredentials;
use alibabacloud_emulator::{Fault, account};
use ossify::ops::object::base::{DeleteObjectOperations, GetObjectOperations, GetObjectParams, PutObjectOperations};
use ossify::{Client, Error, UrlStyle};
use support::{Cloud, holds_no_secret};

async fn world() -> (Cloud, OssifyCredentials, Client) {
    let cloud = Cloud::start().await;
    let credentials = OssifyCredentials::new(&cloud.chain);
    let client = Client::builder()
        .endpoint(cloud.emulator.endpoint())
        .region(account::BUCKET_REGION)
        .bucket(account::BUCKET)
        .url_style(UrlStyle::Path)
        .credentials_provider(credentials.clone())
        .build();
    (cloud, credentials, client.unwrap())
}

async fn put(client: &Client) -> ossify::Result<()> {
    client.put_object("films/a b.txt", "hello", None).await.map(drop)
}

async fn get(client: &Client) -> ossify::Result<bytes::Bytes> {
    client.get_object("films/a b.txt", GetObjectParams::default(), None).await
}

#[tokio::test]
async fn calls_go_on_over_two_renewals_each_signed_by_the_session_of_its_time() {
    let (cloud, _, client) = world().await;
    put(&client).await.unwrap();
    for _ in 0..2 {
        let before = cloud.refresher().generation();
        cloud.age();
        assert_eq!(get(&client).await.unwrap(), "hello");
        cloud.renewed_since(before).await;
        assert_eq!(get(&client).await.unwrap(), "hello");
    }
    assert_eq!((cloud.signers("GetObject").len(), cloud.count("AssumeRole", 200)), (3, 3));
    assert!(cloud.oss_refusals().is_empty());
}

#[tokio::test]
async fn an_outage_of_sts_is_not_seen_while_the_session_lasts() {
    let (cloud, _, client) = world().await;
    put(&client).await.unwrap();
    cloud.break_sts();
    cloud.age();
    put(&client).await.unwrap();
    cloud.degraded().await;
    for _ in 0..10 {
        put(&client).await.unwrap();
    }
    assert_eq!(cloud.count("AssumeRole", 503), 1);
}

#[tokio::test]
async fn a_dead_session_is_replaced_and_the_call_made_once_more() {
    let (cloud, credentials, client) = world().await;
    put(&client).await.unwrap();
    cloud.emulator.fail_next("oss/GetObject", Fault::new(403, "SecurityTokenExpired"));
    assert_eq!(credentials.renewing(|| get(&client)).await.unwrap(), "hello");
    assert_eq!(cloud.signers("GetObject").len(), 2, "another session for the second attempt");

    // By itself the client does not: it reports, and the session stays.
    cloud.emulator.fail_next("oss/PutObject", Fault::new(403, "SecurityTokenExpired"));
    assert!(matches!(put(&client).await, Err(Error::ApiError { .. })));
    assert_eq!(cloud.count("AssumeRole", 200), 2);
}

/// Not ours to mend, but ours to know: the adapter's page says it.
#[tokio::test]
async fn the_client_takes_a_refusal_for_success_where_an_answer_has_no_content() {
    let (cloud, credentials, client) = world().await;
    cloud.emulator.fail_next("oss/DeleteObject", Fault::new(403, "SecurityTokenExpired"));
    credentials.renewing(|| client.delete_object("films/a b.txt", None)).await.unwrap();
    assert_eq!((cloud.oss_calls(), cloud.count("AssumeRole", 200)), (1, 1), "nothing told the adapter either");
}

#[tokio::test]
async fn errors_are_the_chains_own_words_and_debug_shows_nothing() {
    let (cloud, credentials, client) = world().await;
    cloud.emulator.fail_next("sts/AssumeRole", Fault::new(403, "NoPermission"));
    let error = put(&client).await.unwrap_err();
    assert!(matches!(&error, Error::Other(text) if text.contains("NoPermission")), "{error}");
    assert_eq!(cloud.oss_calls(), 0);
    drop(credentials);

    let (cloud, credentials, client) = world().await;
    put(&client).await.unwrap();
    for text in [format!("{credentials:?}"), format!("{client:?}")] {
        assert!(holds_no_secret(&text, cloud.refresher()), "{text}");
    }
}
