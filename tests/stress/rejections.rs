//! Credentials that a server refused: replaced before anybody gets them again, and no loop where nothing else can be had.

use alibabacloud_credentials::Health;

use super::world::{Does, FAIL, GRANT, Kind, World, s, settle};

#[tokio::test]
async fn an_invalidated_credential_is_replaced_before_anyone_gets_it_again() {
    let world = World::with_session(Kind::Refresher, s(3600), s(3000)).await;
    let refresher = world.refresher();
    let used = refresher.credentials().await.unwrap();
    assert!(refresher.invalidate(&used));
    assert!(refresher.invalidate(&used), "still the current one");
    let fresh = refresher.credentials().await.unwrap();
    assert!(fresh.generation() > used.generation());
    assert!(!refresher.invalidate(&used), "a late report about the old one does nothing");
    let stranger = alibabacloud_credentials::Credentials::new("id", "secret");
    assert!(!refresher.invalidate(&stranger));
    assert_eq!(world.source.contacts(), 2);
}

#[tokio::test]
async fn an_invalidation_jumps_the_back_off_once_and_a_failure_keeps_the_old_one() {
    let world = World::with_session(Kind::Refresher, s(3600), s(600)).await;
    let refresher = world.refresher();
    world.source.now(FAIL);
    let used = refresher.credentials().await.unwrap();
    settle().await;
    assert_eq!(world.source.contacts(), 2, "the advisory refresh failed, and a back-off runs");
    assert!(refresher.invalidate(&used));
    assert_eq!(refresher.credentials().await.unwrap().generation(), used.generation());
    assert_eq!(world.source.contacts(), 3, "jumped");
    for _ in 0..10 {
        assert_eq!(refresher.credentials().await.unwrap().generation(), used.generation());
        refresher.invalidate(&used);
    }
    assert_eq!(world.source.contacts(), 3, "once for this generation");

    // The same credential again ends the mark; rejected once more, it does not jump once more.
    world.source.now(Does::Repeat);
    world.advance(s(100)).await;
    assert_eq!(refresher.credentials().await.unwrap().generation(), used.generation());
    assert!(matches!(refresher.health(), Health::Fresh { .. }));
    world.source.now(FAIL);
    world.advance(s(300)).await;
    assert!(refresher.credentials().await.is_ok());
    settle().await;
    assert!(matches!(refresher.health(), Health::Degraded { .. }), "a back-off runs");
    let contacts = world.source.contacts();
    assert!(refresher.invalidate(&used));
    assert_eq!(refresher.credentials().await.unwrap().generation(), used.generation());
    assert_eq!(world.source.contacts(), contacts, "the back-off is kept");
    world.source.now(GRANT);
    world.advance(s(60)).await;
    assert!(refresher.credentials().await.unwrap().generation() > used.generation());
}

#[tokio::test]
async fn a_source_that_gives_the_same_again_ends_the_mark_without_a_new_generation() {
    let world = World::with_session(Kind::Refresher, s(3600), s(3000)).await;
    let refresher = world.refresher();
    let used = refresher.credentials().await.unwrap();
    world.source.now(Does::Repeat);
    assert!(refresher.invalidate(&used));
    assert_eq!(refresher.credentials().await.unwrap().generation(), used.generation());
    assert_eq!(refresher.credentials().await.unwrap().generation(), used.generation());
    assert_eq!(world.source.contacts(), 2, "no loop");
}

#[tokio::test]
async fn three_rejections_of_young_credentials_are_not_believed_for_a_minute() {
    let world = World::new(Kind::Refresher, GRANT);
    let refresher = world.refresher();
    for round in 0..3 {
        let used = refresher.credentials().await.unwrap();
        assert!(refresher.invalidate(&used), "round {round}");
        world.advance(s(1)).await;
    }
    let used = refresher.credentials().await.unwrap();
    assert!(!refresher.invalidate(&used));
    assert!(matches!(refresher.health(), Health::RejectedWhileFresh { .. }));
    assert_eq!(world.source.contacts(), 4);
    world.advance(s(60)).await;
    assert!(refresher.invalidate(&used), "a minute later it counts again");
    assert!(matches!(refresher.health(), Health::Degraded { .. }));
}

#[tokio::test]
async fn a_thousand_reports_about_one_credential_are_one_rejection() {
    let world = World::new(Kind::Refresher, GRANT);
    let refresher = world.refresher();
    let used = refresher.credentials().await.unwrap();
    for _ in 0..1000 {
        assert!(refresher.invalidate(&used));
    }
    let Health::Degraded { error, .. } = refresher.health() else { panic!("{:?}", refresher.health()) };
    assert_eq!(error.code(), Some("CredentialRejected"), "and not that three were refused");
}

#[tokio::test]
async fn a_credential_that_is_refused_on_every_request_is_asked_for_once_a_second() {
    let world = World::with_session(Kind::Refresher, s(3600), s(3000)).await;
    let refresher = world.refresher();
    world.source.now(Does::Repeat);
    for second in 0..3 {
        for _ in 0..100 {
            let used = refresher.credentials().await.unwrap();
            assert!(refresher.invalidate(&used));
        }
        assert_eq!(world.source.contacts(), 2 + second);
        world.advance(s(1)).await;
    }
}
