//! All synchronization of a refresher, in one place: one lock, never held across an await or while other people's code
//! runs, whose results are published for readers that take no lock.

use std::sync::{Arc, PoisonError};
use std::time::Duration;

use super::lease::{Deadline, Time};
use super::machine::Machine;
use super::primitives::{ArcSwapOption, AtomicU64, Mutex, MutexGuard, Ordering};
use super::windows::DRIFT;
use crate::context::Now;
use crate::credentials::Credentials;

/// New credentials are numbered across the process, so that one refresher's generation is never another's.
static GENERATIONS: std::sync::atomic::AtomicU64 = std::sync::atomic::AtomicU64::new(0);

pub(super) fn next_generation() -> u64 {
    GENERATIONS.fetch_add(1, Ordering::Relaxed) + 1
}

/// The machine, and what readers know of it.
pub(super) struct Snapshot {
    machine: Mutex<Machine>,
    published: ArcSwapOption<Published>,
    /// Readers stay off the lock until this monotonic nanosecond: nothing needs doing.
    quiet_until: AtomicU64,
    generation: AtomicU64,
}

/// What a reader compares with its two clocks, in nanoseconds, since comparing integers is most of what it does. It is
/// replaced when the credential changes or the clocks have parted, and at no other time.
struct Published {
    credentials: Credentials,
    ends_wall: u64,
    ends_monotonic: u64,
    /// Wall minus monotonic time when the end was measured.
    wall_over_monotonic: i64,
    version: u64,
}

/// For a deadline, which may be `Duration::MAX`.
fn saturated(duration: Duration) -> u64 {
    duration.as_secs().saturating_mul(1_000_000_000).saturating_add(u64::from(duration.subsec_nanos()))
}

/// For a clock, which wraps around in the year 2554.
#[inline]
fn nanos(duration: Duration) -> u64 {
    duration.as_secs().wrapping_mul(1_000_000_000).wrapping_add(u64::from(duration.subsec_nanos()))
}

#[inline]
fn difference(wall: u64, monotonic: u64) -> i64 {
    (wall as i64).wrapping_sub(monotonic as i64)
}

impl Published {
    fn new((credentials, ends, measured): (Credentials, Deadline, Time), version: u64) -> Arc<Self> {
        Arc::new(Self {
            credentials,
            ends_wall: saturated(ends.wall),
            ends_monotonic: saturated(ends.monotonic),
            wall_over_monotonic: difference(nanos(measured.wall), nanos(measured.monotonic)),
            version,
        })
    }

    #[inline]
    fn is_valid(&self, wall: u64, monotonic: u64) -> bool {
        let parted = difference(wall, monotonic).wrapping_sub(self.wall_over_monotonic);
        wall < self.ends_wall && monotonic < self.ends_monotonic && parted.unsigned_abs() <= DRIFT.as_nanos() as u64
    }
}

impl Snapshot {
    pub(super) fn new(machine: Machine, now: Time) -> Self {
        let snapshot = Self {
            machine: Mutex::new(machine),
            published: ArcSwapOption::empty(),
            quiet_until: AtomicU64::new(0),
            generation: AtomicU64::new(0),
        };
        snapshot.update(now, |_| ());
        snapshot
    }

    /// The warm read: hands the credential to `read` when nothing needs doing, else hands `read` back.
    ///
    /// No lock, no allocation, no write to memory that other threads read.
    #[inline]
    pub(super) fn peek<R, T>(&self, now: Now, read: R) -> Result<T, R>
    where
        R: FnOnce(&Credentials) -> T,
    {
        let (wall, monotonic) = (nanos(now.wall), nanos(now.monotonic));
        // First this and then the credential: whoever sees the time of a new credential sees that one, and not the one
        // before, which may have been refused.
        if monotonic >= self.quiet_until.load(Ordering::Acquire) {
            return Err(read);
        }
        match &*self.published.load() {
            Some(published) if published.is_valid(wall, monotonic) => Ok(read(&published.credentials)),
            _ => Err(read),
        }
    }

    /// The slow path: one step of the machine, whose result is published before the lock is given back.
    pub(super) fn update<T>(&self, now: Time, step: impl FnOnce(&mut Machine) -> T) -> T {
        let mut machine = self.lock();
        let result = step(&mut machine);
        let replaced = self.publish(&machine);
        self.quiet_until.store(saturated(machine.quiet_until(now)), Ordering::Release);
        self.generation.store(machine.generation(), Ordering::Release);
        drop(machine);
        drop(replaced);
        result
    }

