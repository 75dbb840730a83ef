//! The slow path as a state machine: state, event and time give the next state and what to do. No I/O, no waiting, and no
//! code of other people's: it runs under a lock.
//!
//! ```text
//!               on_request: due, expired, invalidated
//!   ┌────────┐ ────────────────────────────────────────▶ ┌─────────┐
//!   │  idle  │                                            │ refresh │
//!   └────────┘ ◀──────── finished(Ok), dropped ────────── └─────────┘
//!     ▲    ▲                                                ▲     │
//!     │    └──────────── the floor has passed ───┐          │     │ finished(Err), overdue
//!     │                                          │          │     ▼
//!   ┌────────────┐      the back-off has passed, │   ┌──────────────┐
//!   │  floored   │      or invalidate, once for  └───│   backing    │
//!   │ (≤ 1 s)    │      each generation              │     off      │
//!   └────────────┘                                   └──────────────┘
//! ```
//!
//! Beside these, the current credential is there or not, and is marked or not: a mark (a server refused it, or the wall
//! clock was set past its end) makes the next caller wait for a refresh. Each function names the rule that it keeps.

mod outcome;
#[cfg(test)]
mod tests;
mod view;

use std::sync::{Arc, OnceLock};
use std::time::{Duration, SystemTime};

use tokio::sync::{oneshot, watch};

use super::lease::{Lease, Passed, Time};
use super::step::{Actions, Failure, Flight, Found, Launch, Step, Wait};
use super::windows;
use crate::credentials::Credentials;
use crate::error::{Error, ErrorKind};

struct Current {
    credentials: Credentials,
    /// When it was received, by the boot clock: rejections of young credentials are counted.
    received_at: Duration,
    lease: Lease,
    /// What its session lasted when it arrived; `None` lasts for ever.
    whole: Option<Duration>,
    /// When the provider was last asked for it or whether it is current, by the boot clock; `None`: it can't tell.
    checked_at: Option<Duration>,
}

/// The current credential is to be replaced, whatever remains of it.
struct Mark {
    since: SystemTime,
    /// Whether it may jump a running back-off.
    bypass_backoff: bool,
    /// Whether it is lent to nobody until a refresh has failed: the wall clock was set past its end.
    withheld: bool,
    /// Whether a server refused it, so that the source is to hear of it.
    rejected: bool,
}

/// See the module.
pub(super) struct Machine {
    name: Name,
    advisory: Option<Duration>,
    limit: Duration,
    checks: bool,
    current: Option<Current>,
    /// Boxed, as is a failure: most refreshers have neither most of the time.
    flight: Option<Box<Flight>>,
    flights: u64,
    /// Refreshes that have not let go of their thread, given up or not.
    running: u32,
    /// Refreshes in a row that were dropped before the source was asked.
    lost: u32,
    /// Until when, by the boot clock, the source is not asked again, whatever the reason.
    floor: Duration,
    failure: Option<Box<Failure>>,
    mark: Option<Mark>,
    /// The last generation whose mark jumped a back-off.
    bypassed: u64,
    rejections: Vec<Duration>,
    ignore_rejections_until: Option<Duration>,
    /// The longest that this source's sessions last.
    longest: Option<Duration>,
    /// When it was last asked for a longer one.
    wished_at: Option<Duration>,
    /// Wishes in a row that the source did not grant.
    refused_wishes: u8,
    /// Whether an answer of the provider to `check` is outstanding, and in which process it was asked.
    checking: Option<u32>,
    /// When somebody was last here, by the monotonic clock.
    visited: Duration,
    /// How often what readers are to know has changed.
    version: u64,
}

const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_secs(60);
/// So many rejections of young credentials within a minute, and the client's word is not taken for a minute.
const REJECTIONS: usize = 3;
/// So many refreshes that nobody runs are started in a row without a pause.
const LOST: u32 = 3;
/// What a refresh gets to end by its own limit before somebody else ends it.
const GRACE: Duration = SECOND;
/// The longest pause between refreshes that block their threads for good.
const LONGEST_FLOOR: Duration = Duration::from_secs(3600);

impl Machine {
    pub(super) fn new(advisory: Option<Duration>, limit: Duration) -> Self {
        Self {
            name: Arc::default(),
            advisory,
            limit,
            checks: true,
            current: None,
            flight: None,
            flights: 0,
            running: 0,
            lost: 0,
            floor: Duration::ZERO,
            failure: None,
            mark: None,
            bypassed: 0,
            rejections: Vec::new(),
            ignore_rejections_until: None,
            longest: None,
            wished_at: None,
            refused_wishes: 0,
            checking: None,
            visited: Duration::ZERO,
            version: 0,
        }
    }

