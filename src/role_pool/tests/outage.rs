//! STS is away for ten minutes, under a virtual clock: a fiftieth of the roles and of the quota of the runs in `benches/roles`.

use std::collections::BTreeMap;
use std::future::IntoFuture;
use std::sync::atomic::Ordering;
use std::task::{Context, Waker};
use std::time::Duration;

use tokio::task::JoinHandle;

use super::sts::{Sts, arn, role, s};
use super::{under_way, unkept};
use crate::context::Clock;
use crate::role_pool::RolePool;
use crate::time;

/// All of them in a hundred seconds, at the quota.
const ROLES: usize = 200;
const QUOTA: f64 = 2.0;
const OUTAGE: u64 = 600;

fn is_under_way(pool: &RolePool, number: usize) -> bool {
    pool.0.sessions.get(&role(number)).is_some_and(|session| session.refresher().handles() > 1)
}

/// Waits until all that can happen at this instant has happened: who was let in is done, and the gate waits for the next turn.
async fn settle(sts: &Sts, pool: &RolePool) {
    sts.until(|| {
        // In this order: the gate has a thread of its own, which may let somebody in between two looks unless it sleeps.
        let sleeps = sts.clock.next_wake().is_some_and(|pause| pause <= s(1));
        let under_way = under_way(pool);
        let waiting = pool.0.context.waiting_for("sts.test");
        under_way == waiting && (waiting == 0 || sleeps)
    })
    .await;
}

/// Lets a second pass, turn by turn.
async fn second(sts: &Sts, pool: &RolePool) {
    let end = sts.clock.now().monotonic + s(1);
    loop {
        settle(sts, pool).await;
        let left = end.saturating_sub(sts.clock.now().monotonic);
        if left.is_zero() {
            return;
        }
        sts.clock.advance(sts.clock.next_wake().map_or(left, |pause| pause.min(left)));
    }
}

/// A pool whose sessions were granted in the first hundred seconds, and were used since.
async fn warm(sts: &Sts) -> RolePool {
    let pool = unkept(sts.builder().quota(QUOTA).idle_after(s(36_000)).build());
    let warm_up = pool.warm_up((0..ROLES).map(role)).into_future();
    let all_are_sent = || pool.0.quota.calls() == sts.calls().len() as u64;
    assert_eq!(sts.drive_while(all_are_sent, warm_up).await.served, ROLES);
    for number in 0..ROLES {
        pool.credentials(&role(number)).await.unwrap();
    }
    pool
}

/// A caller for each role. Those who have to wait are tasks.
fn ask(sts: &Sts, pool: &RolePool) -> Vec<JoinHandle<()>> {
    let ask = |number| {
        let (sts, pool) = (sts.clone(), pool.clone());
        let mut caller = Box::pin(async move {
            let session = pool.credentials(&role(number)).await.unwrap();
            assert!(session.expiration().unwrap() > time::from_epoch(sts.clock.now().wall));
        });
        let is_served = caller.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_ready();
        (!is_served).then(|| tokio::spawn(caller))
    };
    (0..ROLES).filter_map(ask).collect()
}

/// Fails if a role whose last call was not answered has not called again after its longest back-off, nor waits for its turn.
fn nobody_lies_idle(sts: &Sts, pool: &RolePool, lasts: u64) {
    let (mut last, mut granted) = (BTreeMap::new(), BTreeMap::new());
    for call in sts.calls() {
        if call.is_answered {
            granted.insert(call.role.clone(), call.at);
        }
        last.insert(call.role, (call.at, call.is_answered));
    }
    for number in 0..ROLES {
        let (at, is_answered) = last[&arn(number)];
        if !is_answered && !is_under_way(pool, number) {
            let left = (granted[&arn(number)] + s(lasts)).saturating_sub(at);
            let back_off = (left / 6).clamp(Duration::from_millis(500), s(300));
            let idle = sts.clock.now().monotonic - at;
            assert!(idle <= back_off + s(2), "{idle:?}, where {left:?} were left");
        }
    }
}

#[tokio::test]
async fn an_outage_of_ten_minutes_is_seen_by_no_caller_and_ends_without_a_storm() {
    for (lasts, began) in [(3600, 2600), (3600, 2900)] {
        let sts = Sts::granting(s(lasts));
        let pool = warm(&sts).await;
        sts.clock.advance(s(began) - sts.clock.now().monotonic);
        let mut waiting = Vec::new();
        for elapsed in 0..OUTAGE + 120 {
            sts.is_down.store(elapsed < OUTAGE, Ordering::SeqCst);
            waiting.extend(ask(&sts, &pool));
            pool.0.look();
            second(&sts, &pool).await;
            if elapsed >= OUTAGE {
                nobody_lies_idle(&sts, &pool, lasts);
            }
        }
        for caller in waiting {
            sts.drive(caller).await.unwrap();
        }
        let ended = s(began + OUTAGE);
        let calls = sts.calls().into_iter();
        let after: Vec<Duration> =
            calls.filter(|call| call.at >= ended && call.is_answered).map(|call| call.at).collect();
        assert_eq!(after.len(), ROLES, "{lasts} {began}: each is renewed once");
        let took = after[ROLES - 1] - after[0];
        assert!(took <= s(101), "{lasts} {began}: at the pace of the quota, with no gap: {took:?}");
        let within = |from: &Duration| after.iter().filter(|at| (*from..*from + s(1)).contains(at)).count();
        assert_eq!(after.iter().map(within).max(), Some(QUOTA as usize), "{lasts} {began}");
    }
}
