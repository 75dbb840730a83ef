//! The times in a response's headers: the server's clock, and the wait that it asks for.

use std::time::{Duration, SystemTime};

use http::{HeaderMap, header};

use crate::time;

/// Returns the time of the server's clock when it responded. A cache's response carries the date of another time.
pub(crate) fn server_time(headers: &HeaderMap) -> Option<SystemTime> {
    date(headers).filter(|_| !headers.contains_key(header::AGE))
}

fn date(headers: &HeaderMap) -> Option<SystemTime> {
    time::parse_http(headers.get(header::DATE)?.to_str().ok()?)
}

/// Returns the wait that a server asks for: `x-acs-retry-after` in milliseconds, or `Retry-After` in seconds or as a date, which is
/// read against the response's own `Date`.
pub(crate) fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let text = |name: &str| Some(headers.get(name)?.to_str().ok()?.trim());
    let number = |name: &str| text(name)?.parse::<u64>().ok();
    let wait = number("x-acs-retry-after").map(Duration::from_millis);
    let wait = wait.or_else(|| number("retry-after").map(Duration::from_secs));
    let until = || time::parse_http(text("retry-after")?)?.duration_since(date(headers)?).ok();
    wait.or_else(until).filter(|wait| !wait.is_zero())
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    #[test]
    fn a_throttled_call_says_how_long_to_wait() {
        let mut headers = HeaderMap::new();
        headers.insert("retry-after", HeaderValue::from_static("7"));
        assert_eq!(retry_after(&headers), Some(Duration::from_secs(7)));
        headers.insert("x-acs-retry-after", HeaderValue::from_static("1500"));
        assert_eq!(retry_after(&headers), Some(Duration::from_millis(1500)));
        let mut headers = HeaderMap::new();
        headers.insert("retry-after", HeaderValue::from_static("Wed, 21 Oct 2026 07:28:30 GMT"));
        assert_eq!(retry_after(&headers), None, "no clock to read it against");
        headers.insert("date", HeaderValue::from_static("Wed, 21 Oct 2026 07:28:00 GMT"));
        assert_eq!(retry_after(&headers), Some(Duration::from_secs(30)));
        headers.insert("date", HeaderValue::from_static("Wed, 21 Oct 2026 07:29:00 GMT"));
        assert_eq!(retry_after(&headers), None, "a time that has passed");
    }
}
