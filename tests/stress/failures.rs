//! Failures: what counts as one, who hears of it, and what health says.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use alibabacloud_credentials::{Clock, Context, ErrorKind, Health, Refresher};

use super::world::{self, Does, FAIL, GRANT, Kind, World, grant, s, settle};

#[tokio::test]
async fn health_tells_what_callers_do_not_see() {
    let world = World::new(Kind::Refresher, GRANT);
    let refresher = world.refresher();
    assert!(matches!(refresher.health(), Health::Empty));
    refresher.credentials().await.unwrap();
    assert!(matches!(refresher.health(), Health::Fresh { expires_at: Some(_), .. }));
    world.source.now(FAIL);
    world.advance(s(3000)).await;
    let since = world.clock.now().system_time();
    assert!(refresher.credentials().await.is_ok());
    settle().await;
    world.advance(s(200)).await;
    assert!(refresher.credentials().await.is_ok());
    settle().await;
    let Health::Degraded { since: degraded, error, .. } = refresher.health() else {
        panic!("{:?}", refresher.health())
    };
    assert_eq!((degraded, error.message()), (since, "the source is down"), "since the first of the failures");
    world.advance(s(1000)).await;
    assert!(refresher.credentials().await.is_err());
    assert!(matches!(refresher.health(), Health::Expired { .. }));
}

#[tokio::test]
async fn a_refresh_that_takes_too_long_has_failed() {
    let world = World::new(Kind::Refresher, Does::Hang);
    let mut herd = world.herd(5);
    settle().await;
    world.advance(s(60)).await;
    herd.join(world.herd(5));
    settle().await;
    world.advance(s(59)).await;
    assert_eq!((herd.finished(), world.source.contacts()), (0, 1), "who came later joined");
    world.advance(s(1)).await;
    let answers = herd.answers().await;
    assert!(answers.len() == 10 && answers.iter().all(|a| a.as_ref().is_err_and(|e| e.kind() == ErrorKind::TimedOut)));
}

#[tokio::test]
async fn an_expired_credential_from_the_source_is_a_failure() {
    let world = World::new(Kind::Refresher, grant(s(0)));
    let error = world.refresher().credentials().await.unwrap_err();
    assert_eq!((error.kind(), error.code()), (ErrorKind::Expired, Some("ExpiredCredential")));
}

#[tokio::test]
async fn a_refresh_dropped_unfinished_counts_as_no_attempt() {
    let world = World::new(Kind::Refresher, GRANT);
    let drop_it = Arc::new(AtomicBool::new(true));
    let dropped = Arc::clone(&drop_it);
    let context = Context::builder()
        .clock(world.clock.clone())
        .spawn(move |task| if dropped.swap(false, Ordering::SeqCst) { drop(task) } else { drop(tokio::spawn(task)) })
        .build();
    let refresher = Refresher::builder(world.refresher()).context(context.clone()).build();
    assert!(refresher.credentials().await.is_ok(), "a waiter started the next one");

    // A home that drops everything is an error, not a loop.
    let context = Context::builder().clock(world.clock.clone()).spawn(drop).build();
    let refresher = Refresher::builder(world.refresher()).context(context).build();
    assert_eq!(refresher.credentials().await.unwrap_err().code(), Some("RefreshDropped"));
}

#[tokio::test]
async fn nested_refreshers_judge_by_what_remains() {
    let world = World::with_session(Kind::Refresher, s(3600), s(1000)).await;
    let outer = Refresher::builder(world.refresher()).context(world::context(&world.clock, 7)).build();
    world.source.now(FAIL);
    outer.credentials().await.unwrap();
    let Health::Fresh { expires_at: Some(end), .. } = outer.health() else { panic!("{:?}", outer.health()) };
    let left = end.duration_since(world.clock.now().system_time()).unwrap();
    assert!(left <= s(1000) && left > s(990), "{left:?}");
}
