//! A clock that moves only when a test says so.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio::sync::oneshot;

use super::clock::{Clock, Now};
use crate::provider::BoxFuture;

/// A [`Clock`] for tests: it stands still until it is moved. Clones share the time.
///
/// ```
/// use std::time::{Duration, UNIX_EPOCH};
/// use alibabacloud_credentials::{Clock, TestClock};
///
/// let clock = TestClock::new(UNIX_EPOCH + Duration::from_secs(1_700_000_000));
/// clock.advance(Duration::from_secs(60));
/// clock.step(-3600); // someone sets the wall clock back by an hour
/// clock.suspend(Duration::from_secs(600)); // the lid is closed
/// assert_eq!(clock.now().monotonic, Duration::from_secs(60));
/// ```
#[derive(Clone)]
pub struct TestClock(Arc<Mutex<State>>);

struct State {
    now: Now,
    boot: Duration,
    sleepers: Vec<(Duration, oneshot::Sender<()>)>,
}

impl TestClock {
    /// Creates a clock whose wall clock shows `start`; monotonic and boot time start at zero.
    pub fn new(start: SystemTime) -> Self {
        let wall = start.duration_since(UNIX_EPOCH).unwrap_or_default();
        let now = Now { wall, monotonic: Duration::ZERO };
        Self(Arc::new(Mutex::new(State { now, boot: Duration::ZERO, sleepers: Vec::new() })))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Lets time pass, and ends the sleeps that are due by then.
    pub fn advance(&self, duration: Duration) {
        let mut state = self.state();
        state.now.wall += duration;
        state.now.monotonic += duration;
        state.boot += duration;
        let now = state.now.monotonic;
        let (due, waiting) = state.sleepers.drain(..).partition(|(at, _)| *at <= now);
        state.sleepers = waiting;
        drop(state);
        for (_, sleeper) in due {
            // A sleeper that was dropped meanwhile needs no waking.
            let _ = sleeper.send(());
        }
    }

    /// Sets the wall clock forward or back, as an administrator or NTP would.
    pub fn step(&self, seconds: i64) {
        let mut state = self.state();
        let by = Duration::from_secs(seconds.unsigned_abs());
        state.now.wall = if seconds < 0 { state.now.wall.saturating_sub(by) } else { state.now.wall + by };
    }

    /// Puts the machine to sleep: wall and boot time go on, monotonic time does not, and no timer fires.
    pub fn suspend(&self, duration: Duration) {
        let mut state = self.state();
        state.now.wall += duration;
        state.boot += duration;
    }

    /// Returns the time until the next sleep ends, if there is one.
    pub fn next_wake(&self) -> Option<Duration> {
        let mut state = self.state();
        state.sleepers.retain(|(_, sleeper)| !sleeper.is_closed());
        let now = state.now.monotonic;
        state.sleepers.iter().map(|(at, _)| at.saturating_sub(now)).min()
    }
}

impl fmt::Debug for TestClock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("TestClock").field(&self.state().now).finish()
    }
}

impl Clock for TestClock {
    fn now(&self) -> Now {
        self.state().now
    }

    fn boot(&self) -> Duration {
        self.state().boot
    }

    fn sleep(&self, duration: Duration) -> BoxFuture<'static, ()> {
        let (wake, woken) = oneshot::channel();
        if !duration.is_zero() {
            let mut state = self.state();
            let at = state.now.monotonic.saturating_add(duration);
            state.sleepers.push((at, wake));
        }
        Box::pin(async move {
            let _ = woken.await;
        })
    }
}
