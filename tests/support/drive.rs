//! A virtual clock that goes on by itself, a little.

use std::future::Future;
use std::time::Duration;

use alibabacloud_credentials::TestClock;

/// Drives `call` to its end; the pauses before something is tried again, of up to a second, pass at once.
pub(crate) async fn drive<T>(clock: &TestClock, call: impl Future<Output = T>) -> T {
    drive_once(clock, Duration::from_secs(1), || true, call).await
}

/// The same with pauses of `most`, from when `may_pass` says so.
pub(crate) async fn drive_once<T>(
    clock: &TestClock,
    most: Duration,
    may_pass: impl Fn() -> bool,
    call: impl Future<Output = T>,
) -> T {
    let mut call = std::pin::pin!(call);
    loop {
        let polled = std::future::poll_fn(|cx| std::task::Poll::Ready(call.as_mut().poll(cx))).await;
        if let std::task::Poll::Ready(value) = polled {
            return value;
        }
        let pause = clock.next_wake().filter(|pause| *pause <= most);
        if let Some(pause) = pause.filter(|_| may_pass()) {
            clock.advance(pause);
        }
        tokio::task::yield_now().await;
    }
}
