//! The primitives that a refresher synchronizes with, and their stand-ins where loom explores every order of events.

#[cfg(not(all(test, loom)))]
pub(super) use std::sync::{
    Mutex, MutexGuard,
    atomic::{AtomicU64, Ordering},
};

#[cfg(not(all(test, loom)))]
pub(super) use arc_swap::ArcSwapOption;
#[cfg(all(test, loom))]
pub(super) use loom::sync::{
    Mutex, MutexGuard,
    atomic::{AtomicU64, Ordering},
};

#[cfg(all(test, loom))]
pub(super) use self::modeled::ArcSwapOption;

#[cfg(all(test, loom))]
mod modeled {
    use std::ops::Deref;
    use std::sync::{Arc, Mutex};

    use loom::sync::atomic::{AtomicUsize, Ordering};

    /// An `ArcSwapOption` of which loom knows what it promises: a load acquires what the store of the same value released, and
    /// may give an older value as long as nothing says otherwise. Counting references is taken on trust.
    pub(in crate::refresh) struct ArcSwapOption<T> {
        latest: AtomicUsize,
        values: Mutex<Vec<Option<Arc<T>>>>,
    }

    pub(in crate::refresh) struct Guard<T>(Option<Arc<T>>);

    impl<T> Deref for Guard<T> {
        type Target = Option<Arc<T>>;

        fn deref(&self) -> &Self::Target {
            &self.0
        }
    }

    impl<T> ArcSwapOption<T> {
        pub(in crate::refresh) fn empty() -> Self {
            Self { latest: AtomicUsize::new(0), values: Mutex::new(vec![None]) }
        }

        fn value(&self, number: usize) -> Option<Arc<T>> {
            self.values.lock().unwrap()[number].clone()
        }

        pub(in crate::refresh) fn load(&self) -> Guard<T> {
            Guard(self.value(self.latest.load(Ordering::Acquire)))
        }

        pub(in crate::refresh) fn swap(&self, value: Option<Arc<T>>) -> Option<Arc<T>> {
            let number = {
                let mut values = self.values.lock().unwrap();
                values.push(value);
                values.len() - 1
            };
            self.value(self.latest.swap(number, Ordering::AcqRel))
        }
    }
}
