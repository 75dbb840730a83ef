//! The work of a pool while nobody asks. The looks are made by the tests, but for one that waits for the keeper's.

use std::future::IntoFuture;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};

use super::sts::{Sts, arn, role, s};
use super::{under_way, unkept};
use crate::context::Clock;
use crate::role_pool::RolePool;

/// Lets time pass, with a look each second, until `end`; refreshes have run before it goes on.
async fn pass(sts: &Sts, pool: &RolePool, seconds: u64) {
    for _ in 0..seconds {
        sts.clock.advance(s(1));
        pool.0.look();
        settle(sts, pool).await;
    }
}

/// Until no refresh is under way.
async fn settle(sts: &Sts, pool: &RolePool) {
    sts.until(|| pool.0.sessions.iter().all(|session| session.refresher().handles() == 1)).await;
}

/// In the seconds of the clock in which calls came after the first `granted`.
fn times(sts: &Sts, granted: usize) -> Vec<u64> {
    sts.calls()[granted..].iter().map(|call| call.at.as_secs()).collect()
}

#[tokio::test]
async fn what_was_used_is_renewed_without_a_caller_and_what_was_not_is_left_to_expire() {
    let sts = Sts::granting(s(3600));
    let pool = unkept(sts.builder().idle_after(s(36_000)).build());
    sts.drive(pool.credentials(&role(1))).await.unwrap();
    sts.drive(pool.warm_up([role(2)]).into_future()).await;
    let began = sts.clock.now().monotonic.as_secs();
    pass(&sts, &pool, 3600).await;
    let renewed = times(&sts, 2);
    assert_eq!(sts.calls_by_role().get(&arn(1)), Some(&2), "the one that somebody asked for");
    assert!((2690..=2890).contains(&(renewed[0] - began)), "in the first fifth of its last quarter: {renewed:?}");
    let used = pool.credentials(&role(1)).await.unwrap();
    assert_eq!(used.access_key_id(), "STS.session-3");
    pass(&sts, &pool, 3600).await;
    assert_eq!(sts.calls_by_role()[&arn(1)], 3, "it was used again");
    pass(&sts, &pool, 7200).await;
    assert_eq!(sts.calls_by_role()[&arn(1)], 3, "and not since");
    assert_eq!(sts.calls_by_role()[&arn(2)], 1, "fetched ahead and never used");
}

#[tokio::test]
async fn a_renewal_that_failed_is_tried_again_though_nobody_asks_meanwhile() {
    let sts = Sts::granting(s(3600));
    let pool = unkept(sts.builder().idle_after(s(36_000)).build());
    sts.drive(pool.credentials(&role(1))).await.unwrap();
    sts.clock.advance(s(2690));
    sts.is_down.store(true, Ordering::SeqCst);
    pass(&sts, &pool, 400).await;
    let failed = sts.calls().len() - 1;
    assert!((2..40).contains(&failed), "{failed} calls in 200 to 400 s");
    sts.is_down.store(false, Ordering::SeqCst);
    pass(&sts, &pool, 100).await;
    let calls = sts.calls();
    assert!(
        calls.len() == failed + 2 && calls[failed + 1].is_answered,
        "one call after a back-off of a sixth of what is left"
    );
    pass(&sts, &pool, 7200).await;
    assert_eq!(sts.calls().len(), failed + 2, "nobody has asked since");
}

#[tokio::test]
async fn the_keeper_renews_a_session_whose_refresher_alone_was_used() {
    let sts = Sts::granting(s(3600));
    let pool = sts.pool();
    let refresher = pool.refresher(&role(1));
    sts.drive(refresher.credentials()).await.unwrap();
    sts.until(|| sts.clock.next_wake().is_some_and(|pause| pause <= s(15))).await;
    sts.clock.advance(s(3000));
    sts.until(|| sts.calls().len() == 2).await;
}

#[tokio::test]
async fn sessions_granted_together_are_not_renewed_together() {
    const ROLES: usize = 500;
    let sts = Sts::granting(s(3600));
    let pool = unkept(sts.builder().quota(10_000.0).build());
    sts.drive(pool.warm_up((0..ROLES).map(role)).into_future()).await;
    for number in 0..ROLES {
        pool.refresher(&role(number));
    }
    sts.clock.advance(s(2600));
    pass(&sts, &pool, 400).await;
    let mut renewed = times(&sts, ROLES);
    renewed.sort_unstable();
    assert_eq!(renewed.len(), ROLES);
    assert!(renewed[ROLES - 1] - renewed[0] >= 150, "over the first fifth of 15 min");
    let most = renewed.chunk_by(|a, b| a == b).map(<[u64]>::len).max().unwrap();
    assert!(most <= 15, "{most} in one second, where 3 would be even");
}

