//! Tests that would take many threads or processes from outside: a child after `fork` with its parent's memory, refreshes that hold their
//! threads for ever. The machine is told in which process it is, and what time.

use super::*;
use crate::credentials::Left;

fn at(process: u32, seconds: u64) -> Time {
    let time = Duration::from_secs(100 + seconds);
    Time { wall: time + Duration::from_secs(1_800_000_000), monotonic: time, boot: time, process }
}

fn found(key: &str) -> Found {
    let left = Duration::from_secs(3600);
    let left = Some(Left { left, whole: left, by_wall: None });
    Found { credentials: Credentials::new(key, "fake-secret"), left, generation: 7 }
}

/// Returns the number of the refresh that is to ask the source.
fn launched(machine: &mut Machine, now: Time) -> Option<u64> {
    machine.on_request(now).1.launch.map(|launch| launch.id)
}

#[test]
fn a_child_starts_a_refresh_of_its_own_and_waits_for_no_other() {
    let mut machine = Machine::new(None, Duration::from_secs(120));
    let parents = launched(&mut machine, at(1, 0));
    assert_eq!((parents, launched(&mut machine, at(1, 1))), (Some(1), None), "one at a time in a process");
    assert_eq!((launched(&mut machine, at(2, 1)), launched(&mut machine, at(2, 2))), (Some(2), None));
    // What a grandchild gives up holds no thread of its own.
    assert_eq!(launched(&mut machine, at(3, 3)), Some(3));
    assert_eq!(machine.running, 1);
    let (outcome, _) = machine.finished(3, Ok(found("one")), at(3, 4), [0; 2]);
    assert!(outcome.is_some_and(|outcome| outcome.is_ok()));
}

#[test]
fn a_child_looks_though_its_parent_was_looking() {
    let mut machine = Machine::new(None, Duration::from_secs(120));
    assert_eq!(launched(&mut machine, at(1, 0)), Some(1));
    assert!(machine.finished(1, Ok(found("one")), at(1, 0), [0; 2]).0.is_some());
    let mut looks = |now| machine.on_request(now).1.check.is_some();
    assert_eq!([looks(at(1, 2)), looks(at(1, 4)), looks(at(2, 4)), looks(at(2, 6))], [true, false, true, false]);
    assert!(!machine.begin_check(at(2, 6)), "nor does a refresh of the child begin one beside it");
    assert!(machine.begin_check(at(3, 6)));
}

#[test]
fn the_more_refreshes_hold_their_threads_the_rarer_the_next() {
    let mut machine = Machine::new(None, Duration::from_secs(10));
    assert_eq!(launched(&mut machine, at(1, 0)), Some(1));
    // The first is overdue after 11 s, and nobody asks again until its back-off is over: for one alone, soon.
    let mut next = |after: u64| {
        let first =
            (after..after + 100_000).find_map(|second| launched(&mut machine, at(1, second)).map(|id| (second, id)));
        first.map(|(second, id)| (second - after, id))
    };
    let mut began = 0;
    let mut pauses = Vec::new();
    for number in 2..7 {
        let (waited, id) = next(began + 1).unwrap();
        assert_eq!(id, number);
        began += 1 + waited;
        // From when it is overdue.
        pauses.push(waited + 1 - 11);
    }
    assert!(pauses[0] <= 1, "one that hangs delays nobody beyond its back-off: {pauses:?}");
    assert_eq!(pauses[1..], [10, 20, 40, 80], "twice as long each time, from the limit on");
}

/// One that holds `key` for an hour since `at(1, 0)`.
fn holding(key: &str, limit: u64) -> Machine {
    let mut machine = Machine::new(None, Duration::from_secs(limit));
    assert_eq!(launched(&mut machine, at(1, 0)), Some(1));
    assert!(machine.finished(1, Ok(found(key)), at(1, 0), [0; 2]).0.is_some());
    machine
}

