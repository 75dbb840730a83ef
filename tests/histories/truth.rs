//! What is true, whatever clocks and servers say: when each session ends, and what the rule could know of it.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use alibabacloud_credentials::{Clock, Credentials, TestClock};
use chrono::{DateTime, SecondsFormat, Utc};

use super::source::Kind;

pub(crate) const START: Duration = Duration::from_secs(1_800_000_000);
/// What is allowed for: whole seconds in texts, a wall clock that drifts by up to 2 s unnoticed, coarse clocks.
pub(crate) const TOLERANCE: Duration = Duration::from_millis(4100);
/// A session that one of two clocks calls over is used for no longer.
const DISPUTED: Duration = Duration::from_secs(15 * 60);
const LONGEST_RELAYED: Duration = Duration::from_secs(12 * 3600);

pub(crate) fn from_epoch(time: Duration) -> SystemTime {
    UNIX_EPOCH + time
}

pub(crate) fn iso(time: Duration) -> String {
    DateTime::<Utc>::from(from_epoch(time)).to_rfc3339_opts(SecondsFormat::Secs, true)
}

pub(crate) fn http_date(time: SystemTime) -> String {
    DateTime::<Utc>::from(time).format("%a, %d %b %Y %H:%M:%S GMT").to_string()
}

/// All clocks at one instant.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Instant {
    pub(crate) wall: Duration,
    pub(crate) monotonic: Duration,
    pub(crate) boot: Duration,
    /// What true time has gone on while the machine was paused.
    pub(crate) paused: Duration,
    /// How often the wall clock was set, the machine put to sleep or paused.
    pub(crate) disturbed: u32,
}

impl Instant {
    pub(crate) fn truth(&self) -> Duration {
        START + self.boot + self.paused
    }

    pub(crate) fn wall_is_right(&self) -> bool {
        self.wall.abs_diff(self.truth()) <= Duration::from_secs(2)
    }
}

#[derive(Clone, Debug)]
pub(crate) struct Session {
    pub(crate) kind: Kind,
    /// Its Expiration, in true time since the epoch; `None`: never.
    pub(crate) ends: Option<Duration>,
    asked: Duration,
    pub(crate) rotation: u64,
    /// Until when, by the boot clock, it may be handed out at most. `None`: it has not arrived yet.
    pub(crate) most: Option<Duration>,
    /// Whether the wall clock alone says when it ends.
    pub(crate) by_wall: bool,
    /// What its answers took at most.
    took: Duration,
    /// When it arrived, if both clocks were right then, so that it lasts for certain.
    pub(crate) sure: Option<Instant>,
    /// When the wall clock was set past its Expiration, and by how much it was ahead of the boot clock before.
    pub(crate) passed: Option<(Instant, Duration)>,
    /// Whether it may have been, with what a step hides.
    pub(crate) may_be_passed: bool,
}

impl Session {
    pub(crate) fn new(kind: Kind, ends: Option<Duration>, asked: Duration, rotation: u64) -> Self {
        Self {
            kind,
            ends,
            asked,
            rotation,
            most: None,
            by_wall: false,
            took: Duration::ZERO,
            sure: None,
            passed: None,
            may_be_passed: false,
        }
    }

    /// What is left of it for certain, by true time.
    pub(crate) fn surely_left(&self, now: Instant) -> Duration {
        match (self.sure, self.ends) {
            (None, _) => Duration::ZERO,
            (Some(_), None) => Duration::MAX,
            // An end that the wall clock alone says moves with it, and any other is as it was.
            (Some(then), Some(_)) if self.by_wall && then.disturbed != now.disturbed => Duration::ZERO,
            (Some(then), Some(ends)) => {
                let by_boot = self.most.unwrap_or_default().saturating_sub(now.boot);
                // Each disturbance may have hidden a small step of the wall clock, which stays off.
                let off = TOLERANCE + self.took + Duration::from_secs(2) * (now.disturbed - then.disturbed);
                ends.saturating_sub(now.truth()).min(by_boot).saturating_sub(off)
            }
        }
    }
}

