//! Renewal without traffic, by reads alone, by files that change, and spread over processes.

use std::borrow::Cow;
use std::sync::{Arc, Mutex};

use alibabacloud_credentials::{BoxFuture, Credentials, Error, Health, ProvideCredentials, Refresher};

use super::world::{self, GRANT, Kind, World, s, settle};

#[tokio::test]
async fn with_and_cached_alone_are_never_stale_for_days() {
    let world = World::new(Kind::Refresher, GRANT);
    let refresher = world.refresher();
    assert!(refresher.cached().is_none(), "nothing yet, and no wait");
    settle().await;
    for minute in 0..3 * 24 * 60 {
        let valid = refresher.with(|found| !world.is_expired(found));
        assert_eq!(valid, Some(true), "minute {minute}");
        assert!(refresher.cached().is_some());
        world.advance(s(60)).await;
    }
    assert!(world.source.contacts() <= 3 * 24 * 60 / 44, "{} contacts", world.source.contacts());
}

#[tokio::test]
async fn keep_fresh_renews_with_no_traffic_and_ends_with_its_stop_or_the_last_handle() {
    for by_stop in [true, false] {
        let world = World::new(Kind::Refresher, GRANT);
        let refresher = world.refresher();
        let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
        refresher.keep_fresh(async move { drop(stopped.await) });
        settle().await;
        for _ in 0..12 * 60 * 2 {
            world.advance(s(30)).await;
        }
        let contacts = world.source.contacts();
        assert!((12..=17).contains(&contacts), "{contacts} contacts in 12 h");
        let fresh = refresher.with(|found| !world.is_expired(found));
        assert_eq!(fresh, Some(true));
        let generations = refresher.subscribe();
        let World { clock, source, cache } = world;
        let kept = if by_stop {
            stop.send(()).unwrap();
            Some((cache, refresher))
        } else {
            drop((cache, refresher));
            None
        };
        settle().await;
        for _ in 0..4 * 60 * 2 {
            clock.advance(s(30));
            settle().await;
        }
        assert_eq!(source.contacts(), contacts, "renewal went on");
        assert_eq!(generations.has_changed().is_err(), !by_stop, "the last handle closes the channel");
        drop(kept);
    }
}

#[tokio::test]
async fn a_changed_source_is_noticed_within_a_second_of_use_and_off_the_callers_path() {
    struct File(Mutex<&'static str>);
    impl ProvideCredentials for File {
        fn provider_name(&self) -> Cow<'_, str> {
            "file".into()
        }
        fn provide_credentials(&self) -> BoxFuture<'_, Result<Credentials, Error>> {
            let id = *self.0.lock().unwrap();
            Box::pin(async move {
                match id {
                    "" => Err(Error::failed("half written")),
                    id => Ok(Credentials::new(id, "fake-secret")),
                }
            })
        }
        fn is_current(&self, held: &Credentials) -> bool {
            *self.0.lock().unwrap() == held.access_key_id()
        }
    }
    let world = World::new(Kind::Refresher, GRANT);
    let file = Arc::new(File(Mutex::new("one")));
    let refresher = Refresher::builder(Arc::clone(&file)).context(world::context(&world.clock, 7)).build();
    let id = async || refresher.credentials().await.unwrap().access_key_id().to_owned();
    assert_eq!(id().await, "one");
    *file.0.lock().unwrap() = "";
    for _ in 0..5 {
        world.advance(s(1)).await;
        assert_eq!(id().await, "one", "a broken source keeps the last good one");
        settle().await;
    }
    assert!(matches!(refresher.health(), Health::Degraded { .. }));
    *file.0.lock().unwrap() = "two";
    for _ in 0..600 {
        world.advance(s(1)).await;
        id().await;
        settle().await;
    }
    assert_eq!(id().await, "two");
    *file.0.lock().unwrap() = "three";
    world.advance(s(1)).await;
    assert_eq!(id().await, "two", "the caller who notices does not wait");
    settle().await;
    assert_eq!(id().await, "three");
}

#[tokio::test]
async fn one_draw_per_credential_spreads_refreshes_over_the_windows_first_fifth() {
    let mut starts = Vec::new();
    for seed in 0..40 {
        let world = World::seeded(Kind::Refresher, GRANT, seed);
        let refresher = world.refresher();
        refresher.credentials().await.unwrap();
        let first = refresher.generation();
        let mut at = s(2600);
        world.advance(at).await;
        while refresher.generation() == first {
            at += s(5);
            world.advance(s(5)).await;
            refresher.credentials().await.unwrap();
            settle().await;
            assert!(at < s(3600));
        }
        starts.push(at.as_secs());
    }
    // The window is the last 900 s of 3600; its first fifth ends 180 s later.
    assert!(starts.iter().all(|at| (2700..=2885).contains(at)), "{starts:?}");
    assert!(starts.iter().max() > starts.iter().min(), "{starts:?}");
}
