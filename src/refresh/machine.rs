//! The slow path as a state machine: state, event and time give the next state and what to do. No I/O, no waiting.

use std::time::{Duration, SystemTime};

use tokio::sync::watch;

use super::health::Health;
use super::windows::{self, DRIFT, GRANULARITY};
use crate::credentials::Credentials;
use crate::error::{Error, ErrorKind};

/// The three clocks at one instant.
#[derive(Clone, Copy, Debug)]
pub(super) struct Time {
    pub(super) wall: Duration,
    pub(super) monotonic: Duration,
    pub(super) boot: Duration,
    /// The process, since a child after `fork` has no refresh in flight whatever its memory says.
    pub(super) process: u32,
}

impl Time {
    fn system_time(self) -> SystemTime {
        SystemTime::UNIX_EPOCH + self.wall
    }
}

/// How a refresh ended, for all who waited for it. A channel closed without one: it was dropped unfinished.
pub(super) type Outcome = Result<Credentials, Error>;
pub(super) type Landing = watch::Receiver<Option<Outcome>>;

/// What a caller is to do.
#[derive(Debug)]
pub(super) enum Step {
    Use(Credentials),
    Fail(Error),
    /// Wait for the refresh, and at most so long.
    Wait(Landing, Option<Duration>),
}

/// What is to be done besides, off the caller's path.
#[derive(Debug, Default)]
pub(super) struct Chores {
    /// Start this refresh.
    pub(super) launch: Option<Launch>,
    /// Ask the provider whether these are current.
    pub(super) check: Option<Credentials>,
}

#[derive(Debug)]
pub(super) struct Launch {
    pub(super) id: u64,
    pub(super) started: Time,
    pub(super) landed: watch::Sender<Option<Outcome>>,
}

/// What warm reads need to know.
#[derive(Clone, Debug)]
pub(super) struct View {
    pub(super) credentials: Credentials,
    /// Nothing needs doing before both clocks show this.
    pub(super) due: Deadline,
    pub(super) expires: Deadline,
    /// Wall minus monotonic time, in nanoseconds, when this was published.
    pub(super) wall_over_monotonic: i128,
}

/// An instant on both clocks.
#[derive(Clone, Copy, Debug)]
pub(super) struct Deadline {
    pub(super) wall: Duration,
    pub(super) monotonic: Duration,
}

impl Deadline {
    const PASSED: Self = Self { wall: Duration::ZERO, monotonic: Duration::ZERO };
    const NEVER: Self = Self { wall: Duration::MAX, monotonic: Duration::MAX };

    fn after(now: Time, wait: Option<Duration>) -> Self {
        match wait {
            None => Self::NEVER,
            Some(wait) => {
                let wait = wait.saturating_sub(GRANULARITY);
                Self { wall: now.wall.saturating_add(wait), monotonic: now.monotonic.saturating_add(wait) }
            }
        }
    }
}

struct Held {
    credentials: Credentials,
    /// When it first came, by the boot clock: rejections of young credentials are counted.
    came: Duration,
    /// Wall and boot clock when what remained was last settled, and what remained; `None` lasts for ever.
    settled: (Duration, Duration),
    lifetime: Option<Duration>,
    advisory: Duration,
    trigger: Duration,
    mandatory: Duration,
}

impl Held {
    /// What is left, `None` for ever. Good only while both clocks say so; when they have parted, boot time decides.
    fn remaining(&self, now: Time) -> Option<Duration> {
        let lifetime = self.lifetime?;
        let by_boot = lifetime.saturating_sub(now.boot.saturating_sub(self.settled.1));
        if self.clocks_parted(now) {
            return Some(by_boot);
        }
        let by_wall = (self.settled.0 + lifetime).saturating_sub(now.wall);
        Some(by_boot.min(by_wall))
    }

    fn clocks_parted(&self, now: Time) -> bool {
        let wall = now.wall.as_nanos() as i128 - self.settled.0.as_nanos() as i128;
        let boot = now.boot.as_nanos() as i128 - self.settled.1.as_nanos() as i128;
        (wall - boot).unsigned_abs() > DRIFT.as_nanos()
    }

    fn settle(&mut self, now: Time, lifetime: Option<Duration>, advisory: Option<Duration>, draw: u64) {
        self.settled = (now.wall, now.boot);
        self.lifetime = lifetime;
        let lifetime = lifetime.unwrap_or_default();
        self.advisory = windows::advisory(lifetime, advisory);
        self.trigger = windows::trigger(self.advisory, draw);
        self.mandatory = windows::mandatory(lifetime);
    }

