//! The way to one STS host, for all refreshers of a context: so many calls at once, at the rate that the host lets pass.
//!
//! STS answers an account about a hundred times a second, and every refusal counts for all of its users. So the rate is
//! learned: unlimited until the host refuses a call as one too many, a tenth less at each such refusal, and a little more
//! with each call that passes. A caller that has a [`Quota`] goes no faster than that either: its calls take their turns on
//! the same line of time as all others.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{Notify, oneshot};

use super::{Context, Executor, Quota, first, process_id};

/// Calls under way to one host at most.
const AT_ONCE: usize = 16;
/// What is left of the rate after a refusal, and how often it is taken off: the calls that were under way are refused too.
const DECREASE: f64 = 0.9;
const DECREASE_EVERY: Duration = Duration::from_millis(500);
/// What the rate grows by in a second, in calls a second.
const INCREASE: f64 = 1.0;
/// Slower than this nobody is made to wait by the rate: that is what back-offs are for.
const LEAST_RATE: f64 = 10.0;
const SECOND: Duration = Duration::from_secs(1);
/// What timers may be late by without slowing the rate.
const LATE: Duration = Duration::from_millis(50);
/// A rate above this limits nobody, and is forgotten.
const MOST_RATE: f64 = 2_000.0;
/// The longest that a host may ask those to wait who can.
const LONGEST_PAUSE: Duration = Duration::from_secs(60);

/// The gates of a context, by process (a child after `fork` has none of the calls under way) and host.
#[derive(Default)]
pub(super) struct Gates(Mutex<BTreeMap<(u32, String), Arc<Gate>>>);

/// See the module.
#[derive(Default)]
pub(crate) struct Gate {
    state: Mutex<State>,
    released: Notify,
}

#[derive(Default)]
struct State {
    under_way: usize,
    /// Calls a second; `None`: as many as come.
    rate: Option<f64>,
    /// When the next call may start, by the monotonic clock.
    next_start: Duration,
    /// Until when, by the monotonic clock, the host asked not to be called: by those who have something for so long.
    quiet_until: Duration,
    /// When the calls of the last second started.
    starts: VecDeque<Duration>,
    /// When the last calls that kept to a rate started: as many as the rate lets start in a second.
    paced: VecDeque<Duration>,
    decreased_at: Option<Duration>,
    waiting: BinaryHeap<Waiting>,
    arrivals: u64,
    /// Whether somebody lets those in who wait.
    is_kept: bool,
}

/// The facts about a call, besides its host, that decide when it may start.
#[derive(Clone, Debug, Default)]
pub(crate) struct Turn {
    /// The time that the caller's credential has left. Callers with nothing go first.
    pub(crate) left: Duration,
    /// The number of uses of the session that the call is for. Of those that have as little left, the most used goes first.
    pub(crate) uses: u64,
    pub(crate) quota: Option<Arc<Quota>>,
}

/// The time left, the number of uses (more first), and the number of the arrival. The least is the next.
type Rank = (Duration, Reverse<u64>, u64);

struct Waiting {
    rank: Reverse<Rank>,
    quota: Option<Arc<Quota>>,
    enter: oneshot::Sender<Passage>,
}

impl PartialEq for Waiting {
    fn eq(&self, other: &Self) -> bool {
        self.rank == other.rank
    }
}

impl Eq for Waiting {}

impl PartialOrd for Waiting {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Waiting {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.rank.cmp(&other.rank)
    }
}

/// A call under way, until this is dropped.
pub(crate) struct Passage {
    gate: Arc<Gate>,
    quota: Option<Arc<Quota>>,
    /// The part of the line of time that it took.
    took: Duration,
}

impl Gates {
    fn of(&self, host: &str) -> Arc<Gate> {
        let mut gates = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let process = process_id();
        gates.retain(|(owner, _), _| *owner == process);
        Arc::clone(gates.entry((process, host.to_owned())).or_default())
    }
}

impl Context {
    /// Waits until a call to `host` may start.
    pub(crate) async fn pass(&self, host: &str, turn: Turn) -> Passage {
        let gate = self.0.gates.of(host);
        let quota = turn.quota.clone();
        let took = match gate.enter(self, turn) {
            Ok(took) => took,
            Err(entered) => {
                if let Ok(passage) = entered.await {
                    return passage;
                }
                // There is no thread to let anybody in, and better too many calls than none.
                let now = self.now().monotonic;
                gate.state().start(now, quota.as_deref())
            }
        };
        Passage { gate, quota, took }
    }
}

