//! Where refreshes run: one thread per process, with a runtime that is always driven.
//!
//! A refresh that ran in a caller's future would die with it, and one on a caller's runtime would hang when that runtime
//! is alive and not driven. So there is one thread, started when first needed; callers only wait on a channel.

use std::cell::Cell;
use std::fmt;
use std::future::Future;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::{mpsc, oneshot};

use crate::provider::BoxFuture;

type Task = BoxFuture<'static, ()>;

/// The process' thread, or a spawner that stands in for it.
#[derive(Clone)]
pub(crate) enum Executor {
    Thread,
    Custom(Arc<dyn Fn(Task) + Send + Sync>),
}

impl fmt::Debug for Executor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Thread => "Thread",
            Self::Custom(_) => "Custom",
        })
    }
}

thread_local! {
    static CURRENT: Cell<bool> = const { Cell::new(false) };
    /// Whether a spawner's executor is running one of our tasks on this thread.
    #[cfg(feature = "blocking")]
    static GUEST: Cell<bool> = const { Cell::new(false) };
}

/// The running thread's queue, and the process it lives in: a child after `fork` has the queue and not the thread.
static THREAD: Mutex<Option<(u32, mpsc::UnboundedSender<Task>)>> = Mutex::new(None);

impl Executor {
    /// Runs `task` to its end, whatever becomes of the caller. A task that cannot be started is dropped.
    pub(crate) fn spawn(&self, task: Task) {
        match self {
            #[cfg(feature = "blocking")]
            Self::Custom(spawn) => spawn(Box::pin(as_guest(task))),
            #[cfg(not(feature = "blocking"))]
            Self::Custom(spawn) => spawn(task),
            Self::Thread => {
                let mut thread = THREAD.lock().unwrap_or_else(PoisonError::into_inner);
                let process = Self::process_id();
                let running =
                    thread.as_ref().filter(|(started_in, queue)| *started_in == process && !queue.is_closed());
                if let Some((_, queue)) = running {
                    // It can only fail when the thread has ended, and then the task is dropped, as documented.
                    let _ = queue.send(task);
                    return;
                }
                let (queue, tasks) = mpsc::unbounded_channel();
                let _ = queue.send(task);
                let started = std::thread::Builder::new().name("alibabacloud-credentials".to_owned());
                if started.spawn(move || run_tasks(tasks)).is_ok() {
                    *thread = Some((process, queue));
                }
            }
        }
    }

    /// Runs `work` and hands its result back; an error when it was dropped unfinished.
    pub(crate) fn run<T: Send + 'static>(
        &self,
        work: impl Future<Output = T> + Send + 'static,
    ) -> oneshot::Receiver<T> {
        let (mut done, result) = oneshot::channel();
        self.spawn(Box::pin(async move {
            // Nobody waits any more: a timer or a request that has no reader need not go on.
            let mut work = std::pin::pin!(work);
            let value = std::future::poll_fn(|cx| {
                if done.poll_closed(cx).is_ready() {
                    return std::task::Poll::Ready(None);
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

    /// Whether the current thread is the executor thread.
    pub(crate) fn is_current() -> bool {
        CURRENT.with(Cell::get)
    }

    /// Whether a refresh is what this thread is doing: it must not wait for one.
    #[cfg(feature = "blocking")]
    pub(crate) fn is_refreshing() -> bool {
        Self::is_current() || GUEST.with(Cell::get)
    }

    /// Whose child this is: everything tied to the executor thread is void in another process.
    pub(crate) fn process_id() -> u32 {
        std::process::id()
    }
}

/// Marks the thread while `task` runs on it.
#[cfg(feature = "blocking")]
async fn as_guest(mut task: Task) {
    std::future::poll_fn(|cx| {
        let _leave = Guest::enter();
        task.as_mut().poll(cx)
    })
    .await;
}

impl Executor {
    /// Runs `work` as a guest of this thread: it may no more wait for a refresh than the refresh that it is done for.
    pub(super) fn run_as_guest<T>(work: impl FnOnce() -> T) -> T {
        #[cfg(feature = "blocking")]
        let _leave = Guest::enter();
        work()
    }
}

#[cfg(feature = "blocking")]
struct Guest(bool);

#[cfg(feature = "blocking")]
impl Guest {
    fn enter() -> Self {
        Self(GUEST.with(|guest| guest.replace(true)))
    }
}

#[cfg(feature = "blocking")]
impl Drop for Guest {
    fn drop(&mut self) {
        GUEST.with(|guest| guest.set(self.0));
    }
}

fn run_tasks(mut tasks: mpsc::UnboundedReceiver<Task>) {
    CURRENT.with(|current| current.set(true));
    let Ok(runtime) = tokio::runtime::Builder::new_current_thread().enable_all().build() else {
        return;
    };
    runtime.block_on(async move {
        while let Some(task) = tasks.recv().await {
            // A panic stays in its task; whoever waits for that task sees its channel closed.
            drop(tokio::spawn(task));
        }
    });
}