    /// After the wall clock was set: what remains is unchanged, and counts from now.
    fn resettle(&mut self, now: Time) {
        if self.clocks_parted(now) {
            if let Some(remaining) = self.remaining(now) {
                self.lifetime = Some(remaining);
            }
            self.settled = (now.wall, now.boot);
        }
    }
}

struct Flight {
    id: u64,
    landing: Landing,
    process: u32,
    started: Duration,
}

struct Failure {
    error: Error,
    since: SystemTime,
    count: u32,
    retry_at: Duration,
}

/// See the module.
pub(super) struct Machine {
    advisory: Option<Duration>,
    flight_limit: Duration,
    /// Whether the provider can tell that a credential is no longer current.
    checks: bool,
    held: Option<Held>,
    flight: Option<Flight>,
    flights: u64,
    failure: Option<Failure>,
    invalidated: bool,
    /// The invalidation may jump a running back-off; the last generation that did.
    jump: bool,
    jumped: u64,
    rejections: Vec<Duration>,
    deaf_until: Option<Duration>,
    /// The longest that a credential of this source lasted when it came.
    longest: Option<Duration>,
    asked_longer: Option<Duration>,
    checked: Duration,
}

const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_secs(60);
/// So many rejections of young credentials within a minute, and the client's word is not taken for a minute.
const REJECTIONS: usize = 3;

impl Machine {
    pub(super) fn new(advisory: Option<Duration>, flight_limit: Duration) -> Self {
        Self {
            advisory,
            flight_limit,
            checks: true,
            held: None,
            flight: None,
            flights: 0,
            failure: None,
            invalidated: false,
            jump: false,
            jumped: 0,
            rejections: Vec::new(),
            deaf_until: None,
            longest: None,
            asked_longer: None,
            checked: Duration::ZERO,
        }
    }

    /// A machine that holds a literal: its source has nothing else to give, so it is not asked whether it is current.
    pub(super) fn holding(
        credentials: Credentials,
        generation: u64,
        now: Time,
        draw: u64,
        flight_limit: Duration,
    ) -> Self {
        let mut machine = Self::new(None, flight_limit);
        machine.checks = false;
        // An expired literal is no credential; the first caller hears so.
        let _ = machine.accept(credentials, generation, Duration::ZERO, now, draw);
        machine
    }

    // ---- what holds now

    fn valid(&self, now: Time) -> Option<(&Held, Option<Duration>)> {
        let held = self.held.as_ref()?;
        let remaining = held.remaining(now);
        (!is_over(remaining)).then_some((held, remaining))
    }

    /// The failure whose back-off runs. None does while a refresh is under way: one that jumped it is waited for by all.
    fn backing_off(&self, now: Time) -> Option<&Failure> {
        self.failure.as_ref().filter(|failure| now.boot < failure.retry_at && self.flight.is_none())
    }

    fn flying(&self) -> Option<&Flight> {
        self.flight.as_ref()
    }

    /// The current credential and what remains of it, `None` for ever: for a provider that is a `Refresher` itself.
    pub(super) fn remaining(&self, now: Time) -> Option<(Credentials, Option<Duration>)> {
        self.valid(now).map(|(held, remaining)| (held.credentials.clone(), remaining))
    }

    pub(super) fn generation(&self) -> u64 {
        self.held.as_ref().map_or(0, |held| held.credentials.generation())
    }

    // ---- events

    /// Someone asks.
    pub(super) fn asked(&mut self, now: Time) -> (Step, Chores) {
        self.housekeep(now);
        let Some((held, remaining)) = self.valid(now) else {
            if let Some(failure) = self.backing_off(now) {
                return (Step::Fail(failure.error.clone()), Chores::default());
            }
            return self.wait(now, None);
        };
        let credentials = held.credentials.clone();
        let left = remaining.unwrap_or(Duration::MAX);
        let backing_off = self.backing_off(now).is_some();
        if self.invalidated {
            if backing_off && !self.jump {
                return (Step::Use(credentials), Chores::default());
            }
            return self.wait(now, None);
        }
        if backing_off {
            return (Step::Use(credentials), Chores::default());
        }
        if left <= held.mandatory {
            return self.wait(now, Some(windows::patience(left)));
        }
        if left <= held.trigger {
            let chores = Chores { launch: self.launch(now), check: None };
            return (Step::Use(credentials), chores);
        }
        let mut chores = Chores::default();
        if self.checks && now.boot.saturating_sub(self.checked) >= SECOND {
            self.checked = now.boot;
            chores.check = Some(credentials.clone());
        }
        (Step::Use(credentials), chores)
    }

