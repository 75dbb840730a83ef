//! How long a credential is good for, on the three clocks of its refresher.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::windows::{self, DRIFT, GRANULARITY};
use crate::credentials::{Credentials, Left};
use crate::time;

/// The three clocks at one instant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Time {
    pub(super) wall: Duration,
    pub(super) monotonic: Duration,
    pub(super) boot: Duration,
    /// The process, since a child after `fork` has no refresh under way whatever its memory says.
    pub(super) process: u32,
}

impl Time {
    pub(super) fn system_time(self) -> SystemTime {
        time::from_epoch(self.wall)
    }
}

/// An instant on both clocks that a warm read looks at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Deadline {
    pub(super) wall: Duration,
    pub(super) monotonic: Duration,
}

/// A machine that sleeps is noticed when boot and monotonic time have parted by more than this: snapshots of the clocks
/// are not taken in one instant, and coarse clocks tick every 10 ms at most.
const SUSPENDED: Duration = Duration::from_millis(100);

/// How long a credential is good for. The boot clock decides; the wall clock does too while both advance together. When
/// they part, [`measured`](Self::measured) says what that means.
#[derive(Clone, Copy, Debug)]
pub(super) struct Lease {
    /// The clocks when it was last measured.
    measured_at: Time,
    /// The end by the boot clock; `None`: never.
    ends_at: Option<Duration>,
    /// What its issuer calls its end, by the wall clock.
    expiration: Duration,
    /// Where the wall clock alone says when it ends: the latest that this can be, by the boot clock.
    movable_to: Option<Duration>,
    /// What remains when the first refresh starts, and when callers begin to wait for one.
    trigger: Duration,
    mandatory: Duration,
}

/// What the clocks did since a lease was measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Passed {
    /// They advanced together.
    Together,
    /// They parted, and the lease counts from now.
    Apart,
    /// The wall clock was set forward past the credential's Expiration, though the boot clock has some of it left.
    BeyondExpiration,
}

impl Lease {
    /// From `now` on, with what `left` says; `None` lasts for ever.
    pub(super) fn new(
        credentials: &Credentials,
        left: Option<Left>,
        now: Time,
        advisory: Option<Duration>,
        draw: u64,
    ) -> Self {
        let lifetime = left.map(|left| left.left).unwrap_or_default();
        let advisory = windows::advisory(lifetime, advisory);
        Self {
            measured_at: now,
            ends_at: left.map(|left| now.boot.saturating_add(left.left)),
            expiration: since_epoch(credentials.expiration()),
            movable_to: left.and_then(|left| left.by_wall).map(|most| now.boot.saturating_add(most)),
            trigger: windows::trigger(advisory, draw),
            mandatory: windows::mandatory(lifetime),
        }
    }

    /// What remains, `None` for ever.
    pub(super) fn remaining(&self, now: Time) -> Option<Duration> {
        let by_boot = self.ends_at?.saturating_sub(now.boot);
        Some(by_boot.min(self.lifetime()?.saturating_sub(now.wall.saturating_sub(self.measured_at.wall))))
    }

    /// What remained when it was measured.
    fn lifetime(&self) -> Option<Duration> {
        Some(self.ends_at?.saturating_sub(self.measured_at.boot))
    }

    pub(super) fn is_over(&self, now: Time) -> bool {
        self.remaining(now).is_some_and(|left| left <= GRANULARITY)
    }

    /// The same lease where the clocks have advanced together, else one that counts from now.
    ///
    /// The wall clock has been set where it and the boot clock have parted. An end that the wall clock alone says moves with
    /// it, while the credential is not over: then only its source revives it. Any other end stays.
    pub(super) fn measured(mut self, now: Time) -> (Self, Passed) {
        let since = |clock: Duration, then: Duration| clock.as_nanos() as i128 - then.as_nanos() as i128;
        let boot = since(now.boot, self.measured_at.boot);
        let set = since(now.wall, self.measured_at.wall) - boot;
        let slept = boot - since(now.monotonic, self.measured_at.monotonic);
        let is_set = set.unsigned_abs() > DRIFT.as_nanos();
        if !is_set && slept.unsigned_abs() <= SUSPENDED.as_nanos() {
            return (self, Passed::Together);
        }
        let Some(ends_at) = self.ends_at else {
            self.measured_at = now;
            return (self, Passed::Apart);
        };
        let mut passed = Passed::Apart;
        if is_set && ends_at.saturating_sub(now.boot) > GRANULARITY {
            if let Some(most) = self.movable_to {
                self.ends_at = Some(now.boot.saturating_add(self.expiration.saturating_sub(now.wall)).min(most));
            } else {
                let unset = self.measured_at.wall.saturating_add(now.boot.saturating_sub(self.measured_at.boot));
                if unset < self.expiration && now.wall >= self.expiration {
                    passed = Passed::BeyondExpiration;
                }
            }
        } else if !is_set {
            // What the wall clock took off by its drift stays off.
            self.ends_at = self.remaining(now).map(|left| now.boot.saturating_add(left));
        }
        self.measured_at = now;
        (self, passed)
    }

    pub(super) fn is_due(&self, left: Duration) -> bool {
        left <= self.trigger
    }

    pub(super) fn is_mandatory(&self, left: Duration) -> bool {
        left <= self.mandatory
    }

