//! Threads that drive timers and sockets: one for the crate itself, one for other people's code.

use std::sync::{Arc, Mutex, PoisonError};

use arc_swap::ArcSwapOption;
use tokio::runtime::{Builder, Handle, Runtime};
#[cfg(feature = "_client")]
use tokio::task::JoinHandle;

use super::process_id;

/// The timekeeper: it times waits, wakes callers and drives the connections of the crate's own HTTP client for credentials.
/// It runs no code but this crate's and that of its HTTP client (wakers aside), so nobody's provider can hold it up.
pub(crate) static TIMEKEEPER: Driver = Driver::new("alibaba-time");

/// The tokio runtime that other people's providers find around them. What they spawn runs here, and can hold up nothing
/// but what others of them spawned.
#[cfg_attr(all(test, loom), allow(dead_code))]
pub(super) static GUESTS: Driver = Driver::new("alibaba-guests");

/// A thread that drives a current-thread runtime, started when first needed.
pub(crate) struct Driver {
    name: &'static str,
    running: ArcSwapOption<Running>,
}

/// A child after `fork` has the handle and not the thread.
struct Running {
    process: u32,
    handle: Handle,
}

impl Driver {
    const fn new(name: &'static str) -> Self {
        Self { name, running: ArcSwapOption::const_empty() }
    }

    /// The runtime, driven by a thread of this process; `None` where no thread can be started.
    pub(crate) fn handle(&self) -> Option<Handle> {
        loop {
            let running = self.running.load();
            if let Some(running) = running.as_ref().filter(|running| running.process == process_id()) {
                return Some(running.handle.clone());
            }
            let runtime = Builder::new_current_thread().enable_all().build().ok()?;
            let started = Arc::new(Running { process: process_id(), handle: runtime.handle().clone() });
            // Whoever comes first starts the thread. There is no lock that a child could inherit locked.
            let before = self.running.compare_and_swap(&*running, Some(Arc::clone(&started)));
            if !same(&before, &running) {
                runtime.shutdown_background();
                continue;
            }
            if !drive(self.name, runtime) {
                self.running.compare_and_swap(&started, None);
                return None;
            }
            return Some(started.handle.clone());
        }
    }

    /// Runs `work` on the driver's thread and gives its result; `None` when there is no thread. Dropping the wait ends the
    /// work.
    #[cfg(feature = "_client")]
    pub(crate) async fn run<T: Send + 'static>(
        &self,
        work: impl std::future::Future<Output = T> + Send + 'static,
    ) -> Option<T> {
        let mut task = AbortOnDrop(self.handle()?.spawn(work));
        (&mut task.0).await.ok()
    }
}

fn same(one: &Option<Arc<Running>>, other: &Option<Arc<Running>>) -> bool {
    match (one, other) {
        (Some(one), Some(other)) => Arc::ptr_eq(one, other),
        (None, None) => true,
        _ => false,
    }
}

/// Starts the thread, and returns whether it could be started. A runtime must not be dropped in asynchronous code, so one that
/// is left over is shut down.
fn drive(name: &str, runtime: Runtime) -> bool {
    let handed = Arc::new(Mutex::new(Some(runtime)));
    let taken = Arc::clone(&handed);
    let take = move || {
        let runtime = taken.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(runtime) = runtime {
            runtime.block_on(std::future::pending::<()>());
        }
    };
    let started = std::thread::Builder::new().name(name.to_owned()).spawn(take).is_ok();
    if !started && let Some(runtime) = handed.lock().unwrap_or_else(PoisonError::into_inner).take() {
        runtime.shutdown_background();
    }
    started
}

#[cfg(feature = "_client")]
struct AbortOnDrop<T>(JoinHandle<T>);

#[cfg(feature = "_client")]
impl<T> Drop for AbortOnDrop<T> {
    fn drop(&mut self) {
        self.0.abort();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;
    use crate::context::fork::in_child;

    #[test]
    fn a_child_starts_a_thread_of_its_own() {
        static DRIVER: Driver = Driver::new("a-test");
        let parents = DRIVER.handle().unwrap();
        assert_eq!(DRIVER.handle().unwrap().id(), parents.id(), "one for a process");
        let childs = in_child(|| DRIVER.handle()).unwrap();
        assert_ne!(childs.id(), parents.id());
        let (done, result) = mpsc::channel();
        childs.spawn(async move { done.send(std::thread::current().id()).unwrap() });
        assert_ne!(result.recv().unwrap(), std::thread::current().id());
    }
}
