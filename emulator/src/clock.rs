//! The emulator's clock: the machine's clock or a frozen instant, plus an offset that tests can change.

use std::sync::Mutex;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use chrono::{DateTime, FixedOffset, Utc};

use crate::lock::lock;

const NANOS: i128 = 1_000_000_000;
/// 9999-12-31T23:59:59Z, the last second that the four-digit years of the wire formats can express.
const LAST_SECOND: i128 = 253_402_300_799;

#[derive(Debug, Default)]
pub(crate) struct Clock {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    frozen: Option<i128>,
    offset: i128,
}

impl Clock {
    pub(crate) fn with_offset(seconds: i64) -> Self {
        Self { state: Mutex::new(State { frozen: None, offset: i128::from(seconds) * NANOS }) }
    }

    pub(crate) fn now(&self) -> DateTime<Utc> {
        let state = lock(&self.state);
        let nanos = state.frozen.unwrap_or_else(machine).saturating_add(state.offset).clamp(0, LAST_SECOND * NANOS);
        let seconds = i64::try_from(nanos / NANOS).unwrap_or_default();
        let rest = u32::try_from(nanos % NANOS).unwrap_or_default();
        DateTime::from_timestamp(seconds, rest).unwrap_or(DateTime::UNIX_EPOCH)
    }

    pub(crate) fn system_time(&self) -> SystemTime {
        self.now().into()
    }

    /// Returns the offset from the machine's clock, or from the instant at which the clock was frozen, in seconds.
    pub(crate) fn offset_seconds(&self) -> i64 {
        i64::try_from(lock(&self.state).offset / NANOS).unwrap_or(i64::MAX)
    }

    pub(crate) fn is_frozen(&self) -> bool {
        lock(&self.state).frozen.is_some()
    }

    pub(crate) fn advance(&self, by: Duration) {
        let mut state = lock(&self.state);
        state.offset = state.offset.saturating_add(nanos(by)).clamp(-LAST_SECOND * NANOS, LAST_SECOND * NANOS);
    }

    pub(crate) fn set_offset(&self, seconds: i64) {
        lock(&self.state).offset = i128::from(seconds) * NANOS;
    }

    pub(crate) fn freeze_at(&self, instant: SystemTime) {
        *lock(&self.state) = State { frozen: Some(since_epoch(instant)), offset: 0 };
    }
}

/// Reads the machine's clock. No other code does.
#[allow(clippy::disallowed_methods)]
fn machine() -> i128 {
    since_epoch(SystemTime::now())
}

fn since_epoch(instant: SystemTime) -> i128 {
    match instant.duration_since(UNIX_EPOCH) {
        Ok(after) => nanos(after),
        Err(before) => -nanos(before.duration()),
    }
}

/// Returns whole seconds since 1970 for any instant. The conversion of chrono panics beyond its calendar.
pub(crate) fn unix_seconds(instant: SystemTime) -> i64 {
    i64::try_from(since_epoch(instant).div_euclid(NANOS)).unwrap_or(i64::MAX)
}

fn nanos(duration: Duration) -> i128 {
    i128::try_from(duration.as_nanos()).unwrap_or(i128::MAX)
}

/// Formats an instant for the `date` header: `Thu, 10 Aug 2023 06:34:51 GMT`.
pub(crate) fn http_date(instant: DateTime<Utc>) -> String {
    instant.format("%a, %d %b %Y %H:%M:%S GMT").to_string()
}

/// Formats an instant for `x-acs-date` and `Expiration`: `2026-01-02T03:04:05Z`.
pub(crate) fn utc(instant: DateTime<Utc>) -> String {
    instant.format("%Y-%m-%dT%H:%M:%SZ").to_string()
}

/// Formats an instant as IMM does, in Beijing time with nine digits: `2023-08-10T14:34:51.586696893+08:00`.
pub(crate) fn beijing(instant: DateTime<Utc>) -> String {
    match FixedOffset::east_opt(8 * 3600) {
        Some(zone) => instant.with_timezone(&zone).format("%Y-%m-%dT%H:%M:%S%.9f%:z").to_string(),
        None => instant.format("%Y-%m-%dT%H:%M:%S%.9f%:z").to_string(),
    }
}

/// Parses `yyyy-MM-ddTHH:mm:ssZ` and no other form.
pub(crate) fn parse_utc(text: &str) -> Option<DateTime<Utc>> {
    if text.len() != 20 {
        return None;
    }
    chrono::NaiveDateTime::parse_from_str(text, "%Y-%m-%dT%H:%M:%SZ").ok().map(|naive| naive.and_utc())
}

/// Parses the same form with an optional fraction of a second, which is dropped. The documents of signature version 1
/// show no fraction, but aliyun-openapi-core-rust-sdk sends nine digits, and its tests call the cloud.
pub(crate) fn parse_utc_with_fraction(text: &str) -> Option<DateTime<Utc>> {
    let Some((whole, fraction)) = text.split_once('.') else { return parse_utc(text) };
    let digits = fraction.strip_suffix('Z')?;
    let is_fraction = (1..=9).contains(&digits.len()) && digits.bytes().all(|digit| digit.is_ascii_digit());
    is_fraction.then(|| parse_utc(&format!("{whole}Z")))?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frozen_clock_moves_only_when_advanced() {
        let clock = Clock::default();
        clock.freeze_at(UNIX_EPOCH + Duration::from_secs(1_691_649_291));
        assert_eq!(http_date(clock.now()), "Thu, 10 Aug 2023 06:34:51 GMT");
        clock.advance(Duration::from_millis(1_500));
        assert_eq!(clock.system_time(), UNIX_EPOCH + Duration::from_millis(1_691_649_292_500));
        clock.set_offset(-1);
        assert_eq!(utc(clock.now()), "2023-08-10T06:34:50Z");
    }

    #[test]
    fn absurd_offsets_stop_at_the_ends_of_the_calendar() {
        let clock = Clock::with_offset(i64::MAX);
        assert_eq!(utc(clock.now()), "9999-12-31T23:59:59Z");
        clock.advance(Duration::MAX);
        assert_eq!(utc(clock.now()), "9999-12-31T23:59:59Z");
        clock.set_offset(i64::MIN);
        assert_eq!(utc(clock.now()), "1970-01-01T00:00:00Z");
    }

    #[test]
    fn only_the_documented_form_of_a_timestamp_is_read() {
        assert!(parse_utc("2026-01-02T03:04:05Z").is_some());
        for text in ["", "2026-01-02T03:04:05", "2026-01-02 03:04:05Z", "2026-13-02T03:04:05Z", "20260102T030405Z", "é"]
        {
            assert!(parse_utc(text).is_none(), "{text}");
        }
        assert_eq!(parse_utc_with_fraction("2026-01-02T03:04:05.123456789Z"), parse_utc("2026-01-02T03:04:05Z"));
        for text in ["2026-01-02T03:04:05.Z", "2026-01-02T03:04:05.1", "2026-01-02T03:04:05.+1Z", "2026-01-02.5Z"] {
            assert!(parse_utc_with_fraction(text).is_none(), "{text}");
        }
    }

    #[test]
    fn project_times_have_nine_digits_and_beijing_time() {
        let instant = DateTime::from_timestamp(1_691_649_291, 586_696_893).unwrap();
        assert_eq!(beijing(instant), "2023-08-10T14:34:51.586696893+08:00");
    }
}
