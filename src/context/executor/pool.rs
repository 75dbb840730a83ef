//! The worker threads that poll refreshes: other people's code runs here, and a thread that it blocks is replaced.
//!
//! Two threads do for any number of refreshes as long as each poll is short. One that blocks, spins or never returns costs
//! its thread and nothing else: when queued tasks make no progress for 30 ms, the timekeeper adds threads, one, two,
//! four at a time, up to [`MOST_WORKERS`]. Threads without work end after [`KEEP_ALIVE`]. Where the timekeeper itself is late, or a worker is
//! runnable, the machine is busy, and more threads would make it busier: then it is a stall after 300 ms.

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use arc_swap::ArcSwapOption;
use async_task::Runnable;

use super::driver::{GUESTS, TIMEKEEPER};
use super::thread_state::Thread;
use super::{Task, mark_worker, process_id};

/// Threads that are started without a sign that those before are blocked.
const CORE_WORKERS: usize = 2;
/// Threads at most. Tasks beyond wait in the queue, and their callers by the limits of a refresh.
const MOST_WORKERS: usize = 512;
/// The interval at which the timekeeper looks whether queued tasks make progress.
const LOOK: Duration = Duration::from_millis(10);
const KEEP_ALIVE: Duration = Duration::from_secs(10);
/// So many looks in time that see no progress are a stall, and so many looks at all. A look that took longer than this was late.
const LOOKS_IN_TIME: u32 = 3;
const LOOKS: u32 = 30;
const LATE: Duration = Duration::from_millis(12);

/// The workers of one process: a child after `fork` has the queue and not the threads.
struct Pool {
    process: u32,
    queue: Mutex<Queue>,
    work: Condvar,
}

#[derive(Default)]
struct Queue {
    tasks: VecDeque<Runnable>,
    workers: usize,
    /// The workers, where the system tells what they do.
    threads: Vec<Thread>,
    /// Workers that wait for a task, those included that were notified and have not woken yet.
    waiting: usize,
    /// Tasks taken so far: what progress is measured by.
    taken: u64,
    /// The timekeeper watches for a stall.
    watched: bool,
}

static POOL: ArcSwapOption<Pool> = ArcSwapOption::const_empty();

/// Polls `task` on a worker until it ends. It is dropped where no worker can be started.
pub(super) fn spawn(task: Task) {
    let pool = Pool::current();
    let schedule = move |runnable| Pool::push(&pool, runnable);
    let (runnable, handle) = async_task::spawn(task, schedule);
    handle.detach();
    runnable.schedule();
}

impl Pool {
    fn current() -> Arc<Self> {
        let pool = POOL.load();
        if let Some(pool) = pool.as_ref().filter(|pool| pool.process == process_id()) {
            return Arc::clone(pool);
        }
        let fresh = Arc::new(Self { process: process_id(), queue: Mutex::default(), work: Condvar::new() });
        // A pool that lost this race has no threads yet, and does its one task all the same.
        POOL.compare_and_swap(&*pool, Some(Arc::clone(&fresh)));
        fresh
    }

    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn push(pool: &Arc<Self>, runnable: Runnable) {
        let mut queue = pool.lock();
        queue.tasks.push_back(runnable);
        if queue.tasks.len() <= queue.waiting {
            drop(queue);
            pool.work.notify_one();
        } else if queue.workers < CORE_WORKERS {
            queue.workers += 1;
            drop(queue);
            Self::start(pool);
        } else if !std::mem::replace(&mut queue.watched, true) {
            let taken = queue.taken;
            drop(queue);
            Self::watch(pool, taken);
        }
    }

    /// Starts a worker that has been counted already.
    fn start(pool: &Arc<Self>) {
        let worker = Arc::clone(pool);
        let started = std::thread::Builder::new().name("alibaba-worker".to_owned());
        if started.spawn(move || worker.work()).is_ok() {
            return;
        }
        let mut queue = pool.lock();
        queue.workers -= 1;
        let lost = if queue.workers == 0 { std::mem::take(&mut queue.tasks) } else { VecDeque::new() };
        drop(queue);
        // Dropping them drops their futures, which is other people's code. Whoever waits for one sees that it is gone.
        let _ = catch_unwind(AssertUnwindSafe(|| drop(lost)));
    }

    fn work(&self) {
        mark_worker();
        let thread = Thread::current();
        self.lock().threads.extend(thread.clone());
        let guests = GUESTS.handle();
        let _runtime = guests.as_ref().map(tokio::runtime::Handle::enter);
        while let Some(task) = self.next() {
            // A panic ends its task alone; whoever waits for it sees that it is gone.
            let _ = catch_unwind(AssertUnwindSafe(|| task.run()));
        }
        self.lock().threads.retain(|other| Some(other) != thread.as_ref());
    }

    /// The next task; `None` when there was none for a while, and the worker is to end.
    fn next(&self) -> Option<Runnable> {
        let mut queue = self.lock();
        loop {
            if let Some(task) = queue.tasks.pop_front() {
                queue.taken += 1;
                return Some(task);
            }
            queue.waiting += 1;
            let (woken, waited) = self.work.wait_timeout(queue, KEEP_ALIVE).unwrap_or_else(PoisonError::into_inner);
            queue = woken;
            queue.waiting -= 1;
            if waited.timed_out() && queue.tasks.is_empty() {
                queue.workers -= 1;
                return None;
            }
        }
    }

    /// Adds threads while tasks are queued and none is taken.
    fn watch(pool: &Arc<Self>, mut taken: u64) {
        let watched = Arc::clone(pool);
        let watch = async move {
            let (mut more, mut looks, mut in_time) = (1, 0, 0);
            loop {
                let looked = real_now();
                // Threads that block are blocked in real time, whatever clock the context has.
                #[allow(clippy::disallowed_methods)]
                tokio::time::sleep(LOOK).await;
                looks += 1;
                in_time += u32::from(real_now() - looked <= LATE);
                let mut queue = watched.lock();
                if queue.tasks.is_empty() {
                    queue.watched = false;
                    return;
                }
                if queue.taken != taken {
                    (taken, more, looks, in_time) = (queue.taken, 1, 0, 0);
                    continue;
                }
                if looks < LOOKS {
                    if in_time < LOOKS_IN_TIME {
                        continue;
                    }
                    let threads = queue.threads.clone();
                    drop(queue);
                    if threads.iter().any(Thread::is_runnable) {
                        continue;
                    }
                    queue = watched.lock();
                }
                (looks, in_time) = (0, 0);
                let wanted = more.min(queue.tasks.len()).min(MOST_WORKERS.saturating_sub(queue.workers));
                queue.workers += wanted;
                more = more.saturating_mul(2);
                drop(queue);
                (0..wanted).for_each(|_| Self::start(&watched));
            }
        };
        match TIMEKEEPER.handle() {
            Some(timekeeper) => drop(timekeeper.spawn(watch)),
            None => pool.lock().watched = false,
        }
    }
}

#[allow(clippy::disallowed_methods)]
fn real_now() -> std::time::Instant {
    std::time::Instant::now()
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;
    use crate::context::fork::in_child;

    #[test]
    fn a_child_has_workers_of_its_own_and_its_parents_tasks_stay_behind() {
        let parents = Pool::current();
        let (done, result) = mpsc::channel();
        let childs = in_child(|| {
            spawn(Box::pin(async move { done.send("ran").unwrap() }));
            Pool::current()
        });
        assert!(!Arc::ptr_eq(&parents, &childs));
        assert_eq!(result.recv().unwrap(), "ran");
    }
}