/// An answer to what was sent at `sent`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Arrival {
    pub(crate) sent: Instant,
    /// How many seconds its `Date` was ahead of true time; `None`: it had none.
    pub(crate) date: Option<i64>,
    /// Whether it is new, and lasts what it was asked to last.
    pub(crate) is_as_asked: bool,
    /// Whether the refresher above has it already.
    pub(crate) is_held: bool,
}

/// Shared by all of a history.
pub(crate) struct Truth {
    pub(crate) clock: TestClock,
    paused: Mutex<(Duration, u32)>,
    sessions: Mutex<Vec<Session>>,
    problems: Mutex<Vec<String>>,
    log: Option<Mutex<Vec<String>>>,
    /// By how much the wall clock was ahead of the boot clock when somebody was there last.
    visited: Mutex<Duration>,
    /// Whether somebody else may be there at any time.
    is_renewed: AtomicBool,
    /// When something last went wrong with a refresh anywhere, by the boot clock: a failure, or the same thing again.
    setback: Mutex<Option<Duration>>,
}

impl Truth {
    pub(crate) fn new(clock: TestClock, verbose: bool) -> Arc<Self> {
        let (sessions, problems) = (Mutex::default(), Mutex::default());
        let log = verbose.then(Mutex::default);
        let visited = clock.now().wall;
        Arc::new(Self {
            clock,
            paused: Mutex::default(),
            sessions,
            problems,
            log,
            visited: Mutex::new(visited),
            is_renewed: AtomicBool::new(false),
            setback: Mutex::default(),
        })
    }

    pub(crate) fn instant(&self) -> Instant {
        let (now, (paused, disturbed)) = (self.clock.now(), *self.paused.lock().unwrap());
        Instant { wall: now.wall, monotonic: now.monotonic, boot: self.clock.boot(), paused, disturbed }
    }

    pub(crate) fn now(&self) -> Duration {
        self.instant().truth()
    }

    pub(crate) fn problem(&self, problem: String) {
        self.note(|| format!("FAULT {problem}"));
        self.problems.lock().unwrap().push(problem);
    }

    pub(crate) fn problems(&self) -> Vec<String> {
        self.problems.lock().unwrap().clone()
    }

    /// For those who want to see what happened.
    pub(crate) fn note(&self, text: impl FnOnce() -> String) {
        let Some(log) = &self.log else { return };
        let (now, text) = (self.instant(), text());
        let wrong = now.wall.as_secs_f64() - now.truth().as_secs_f64();
        log.lock().unwrap().push(format!(
            "{:>12.3} {:>12.3} {wrong:+}: {text}",
            now.boot.as_secs_f64(),
            now.monotonic.as_secs_f64()
        ));
    }

    pub(crate) fn log(&self) -> Vec<String> {
        self.log.as_ref().map(|log| log.lock().unwrap().clone()).unwrap_or_default()
    }

    pub(crate) fn set_back(&self) {
        *self.setback.lock().unwrap() = Some(self.clock.boot());
    }

    pub(crate) fn setback(&self) -> Option<Duration> {
        *self.setback.lock().unwrap()
    }

    /// Somebody is there who looks at the clocks.
    pub(crate) fn visit(&self) {
        let now = self.instant();
        *self.visited.lock().unwrap() = now.wall.saturating_sub(now.boot);
    }

    pub(crate) fn is_renewed(&self) {
        self.is_renewed.store(true, Ordering::SeqCst);
    }

    // ---- what happens to the clocks

