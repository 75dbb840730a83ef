//! What readers, renewers without a caller and the curious see of the machine.

use std::time::Duration;

use tokio::sync::watch;

use super::{Machine, Mark, SECOND};
use crate::credentials::Credentials;
use crate::error::{Error, ErrorKind};
use crate::refresh::health::Health;
use crate::refresh::lease::{Deadline, Passed, Time};
use crate::refresh::step::{Actions, Outcome};
#[cfg(feature = "role-pool")]
use crate::refresh::upkeep::Renewal;
use crate::refresh::windows::GRANULARITY;
use crate::time;

impl Machine {
    /// The current credential, if one may be handed out.
    pub(in crate::refresh) fn current(&mut self, now: Time) -> (Option<Credentials>, Actions) {
        let mut actions = Actions::default();
        self.observe(now, &mut actions);
        (self.lendable(now).map(|current| current.credentials.clone()), actions)
    }

    /// Counts the changes of what [`published`](Self::published) gives.
    pub(in crate::refresh) fn version(&self) -> u64 {
        self.version
    }

    /// The current credential, when it ends, and the clocks that this was measured by.
    pub(in crate::refresh) fn published(&self) -> Option<(Credentials, Deadline, Time)> {
        let current = self.current.as_ref()?;
        Some((current.credentials.clone(), current.lease.deadline(), current.lease.measured_at()))
    }

    /// Until when, by the monotonic clock, readers need not come here, since nothing would be done. But for what never ends,
    /// they come once a second: a machine that slept, and whose wall clock was set back by as much, is noticed here alone.
    pub(in crate::refresh) fn quiet_until(&self, now: Time) -> Duration {
        let Some(current) = self.lendable(now) else { return Duration::ZERO };
        if self.mark.is_some() && (self.bypasses() || self.flight.is_some()) {
            return Duration::ZERO;
        }
        let floor = self.floor.saturating_sub(now.boot);
        let quiet = match (self.backing_off(now), &self.flight) {
            (Some(failure), _) => Some(failure.retry_at.saturating_sub(now.boot).max(floor)),
            // From the mandatory window on, callers wait for the refresh.
            (None, Some(_)) => current.lease.until_mandatory(now),
            (None, None) if self.mark.is_some() => Some(floor),
            (None, None) => current.lease.until_due(now).map(|due| due.max(floor)),
        };
        let next_visit = if quiet.is_some() || current.checked_at.is_some() {
            self.visited.saturating_add(SECOND)
        } else {
            Duration::MAX
        };
        let quiet =
            quiet.map_or(Duration::MAX, |quiet| now.monotonic.saturating_add(quiet.saturating_sub(GRANULARITY)));
        quiet.min(next_visit)
    }

    /// How long until a caller would start a refresh; `None`: never.
    pub(in crate::refresh) fn next_refresh(&self, now: Time) -> Option<Duration> {
        let retry_at = self.backing_off(now).map_or(Duration::ZERO, |failure| failure.retry_at).max(self.floor);
        let due = match self.valid(now) {
            Some(current) if self.mark.is_none() => current.lease.until_due(now)?,
            _ => Duration::ZERO,
        };
        Some(due.max(retry_at.saturating_sub(now.boot)))
    }

    /// The rhythm of renewals of a credential like the current one.
    #[cfg(feature = "role-pool")]
    pub(in crate::refresh) fn renewal(&self, now: Time) -> Option<Renewal> {
        let lease = &self.current.as_ref()?.lease;
        let is_idle = self.flight.is_none() && self.valid(now).is_some();
        let due_in = self.next_refresh(now).filter(|_| is_idle);
        Some(Renewal { every: lease.between_renewals()?, due_in, left: lease.remaining(now)? })
    }

    /// The refresh under way.
    pub(in crate::refresh) fn under_way(&self) -> Option<watch::Receiver<Option<Outcome>>> {
        self.flight.as_ref().map(|flight| flight.ended.subscribe())
    }

    pub(in crate::refresh) fn health(&self, now: Time) -> Health {
        let Some(current) = &self.current else {
            return match &self.failure {
                Some(failure) => Health::Expired { since: failure.since, error: failure.error.clone() },
                None => Health::Empty,
            };
        };
        let (lease, passed) = current.lease.measured(now);
        let expires_at = lease.ends_at(now);
        if lease.is_over(now) {
            let unasked = || Error::new(ErrorKind::Expired, "the credential expired and nobody has asked since");
            let error = self.failure.as_ref().map_or_else(unasked, |failure| failure.error.clone());
            return Health::Expired { since: expires_at.unwrap_or_else(|| now.system_time()), error };
        }
        if let Some(until) = self.ignore_rejections_until.filter(|until| now.boot < *until) {
            let until = time::saturating_add(now.system_time(), until.saturating_sub(now.boot));
            return Health::RejectedWhileFresh { until, expires_at };
        }
        let marked = self.mark.as_ref().map(|mark| mark.since);
        let marked = marked.or((passed == Passed::BeyondExpiration).then(|| now.system_time()));
        match (&self.failure, marked) {
            (Some(failure), _) => Health::Degraded { since: failure.since, error: failure.error.clone(), expires_at },
            (None, Some(since)) => Health::Degraded { since, error: marked_error(&self.mark), expires_at },
            (None, None) => Health::Fresh { generation: current.credentials.generation(), expires_at },
        }
    }
}

/// Why a credential that is valid is to be replaced.
fn marked_error(mark: &Option<Mark>) -> Error {
    if mark.as_ref().is_some_and(|mark| mark.rejected) {
        Error::new(ErrorKind::Refused, "a server refused the credential, and the next caller replaces it")
            .with_code("CredentialRejected")
    } else {
        let message = "the wall clock was set past the end of the credential, and the next caller replaces it";
        Error::new(ErrorKind::Expired, message).with_code("ExpiredCredential")
    }
}