    /// Someone asks for a credential that lasts `wanted` from now. `again`: after a refresh for this very call.
    pub(super) fn asked_for(&mut self, wanted: Duration, now: Time, again: bool) -> (Step, Chores) {
        self.housekeep(now);
        if let Some((_, remaining)) = self.valid(now) {
            let left = remaining.unwrap_or(Duration::MAX);
            if left >= wanted {
                let (step, chores) = self.asked(now);
                // In the mandatory window the wanted time is short; the caller need not wait for more. But a refused
                // credential is replaced first, whatever it lasts.
                return match step {
                    Step::Wait(..) if !self.invalidated => {
                        (self.valid(now).map_or(step, |(held, _)| Step::Use(held.credentials.clone())), chores)
                    }
                    _ => (step, chores),
                };
            }
            let longest = self.longest.unwrap_or_default();
            if longest < wanted {
                return (Step::Fail(too_short(wanted, longest)), Chores::default());
            }
            if let Some(failure) = self.backing_off(now).filter(|_| !(self.invalidated && self.jump)) {
                let error = too_short(wanted, left).with_causes([failure.error.clone()]);
                return (Step::Fail(error), Chores::default());
            }
            let lately = self.asked_longer.is_some_and(|at| now.boot.saturating_sub(at) < SECOND);
            if again || (lately && self.flying().is_none()) {
                return (Step::Fail(too_short(wanted, left)), Chores::default());
            }
            if self.flying().is_none() {
                self.asked_longer = Some(now.boot);
            }
            return self.wait(now, None);
        }
        self.asked(now)
    }

    fn wait(&mut self, now: Time, at_most: Option<Duration>) -> (Step, Chores) {
        let launch = self.launch(now);
        match self.flying() {
            Some(flight) => (Step::Wait(flight.landing.clone(), at_most), Chores { launch, check: None }),
            // Not reachable: `launch` leaves a flight behind. Were it to be, the caller hears of it.
            None => (Step::Fail(Error::failed("no refresh could be started")), Chores::default()),
        }
    }

    /// Begins a refresh unless one is under way.
    fn launch(&mut self, now: Time) -> Option<Launch> {
        if self.flying().is_some() {
            return None;
        }
        if self.invalidated && self.jump {
            self.jump = false;
            self.jumped = self.generation();
        }
        self.flights += 1;
        let (landed, landing) = watch::channel(None);
        self.flight = Some(Flight { id: self.flights, landing, process: now.process, started: now.boot });
        Some(Launch { id: self.flights, started: now, landed })
    }

    /// The provider says that the current credential is not what it would give.
    pub(super) fn outdated(&mut self, credentials: &Credentials, now: Time) -> Chores {
        self.housekeep(now);
        let current = credentials.generation() == self.generation();
        let launch = if current && self.backing_off(now).is_none() { self.launch(now) } else { None };
        Chores { launch, check: None }
    }

    /// A refresh ended. `generation` is for a credential that is new; `servers` is the wall clock as servers have told it.
    pub(super) fn landed(
        &mut self,
        launch: &Launch,
        result: Outcome,
        generation: u64,
        now: Time,
        servers: Option<SystemTime>,
        draws: [u64; 2],
    ) -> Option<Outcome> {
        let age = result.as_ref().map_or(Duration::ZERO, |credentials| self.age(credentials, launch, now, servers));
        if result.as_ref().is_ok_and(|credentials| !age.is_zero() && is_over(lifetime(credentials, age, now))) {
            // Its time passed on the way. That is nobody's failure, and the next one may be good.
            self.dropped(launch.id);
            return None;
        }
        if self.flight.as_ref().is_none_or(|flight| flight.id != launch.id) {
            // Given up as lost, and back after all, as when the machine slept meanwhile. What it brings is good where
            // it lasts longer than what came instead; its failure is nobody's any more.
            let credentials = result.ok()?;
            let lasts = lifetime(&credentials, age, now).unwrap_or(Duration::MAX);
            if !self.invalidated
                && let Some((held, left)) = self.valid(now)
                && left.unwrap_or(Duration::MAX) > lasts
            {
                return Some(Ok(held.credentials.clone()));
            }
            let before = self.generation();
            let outcome = self.accept(credentials, generation, age, now, draws[0]);
            if self.generation() != before {
                self.failure = None;
                self.invalidated = false;
            }
            return Some(outcome);
        }
        self.flight = None;
        let outcome = result.and_then(|credentials| self.accept(credentials, generation, age, now, draws[0]));
        match &outcome {
            Ok(_) => {
                self.failure = None;
                self.invalidated = false;
            }
            Err(error) => {
                let count = self.failure.as_ref().map_or(0, |failure| failure.count) + 1;
                let since = self.failure.as_ref().map_or(now.system_time(), |failure| failure.since);
                let remaining = self.valid(now).map(|(_, remaining)| remaining.unwrap_or(Duration::MAX));
                let wait = windows::back_off(count, remaining, error.is_permanent(), error.retry_after(), draws[1]);
                self.failure = Some(Failure { error: error.clone(), since, count, retry_at: now.boot + wait });
            }
        }
        Some(outcome)
    }

