//! The cache under stress: every row under the virtual clock, and the naive cache that fails the listed ones.

macro_rules! ensure {
    ($condition:expr, $($message:tt)+) => {
        if !$condition {
            return Err(format!($($message)+));
        }
    };
}

mod naive;
mod rows;
mod time_rows;
mod world;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use alibabacloud_credentials::{Clock, ErrorKind, Health, Refresher};
use world::{Does, FAIL, GRANT, Kind, World, grant, ms, s, settle};

/// Without timers and sockets: a row's tens of thousands of turns would look at them each time.
fn run<T>(row: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(row)
}

/// One test for the refresher, and one for what the naive cache makes of the same row.
macro_rules! rows {
    ($($row:ident: naive $verdict:ident;)+) => {$(
        mod $row {
            use super::*;

            #[test]
            fn refresher() {
                run(rows::$row(Kind::Refresher)).unwrap();
            }

            #[test]
            fn naive() {
                let verdict = run(rows::$row(Kind::Naive));
                assert!(rows!(@$verdict verdict), "{verdict:?}");
            }
        }
    )+};
    (@fails $verdict:ident) => { $verdict.is_err() };
    (@passes $verdict:ident) => { $verdict.is_ok() };
}

rows! {
    cold_and_the_source_answers: naive passes;
    cold_and_the_source_fails: naive fails;
    advisory_window_and_the_source_is_slow: naive fails;
    advisory_window_and_the_source_hangs: naive fails;
    mandatory_window_and_the_source_hangs: naive fails;
    advisory_and_mandatory_window_and_the_source_is_down: naive fails;
    the_source_repeats_a_nearly_expired_credential: naive fails;
    callers_give_up_before_the_source_answers: naive fails;
    a_caller_is_dropped_after_any_poll: naive fails;
    the_provider_panics: naive fails;
    thirty_minutes_of_outage_at_every_phase: naive fails;
    asleep_for_five_hours: naive passes;
    the_wall_clock_is_stepped: naive fails;
    sessions_of_900_seconds: naive passes;
    a_refresher_over_a_refresher: naive passes;
    a_literal_that_has_expired: naive fails;
    a_session_that_is_over_on_arrival: naive fails;
    a_session_that_took_a_hundred_seconds: naive passes;
    a_date_that_is_wrong_or_absent: naive passes;
    the_wall_clock_is_slow_and_the_date_is_right: naive fails;
    the_wall_clock_is_set_past_expiration: naive fails;
    resumed_five_hours_later: naive passes;
    a_source_that_blocks_its_thread: naive fails;
    a_source_that_blocks_its_thread_and_a_valid_credential: naive fails;
    ends_of_time: naive fails;
    one_lost_answer_of_sts: naive passes;
}

// ---- what only a refresher can do

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
    let context = alibabacloud_credentials::Context::builder()
        .clock(world.clock.clone())
        .spawn(move |task| if dropped.swap(false, Ordering::SeqCst) { drop(task) } else { drop(tokio::spawn(task)) })
        .build();
    let refresher = Refresher::builder(world.refresher()).context(context.clone()).build();
    assert!(refresher.credentials().await.is_ok(), "a waiter started the next one");

    // A home that drops everything is an error, not a loop.
    let context = alibabacloud_credentials::Context::builder().clock(world.clock.clone()).spawn(drop).build();
    let refresher = Refresher::builder(world.refresher()).context(context).build();
    assert_eq!(refresher.credentials().await.unwrap_err().code(), Some("RefreshDropped"));
}

