//! The rows of the stress table. Each says what went wrong, so that it can be run against a cache that must fail.

use std::time::Duration;

use alibabacloud_credentials::ErrorKind;

pub(crate) use super::time_rows::*;
use super::world::{Does, FAIL, GRANT, Kind, World, grant, ms, poll_times, s, settle};

/// How many callers a row has.
pub(crate) const HERD: usize = 1000;

pub(crate) type Verdict = Result<(), String>;

pub(crate) async fn cold_and_the_source_answers(kind: Kind) -> Verdict {
    let world = World::new(kind, Does::Grant { lifetime: s(3600), after: ms(50) });
    let herd = world.herd(HERD);
    settle().await;
    ensure!(herd.finished() == 0, "someone was served before the source answered");
    world.advance(ms(50)).await;
    let answers = herd.answers().await;
    ensure!(answers.len() == HERD && answers.iter().all(Result::is_ok), "not all were served");
    ensure!(world.source.contacts() == 1, "{} contacts", world.source.contacts());
    Ok(())
}

pub(crate) async fn cold_and_the_source_fails(kind: Kind) -> Verdict {
    let world = World::new(kind, Does::Fail { after: ms(50) });
    let herd = world.herd(HERD);
    settle().await;
    world.advance(ms(50)).await;
    let answers = herd.answers().await;
    ensure!(answers.len() == HERD, "{} of {HERD} had an answer", answers.len());
    ensure!(
        answers.iter().all(|answer| answer.as_ref().is_err_and(|e| e.message() == "the source is down")),
        "no error"
    );
    ensure!(world.source.contacts() == 1, "{} contacts", world.source.contacts());

    // Until the back-off has passed the error is remembered, and the source left alone.
    let herd = world.herd(HERD);
    settle().await;
    ensure!(herd.finished() == HERD && world.source.contacts() == 1, "the back-off was not kept");
    world.source.now(GRANT);
    world.advance(ms(500)).await;
    ensure!(world.ask_within(s(0)).await.is_some_and(|answer| answer.is_ok()), "not served after the back-off");
    ensure!(world.source.contacts() == 2, "{} contacts", world.source.contacts());
    Ok(())
}

pub(crate) async fn advisory_window_and_the_source_is_slow(kind: Kind) -> Verdict {
    let world = World::with_session(kind, s(3600), s(600)).await;
    world.source.now(Does::Grant { lifetime: s(3600), after: s(2) });
    let herd = world.herd(HERD);
    settle().await;
    ensure!(herd.finished() == HERD, "{} of {HERD} waited", HERD - herd.finished());
    ensure!(world.source.contacts() == 2, "{} contacts", world.source.contacts());
    world.advance(s(2)).await;
    let fresh = world.ask_within(s(0)).await.and_then(Result::ok);
    ensure!(fresh.is_some_and(|c| c.access_key_id() == "STS.session-2"), "the new session is not in use");
    Ok(())
}

pub(crate) async fn advisory_window_and_the_source_hangs(kind: Kind) -> Verdict {
    let world = World::with_session(kind, s(3600), s(600)).await;
    world.source.now(Does::Hang);
    for _ in 0..10 {
        let herd = world.herd(HERD / 10);
        settle().await;
        ensure!(herd.finished() == HERD / 10, "someone waited");
        ensure!(herd.answers().await.iter().all(Result::is_ok), "an error while valid");
        world.advance(s(10)).await;
    }
    ensure!(world.source.contacts() == 2, "{} contacts", world.source.contacts());
    Ok(())
}

pub(crate) async fn mandatory_window_and_the_source_hangs(kind: Kind) -> Verdict {
    let world = World::with_session(kind, s(3600), s(30)).await;
    world.source.now(Does::Hang);
    let herd = world.herd(HERD);
    settle().await;
    ensure!(herd.finished() == 0, "nobody waited for the refresh");
    world.advance(s(2)).await;
    let answers = herd.answers().await;
    ensure!(answers.len() == HERD && answers.iter().all(Result::is_ok), "not all had the old one after 2 s");
    ensure!(world.source.contacts() == 2, "{} contacts", world.source.contacts());
    Ok(())
}

pub(crate) async fn advisory_and_mandatory_window_and_the_source_is_down(kind: Kind) -> Verdict {
    let world = World::with_session(kind, s(3600), s(700)).await;
    world.source.now(FAIL);
    for second in 0..699 {
        let answer = world.ask_within(s(3)).await;
        ensure!(answer.is_some_and(|answer| answer.is_ok()), "an error with {} s left", 700 - second);
        world.advance(s(1)).await;
    }
    // Back-off doubles to a sixth of what remains: some 8 doublings, then a few waits for each sixth.
    ensure!(world.source.contacts() <= 60, "{} contacts", world.source.contacts());
    Ok(())
}

pub(crate) async fn the_source_repeats_a_nearly_expired_credential(kind: Kind) -> Verdict {
    let world = World::with_session(kind, s(3600), s(30)).await;
    world.source.now(Does::Repeat);
    let before = world.source.contacts();
    for _ in 0..200 {
        ensure!(world.ask_within(s(3)).await.is_some_and(|answer| answer.is_ok()), "an error while valid");
    }
    let contacts = world.source.contacts() - before;
    ensure!(contacts <= 2, "{contacts} contacts for 200 calls");
    Ok(())
}

