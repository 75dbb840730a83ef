//! The clocks: wall, monotonic, and one that counts suspend.

use std::time::{Duration, SystemTime};

use super::executor::TIMEKEEPER;
use crate::provider::BoxFuture;
use crate::time;

/// The two clocks that a warm read looks at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Now {
    /// The wall clock, since the Unix epoch.
    pub wall: Duration,
    /// Time since some fixed instant. It never goes back, and need not count suspend.
    pub monotonic: Duration,
}

impl Now {
    /// The wall clock as the standard library has it.
    pub fn system_time(self) -> SystemTime {
        time::from_epoch(self.wall)
    }
}

/// Time, as the crate sees it: it never asks the system otherwise.
pub trait Clock: Send + Sync + 'static {
    /// Wall and monotonic time. Read on every warm hit, so it should cost nanoseconds; a granularity of up to 10 ms is
    /// allowed for.
    fn now(&self) -> Now;

    /// Time since some fixed instant, suspend included. Read on the slow path only.
    fn boot(&self) -> Duration;

    /// Ends after `duration` of monotonic time. It has to work on any executor.
    fn sleep(&self, duration: Duration) -> BoxFuture<'static, ()>;
}

/// The system's clocks.
#[derive(Debug)]
pub(super) struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Now {
        system::now()
    }

    fn boot(&self) -> Duration {
        system::boot()
    }

    /// The timer is the timekeeper's, so it works on any executor.
    fn sleep(&self, duration: Duration) -> BoxFuture<'static, ()> {
        let Some(timekeeper) = TIMEKEEPER.handle() else {
            // Without a thread there is no timer: better early than never.
            return Box::pin(std::future::ready(()));
        };
        let _runtime = timekeeper.enter();
        // The one place where the crate waits.
        #[allow(clippy::disallowed_methods)]
        Box::pin(tokio::time::sleep(duration))
    }
}

/// Linux has coarse clocks that are read in 5 ns; a full clock costs 25 ns, more than all the rest of a warm read.
#[cfg(any(target_os = "linux", target_os = "android"))]
mod system {
    use std::time::Duration;

    use rustix::time::{ClockId, clock_gettime};

    use super::Now;

    /// The kernel never shows a negative time, nor a second's worth of nanoseconds.
    #[inline]
    #[allow(clippy::cast_sign_loss, clippy::cast_possible_truncation)]
    fn read(clock: ClockId) -> Duration {
        let time = clock_gettime(clock);
        Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
    }

    pub(super) fn now() -> Now {
        Now { wall: read(ClockId::RealtimeCoarse), monotonic: read(ClockId::MonotonicCoarse) }
    }

    pub(super) fn boot() -> Duration {
        read(ClockId::Boottime)
    }
}

#[cfg(not(any(target_os = "linux", target_os = "android")))]
mod system {
    use std::sync::LazyLock;
    use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

    use super::Now;

    #[allow(clippy::disallowed_methods)]
    static START: LazyLock<Instant> = LazyLock::new(Instant::now);

    #[allow(clippy::disallowed_methods)]
    pub(super) fn now() -> Now {
        let monotonic = Instant::now().saturating_duration_since(*START);
        Now { wall: SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default(), monotonic }
    }

    /// CLOCK_MONOTONIC counts suspend on Apple's systems, where `Instant` does not.
    #[cfg(target_vendor = "apple")]
    pub(super) fn boot() -> Duration {
        let time = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic);
        Duration::new(u64::try_from(time.tv_sec).unwrap_or(0), u32::try_from(time.tv_nsec).unwrap_or(0))
    }

    /// Windows' performance counter counts suspend; elsewhere nothing better is known.
    #[cfg(not(target_vendor = "apple"))]
    pub(super) fn boot() -> Duration {
        now().monotonic
    }
}
