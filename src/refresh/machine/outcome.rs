//! How refreshes end: what came is accepted, a failure is remembered, what is overdue is given up.

use std::time::Duration;

use super::{Current, LOST, Machine, SECOND};
use crate::error::{Error, ErrorKind};
use crate::refresh::lease::{Lease, Time};
use crate::refresh::step::{Actions, Failure, Found, Outcome};
use crate::refresh::windows::{self, GRANULARITY};

impl Machine {
    /// A refresh ended: one result for all who waited, a failure is remembered, and a success ends every mark.
    pub(in crate::refresh) fn finished(
        &mut self,
        id: u64,
        result: Result<Found, Error>,
        now: Time,
        draws: [u64; 2],
    ) -> (Option<Outcome>, Actions) {
        let mut actions = Actions::default();
        self.observe(now, &mut actions);
        let Some(flight) = self.flight.take_if(|flight| flight.id == id) else {
            let outcome = result.ok().and_then(|found| self.latecomer(found, now, draws[0], &mut actions));
            return (outcome, actions);
        };
        self.lost = 0;
        let slept = flight.has_slept(now);
        let same = |current: &Current, found: &Found| current.credentials.same_keys(&found.credentials);
        let repeated = matches!((&self.current, &result), (Some(current), Ok(found)) if same(current, found));
        let outcome = match result {
            Ok(found) => self.accept(found, now, draws[0], &mut actions),
            Err(error) => Err(error),
        };
        if slept && outcome.as_ref().is_err_and(|error| error.kind() == ErrorKind::Expired) {
            // It expired while the machine slept: nobody's failure, and the next one may be good.
            actions.discarded.2 = Some(flight);
            return (None, actions);
        }
        match &outcome {
            Ok(_) => {
                actions.discarded.1 = self.failure.take();
                self.mark = None;
                if repeated {
                    self.floor = flight.started.boot.saturating_add(SECOND);
                } else if let Some(wanted) = flight.wanted {
                    self.heard_wish(wanted);
                }
            }
            Err(error) => self.fail(error, Duration::ZERO, now, draws[1], &mut actions),
        }
        actions.tell = Some((flight, outcome.clone()));
        (Some(outcome), actions)
    }

    /// A source that was asked for more twice in a row, and whose sessions last less now, has become a shorter one.
    fn heard_wish(&mut self, wanted: Duration) {
        let whole = self.current.as_ref().and_then(|current| current.whole);
        match whole.filter(|whole| *whole < wanted) {
            None => self.refused_wishes = 0,
            Some(_) if self.refused_wishes == 0 => self.refused_wishes = 1,
            Some(whole) => (self.longest, self.refused_wishes) = (Some(whole), 0),
        }
    }

    /// A refresh that was given up as overdue, and is back after all: what it brings is welcome where it lasts longer than
    /// what there is, and its failure is nobody's any more.
    fn latecomer(&mut self, found: Found, now: Time, draw: u64, actions: &mut Actions) -> Option<Outcome> {
        let lasts = found.left.map_or(Duration::MAX, |left| left.left);
        let better = |current: &Current| current.lease.remaining(now).unwrap_or(Duration::MAX) < lasts;
        if self.mark.is_none() && !self.valid(now).is_none_or(better) {
            return None;
        }
        let before = self.generation();
        let outcome = self.accept(found, now, draw, actions).ok()?;
        if self.generation() != before {
            actions.discarded.1 = self.failure.take();
            self.mark = None;
        }
        Some(Ok(outcome))
    }

    /// Takes what a source gave. The same credential keeps its number, and if it is dated the smaller time: what remained
    /// is known from its first arrival. One that is over is the source's failure.
    pub(super) fn accept(&mut self, found: Found, now: Time, draw: u64, actions: &mut Actions) -> Outcome {
        let Found { credentials, mut left, generation } = found;
        let whole = left.map(|left| left.whole);
        let mut shorter_by = None;
        let same = self.current.as_mut().filter(|current| current.credentials.same_keys(&credentials));
        if let (Some(current), Some(left)) = (&same, &mut left)
            && left.by_wall.is_none()
        {
            let shorter = left.left.min(current.lease.remaining(now).unwrap_or(Duration::MAX));
            shorter_by = Some(left.left - shorter);
            left.left = shorter;
        }
        if left.is_some_and(|left| left.left <= GRANULARITY) {
            actions.discarded.0 = Some(credentials.clone());
            let error = Error::new(ErrorKind::Expired, "the source returned a credential that has expired already");
            return Err(error.with_code("ExpiredCredential").in_provider(credentials.provider_name()));
        }
        self.version += 1;
        let lease = Lease::new(&credentials, left, now, self.advisory, draw);
        if let Some(current) = same {
            current.lease = lease;
            current.checked_at = current.checked_at.map(|_| now.boot);
            let Some(by) = shorter_by else {
                actions.discarded.0 = Some(credentials);
                return Ok(current.credentials.clone());
            };
            // What is handed out carries what is settled now, so that whoever holds it knows as much.
            let kept = credentials.shortened(by).with_generation(current.credentials.generation());
            actions.discarded.0 = Some(std::mem::replace(&mut current.credentials, kept.clone()));
            return Ok(kept);
        }
        self.longest = self.longest.max(Some(whole.unwrap_or(Duration::MAX)));
        // One that has a number keeps it, so that refreshers over refreshers speak of the same thing; numbers only grow.
        let numbered = credentials.generation() > self.generation();
        let credentials = if numbered { credentials } else { credentials.with_generation(generation) };
        let checked_at = self.checks.then_some(now.boot);
        let fresh = Current { credentials: credentials.clone(), received_at: now.boot, lease, whole, checked_at };
        actions.discarded.0 = self.current.replace(fresh).map(|current| current.credentials);
        Ok(credentials)
    }

    /// Remembers a failure: nobody waits and nobody asks until its back-off, or `at_least`, has passed. What was withheld
    /// is lent again, since there is nothing better.
    pub(super) fn fail(&mut self, error: &Error, at_least: Duration, now: Time, draw: u64, actions: &mut Actions) {
        let (count, since) =
            self.failure.as_ref().map_or((0, now.system_time()), |before| (before.count, before.since));
        let count = count.saturating_add(1);
        let remaining = self.valid(now).map(|current| current.lease.remaining(now).unwrap_or(Duration::MAX));
        let wait = windows::back_off(count, remaining, error.is_permanent(), error.retry_after(), draw);
        let retry_at = now.boot.saturating_add(wait.max(at_least));
        if let Some(mark) = &mut self.mark {
            mark.withheld = false;
        }
        actions.discarded.1 = self.failure.replace(Box::new(Failure { error: error.clone(), since, count, retry_at }));
    }

    /// A refresh has let go of its thread. One that had not ended counts as no attempt: a waiter starts the next one. But
    /// a source that was asked is asked again after a second at the earliest, and where nobody runs refreshes they stop
    /// for a second.
    pub(in crate::refresh) fn released(&mut self, id: u64, was_run: bool, now: Time) -> Actions {
        let mut actions = Actions::default();
        self.running = self.running.saturating_sub(1);
        if self.running < 2 {
            self.floor = self.floor.min(now.boot.saturating_add(SECOND));
        }
        let Some(flight) = self.flight.take_if(|flight| flight.id == id) else { return actions };
        if was_run {
            self.floor = flight.started.boot.saturating_add(SECOND);
        } else {
            self.lost = self.lost.saturating_add(1);
            if self.lost >= LOST {
                self.floor = now.boot.saturating_add(SECOND);
            }
        }
        actions.discarded.2 = Some(flight);
        actions
    }
}
