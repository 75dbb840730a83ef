//! A refresh under way: run in its home, waited for anywhere.

use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Weak};
use std::task::Poll;
use std::time::Duration;

use tokio::sync::watch;

use super::machine::{Chores, Landing, Launch, Outcome};
use super::{Shared, snapshot, time};
use crate::context::{BlockingIo, Context, Executor, first};
use crate::credentials::Credentials;
use crate::error::{Error, ErrorKind};
use crate::provider::ProvideCredentials;

/// How a wait ended.
pub(super) enum Waited {
    Landed(Outcome),
    TooLong,
    /// The refresh was dropped unfinished.
    Dropped,
}

impl Shared {
    pub(super) fn start(shared: &Arc<Self>, chores: Chores) {
        if let Some(launch) = chores.launch {
            let flight = Flight { shared: Arc::clone(shared), launch };
            shared.context.executor().spawn(Box::pin(flight.fly()));
        }
        if let Some(credentials) = chores.check {
            let check = check(Arc::downgrade(shared), Arc::clone(&shared.provider), shared.looks.clone(), credentials);
            shared.context.executor().spawn(Box::pin(check));
        }
    }

    /// Waits on a channel: any executor will do, and the limit is timed by the context's clock.
    pub(super) async fn outcome(&self, mut landing: Landing, at_most: Option<Duration>) -> Waited {
        let landed = async {
            match landing.wait_for(Option::is_some).await {
                Ok(outcome) => outcome.clone().map_or(Waited::TooLong, Waited::Landed),
                Err(_) => Waited::Dropped,
            }
        };
        match at_most {
            None => landed.await,
            Some(limit) => first(landed, self.context.sleep(limit)).await.unwrap_or(Waited::TooLong),
        }
    }
}

/// One refresh. Dropped unfinished, it counts as no attempt.
struct Flight {
    shared: Arc<Shared>,
    launch: Launch,
}

impl Flight {
    async fn fly(self) {
        let shared = &self.shared;
        let work = unpanicked(async { shared.provider.provide_credentials().await });
        let result = first(work, shared.context.sleep(shared.flight_limit)).await.unwrap_or_else(|| {
            let message = format!("the refresh took longer than {} s", shared.flight_limit.as_secs());
            Err(Error::new(ErrorKind::TimedOut, message).with_code("RefreshTimedOut"))
        });
        let result = match catch_unwind(AssertUnwindSafe(|| shared.provider.provider_name())) {
            Err(_) => Err(panicked()),
            Ok(name) => match result {
                Ok(credentials) => Ok(credentials.or_provider_name(&name)),
                Err(error) if error.provider_name().is_none() => Err(error.in_provider(&name)),
                Err(error) => Err(error),
            },
        };
        let now = time(&shared.context);
        let servers = shared.context.measured_time();
        let draws = [shared.context.random(), shared.context.random()];
        let outcome = shared.cell.update(now, |machine| {
            machine.landed(&self.launch, result, snapshot::next_generation(), now, servers, draws)
        });
        match &outcome {
            Some(Ok(credentials)) => tracing::debug!(
                provider = %credentials.provider_name(),
                generation = credentials.generation(),
                "credential refreshed"
            ),
            Some(Err(error)) if error.kind() == ErrorKind::NotConfigured => tracing::debug!(%error, "no credential"),
            Some(Err(error)) => tracing::warn!(%error, "refresh failed"),
            None => {}
        }
        // Nobody may be waiting.
        let _ = self.launch.landed.send(outcome);
        if shared.cell.takes_on_telling() {
            let shared = Arc::clone(shared);
            let tell = move || shared.cell.tell();
            if Executor::is_current() { drop(tokio::task::spawn_blocking(tell)) } else { tell() }
        }
    }
}

impl Drop for Flight {
    fn drop(&mut self) {
        // Runs after every end; only one that has not landed is still known.
        let now = time(&self.shared.context);
        self.shared.cell.update(now, |machine| machine.dropped(self.launch.id));
    }
}

/// Turns a panic into an error. Its message is dropped: it may hold anything.
async fn unpanicked(work: impl Future<Output = Outcome>) -> Outcome {
    let mut work = std::pin::pin!(work);
    std::future::poll_fn(|cx| match catch_unwind(AssertUnwindSafe(|| work.as_mut().poll(cx))) {
        Ok(poll) => poll,
        Err(_) => Poll::Ready(Err(panicked())),
    })
    .await
}

fn panicked() -> Error {
    Error::new(ErrorKind::Panicked, "the provider panicked").with_code("ProviderPanicked")
}

/// Asks the provider whether the credential is current. It takes what it takes, since nobody waits for it; while one such
/// look hangs there is no second.
async fn check(
    shared: Weak<Shared>,
    provider: Arc<dyn ProvideCredentials>,
    looks: BlockingIo,
    credentials: Credentials,
) {
    if looks.is_busy() || looks.run(is_current(provider, credentials.clone())).await {
        return;
    }
    let Some(shared) = shared.upgrade() else { return };
    let now = time(&shared.context);
    let chores = shared.cell.update(now, |machine| machine.outdated(&credentials, now));
    Shared::start(&shared, chores);
}

/// One that panics has nothing against it.
fn is_current(provider: Arc<dyn ProvideCredentials>, credentials: Credentials) -> impl FnOnce() -> bool + Send {
    move || catch_unwind(AssertUnwindSafe(|| provider.is_current(&credentials))).unwrap_or(true)
}

impl Shared {
    /// Whether the provider says within a second that it would give `credentials` no more.
    pub(super) async fn is_outdated(&self, credentials: &Credentials) -> bool {
        let look = is_current(Arc::clone(&self.provider), credentials.clone());
        self.looks.run_within(&self.context, Duration::from_secs(1), look).await == Some(false)
    }
}

/// A timer is a hint, since it does not run while the machine sleeps: the clocks are looked at this often.
const LOOK: Duration = Duration::from_secs(30);

pub(super) async fn keep_fresh(
    shared: Weak<Shared>,
    context: Context,
    mut generations: watch::Receiver<u64>,
    stop: impl Future<Output = ()> + Send,
) {
    let renew = async {
        loop {
            // The handle is held for an instant only, so that the last one to go ends this.
            let Some(handle) = shared.upgrade() else { return };
            let now = time(&context);
            let (_, chores) = handle.cell.update(now, |machine| machine.asked(now));
            let (landing, next) = handle.cell.look(|machine| (machine.landing(), machine.next_refresh(now)));
            Shared::start(&handle, chores);
            drop(handle);
            if let Some(mut landing) = landing {
                let ended = async { drop(landing.wait_for(Option::is_some).await) };
                let _ = first(ended, context.sleep(LOOK)).await;
                continue;
            }
            let pause = next.unwrap_or(LOOK).clamp(Duration::from_millis(100), LOOK);
            let gone = async { while generations.changed().await.is_ok() {} };
            if first(gone, context.sleep(pause)).await.is_some() {
                return;
            }
        }
    };
    let _ = first(renew, stop).await;
}