#[cfg(test)]
impl Context {
    /// Returns the number of calls that wait for their turn.
    pub(crate) fn waiting_for(&self, host: &str) -> usize {
        self.0.gates.of(host).state().waiting.len()
    }
}

impl Gate {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Starts the call at once, and returns the time that it took from the line, or gives what to wait for.
    fn enter(self: &Arc<Self>, context: &Context, turn: Turn) -> Result<Duration, oneshot::Receiver<Passage>> {
        let now = context.now().monotonic;
        let Turn { left, uses, quota } = turn;
        let mut state = self.state();
        if state.waiting.is_empty() && state.pause(now, left) == Some(Duration::ZERO) {
            return Ok(state.start(now, quota.as_deref()));
        }
        let (enter, entered) = oneshot::channel();
        state.arrivals += 1;
        let rank = Reverse((left, Reverse(uses), state.arrivals));
        state.waiting.push(Waiting { rank, quota, enter });
        let is_kept = std::mem::replace(&mut state.is_kept, true);
        drop(state);
        if is_kept {
            // It may pause for somebody who can wait longer.
            self.released.notify_one();
        } else {
            Executor::Pool.spawn(Box::pin(keep(Arc::clone(self), context.clone())));
        }
        Err(entered)
    }
}

impl State {
    /// How long until a call of somebody who has something for `left` may start; `None`: until another one has ended.
    fn pause(&self, now: Duration, left: Duration) -> Option<Duration> {
        let quiet = self.quiet_until.saturating_sub(now);
        let quiet = if left > quiet { quiet } else { Duration::ZERO };
        (self.under_way < AT_ONCE).then(|| self.next_start.saturating_sub(now).max(quiet))
    }

    /// Returns the time that the call takes from the line.
    fn start(&mut self, now: Duration, quota: Option<&Quota>) -> Duration {
        self.under_way += 1;
        let second_ago = now.saturating_sub(SECOND);
        while self.starts.front().is_some_and(|start| *start < second_ago) {
            self.starts.pop_front();
        }
        self.starts.push_back(now);
        let most = quota.map(|quota| {
            quota.count_call();
            quota.per_second()
        });
        let rate = self.rate.unwrap_or(f64::INFINITY).min(most.unwrap_or(f64::INFINITY));
        if !rate.is_finite() {
            return Duration::ZERO;
        }
        // Counted from when this one could have started: timers and coarse clocks are late by some milliseconds.
        let due = self.next_start.max(now.saturating_sub(LATE));
        self.next_start = due.saturating_add(Duration::from_secs_f64(1.0 / rate));
        // What was late may be made up for by calls that are closer together, but no second has more of them than the rate.
        self.paced.push_back(now);
        let most = rate.ceil() as usize;
        self.paced.drain(..self.paced.len().saturating_sub(most));
        if let Some(first) = self.paced.front().filter(|_| self.paced.len() == most) {
            self.next_start = self.next_start.max(first.saturating_add(SECOND));
        }
        self.next_start - due
    }

    fn passed(&mut self) {
        self.rate = self.rate.map(|rate| rate + INCREASE / rate).filter(|rate| *rate <= MOST_RATE);
    }

    fn refused(&mut self, now: Duration, retry_after: Option<Duration>) {
        if let Some(pause) = retry_after {
            self.quiet_until = self.quiet_until.max(now.saturating_add(pause.min(LONGEST_PAUSE)));
        }
        if self.decreased_at.is_some_and(|at| now.saturating_sub(at) < DECREASE_EVERY) {
            return;
        }
        self.decreased_at = Some(now);
        let rate = self.rate.unwrap_or(self.starts.len() as f64);
        self.rate = Some((rate * DECREASE).max(LEAST_RATE));
    }
}

/// Lets those in who wait, for as long as somebody does.
async fn keep(gate: Arc<Gate>, context: Context) {
    loop {
        // Made before the look, so that no release after it is missed.
        let released = gate.released.notified();
        let now = context.now().monotonic;
        let (next, pause) = {
            let mut state = gate.state();
            let Some(next) = state.waiting.peek() else {
                state.is_kept = false;
                return;
            };
            let Reverse((left, ..)) = next.rank;
            let pause = state.pause(now, left);
            if pause == Some(Duration::ZERO) {
                let next = state.waiting.pop();
                let took = state.start(now, next.as_ref().and_then(|next| next.quota.as_deref()));
                (next.map(|next| (next, took)), pause)
            } else {
                (None, pause)
            }
        };
        if let Some((next, took)) = next {
            let passage = Passage { gate: Arc::clone(&gate), quota: next.quota, took };
            // One that has given up meanwhile makes no call, which lets the next one in.
            if let Err(passage) = next.enter.send(passage) {
                passage.unused();
            }
            continue;
        }
        match pause {
            Some(pause) => drop(first(released, context.sleep(pause)).await),
            None => released.await,
        }
    }
}

