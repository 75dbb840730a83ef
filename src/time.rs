//! The three spellings of time on the wire.

use std::time::SystemTime;

use chrono::{DateTime, NaiveDateTime, SecondsFormat, Utc};

/// `2015-04-09T11:52:19Z`: what requests are signed with.
pub(crate) fn to_iso(time: SystemTime) -> String {
    DateTime::<Utc>::from(time).to_rfc3339_opts(SecondsFormat::Secs, true)
}

/// An `Expiration`: RFC 3339, with or without fraction, in any offset.
pub(crate) fn parse_iso(text: &str) -> Option<SystemTime> {
    DateTime::parse_from_rfc3339(text.trim()).ok().map(|time| time.with_timezone(&Utc).into())
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
    fn the_three_spellings_name_one_instant() {
        let time = parse_http("Thu, 10 Aug 2023 06:34:51 GMT").unwrap();
        assert_eq!(parse_iso("2023-08-10T06:34:51Z"), Some(time));
        assert_eq!(parse_iso("2023-08-10T14:34:51.000+08:00"), Some(time));
        assert_eq!(to_iso(time), "2023-08-10T06:34:51Z");
        assert_eq!(parse_iso("2023-08-10 06:34:51"), None);
        assert_eq!(parse_http("yesterday"), None);
    }
}
