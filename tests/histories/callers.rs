//! Callers of the outermost refresher, and what they may be told.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use alibabacloud_credentials::{Credentials, Error, ErrorKind, Health, Refresher};

use super::tap::Tap;
use super::truth::{Instant, TOLERANCE, Truth};

/// A wait ends so much later than the limit of a refresh.
const SLACK: Duration = Duration::from_secs(5);
/// Whoever has a valid credential waits no longer for a refresh.
const PATIENCE: Duration = Duration::from_millis(2100);
/// The longest back-off.
const BACK_OFF: Duration = Duration::from_secs(301);

pub(crate) struct Callers {
    truth: Arc<Truth>,
    limit: Duration,
    /// Of the outermost refresher.
    tap: Arc<Tap>,
    waiting: Mutex<BTreeMap<u64, Waiting>>,
    number: Mutex<u64>,
    /// What was handed out last.
    last: Mutex<Option<Credentials>>,
    /// After how many calls the credential may have been marked, so that callers wait for a new one.
    marked: Mutex<Option<usize>>,
}

#[derive(Clone, Copy)]
struct Waiting {
    began: Instant,
    /// What passed while nobody was driven.
    undriven: Duration,
    /// Whether nothing was amiss when it began: a valid credential, and no reason to wait for another one.
    is_calm: bool,
}

/// Forgets a caller that was dropped.
struct Guard(Arc<Callers>, u64);

impl Drop for Guard {
    fn drop(&mut self) {
        self.0.waiting.lock().unwrap().remove(&self.1);
    }
}

impl Callers {
    pub(crate) fn new(truth: &Arc<Truth>, limit: Duration, tap: &Arc<Tap>) -> Arc<Self> {
        Arc::new(Self {
            truth: Arc::clone(truth),
            limit,
            tap: Arc::clone(tap),
            waiting: Mutex::default(),
            number: Mutex::default(),
            last: Mutex::default(),
            marked: Mutex::default(),
        })
    }

    pub(crate) fn last(&self) -> Option<Credentials> {
        self.last.lock().unwrap().clone()
    }

    pub(crate) fn waiting(&self) -> usize {
        self.waiting.lock().unwrap().len()
    }

    /// The credential was refused, or a clock was set: callers may wait for another one from now on.
    pub(crate) fn mark(&self) {
        *self.marked.lock().unwrap() = Some(self.tap.asked());
        self.waiting.lock().unwrap().values_mut().for_each(|waiting| waiting.is_calm = false);
    }

    /// Nobody was driven while this passed.
    pub(crate) fn undriven(&self, passed: Duration) {
        self.waiting.lock().unwrap().values_mut().for_each(|waiting| waiting.undriven += passed);
    }

    /// No wait may have lasted too long by now.
    pub(crate) fn look(&self) {
        let now = self.truth.instant();
        for waiting in self.waiting.lock().unwrap().values() {
            let waited = (now.monotonic - waiting.began.monotonic).saturating_sub(waiting.undriven);
            if waited > self.limit + SLACK {
                self.truth.problem(format!("a caller has waited for {waited:?}"));
            }
        }
    }

    fn surely_left(&self, now: Instant) -> Duration {
        self.tap.held().map_or(Duration::ZERO, |held| self.truth.session(held).surely_left(now))
    }

    /// One caller, to its answer.
    pub(crate) async fn call(self: Arc<Self>, refresher: Refresher, wanted: Option<Duration>) {
        self.truth.visit();
        let began = self.truth.instant();
        let is_marked = self.marked.lock().unwrap().is_some_and(|marked| !self.tap.is_renewed_since(marked));
        let is_calm = wanted.is_none() && !is_marked && !self.may_be_withheld() && self.surely_left(began) > PATIENCE;
        let number = {
            let mut number = self.number.lock().unwrap();
            *number += 1;
            *number
        };
        let guard = Guard(Arc::clone(&self), number);
        self.waiting.lock().unwrap().insert(number, Waiting { began, undriven: Duration::ZERO, is_calm });
        let answer = match wanted {
            Some(lifetime) => refresher.credentials_valid_for(lifetime).await,
            None => refresher.credentials().await,
        };
        let waiting = self.waiting.lock().unwrap().get(&number).copied();
        drop(guard);
        let now = self.truth.instant();
        let waited = (now.monotonic - began.monotonic).saturating_sub(waiting.map_or(Duration::ZERO, |w| w.undriven));
        if waited > PATIENCE && waiting.is_some_and(|waiting| waiting.is_calm) {
            self.truth.problem(format!("a caller with a valid credential waited for {waited:?}"));
        }
        self.truth.note(|| format!("  a caller was given {answer:?} in {waited:?}, {:?}", refresher.health()));
        match answer {
            Ok(found) => self.handed_out(&refresher, &found, wanted, "handed out"),
            Err(error) => self.refused(&refresher, &error, wanted),
        }
    }

