//! The clocks: wall, monotonic, and one that counts suspend.

use std::time::{Duration, SystemTime};

use super::executor::TIMEKEEPER;
use crate::provider::BoxFuture;
use crate::time;

/// The readings of the two clocks that a warm read looks at.
///
/// ```
/// use std::time::{Duration, UNIX_EPOCH};
/// use alibabacloud_credentials::Now;
///
/// let now = Now { wall: Duration::from_secs(1_800_000_000), monotonic: Duration::from_secs(60) };
/// assert_eq!(now.system_time(), UNIX_EPOCH + Duration::from_secs(1_800_000_000));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Now {
    /// The wall clock, since the Unix epoch.
    pub wall: Duration,
    /// Time since some fixed instant. It never goes back, and need not count suspend.
    pub monotonic: Duration,
}

impl Now {
    /// Returns the wall clock as a time of the standard library.
    pub fn system_time(self) -> SystemTime {
        time::from_epoch(self.wall)
    }
}

/// The clocks of a [`Context`](crate::Context). The crate reads time nowhere else.
///
/// ```
/// use std::time::Duration;
/// use alibabacloud_credentials::{BoxFuture, Clock, Now};
///
/// /// A machine whose wall clock is an hour behind.
/// struct Behind<C>(C);
///
/// impl<C: Clock> Clock for Behind<C> {
///     fn now(&self) -> Now {
///         let now = self.0.now();
///         Now { wall: now.wall.saturating_sub(Duration::from_secs(3600)), ..now }
///     }
///
///     fn boot(&self) -> Duration {
///         self.0.boot()
///     }
///
///     fn sleep(&self, duration: Duration) -> BoxFuture<'static, ()> {
///         self.0.sleep(duration)
///     }
/// }
/// ```
pub trait Clock: Send + Sync + 'static {
    /// Returns wall and monotonic time. It is called at every warm read, so it should take nanoseconds; a granularity of up to
    /// 10 ms is fine.
    fn now(&self) -> Now;

    /// Returns the time since some fixed instant, suspend included. It is called on the slow path only.
    fn boot(&self) -> Duration;

    /// Returns a future that ends after `duration` of monotonic time, on any executor.
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