    /// The provider's name, for errors of refreshes that can't be asked for it.
    pub(super) fn name(&self) -> Name {
        Arc::clone(&self.name)
    }

    /// A machine that holds a literal: its source has nothing else to give, so it is not asked whether it is current.
    pub(super) fn holding(found: Found, now: Time, draw: u64, limit: Duration) -> Self {
        let mut machine = Self::new(None, limit);
        machine.checks = false;
        // An expired literal is no credential; the first caller hears so.
        let _ = machine.accept(found, now, draw, &mut Actions::default());
        machine
    }

    // ---- what holds now

    /// The current credential while some of it is left.
    fn valid(&self, now: Time) -> Option<&Current> {
        self.current.as_ref().filter(|current| !current.lease.is_over(now))
    }

    /// The one that may be handed out: valid, and not withheld.
    fn lendable(&self, now: Time) -> Option<&Current> {
        self.valid(now).filter(|_| !self.mark.as_ref().is_some_and(|mark| mark.withheld))
    }

    /// The failure whose back-off runs. None does while a refresh is under way: one that jumped it is waited for by all.
    fn backing_off(&self, now: Time) -> Option<&Failure> {
        self.failure.as_deref().filter(|failure| now.boot < failure.retry_at && self.flight.is_none())
    }

    fn bypasses(&self) -> bool {
        self.mark.as_ref().is_some_and(|mark| mark.bypass_backoff)
    }

    /// The number of the current credential; 0: none yet.
    pub(super) fn generation(&self) -> u64 {
        self.current.as_ref().map_or(0, |current| current.credentials.generation())
    }

    /// The ARN of the current credential's owner, as far as its issuer told.
    pub(super) fn arn(&self) -> Option<String> {
        self.current.as_ref()?.credentials.arn().map(str::to_owned)
    }

    // ---- events

    /// Someone asks: the table of [`Refresher`](super::Refresher).
    pub(super) fn on_request(&mut self, now: Time) -> (Step, Actions) {
        let mut actions = Actions::default();
        let step = self.answer(now, None, &mut actions);
        (step, actions)
    }

    fn answer(&mut self, now: Time, wanted: Option<Duration>, actions: &mut Actions) -> Step {
        self.observe(now, actions);
        let Some(current) = self.valid(now) else {
            return match self.backing_off(now) {
                Some(failure) => Step::Fail(failure.error.clone()),
                None => self.wait(now, None, wanted, actions),
            };
        };
        let credentials = current.credentials.clone();
        let left = current.lease.remaining(now).unwrap_or(Duration::MAX);
        let (due, mandatory) = (current.lease.is_due(left), current.lease.is_mandatory(left));
        let asked_lately = current.checked_at.is_none_or(|at| now.boot.saturating_sub(at) < SECOND);
        let backing_off = self.backing_off(now).is_some();
        if self.mark.is_some() && (!backing_off || self.bypasses()) {
            return self.wait(now, None, wanted, actions);
        }
        if backing_off {
            return Step::Use(credentials);
        }
        if mandatory {
            return self.wait(now, Some(windows::patience(left)), wanted, actions);
        }
        if due {
            self.launch(now, wanted, actions);
        } else if !asked_lately && self.checking != Some(now.process) {
            self.checking = Some(now.process);
            actions.check = Some(credentials.clone());
        }
        Step::Use(credentials)
    }

    /// Someone asks for a credential that lasts `wanted` from now: never silently less, and a source is asked at most once a
    /// second for this. `again`: after a refresh for this very wish.
    pub(super) fn on_request_for(&mut self, wanted: Duration, now: Time, again: bool) -> (Step, Actions) {
        let mut actions = Actions::default();
        self.observe(now, &mut actions);
        let Some(current) = self.valid(now) else {
            let step = self.answer(now, Some(wanted), &mut actions);
            if actions.launch.is_some() {
                self.wished_at = Some(now.boot);
            }
            return (step, actions);
        };
        let left = current.lease.remaining(now).unwrap_or(Duration::MAX);
        if left >= wanted {
            let step = match self.answer(now, Some(wanted), &mut actions) {
                // In the mandatory window the wanted time is short, and the caller need not wait for more. But one that was
                // marked is replaced first, whatever it lasts.
                Step::Wait(wait) if self.mark.is_none() => {
                    self.lendable(now).map_or(Step::Wait(wait), |current| Step::Use(current.credentials.clone()))
                }
                step => step,
            };
            return (step, actions);
        }
        let step = self.wish(wanted, left, now, again, &mut actions);
        (step, actions)
    }

