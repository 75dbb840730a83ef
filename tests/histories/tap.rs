//! Between a refresher and its source: counts the calls, and finds fault with those that the rules forbid.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::time::Duration;

use alibabacloud_credentials::{BoxFuture, Credentials, Error, ErrorKind, ProvideCredentials};

use super::source::Source;
use super::truth::{Instant, Truth};

const SECOND: Duration = Duration::from_secs(1);
/// The least of the first back-off.
const LEAST_BACK_OFF: Duration = Duration::from_millis(250);

#[derive(Clone, Copy, Debug, PartialEq)]
enum End {
    New,
    Same,
    Failed,
    /// It was over when it came, which may be nobody's failure: the machine slept.
    Over,
    /// Nobody waited for it any more: the place where it ran is gone.
    Dropped,
    /// It came when it had been given up.
    TooLate,
}

#[derive(Clone, Copy, Debug)]
struct Ask {
    began: Instant,
    has_wish: bool,
    ended: Option<(Instant, End)>,
}

#[derive(Default)]
struct Asks {
    all: Vec<Ask>,
    /// What the refresher above has been given last.
    held: Option<usize>,
    /// The credentials whose rejection has jumped a back-off.
    jumped: BTreeSet<Option<usize>>,
    /// When something last happened that is a reason to ask anew.
    reason: Option<Instant>,
}

pub(crate) struct Tap {
    name: &'static str,
    inner: Arc<dyn ProvideCredentials>,
    truth: Arc<Truth>,
    /// How long a refresh of the refresher above may take.
    limit: Duration,
    /// What it taps where that is not a refresher.
    source: Option<Arc<Source>>,
    is_outermost: AtomicBool,
    /// Whether refreshes get lost, or stand still.
    is_lossy: bool,
    asks: Mutex<Asks>,
}

impl Tap {
    pub(crate) fn new(
        name: &'static str,
        inner: Arc<dyn ProvideCredentials>,
        truth: &Arc<Truth>,
        limit: Duration,
        source: Option<Arc<Source>>,
        is_lossy: bool,
    ) -> Arc<Self> {
        let truth = Arc::clone(truth);
        Arc::new(Self {
            name,
            inner,
            truth,
            limit,
            source,
            is_outermost: AtomicBool::new(false),
            is_lossy,
            asks: Mutex::default(),
        })
    }

    pub(crate) fn asked(&self) -> usize {
        self.asks.lock().unwrap().all.len()
    }

    /// Whoever asks through it looks at the clocks as callers do.
    pub(crate) fn is_outermost(&self) {
        self.is_outermost.store(true, Ordering::SeqCst);
    }

    fn visit(&self) {
        if self.is_outermost.load(Ordering::SeqCst) {
            self.truth.visit();
        }
    }

    pub(crate) fn is_idle(&self) -> bool {
        self.asks.lock().unwrap().all.iter().all(|ask| ask.ended.is_some())
    }

    /// The session that the refresher above has been given last.
    pub(crate) fn held(&self) -> Option<usize> {
        self.asks.lock().unwrap().held
    }

    /// Something happened that is a reason to ask anew, whatever there is.
    pub(crate) fn has_reason(&self) {
        self.asks.lock().unwrap().reason = Some(self.truth.instant());
    }

    /// Whether a refresh has ended well since there were `asked` of them.
    pub(crate) fn is_renewed_since(&self, asked: usize) -> bool {
        let asks = self.asks.lock().unwrap();
        asks.all[asked..].iter().any(|ask| matches!(ask.ended, Some((_, End::New | End::Same))))
    }

    fn begin(&self, has_wish: bool) -> usize {
        self.visit();
        let mut asks = self.asks.lock().unwrap();
        let began = self.truth.instant();
        if let Err(problem) = self.may_begin(&mut asks, began, has_wish) {
            self.truth.problem(format!("{}: call {}: {problem}", self.name, asks.all.len()));
        }
        self.truth.note(|| format!("  {} is asked, wish {has_wish}", self.name));
        asks.all.push(Ask { began, has_wish, ended: None });
        asks.all.len() - 1
    }

    fn may_begin(&self, asks: &mut Asks, now: Instant, has_wish: bool) -> Result<(), String> {
        let is_given_up = |ask: &Ask| now.monotonic.saturating_sub(ask.began.monotonic) >= self.limit;
        if asks.all.iter().any(|ask| ask.ended.is_none() && !is_given_up(ask)) {
            return Err("while another one is under way".to_owned());
        }
        let Some(last) = asks.all.last().copied() else { return Ok(()) };
        let since_begun = now.boot - last.began.boot;
        let Some((ended, end)) = last.ended else { return Ok(()) };
        match end {
            // One that stood still and then asked has been given up, and what it hears counts for nothing.
            End::Same | End::Dropped if self.is_lossy && ended.boot == last.began.boot => Ok(()),
            End::Same | End::Dropped if since_begun < SECOND => {
                Err(format!("{since_begun:?} after one that ended as {end:?}"))
            }
            End::Failed if now.boot - ended.boot < LEAST_BACK_OFF && !asks.jumped.insert(asks.held) => {
                Err(format!("{:?} after a failure", now.boot - ended.boot))
            }
            End::New => self.has_a_reason(asks, now, last, has_wish),
            _ => Ok(()),
        }
    }

