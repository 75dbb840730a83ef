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

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicU64;

    use super::*;

    fn subscriber(generation: u64) -> (Subscriber, watch::Receiver<u64>) {
        let (known, subscription) = watch::channel(generation);
        (Subscriber { known, is_told: AtomicBool::new(true) }, subscription)
    }

    #[test]
    fn what_is_known_already_is_no_news() {
        let (subscriber, subscription) = subscriber(3);
        subscriber.told(|| Some(3));
        assert!(!subscription.has_changed().unwrap());
        subscriber.told(|| Some(4));
        assert!(subscription.has_changed().unwrap());
    }

    #[test]
    fn what_came_while_it_was_told_is_told_too() {
        let (subscriber, subscription) = subscriber(1);
        let latest = AtomicU64::new(1);
        subscriber.told(|| Some(latest.fetch_add(1, Ordering::SeqCst).min(4)));
        assert_eq!(*subscription.borrow(), 4);
        assert!(!subscriber.is_told.load(Ordering::SeqCst), "the next one tells it anew");
    }

    #[test]
    fn a_new_subscriber_silences_nobody() {
        let subscribers = Subscribers::default();
        let (first, second) = (subscribers.add(|| 1), subscribers.add(|| 1));
        assert!(first.has_changed().is_ok() && second.has_changed().is_ok(), "their channels are open");
        drop(first);
        let _third = subscribers.add(|| 1);
        assert_eq!(subscribers.lock().len(), 2, "who is gone is forgotten");
    }
}
