//! The smallest executor that a history needs: one thread, tasks that are polled in an order drawn at random, and tasks
//! whose thread is blocked.

use std::cell::Cell;
use std::future::Future;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use alibabacloud_credentials::{BoxFuture, Clock, TestClock};

use super::random::Random;

/// What a spawner was given and has not started yet.
pub(crate) type Inbox = Arc<Mutex<Vec<BoxFuture<'static, ()>>>>;

struct Task {
    future: BoxFuture<'static, ()>,
    woken: Arc<Woken>,
    /// Until when, by the monotonic clock, its thread is blocked.
    blocked: Option<Duration>,
    /// Dropped after so many polls.
    polls: u32,
}

struct Woken(AtomicBool);

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::SeqCst);
    }
}

thread_local! {
    /// How long the poll under way blocks its thread.
    static BLOCKS: Cell<Option<Duration>> = const { Cell::new(None) };
}

/// To be called from a poll: its thread is blocked for so long. The poll has to give `Pending`, and the next one is what
/// comes when it goes on.
pub(crate) fn block(duration: Duration) {
    BLOCKS.set(Some(duration));
}

pub(crate) struct Executor {
    clock: TestClock,
    random: Random,
    tasks: Vec<Task>,
    pub(crate) inbox: Inbox,
    /// What stands still, neither run nor dropped.
    pub(crate) stalled: Inbox,
}

impl Executor {
    pub(crate) fn new(clock: TestClock, random: Random) -> Self {
        Self { clock, random, tasks: Vec::new(), inbox: Inbox::default(), stalled: Inbox::default() }
    }

    /// Runs `future`, and drops it after so many polls.
    pub(crate) fn spawn(&mut self, future: impl Future<Output = ()> + Send + 'static, polls: u32) {
        let woken = Arc::new(Woken(AtomicBool::new(true)));
        self.tasks.push(Task { future: Box::pin(future), woken, blocked: None, polls });
    }

    pub(crate) fn tasks(&self) -> usize {
        self.tasks.len() + self.inbox.lock().unwrap().len()
    }

    /// How long until the first blocked thread goes on.
    pub(crate) fn next_release(&self) -> Option<Duration> {
        let now = self.clock.now().monotonic;
        self.tasks.iter().filter_map(|task| task.blocked).map(|until| until.saturating_sub(now)).min()
    }

    /// Lets blocked threads go on, and what stood still run.
    pub(crate) fn release(&mut self) {
        let stalled = std::mem::take(&mut *self.stalled.lock().unwrap());
        self.inbox.lock().unwrap().extend(stalled);
        self.tasks
            .iter_mut()
            .filter(|task| task.blocked.is_some())
            .for_each(|task| task.blocked = Some(Duration::ZERO));
    }

    /// Polls whatever can go on, until nothing can.
    pub(crate) fn settle(&mut self) {
        for _ in 0..100_000 {
            let started = std::mem::take(&mut *self.inbox.lock().unwrap());
            for future in started {
                self.spawn(future, u32::MAX);
            }
            let now = self.clock.now().monotonic;
            let can_go_on = |task: &Task| match task.blocked {
                Some(until) => until <= now,
                None => task.woken.0.load(Ordering::SeqCst),
            };
            let ready: Vec<usize> = (0..self.tasks.len()).filter(|at| can_go_on(&self.tasks[*at])).collect();
            if ready.is_empty() {
                return;
            }
            let at = ready[self.random.below(ready.len() as u64) as usize];
            self.poll(at, now);
        }
        panic!("it never comes to rest");
    }

    fn poll(&mut self, at: usize, now: Duration) {
        let task = &mut self.tasks[at];
        task.woken.0.store(false, Ordering::SeqCst);
        task.blocked = None;
        task.polls -= 1;
        BLOCKS.set(None);
        let waker = Waker::from(Arc::clone(&task.woken));
        let poll = task.future.as_mut().poll(&mut Context::from_waker(&waker));
        if poll == Poll::Ready(()) || task.polls == 0 {
            drop(self.tasks.swap_remove(at));
        } else if let Some(duration) = BLOCKS.take() {
            task.blocked = Some(now.saturating_add(duration));
        }
    }
}