    /// After a new session there has to be one: its end comes near, somebody wants a longer one, something happened.
    fn has_a_reason(&self, asks: &Asks, now: Instant, last: Ask, has_wish: bool) -> Result<(), String> {
        let Some(session) = asks.held.map(|number| self.truth.session(number)) else { return Ok(()) };
        let Some(sure) = session.sure else { return Ok(()) };
        let is_disturbed = now.disturbed != sure.disturbed || asks.reason.is_some_and(|at| at.boot >= last.began.boot);
        let half = session.ends.map_or(Duration::MAX, |ends| ends.saturating_sub(sure.truth()) / 2);
        if is_disturbed || session.surely_left(now) <= half.min(Duration::from_secs(3600)) {
            return Ok(());
        }
        // One wish may have come along with another reason, and two are one too many.
        let wishes = asks.all.iter().rev().take_while(|ask| ask.has_wish && now.boot - ask.began.boot < SECOND);
        if has_wish && wishes.count() < 2 {
            return Ok(());
        }
        Err("without a reason".to_owned())
    }

    fn end(&self, at: usize, result: Option<&Result<Credentials, Error>>) {
        self.visit();
        let mut asks = self.asks.lock().unwrap();
        let now = self.truth.instant();
        let began = asks.all[at].began;
        let lasted = now.monotonic - began.monotonic;
        let is_late = lasted >= self.limit;
        let slept = (now.boot - began.boot) > (now.monotonic - began.monotonic);
        let end = match result {
            // Its own limit ended it; later it was given up by others.
            None if is_late && lasted <= self.limit + Duration::from_millis(1) => End::Failed,
            None if is_late => End::TooLate,
            None => End::Dropped,
            Some(_) if is_late => End::TooLate,
            Some(Ok(found)) => {
                let number = Truth::number(found);
                let session = self.truth.session(number);
                let was = asks.held.replace(number);
                // Where it is not certain that something is left of it, it may have been refused.
                let is_over = session.surely_left(now).is_zero();
                match (was == Some(number), is_over) {
                    // It ended while the machine slept: nobody's failure.
                    (_, true) if slept => End::Over,
                    (true, false) => End::Same,
                    (true, true) => End::Failed,
                    (false, true) => End::Failed,
                    (false, false) => End::New,
                }
            }
            Some(Err(error)) if (slept || self.is_lossy) && error.kind() == ErrorKind::Expired => End::Over,
            Some(Err(_)) => End::Failed,
        };
        if end == End::New && asks.reason.is_some_and(|reason| reason.boot < began.boot) {
            asks.reason = None;
        }
        if end != End::New {
            self.truth.set_back();
        }
        if let Some(source) = &self.source {
            // What has been refused is not held, and it is not certain which is; nor what other refreshers hold.
            let is_certain = |held: &usize| {
                self.is_outermost.load(Ordering::SeqCst) && !self.truth.session(*held).surely_left(now).is_zero()
            };
            source.is_held(asks.held.filter(is_certain));
        }
        self.truth.note(|| format!("  {} gave {end:?} {:?} {result:?}", self.name, asks.held));
        asks.all[at].ended = Some((now, end));
    }

    fn ask(self: &Arc<Self>, lifetime: Option<Duration>) -> BoxFuture<'static, Result<Credentials, Error>> {
        let (tap, at) = (Arc::clone(self), self.begin(lifetime.is_some()));
        let inner = Arc::clone(&self.inner);
        let work = Box::pin(async move {
            match lifetime {
                Some(lifetime) => inner.provide_credentials_valid_for(lifetime).await,
                None => inner.provide_credentials().await,
            }
        });
        Box::pin(Asked { tap, at, work: Some(work) })
    }
}

struct Asked {
    tap: Arc<Tap>,
    at: usize,
    work: Option<BoxFuture<'static, Result<Credentials, Error>>>,
}

impl Future for Asked {
    type Output = Result<Credentials, Error>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let Some(work) = &mut self.work else { return Poll::Pending };
        match catch_unwind(AssertUnwindSafe(|| work.as_mut().poll(cx))) {
            Ok(Poll::Pending) => Poll::Pending,
            Ok(Poll::Ready(result)) => {
                self.work = None;
                self.tap.end(self.at, Some(&result));
                Poll::Ready(result)
            }
            Err(panic) => {
                self.work = None;
                self.tap.end(self.at, Some(&Err(Error::failed("panicked"))));
                resume_unwind(panic)
            }
        }
    }
}

impl Drop for Asked {
    fn drop(&mut self) {
        if self.work.take().is_some() {
            self.tap.end(self.at, None);
        }
    }
}

/// A tap as a provider.
pub(crate) struct Tapped(pub(crate) Arc<Tap>);

impl ProvideCredentials for Tapped {
    fn provider_name(&self) -> Cow<'_, str> {
        self.0.inner.provider_name()
    }

    fn provide_credentials(&self) -> BoxFuture<'_, Result<Credentials, Error>> {
        self.0.ask(None)
    }

    fn is_current(&self, credentials: &Credentials) -> bool {
        let is_current = self.0.inner.is_current(credentials);
        if !is_current {
            self.0.has_reason();
        }
        is_current
    }

    fn invalidate(&self, credentials: &Credentials) {
        // A refresher below hears of it, too.
        self.0.inner.invalidate(credentials);
    }

    fn provide_credentials_valid_for(&self, lifetime: Duration) -> BoxFuture<'_, Result<Credentials, Error>> {
        self.0.ask(Some(lifetime))
    }
}
