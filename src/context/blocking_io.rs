//! Runs blocking file access off the thread of a refresh, one access at a time.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::{Semaphore, oneshot};

use super::executor::process_id;
use super::{Context, Executor, first};

/// Runs what may block (a file system over a network can hang) on a thread of its own. All who read for the same reason share
/// one of these: an access that hangs holds one thread, and the next one waits for its end, since all refreshes of the
/// process share few threads.
#[derive(Clone, Debug)]
pub(crate) struct BlockingIo(Arc<Mutex<Turn>>);

/// Whose turn it is, and in which process: a child after `fork` has the permit of an access and not its thread.
#[derive(Debug)]
struct Turn {
    process: u32,
    permit: Arc<Semaphore>,
}

impl Turn {
    fn new(process: u32) -> Self {
        Self { process, permit: Arc::new(Semaphore::new(1)) }
    }
}

impl Default for BlockingIo {
    fn default() -> Self {
        Self(Arc::new(Mutex::new(Turn::new(process_id()))))
    }
}

impl BlockingIo {
    fn permit(&self) -> Arc<Semaphore> {
        let mut turn = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let process = process_id();
        if turn.process != process {
            *turn = Turn::new(process);
        }
        Arc::clone(&turn.permit)
    }

    /// Returns whether an access is under way.
    pub(crate) fn is_busy(&self) -> bool {
        self.permit().available_permits() == 0
    }

    /// Runs `work`: for a refresh on the crate's workers by a worker of its own, elsewhere at once.
    pub(crate) async fn run<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> Option<T> {
        if !Executor::is_worker() {
            return Some(work());
        }
        // The permit goes with the work, which may outlive this wait. Nobody closes the semaphore.
        let permit = self.permit().acquire_owned().await;
        let (done, result) = oneshot::channel();
        Executor::Pool.spawn(Box::pin(async move {
            let _permit = permit;
            let _ = done.send(work());
        }));
        // Closed without a result: it panicked, or no thread could be started.
        result.await.ok()
    }

    /// The same, and `None` when it takes longer than `limit`.
    pub(crate) async fn run_within<T: Send + 'static>(
        &self,
        context: &Context,
        limit: Duration,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Option<T> {
        if !Executor::is_worker() {
            return Some(work());
        }
        first(self.run(work), context.sleep(limit)).await.flatten()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;
    use std::time::UNIX_EPOCH;

    use super::*;
    use crate::context::TestClock;
    use crate::context::fork::in_child;

    const LIMIT: Duration = Duration::from_secs(1);

    #[tokio::test]
    async fn an_access_that_hangs_is_given_up_in_time_and_the_next_one_holds_no_second_thread() {
        let clock = TestClock::new(UNIX_EPOCH);
        let (context, io) = (Context::builder().clock(clock.clone()).build(), BlockingIo::default());
        let (release, hang) = mpsc::channel::<()>();
        let given_up = |work: Box<dyn FnOnce() + Send>| {
            let (context, io, clock) = (context.clone(), io.clone(), clock.clone());
            let result = Executor::run(async move { io.run_within(&context, LIMIT, work).await });
            async move {
                while clock.next_wake().is_none() {
                    tokio::task::yield_now().await;
                }
                clock.advance(LIMIT);
                result.await.unwrap()
            }
        };
        assert_eq!(given_up(Box::new(move || hang.recv().unwrap())).await, None);
        assert!(io.is_busy());
        assert_eq!(given_up(Box::new(|| panic!("the one before has not ended"))).await, None);
        release.send(()).unwrap();
        let again = io.clone();
        let seen = Executor::run(async move { again.run_within(&context, LIMIT, || "seen").await });
        assert_eq!(seen.await.unwrap(), Some("seen"));
    }

    #[tokio::test]
    async fn a_child_does_not_wait_for_an_access_of_its_parent() {
        let io = BlockingIo::default();
        let _under_way = io.permit().acquire_owned().await.unwrap();
        assert!(io.is_busy());
        assert!(!in_child(|| io.is_busy()), "whose thread is not there");
    }

    #[tokio::test]
    async fn an_access_that_panics_gives_nothing_and_the_next_one_goes_on() {
        let io = BlockingIo::default();
        let (first, second) = (io.clone(), io);
        let lost = Executor::run(async move { first.run(|| panic!("as it was told to")).await });
        assert_eq!(lost.await.unwrap(), None::<()>);
        assert_eq!(Executor::run(async move { second.run(|| "seen").await }).await.unwrap(), Some("seen"));
    }
}