    /// How long ago the credential was issued that a refresh brings now. It counts as new, as a rule; but its answer may
    /// have lain there while the machine slept, or while nobody drove the executor.
    fn age(&self, credentials: &Credentials, launch: &Launch, now: Time, servers: Option<SystemTime>) -> Duration {
        let took = now.boot.saturating_sub(launch.started.boot);
        let awake = now.monotonic.saturating_sub(launch.started.monotonic);
        if took <= self.flight_limit && took.saturating_sub(awake) <= DRIFT {
            return Duration::ZERO;
        }
        // Our own clock may be wrong by hours: that is why the `Date` of an answer is what it is judged by.
        let age = servers.zip(credentials.issued_at()).and_then(|(now, issued)| now.duration_since(issued).ok());
        age.unwrap_or_default().min(took)
    }

    fn accept(&mut self, credentials: Credentials, generation: u64, age: Duration, now: Time, draw: u64) -> Outcome {
        let mut lifetime = lifetime(&credentials, age, now);
        let same = self.held.as_mut().filter(|held| held.credentials.same_keys(&credentials));
        if let Some(held) = &same {
            lifetime = [lifetime, held.remaining(now)].into_iter().flatten().min();
        }
        if is_over(lifetime) {
            let error = Error::new(ErrorKind::Expired, "the source returned a credential that has expired already");
            return Err(error.with_code("ExpiredCredential").in_provider(credentials.provider_name()));
        }
        self.checked = now.boot;
        if let Some(held) = same {
            held.settle(now, lifetime, self.advisory, draw);
            return Ok(held.credentials.clone());
        }
        // What the source gives, whatever was lost on the way.
        let whole = self::lifetime(&credentials, Duration::ZERO, now).unwrap_or(Duration::MAX);
        self.longest = self.longest.max(Some(whole));
        let credentials = credentials.with_generation(generation);
        let mut held = Held {
            credentials: credentials.clone(),
            came: now.boot,
            settled: (now.wall, now.boot),
            lifetime,
            advisory: Duration::ZERO,
            trigger: Duration::ZERO,
            mandatory: Duration::ZERO,
        };
        held.settle(now, lifetime, self.advisory, draw);
        self.held = Some(held);
        Ok(credentials)
    }

    /// A refresh was dropped unfinished: that counts as no attempt.
    pub(super) fn dropped(&mut self, id: u64) {
        if self.flight.as_ref().is_some_and(|flight| flight.id == id) {
            self.flight = None;
        }
    }

    /// After a wait that ended badly or too late: the old credential while it is valid.
    pub(super) fn current(&self, now: Time) -> Option<Credentials> {
        self.valid(now).map(|(held, _)| held.credentials.clone())
    }

    /// The same, for someone who wants it to last: less than that is an error.
    pub(super) fn make_do_for(&mut self, wanted: Duration, now: Time) -> Option<Outcome> {
        let (held, remaining) = self.valid(now)?;
        let left = remaining.unwrap_or(Duration::MAX);
        Some(if left < wanted { Err(too_short(wanted, left)) } else { Ok(held.credentials.clone()) })
    }

    /// A server refused `used`.
    pub(super) fn rejected(&mut self, used: &Credentials, now: Time) -> bool {
        let Some(held) = &self.held else { return false };
        if used.generation() == 0 || used.generation() != held.credentials.generation() {
            return false;
        }
        if self.deaf_until.is_some_and(|until| now.boot < until) {
            return false;
        }
        if self.invalidated {
            return true;
        }
        self.rejections.retain(|at| now.boot.saturating_sub(*at) < MINUTE);
        if now.boot.saturating_sub(held.came) < MINUTE {
            self.rejections.push(now.boot);
        }
        if self.rejections.len() >= REJECTIONS {
            self.deaf_until = Some(now.boot + MINUTE);
            self.rejections.clear();
        }
        self.invalidated = true;
        self.jump = self.jumped != held.credentials.generation();
        true
    }

    fn housekeep(&mut self, now: Time) {
        if let Some(held) = &mut self.held {
            held.resettle(now);
        }
        // A flight of a parent process never lands here, and one past its limit has been lost with its executor.
        let grace = self.flight_limit.saturating_add(5 * SECOND);
        let lost = |flight: &Flight| flight.process != now.process || now.boot.saturating_sub(flight.started) > grace;
        if self.flight.as_ref().is_some_and(lost) {
            self.flight = None;
        }
    }