#[test]
fn when_all_but_one_have_let_go_of_their_threads_the_next_refresh_need_not_wait_for_long() {
    let mut machine = holding("one", 10);
    let (used, ..) = machine.published().unwrap();
    let mut second = 2700;
    for id in 2..=5 {
        second = (second..3500).find(|second| launched(&mut machine, at(1, *second)) == Some(id)).unwrap();
    }
    // The last of the four is overdue. What a server refused is replaced in spite of a back-off.
    second += 11;
    assert_eq!(launched(&mut machine, at(1, second)), None);
    assert!(machine.rejected(&used, at(1, second)));
    // The first one ended well.
    for id in [1, 2, 3] {
        drop(machine.released(id, true, at(1, second)));
    }
    assert_eq!(launched(&mut machine, at(1, second + 2)), None, "two threads are held");
    drop(machine.released(4, true, at(1, second + 2)));
    assert_eq!(launched(&mut machine, at(1, second + 2)), None);
    assert_eq!(launched(&mut machine, at(1, second + 3)), Some(6));
}

#[test]
fn readers_stay_off_the_lock_while_nothing_needs_doing() {
    let mut machine = holding("one", 120);
    assert!(machine.published().is_some());
    assert_eq!(machine.quiet_until(at(1, 0)), at(1, 1).monotonic, "but for one visit a second");
    // A refresh ahead of the end keeps nobody off what there is.
    let advisory = at(1, 3600 - 600);
    assert_eq!(launched(&mut machine, advisory), Some(2));
    assert!(machine.quiet_until(advisory) > advisory.monotonic);
    let failed = machine.finished(2, Err(Error::failed("down")), advisory, [0; 2]).0;
    assert!(failed.is_some_and(|outcome| outcome.is_err()));
    assert!(machine.quiet_until(advisory) > advisory.monotonic, "a back-off runs");
    // One that was refused is replaced before anybody reads it.
    let (used, ..) = machine.published().unwrap();
    assert!(machine.rejected(&used, advisory));
    assert_eq!(machine.quiet_until(advisory), Duration::ZERO);
    assert_eq!(launched(&mut machine, advisory), Some(3), "the back-off is jumped");
    assert!(machine.finished(3, Err(Error::failed("down")), advisory, [0; 2]).0.is_some());
}

#[test]
fn the_next_refresh_is_due_by_its_window_or_at_once_for_what_was_refused_or_after_the_back_off() {
    let mut machine = holding("one", 120);
    assert_eq!(machine.next_refresh(at(1, 0)), Some(Duration::from_secs(3600 - 900)));
    let (used, ..) = machine.published().unwrap();
    assert!(machine.rejected(&used, at(1, 100)));
    assert_eq!(machine.next_refresh(at(1, 100)), Some(Duration::ZERO));
    assert_eq!(launched(&mut machine, at(1, 100)), Some(2));
    assert!(machine.finished(2, Err(Error::failed("down")), at(1, 100), [0; 2]).0.is_some());
    let back_off = machine.next_refresh(at(1, 100)).unwrap();
    assert!(back_off > Duration::ZERO && back_off < Duration::from_secs(1), "{back_off:?}");
    assert_eq!((launched(&mut machine, at(1, 100)), launched(&mut machine, at(1, 101))), (None, Some(3)));
}

#[test]
fn readers_come_back_for_what_is_still_to_be_replaced_when_the_back_off_is_over() {
    let mut machine = holding("one", 120);
    let (used, ..) = machine.published().unwrap();
    assert!(machine.rejected(&used, at(1, 100)));
    assert_eq!(launched(&mut machine, at(1, 100)), Some(2));
    assert!(machine.finished(2, Err(Error::failed("down")), at(1, 100), [0; 2]).0.is_some());
    let later = at(1, 1000);
    let _ = machine.current(later);
    assert!(machine.quiet_until(later) <= later.monotonic);
}

