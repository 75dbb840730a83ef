//! What several tests need: a clock that goes on by itself, servers, and a future driven without any runtime.

pub(crate) mod dated;
pub(crate) mod drive;
pub(crate) mod leaks;
pub(crate) mod log;
pub(crate) mod plain_http;
pub(crate) mod redirect;
pub(crate) mod server;

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, Thread};

struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

/// The smallest executor there is: no timer, no reactor, no tokio.
pub(crate) fn block_on<F: Future>(future: F) -> F::Output {
    let mut future = pin!(future);
    let waker = Waker::from(Arc::new(Unpark(thread::current())));
    let mut cx = Context::from_waker(&waker);
    loop {
        match future.as_mut().poll(&mut cx) {
            Poll::Ready(value) => return value,
            Poll::Pending => thread::park(),
        }
    }
}
