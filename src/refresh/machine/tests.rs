//! What takes many threads or processes from outside: a child after `fork` with its parent's memory, refreshes that hold their
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
