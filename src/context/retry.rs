//! Retries of one call for credentials, inside one refresh.

use std::future::Future;
use std::time::Duration;

use bytes::Bytes;
use http::{Response, StatusCode};

use super::{Context, HttpError, HttpErrorKind, held, retry_after};

/// The number of retries of one call. Calls for credentials are idempotent: at worst a session is granted that
/// nobody uses.
pub(crate) struct Retries<'a> {
    context: &'a Context,
    left: u32,
    after_throttling: u32,
    began: Duration,
    is_sent: bool,
}

/// So often a call is tried again, and so long after its beginning at most.
const RETRIES: u32 = 2;
const WITHIN: Duration = Duration::from_secs(3);
/// So often a call that keeps to a quota queues again after a refusal as one too many, where what is held lasts no longer than this: a
/// back-off would outlast it.
const AFTER_THROTTLING: u32 = 10;
const NEARLY_OVER: Duration = Duration::from_secs(60);
/// The pause before the first retry is drawn from its upper half, and doubles.
const PAUSE: Duration = Duration::from_millis(200);

impl<'a> Retries<'a> {
    pub(crate) fn new(context: &'a Context) -> Self {
        let held = held();
        let left = if held.is_zero() { RETRIES } else { 0 };
        let after_throttling = if held < NEARLY_OVER { AFTER_THROTTLING } else { 0 };
        Self { context, left, after_throttling, began: context.now().monotonic, is_sent: false }
    }

    /// A call is sent now: the time that the first one spent in a queue is not counted.
    pub(crate) fn sent(&mut self) {
        if !std::mem::replace(&mut self.is_sent, true) {
            self.began = self.context.now().monotonic;
        }
    }

    /// Returns whether to try again a call that keeps to a quota and was refused as one too many: that says nothing against
    /// it, and whoever waits for it waits for its turn. Longer than the server's pause only the gate makes it wait.
    pub(crate) async fn again_after_throttling(&mut self, retry_after: Option<Duration>) -> bool {
        let Some(left) = self.after_throttling.checked_sub(1) else { return false };
        self.after_throttling = left;
        let pause = spread(PAUSE, self.context.random()).max(retry_after.unwrap_or_default().min(WITHIN));
        self.context.sleep(pause).await;
        true
    }

    /// Returns whether to try again, after a pause, if what came back may be otherwise next time.
    async fn again_after(&mut self, result: &Answer) -> bool {
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

/// The result of sending a call once.
type Answer = Result<Response<Bytes>, HttpError>;

/// Sends a call, and sends it again while its answer may be otherwise next time, as often as [`Retries`] allow and
/// `may_repeat` doesn't forbid: what was spent by the first copy is not to be sent twice.
pub(crate) async fn with_retries<F: Future<Output = Answer>>(
    context: &Context,
    may_repeat: impl Fn(&Answer) -> bool,
    send: impl Fn() -> F,
) -> Answer {
    let mut retries = Retries::new(context);
    loop {
        let answer = send().await;
        if !may_repeat(&answer) || !retries.again_after(&answer).await {
            return answer;
        }
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
