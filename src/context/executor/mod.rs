//! The threads that code runs on: the crate's own timers and connections on one thread, refreshes on workers or where the user says.
//!
//! A refresh that ran in a caller's future would die with it, and one on a caller's runtime would hang when that runtime
//! is alive and not driven. So refreshes have threads of their own, started when first needed; callers only wait on a
//! channel. And since a refresh runs other people's code, which may block, no timer and no other refresh depends on the
//! thread that it runs on.

mod driver;
#[cfg_attr(all(test, loom), path = "modeled_pool.rs")]
mod pool;
#[cfg(not(all(test, loom)))]
mod thread_state;

use std::cell::Cell;
use std::fmt;
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::sync_channel;
use std::task::Poll;
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::sync::oneshot;

pub(crate) use self::driver::TIMEKEEPER;
#[cfg(all(test, loom))]
pub(crate) use self::pool::{block_on, lose};
use crate::provider::BoxFuture;

type Task = BoxFuture<'static, ()>;

/// The place where refreshes run.
#[derive(Clone)]
pub(crate) enum Executor {
    /// On the crate's own workers.
    Pool,
    /// The user's function starts them.
    Custom(Arc<Spawner>),
}

/// The user's function, and how many calls of it have not returned.
pub(crate) struct Spawner {
    spawn: Box<dyn Fn(Task) + Send + Sync>,
    running: AtomicUsize,
}

impl fmt::Debug for Executor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Pool => "Pool",
            Self::Custom(_) => "Custom",
        })
    }
}

thread_local! {
    /// This thread is one of the crate's workers.
    static WORKER: Cell<bool> = const { Cell::new(false) };
    /// The user's executor is running one of our tasks on this thread.
    #[cfg(feature = "blocking")]
    static GUEST: Cell<bool> = const { Cell::new(false) };
}

/// The process that this is: everything that is tied to a thread is void in a child after `fork`.
pub(crate) fn process_id() -> u32 {
    #[cfg(test)]
    if let Some(child) = fork::child() {
        return child;
    }
    std::process::id()
}

/// A child after `fork`, for tests: a process of many threads cannot fork, and this thread alone takes itself for one.
#[cfg(test)]
pub(crate) mod fork {
    use std::cell::Cell;

    thread_local! {
        static CHILD: Cell<Option<u32>> = const { Cell::new(None) };
    }

    pub(super) fn child() -> Option<u32> {
        CHILD.get()
    }

    /// Runs `work` as it would run in a child.
    pub(crate) fn in_child<T>(work: impl FnOnce() -> T) -> T {
        CHILD.set(Some(u32::MAX));
        let result = work();
        CHILD.set(None);
        result
    }
}

#[cfg_attr(all(test, loom), allow(dead_code))]
fn mark_worker() {
    WORKER.with(|worker| worker.set(true));
}

/// The longest wait of a caller for the user's function to return, so that a task which it starts on the caller's own runtime is
/// queued there before the caller goes on. A function that takes longer is not waited for.
const HANDOVER: Duration = Duration::from_secs(1);

impl Executor {
    pub(crate) fn custom(spawn: impl Fn(Task) + Send + Sync + 'static) -> Self {
        Self::Custom(Arc::new(Spawner { spawn: Box::new(spawn), running: AtomicUsize::new(0) }))
    }

    /// Runs `task` to its end, whatever becomes of the caller. A task that cannot be started is dropped.
    pub(crate) fn spawn(&self, task: Task) {
        match self {
            Self::Pool => pool::spawn(task),
            #[cfg(feature = "blocking")]
            Self::Custom(spawner) => spawner.hand_over(Box::pin(as_guest(task))),
            #[cfg(not(feature = "blocking"))]
            Self::Custom(spawner) => spawner.hand_over(task),
        }
    }

    /// Runs `work` on the crate's own workers and gives its result; an error when it was dropped unfinished. Work whose
    /// result nobody waits for any more ends.
    pub(crate) fn run<T: Send + 'static>(work: impl Future<Output = T> + Send + 'static) -> oneshot::Receiver<T> {
        let (mut done, result) = oneshot::channel();
        pool::spawn(Box::pin(async move {
            let mut work = std::pin::pin!(work);
            let value = std::future::poll_fn(|cx| {
                if done.poll_closed(cx).is_ready() {
                    return Poll::Ready(None);
                }
                work.as_mut().poll(cx).map(Some)
            })
            .await;
            if let Some(value) = value {
                let _ = done.send(value);
            }
        }));
        result
    }

    /// Returns whether the current thread is one of the crate's workers.
    pub(crate) fn is_worker() -> bool {
        WORKER.with(Cell::get)
    }

    /// Returns whether this thread is running a refresh: it must not block until one ends.
    #[cfg(feature = "blocking")]
    pub(crate) fn is_refreshing() -> bool {
        Self::is_worker() || GUEST.with(Cell::get)
    }
}