    /// Sets the wall clock; with `paused` it was the machine that stood still.
    pub(crate) fn step(&self, seconds: i64, paused: bool) {
        self.clock.step(seconds);
        self.disturb(if paused { Duration::from_secs(seconds.unsigned_abs()) } else { Duration::ZERO });
        let after = self.instant();
        // What somebody would have seen who was there last when nothing was set.
        let visited = *self.visited.lock().unwrap();
        let before = visited.saturating_add(after.boot);
        for session in self.sessions.lock().unwrap().iter_mut() {
            let is_passed = |ends| before + TOLERANCE < ends && after.wall >= ends + TOLERANCE;
            let is_known = session.most.is_some() && !self.is_renewed.load(Ordering::SeqCst);
            session.passed = session.ends.filter(|ends| is_known && is_passed(*ends)).map(|_| (after, visited));
            session.may_be_passed |= session.ends.is_some_and(|ends| after.wall + TOLERANCE >= ends);
        }
    }

    pub(crate) fn suspend(&self, duration: Duration) {
        self.clock.suspend(duration);
        self.disturb(Duration::ZERO);
    }

    fn disturb(&self, paused: Duration) {
        let mut now = self.paused.lock().unwrap();
        *now = (now.0 + paused, now.1 + 1);
    }

    // ---- sessions

    pub(crate) fn grant(&self, session: Session) -> usize {
        let mut sessions = self.sessions.lock().unwrap();
        sessions.push(session);
        sessions.len() - 1
    }

    pub(crate) fn number(credentials: &Credentials) -> usize {
        credentials.access_key_id().strip_prefix("STS.").and_then(|number| number.parse().ok()).unwrap()
    }

    pub(crate) fn session(&self, number: usize) -> Session {
        self.sessions.lock().unwrap()[number].clone()
    }

    /// A session has arrived. Says what the rule of design §3 makes of that.
    pub(crate) fn arrived(&self, number: usize, arrival: Arrival) -> Session {
        let now = self.instant();
        let Arrival { sent, date, is_as_asked, is_held } = arrival;
        let session = &mut self.sessions.lock().unwrap()[number];
        let Some(ends) = session.ends else {
            (session.most, session.sure) = (Some(Duration::MAX), Some(now));
            return session.clone();
        };
        let date_is_right = date == Some(0);
        let is_known = sent.wall_is_right() && now.wall_is_right() && sent.paused == now.paused;
        let by_wall = date.is_none();
        let is_over = ends <= now.truth();
        let by_truth = now.boot + ends.saturating_sub(now.truth());
        if is_held && (if by_wall { ends <= now.wall } else { is_over }) {
            // It is refused, and what there was stays.
            return session.clone();
        }
        let most = match session.kind {
            // Its end by the wall clock is looked at whenever it is handed out.
            Kind::Undated | Kind::Key => Duration::MAX,
            Kind::Issuer if by_wall => now.boot + session.asked,
            Kind::Relay if by_wall => now.boot + LONGEST_RELAYED,
            // A machine that was paused meanwhile: no clock of its own knows what the answer took.
            Kind::Issuer if sent.paused != now.paused => now.boot + session.asked,
            Kind::Relay if sent.paused != now.paused => now.boot + LONGEST_RELAYED,
            Kind::Issuer if is_known && date_is_right => by_truth,
            // What was asked for tells which clock is right.
            Kind::Issuer if is_as_asked && (is_known || date_is_right) => by_truth,
            Kind::Issuer => now.boot + session.asked,
            Kind::Relay if is_known || date_is_right => {
                by_truth.max(if is_over { now.boot + DISPUTED } else { by_truth })
            }
            Kind::Relay => now.boot + LONGEST_RELAYED,
        };
        // The same one again keeps the smaller time, unless the wall clock alone says it.
        let is_first = session.most.is_none();
        session.most = Some(match session.most {
            Some(before) if !is_held => before.max(most),
            Some(before) if !session.by_wall && !by_wall => before.min(most),
            _ => most,
        });
        session.by_wall = by_wall && (is_held || is_first || session.by_wall);
        session.passed = None;
        session.took = session.took.max(now.boot - sent.boot);
        // One that came before was judged by what was known then.
        let is_sure = is_known && (by_wall || date_is_right) && sent.disturbed == now.disturbed;
        session.sure = if is_first { Some(now) } else { session.sure }.filter(|_| is_sure);
        session.clone()
    }
}