    /// For more than is left.
    fn wish(&mut self, wanted: Duration, left: Duration, now: Time, again: bool, actions: &mut Actions) -> Step {
        let longest = self.longest.unwrap_or_default();
        if longest < wanted {
            return Step::Fail(too_short(wanted, longest));
        }
        if let Some(failure) = self.backing_off(now).filter(|_| !self.bypasses()) {
            return Step::Fail(too_short(wanted, left).with_causes([failure.error.clone()]));
        }
        let lately = self.wished_at.is_some_and(|at| now.boot.saturating_sub(at) < SECOND);
        if again || (lately && self.flight.is_none()) {
            return Step::Fail(too_short(wanted, left));
        }
        if self.flight.is_none() {
            self.wished_at = Some(now.boot);
        }
        match self.wait(now, None, Some(wanted), actions) {
            Step::Wait(wait) => Step::Wait(wait),
            _ => Step::Fail(too_short(wanted, left)),
        }
    }

    /// Waits for the refresh under way, or for a new one. Where none may start yet, what there is will do.
    fn wait(&mut self, now: Time, patience: Option<Duration>, wanted: Option<Duration>, actions: &mut Actions) -> Step {
        self.launch(now, wanted, actions);
        let Some(flight) = &self.flight else {
            let pause = self.floor.saturating_sub(now.boot);
            return match (self.valid(now), &self.failure) {
                // One that is withheld is for those whom a refresh has failed, and one may start soon.
                (Some(_), _) if self.lendable(now).is_none() && pause <= SECOND => Step::Pause(pause),
                (Some(current), _) => Step::Use(current.credentials.clone()),
                (None, Some(failure)) => Step::Fail(failure.error.clone()),
                (None, None) if self.lost >= LOST => Step::Fail(dropped(&self.name)),
                (None, None) => Step::Pause(pause),
            };
        };
        let age = now.monotonic.saturating_sub(flight.started.monotonic);
        Step::Wait(Wait {
            ended: flight.ended.subscribe(),
            patience,
            overdue: self.limit.saturating_add(GRACE).saturating_sub(age),
            covers: wanted.is_none() || flight.wanted >= wanted,
        })
    }

    /// Begins a refresh, unless one is under way or the floor forbids it: one at a time, whoever asks, and a source that
    /// gave nothing new is asked at most once a second.
    fn launch(&mut self, now: Time, wanted: Option<Duration>, actions: &mut Actions) {
        if self.flight.is_some() || now.boot < self.floor {
            return;
        }
        let mut rejected = None;
        if let Some(mark) = &mut self.mark {
            if std::mem::take(&mut mark.bypass_backoff) {
                self.bypassed = self.current.as_ref().map_or(0, |current| current.credentials.generation());
            }
            rejected = self.current.as_ref().filter(|_| mark.rejected).map(|current| current.credentials.clone());
        }
        self.flights += 1;
        self.running = self.running.saturating_add(1);
        let (keep_on, given_up) = oneshot::channel();
        let (ended, _) = watch::channel(None);
        let (id, process) = (self.flights, now.process);
        let remaining = |current: &Current| current.lease.remaining(now).unwrap_or(Duration::MAX);
        let held = self.lendable(now).map_or(Duration::ZERO, remaining);
        self.flight = Some(Box::new(Flight { id, process, started: now, wanted, ended, _keep_on: keep_on }));
        actions.launch = Some(Launch { id, wanted, rejected, held, given_up });
    }

    /// Whether somebody else may ask the provider if its credential is current: one at a time does.
    pub(super) fn begin_check(&mut self, now: Time) -> bool {
        self.checking.replace(now.process) != Some(now.process)
    }

    pub(super) fn end_check(&mut self) {
        self.checking = None;
    }

    /// The provider says whether `credentials` are what it would give; `None`: it can't tell, so it is not asked again.
    pub(super) fn checked(&mut self, credentials: &Credentials, answer: Option<bool>, now: Time) -> Actions {
        let mut actions = Actions::default();
        self.checking = None;
        self.observe(now, &mut actions);
        let generation = credentials.generation();
        let Some(current) = self.current.as_mut().filter(|current| current.credentials.generation() == generation)
        else {
            return actions;
        };
        current.checked_at = current.checked_at.and(answer).map(|_| now.boot);
        if answer == Some(false) && self.backing_off(now).is_none() {
            self.launch(now, None, &mut actions);
        }
        actions
    }

