//! What the machine is told and what it wants done: its steps, the refresh under way, the failure that it remembers.

use std::time::{Duration, SystemTime};

use tokio::sync::{oneshot, watch};

use super::lease::Time;
use super::windows::DRIFT;
use crate::credentials::{Credentials, Left};
use crate::error::Error;

/// How a refresh ended, for all who waited for it. A channel closed without one: it was dropped unfinished.
pub(super) type Outcome = Result<Credentials, Error>;

/// What a caller is to do.
#[derive(Debug)]
pub(super) enum Step {
    Use(Credentials),
    Fail(Error),
    Wait(Wait),
    /// Nothing is under way and nothing may start yet: ask again after this.
    Pause(Duration),
}

/// A refresh to be waited for.
#[derive(Debug)]
pub(super) struct Wait {
    pub(super) ended: watch::Receiver<Option<Outcome>>,
    /// At most so long; then what there is will do.
    pub(super) patience: Option<Duration>,
    /// Then it is overdue: whoever asks next gives it up.
    pub(super) overdue: Duration,
    /// Whether it asks for a lifetime at least as long as the caller's.
    pub(super) covers: bool,
}

/// What is to be done when the lock has been given back.
#[derive(Debug, Default)]
pub(super) struct Actions {
    /// Start this refresh.
    pub(super) launch: Option<Launch>,
    /// Ask the provider whether these are current.
    pub(super) check: Option<Credentials>,
    /// Tell those who wait for this refresh.
    pub(super) tell: Option<(Box<Flight>, Outcome)>,
    /// Nobody's any more. What is in them may be of other people's types, whose `Drop` must not run under the lock.
    pub(super) discarded: (Option<Credentials>, Option<Box<Failure>>, Option<Box<Flight>>),
}

impl Actions {
    /// Tells those who wait, and drops what is nobody's any more. To be called without the lock.
    pub(super) fn tell(&mut self) {
        if let Some((flight, outcome)) = self.tell.take() {
            flight.ended.send_replace(Some(outcome));
        }
        self.discarded = Default::default();
    }
}

/// A refresh to be started.
#[derive(Debug)]
pub(super) struct Launch {
    pub(super) id: u64,
    /// How long somebody wants the credential to last.
    pub(super) wanted: Option<Duration>,
    /// What a server refused.
    pub(super) rejected: Option<Credentials>,
    /// What remains of what callers have meanwhile; nothing where they have nothing.
    pub(super) held: Duration,
    /// Closed when it is given up.
    pub(super) given_up: oneshot::Receiver<()>,
}

/// What a source gave, with what remains of it and a number in case that it is new: all that needs other people's code or
/// the outside world has been asked before.
pub(super) struct Found {
    pub(super) credentials: Credentials,
    pub(super) left: Option<Left>,
    pub(super) generation: u64,
}

/// A refresh under way.
#[derive(Debug)]
pub(super) struct Flight {
    pub(super) id: u64,
    pub(super) process: u32,
    /// When it began: by the monotonic clock, since a machine that sleeps gets no answer.
    pub(super) started: Time,
    pub(super) wanted: Option<Duration>,
    pub(super) ended: watch::Sender<Option<Outcome>>,
    /// Dropped, it ends the refresh.
    pub(super) _keep_on: oneshot::Sender<()>,
}

#[derive(Debug)]
pub(super) struct Failure {
    pub(super) error: Error,
    pub(super) since: SystemTime,
    pub(super) count: u32,
    pub(super) retry_at: Duration,
}

impl Flight {
    /// Whether the machine slept since it began.
    pub(super) fn has_slept(&self, now: Time) -> bool {
        let awake = now.monotonic.saturating_sub(self.started.monotonic);
        now.boot.saturating_sub(self.started.boot).saturating_sub(awake) > DRIFT
    }
}
