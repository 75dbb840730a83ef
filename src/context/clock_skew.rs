//! Measures how far off the wall clock is, by the servers' `Date` headers.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Differences below this are the network's and the header's granularity.
const IGNORED: f64 = 4.0;
/// An exchange that took longer, an upload for one, does not tell when in it the server looked at its clock.
const LONGEST: f64 = 10.0;
/// A difference above this is a server's mistake, not ours.
const MOST: f64 = 24.0 * 3600.0;
/// The wall clock was set when it and the boot clock have moved apart by more than this since the measurement.
const MOVED: f64 = 2.0;

/// The last measurement. Clones of a `Context` share it.
#[derive(Debug, Default)]
pub(crate) struct ClockSkew(Mutex<Option<Measured>>);

#[derive(Clone, Copy, Debug)]
struct Measured {
    /// The correction to add to the wall clock, in seconds.
    correction: f64,
    /// Wall minus boot time when it was measured, in seconds.
    wall_over_boot: f64,
}

impl Measured {
    /// Returns whether the wall clock has not been set since.
    fn holds(self, wall: Duration, boot: Duration) -> bool {
        (wall_over_boot(wall, boot) - self.wall_over_boot).abs() <= MOVED
    }
}

fn wall_over_boot(wall: Duration, boot: Duration) -> f64 {
    wall.as_secs_f64() - boot.as_secs_f64()
}

impl ClockSkew {
    /// Takes in a `Date` that a server sent between two readings of the wall clock.
    pub(crate) fn measure(&self, date: SystemTime, sent: Duration, wall: Duration, boot: Duration) {
        let Ok(date) = date.duration_since(UNIX_EPOCH) else { return };
        let (sent, received) = (sent.as_secs_f64(), wall.as_secs_f64());
        if !(0.0..=LONGEST).contains(&(received - sent)) {
            return;
        }
        // `Date` is cut to the second, so the server looked between it and a second later, and so did we between the two.
        let [least, most] = [date.as_secs_f64() - received, date.as_secs_f64() + 1.0 - sent];
        let correction = if least < IGNORED && most > -IGNORED { 0.0 } else { f64::midpoint(least, most) };
        if correction.abs() <= MOST {
            let measured = Measured { correction, wall_over_boot: wall_over_boot(wall, boot) };
            *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(measured);
        }
    }

    /// The wall clock as the servers have it; our own while none has told.
    pub(crate) fn correct(&self, wall: Duration, boot: Duration) -> Duration {
        self.measured(wall, boot).unwrap_or(wall)
    }

    /// The wall clock as the servers have it, if one has told.
    pub(crate) fn measured(&self, wall: Duration, boot: Duration) -> Option<Duration> {
        let mut measured = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match *measured {
            Some(m) if m.holds(wall, boot) => {
                let corrected = wall.as_secs_f64() + m.correction;
                Some(if m.correction == 0.0 { wall } else { Duration::try_from_secs_f64(corrected).unwrap_or(wall) })
            }
            _ => {
                *measured = None;
                None
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WALL: Duration = Duration::from_secs(1_000_000);
    const BOOT: Duration = Duration::from_secs(500);

    fn corrected_after(date_is_ahead_by: f64) -> f64 {
        let skew = ClockSkew::default();
        let date = UNIX_EPOCH + Duration::from_secs_f64(WALL.as_secs_f64() + date_is_ahead_by);
        skew.measure(date, WALL, WALL, BOOT);
        skew.correct(WALL, BOOT).as_secs_f64() - WALL.as_secs_f64()
    }

    #[test]
    fn small_and_absurd_errors_are_ignored() {
        assert_eq!(corrected_after(3.0), 0.0);
        assert_eq!(corrected_after(90_000.0), 0.0);
        assert_eq!(corrected_after(600.0), 600.5);
        assert_eq!(corrected_after(-600.0), -599.5);
    }

    #[test]
    fn a_long_exchange_says_nothing_of_the_clock() {
        let skew = ClockSkew::default();
        // An upload of 40 minutes, answered at its end by a server that agrees with us.
        let end = WALL + Duration::from_secs(2400);
        skew.measure(UNIX_EPOCH + end, WALL, end, BOOT);
        assert_eq!(skew.correct(end, BOOT), end);
        // What was measured before holds.
        skew.measure(UNIX_EPOCH + WALL + Duration::from_secs(600), WALL, WALL, BOOT);
        let later = BOOT + Duration::from_secs(2400);
        skew.measure(UNIX_EPOCH + end, WALL, end, later);
        assert_eq!(skew.correct(end, later), end + Duration::from_millis(600_500));
        // Nine seconds of upload are within what the header can tell.
        let skew = ClockSkew::default();
        let end = WALL + Duration::from_secs(9);
        skew.measure(UNIX_EPOCH + end, WALL, end, BOOT);
        assert_eq!(skew.correct(end, BOOT), end);
    }

    #[test]
    fn the_clock_is_known_once_a_server_told_the_time_and_until_it_is_set() {
        let skew = ClockSkew::default();
        assert_eq!(skew.measured(WALL, BOOT), None);
        skew.measure(UNIX_EPOCH + WALL + Duration::from_secs(90_000), WALL, WALL, BOOT);
        assert_eq!(skew.measured(WALL, BOOT), None, "an absurd date tells nothing");
        skew.measure(UNIX_EPOCH + WALL, WALL, WALL, BOOT);
        assert_eq!(skew.measured(WALL, BOOT), Some(WALL), "a clock that is right is known, too");
        assert_eq!(skew.measured(WALL + Duration::from_secs(600), BOOT), None);
    }

    #[test]
    fn a_measurement_is_forgotten_when_the_wall_clock_was_set() {
        let skew = ClockSkew::default();
        skew.measure(UNIX_EPOCH + WALL + Duration::from_secs(600), WALL, WALL, BOOT);
        let set = WALL + Duration::from_secs(600);
        assert_eq!(skew.correct(set, BOOT), set);
        assert_eq!(skew.correct(WALL, BOOT), WALL, "it stays forgotten");
    }
}
