//! All synchronisation of a refresher, in one place: one lock, never held across an await, whose results are published
//! for readers that take no lock.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use arc_swap::ArcSwapOption;
use tokio::sync::watch;

use super::machine::{Deadline, Machine, Time, View};
use super::windows::DRIFT;
use crate::context::Now;
use crate::credentials::Credentials;

/// New credentials are numbered across the process, so that one refresher's generation is never another's.
static GENERATIONS: AtomicU64 = AtomicU64::new(0);

pub(super) fn next_generation() -> u64 {
    GENERATIONS.fetch_add(1, Ordering::Relaxed) + 1
}

pub(super) struct Cell {
    machine: Mutex<Machine>,
    published: ArcSwapOption<Published>,
    /// Readers of a due credential stay off the lock until this monotonic nanosecond: a flight or a back-off runs.
    quiet_until: AtomicU64,
    generation: AtomicU64,
    /// The last generation that somebody undertook to tell subscribers of, and the last that they were told of.
    telling: AtomicU64,
    told: AtomicU64,
    /// For subscribers alone: whoever holds on to what the channel shows keeps others from changing it.
    generations: watch::Sender<u64>,
}

/// A [`View`] in nanoseconds, since comparing integers is most of what a warm read does.
struct Published {
    credentials: Credentials,
    due: Nanos,
    expires: Nanos,
    wall_over_monotonic: i64,
}

#[derive(Clone, Copy)]
struct Nanos {
    wall: u64,
    monotonic: u64,
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

impl From<Deadline> for Nanos {
    fn from(deadline: Deadline) -> Self {
        Self { wall: saturated(deadline.wall), monotonic: saturated(deadline.monotonic) }
    }
}

impl Nanos {
    #[inline]
    fn is_ahead(self, wall: u64, monotonic: u64) -> bool {
        wall < self.wall && monotonic < self.monotonic
    }
}

impl Published {
    #[inline]
    fn clocks_agree(&self, wall: u64, monotonic: u64) -> bool {
        let difference = (wall as i64).wrapping_sub(monotonic as i64).wrapping_sub(self.wall_over_monotonic);
        difference.unsigned_abs() <= DRIFT.as_nanos() as u64
    }
}

impl Cell {
    pub(super) fn new(machine: Machine, now: Time) -> Self {
        let generation = machine.generation();
        let (generations, _) = watch::channel(generation);
        let cell = Self {
            machine: Mutex::new(machine),
            published: ArcSwapOption::empty(),
            quiet_until: AtomicU64::new(0),
            generation: AtomicU64::new(0),
            telling: AtomicU64::new(generation),
            told: AtomicU64::new(generation),
            generations,
        };
        cell.update(now, |_| ());
        cell
    }

    /// The warm read: hands the credential to `read` when nothing needs doing, else hands `read` back.
    ///
    /// No lock, no allocation, no write to memory that other threads read.
    #[inline]
    pub(super) fn peek<R, T>(&self, now: Now, read: R) -> Result<T, R>
    where
        R: FnOnce(&Credentials) -> T,
    {
        let guard = self.published.load();
        let Some(published) = &*guard else { return Err(read) };
        let (wall, monotonic) = (nanos(now.wall), nanos(now.monotonic));
        let fresh = published.due.is_ahead(wall, monotonic)
            || (monotonic < self.quiet_until.load(Ordering::Acquire) && published.expires.is_ahead(wall, monotonic));
        if fresh && published.clocks_agree(wall, monotonic) { Ok(read(&published.credentials)) } else { Err(read) }
    }

    /// The slow path: one step of the machine, whose result is published before the lock is given back.
    pub(super) fn update<T>(&self, now: Time, step: impl FnOnce(&mut Machine) -> T) -> T {
        let mut machine = self.machine.lock().unwrap_or_else(PoisonError::into_inner);
        let result = step(&mut machine);
        // Readers that see the new deadline must see the credential that it is about.
        self.published.store(machine.view(now).map(|view| publish(view).into()));
        self.quiet_until.store(saturated(machine.quiet_until(now)), Ordering::Release);
        self.generation.store(machine.generation(), Ordering::Release);
        result
    }

    /// A look at the machine that changes nothing.
    pub(super) fn look<T>(&self, look: impl FnOnce(&Machine) -> T) -> T {
        look(&self.machine.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Whether there is a generation that nobody has undertaken to tell subscribers of. Now the caller has: see `tell`.
    pub(super) fn takes_on_telling(&self) -> bool {
        let generation = self.generation();
        self.telling.fetch_max(generation, Ordering::AcqRel) < generation
    }

    /// Tells subscribers of a new generation. Never under the lock, nor where refreshes run: it waits for whoever holds on
    /// to what he saw.
    pub(super) fn tell(&self) {
        let generation = self.generation();
        self.generations.send_if_modified(|known| {
            let new = *known < generation;
            *known = generation.max(*known);
            new
        });
        self.told.fetch_max(generation, Ordering::AcqRel);
    }

    pub(super) fn generation(&self) -> u64 {
        self.generation.load(Ordering::Acquire)
    }

    /// Begins with the generation of this moment.
    pub(super) fn subscribe(&self) -> watch::Receiver<u64> {
        if self.told.load(Ordering::Acquire) < self.generation() {
            self.tell();
        }
        self.generations.subscribe()
    }
}

fn publish(view: View) -> Published {
    Published {
        credentials: view.credentials,
        due: view.due.into(),
        expires: view.expires.into(),
        wall_over_monotonic: i64::try_from(view.wall_over_monotonic).unwrap_or(i64::MAX),
    }
}
