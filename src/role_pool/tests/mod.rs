//! The promises of a pool, under a virtual clock.

mod outage;
mod sts;
mod upkeep;

use std::future::IntoFuture;
use std::sync::atomic::Ordering;
use std::time::Duration;

use self::sts::{DENIED, Sts, arn, role, s};
use super::{RolePool, RolePoolStats};
use crate::context::process_id;
use crate::error::{Error, ErrorKind};
use crate::sts::AssumeRole;

/// `pool`, looked after by the test alone.
fn unkept(pool: RolePool) -> RolePool {
    pool.0.kept_in.store(process_id(), Ordering::Relaxed);
    pool
}

/// Counts the roles whose refresher somebody but the pool holds: a refresh under way, or a test.
fn under_way(pool: &RolePool) -> usize {
    pool.0.sessions.iter().filter(|session| session.refresher().handles() > 1).count()
}

fn code(result: Result<impl Sized, Error>) -> String {
    result.err().map_or("ok".to_owned(), |error| error.code().unwrap_or("none").to_owned())
}

#[tokio::test]
async fn each_distinct_role_has_one_session_whoever_asks() {
    let sts = Sts::granting(s(3600));
    let pool = sts.pool();
    let policy = |action: &str| format!(r#"{{"Version":"1","Statement":[{{"Effect":"Allow","Action":"{action}"}}]}}"#);
    let roles = [
        role(1),
        role(2),
        role(1).session_name("another"),
        role(1).policy(policy("imm:*")),
        role(1).policy(policy("oss:*")),
        role(1).external_id("partner-42"),
        role(1).duration(s(1800)),
        role(1).source_identity("alice"),
    ];
    let asked: Vec<AssumeRole> = (0..5).flat_map(|_| roles.clone()).collect();
    let callers: Vec<_> = asked
        .into_iter()
        .map(|role| {
            let pool = pool.clone();
            tokio::spawn(async move { pool.credentials(&role).await.unwrap().access_key_id().to_owned() })
        })
        .collect();
    let mut ids = Vec::new();
    for caller in callers {
        ids.push(sts.drive(caller).await.unwrap());
    }
    assert_eq!(sts.calls().len(), roles.len(), "one call for each");
    let first: std::collections::BTreeSet<_> = ids[..roles.len()].iter().collect();
    assert_eq!(first.len(), roles.len(), "and nobody gets another's");
    assert!(ids.chunks(roles.len()).all(|again| again == &ids[..roles.len()]));
    assert_eq!(pool.stats().sessions, roles.len());
}

#[tokio::test]
async fn a_malformed_role_among_many_is_an_error_of_its_own_and_is_not_kept() {
    let sts = Sts::granting(s(3600));
    let pool = sts.pool();
    sts.drive(pool.credentials(&role(1))).await.unwrap();
    let too_long = format!(r#"{{"Version":"1","Statement":["{}"]}}"#, "x".repeat(2048));
    for (bad, expected) in [
        (AssumeRole::new("acs:ram::100:user/me"), "InvalidParameter.RoleArn"),
        (role(2).policy(too_long), "InvalidParameter.PolicySize"),
        (role(2).session_name("x"), "InvalidParameter.RoleSessionName"),
    ] {
        let error = pool.credentials(&bad).await.unwrap_err();
        assert_eq!((error.code(), error.kind()), (Some(expected), ErrorKind::InvalidInput));
        assert!(error.to_string().contains(bad.role_arn()), "{error}");
        assert_eq!(code(sts.drive(pool.refresher(&bad).credentials()).await), expected);
    }
    sts.drive(pool.credentials(&role(3))).await.unwrap();
    assert_eq!((sts.calls().len(), pool.stats().sessions), (2, 2));
}

#[tokio::test]
async fn a_bad_setting_is_an_error_at_use_and_costs_no_call() {
    let sts = Sts::granting(s(3600));
    let quota = |quota: f64| (sts.builder().quota(quota).build(), "InvalidParameter.Quota");
    let bad = [0.0, -1.0, f64::NAN, f64::INFINITY, f64::NEG_INFINITY, 1e-300, 1e300].map(quota);
    let no_room = (sts.builder().capacity(0).build(), "InvalidParameter.Capacity");
    for (pool, expected) in bad.into_iter().chain([no_room]) {
        assert_eq!(code(pool.credentials(&role(1)).await), expected, "{pool:?}");
        assert_eq!(code(sts.drive(pool.refresher(&role(1)).credentials()).await), expected);
        let report = pool.warm_up([role(1), role(2)]).await;
        assert_eq!((report.served, report.failed.len()), (0, 2));
        assert_eq!(pool.stats(), RolePoolStats::default());
    }
    for quota in [0.001, 10_000.0] {
        let pool = sts.builder().quota(quota).capacity(usize::MAX).idle_after(Duration::MAX).build();
        sts.drive(pool.credentials(&role(1))).await.unwrap();
    }
}

#[tokio::test]
async fn calls_keep_to_the_quota_and_who_waits_long_for_a_turn_is_served_all_the_same() {
    let sts = Sts::granting(s(3600));
    let pool = sts.builder().quota(2.0).capacity(400).build();
    let callers: Vec<_> = (0..300)
        .map(|number| {
            let pool = pool.clone();
            tokio::spawn(async move { pool.credentials(&role(number)).await.map(drop) })
        })
        .collect();
    for caller in callers {
        // A call that was let through is on its way before time goes on.
        sts.drive_while(|| pool.stats().calls == sts.calls().len() as u64, caller).await.unwrap().unwrap();
    }
    let calls = sts.calls();
    assert!(calls[299].at - calls[0].at > s(140), "300 calls at 2 a second: longer than a refresh may take by itself");
    assert!(sts.most_in_ten_seconds() <= 23, "{}", sts.most_in_ten_seconds());
    assert_eq!((pool.stats().calls, pool.stats().refused), (300, 0));
}

#[tokio::test]
async fn sixteen_calls_are_under_way_at_most() {
    let sts = Sts::granting(s(3600));
    let pool = sts.builder().quota(10_000.0).build();
    let report = sts.drive(pool.warm_up((0..200).map(role)).into_future()).await;
    assert_eq!(report.served, 200);
    assert!(sts.most_at_once() <= 16, "{}", sts.most_at_once());
}

#[tokio::test]
async fn a_caller_does_not_hear_of_a_refusal_as_one_too_many() {
    let sts = Sts::granting(s(3600));
    sts.throttles.store(6, Ordering::SeqCst);
    let pool = sts.pool();
    sts.drive(pool.credentials(&role(1))).await.unwrap();
    let stats = pool.stats();
    assert_eq!((stats.calls, stats.refused, stats.misses), (7, 6, 1));
}

#[tokio::test]
async fn a_renewal_that_is_refused_as_one_too_many_just_before_the_end_queues_again() {
    let sts = Sts::granting(s(3600));
    let pool = unkept(sts.pool());
    let before = sts.drive(pool.credentials(&role(1))).await.unwrap();
    sts.clock.advance(s(3550));
    sts.throttles.store(1, Ordering::SeqCst);
    let after = sts.drive(pool.credentials(&role(1))).await.unwrap();
    assert_ne!(before.access_key_id(), after.access_key_id());
    assert_eq!((pool.stats().calls, pool.stats().refused), (3, 1));
}

#[tokio::test]
async fn a_call_that_waited_long_for_its_turn_is_retried_like_any_other() {
    let sts = Sts::granting(s(3600));
    let pool = sts.builder().quota(1.0).build();
    sts.unavailable_at.store(8, Ordering::SeqCst);
    let report = sts.drive(pool.warm_up((0..8).map(role)).into_future()).await;
    assert_eq!((report.served, sts.calls().len()), (8, 9), "{report:?}");
}

#[tokio::test]
async fn a_role_that_trusts_nobody_costs_one_call_per_back_off_and_disturbs_no_other() {
    let sts = Sts::granting(s(3600));
    let pool = sts.pool();
    let denied = AssumeRole::new(DENIED).session_name("test");
    for second in 0..60 {
        for other in 0..3 {
            sts.drive(pool.credentials(&role(other))).await.unwrap();
        }
        let error = sts.drive(pool.credentials(&denied)).await.unwrap_err();
        assert!(error.to_string().contains(DENIED) && error.code() == Some("NoPermission"), "{second}: {error}");
        sts.clock.advance(s(1));
    }
    let calls = sts.calls_by_role();
    let denied = calls[DENIED];
    assert!((10..=24).contains(&denied), "a back-off without a credential is 2.5 to 5 s: {denied} calls in a minute");
    assert!((0..3).all(|other| calls[&arn(other)] == 1));
}

#[tokio::test]
async fn of_callers_that_have_nothing_the_most_used_role_goes_first() {
    let sts = Sts::granting(s(3600));
    let pool = sts.builder().quota(1.0).idle_after(s(36_000)).build();
    for (number, uses) in [(1, 1), (2, 5), (3, 9)] {
        for _ in 0..uses {
            sts.drive(pool.credentials(&role(number))).await.unwrap();
        }
    }
    sts.clock.advance(s(4000));
    // The first one takes the line at once, and those behind it wait for theirs.
    let all = [0, 1, 2, 3].map(|number| {
        let pool = pool.clone();
        async move { pool.credentials(&role(number)).await.unwrap() }
    });
    let all: Vec<_> = all.into_iter().map(tokio::spawn).collect();
    sts.until(|| pool.0.context.waiting_for("sts.test") == 3).await;
    for caller in all {
        // Who was let in has called before time goes on.
        sts.drive_while(|| pool.stats().calls == sts.calls().len() as u64, caller).await.unwrap();
    }
    let order: Vec<String> = sts.calls()[3..].iter().map(|call| call.role.clone()).collect();
    assert_eq!(order, [arn(0), arn(3), arn(2), arn(1)]);
}

#[tokio::test]
async fn a_warm_up_tells_how_far_it_is_and_who_failed() {
    let sts = Sts::granting(s(3600));
    let pool = sts.pool();
    let mut seen = Vec::new();
    let roles = (0..40).map(role).chain([AssumeRole::new(DENIED), AssumeRole::new("no ARN")]);
    let report = sts.drive(pool.warm_up(roles).on_progress(|so_far| seen.push(so_far)).into_future()).await;
    assert_eq!((report.served, report.failed.len(), seen.len()), (40, 2, 42));
    assert!(seen.iter().enumerate().all(|(at, so_far)| so_far.served + so_far.failed == at + 1 && so_far.total == 42));
    assert!(report.failed.iter().all(|(role, error)| error.to_string().contains(role.role_arn())), "{report:?}");
    sts.drive(pool.credentials(&role(7))).await.unwrap();
    assert_eq!((sts.calls().len(), pool.stats().hits), (41, 1), "it was there");
}

#[tokio::test]
async fn a_warm_up_that_is_dropped_fetches_no_more() {
    let sts = Sts::granting(s(3600));
    let pool = sts.builder().quota(1.0).build();
    let mut warm_up = pool.warm_up((0..1000).map(role)).into_future();
    let polled = std::future::poll_fn(|cx| std::task::Poll::Ready(warm_up.as_mut().poll(cx))).await;
    assert!(polled.is_pending());
    drop(warm_up);
    assert!(pool.stats().sessions <= 32, "what was begun is finished");
}

#[tokio::test]
async fn a_rejected_session_is_replaced_and_no_other() {
    let sts = Sts::granting(s(3600));
    let pool = sts.pool();
    let used = sts.drive(pool.credentials(&role(1))).await.unwrap();
    let other = sts.drive(pool.credentials(&role(2))).await.unwrap();
    assert!(!pool.invalidate(&role(1), &other) && !pool.invalidate(&role(3), &used));
    assert!(pool.invalidate(&role(1), &used));
    let fresh = sts.drive(pool.credentials(&role(1))).await.unwrap();
    assert_ne!(fresh.access_key_id(), used.access_key_id());
    assert_eq!(sts.drive(pool.credentials(&role(2))).await.unwrap().access_key_id(), other.access_key_id());
}

#[tokio::test]
async fn the_counts_say_what_happened() {
    let sts = Sts::granting(s(3600));
    let pool = sts.builder().quota(1.0).build();
    sts.drive(pool.credentials(&role(1))).await.unwrap();
    for _ in 0..3 {
        pool.credentials(&role(1)).await.unwrap();
    }
    let patient = {
        let pool = pool.clone();
        tokio::spawn(async move { pool.credentials(&role(2)).await })
    };
    let given_up = {
        let pool = pool.clone();
        tokio::spawn(async move { pool.credentials(&role(2)).await })
    };
    sts.until(|| pool.stats().waiting == 2).await;
    given_up.abort();
    sts.until(|| pool.stats().waiting == 1).await;
    sts.drive(patient).await.unwrap().unwrap();
    let stats = pool.stats();
    assert_eq!((stats.sessions, stats.hits, stats.misses, stats.waiting, stats.calls), (2, 3, 3, 0, 2));
    assert!(stats.slowest > Duration::ZERO, "{stats:?}");
}

#[tokio::test]
async fn debug_shows_neither_policy_nor_external_id() {
    let sts = Sts::granting(s(3600));
    let pool = sts.pool();
    let secret = role(1).external_id("partner-42").policy(r#"{"Version":"1","Statement":[]}"#);
    let session = sts.drive(pool.credentials(&secret)).await.unwrap();
    let warm_up = pool.warm_up([secret.clone()]);
    let shown = format!("{pool:#?} {:?} {warm_up:?} {:?} {:?}", sts.builder(), pool.stats(), pool.refresher(&secret));
    for hidden in ["partner-42", "Statement", "fake-secret", session.security_token().unwrap()] {
        assert!(!shown.contains(hidden), "{shown}");
    }
}

/// So that the pool can be shared by whatever runs the service's requests.
#[test]
fn a_pool_may_be_used_from_any_thread() {
    fn is_shared<T: Clone + Send + Sync + 'static>() {}
    is_shared::<RolePool>();
}
