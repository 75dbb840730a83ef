//! One history: a world drawn from a seed, what happens in it, and its end.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, Weak};
use std::time::Duration;

use alibabacloud_credentials::{Context, Credentials, ProvideCredentials, Refresher, TestClock, provider_fn};

use super::callers::Callers;
use super::executor::Executor;
use super::random::Random;
use super::source::{MOODS, Mood, Server, Source};
use super::tap::{Tap, Tapped};
use super::truth::{START, Truth, from_epoch};

/// A provider that a refresher stands over, and its source where it has one of its own.
type Over = (Arc<dyn ProvideCredentials>, Option<Arc<Source>>);

/// What happens.
#[derive(Clone, Copy, Debug)]
enum Event {
    Ask,
    AskFor,
    Borrow,
    Reject,
    Advance,
    Lump,
    Step,
    SetRight,
    Suspend,
    Pause,
    Mood,
    Rotate,
    KeepFresh,
    Stop,
    Release,
}

const EVENTS: [(u64, Event); 15] = [
    (24, Event::Ask),
    (6, Event::AskFor),
    (8, Event::Borrow),
    (6, Event::Reject),
    (26, Event::Advance),
    (2, Event::Lump),
    (3, Event::Step),
    (2, Event::SetRight),
    (2, Event::Suspend),
    (2, Event::Pause),
    (12, Event::Mood),
    (2, Event::Rotate),
    (1, Event::KeepFresh),
    (1, Event::Stop),
    (3, Event::Release),
];

/// How a history went.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Figures {
    pub(crate) events: u64,
    pub(crate) callers: u64,
    pub(crate) source_calls: u64,
}

impl Figures {
    pub(crate) fn add(&mut self, other: Self) {
        self.events += other.events;
        self.callers += other.callers;
        self.source_calls += other.source_calls;
    }
}

pub(crate) struct History {
    random: Random,
    truth: Arc<Truth>,
    executor: Executor,
    refresher: Refresher,
    callers: Arc<Callers>,
    taps: Vec<Arc<Tap>>,
    sources: Vec<Arc<Source>>,
    stops: Vec<tokio::sync::oneshot::Sender<()>>,
    /// How many of a hundred tasks are dropped by who is to run them, and how many stand still.
    loses: Arc<AtomicU64>,
    figures: Figures,
}

fn report(truth: &Truth, seed: u64, when: &str) -> String {
    let mut text = format!("seed {seed}, {when}: {}", truth.problems().join("; "));
    for line in truth.log() {
        text.push_str("\n  ");
        text.push_str(&line);
    }
    text
}

/// Where refreshes run: in this history's executor, unless they get lost.
fn spawner(
    executor: &Executor,
    random: Random,
    loses: Arc<AtomicU64>,
) -> impl Fn(alibabacloud_credentials::BoxFuture<'static, ()>) + Send + Sync + use<> {
    let (inbox, stalled, random) = (Arc::clone(&executor.inbox), Arc::clone(&executor.stalled), Mutex::new(random));
    move |task| match (random.lock().unwrap().below(100), loses.load(Ordering::SeqCst)) {
        (lost, loses) if lost < loses => drop(task),
        (lost, loses) if lost < 2 * loses => stalled.lock().unwrap().push(task),
        _ => inbox.lock().unwrap().push(task),
    }
}

