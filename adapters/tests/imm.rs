//! alibabacloud-imm on the chain.

#![cfg(feature = "imm")]
#![allow(clippy::unwrap_used)]

mod support;

use alibabacloud_credentials::Credentials;
use alibabacloud_credentials_adapters::ImmCredentials;
use alibabacloud_emulator::Fault;
use alibabacloud_imm::credentials::CredentialsProvider;
use alibabacloud_imm::ops::{CreateProjectOps, CreateProjectQuery, ListProjectsOps, ListProjectsQuery};
use alibabacloud_imm::{Client, Error};
use support::{Cloud, holds_no_secret};

fn client(cloud: &Cloud) -> (ImmCredentials, Client) {
    let credentials = ImmCredentials::new(&cloud.chain);
    let client = Client::builder().endpoint(cloud.emulator.endpoint()).credentials_provider(credentials.clone());
    (credentials, client.build().unwrap())
}

async fn list(client: &Client) -> alibabacloud_imm::Result<usize> {
    client.list_projects(ListProjectsQuery::default()).await.map(|answer| answer.projects.len())
}

#[tokio::test]
async fn calls_go_on_over_two_renewals_each_signed_by_the_session_of_its_time() {
    let cloud = Cloud::start().await;
    let (_, client) = client(&cloud);
    let query = CreateProjectQuery { project_name: "p".to_owned(), ..Default::default() };
    // The client takes `Project` for a string, and IMM sends an object: the project is created, the answer not understood.
    assert!(matches!(client.create_project(query).await.unwrap_err(), Error::InvalidJson(_)));
    assert_eq!(cloud.count("CreateProject", 200), 1);
    for _ in 0..2 {
        let before = cloud.refresher().generation();
        cloud.age();
        assert_eq!(list(&client).await.unwrap(), 1, "the old session does, while the new one is fetched");
        cloud.renewed_since(before).await;
        assert_eq!(list(&client).await.unwrap(), 1);
    }
    assert_eq!(cloud.signers("ListProjects").len(), 3);
    assert_eq!(cloud.count("ListProjects", 200), 4);
    assert_eq!(cloud.count("AssumeRole", 200), 3);
}

#[tokio::test]
async fn an_outage_of_sts_is_not_seen_while_the_session_lasts() {
    let cloud = Cloud::start().await;
    let (_, client) = client(&cloud);
    list(&client).await.unwrap();
    cloud.break_sts();
    cloud.age();
    list(&client).await.unwrap();
    cloud.degraded().await;
    for _ in 0..10 {
        list(&client).await.unwrap();
    }
    assert_eq!(cloud.signers("ListProjects").len(), 1);
    assert_eq!(cloud.count("AssumeRole", 503), 1, "the back-off runs, whoever asks");
}

#[tokio::test]
async fn a_dead_session_is_replaced_and_the_call_made_once_more() {
    let cloud = Cloud::start().await;
    let (credentials, client) = client(&cloud);
    cloud.emulator.fail_next("imm/ListProjects", Fault::new(400, "InvalidSecurityToken.Expired"));
    assert_eq!(credentials.renewing(|| list(&client)).await.unwrap(), 0);
    assert_eq!((cloud.count("ListProjects", 400), cloud.count("ListProjects", 200)), (1, 1));
    assert_eq!(cloud.signers("ListProjects").len(), 2);

    // By itself the client does not: it reports, and the session stays.
    cloud.emulator.fail_next("imm/ListProjects", Fault::new(400, "InvalidSecurityToken.Expired"));
    let before = cloud.refresher().generation();
    assert!(list(&client).await.is_err());
    assert_eq!(cloud.refresher().credentials().await.unwrap().generation(), before);
}

#[tokio::test]
async fn only_the_session_that_the_refused_call_was_signed_with_is_given_up() {
    let cloud = Cloud::start().await;
    let (credentials, client) = client(&cloud);
    let old = cloud.refresher().credentials().await.unwrap();
    cloud.emulator.fail_next("imm/ListProjects", Fault::new(400, "InvalidSecurityToken.Expired"));
    let mut attempts = 0;
    let answer = credentials.renewing(|| {
        attempts += 1;
        let (cloud, client, old) = (&cloud, &client, &old);
        async move {
            let answer = list(client).await;
            // Before the refusal is looked at, somebody else has had the session replaced, and a call is signed with it.
            cloud.refresher().invalidate(old);
            cloud.refresher().credentials().await.unwrap();
            answer
        }
    });
    answer.await.unwrap();
    assert_eq!(attempts, 2);
    assert_eq!(cloud.count("AssumeRole", 200), 2, "the young session was not given up for the old one's sake");
}

#[tokio::test]
async fn other_refusals_and_sources_with_nothing_else_to_give_are_left_to_the_caller() {
    let cloud = Cloud::start().await;
    let (credentials, client) = client(&cloud);
    cloud.emulator.fail_next("imm/ListProjects", Fault::new(403, "NoPermission"));
    assert!(credentials.renewing(|| list(&client)).await.is_err());
    assert_eq!((cloud.count("ListProjects", 403), cloud.count("AssumeRole", 200)), (1, 1));

    let session = cloud.refresher().credentials().await.unwrap();
    let literal = Credentials::new(session.access_key_id(), session.access_key_secret())
        .with_security_token(session.security_token().unwrap());
    let credentials = ImmCredentials::new(literal);
    let client = Client::builder().endpoint(cloud.emulator.endpoint()).credentials_provider(credentials.clone());
    let client = client.build().unwrap();
    cloud.emulator.fail_next("imm/ListProjects", Fault::new(400, "InvalidSecurityToken.Expired"));
    assert!(credentials.renewing(|| list(&client)).await.is_err());
    assert_eq!(cloud.count("ListProjects", 400), 1, "not once more with the same one");
}

#[tokio::test]
async fn many_tasks_share_one_session() {
    let cloud = Cloud::start().await;
    let (credentials, client) = client(&cloud);
    let calls: Vec<_> = (0..50)
        .map(|_| {
            let (credentials, client) = (credentials.clone(), client.clone());
            tokio::spawn(async move { credentials.renewing(|| list(&client)).await.unwrap() })
        })
        .collect();
    for call in calls {
        call.await.unwrap();
    }
    assert_eq!((cloud.count("ListProjects", 200), cloud.count("AssumeRole", 200)), (50, 1));
}

#[tokio::test]
async fn errors_are_the_chains_own_words_and_debug_shows_nothing() {
    let cloud = Cloud::start().await;
    let (credentials, client) = client(&cloud);
    cloud.emulator.fail_next("sts/AssumeRole", Fault::new(403, "NoPermission"));
    let error = list(&client).await.unwrap_err();
    assert!(matches!(&error, Error::Other(text) if text.contains("NoPermission")), "{error}");

    let cloud = Cloud::start().await;
    let (credentials, client) = (credentials, client);
    let (fresh, fed) = self::client(&cloud);
    let session = cloud.refresher().credentials().await.unwrap();
    assert_eq!(
        fresh.get_credentials().await.unwrap().expiration.map(std::time::SystemTime::from),
        session.expiration(),
        "as it is"
    );
    for text in [format!("{fresh:?}"), format!("{fed:?}"), format!("{credentials:?}"), format!("{client:?}")] {
        assert!(holds_no_secret(&text, cloud.refresher()), "{text}");
    }
}