    /// How long until the first refresh starts; `None`: never.
    pub(super) fn until_due(&self, now: Time) -> Option<Duration> {
        Some(self.remaining(now)?.saturating_sub(self.trigger))
    }

    /// Returns the time from the measurement to the first refresh; `None`: never.
    #[cfg(feature = "role-pool")]
    pub(super) fn between_renewals(&self) -> Option<Duration> {
        Some(self.lifetime()?.saturating_sub(self.trigger))
    }

    /// How long until callers wait for a refresh; `None`: never.
    pub(super) fn until_mandatory(&self, now: Time) -> Option<Duration> {
        Some(self.remaining(now)?.saturating_sub(self.mandatory))
    }

    /// When it ends, for readers. The same as long as it is not measured again.
    pub(super) fn deadline(&self) -> Deadline {
        let Some(lifetime) = self.lifetime() else {
            return Deadline { wall: Duration::MAX, monotonic: Duration::MAX };
        };
        let lifetime = lifetime.saturating_sub(GRANULARITY);
        let Time { wall, monotonic, .. } = self.measured_at;
        Deadline { wall: wall.saturating_add(lifetime), monotonic: monotonic.saturating_add(lifetime) }
    }

    pub(super) fn measured_at(&self) -> Time {
        self.measured_at
    }

    /// When it ends or ended, by the wall clock.
    pub(super) fn ends_at(&self, now: Time) -> Option<SystemTime> {
        let ends_at = self.ends_at?;
        let wall = match self.remaining(now)? {
            Duration::ZERO => now.wall.saturating_sub(now.boot.saturating_sub(ends_at)),
            left => now.wall.saturating_add(left),
        };
        Some(time::from_epoch(wall))
    }
}

/// A time before the epoch is the epoch: no wall clock of a machine that is in use shows one.
fn since_epoch(time: Option<SystemTime>) -> Duration {
    time.map_or(Duration::MAX, |time| time.duration_since(UNIX_EPOCH).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: u64 = 1_700_000_000;

    fn at(wall: i64, boot: u64, monotonic: u64) -> Time {
        let wall = Duration::from_secs(START.saturating_add_signed(wall));
        let (boot, monotonic) = (Duration::from_secs(100 + boot), Duration::from_secs(50 + monotonic));
        Time { wall, monotonic, boot, process: 1 }
    }

    fn lease(seconds: u64, by_wall: bool) -> Lease {
        let left = Duration::from_secs(seconds);
        let by_wall = by_wall.then_some(Duration::from_secs(12 * 3600));
        let ends = time::from_epoch(Duration::from_secs(START + seconds));
        let credentials = Credentials::new("id", "secret").with_expiration(ends);
        Lease::new(&credentials, Some(Left { left, whole: left, by_wall }), at(0, 0, 0), None, 0)
    }

    fn after(seconds: u64, by_wall: bool, now: Time) -> (u64, Passed) {
        let (lease, passed) = lease(seconds, by_wall).measured(now);
        (lease.remaining(now).unwrap().as_secs(), passed)
    }

    #[test]
    fn a_dated_session_is_judged_by_the_boot_clock_when_the_clocks_part() {
        assert_eq!(after(3600, false, at(600, 600, 600)), (3000, Passed::Together));
        assert_eq!(after(3600, false, at(600, 600, 0)), (3000, Passed::Apart), "the machine slept");
        assert_eq!(after(3600, false, at(-6600, 600, 600)), (3000, Passed::Apart), "set back by 2 h");
        assert_eq!(after(3600, false, at(2400, 600, 600)), (3000, Passed::Apart), "set forward by 30 min");
        assert_eq!(after(3600, false, at(7800, 600, 600)), (3000, Passed::BeyondExpiration), "set forward by 2 h");
        assert_eq!(after(3600, false, at(0, 600, 0)), (3000, Passed::Apart), "slept, and set back by as much");
        assert_eq!(after(3600, false, at(18_000, 18_000, 0)), (0, Passed::Apart), "slept for 5 h");
    }

    #[test]
    fn an_end_that_the_wall_clock_alone_says_moves_with_it_until_it_has_come() {
        assert_eq!(after(3600, true, at(600, 600, 600)), (3000, Passed::Together));
        assert_eq!(after(3600, true, at(-1800, 600, 600)), (5400, Passed::Apart), "set back by 40 min");
        assert_eq!(after(3600, true, at(3300, 600, 600)), (300, Passed::Apart), "set forward by 45 min");
        assert_eq!(after(3600, true, at(18_000, 0, 0)), (0, Passed::Apart), "resumed 5 h later");
        assert_eq!(after(3600, true, at(-360_000, 0, 0)), (43_200, Passed::Apart), "never beyond the most");
        assert_eq!(after(3600, true, at(0, 3600, 3600)), (0, Passed::Apart), "over: nothing but its source revives it");
    }

    #[test]
    fn a_step_within_the_drift_takes_from_what_remains_and_never_adds() {
        assert_eq!(lease(3600, false).remaining(at(602, 600, 600)).unwrap().as_secs(), 2998);
        assert_eq!(lease(3600, false).remaining(at(598, 600, 600)).unwrap().as_secs(), 3000);
        for by_wall in [false, true] {
            assert_eq!(after(3600, by_wall, at(602, 600, 0)), (2998, Passed::Apart), "and not when the machine sleeps");
        }
    }
}