impl History {
    fn new(seed: u64, verbose: bool) -> Self {
        let mut random = Random::new(seed);
        let skew = random.weighted(&[(12, 0), (1, 3600), (1, -3600), (1, 18_000)]);
        let clock = TestClock::new(from_epoch(START));
        clock.step(skew);
        let truth = Truth::new(clock.clone(), verbose);
        let executor = Executor::new(clock.clone(), random.fork());
        let loses = Arc::new(AtomicU64::new(random.weighted(&[(8, 0), (2, 5), (1, 30)])));
        let is_lossy = loses.load(Ordering::SeqCst) > 0;
        let mut outside = |source: &Arc<Source>| {
            let spawn = spawner(&executor, random.fork(), Arc::clone(&loses));
            let builder = Context::builder().env([("HOME", "/nowhere")]).clock(clock.clone()).seed(random.next());
            builder.http(Server(Arc::clone(source))).spawn(spawn).build()
        };
        let (mut taps, mut sources) = (Vec::new(), Vec::new());
        let mut random_of_shape = Random::new(seed ^ 0x5851_f42d_4c95_7f2d);
        let mut limit = || Duration::from_secs(random_of_shape.pick(&[1, 5, 20, 120]));
        let source = Source::new(Arc::clone(&truth), Random::new(seed.wrapping_mul(3)));
        let context = outside(&source);
        let key: Arc<dyn ProvideCredentials> = Arc::new(Credentials::new("fake-id", "fake-secret"));
        let shape = Random::new(seed.wrapping_mul(5)).weighted(&[(4, 0), (1, 1), (1, 2), (1, 3)]);
        // Where a role is assumed, the refresher of its key is the one that the role's provider builds for itself.
        let inner_limit = if shape == 3 { Duration::from_secs(120) } else { limit() };
        let tap = Tap::new(
            "source",
            source.provider(context.clone(), key),
            &truth,
            inner_limit,
            Some(Arc::clone(&source)),
            is_lossy,
        );
        let inner = Refresher::builder(Tapped(Arc::clone(&tap))).context(context).refresh_timeout(inner_limit).build();
        let context = outside(&source);
        let outer_limit = limit();
        sources.push(Arc::clone(&source));
        let over: Option<Over> = match shape {
            1 => Some((Arc::new(inner.clone()), None)),
            2 => {
                let under = inner.clone();
                let ask = move || {
                    let under = under.clone();
                    async move { under.credentials().await }
                };
                Some((Arc::new(provider_fn("inner", ask)), None))
            }
            3 => {
                let role = Source::issuer(Arc::clone(&truth), Random::new(seed.wrapping_mul(7)));
                let context = outside(&role);
                sources.push(Arc::clone(&role));
                Some((role.provider(context, Arc::new(Tapped(Arc::clone(&tap)))), Some(role)))
            }
            _ => None,
        };
        let (refresher, top, limit) = match over {
            None => (inner, Arc::clone(&tap), inner_limit),
            Some((provider, source)) => {
                let outer = Tap::new("outer", provider, &truth, outer_limit, source, is_lossy);
                let builder = Refresher::builder(Tapped(Arc::clone(&outer))).context(context);
                let refresher = builder.refresh_timeout(outer_limit).build();
                taps.push(Arc::clone(&outer));
                (refresher, outer, outer_limit)
            }
        };
        taps.push(tap);
        top.is_outermost();
        let callers = Callers::new(&truth, limit, &top);
        let (stops, figures) = (Vec::new(), Figures::default());
        Self { random, truth, executor, refresher, callers, taps, sources, stops, loses, figures }
    }

    /// Lives through the history of `seed`.
    pub(crate) fn run(seed: u64, verbose: bool) -> Result<Figures, String> {
        let lived = std::panic::catch_unwind(|| Self::live(seed, verbose));
        lived.unwrap_or_else(|_| Err(format!("seed {seed}: a panic")))
    }

    fn live(seed: u64, verbose: bool) -> Result<Figures, String> {
        let mut history = Self::new(seed, verbose);
        let events = 10 + history.random.below(50);
        for number in 0..events {
            let event = history.random.weighted(&EVENTS);
            history.happen(event);
            history.executor.settle();
            history.figures.events += 1;
            if !history.truth.problems().is_empty() {
                return Err(report(&history.truth, seed, &format!("event {number} {event:?}")));
            }
        }
        history.recover();
        if !history.truth.problems().is_empty() {
            return Err(report(&history.truth, seed, "when all was well again"));
        }
        let truth = Arc::clone(&history.truth);
        history.end().map_err(|problem| {
            truth.problem(problem);
            report(&truth, seed, "when the last handle was gone")
        })
    }

    fn happen(&mut self, event: Event) {
        self.truth.note(|| format!("{event:?}"));
        match event {
            Event::Ask => self.ask(None),
            Event::AskFor => {
                let most = self.random.pick(&[20, 1000, 4000, 50_000]);
                let wanted = Duration::from_secs(1 + self.random.below(most));
                self.ask(Some(wanted));
            }
            Event::Borrow => {
                self.figures.callers += 1;
                self.callers.borrow(&self.refresher);
            }
            Event::Reject => {
                if let Some(last) = self.callers.last()
                    && self.refresher.invalidate(&last)
                {
                    self.callers.mark();
                    self.taps.iter().for_each(|tap| tap.has_reason());
                }
            }
            Event::Advance => {
                let passed = self.passes();
                self.advance(passed);
            }
            Event::Lump => {
                let passed = self.passes();
                self.truth.clock.advance(passed);
                self.callers.undriven(passed);
            }
            Event::Step => {
                let by = self.random.pick(&[1, 2, 3, 30, 600, 3600, 18_000, 100_000]);
                let sign = self.random.pick(&[1, -1]);
                self.step(sign * by, false);
            }
            Event::SetRight => self.set_right(),
            Event::Suspend => {
                let asleep = self.passes();
                self.truth.suspend(asleep);
                self.disturbed();
            }
            Event::Pause => {
                let by = self.random.pick(&[1, 60, 3600, 18_000]);
                self.step(by, true);
            }
            Event::Mood => {
                let at = self.random.below(self.sources.len() as u64) as usize;
                let mood = if self.random.percent(35) { Mood::Good } else { self.random.pick(&MOODS) };
                self.truth.note(|| format!("{at}: {mood:?}"));
                self.sources[at].set_mood(mood);
            }
            Event::Rotate => self.sources.iter().for_each(|source| source.rotate()),
            Event::KeepFresh => {
                self.truth.is_renewed();
                let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
                self.refresher.keep_fresh(async move { drop(stopped.await) });
                self.stops.push(stop);
            }
            Event::Stop => self.stops.clear(),
            Event::Release => self.executor.release(),
        }
    }