    // ---- for readers

    pub(super) fn view(&self, now: Time) -> Option<View> {
        let held = self.held.as_ref()?;
        let remaining = held.remaining(now);
        let due = if self.invalidated {
            Deadline::PASSED
        } else {
            let quiet = remaining.map(|left| left.saturating_sub(held.trigger));
            let check = self.checks.then(|| (self.checked + SECOND).saturating_sub(now.boot) + GRANULARITY);
            Deadline::after(now, [quiet, check].into_iter().flatten().min())
        };
        let expires = Deadline::after(now, remaining);
        let wall_over_monotonic = now.wall.as_nanos() as i128 - now.monotonic.as_nanos() as i128;
        Some(View { credentials: held.credentials.clone(), due, expires, wall_over_monotonic })
    }

    /// Until when, by the monotonic clock, readers of a due credential need not come here: nothing would be done.
    pub(super) fn quiet_until(&self, now: Time) -> Duration {
        let Some((held, remaining)) = self.valid(now) else { return Duration::ZERO };
        if self.invalidated && (self.jump || self.flying().is_some()) {
            return Duration::ZERO;
        }
        let from_now = |wait: Duration| now.monotonic.saturating_add(wait.saturating_sub(GRANULARITY));
        if self.flying().is_some() {
            // From the mandatory window on, callers wait for the flight.
            return remaining.map_or(Duration::MAX, |left| from_now(left.saturating_sub(held.mandatory)));
        }
        match self.backing_off(now) {
            Some(failure) => from_now(failure.retry_at.saturating_sub(now.boot)),
            None => Duration::ZERO,
        }
    }

    /// How long until a caller would start a refresh; `None`: never.
    pub(super) fn next_refresh(&self, now: Time) -> Option<Duration> {
        let back_off = self.backing_off(now).map(|failure| failure.retry_at.saturating_sub(now.boot));
        let due = match self.valid(now) {
            Some((_, None)) => return None,
            Some((held, Some(left))) if !self.invalidated => left.saturating_sub(held.trigger),
            _ => Duration::ZERO,
        };
        Some(due.max(back_off.unwrap_or_default()))
    }

    /// The refresh under way.
    pub(super) fn landing(&self) -> Option<Landing> {
        self.flying().map(|flight| flight.landing.clone())
    }

    pub(super) fn health(&self, now: Time) -> Health {
        let Some((held, remaining)) = self.valid(now) else {
            return match (&self.failure, &self.held) {
                (Some(failure), _) => Health::Expired { since: failure.since, error: failure.error.clone() },
                (None, None) => Health::Empty,
                (None, Some(held)) => {
                    let since = SystemTime::UNIX_EPOCH + held.settled.0 + held.lifetime.unwrap_or_default();
                    let error = Error::new(ErrorKind::Expired, "the credential expired and nobody has asked since");
                    Health::Expired { since, error }
                }
            };
        };
        let expires_at = remaining.map(|left| now.system_time() + left);
        if let Some(until) = self.deaf_until.filter(|until| now.boot < *until) {
            return Health::RejectedWhileFresh { until: now.system_time() + (until - now.boot), expires_at };
        }
        match &self.failure {
            Some(failure) => Health::Degraded { since: failure.since, error: failure.error.clone(), expires_at },
            None => Health::Fresh { generation: held.credentials.generation(), expires_at },
        }
    }
}

/// What a credential lasts that was issued `age` ago, if its issuer said when. `None`: for ever.
fn lifetime(credentials: &Credentials, age: Duration, now: Time) -> Option<Duration> {
    let expiration = credentials.expiration()?;
    Some(match credentials.issued_at() {
        Some(issued) => expiration.duration_since(issued).unwrap_or_default().saturating_sub(age),
        None => expiration.duration_since(now.system_time()).unwrap_or_default(),
    })
}

fn is_over(remaining: Option<Duration>) -> bool {
    remaining.is_some_and(|left| left <= GRANULARITY)
}

fn too_short(wanted: Duration, granted: Duration) -> Error {
    let message = format!(
        "a credential that lasts {} s was asked for, and {} s is what can be had",
        wanted.as_secs(),
        granted.as_secs()
    );
    Error::new(ErrorKind::TooShort, message)
        .with_code("TooShort")
        .with_available_lifetime(granted)
        .with_remedy("ask for some seconds less than that, or for a longer session (duration, MaxSessionDuration)")
}