#[tokio::test]
async fn a_changed_source_is_noticed_within_a_second_of_use_and_off_the_callers_path() {
    struct File(std::sync::Mutex<&'static str>);
    impl alibabacloud_credentials::ProvideCredentials for File {
        fn provider_name(&self) -> std::borrow::Cow<'_, str> {
            "file".into()
        }
        fn provide_credentials(
            &self,
        ) -> alibabacloud_credentials::BoxFuture<
            '_,
            Result<alibabacloud_credentials::Credentials, alibabacloud_credentials::Error>,
        > {
            let id = *self.0.lock().unwrap();
            Box::pin(async move {
                match id {
                    "" => Err(alibabacloud_credentials::Error::failed("half written")),
                    id => Ok(alibabacloud_credentials::Credentials::new(id, "fake-secret")),
                }
            })
        }
        fn is_current(&self, held: &alibabacloud_credentials::Credentials) -> bool {
            *self.0.lock().unwrap() == held.access_key_id()
        }
    }
    let world = World::new(Kind::Refresher, GRANT);
    let file = Arc::new(File(std::sync::Mutex::new("one")));
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
async fn nested_refreshers_judge_by_what_remains() {
    let world = World::with_session(Kind::Refresher, s(3600), s(1000)).await;
    let outer = Refresher::builder(world.refresher()).context(world::context(&world.clock, 7)).build();
    world.source.now(FAIL);
    outer.credentials().await.unwrap();
    let Health::Fresh { expires_at: Some(end), .. } = outer.health() else { panic!("{:?}", outer.health()) };
    let left = end.duration_since(world.clock.now().system_time()).unwrap();
    assert!(left <= s(1000) && left > s(990), "{left:?}");
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

// ---- anything at all

#[derive(Clone, Debug)]
enum Event {
    Advance(Duration),
    Step(i64),
    Suspend(Duration),
    Source(Does),
    Ask,
    Borrow,
    AskFor(Duration),
    Reject,
}

fn event() -> impl proptest::strategy::Strategy<Value = Event> {
    use proptest::prelude::*;
    // STS grants no shorter ones. With less than it was asked for and a clock that is wrong, nobody could tell which is right.
    let lifetime = prop::sample::select(vec![900_u64, 1200, 3600, 7200, 43_200]).prop_map(s);
    let does = prop_oneof![
        4 => lifetime.prop_map(grant),
        1 => Just(Does::Grant { lifetime: s(3600), after: ms(700) }),
        1 => Just(FAIL),
        1 => Just(Does::Fail { after: ms(300) }),
        1 => Just(Does::Hang),
        1 => Just(Does::Panic),
    ];
    prop_oneof![
        4 => (1_u64..5_000_000).prop_map(|millis| Event::Advance(ms(millis))),
        2 => (1_u64..3000).prop_map(|millis| Event::Advance(ms(millis))),
        1 => (-100_000_i64..100_000).prop_map(Event::Step),
        1 => (1_u64..100_000).prop_map(|seconds| Event::Suspend(s(seconds))),
        3 => does.prop_map(Event::Source),
        6 => Just(Event::Ask),
        2 => Just(Event::Borrow),
        1 => (1_u64..5000).prop_map(|seconds| Event::AskFor(s(seconds))),
        1 => Just(Event::Reject),
    ]
}

/// Whatever happens in whatever order: nobody gets an expired credential, nobody an error while one is valid, nobody waits
/// for ever, and the source is contacted no more often than asked.
async fn live_through(events: Vec<Event>) -> Result<(), String> {
    let world = World::new(Kind::Refresher, GRANT);
    let refresher = world.refresher();
    let mut last: Option<alibabacloud_credentials::Credentials> = None;
    let mut asked = 0;
    for (at, event) in events.into_iter().enumerate() {
        let valid = |c: &alibabacloud_credentials::Credentials| {
            c.expiration().is_some_and(|end| end > world.source.true_time() + s(1) + ms(10))
        };
        match event {
            Event::Advance(by) => world.advance(by).await,
            Event::Step(by) => world.clock.step(by),
            Event::Suspend(by) => world.clock.suspend(by),
            Event::Source(does) => world.source.now(does),
            Event::Borrow => {
                asked += 1;
                let fresh = refresher.with(|c| !world.is_expired(c));
                settle().await;
                if fresh == Some(false) {
                    return Err(format!("event {at}: lent an expired credential"));
                }
            }
            Event::Ask => {
                asked += 1;
                match world.ask_within(s(300)).await {
                    None => return Err(format!("event {at}: waited for ever")),
                    Some(Ok(found)) if world.is_expired(&found) => return Err(format!("event {at}: expired")),
                    Some(Ok(found)) => last = Some(found),
                    Some(Err(error)) if world.source.last().as_ref().is_some_and(valid) => {
                        return Err(format!("event {at}: {error} while valid"));
                    }
                    Some(Err(_)) => {}
                }
            }
            Event::AskFor(lifetime) => {
                asked += 1;
                let caller = tokio::spawn({
                    let refresher = refresher.clone();
                    async move { refresher.credentials_valid_for(lifetime).await }
                });
                settle().await;
                if caller.is_finished()
                    && let Ok(Ok(found)) = caller.await
                    && found.expiration().is_some_and(|end| end < world.source.true_time() + lifetime - ms(10))
                {
                    return Err(format!("event {at}: less than was asked for"));
                }
            }
            Event::Reject => {
                if let Some(last) = &last {
                    refresher.invalidate(last);
                }
            }
        }
    }
    // A waiter may start another refresh when the one that it waits for ends badly; keep_fresh and checks do not run here.
    let contacts = world.source.contacts();
    if contacts > 2 * asked + 1 { Err(format!("{contacts} contacts for {asked} questions")) } else { Ok(()) }
}

proptest::proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig {
        cases: 400,
        failure_persistence: None,
        ..proptest::prelude::ProptestConfig::default()
    })]

    #[test]
    fn whatever_happens_nobody_gets_an_expired_credential_or_an_early_error(
        events in proptest::collection::vec(event(), 1..60),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let verdict = runtime.block_on(live_through(events));
        proptest::prop_assert_eq!(verdict, Ok(()));
    }
}
