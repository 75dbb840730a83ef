//! Callers who want a credential that lasts: never silently less, and the source is asked once a second at most.

use alibabacloud_credentials::ErrorKind;

use super::world::{Does, FAIL, Kind, World, grant, ms, s};

#[tokio::test]
async fn more_than_the_sessions_last_is_too_short_without_asking() {
    let world = World::new(Kind::Refresher, grant(s(900)));
    let refresher = world.refresher();
    for _ in 0..200 {
        let error = refresher.credentials_valid_for(s(1800)).await.unwrap_err();
        assert_eq!((error.kind(), error.available_lifetime()), (ErrorKind::TooShort, Some(s(900))));
        world.advance(ms(10)).await;
    }
    assert!(world.source.contacts() <= 2, "{} contacts", world.source.contacts());
}

#[tokio::test]
async fn a_longer_credential_is_fetched_at_most_once_a_second() {
    let world = World::with_session(Kind::Refresher, s(3600), s(1000)).await;
    let refresher = world.refresher();
    let found = refresher.credentials_valid_for(s(2000)).await.unwrap();
    assert_eq!((found.access_key_id(), world.source.contacts()), ("STS.session-2", 2));
    world.advance(s(2000)).await;
    world.source.now(Does::Repeat);
    for _ in 0..100 {
        let error = refresher.credentials_valid_for(s(2000)).await.unwrap_err();
        assert_eq!(error.available_lifetime(), Some(s(1600)));
    }
    assert_eq!(world.source.contacts(), 3, "a hundred calls within a second");
    assert!(refresher.credentials_valid_for(s(1000)).await.is_ok());
}

#[tokio::test]
async fn a_failure_while_a_longer_credential_is_wanted_says_what_can_be_had() {
    let world = World::with_session(Kind::Refresher, s(3600), s(1000)).await;
    world.source.now(FAIL);
    let error = world.refresher().credentials_valid_for(s(2000)).await.unwrap_err();
    assert_eq!((error.kind(), error.available_lifetime()), (ErrorKind::TooShort, Some(s(1000))));
    assert!(world.refresher().credentials().await.is_ok(), "others are not harmed");
}
