//! Injected faults: the next calls of an operation fail in the way that a test asks for.

use std::sync::Mutex;
use std::time::Duration;

use crate::lock::lock;
use crate::response::ApiError;

/// A fault for the next calls of an operation.
///
/// It applies before any other check, so the request need not be signed.
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
    /// The number of calls that it applies to.
    pub times: u32,
    /// The HTTP status of the response. With 0 the call takes effect and gets its usual response, to which the other
    /// fields apply.
    pub status: u16,
    /// The `Code` of the response.
    pub code: String,
    /// The `Message` of the response.
    pub message: String,
    /// Additional headers of the response, for instance `x-acs-retry-after` (milliseconds) or `retry-after` (seconds).
    /// They replace headers with the same name.
    pub headers: Vec<(String, String)>,
    /// How long the response is delayed, by the clock of the emulator's tokio runtime and not by the emulator's own
    /// clock.
    pub delay: Duration,
    /// Whether the connection is reset after half of the body, or after `truncate` bytes of it.
    pub reset: bool,
    /// The number of bytes of the body after which the connection is closed. The full length is declared.
    pub truncate: Option<usize>,
    /// The text that replaces the body.
    pub body: Option<String>,
}

impl Default for Fault {
    /// Returns one `503 ServiceUnavailable` without delay.
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
    /// Returns a fault that makes one call fail with an HTTP status and a `Code`. The message is the documented one, if
    /// there is one.
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

    /// Returns a fault that lets one call take effect and leaves its response as it is. The methods below change it.
    pub fn answered() -> Self {
        Self { status: 0, ..Self::default() }
    }

    /// Returns a fault that only delays one response.
    pub fn delayed(delay: Duration) -> Self {
        Self { delay, ..Self::answered() }
    }

    /// Sets the number of calls that it applies to.
    pub fn times(mut self, times: u32) -> Self {
        self.times = times;
        self
    }

    /// Sets the `Message`.
    pub fn message(mut self, message: impl Into<String>) -> Self {
        self.message = message.into();
        self
    }

    /// Adds a header, or replaces the one with the same name. Headers that HTTP does not allow are omitted, and so are
    /// `content-length` and `transfer-encoding`.
    pub fn header(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }

    /// Sets how long the response is delayed.
    pub fn delay(mut self, delay: Duration) -> Self {
        self.delay = delay;
        self
    }

    /// Resets the connection after half of the body, or after the bytes that [`truncate`](Self::truncate) sets.
    pub fn reset(mut self) -> Self {
        self.reset = true;
        self
    }

    /// Ends the body after this many bytes, although the full length is declared.
    pub fn truncate(mut self, bytes: usize) -> Self {
        self.truncate = Some(bytes);
        self
    }

    /// Replaces the body and its length. The content type stays.
    pub fn body(mut self, body: impl Into<String>) -> Self {
        self.body = Some(body.into());
        self
    }

    /// Returns whether it changes the body or resets the connection.
    pub(crate) fn corrupts_response(&self) -> bool {
        self.reset || self.truncate.is_some() || self.body.is_some()
    }

    /// Returns the error to respond with, or `None` if the call is handled as usual.
    pub(crate) fn error(&self) -> Option<ApiError> {
        (self.status != 0).then(|| ApiError::new(self.status, self.code.clone(), self.message.clone()))
    }
}

/// The pending faults with their routes, in the order in which they were added.
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

    /// Returns the number of calls that are still to fail.
    pub(crate) fn pending(&self) -> u64 {
        lock(&self.queue).iter().map(|(_, fault)| u64::from(fault.times)).sum()
    }

    /// Returns the first fault for an operation and counts one use of it.
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