#[tokio::test]
async fn what_was_not_used_for_long_is_forgotten_and_what_is_in_use_never() {
    let sts = Sts::granting(s(3600));
    let pool = unkept(sts.builder().idle_after(s(60)).build());
    let held = pool.refresher(&role(1));
    for number in 1..=3 {
        sts.drive(pool.credentials(&role(number))).await.unwrap();
    }
    let first = held.cached().unwrap();
    for _ in 0..40 {
        sts.clock.advance(s(3));
        pool.credentials(&role(2)).await.unwrap();
        pool.0.look();
    }
    let stats = pool.stats();
    assert_eq!((stats.sessions, stats.evicted), (2, 1), "the third");
    assert_eq!(stats.hits + stats.misses, 43, "what was forgotten still counts");
    assert_eq!(pool.credentials(&role(1)).await.unwrap().generation(), first.generation());
    sts.drive(pool.credentials(&role(3))).await.unwrap();
    assert_eq!(sts.calls_by_role()[&arn(3)], 2, "it is fetched again when somebody asks");
    drop(held);
    settle(&sts, &pool).await;
    sts.clock.advance(s(61));
    pool.0.look();
    assert_eq!(pool.stats().sessions, 0);
}

#[tokio::test]
async fn above_its_capacity_the_pool_forgets_what_is_not_in_use() {
    let sts = Sts::granting(s(3600));
    let pool = unkept(sts.builder().capacity(3).build());
    let held = [1, 2].map(|number| pool.refresher(&role(number)));
    let mut first = Vec::new();
    for refresher in &held {
        first.push(sts.drive(refresher.credentials()).await.unwrap().generation());
    }
    for number in 3..40 {
        sts.drive(pool.credentials(&role(number))).await.unwrap();
        settle_all_but(&sts, &pool, held.len()).await;
        assert!(pool.stats().sessions <= 3);
    }
    for (number, generation) in [1, 2].into_iter().zip(first) {
        assert_eq!(pool.credentials(&role(number)).await.unwrap().generation(), generation);
    }
    // All are in use, and one more has its place all the same.
    let more: Vec<_> = (50..55).map(|number| pool.refresher(&role(number))).collect();
    assert!(pool.stats().sessions >= held.len() + more.len());
    for refresher in &more {
        sts.drive(refresher.credentials()).await.unwrap();
    }
    assert!((50..55).all(|number| pool.0.sessions.get(&role(number)).is_some()));
}

/// Until no refresh of those that nobody holds is under way: a task lets go of its handle a little after its callers hear.
async fn settle_all_but(sts: &Sts, pool: &RolePool, held: usize) {
    sts.until(|| under_way(pool) <= held).await;
}

/// The log, in lines.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl std::io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn a_quota_that_is_too_low_is_said_with_the_arithmetic_once_a_minute() {
    let sts = Sts::granting(s(60));
    let [low, high] = [1.0, 10_000.0].map(|quota| unkept(sts.builder().quota(quota).build()));
    for pool in [&low, &high] {
        sts.drive(pool.warm_up((0..50).map(role)).into_future()).await;
        (0..50).for_each(|number| drop(pool.refresher(&role(number))));
    }
    let log = Log::default();
    let writer = log.clone();
    let subscriber = tracing_subscriber::fmt().with_writer(move || writer.clone()).with_ansi(false).finish();
    tracing::subscriber::with_default(subscriber, || {
        high.0.look();
        assert!(log.0.lock().unwrap().is_empty(), "it is high enough");
        low.0.look();
        low.0.look();
    });
    let text = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
    let warnings: Vec<&str> = text.lines().filter(|line| line.contains("and the quota is 1:")).collect();
    assert_eq!(warnings.len(), 1, "{text}");
    assert!(warnings[0].contains("50 roles in use") && warnings[0].contains("need 2 calls to STS a second"), "{text}");
}
