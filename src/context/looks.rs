//! Looks at what may hang, as a file system over a network does: never on the home thread, and one at a time.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::Semaphore;

use super::{Context, Home, first};

/// Whoever looks for the same reason shares one of these. A look that hangs holds one thread, and the next one waits for its
/// end: the threads are few, and all refreshes of the process share them.
#[derive(Clone, Debug)]
pub(crate) struct Looks(Arc<Mutex<Turn>>);

/// Whose turn it is, and in which process: a child after `fork` has the permit of a look and not its thread.
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

impl Default for Looks {
    fn default() -> Self {
        Self(Arc::new(Mutex::new(Turn::new(Home::process()))))
    }
}

impl Looks {
    fn permit(&self) -> Arc<Semaphore> {
        let mut turn = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let process = Home::process();
        if turn.process != process {
            *turn = Turn::new(process);
        }
        Arc::clone(&turn.permit)
    }

    /// Whether a look is under way.
    pub(crate) fn is_looking(&self) -> bool {
        self.permit().available_permits() == 0
    }

    /// Runs `look`: on the home thread by a thread of its own, elsewhere at once.
    pub(crate) async fn look<T: Send + 'static>(&self, look: impl FnOnce() -> T + Send + 'static) -> T {
        if !Home::is_here() {
            return look();
        }
        // The permit goes with the look, which may outlive this wait. Nobody closes the semaphore.
        let permit = self.permit().acquire_owned().await;
        let looked = tokio::task::spawn_blocking(move || {
            let _permit = permit;
            Home::host(look)
        });
        match looked.await {
            Ok(value) => value,
            Err(lost) => std::panic::resume_unwind(lost.into_panic()),
        }
    }

    /// The same, and `None` when it takes longer than `limit`.
    pub(crate) async fn look_within<T: Send + 'static>(
        &self,
        context: &Context,
        limit: Duration,
        look: impl FnOnce() -> T + Send + 'static,
    ) -> Option<T> {
        if !Home::is_here() {
            return Some(look());
        }
        first(self.look(look), context.sleep(limit)).await
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;
    use std::time::UNIX_EPOCH;

    use super::*;
    use crate::context::TestClock;

    const LIMIT: Duration = Duration::from_secs(1);

    #[tokio::test]
    async fn a_look_that_hangs_is_given_up_in_time_and_the_next_one_holds_no_second_thread() {
        let clock = TestClock::new(UNIX_EPOCH);
        let (context, looks) = (Context::builder().clock(clock.clone()).build(), Looks::default());
        let (release, hang) = mpsc::channel::<()>();
        let given_up = |look: Box<dyn FnOnce() + Send>| {
            let (context, looks, clock) = (context.clone(), looks.clone(), clock.clone());
            let result = Home::Thread.run(async move { looks.look_within(&context, LIMIT, look).await });
            async move {
                while clock.next_wake().is_none() {
                    tokio::task::yield_now().await;
                }
                clock.advance(LIMIT);
                result.await.unwrap()
            }
        };
        assert_eq!(given_up(Box::new(move || hang.recv().unwrap())).await, None);
        assert!(looks.is_looking());
        assert_eq!(given_up(Box::new(|| panic!("the one before has not ended"))).await, None);
        release.send(()).unwrap();
        let again = looks.clone();
        let looked = Home::Thread.run(async move { again.look_within(&context, LIMIT, || "seen").await });
        assert_eq!(looked.await.unwrap(), Some("seen"));
    }

    #[tokio::test]
    async fn a_look_that_panics_does_so_for_who_asked_and_the_next_one_goes_on() {
        let looks = Looks::default();
        let (first, second) = (looks.clone(), looks);
        assert!(Home::Thread.run(async move { first.look(|| panic!("as it was told to")).await }).await.is_err());
        assert_eq!(Home::Thread.run(async move { second.look(|| "seen").await }).await.unwrap(), "seen");
    }
}
