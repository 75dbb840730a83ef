//! What is done about a call that failed: which failures a repetition can help, and when.

use std::time::Duration;

use http::StatusCode;

use crate::context::{Attempts, HttpErrorKind};
use crate::credentials::Credentials;
use crate::error::{Error, ErrorKind};
use crate::error_codes::{Product, SigningRetries, SigningRetry, effective_code};
use crate::rpc;

/// The longest pause that a server may ask for between two attempts. One that asks for more is not waited for.
const LONGEST_PAUSE: Duration = Duration::from_secs(60);

/// The first pause: longer than that of a call for credentials, which somebody with nothing may wait for.
const PAUSE: Duration = Duration::from_millis(400);

/// The next step of a call after an attempt that failed.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Next {
    /// At once, signed anew.
    Repeat,
    RepeatAfter(Duration),
    /// With another credential, if there is one.
    Replace,
    GiveUp,
}

/// The attempts of one call.
pub(super) struct Retries {
    signing: SigningRetries,
    attempts: Attempts,
    /// Whether the call changes nothing when it is carried out twice.
    may_repeat: bool,
}

impl Retries {
    pub(super) fn new(attempts: u32, may_repeat: bool) -> Self {
        let attempts = Attempts::new(attempts.saturating_sub(1), PAUSE);
        Self { signing: SigningRetries::default(), attempts, may_repeat }
    }

    /// Decides about `error`. `random` spreads the pauses of callers that failed together; `remaining` is what is left of
    /// the call's time, and a pause that would use it up is not begun.
    pub(super) fn after(&mut self, error: &Error, used: &Credentials, random: u64, remaining: Duration) -> Next {
        let code = effective_code(error.code().unwrap_or_default(), error.message());
        if error.kind() == ErrorKind::Refused {
            match self.signing.after(Product::OpenApi, code, used, self.may_repeat) {
                Some(SigningRetry::Replace) => return Next::Replace,
                Some(SigningRetry::SignAgain) => return Next::Repeat,
                None => {}
            }
        }
        let asked = error.retry_after();
        if asked > Some(LONGEST_PAUSE) || !self.is_passing(error, code) {
            return Next::GiveUp;
        }
        // Nothing could follow a pause that takes all that remains.
        let within = remaining.saturating_sub(Duration::from_nanos(1));
        self.attempts.pause(asked, random, within).map_or(Next::GiveUp, Next::RepeatAfter)
    }

    /// Whether the same call may succeed a little later, and cannot have been carried out twice by then.
    fn is_passing(&self, error: &Error, code: &str) -> bool {
        match error.kind() {
            ErrorKind::Refused => code == "ServiceUnavailable" || rpc::is_throttled(error),
            // A gateway that is overloaded need not answer in JSON.
            ErrorKind::InvalidResponse => {
                matches!(rpc::status(error), Some(StatusCode::SERVICE_UNAVAILABLE | StatusCode::TOO_MANY_REQUESTS))
            }
            ErrorKind::Unreachable => match rpc::lost(error) {
                Some(kind) if kind.is_unconnected() => true,
                // The server may have carried it out, and only the answer was lost.
                Some(HttpErrorKind::Timeout | HttpErrorKind::Other) => self.may_repeat,
                _ => false,
            },
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn throttled(wait: u64) -> Error {
        let error = Error::new(ErrorKind::Refused, "m").with_code("Throttling.User").with_http_status(429);
        error.with_retry_after(Duration::from_secs(wait))
    }

    #[test]
    fn a_pause_that_cannot_be_afforded_is_not_begun() {
        let used = Credentials::new("an-id", "fake-secret");
        let after =
            |wait, remaining| Retries::new(3, true).after(&throttled(wait), &used, 0, Duration::from_secs(remaining));
        assert_eq!(after(7, 60), Next::RepeatAfter(Duration::from_secs(7)));
        assert_eq!(after(7, 7), Next::GiveUp);
        assert_eq!(after(3600, 100_000), Next::GiveUp, "longer than anybody waits for one call");
    }

    #[test]
    fn as_many_attempts_are_made_as_were_asked_for() {
        let used = Credentials::new("an-id", "fake-secret");
        for attempts in 0..5 {
            let mut retries = Retries::new(attempts, false);
            let mut made = 1;
            while retries.after(&throttled(0), &used, 0, Duration::from_secs(60)) != Next::GiveUp {
                made += 1;
            }
            assert_eq!(made, attempts.max(1));
        }
    }
}
