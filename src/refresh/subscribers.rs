//! Whoever wants to hear of new generations: each has a channel of its own, so that one who holds on to what it shows keeps
//! nobody else from hearing.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::watch;

use crate::context::Executor;

/// The channels. Without subscribers it holds nothing and does nothing.
#[derive(Default)]
pub(super) struct Subscribers(Mutex<Vec<Arc<Subscriber>>>);

struct Subscriber {
    known: watch::Sender<u64>,
    /// Whether somebody is telling it: that waits for as long as the subscriber holds on to what he saw.
    is_told: AtomicBool,
}

impl Subscribers {
    /// Begins with the generation of this moment: who tells of a later one comes after this lock.
    pub(super) fn add(&self, generation: impl FnOnce() -> u64) -> watch::Receiver<u64> {
        let mut subscribers = self.lock();
        let (known, subscription) = watch::channel(generation());
        subscribers.retain(|subscriber| !subscriber.known.is_closed());
        subscribers.push(Arc::new(Subscriber { known, is_told: AtomicBool::new(false) }));
        subscription
    }

    /// Tells all of them of `generation`, each on a worker: one who holds on to what he saw costs one thread at most.
    pub(super) fn tell(&self, generation: impl Fn() -> Option<u64> + Clone + Send + 'static) {
        let subscribers: Vec<_> = {
            let mut subscribers = self.lock();
            subscribers.retain(|subscriber| !subscriber.known.is_closed());
            subscribers.clone()
        };
        for subscriber in subscribers {
            if !subscriber.is_told.swap(true, Ordering::AcqRel) {
                let generation = generation.clone();
                Executor::Pool.spawn(Box::pin(async move { subscriber.told(generation) }));
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Arc<Subscriber>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Subscriber {
    /// Tells it of the generation of now, and again if that has changed meanwhile.
    fn told(&self, generation: impl Fn() -> Option<u64>) {
        loop {
            let Some(now) = generation() else { return };
            self.known.send_if_modified(|known| {
                let is_new = *known < now;
                *known = now.max(*known);
                is_new
            });
            // Read and written at once, so that what others had before it is seen after it.
            self.is_told.swap(false, Ordering::AcqRel);
            // Whoever came while it was told has left it to this thread.
            let is_behind = generation().is_some_and(|latest| latest > now);
            if !is_behind || self.is_told.swap(true, Ordering::AcqRel) {
                return;
            }
        }
    }
}
