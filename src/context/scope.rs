//! Facts about the refresh being polled that the calls it makes go by, wherever in a provider they are made.

use std::cell::RefCell;
use std::future::Future;
use std::thread::LocalKey;
use std::time::Duration;

thread_local! {
    static HELD: RefCell<Duration> = const { RefCell::new(Duration::ZERO) };
    static USES: RefCell<u64> = const { RefCell::new(0) };
}

/// Returns what remains meanwhile of the credential that this refresh is to replace; nothing where there is none.
pub(crate) fn held() -> Duration {
    HELD.with_borrow(Clone::clone)
}

/// Runs `refresh`, while so much remains of the credential that it is to replace: then calls that it makes are not tried
/// again, since the back-off does that and nobody waits, and they go behind the calls of those who have less.
pub(crate) async fn while_held<T>(left: Duration, refresh: impl Future<Output = T>) -> T {
    while_set(&HELD, left, refresh).await
}

/// Returns the number that [`while_used`] was given.
pub(crate) fn uses() -> u64 {
    USES.with_borrow(Clone::clone)
}

/// Runs `refresh`, whose credential was asked for so often: of calls that are as urgent, those for the most used go first.
#[cfg(feature = "role-pool")]
pub(crate) async fn while_used<T>(uses: u64, refresh: impl Future<Output = T>) -> T {
    while_set(&USES, uses, refresh).await
}

/// Sets `local` to `value` whenever `work` is polled.
pub(crate) async fn while_set<V: Clone + 'static, T>(
    local: &'static LocalKey<RefCell<V>>,
    value: V,
    work: impl Future<Output = T>,
) -> T {
    struct Restore<V: 'static>(&'static LocalKey<RefCell<V>>, Option<V>);
    impl<V> Drop for Restore<V> {
        fn drop(&mut self) {
            if let Some(value) = self.1.take() {
                self.0.set(value);
            }
        }
    }
    let mut work = std::pin::pin!(work);
    std::future::poll_fn(|cx| {
        let _restore = Restore(local, Some(local.replace(value.clone())));
        work.as_mut().poll(cx)
    })
    .await
}
