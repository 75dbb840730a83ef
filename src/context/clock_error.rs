//! How wrong the wall clock is, as the servers' `Date` headers tell.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Differences below this are the network's and the header's granularity.
const IGNORED: f64 = 4.0;
/// A difference above this is a server's mistake, not ours.
const MOST: f64 = 24.0 * 3600.0;
/// The wall clock was set when it and the boot clock have moved apart by more than this since the measurement.
const MOVED: f64 = 2.0;

/// The last measurement. Clones of a `Context` share it.
#[derive(Debug, Default)]
pub(crate) struct ClockError(Mutex<Option<Measured>>);

#[derive(Clone, Copy, Debug)]
struct Measured {
    /// What to add to the wall clock, in seconds.
    correction: f64,
    /// Wall minus boot time when it was measured, in seconds.
    wall_over_boot: f64,
}

impl Measured {
    /// Whether the wall clock has not been set since.
    fn holds(self, wall: Duration, boot: Duration) -> bool {
        (wall_over_boot(wall, boot) - self.wall_over_boot).abs() <= MOVED
    }
}

fn wall_over_boot(wall: Duration, boot: Duration) -> f64 {
    wall.as_secs_f64() - boot.as_secs_f64()
}

impl ClockError {
    /// Takes in a `Date` that a server sent between two readings of the wall clock.
    pub(crate) fn measure(&self, date: SystemTime, sent: Duration, received: Duration, boot: Duration) {
        let Ok(date) = date.duration_since(UNIX_EPOCH) else { return };
        // `Date` is cut to the second, so half a second is the best guess of what was cut.
        let correction = date.as_secs_f64() + 0.5 - f64::midpoint(sent.as_secs_f64(), received.as_secs_f64());
        let correction = if correction.abs() < IGNORED { 0.0 } else { correction };
        if correction.abs() <= MOST {
            let measured = Measured { correction, wall_over_boot: wall_over_boot(received, boot) };
            *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(measured);
        }
    }

    /// Whether a server has told how wrong the wall clock is, or that it is right.
    pub(crate) fn is_known(&self, wall: Duration, boot: Duration) -> bool {
        let measured = *self.0.lock().unwrap_or_else(PoisonError::into_inner);
        measured.is_some_and(|measured| measured.holds(wall, boot))
    }

    /// The wall clock as the servers have it.
    pub(crate) fn correct(&self, wall: Duration, boot: Duration) -> Duration {
        let mut measured = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match *measured {
            Some(m) if m.holds(wall, boot) => {
                let corrected = wall.as_secs_f64() + m.correction;
                if m.correction == 0.0 { wall } else { Duration::try_from_secs_f64(corrected).unwrap_or(wall) }
            }
            _ => {
                *measured = None;
                wall
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
        let error = ClockError::default();
        let date = UNIX_EPOCH + Duration::from_secs_f64(WALL.as_secs_f64() + date_is_ahead_by);
        error.measure(date, WALL, WALL, BOOT);
        error.correct(WALL, BOOT).as_secs_f64() - WALL.as_secs_f64()
    }

    #[test]
    fn small_and_absurd_errors_are_ignored() {
        assert_eq!(corrected_after(3.0), 0.0);
        assert_eq!(corrected_after(90_000.0), 0.0);
        assert_eq!(corrected_after(600.0), 600.5);
        assert_eq!(corrected_after(-600.0), -599.5);
    }

    #[test]
    fn the_clock_is_known_once_a_server_told_the_time_and_until_it_is_set() {
        let error = ClockError::default();
        assert!(!error.is_known(WALL, BOOT));
        error.measure(UNIX_EPOCH + WALL + Duration::from_secs(90_000), WALL, WALL, BOOT);
        assert!(!error.is_known(WALL, BOOT), "an absurd date tells nothing");
        error.measure(UNIX_EPOCH + WALL, WALL, WALL, BOOT);
        assert!(error.is_known(WALL, BOOT), "a clock that is right is known, too");
        assert!(!error.is_known(WALL + Duration::from_secs(600), BOOT));
    }

    #[test]
    fn a_measurement_is_forgotten_when_the_wall_clock_was_set() {
        let error = ClockError::default();
        error.measure(UNIX_EPOCH + WALL + Duration::from_secs(600), WALL, WALL, BOOT);
        let set = WALL + Duration::from_secs(600);
        assert_eq!(error.correct(set, BOOT), set);
        assert_eq!(error.correct(WALL, BOOT), WALL, "it stays forgotten");
    }
}