    fn ask(&mut self, wanted: Option<Duration>) {
        for _ in 0..self.random.pick(&[1, 1, 1, 2, 5]) {
            let polls = if self.random.percent(15) { 1 + self.random.below(5) as u32 } else { u32::MAX };
            let call = Arc::clone(&self.callers).call(self.refresher.clone(), wanted);
            self.executor.spawn(call, polls);
            self.figures.callers += 1;
        }
    }

    /// How much time passes: an instant, some seconds, until something ends, or much.
    fn passes(&mut self) -> Duration {
        let lasts = self.sources[0].lasts().as_millis() as u64;
        let most = self.random.pick(&[50, 1000, 3000, 10_000, 130_000, lasts / 4, lasts, lasts + lasts / 4]);
        Duration::from_millis(1 + self.random.below(most))
    }

    fn step(&mut self, seconds: i64, paused: bool) {
        self.truth.step(seconds, paused);
        self.disturbed();
    }

    fn set_right(&mut self) {
        let now = self.truth.instant();
        let wrong = now.truth().as_secs().cast_signed() - now.wall.as_secs().cast_signed();
        if wrong != 0 {
            self.step(wrong, false);
        }
    }

    fn disturbed(&mut self) {
        self.callers.mark();
        self.taps.iter().for_each(|tap| tap.has_reason());
    }

    /// Lets time pass, and everything happen when it is due.
    fn advance(&mut self, passed: Duration) {
        let mut rest = passed;
        while !rest.is_zero() {
            self.executor.settle();
            let next = [self.truth.clock.next_wake(), self.executor.next_release()].into_iter().flatten().min();
            let step = next.map_or(rest, |next| next.max(Duration::from_millis(1)).min(rest));
            self.truth.clock.advance(step);
            rest -= step;
            self.executor.settle();
            self.callers.look();
        }
    }

    /// Everything is well again: after the back-off whoever asks is served.
    fn recover(&mut self) {
        self.set_right();
        self.sources.iter().for_each(|source| source.set_mood(Mood::Good));
        // What was lost before is lost, and nothing more is.
        self.loses.store(0, Ordering::SeqCst);
        self.executor.release();
        self.advance(Duration::from_secs(7 * 60));
        self.executor.release();
        for _ in 0..3 {
            self.ask(None);
            self.executor.settle();
            self.advance(Duration::from_secs(130));
        }
        if self.callers.waiting() > 0 {
            self.truth.problem(format!("{} callers still wait", self.callers.waiting()));
        }
    }

    /// Nothing is left when the last handle is gone.
    fn end(self) -> Result<Figures, String> {
        let Self { truth, mut executor, refresher, callers, taps, sources, stops, mut figures, .. } = self;
        figures.source_calls = taps.last().map_or(0, |tap| tap.asked() as u64);
        let left: Vec<Weak<Source>> = sources.iter().map(Arc::downgrade).collect();
        // A refresh that is under way has its time; renewal ends with the last handle.
        let has_time = !taps.iter().all(|tap| tap.is_idle());
        drop((refresher, callers, taps, sources));
        executor.release();
        executor.settle();
        for _ in 0..if has_time { 2 } else { 0 } {
            truth.clock.advance(Duration::from_secs(130));
            executor.settle();
        }
        if executor.tasks() > 0 {
            return Err(format!("{} tasks are left", executor.tasks()));
        }
        drop((stops, executor));
        if left.iter().any(|source| source.strong_count() > 0) {
            return Err("a source is left".to_owned());
        }
        drop(truth);
        Ok(figures)
    }
}
