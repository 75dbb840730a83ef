//! A virtual clock that goes on by itself, a little.

use std::future::Future;
use std::time::Duration;

use alibabacloud_credentials::TestClock;

/// Drives `call` to its end; pauses of up to a second pass as soon as nothing else can happen.
pub(crate) async fn drive<T>(clock: &TestClock, call: impl Future<Output = T>) -> T {
    let mut call = std::pin::pin!(call);
    loop {
        let polled = std::future::poll_fn(|cx| std::task::Poll::Ready(call.as_mut().poll(cx))).await;
        if let std::task::Poll::Ready(value) = polled {
            return value;
        }
        if let Some(pause) = clock.next_wake().filter(|pause| *pause <= Duration::from_secs(1)) {
            clock.advance(pause);
        }
        tokio::task::yield_now().await;
    }
}
