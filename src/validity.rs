//! The lifetime of a session, settled once, where its response arrives, from an expiration and two clocks that may be wrong.

use std::time::{Duration, SystemTime};

/// The kind of service that responded, which decides how far the response's `Date` is believed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Issuer {
    /// STS itself, and for how long it was asked.
    Sts { requested: Duration },
    /// Somebody who hands a session on: instance metadata, a credentials URI, a process.
    Relay,
}

/// The times that a response and the local clocks give.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Arrival {
    pub(crate) expiration: SystemTime,
    /// The `Date` of the answer.
    pub(crate) date: Option<SystemTime>,
    /// The wall clock when the request was sent, and now.
    pub(crate) sent: SystemTime,
    pub(crate) now: SystemTime,
    /// The time that this took, suspend included.
    pub(crate) took: Duration,
}

/// The remaining time of a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Validity {
    pub(crate) left: Duration,
    /// The wall clock may end it earlier, and is read again later, since there was no `Date`.
    pub(crate) by_wall: bool,
    /// One of the two clocks says that it is over.
    pub(crate) disputed: bool,
}

/// Two clocks that differ by no more agree: both show whole seconds, and the network takes its time.
const AGREEMENT: i128 = 4_000_000_000;
/// A session that one clock calls over is trusted no longer than this.
const DISPUTED: Duration = Duration::from_secs(15 * 60);
/// No role's session lasts longer (the most that MaxSessionDuration can be).
const LONGEST_RELAYED: Duration = Duration::from_secs(12 * 3600);

/// Settles what remains of a session; `None` when it is over.
///
/// The issuer's own `Date` dates a session exactly, so a wrong local clock neither shortens nor lengthens it; where both
/// clocks disagree, the one that comes nearer to what was asked for is believed. Of somebody who hands a session on neither
/// clock is better than the other, and the shorter time holds. A `Date` was written after the request was sent, and time
/// has passed since: all that the exchange took is taken off.
pub(crate) fn settle(issuer: Issuer, arrival: Arrival) -> Option<Validity> {
    let by_date = arrival.date.map(|date| nanos_between(date, arrival.expiration));
    let by_wall = nanos_between(arrival.now, arrival.expiration);
    let settled = |left| Validity { left, by_wall: false, disputed: false };
    match issuer {
        Issuer::Sts { requested } => {
            let Some(by_date) = by_date else {
                // The most that it can last; the wall clock is asked whenever it is looked at.
                return (by_wall > 0).then_some(Validity { left: requested, by_wall: true, disputed: false });
            };
            let agreed = arrival.date.is_some_and(|date| {
                nanos_between(date, arrival.now) >= -AGREEMENT && nanos_between(arrival.sent, date) >= -AGREEMENT
            });
            let asked = nanos(requested);
            // The session was granted somewhere between the request and now, so by the local clock it lasted from then on.
            let by_wall_lasted = asked.clamp(by_wall, by_wall.saturating_add(nanos(arrival.took)));
            let left = if agreed || (by_date - asked).abs() <= (by_wall_lasted - asked).abs() {
                duration(by_date).saturating_sub(arrival.took)
            } else {
                duration(by_wall)
            };
            // Both times are whole seconds, so the difference may be one too many.
            let left = left.saturating_sub(Duration::from_secs(1).min(left / 10)).min(requested);
            (!left.is_zero()).then(|| settled(left))
        }
        Issuer::Relay => {
            let by_wall = duration(by_wall);
            let Some(by_date) = by_date else {
                let most = Validity { left: LONGEST_RELAYED, by_wall: true, disputed: false };
                return (!by_wall.is_zero()).then_some(most);
            };
            // Whether it was over is what the `Date` says by itself: one that ended on its way is no matter of dispute.
            let was_over = by_date <= 0;
            let by_date = duration(by_date).saturating_sub(arrival.took);
            let validity = match (was_over, by_wall.is_zero()) {
                (false, false) => settled(by_date.min(by_wall).min(LONGEST_RELAYED)),
                (true, true) => return None,
                _ => Validity { disputed: true, ..settled(by_date.max(by_wall).min(DISPUTED)) },
            };
            (!validity.left.is_zero()).then_some(validity)
        }
    }
}

fn nanos(duration: Duration) -> i128 {
    i128::try_from(duration.as_nanos()).unwrap_or(i128::MAX)
}

/// From `start` to `end`; below zero when `end` is the earlier one.
fn nanos_between(start: SystemTime, end: SystemTime) -> i128 {
    match end.duration_since(start) {
        Ok(after) => nanos(after),
        Err(before) => -nanos(before.duration()),
    }
}

/// Returns the time ahead; zero if it is past.
fn duration(nanos: i128) -> Duration {
    u64::try_from(nanos.max(0)).map_or(Duration::MAX, Duration::from_nanos)
}

#[cfg(test)]
mod tests {
    use std::time::UNIX_EPOCH;

    use super::*;

    const NOW: i64 = 1_800_000_000;
    const ASKED: Duration = Duration::from_secs(3600);

    fn at(seconds: i64) -> SystemTime {
        let ahead = Duration::from_secs(seconds.unsigned_abs());
        if seconds < 0 { UNIX_EPOCH - ahead } else { UNIX_EPOCH + ahead }
    }

