//! ossify on the chain.

#![cfg(feature = "ossify")]
#![allow(clippy::unwrap_used)]

mod support;

use alibabacloud_credentials_adapters::OssifyCredentials;
use ossify::ops::object::base::{DeleteObjectOperations, GetObjectOperations, GetObjectParams, PutObjectOperations};
use ossify::{Client, Error, UrlStyle};
use support::product::{Product, Seen};
use support::{Cloud, holds_no_secret};

// As OSS sends it: the client finds no `Code` where one of the others is missing.
const DEAD: &str = "<Error><Code>SecurityTokenExpired</Code><Message>The security token you provided has expired.</Message>\
    <RequestId>6502B57DB9FD8B3739E9A4A8</RequestId><HostId>media.oss-cn-hangzhou.aliyuncs.com</HostId>\
    <EC>0002-00000007</EC><RecommendDoc>https://api.aliyun.com</RecommendDoc></Error>";

async fn world() -> (Cloud, Product, OssifyCredentials, Client) {
    let (cloud, oss) = (Cloud::start().await, Product::start().await);
    let credentials = OssifyCredentials::new(&cloud.chain);
    let client = Client::builder()
        .endpoint(&oss.endpoint)
        .region("cn-hangzhou")
        .bucket("media")
        .url_style(UrlStyle::Path)
        .credentials_provider(credentials.clone())
        .build();
    (cloud, oss, credentials, client.unwrap())
}

async fn put(client: &Client) -> ossify::Result<()> {
    // What the client reads of the answer's headers is not the stand-in's business.
    match client.put_object("films/a.txt", "hello", None).await {
        Ok(_) | Err(Error::InvalidJson(_)) => Ok(()),
        Err(error) => Err(error),
    }
}

async fn get(client: &Client) -> ossify::Result<bytes::Bytes> {
    client.get_object("films/a.txt", GetObjectParams::default(), None).await
}

fn last(oss: &Product) -> Seen {
    oss.seen().pop().unwrap()
}

#[tokio::test]
async fn calls_go_on_over_two_renewals_each_signed_by_the_session_of_its_time() {
    let (cloud, oss, _, client) = world().await;
    for _ in 0..2 {
        let old = cloud.refresher().credentials().await.unwrap();
        cloud.age();
        put(&client).await.unwrap();
        assert!(last(&oss).is_signed_by(&old, "media", "films/a.txt"));
        cloud.renewed_since(old.generation()).await;
        let new = cloud.refresher().credentials().await.unwrap();
        put(&client).await.unwrap();
        assert!(last(&oss).is_signed_by(&new, "media", "films/a.txt"));
    }
    assert_eq!(cloud.count("AssumeRole", 200), 3);
}

#[tokio::test]
async fn an_outage_of_sts_is_not_seen_while_the_session_lasts() {
    let (cloud, _oss, _, client) = world().await;
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
    let (cloud, oss, credentials, client) = world().await;
    put(&client).await.unwrap();
    oss.seen();
    oss.refuse_next(403, DEAD, None);
    assert_eq!(credentials.renewing(|| get(&client)).await.unwrap(), "hello");
    let seen = oss.seen();
    assert_eq!(seen.len(), 2);
    assert_ne!(seen[0].header("x-oss-security-token"), seen[1].header("x-oss-security-token"));

    // By itself the client does not: it reports, and the session stays.
    oss.refuse_next(403, DEAD, None);
    assert!(matches!(put(&client).await, Err(Error::ApiError { .. })));
    assert_eq!(cloud.count("AssumeRole", 200), 2);
}

/// Not ours to mend, but ours to know: the adapter's page says it.
#[tokio::test]
async fn the_client_takes_a_refusal_for_success_where_an_answer_has_no_content() {
    let (cloud, oss, credentials, client) = world().await;
    oss.refuse_next(403, DEAD, None);
    credentials.renewing(|| client.delete_object("films/a.txt", None)).await.unwrap();
    assert_eq!((oss.seen().len(), cloud.count("AssumeRole", 200)), (1, 1), "nothing told the adapter either");
}

#[tokio::test]
async fn errors_are_the_chains_own_words_and_debug_shows_nothing() {
    let (cloud, oss, credentials, client) = world().await;
    cloud.emulator.fail_next("sts/AssumeRole", alibabacloud_emulator::Fault::new(403, "NoPermission"));
    let error = put(&client).await.unwrap_err();
    assert!(matches!(&error, Error::Other(text) if text.contains("NoPermission")), "{error}");
    assert!(oss.seen().is_empty());
    drop(credentials);

    let (cloud, _oss, credentials, client) = world().await;
    put(&client).await.unwrap();
    for text in [format!("{credentials:?}"), format!("{client:?}")] {
        assert!(holds_no_secret(&text, cloud.refresher()), "{text}");
    }
}