    /// One who does not wait.
    pub(crate) fn borrow(&self, refresher: &Refresher) {
        self.truth.visit();
        let before = self.surely_left(self.truth.instant());
        match refresher.cached() {
            Some(found) => self.handed_out(refresher, &found, None, "lent"),
            None if before > Duration::ZERO && !self.may_be_withheld() => {
                self.truth.problem(format!("nothing is lent with {before:?} left"));
            }
            None => {}
        }
    }

    /// Whether the wall clock was set past the end of what is held.
    fn may_be_withheld(&self) -> bool {
        let wall = self.truth.instant().wall;
        self.tap
            .held()
            .map(|held| self.truth.session(held))
            .is_some_and(|session| session.may_be_passed || session.ends.is_some_and(|ends| wall + TOLERANCE >= ends))
    }

    fn handed_out(&self, refresher: &Refresher, found: &Credentials, wanted: Option<Duration>, how: &str) {
        let (now, number) = (self.truth.instant(), Truth::number(found));
        let session = self.truth.session(number);
        *self.last.lock().unwrap() = Some(found.clone());
        let problem = |what: String| self.truth.problem(format!("session {number}, {how}: {what} {session:?}"));
        let Some(most) = session.most else { return problem("has not arrived".to_owned()) };
        if now.boot > most.saturating_add(TOLERANCE) {
            problem(format!("{:?} after it could be known to be over", now.boot - most));
        }
        let Some(ends) = session.ends else { return };
        let is_past = now.wall > ends + TOLERANCE;
        if session.by_wall && is_past {
            problem(format!("{:?} past its Expiration by the wall clock", now.wall - ends));
        }
        // Had nobody set it, it might have come there by itself.
        let was_set = |(_, before): &(Instant, Duration)| *before + now.boot + TOLERANCE < ends;
        if let Some((passed, _)) = session.passed.filter(|passed| is_past && !session.by_wall && was_set(passed)) {
            let since = passed.boot.saturating_sub(BACK_OFF);
            // A refresh that was lost before it asked anybody is a failure that the refresher alone knows.
            let marks = [Some("ExpiredCredential"), Some("CredentialRejected")];
            let has_failed =
                matches!(refresher.health(), Health::Degraded { error, .. } if !marks.contains(&error.code()));
            if !has_failed && self.truth.setback().is_none_or(|setback| setback < since) {
                problem("though the wall clock was set past its end, and nobody was asked".to_owned());
            }
        }
        if let Some(wanted) = wanted {
            let by_boot = most.saturating_add(TOLERANCE).saturating_sub(now.boot);
            let by_wall = (ends + TOLERANCE).saturating_sub(now.wall);
            if by_boot < wanted || (session.by_wall && by_wall < wanted) {
                problem(format!("{by_boot:?} where {wanted:?} was asked for"));
            }
        }
    }

    fn refused(&self, refresher: &Refresher, error: &Error, wanted: Option<Duration>) {
        if wanted.is_some() && error.kind() == ErrorKind::TooShort {
            return;
        }
        let health = refresher.health();
        let is_valid = match &health {
            Health::Fresh { .. } | Health::RejectedWhileFresh { .. } => true,
            Health::Degraded { .. } => !self.may_be_withheld(),
            _ => false,
        };
        let left = self.surely_left(self.truth.instant());
        if is_valid || (left > Duration::ZERO && !self.may_be_withheld()) {
            self.truth.problem(format!("{error} with {left:?} left, {health:?}"));
        }
    }
}
