//! The workers as loom has them: each task is a thread of the model.

use std::cell::Cell;
use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};

use loom::sync::Notify;

use super::Task;

thread_local! {
    /// So many of the next tasks are dropped. All threads of a model are one thread of the test.
    static LOST: Cell<u32> = const { Cell::new(0) };
}

pub(crate) fn lose(tasks: u32) {
    LOST.with(|lost| lost.set(tasks));
}

pub(super) fn spawn(task: Task) {
    let is_lost = LOST.with(|lost| lost.replace(lost.get().saturating_sub(1)) > 0);
    loom::thread::spawn(move || if is_lost { drop(task) } else { block_on(task) });
}

/// Loom's own counts references to its waker where loom sees it, and tokio does so under locks that loom does not see.
struct Woken(Notify);

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.notify();
    }
}

pub(crate) fn block_on<F: Future>(future: F) -> F::Output {
    let mut future = pin!(future);
    let woken = Arc::new(Woken(Notify::new()));
    let waker = Waker::from(Arc::clone(&woken));
    let mut cx = Context::from_waker(&waker);
    loop {
        match future.as_mut().poll(&mut cx) {
            Poll::Ready(value) => return value,
            // A wake-up that never comes is a deadlock, which loom reports.
            Poll::Pending => woken.0.wait(),
        }
    }
}
