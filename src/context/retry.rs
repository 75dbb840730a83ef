//! Calls that are sent again: the one loop, the attempts that a call has, and the pauses between them.

use std::future::Future;
use std::time::Duration;

use bytes::Bytes;
use http::{Response, StatusCode};

use super::{Context, HttpError, HttpErrorKind, held, retry_after};

/// A call that may need several attempts.
pub(crate) trait Repeat: Send {
    type Answer: Send;
    type Failure: Send;

    /// Makes the call once.
    fn attempt(&mut self) -> impl Future<Output = Result<Self::Answer, Self::Failure>> + Send;

    /// Returns the pause before the next attempt, or the failure that the call ends with.
    fn pause_after(&mut self, failure: Self::Failure) -> impl Future<Output = Result<Duration, Self::Failure>> + Send;
}

/// Makes a call until an attempt succeeds, or its failure says that no other one is of use.
pub(crate) async fn repeat<C: Repeat>(context: &Context, mut call: C) -> Result<C::Answer, C::Failure> {
    loop {
        let failure = match call.attempt().await {
            Ok(answer) => return Ok(answer),
            Err(failure) => failure,
        };
        let pause = call.pause_after(failure).await?;
        if !pause.is_zero() {
            context.sleep(pause).await;
        }
    }
}

/// The attempts that may follow the ones made.
pub(crate) struct Attempts {
    left: u32,
    made: u32,
    /// The pause before the second attempt is drawn from the upper half of this, and doubles with each.
    pause: Duration,
}

impl Attempts {
    /// After the first attempt, `retries` more.
    pub(crate) fn new(retries: u32, pause: Duration) -> Self {
        Self { left: retries, made: 0, pause }
    }

    /// Returns the pause before the next attempt: a short one by `draw`, or what the server `asked` for if that is longer. `None` if
    /// there is no attempt left, or the pause would take longer than `within`.
    pub(crate) fn pause(&mut self, asked: Option<Duration>, draw: u64, within: Duration) -> Option<Duration> {
        let left = self.left.checked_sub(1)?;
        let most = self.pause * 2_u32.pow(self.made.min(8));
        let pause = spread(most, draw).max(asked.unwrap_or_default());
        if pause > within {
            return None;
        }
        self.left = left;
        self.made += 1;
        Some(pause)
    }
}

/// The retries of one call for credentials, inside one refresh. Such calls are idempotent: at worst a session is granted
/// that nobody uses.
pub(crate) struct Retries<'a> {
    context: &'a Context,
    attempts: Attempts,
    after_throttling: u32,
    began: Duration,
    is_sent: bool,
}

/// The number of retries of a call for credentials, and the longest time after its beginning for one.
const RETRIES: u32 = 2;
const WITHIN: Duration = Duration::from_secs(3);
const PAUSE: Duration = Duration::from_millis(200);
/// So often a call that keeps to a quota queues again after a refusal as one too many, where what is held lasts no longer than this: a
/// back-off would outlast it.
const AFTER_THROTTLING: u32 = 10;
const NEARLY_OVER: Duration = Duration::from_secs(60);

impl<'a> Retries<'a> {
    pub(crate) fn new(context: &'a Context) -> Self {
        let held = held();
        let attempts = Attempts::new(if held.is_zero() { RETRIES } else { 0 }, PAUSE);
        let after_throttling = if held < NEARLY_OVER { AFTER_THROTTLING } else { 0 };
        Self { context, attempts, after_throttling, began: context.now().monotonic, is_sent: false }
    }

    /// A call is sent now: the time that the first one spent in a queue is not counted.
    pub(crate) fn sent(&mut self) {
        if !std::mem::replace(&mut self.is_sent, true) {
            self.began = self.context.now().monotonic;
        }
    }

    /// Returns the pause before the next attempt of a call that keeps to a quota and was refused as one too many: that says
    /// nothing against it, and whoever waits for it waits for its turn. Longer than the server's pause only the gate makes it
    /// wait.
    pub(crate) fn pause_after_throttling(&mut self, asked: Option<Duration>) -> Option<Duration> {
        self.after_throttling = self.after_throttling.checked_sub(1)?;
        Some(spread(PAUSE, self.context.random()).max(asked.unwrap_or_default().min(WITHIN)))
    }

    /// Returns the pause before the next attempt, if there is one: the server's, or a short one.
    pub(crate) fn pause(&mut self, asked: Option<Duration>) -> Option<Duration> {
        let spent = self.context.now().monotonic.saturating_sub(self.began);
        self.attempts.pause(asked, self.context.random(), WITHIN.saturating_sub(spent))
    }
}

/// The result of sending a request once.
type Sent = Result<Response<Bytes>, HttpError>;

/// Sends a request for credentials, and sends it again while its answer may be otherwise next time, as often as [`Retries`]
/// allow and `may_repeat` doesn't forbid: what was spent by the first copy is not to be sent twice.
pub(crate) async fn with_retries<F: Future<Output = Sent> + Send>(
    context: &Context,
    may_repeat: impl Fn(&Sent) -> bool + Send,
    send: impl Fn() -> F + Send,
) -> Sent {
    let call = OneRequest { retries: Retries::new(context), may_repeat, send };
    repeat(context, call).await.unwrap_or_else(|last| last)
}

struct OneRequest<'a, M, S> {
    retries: Retries<'a>,
    may_repeat: M,
    send: S,
}

impl<M, S, F> Repeat for OneRequest<'_, M, S>
where
    M: Fn(&Sent) -> bool + Send,
    S: Fn() -> F + Send,
    F: Future<Output = Sent> + Send,
{
    type Answer = Sent;
    type Failure = Sent;

    async fn attempt(&mut self) -> Result<Sent, Sent> {
        let sent = (self.send)().await;
        let may_be_otherwise = match &sent {
            Ok(response) => is_passing(response.status()),
            Err(error) => error.kind().is_passing(),
        };
        if may_be_otherwise && (self.may_repeat)(&sent) { Err(sent) } else { Ok(sent) }
    }

    async fn pause_after(&mut self, last: Sent) -> Result<Duration, Sent> {
        let asked = last.as_ref().ok().and_then(|response| retry_after(response.headers()));
        self.retries.pause(asked).ok_or(last)
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