    /// A server refused `used`: `true` if that is the current one.
    pub(super) fn rejected(&mut self, used: &Credentials, now: Time) -> bool {
        let Some(current) = &self.current else { return false };
        let generation = current.credentials.generation();
        if used.generation() == 0 || used.generation() != generation {
            return false;
        }
        if self.ignore_rejections_until.is_some_and(|until| now.boot < until) {
            return false;
        }
        if self.mark.as_ref().is_some_and(|mark| mark.rejected) {
            return true;
        }
        self.rejections.retain(|at| now.boot.saturating_sub(*at) < MINUTE);
        if now.boot.saturating_sub(current.received_at) < MINUTE {
            self.rejections.push(now.boot);
        }
        if self.rejections.len() >= REJECTIONS {
            self.ignore_rejections_until = Some(now.boot.saturating_add(MINUTE));
            self.rejections.clear();
        }
        let withheld = self.mark.as_ref().is_some_and(|mark| mark.withheld);
        let bypass_backoff = self.bypassed != generation;
        self.mark = Some(Mark { since: now.system_time(), bypass_backoff, withheld, rejected: true });
        true
    }

    /// What has happened without anybody's doing: clocks that were set, a sleep, a fork, a refresh that is overdue.
    fn observe(&mut self, now: Time, actions: &mut Actions) {
        self.visited = now.monotonic;
        if let Some(current) = &mut self.current {
            let (lease, passed) = current.lease.measured(now);
            if passed != Passed::Together {
                current.lease = lease;
                self.version += 1;
            }
            if passed == Passed::BeyondExpiration {
                let bypass_backoff = self.bypassed != current.credentials.generation();
                let rejected = self.mark.as_ref().is_some_and(|mark| mark.rejected);
                self.mark = Some(Mark { since: now.system_time(), bypass_backoff, withheld: true, rejected });
            }
        }
        if self.flight.as_ref().is_some_and(|flight| flight.process != now.process) {
            actions.discarded.2 = self.flight.take();
            self.running = 0;
        }
        let grace = self.limit.saturating_add(GRACE);
        let is_overdue = |flight: &mut Box<Flight>| now.monotonic.saturating_sub(flight.started.monotonic) >= grace;
        if let Some(flight) = self.flight.take_if(is_overdue) {
            // It may hold its thread for ever, so the more of them there are, the rarer the next.
            let doubled = 1_u32.checked_shl(self.running.saturating_sub(2)).unwrap_or(u32::MAX);
            let pause = if self.running < 2 { Duration::ZERO } else { self.limit.saturating_mul(doubled) };
            let pause = pause.min(LONGEST_FLOOR);
            self.floor = self.floor.max(now.boot.saturating_add(pause));
            let error = timed_out(self.limit, &self.name);
            self.fail(&error, pause, now, u64::MAX, actions);
            actions.tell = Some((flight, Err(error)));
        }
    }
}

/// The provider's name, once a refresh has asked for it.
pub(super) type Name = Arc<OnceLock<String>>;

pub(super) fn timed_out(limit: Duration, name: &OnceLock<String>) -> Error {
    let message = format!("the refresh took longer than {} s", limit.as_secs_f64());
    named(name, Error::new(ErrorKind::TimedOut, message).with_code("RefreshTimedOut"))
}

/// For refreshes that nobody runs.
pub(super) fn dropped(name: &OnceLock<String>) -> Error {
    let message = "refreshes are dropped before they end: the place where they run is gone";
    named(name, Error::new(ErrorKind::Failed, message).with_code("RefreshDropped"))
}

/// For a session that ended before a caller was driven again.
pub(super) fn over_when_waited_for(name: &OnceLock<String>) -> Error {
    let message = "each credential had expired by the time that it was waited for";
    named(name, Error::new(ErrorKind::Expired, message).with_code("ExpiredCredential"))
}

/// An error of no refresh's own, with the provider where its name is known.
fn named(name: &OnceLock<String>, error: Error) -> Error {
    match name.get() {
        Some(name) => error.in_provider(name),
        None => error,
    }
}

pub(super) fn too_short(wanted: Duration, available: Duration) -> Error {
    let message = format!(
        "a credential that lasts {} s was asked for, and {} s is what can be had",
        wanted.as_secs(),
        available.as_secs()
    );
    Error::new(ErrorKind::TooShort, message)
        .with_code("TooShort")
        .with_available_lifetime(available)
        .with_remedy("ask for some seconds less than that, or for a longer session (duration, MaxSessionDuration)")
}