pub(crate) async fn callers_give_up_before_the_source_answers(kind: Kind) -> Verdict {
    let world = World::new(kind, Does::Grant { lifetime: s(3600), after: ms(1500) });
    for _ in 0..6 {
        let herd = world.herd(HERD / 10);
        settle().await;
        world.advance(s(1)).await;
        drop(herd.answers().await);
        settle().await;
    }
    let herd = world.herd(1);
    settle().await;
    ensure!(herd.finished() == 1, "the cache never filled");
    ensure!(world.source.contacts() == 1, "{} contacts", world.source.contacts());
    Ok(())
}

pub(crate) async fn a_caller_is_dropped_after_any_poll(kind: Kind) -> Verdict {
    for polls in 1..=8 {
        let world = World::new(kind, Does::Grant { lifetime: s(3600), after: s(1) });
        let mut leader = world.cache.get();
        ensure!(!poll_times(&mut leader, polls).await, "served before the source answered");
        let others = world.herd(HERD / 10);
        settle().await;
        drop(leader);
        settle().await;
        world.advance(s(1)).await;
        let answers = others.answers().await;
        ensure!(
            answers.len() == HERD / 10 && answers.iter().all(Result::is_ok),
            "polls {polls}: the others were harmed"
        );
        ensure!(world.source.contacts() == 1, "polls {polls}: {} contacts", world.source.contacts());
    }
    Ok(())
}

pub(crate) async fn the_provider_panics(kind: Kind) -> Verdict {
    let world = World::new(kind, Does::Panic);
    let herd = world.herd(HERD);
    settle().await;
    let answers = herd.answers().await;
    ensure!(answers.len() == HERD, "{} of {HERD} had an answer", answers.len());
    let typed = answers.iter().all(|answer| answer.as_ref().is_err_and(|error| error.kind() == ErrorKind::Panicked));
    ensure!(typed, "no typed error");
    ensure!(world.source.contacts() == 1, "{} contacts", world.source.contacts());
    world.source.now(GRANT);
    world.advance(s(5)).await;
    ensure!(world.ask_within(s(0)).await.is_some_and(|answer| answer.is_ok()), "not served afterwards");
    Ok(())
}

/// Half an hour without the source, at every minute of an hour's session, with a caller every 20 s.
pub(crate) async fn thirty_minutes_of_outage_at_every_phase(kind: Kind) -> Verdict {
    const OUTAGE: Duration = s(1800);
    for phase in (0..3600).step_by(60).map(s) {
        let world = World::new(kind, GRANT);
        let began = world.source.true_time();
        let mut last_end = None;
        let since = |world: &World| world.source.true_time().duration_since(began).unwrap_or_default();
        while since(&world) < phase + OUTAGE {
            world.source.now(if since(&world) < phase { GRANT } else { FAIL });
            match world.ask_within(s(3)).await {
                Some(Ok(found)) => {
                    ensure!(!world.is_expired(&found), "phase {phase:?}: an expired credential");
                    last_end = found.expiration();
                }
                _ => {
                    // A session's last second is not counted on, and 10 ms are the clock's granularity.
                    let valid = last_end.is_some_and(|end| world.source.true_time() + s(1) + ms(10) < end);
                    ensure!(!valid, "phase {phase:?}: an error while valid");
                }
            }
            world.advance(s(20)).await;
        }
        world.source.now(GRANT);
        let back = since(&world);
        let mut served = false;
        while !served && since(&world) <= back + s(5) {
            served = world.ask_within(s(0)).await.is_some_and(|answer| answer.is_ok());
            world.advance(ms(100)).await;
        }
        ensure!(served, "phase {phase:?}: not served 5 s after the source was back");
    }
    Ok(())
}

pub(crate) async fn asleep_for_five_hours(kind: Kind) -> Verdict {
    let world = World::with_session(kind, s(3600), s(3000)).await;
    world.clock.suspend(s(5 * 3600));
    let found = world.ask_within(s(3)).await.and_then(Result::ok).ok_or("not served")?;
    ensure!(!world.is_expired(&found), "an expired credential");
    ensure!(world.source.contacts() == 2, "{} contacts", world.source.contacts());
    Ok(())
}

/// The wall clock jumps by an hour either way; the source's own clock stays true.
pub(crate) async fn the_wall_clock_is_stepped(kind: Kind) -> Verdict {
    for hours in [1, -1] {
        let world = World::with_session(kind, s(3600), s(3000)).await;
        world.clock.step(hours * 3600);
        let before = world.source.contacts();
        for _ in 0..20 {
            let found = world.ask_within(s(3)).await.and_then(Result::ok).ok_or("not served")?;
            ensure!(!world.is_expired(&found), "step {hours} h: an expired credential");
            world.advance(s(100)).await;
        }
        let contacts = world.source.contacts() - before;
        ensure!(contacts <= 1, "step {hours} h: {contacts} refreshes");
        // And on, past the first session's true end.
        for _ in 0..20 {
            let found = world.ask_within(s(3)).await.and_then(Result::ok).ok_or("not served")?;
            ensure!(!world.is_expired(&found), "step {hours} h: an expired credential, later");
            world.advance(s(100)).await;
        }
    }
    Ok(())
}

pub(crate) async fn sessions_of_900_seconds(kind: Kind) -> Verdict {
    let world = World::new(kind, grant(s(900)));
    for _ in 0..3600 {
        ensure!(world.ask_within(s(3)).await.is_some_and(|answer| answer.is_ok()), "not served");
        world.advance(s(1)).await;
    }
    ensure!(world.source.contacts() <= 7, "{} contacts in an hour", world.source.contacts());
    Ok(())
}