impl Passage {
    /// No call was made: gives back what it took from the line of time and the counts.
    pub(crate) fn unused(self) {
        if let Some(quota) = &self.quota {
            quota.count_unused();
        }
        let mut state = self.gate.state();
        state.next_start = state.next_start.saturating_sub(self.took);
        state.starts.pop_back();
        if !self.took.is_zero() {
            state.paced.pop_back();
        }
    }

    /// The host let the call pass, whatever it said.
    pub(crate) fn passed(&self) {
        self.gate.state().passed();
    }

    /// The host refused the call as one too many.
    pub(crate) fn refused(&self, context: &Context, retry_after: Option<Duration>) {
        if let Some(quota) = &self.quota {
            quota.count_refusal();
        }
        self.gate.state().refused(context.now().monotonic, retry_after);
    }
}

impl Drop for Passage {
    fn drop(&mut self) {
        let mut state = self.gate.state();
        state.under_way = state.under_way.saturating_sub(1);
        drop(state);
        self.gate.released.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use std::time::UNIX_EPOCH;

    use super::*;
    use crate::context::TestClock;
    use crate::context::fork::in_child;

    fn context(clock: &TestClock) -> Context {
        Context::builder().clock(clock.clone()).build()
    }

    fn turn(left: u64, uses: u64) -> Turn {
        Turn { left: Duration::from_secs(left), uses, quota: None }
    }

    #[tokio::test]
    async fn so_many_calls_are_under_way_at_once_and_the_one_with_the_least_left_goes_next() {
        let context = context(&TestClock::new(UNIX_EPOCH));
        let mut under_way = Vec::new();
        for _ in 0..16 {
            under_way.push(context.pass("sts", Turn::default()).await);
        }
        let last = Turn { left: Duration::MAX, ..Turn::default() };
        assert!(context.0.gates.of("sts").enter(&context, last).is_err(), "one too many");
        drop(context.pass("another", Turn::default()).await);
        let (told, mut order) = tokio::sync::mpsc::unbounded_channel();
        for (left, uses) in [(300, 9), (100, 0), (200, 0), (0, 1), (0, 7)] {
            let (context, told) = (context.clone(), told.clone());
            tokio::spawn(async move {
                let _passage = context.pass("sts", turn(left, uses)).await;
                told.send((left, uses)).unwrap();
            });
        }
        let gate = context.0.gates.of("sts");
        while gate.state().waiting.len() < 6 {
            tokio::task::yield_now().await;
        }
        drop(under_way.pop());
        let mut seen = Vec::new();
        for _ in 0..5 {
            seen.push(order.recv().await.unwrap());
        }
        assert_eq!(seen, [(0, 7), (0, 1), (100, 0), (200, 0), (300, 9)], "and of equals the most used");
    }

    #[test]
    fn a_refusal_slows_all_and_calls_that_pass_speed_them_up_again() {
        let mut state = State::default();
        let at = Duration::from_millis;
        for call in 0..200 {
            state.start(at(call * 5), None);
        }
        state.refused(at(1000), None);
        let rate = state.rate.unwrap();
        assert!((170.0..=190.0).contains(&rate), "nine tenths of what went out in the last second: {rate}");
        state.refused(at(1400), None);
        assert_eq!(state.rate, Some(rate), "calls that were under way are one refusal");
        state.refused(at(1500), None);
        assert_eq!(state.rate, Some(rate * DECREASE));
        (state.under_way, state.next_start) = (0, at(2000));
        state.start(at(2000), None);
        let pause = |state: &State, ms, left| state.pause(at(ms), Duration::from_secs(left));
        assert!(pause(&state, 2005, 0) > Some(Duration::ZERO));
        assert_eq!(pause(&state, 2008, 0), Some(Duration::ZERO));
        let slow = state.rate.unwrap();
        (0..slow as usize).for_each(|_| state.passed());
        assert!((slow + 0.5..slow + 1.5).contains(&state.rate.unwrap()), "one more a second in a second");
        state.refused(at(3000), Some(Duration::from_secs(3600)));
        assert_eq!(pause(&state, 3000, 100), Some(Duration::from_secs(60)), "a minute at most");
        assert_eq!(pause(&state, 3000, 60), Some(Duration::ZERO), "who has less than that waits for nobody");
    }

    #[tokio::test]
    async fn who_has_nothing_does_not_wait_for_the_pause_of_those_who_have() {
        let clock = TestClock::new(UNIX_EPOCH);
        let context = context(&clock);
        let gate = context.0.gates.of("sts");
        gate.state().refused(context.now().monotonic, Some(Duration::from_secs(30)));
        gate.state().rate = None;
        let patient = gate.enter(&context, turn(3600, 0)).unwrap_err();
        while clock.next_wake().is_none() {
            tokio::task::yield_now().await;
        }
        drop(gate.enter(&context, turn(0, 0)).unwrap_err().await.unwrap());
        assert_eq!(gate.state().waiting.len(), 1);
        clock.advance(Duration::from_secs(30));
        drop(patient.await.unwrap());
    }

    #[tokio::test]
    async fn a_child_has_none_of_the_calls_that_are_under_way() {
        let context = context(&TestClock::new(UNIX_EPOCH));
        let _under_way = context.pass("sts", Turn::default()).await;
        let under_way = || context.0.gates.of("sts").state().under_way;
        assert_eq!((under_way(), in_child(under_way)), (1, 0));
        assert_eq!(in_child(|| context.0.gates.0.lock().unwrap().len()), 1, "the gates of the parent are gone");
    }

    #[tokio::test]
    async fn who_gives_up_waiting_takes_nobodys_turn() {
        let context = context(&TestClock::new(UNIX_EPOCH));
        let mut under_way = Vec::new();
        for _ in 0..AT_ONCE {
            under_way.push(context.pass("sts", Turn::default()).await);
        }
        let gate = context.0.gates.of("sts");
        drop(gate.enter(&context, Turn::default()));
        let next = gate.enter(&context, turn(1, 0)).unwrap_err();
        drop(under_way.pop());
        let _passage = next.await.unwrap();
        assert_eq!(gate.state().under_way, AT_ONCE);
    }

    #[test]
    fn calls_with_a_quota_take_their_time_on_the_line_of_all_and_are_counted() {
        let mut state = State::default();
        let at = Duration::from_millis;
        let pause = |state: &State, ms| state.pause(at(ms), Duration::ZERO).unwrap();
        let quota = Quota::new(20.0);
        state.start(at(1000), None);
        assert_eq!(pause(&state, 1000), Duration::ZERO, "nothing limits those who have none");
        state.start(at(1000), Some(&quota));
        state.start(at(1000), Some(&quota));
        assert_eq!(pause(&state, 1000), at(50), "timers may be late, so one goes out at once");
        state.rate = Some(10.0);
        state.start(at(1050), Some(&quota));
        assert_eq!(pause(&state, 1050), at(100), "the host's own rate is the lower one");
        assert_eq!((quota.calls(), quota.refused()), (3, 0));
    }

    #[test]
    fn however_late_timers_are_no_second_has_more_calls_than_the_quota() {
        let quota = Quota::new(97.0);
        // Of so many calls one is late by so much, and the others by a millisecond.
        for (calls, most_late) in [(1, 1), (20, 45), (97, 45), (300, 300)] {
            let (mut state, mut now, mut starts) = (State::default(), Duration::from_secs(5), Vec::new());
            for call in 1..=2_000 {
                let late = Duration::from_millis(if call % calls == 0 { most_late } else { 1 });
                now += state.pause(now, Duration::ZERO).unwrap() + late;
                state.start(now, Some(&quota));
                state.under_way = 0;
                starts.push(now);
            }
            let within = |from: &Duration| starts.iter().filter(|at| (*from..*from + SECOND).contains(at)).count();
            assert_eq!(starts.iter().map(within).max(), Some(97), "{calls} {most_late}");
            let rate = 1_999.0 / (starts[1_999] - starts[0]).as_secs_f64();
            assert!(rate >= 89.0, "{calls} {most_late}: {rate} calls a second");
        }
    }

    #[tokio::test]
    async fn a_passage_that_was_not_used_gives_back_what_it_took() {
        let clock = TestClock::new(UNIX_EPOCH);
        clock.advance(Duration::from_secs(10));
        let (context, quota) = (context(&clock), Arc::new(Quota::new(1.0)));
        let limited = || Turn { quota: Some(Arc::clone(&quota)), ..Turn::default() };
        for _ in 0..100 {
            context.pass("sts", limited()).await.unused();
        }
        assert_eq!(quota.calls(), 0);
        drop(context.pass("sts", limited()).await);
        let gate = context.0.gates.of("sts");
        let next = gate.enter(&context, limited());
        assert!(next.is_err(), "one call a second was made");
        assert_eq!((quota.calls(), gate.state().under_way), (1, 0));
    }
}
