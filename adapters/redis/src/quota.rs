//! The quota of calls to STS: the share of this process, and when it counts. Pure: the time is an argument.

use std::time::Duration;

/// The time for which a server that failed is not asked.
pub(crate) const AWAY: Duration = Duration::from_secs(5);
/// After the server is back a process keeps to its share for so long: until all others have noticed too.
const CAREFUL: Duration = Duration::from_secs(6);

/// Keeps the share of the quota that this process may use without the server, and when the server is asked again.
#[derive(Debug)]
pub(crate) struct LocalShare {
    /// Calls a second of all replicas.
    quota: f64,
    replicas: u32,
    /// When the next call of this process may be made.
    next: Duration,
    away_until: Option<Duration>,
    careful_until: Duration,
}

impl LocalShare {
    pub(crate) fn new(quota: f64, replicas: u32) -> Self {
        Self { quota, replicas, next: Duration::ZERO, away_until: None, careful_until: Duration::ZERO }
    }

    /// The server failed.
    pub(crate) fn failed(&mut self, now: Duration) {
        self.away_until = Some(now.saturating_add(AWAY));
    }

    /// The server did what it was asked.
    pub(crate) fn worked(&mut self, now: Duration) {
        if self.away_until.take().is_some() {
            self.careful_until = now.saturating_add(CAREFUL);
        }
    }

    pub(crate) fn is_away(&self, now: Duration) -> bool {
        self.away_until.is_some_and(|until| now < until)
    }

    /// The server counted so many replicas. One that has just come back has not seen all of them yet.
    pub(crate) fn counted(&mut self, replicas: u32, now: Duration) {
        let least = if now < self.careful_until { self.replicas } else { 1 };
        self.replicas = replicas.max(least);
    }

    /// Returns how long a turn has to wait at least, whatever the server says: the next of the share, where the server is away or others
    /// may not have noticed that it is back. The server is told, so that its own line comes after such turns.
    pub(crate) fn least_wait(&mut self, now: Duration) -> Option<Duration> {
        (self.away_until.is_some() || now < self.careful_until).then(|| self.turn_alone(now))
    }

    /// The server gave a turn. Those by the share come after it.
    pub(crate) fn took(&mut self, wait: Duration, now: Duration) {
        self.next = self.next.max(now.saturating_add(wait));
    }

    /// Returns how long to wait where the server says nothing: by the share of this process.
    pub(crate) fn turn_alone(&mut self, now: Duration) -> Duration {
        let at = self.next.max(now);
        self.next = at.saturating_add(Duration::from_secs_f64(f64::from(self.replicas) / self.quota));
        at - now
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    #[test]
    fn a_server_that_failed_is_not_asked_for_five_seconds() {
        let mut share = LocalShare::new(80.0, 4);
        assert!(!share.is_away(ms(0)));
        share.failed(ms(1000));
        assert!(share.is_away(ms(5999)) && !share.is_away(ms(6000)));
        share.failed(ms(6000));
        share.worked(ms(6100));
        assert!(!share.is_away(ms(6100)));
    }

    #[test]
    fn without_the_server_each_keeps_to_its_share_of_the_replicas_that_were_seen() {
        let mut share = LocalShare::new(80.0, 4);
        share.counted(8, ms(0));
        let waits = [0, 0, 0, 250].map(|now| share.turn_alone(ms(now)));
        assert_eq!(waits, [ms(0), ms(100), ms(200), ms(50)]);
    }

    #[test]
    fn turns_that_were_taken_before_the_server_failed_count() {
        let mut share = LocalShare::new(10.0, 3);
        assert_eq!(share.least_wait(ms(0)), None);
        share.took(ms(800), ms(0));
        share.failed(ms(100));
        assert_eq!([share.turn_alone(ms(100)), share.turn_alone(ms(100))], [ms(700), ms(1000)]);
    }

    #[test]
    fn a_server_that_is_back_lets_nobody_go_faster_before_all_have_noticed() {
        let mut share = LocalShare::new(10.0, 1);
        share.counted(3, ms(0));
        share.failed(ms(1000));
        assert_eq!([share.least_wait(ms(7000)), share.least_wait(ms(7000))], [Some(ms(0)), Some(ms(300))]);
        share.worked(ms(7000));
        share.counted(1, ms(7000));
        share.took(ms(900), ms(7000));
        assert_eq!(share.least_wait(ms(7000)), Some(ms(900)), "and not before the turns that it gave");
        assert_eq!(share.least_wait(ms(7000)), Some(ms(1200)), "three replicas, as before");
        assert_eq!(share.least_wait(ms(13_000)), None);
    }
}