#[test]
fn what_comes_late_is_welcome_where_it_lasts_longer() {
    let lasting = |key: &str, seconds| {
        let left = Duration::from_secs(seconds);
        Found { left: Some(Left { left, whole: left, by_wall: None }), ..found(key) }
    };
    for (seconds, taken) in [(100, false), (3600, false), (3601, true)] {
        let mut machine = Machine::new(None, Duration::from_secs(10));
        assert_eq!(launched(&mut machine, at(1, 0)), Some(1));
        let second = (11..100).find_map(|second| Some((launched(&mut machine, at(1, second))?, second)));
        let (id, second) = second.unwrap();
        assert!(machine.finished(id, Ok(lasting("second", 3600)), at(1, second), [0; 2]).0.is_some());
        let late = Found { generation: 8, ..lasting("first", seconds) };
        assert_eq!(machine.finished(1, Ok(late), at(1, second), [0; 2]).0.is_some(), taken, "{seconds} s");
        assert_eq!(machine.generation(), if taken { 8 } else { 7 });
    }
}

#[test]
fn clocks_that_part_are_told_to_readers_and_an_end_that_is_past_jumps_a_back_off() {
    let mut machine = Machine::new(None, Duration::from_secs(120));
    assert_eq!(launched(&mut machine, at(1, 0)), Some(1));
    let found = found("one");
    let credentials = found.credentials.clone().with_expiration(at(1, 3600).system_time());
    assert!(machine.finished(1, Ok(Found { credentials, ..found }), at(1, 0), [0; 2]).0.is_some());
    let mut now = at(1, 3600 - 600);
    assert_eq!(launched(&mut machine, now), Some(2));
    let refused = Error::failed("no permission").permanent();
    assert!(machine.finished(2, Err(refused), now, [u64::MAX; 2]).0.is_some());
    assert_eq!(launched(&mut machine, now), None, "a back-off runs");
    for step in [10, 7200] {
        let before = machine.version();
        now.wall += Duration::from_secs(step);
        let _ = machine.current(now);
        assert!(machine.version() > before, "{step} s");
    }
    assert_eq!(launched(&mut machine, now), Some(3));
}

#[test]
fn one_at_a_time_asks_whether_the_credential_is_current() {
    let mut machine = holding("one", 120);
    assert!(machine.begin_check(at(1, 5)) && !machine.begin_check(at(1, 5)));
    assert!(machine.begin_check(at(2, 5)), "a child's own");
    machine.end_check();
    assert!(machine.begin_check(at(2, 6)));
}

#[test]
fn two_wishes_in_a_row_that_a_source_did_not_fulfil_tell_that_its_sessions_have_become_shorter() {
    let wishes = |wanted_and_lasts: &[(u64, u64)]| {
        let mut machine = holding("one", 120);
        let mut wish = |(time, (wanted, lasts)): (usize, &(u64, u64))| {
            let now = at(1, 100 * (time as u64 + 1));
            let launch = machine.on_request_for(Duration::from_secs(*wanted), now, false).1.launch?;
            let left = Duration::from_secs(*lasts);
            let left = Some(Left { left, whole: left, by_wall: None });
            let session = Found { left, ..found(&time.to_string()) };
            assert!(machine.finished(launch.id, Ok(session), now, [0; 2]).0.is_some_and(|outcome| outcome.is_ok()));
            Some(())
        };
        wanted_and_lasts.iter().enumerate().map(|wanted| wish(wanted).is_some()).collect::<Vec<_>>()
    };
    assert_eq!(wishes(&[(3550, 1800), (3000, 1800), (3000, 1800)]), [true, true, false]);
    let with_one_between = [(3550, 1800), (1800, 1800), (3000, 1800), (3000, 1800), (3000, 1800)];
    assert_eq!(wishes(&with_one_between), [true, true, true, true, false], "one that lasts as long as was wanted");
}
