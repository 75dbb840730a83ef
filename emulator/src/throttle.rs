//! The rate limit of STS, in calls per second of the emulator's clock.

use std::sync::Mutex;

use chrono::{DateTime, Utc};

use crate::lock::lock;
use crate::response::{ApiError, ApiResult};

#[derive(Default)]
pub(crate) struct Throttle {
    per_second: Option<u32>,
    /// The current second and the number of calls in it.
    current: Mutex<(i64, u32)>,
}

impl Throttle {
    pub(crate) fn new(per_second: Option<u32>) -> Self {
        Self { per_second, current: Mutex::default() }
    }

    pub(crate) fn check(&self, now: DateTime<Utc>) -> ApiResult<()> {
        let Some(limit) = self.per_second else { return Ok(()) };
        let mut current = lock(&self.current);
        if current.0 != now.timestamp() {
            *current = (now.timestamp(), 0);
        }
        if current.1 < limit {
            current.1 += 1;
            return Ok(());
        }
        let wait = 1_000 - now.timestamp_subsec_millis().min(999);
        let mut error = ApiError::new(429, "Throttling.User", "Request was denied due to user flow control.");
        error.headers.push(("x-acs-retry-after".to_owned(), wait.to_string()));
        Err(error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_second_has_its_own_calls() {
        let at = |millis| DateTime::from_timestamp_millis(millis).unwrap();
        let throttle = Throttle::new(Some(2));
        assert!(throttle.check(at(1_000)).is_ok());
        assert!(throttle.check(at(1_400)).is_ok());
        let error = throttle.check(at(1_400)).err().unwrap();
        assert_eq!((error.status, error.headers[0].1.as_str()), (429, "600"));
        assert!(throttle.check(at(2_000)).is_ok());
        // A clock that was set back is in another second too.
        assert!(throttle.check(at(0)).is_ok());
        assert!((0..1_000).all(|_| Throttle::default().check(at(0)).is_ok()));
        assert!(Throttle::new(Some(0)).check(at(0)).is_err());
    }
}