    /// Publishes the current credential where it or its end has changed, and gives what was published before.
    fn publish(&self, machine: &Machine) -> Option<Arc<Published>> {
        let version = machine.version();
        if self.published.load().as_ref().is_some_and(|published| published.version == version) {
            return None;
        }
        let current = machine.published()?;
        self.published.swap(Some(Published::new(current, version)))
    }

    /// A look at the machine that changes nothing.
    pub(super) fn look<T>(&self, look: impl FnOnce(&Machine) -> T) -> T {
        look(&self.lock())
    }

    fn lock(&self) -> MutexGuard<'_, Machine> {
        self.machine.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn generation(&self) -> u64 {
        self.generation.load(Ordering::Acquire)
    }
}

#[cfg(test)]
mod tests {
    use super::super::step::Found;
    use super::*;
    use crate::credentials::Left;

    const WALL: Duration = Duration::from_secs(1_800_000_000);
    const SECOND: Duration = Duration::from_secs(1);
    const NANOSECOND: Duration = Duration::from_nanos(1);

    fn seconds(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn a_credential_is_read_until_a_clock_has_come_to_its_end_or_the_clocks_have_parted() {
        let deadline = Deadline { wall: WALL + seconds(90), monotonic: seconds(100) };
        let measured = Time { wall: WALL, monotonic: seconds(10), boot: seconds(10), process: 1 };
        let published = Published::new((Credentials::new("id", "fake-secret"), deadline, measured), 1);
        let is_valid = |wall: Duration, monotonic: Duration| {
            published.is_valid(nanos(WALL + wall), nanos(seconds(10) + monotonic))
        };
        for (wall, monotonic, expected) in [
            (seconds(0), seconds(0), true),
            (seconds(90) - NANOSECOND, seconds(90) - NANOSECOND, true),
            (seconds(90), seconds(90) - NANOSECOND, false),
            (seconds(90) - NANOSECOND, seconds(90), false),
            (seconds(40) + DRIFT, seconds(40), true),
            (seconds(40) + DRIFT + NANOSECOND, seconds(40), false),
            (seconds(40), seconds(40) + DRIFT, true),
            (seconds(40), seconds(40) + DRIFT + NANOSECOND, false),
        ] {
            assert_eq!(is_valid(wall, monotonic), expected, "{wall:?}, {monotonic:?}");
        }
    }

    #[test]
    fn what_never_ends_is_read_at_the_end_of_time() {
        let never = Deadline { wall: Duration::MAX, monotonic: Duration::MAX };
        let measured = Time { wall: WALL, monotonic: seconds(10), boot: seconds(10), process: 1 };
        let published = Published::new((Credentials::new("id", "fake-secret"), never, measured), 1);
        let late = Duration::from_nanos(u64::MAX) - SECOND;
        assert!(published.is_valid(nanos(late), nanos(late - WALL + seconds(10))));
    }

    #[test]
    fn a_read_takes_no_lock_until_something_needs_doing() {
        let left = Some(Left { left: seconds(3600), whole: seconds(3600), by_wall: None });
        let credentials = Credentials::new("id", "fake-secret").with_generation(next_generation());
        let generation = credentials.generation();
        assert_ne!(generation, 0, "that is a credential which no refresher gave");
        let start = Time { wall: WALL, monotonic: seconds(10), boot: seconds(10), process: 1 };
        let machine = Machine::holding(Found { credentials, left, generation }, start, 0, seconds(120));
        let snapshot = Snapshot::new(machine, start);
        drop(snapshot.update(start, |machine| machine.on_request(start)));
        let id_at = |passed: Duration| {
            let now = Now { wall: WALL + passed, monotonic: seconds(10) + passed };
            snapshot.peek(now, |credentials| credentials.access_key_id().to_owned()).ok()
        };
        let due = snapshot.look(|machine| machine.quiet_until(start)) - start.monotonic;
        assert!(due > Duration::ZERO && due < seconds(3600), "{due:?}");
        let locked = snapshot.lock();
        assert_eq!(id_at(Duration::ZERO).as_deref(), Some("id"));
        assert_eq!(id_at(due - NANOSECOND).as_deref(), Some("id"));
        assert_eq!(id_at(due), None);
        drop(locked);
        // One that was refused is replaced before anybody reads it.
        let used = snapshot.look(|machine| machine.published()).unwrap().0;
        assert!(snapshot.update(start, |machine| machine.rejected(&used, start)));
        assert_eq!(id_at(Duration::ZERO), None);
        assert_eq!(snapshot.generation(), generation);
    }
}