    /// An answer that took no time, with its expiration and `Date` relative to the local wall clock.
    fn arrival(expiration: i64, date: Option<i64>) -> Arrival {
        let now = at(NOW);
        let date = date.map(|date| at(NOW + date));
        Arrival { expiration: at(NOW.saturating_add(expiration)), date, sent: now, now, took: Duration::ZERO }
    }

    fn left(issuer: Issuer, arrival: Arrival) -> Option<(f64, bool, bool)> {
        settle(issuer, arrival).map(|v| (v.left.as_secs_f64(), v.by_wall, v.disputed))
    }

    #[test]
    fn the_issuer_is_believed_unless_the_other_clock_comes_nearer_to_what_was_asked_for() {
        for (what, expiration, date, expected) in [
            ("all agree", 3600, Some(0), Some((3599.0, false, false))),
            ("a second apart", 3600, Some(-3), Some((3600.0, false, false))),
            ("the local clock is 1 h slow", 7200, Some(3600), Some((3599.0, false, false))),
            ("the local clock is 50 min fast", 600, Some(-3000), Some((3599.0, false, false))),
            ("the local clock is 5 h fast: over by it", -14_400, Some(-18_000), Some((3599.0, false, false))),
            ("the server's Date is 2 h behind", 3600, Some(-7200), Some((3599.0, false, false))),
            ("the server's Date is 2 h ahead", 3600, Some(7200), Some((3599.0, false, false))),
            ("the server's Date is 1970", 3600, Some(-NOW), Some((3599.0, false, false))),
            ("no Date: the most, and the wall clock decides", 3600, None, Some((3600.0, true, false))),
            ("no Date, and over", 0, None, None),
            ("less than was asked for", 8, Some(0), Some((7.2, false, false))),
            ("a session of one second", 1, Some(0), Some((0.9, false, false))),
            ("over by both clocks", -10, Some(0), None),
            ("never more than was asked for", 90_000, Some(0), Some((3600.0, false, false))),
        ] {
            assert_eq!(left(Issuer::Sts { requested: ASKED }, arrival(expiration, date)), expected, "{what}");
        }
    }

    #[test]
    fn of_somebody_who_hands_it_on_the_shorter_time_holds() {
        for (what, expiration, date, expected) in [
            ("all agree", 3600, Some(0), Some((3600.0, false, false))),
            ("its clock is 2 h behind", 3600, Some(-7200), Some((3600.0, false, false))),
            ("its clock is from 1970", 3600, Some(-NOW), Some((3600.0, false, false))),
            ("its clock is 10 min ahead", 3600, Some(600), Some((3000.0, false, false))),
            ("its clock is 2 h ahead: 15 min at most", 3600, Some(7200), Some((900.0, false, true))),
            ("the local clock says that it is over", -60, Some(-660), Some((600.0, false, true))),
            ("over by both", -60, Some(0), None),
            ("the year 9999", 252_000_000_000, Some(0), Some((43_200.0, false, false))),
            ("no Date: the wall clock decides, for 12 h at most", 3600, None, Some((43_200.0, true, false))),
            ("no Date, and over", -1, None, None),
        ] {
            assert_eq!(left(Issuer::Relay, arrival(expiration, date)), expected, "{what}");
        }
    }

    #[test]
    fn what_the_exchange_took_is_taken_off() {
        // The machine slept for 5 h with the answer on its way: its Date is from before.
        let slept = Duration::from_secs(18_000);
        let asleep = Arrival { sent: at(NOW - 18_000), took: slept, ..arrival(3600 - 18_000, Some(-18_000)) };
        assert_eq!(settle(Issuer::Sts { requested: ASKED }, asleep), None);
        assert_eq!(settle(Issuer::Relay, asleep), None);
        // The same with 12 h, and a Date that is 2 h behind: what was asked for tells that the local clock is right.
        let (half_day, long) = (Duration::from_secs(43_200), 43_200 - 18_000);
        let wrong = Arrival { sent: at(NOW - 18_000), took: slept, ..arrival(long, Some(-18_000 - 7200)) };
        assert_eq!(left(Issuer::Sts { requested: half_day }, wrong), Some((25_199.0, false, false)));
        // The local clock is slow, but nobody says that it was over: the machine slept through all of it.
        let slow_clock = Arrival { expiration: at(NOW + 3600), date: Some(at(NOW)), took: slept, ..arrival(0, None) };
        assert_eq!(settle(Issuer::Relay, slow_clock), None);
        let slow = Arrival { sent: at(NOW - 9), took: Duration::from_secs(9), ..arrival(3600 - 9, Some(-9)) };
        assert_eq!(left(Issuer::Sts { requested: ASKED }, slow), Some((3590.0, false, false)));
    }

    #[test]
    fn times_at_the_ends_of_the_clock_are_no_panic() {
        let ends = [at(i64::MAX), at(i64::MIN + 1), UNIX_EPOCH, at(NOW)];
        for expiration in ends {
            for date in ends.map(Some).into_iter().chain([None]) {
                for now in ends {
                    let arrival = Arrival { expiration, date, sent: now, now, took: Duration::MAX };
                    settle(Issuer::Sts { requested: ASKED }, arrival);
                    settle(Issuer::Relay, arrival);
                }
            }
        }
    }
}
