//! The three spellings of time on the wire.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use chrono::{DateTime, Datelike, NaiveDateTime, Timelike, Utc};

/// The first and the last second that RFC 3339 can write: its years have four digits.
const FIRST: i64 = -62_167_219_200;
const LAST: i64 = 253_402_300_799;

/// Whole seconds since the Unix epoch, rounded down.
fn seconds(time: SystemTime) -> i64 {
    match time.duration_since(UNIX_EPOCH) {
        Ok(after) => i64::try_from(after.as_secs()).unwrap_or(i64::MAX),
        Err(before) => {
            let before = before.duration();
            -i64::try_from(before.as_secs()).unwrap_or(i64::MAX) - i64::from(before.subsec_nanos() > 0)
        }
    }
}

/// The wall clock's reading as the standard library has it. A reading beyond its range is its end.
pub(crate) fn from_epoch(wall: Duration) -> SystemTime {
    saturating_add(UNIX_EPOCH, wall)
}

/// `time` and `duration` together, within the range of the platform's clock.
pub(crate) fn saturating_add(time: SystemTime, duration: Duration) -> SystemTime {
    // Every supported platform's range ends beyond the year 9999, and no caller needs to tell later times apart.
    time.checked_add(duration)
        .or_else(|| UNIX_EPOCH.checked_add(Duration::from_secs(LAST.unsigned_abs())))
        .unwrap_or(time)
}

/// Returns whether [`to_iso`] names this very second.
pub(crate) fn has_iso(time: SystemTime) -> bool {
    (FIRST..=LAST).contains(&seconds(time))
}

/// `2015-04-09T11:52:19Z`: what requests are signed with. Files and callers may name any time at all; one that is beyond
/// the calendar is written as the calendar's end.
pub(crate) fn to_iso(time: SystemTime) -> String {
    written(time, ["-", "-", "T", ":", ":"])
}

/// `20150409T115219Z`: the same without its punctuation.
pub(crate) fn to_compact_iso(time: SystemTime) -> String {
    written(time, ["", "", "T", "", ""])
}

/// A format string costs ten times as much, and every request is dated.
fn written(time: SystemTime, between: [&str; 5]) -> String {
    let time = DateTime::<Utc>::from_timestamp(seconds(time).clamp(FIRST, LAST), 0).unwrap_or_default().naive_utc();
    let (year, [month, day]) = (time.year().unsigned_abs(), [time.month(), time.day()]);
    // Of the length that it will have: a header takes it as it is.
    let mut out = String::with_capacity(15 + between.map(str::len).into_iter().sum::<usize>());
    push_two_digits(year / 100, &mut out);
    push_two_digits(year % 100, &mut out);
    for (between, number) in between.into_iter().zip([month, day, time.hour(), time.minute(), time.second()]) {
        out.push_str(between);
        push_two_digits(number, &mut out);
    }
    out.push('Z');
    out
}

fn push_two_digits(number: u32, out: &mut String) {
    for digit in [number / 10, number % 10] {
        out.push(char::from_digit(digit, 10).unwrap_or('0'));
    }
}

/// An `Expiration`: RFC 3339, with or without fraction, in any offset; `+0800` as well as `+08:00`, as Java writes it.
pub(crate) fn parse_iso(text: &str) -> Option<SystemTime> {
    let text = text.trim();
    let time = DateTime::parse_from_rfc3339(text).or_else(|_| DateTime::parse_from_str(text, "%Y-%m-%dT%H:%M:%S%.f%z"));
    time.ok().map(|time| time.with_timezone(&Utc).into())
}

/// A `Date` header: `Thu, 10 Aug 2023 06:34:51 GMT`.
pub(crate) fn parse_http(text: &str) -> Option<SystemTime> {
    let naive = NaiveDateTime::parse_from_str(text.trim(), "%a, %d %b %Y %H:%M:%S GMT").ok()?;
    Some(naive.and_utc().into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_beyond_the_calendar_is_written_as_its_end() {
        let after = |seconds| UNIX_EPOCH + Duration::from_secs(seconds);
        let before = |millis| UNIX_EPOCH - Duration::from_millis(millis);
        for (time, text, exact) in [
            (after(253_402_300_799), "9999-12-31T23:59:59Z", true),
            (after(253_402_300_800), "9999-12-31T23:59:59Z", false),
            (after(9_999_999_999_999), "9999-12-31T23:59:59Z", false),
            (after(i64::MAX as u64), "9999-12-31T23:59:59Z", false),
            (before(500), "1969-12-31T23:59:59Z", true),
            (before(62_167_219_200_000), "0000-01-01T00:00:00Z", true),
            (before(62_167_219_200_001), "0000-01-01T00:00:00Z", false),
        ] {
            assert_eq!((to_iso(time).as_str(), has_iso(time)), (text, exact), "{time:?}");
            assert_eq!(to_compact_iso(time), text.replace(['-', ':'], ""), "{time:?}");
        }
    }

    #[test]
    fn the_three_spellings_name_one_instant() {
        let time = parse_http("Thu, 10 Aug 2023 06:34:51 GMT").unwrap();
        assert_eq!(parse_iso("2023-08-10T06:34:51Z"), Some(time));
        assert_eq!(parse_iso("2023-08-10T14:34:51.000+08:00"), Some(time));
        assert_eq!(to_iso(time), "2023-08-10T06:34:51Z");
        assert_eq!(parse_iso("2023-08-10 06:34:51"), None);
        assert_eq!(parse_http("yesterday"), None);
    }
}
