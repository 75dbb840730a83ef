//! The world of one scenario: a clock that stands still, a source, a home for refreshes, a refresher, callers.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};

use alibabacloud_credentials::{
    AssumeRole, AssumeRoleProvider, Clock, Context, Credentials, Refresher, RefresherBuilder, TestClock,
};
use tokio::sync::{oneshot, watch};

use super::callers::Callers;
use super::format::{Options, Through};
use super::home::Home;
use super::source::{START, Source, Sts};

pub(crate) struct World {
    pub(crate) clock: TestClock,
    pub(crate) source: Arc<Source>,
    pub(crate) home: Arc<Home>,
    /// `None` once the last handle is dropped.
    pub(crate) refresher: Option<Refresher>,
    pub(crate) generations: watch::Receiver<u64>,
    pub(crate) waiting: BTreeMap<String, Callers>,
    pub(crate) stop: Option<oneshot::Sender<()>>,
}

impl World {
    pub(crate) fn new(options: &Options, seed: u64) -> Self {
        let clock = TestClock::new(UNIX_EPOCH + START);
        let source = Arc::new(Source::new(clock.clone(), matches!(options.through, Through::AssumeRole)));
        let home = Arc::new(Home::new());
        let spawner = Arc::clone(&home);
        let context = Context::builder()
            .env([("HOME", "/nowhere")])
            .http(Sts(Arc::clone(&source)))
            .clock(clock.clone())
            .seed(seed)
            .spawn(move |task| spawner.spawn(task))
            .build();
        let builder = match options.through {
            Through::Provider => Refresher::builder(Arc::clone(&source)),
            Through::Refresher => {
                Refresher::builder(Refresher::builder(Arc::clone(&source)).context(context.clone()).build())
            }
            Through::AssumeRole => {
                let key = Credentials::new("fake-id", "fake-secret");
                let role = AssumeRole::new("acs:ram::100:role/media").session_name("scenario");
                Refresher::builder(AssumeRoleProvider::new(key, role).context(context.clone()).sts_endpoint("sts.test"))
            }
            Through::Literal => Refresher::builder(Credentials::new("STS.session-1", "fake-secret")),
        };
        let refresher = with(options, builder.context(context)).build();
        let generations = refresher.subscribe();
        Self { clock, source, home, refresher: Some(refresher), generations, waiting: BTreeMap::new(), stop: None }
    }

    pub(crate) fn refresher(&self) -> Result<&Refresher, String> {
        self.refresher.as_ref().ok_or_else(|| "the last handle was dropped".to_owned())
    }

    /// Lets time pass, from timer to timer, and everything that is due happen.
    pub(crate) async fn advance(&self, duration: Duration) {
        let end = self.clock.now().monotonic + duration;
        loop {
            let left = end - self.clock.now().monotonic;
            if left.is_zero() {
                return;
            }
            self.clock.advance(self.clock.next_wake().map_or(left, |wake| wake.min(left)));
            self.settle().await;
        }
    }

    /// Time goes on until all callers have an answer, or so long.
    pub(crate) async fn wait_for(&self, callers: &Callers, at_most: Duration) {
        let end = self.clock.now().monotonic + at_most;
        loop {
            self.settle().await;
            let left = end - self.clock.now().monotonic;
            if callers.finished() == callers.count() || left.is_zero() {
                return;
            }
            self.clock.advance(self.clock.next_wake().map_or(left, |wake| wake.min(left)));
        }
    }

    /// Runs every task that can run: with one thread and no timers, nothing is left after that. (A turn runs 61 tasks; no
    /// wake-up leads to more than a dozen others, one after the other.)
    pub(crate) async fn settle(&self) {
        let callers: usize = self.waiting.values().map(Callers::count).sum();
        for _ in 0..16 + callers / 8 {
            tokio::task::yield_now().await;
        }
    }
}

fn with(options: &Options, mut builder: RefresherBuilder) -> RefresherBuilder {
    if let Some(window) = options.advisory_window {
        builder = builder.advisory_window(window.duration());
    }
    if let Some(limit) = options.refresh_timeout {
        builder = builder.refresh_timeout(limit.duration());
    }
    builder
}
