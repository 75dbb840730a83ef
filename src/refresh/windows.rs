//! When a credential is due, and how long to wait after a failure: arithmetic, nothing else.

use std::time::Duration;

use crate::context::{part, spread};

const MINUTE: Duration = Duration::from_secs(60);

/// A credential that remains this short a time is expired: coarse clocks tick every 4 to 10 ms.
pub(super) const GRANULARITY: Duration = Duration::from_millis(10);

/// Wall and monotonic clock have parted when they differ by more than this from what they showed before.
pub(super) const DRIFT: Duration = Duration::from_secs(2);

/// The most a caller waits in the mandatory window.
const PATIENCE: Duration = Duration::from_secs(2);

/// The advisory window of a credential that lasted `lifetime` when it came: 5 min up to 20 min, 15 min below 90 min, else
/// 60 min (the windows that the AWS SDKs agreed on in 2026), or the one that was `set`; never more than half the lifetime.
pub(super) fn advisory(lifetime: Duration, set: Option<Duration>) -> Duration {
    let window = set.unwrap_or(if lifetime <= 20 * MINUTE {
        5 * MINUTE
    } else if lifetime < 90 * MINUTE {
        15 * MINUTE
    } else {
        60 * MINUTE
    });
    window.min(lifetime / 2)
}

/// The mandatory window: a minute, never more than a tenth of the lifetime.
pub(super) fn mandatory(lifetime: Duration) -> Duration {
    MINUTE.min(lifetime / 10)
}

/// What remains when the first refresh starts: drawn from the advisory window's first fifth, so that many processes that
/// started together do not refresh together.
pub(super) fn trigger(advisory: Duration, draw: u64) -> Duration {
    advisory - part(advisory / 5, draw)
}

/// How long a caller waits for a refresh while `remaining` is left of the old credential.
pub(super) fn patience(remaining: Duration) -> Duration {
    PATIENCE.min(remaining / 2)
}

/// The wait after the `failures`-th failure in a row. `remaining` is what is left of a credential that still works.
pub(super) fn back_off(
    failures: u32,
    remaining: Option<Duration>,
    permanent: bool,
    retry_after: Option<Duration>,
    draw: u64,
) -> Duration {
    const FIRST: Duration = Duration::from_millis(500);
    let cap = match remaining {
        Some(remaining) => FIRST.max((5 * MINUTE).min(remaining / 6)),
        None => Duration::from_secs(5),
    };
    let doubled = FIRST.saturating_mul(1 << failures.saturating_sub(1).min(20));
    let most = if permanent { cap } else { doubled.min(cap) };
    spread(most, draw).max(retry_after.unwrap_or_default().min(MINUTE))
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn s(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn windows_follow_the_lifetime() {
        for (lifetime, window, must) in [
            (4, 2, 0.4),
            (600, 300, 60.0),
            (900, 300, 60.0),
            (1200, 300, 60.0),
            (1201, 600, 60.0),
            (3600, 900, 60.0),
            (5399, 900, 60.0),
            (5400, 2700, 60.0),
            (43200, 3600, 60.0),
        ] {
            assert_eq!(advisory(s(lifetime), None).as_secs(), window, "{lifetime}");
            assert_eq!(mandatory(s(lifetime)).as_secs_f64(), must, "{lifetime}");
        }
        assert_eq!(advisory(s(3600), Some(s(1800))), s(1800));
        assert_eq!(advisory(s(3600), Some(s(7200))), s(1800), "never above half the lifetime");
    }

    #[test]
    fn the_trigger_lies_in_the_first_fifth() {
        assert_eq!(trigger(s(300), 0), s(300));
        assert_eq!(trigger(s(300), u64::MAX), s(240));
    }

    #[test]
    fn back_off_doubles_to_a_cap_that_follows_what_remains() {
        let most = |n, remaining| back_off(n, remaining, false, None, u64::MAX).as_millis();
        assert_eq!([1, 2, 3, 4, 5, 60].map(|n| most(n, None)), [500, 1000, 2000, 4000, 5000, 5000]);
        assert_eq!([1, 3, 9, 60].map(|n| most(n, Some(s(60)))), [500, 2000, 10_000, 10_000]);
        assert_eq!(most(60, Some(s(36_000))), 300_000);
        assert_eq!(most(60, Some(s(1))), 500);
        assert_eq!(back_off(1, None, false, None, 0).as_millis(), 250, "half of it at least");
        assert_eq!(back_off(1, Some(s(3600)), true, None, u64::MAX), s(300), "permanent: at once the cap");
    }

    #[test]
    fn retry_after_is_honoured_up_to_a_minute() {
        assert_eq!(back_off(1, None, false, Some(s(7)), 0), s(7));
        assert_eq!(back_off(1, None, false, Some(s(7000)), 0), s(60));
    }
}
