//! Retries of one call for credentials, inside one refresh.

use std::cell::Cell;
use std::future::Future;
use std::time::Duration;

use bytes::Bytes;
use http::{Response, StatusCode};

use super::{Context, HttpError, HttpErrorKind, retry_after};

thread_local! {
    /// What remains of the valid credential that the refresh being polled can fall back on.
    static HELD: Cell<Duration> = const { Cell::new(Duration::ZERO) };
}

/// What remains meanwhile of the credential that this refresh is to replace; nothing where there is none.
pub(crate) fn held() -> Duration {
    HELD.with(Cell::get)
}

/// Runs `refresh`, while so much remains of the credential that it is to replace: then calls that it makes are not tried
/// again, since the back-off does that and nobody waits, and they go behind the calls of those who have less.
pub(crate) async fn while_held<T>(left: Duration, refresh: impl Future<Output = T>) -> T {
    struct Restore(Duration);
    impl Drop for Restore {
        fn drop(&mut self) {
            HELD.with(|held| held.set(self.0));
        }
    }
    let mut refresh = std::pin::pin!(refresh);
    std::future::poll_fn(|cx| {
        let _restore = Restore(HELD.with(|held| held.replace(left)));
        refresh.as_mut().poll(cx)
    })
    .await
}

/// The number of retries of one call. Calls for credentials are idempotent: at worst a session is granted that
/// nobody uses.
pub(crate) struct Retries<'a> {
    context: &'a Context,
    left: u32,
    began: Duration,
}

/// So often a call is tried again, and so long after its beginning at most.
const RETRIES: u32 = 2;
const WITHIN: Duration = Duration::from_secs(3);
/// The pause before the first retry is drawn from its upper half, and doubles.
const PAUSE: Duration = Duration::from_millis(200);

impl<'a> Retries<'a> {
    pub(crate) fn new(context: &'a Context) -> Self {
        let left = if held().is_zero() { RETRIES } else { 0 };
        Self { context, left, began: context.now().monotonic }
    }

    /// Returns whether to try again, after a pause, if what came back may be otherwise next time.
    pub(crate) async fn again_after(&mut self, result: &Result<Response<Bytes>, HttpError>) -> bool {
        match result {
            Ok(response) => is_passing(response.status()) && self.again(retry_after(response.headers())).await,
            Err(error) => error.kind().is_passing() && self.again(None).await,
        }
    }

    /// Returns whether to try again, after a pause: the server's, or a short one.
    pub(crate) async fn again(&mut self, retry_after: Option<Duration>) -> bool {
        let Some(left) = self.left.checked_sub(1) else { return false };
        let most = PAUSE * 2_u32.pow(RETRIES - self.left);
        let pause = spread(most, self.context.random()).max(retry_after.unwrap_or_default());
        let spent = self.context.now().monotonic.saturating_sub(self.began);
        if spent.saturating_add(pause) > WITHIN {
            return false;
        }
        self.left = left;
        self.context.sleep(pause).await;
        true
    }
}

/// A wait from the upper half of `most`, evenly spread over the draws, so that callers who failed together do not come back
/// together.
pub(crate) fn spread(most: Duration, draw: u64) -> Duration {
    most / 2 + part(most / 2, draw)
}

/// A part of `whole`, evenly spread over the draws.
pub(crate) fn part(whole: Duration, draw: u64) -> Duration {
    whole.mul_f64(draw as f64 / u64::MAX as f64)
}

impl HttpErrorKind {
    /// Returns whether the request may get a response next time: the connection was not made, or broke.
    pub(crate) fn is_passing(self) -> bool {
        matches!(self, Self::Connect | Self::ConnectTimeout | Self::Other)
    }
}

/// Returns whether a server that responds so may respond otherwise next time.
pub(crate) fn is_passing(status: StatusCode) -> bool {
    status.is_server_error() || status == StatusCode::TOO_MANY_REQUESTS
}
