//! Failures on request: the next answers of one operation, spoiled in the way a test asks for.

use std::sync::Mutex;
use std::time::Duration;

use crate::lock::lock;
use crate::response::ApiError;

/// How the next calls of an operation go wrong.
///
/// The failure comes before any other check, so it does not matter whether the request is signed.
///
/// ```
/// use std::time::Duration;
/// use alibabacloud_emulator::Fault;
///
/// let down = Fault::new(503, "ServiceUnavailable").times(3);
/// let throttled = Fault::new(429, "Throttling.User").header("x-acs-retry-after", "2000");
/// let slow = Fault::delayed(Duration::from_secs(2));
/// let cut_off = Fault::answered().truncate(20);
/// let lost = Fault::answered().reset();
/// let cached = Fault::answered().header("age", "100");
/// let garbage = Fault::new(502, "BadGateway").body("<html>");
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Fault {
    /// How many calls it spoils.
    pub times: u32,
    /// The HTTP status of the answer. With 0 the call takes effect and is answered as usual, and what the rest says is
    /// done to that answer.
    pub status: u16,
    /// The `Code` of the answer.
    pub code: String,
    /// The `Message` of the answer.
    pub message: String,
    /// More headers for the answer, for instance `x-acs-retry-after` (milliseconds) or `retry-after` (seconds). One that
    /// the answer has already is replaced.
    pub headers: Vec<(String, String)>,
    /// How long the answer is held back, in tokio's time of the emulator's runtime, not by the emulator's clock.
    pub delay: Duration,
    /// Whether the connection is reset after half of the body, or after `truncate` bytes of it.
    pub reset: bool,
    /// After how many bytes of the body the connection is closed, whatever length was declared.
    pub truncate: Option<usize>,
    /// What stands in place of the body.
    pub body: Option<String>,
}

impl Default for Fault {
    /// One `503 ServiceUnavailable`, at once.
    fn default() -> Self {
        Self {
            times: 1,
            status: 503,
            code: "ServiceUnavailable".to_owned(),
            message: "The request has failed due to a temporary failure of the server.".to_owned(),
            headers: Vec::new(),
            delay: Duration::ZERO,
            reset: false,
            truncate: None,
            body: None,
        }
    }
}

impl Fault {
    /// One answer with this HTTP status and `Code`, at once. The message is the documented one where there is one.
    pub fn new(status: u16, code: impl Into<String>) -> Self {
        let code = code.into();
        let message = match code.as_str() {
            "ServiceUnavailable" => "The request has failed due to a temporary failure of the server.",
            "InternalError" => "The request processing has failed due to some unknown error.",
            "Throttling.Api" => "Request was denied due to api flow control.",
            "Throttling" | "Throttling.User" => "Request was denied due to user flow control.",
            "SecurityTokenExpired" => "The security token you provided has expired.",
            "InvalidSecurityToken.Expired" => "Specified SecurityToken is expired.",
            _ => "The request has failed because the emulator was told so.",
        };
        Self { status, message: message.to_owned(), code, ..Self::default() }
    }

    /// One call that takes effect and is answered as usual: to be made wrong by the setters below.
    pub fn answered() -> Self {
        Self { status: 0, ..Self::default() }
    }

    /// One call that is answered as usual, but only after a while.
    pub fn delayed(delay: Duration) -> Self {
        Self { delay, ..Self::answered() }
    }

    /// Sets how many calls it spoils.
    pub fn times(mut self, times: u32) -> Self {
        self.times = times;
        self
    }

    /// Sets the `Message`.
    pub fn message(mut self, message: impl Into<String>) -> Self {
        self.message = message.into();
        self
    }

    /// Adds a header, or replaces the one that is there. One that HTTP does not allow is left out, and so are
    /// `content-length` and `transfer-encoding`.
    pub fn header(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }

    /// Sets how long the answer is held back.
    pub fn delay(mut self, delay: Duration) -> Self {
        self.delay = delay;
        self
    }

    /// Resets the connection in the midst of the answer.
    pub fn reset(mut self) -> Self {
        self.reset = true;
        self
    }

    /// Ends the body after that many bytes, though the whole length was declared.
    pub fn truncate(mut self, bytes: usize) -> Self {
        self.truncate = Some(bytes);
        self
    }

    /// Sends this in place of the body, with its own length. The content type stays.
    pub fn body(mut self, body: impl Into<String>) -> Self {
        self.body = Some(body.into());
        self
    }

    /// Whether the body or the connection is made wrong.
    pub(crate) fn corrupts_response(&self) -> bool {
        self.reset || self.truncate.is_some() || self.body.is_some()
    }

    /// The answer, or `None` when the call is to be answered as usual.
    pub(crate) fn error(&self) -> Option<ApiError> {
        (self.status != 0).then(|| ApiError::new(self.status, self.code.clone(), self.message.clone()))
    }
}

/// The faults to come, by route.
#[derive(Default)]
pub(crate) struct Faults {
    queue: Mutex<Vec<(String, Fault)>>,
}

impl Faults {
    pub(crate) fn add(&self, route: &str, fault: Fault) {
        if fault.times > 0 {
            lock(&self.queue).push((route.to_owned(), fault));
        }
    }

    pub(crate) fn clear(&self) {
        lock(&self.queue).clear();
    }

    /// How many answers are still to be spoiled.
    pub(crate) fn pending(&self) -> u64 {
        lock(&self.queue).iter().map(|(_, fault)| u64::from(fault.times)).sum()
    }

    /// Takes one use of the first fault for this operation.
    pub(crate) fn next(&self, product: &str, action: &str) -> Option<Fault> {
        let mut queue = lock(&self.queue);
        let index = queue.iter().position(|(route, _)| {
            route.split_once('/').is_some_and(|(p, a)| p.eq_ignore_ascii_case(product) && (a == action || a == "*"))
        })?;
        let fault = queue[index].1.clone();
        queue[index].1.times -= 1;
        if queue[index].1.times == 0 {
            queue.remove(index);
        }
        Some(fault)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn faults_of_a_route_are_used_up_in_order() {
        let faults = Faults::default();
        faults.add("sts/AssumeRole", Fault::new(500, "InternalError").times(2));
        faults.add("sts/*", Fault::default());
        faults.add("sts/AssumeRole", Fault::default().times(0));
        assert!(faults.next("imm", "AssumeRole").is_none());
        let statuses: Vec<_> =
            std::iter::from_fn(|| faults.next("sts", "AssumeRole")).map(|fault| fault.status).collect();
        assert_eq!(statuses, [500, 500, 503]);
    }
}
