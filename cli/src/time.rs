//! Times and durations as text.

use std::time::{Duration, SystemTime};

/// As `2026-11-29T06:00:00Z`, the form of this cloud's APIs.
pub(crate) fn rfc3339(at: SystemTime) -> String {
    humantime::format_rfc3339_seconds(at).to_string()
}

/// As `59m 57s`.
pub(crate) fn spoken(duration: Duration) -> String {
    humantime::format_duration(Duration::from_secs(duration.as_secs())).to_string()
}

/// Reads `900`, `15m` or `1h 30m`; a bare number is seconds.
pub(crate) fn parse_duration(text: &str) -> Result<Duration, String> {
    match text.trim().parse() {
        Ok(seconds) => Ok(Duration::from_secs(seconds)),
        Err(_) => humantime::parse_duration(text).map_err(|error| format!("{error}; write 900, 15m or 1h")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_read_with_and_without_a_unit() {
        for (text, seconds) in [("900", 900), ("15m", 900), ("1h 30m", 5_400), (" 60 ", 60)] {
            assert_eq!(parse_duration(text), Ok(Duration::from_secs(seconds)), "{text}");
        }
        assert!(parse_duration("soon").unwrap_err().contains("write 900, 15m or 1h"));
        assert!(parse_duration("").is_err() && parse_duration("-5").is_err());
    }
}
