//! The thread of a store: its connection lives there, whoever asks.

use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Weak};
use std::task::{Context, Poll};

use alibabacloud_credentials::{BoxFuture, Error};
use arc_swap::ArcSwapOption;
use tokio::runtime::{Builder, Handle};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

/// Runs work on a thread of its own, where a `T` lives: it is started when first needed and ends with this. A child after `fork` has the memory of a thread
/// and not the thread, so it starts its own.
pub(crate) struct Driver<T> {
    running: ArcSwapOption<Running<T>>,
}

struct Running<T> {
    process: u32,
    handle: Handle,
    local: Arc<T>,
    /// Dropped with this, it ends the thread.
    _stop: oneshot::Sender<()>,
}

impl<T: Send + Sync + 'static> Driver<T> {
    pub(crate) const fn new() -> Self {
        Self { running: ArcSwapOption::const_empty() }
    }

    /// Runs `work` on the thread and returns its result. `make` makes what lives there, and `keep` is run beside it.
    pub(crate) async fn run<V, F>(
        &self,
        make: impl Fn() -> Arc<T>,
        keep: impl Fn(Weak<T>) -> BoxFuture<'static, ()>,
        work: impl FnOnce(Arc<T>) -> F,
    ) -> Result<V, Error>
    where
        V: Send + 'static,
        F: Future<Output = Result<V, Error>> + Send + 'static,
    {
        let running = self.running(make, keep).ok_or_else(|| Error::failed("no thread can be started for Redis"))?;
        let task = running.handle.spawn(work(Arc::clone(&running.local)));
        drop(running);
        Task(task).await.unwrap_or_else(|| Err(Error::failed("the access to Redis was lost")))
    }

    fn running(
        &self,
        make: impl Fn() -> Arc<T>,
        keep: impl Fn(Weak<T>) -> BoxFuture<'static, ()>,
    ) -> Option<Arc<Running<T>>> {
        let process = std::process::id();
        loop {
            let before = self.running.load_full();
            if let Some(running) = before.as_ref().filter(|running| running.process == process) {
                return Some(Arc::clone(running));
            }
            let runtime = Builder::new_current_thread().enable_all().build().ok()?;
            let (stop, stopped) = oneshot::channel();
            let handle = runtime.handle().clone();
            let thread = std::thread::Builder::new().name("alibaba-redis".to_owned());
            // One that loses the race below ends as soon as it began.
            let work = move || drop(runtime.block_on(stopped));
            thread.spawn(work).ok()?;
            let running = Arc::new(Running { process, handle, local: make(), _stop: stop });
            let seen = self.running.compare_and_swap(&before, Some(Arc::clone(&running)));
            let is_first = match (&*seen, &before) {
                (Some(seen), Some(before)) => Arc::ptr_eq(seen, before),
                (seen, before) => seen.is_none() && before.is_none(),
            };
            if is_first {
                running.handle.spawn(keep(Arc::downgrade(&running.local)));
                return Some(running);
            }
        }
    }
}

/// A task that ends when nobody waits for it any more.
struct Task<T>(JoinHandle<T>);

impl<T> Future for Task<T> {
    type Output = Option<T>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<T>> {
        Pin::new(&mut self.0).poll(cx).map(Result::ok)
    }
}

impl<T> Drop for Task<T> {
    fn drop(&mut self) {
        self.0.abort();
    }
}