impl Spawner {
    /// Calls the user's function on a worker, inside the caller's tokio runtime if there is one, since it may block for
    /// ever and its caller must not.
    fn hand_over(self: &Arc<Self>, task: Task) {
        let earlier = self.running.fetch_add(1, Ordering::AcqRel);
        let (called, returned) = sync_channel::<()>(1);
        let (spawner, runtime) = (Arc::clone(self), Handle::try_current().ok());
        pool::spawn(Box::pin(async move {
            spawner.call(task, runtime.as_ref());
            let _ = called.send(());
        }));
        if earlier == 0 {
            let _ = returned.recv_timeout(HANDOVER);
        }
    }

    fn call(&self, task: Task, runtime: Option<&Handle>) {
        let _runtime = runtime.map(Handle::enter);
        // A function that panics has dropped its task, or will not run it.
        let _ = catch_unwind(AssertUnwindSafe(|| (self.spawn)(task)));
        self.running.fetch_sub(1, Ordering::AcqRel);
    }
}

/// Marks the thread while `task` runs on it.
#[cfg(feature = "blocking")]
async fn as_guest(mut task: Task) {
    struct Leave(bool);
    impl Drop for Leave {
        fn drop(&mut self) {
            GUEST.with(|guest| guest.set(self.0));
        }
    }
    std::future::poll_fn(|cx| {
        let _leave = Leave(GUEST.with(|guest| guest.replace(true)));
        task.as_mut().poll(cx)
    })
    .await;
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    /// Blocks its thread until the sender is dropped.
    fn blocked(started: mpsc::Sender<()>, until: mpsc::Receiver<()>) -> Task {
        Box::pin(async move {
            started.send(()).unwrap();
            let _ = until.recv();
        })
    }

    #[test]
    fn tasks_that_block_their_threads_hold_up_no_other_task() {
        let (started, starts) = mpsc::channel();
        let mut releases = Vec::new();
        for _ in 0..40 {
            let (release, until) = mpsc::channel();
            releases.push(release);
            Executor::Pool.spawn(blocked(started.clone(), until));
        }
        (0..40).for_each(|_| starts.recv().unwrap());
        let (done, result) = mpsc::channel();
        Executor::Pool.spawn(Box::pin(async move { done.send("ran").unwrap() }));
        assert_eq!(result.recv().unwrap(), "ran");
        drop(releases);
    }

    #[test]
    fn a_task_that_panics_ends_alone() {
        let lost = Executor::run(async { panic!("as it was told to") });
        assert!(lost.blocking_recv().is_err());
        assert_eq!(Executor::run(async { 7 }).blocking_recv(), Ok(7));
    }

    #[test]
    fn a_task_is_woken_on_the_workers_by_any_thread() {
        let (send, receive) = oneshot::channel();
        let result = Executor::run(async move { (receive.await, Executor::is_worker()) });
        std::thread::spawn(move || send.send(1).unwrap());
        assert_eq!(result.blocking_recv(), Ok((Ok(1), true)));
    }

    #[test]
    fn a_spawner_that_never_returns_does_not_hold_its_caller() {
        let (started, starts) = mpsc::channel::<()>();
        let (release, until) = mpsc::channel::<()>();
        let until = std::sync::Mutex::new(until);
        let executor = Executor::custom(move |task| {
            started.send(()).unwrap();
            let _ = until.lock().unwrap().recv();
            drop(task);
        });
        executor.spawn(Box::pin(async {}));
        executor.spawn(Box::pin(async {}));
        starts.recv().unwrap();
        drop(release);
    }

    #[tokio::test]
    async fn a_spawner_finds_the_runtime_of_its_caller() {
        let executor = Executor::custom(|task| drop(tokio::spawn(task)));
        let (done, result) = oneshot::channel();
        executor.spawn(Box::pin(async move { done.send(Executor::is_worker()).unwrap() }));
        assert_eq!(result.await, Ok(false));
    }

    #[cfg(feature = "_client")]
    #[tokio::test]
    async fn the_timekeeper_is_not_held_up_by_what_a_task_spawns() {
        let (release, until) = mpsc::channel::<()>();
        let (spawned, is_spawned) = oneshot::channel();
        Executor::Pool.spawn(Box::pin(async move {
            tokio::spawn(async move {
                spawned.send(()).unwrap();
                let _ = until.recv();
            });
        }));
        is_spawned.await.unwrap();
        assert_eq!(TIMEKEEPER.run(async { 7 }).await, Some(7));
        drop(release);
    }
}
