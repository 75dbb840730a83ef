//! A refresh under way: run on the executor, waited for anywhere.

use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::{Arc, Weak};
use std::task::Poll;
use std::time::Duration;

use tokio::sync::watch;

use super::machine::timed_out;
use super::step::{Actions, Found, Launch, Outcome};
use super::{Shared, snapshot};
use crate::context::{Context, Executor, first, while_held};
use crate::credentials::Credentials;
use crate::error::{Error, ErrorKind};
use crate::provider::{self, BoxFuture, Private, ProvideCredentials};
#[cfg(feature = "shared-sessions")]
use crate::session_store::{Sharing, while_shared};

/// How long a refresh waits for the answer whether its source's credential is current.
const CHECK_LIMIT: Duration = Duration::from_secs(1);

impl Shared {
    /// Does what the machine wants done. To be called without the lock.
    pub(super) fn perform(shared: &Arc<Self>, mut actions: Actions) {
        actions.tell();
        if let Some(launch) = actions.launch.take() {
            let started = Started { shared: Arc::clone(shared), launch, was_run: false };
            shared.context.executor().spawn(Box::pin(started.run()));
        }
        if let Some(credentials) = actions.check.take() {
            if shared.provider.checks_inline(Private) {
                let answer = is_current(&*shared.provider, &credentials);
                shared.checked(&credentials, answer);
            } else {
                let context = &shared.context;
                let (shared, provider) = (Arc::downgrade(shared), Arc::clone(&shared.provider));
                // It takes what it takes: nobody waits for it, and while one such look hangs there is no second.
                context.executor().spawn(Box::pin(async move {
                    let answer = is_current(&*provider, &credentials);
                    if let Some(shared) = shared.upgrade() {
                        shared.checked(&credentials, answer);
                    }
                }));
            }
        }
    }

    fn checked(self: &Arc<Self>, credentials: &Credentials, answer: Option<bool>) {
        let now = self.now();
        let actions = self.snapshot.update(now, |machine| machine.checked(credentials, answer, now));
        Self::perform(self, actions);
    }

    /// Whether the provider says within a second that it would give `credentials` no more: for a refresh, which may wait
    /// for the answer. It goes on with what there is where a file system hangs.
    pub(super) async fn is_outdated(self: &Arc<Self>, credentials: &Credentials) -> bool {
        if self.provider.checks_inline(Private) || !Executor::is_worker() {
            return is_current(&*self.provider, credentials) == Some(false);
        }
        let now = self.now();
        if !self.snapshot.update(now, |machine| machine.begin_check(now)) {
            return false;
        }
        let (shared, credentials) = (Arc::clone(self), credentials.clone());
        let answer = Executor::run(async move {
            let answer = is_current(&*shared.provider, &credentials);
            let now = shared.now();
            shared.snapshot.update(now, |machine| machine.end_check());
            answer
        });
        matches!(first(answer, self.context.sleep(CHECK_LIMIT)).await, Some(Ok(Some(false))))
    }
}

/// One that panics has nothing against it, and is asked again.
fn is_current(provider: &dyn ProvideCredentials, credentials: &Credentials) -> Option<bool> {
    catch_unwind(AssertUnwindSafe(|| provider::is_current(provider, credentials))).unwrap_or(Some(true))
}

/// One refresh. Dropped unfinished, it counts as no attempt.
struct Started {
    shared: Arc<Shared>,
    launch: Launch,
    /// Whether it got so far as to ask the source.
    was_run: bool,
}

/// How the source's work ended.
enum Completion {
    Answered(Outcome),
    TooLong,
    GivenUp,
}

impl Started {
    async fn run(mut self) {
        self.was_run = true;
        let shared = Arc::clone(&self.shared);
        let name = catch_unwind(AssertUnwindSafe(|| shared.provider.provider_name().into_owned()));
        if let Ok(name) = &name {
            shared.name.get_or_init(|| name.clone());
        }
        let mut work = Work(Some(self.work()));
        let completion = self.completed(&mut work).await;
        let result = match (completion, name) {
            (Completion::GivenUp, _) => return,
            (_, Err(_)) => Err(panicked()),
            (Completion::Answered(Ok(credentials)), Ok(name)) => Ok(credentials.or_provider_name(&name)),
            (Completion::Answered(Err(error)), Ok(name)) => Err(named(error, &name)),
            (Completion::TooLong, Ok(_)) => Err(timed_out(shared.limit, &shared.name)),
        };
        // Waiters hear of it before the work is dropped, which is other people's code.
        let outcome = self.finish(result);
        drop(work);
        match &outcome {
            Some(Ok(credentials)) => tracing::debug!(
                provider = %credentials.provider_name(),
                arn = credentials.arn(),
                generation = credentials.generation(),
                "credential refreshed"
            ),
            Some(Err(error)) if error.kind() == ErrorKind::NotConfigured => tracing::debug!(%error, "no credential"),
            Some(Err(error)) => tracing::warn!(%error, "refresh failed"),
            None => {}
        }
    }

    /// Asks the source, after it has heard of what was refused.
    fn work(&self) -> BoxFuture<'static, Outcome> {
        let provider = Arc::clone(&self.shared.provider);
        let (wanted, rejected) = (self.launch.wanted, self.launch.rejected.clone());
        let ask = async move {
            if let Some(rejected) = rejected {
                provider.invalidate(&rejected);
            }
            match wanted {
                Some(lifetime) => provider.provide_credentials_valid_for(lifetime).await,
                None => provider.provide_credentials().await,
            }
        };
        #[cfg(feature = "shared-sessions")]
        let ask = {
            let (store, rejected) = (self.shared.store.clone(), self.launch.rejected.clone());
            while_shared(store.map(|store| Sharing { store, rejected }), ask)
        };
        Box::pin(while_held(self.launch.held, unpanicked(ask)))
    }

    async fn completed(&mut self, work: &mut Work) -> Completion {
        let mut limit = self.shared.context.sleep(self.shared.limit);
        std::future::poll_fn(|cx| {
            if Pin::new(&mut self.launch.given_up).poll(cx).is_ready() {
                return Poll::Ready(Completion::GivenUp);
            }
            if let Poll::Ready(outcome) = work.poll(cx) {
                return Poll::Ready(Completion::Answered(outcome));
            }
            limit.as_mut().poll(cx).map(|()| Completion::TooLong)
        })
        .await
    }

    fn finish(&self, result: Outcome) -> Option<Outcome> {
        let shared = &self.shared;
        // The clocks are read before what remains: time that passes in between is taken off, never added.
        let now = shared.now();
        let result = result.map(|credentials| Found {
            left: credentials.left(now.wall),
            credentials,
            generation: snapshot::next_generation(),
        });
        let draws = [shared.context.random(), shared.context.random()];
        let before = shared.snapshot.generation();
        let (outcome, actions) =
            shared.snapshot.update(now, |machine| machine.finished(self.launch.id, result, now, draws));
        Shared::perform(shared, actions);
        if shared.snapshot.generation() != before {
            let shared = Arc::downgrade(shared);
            let generation = move || Some(shared.upgrade()?.snapshot.generation());
            self.shared.subscribers.tell(generation);
        }
        outcome
    }
}

impl Drop for Started {
    fn drop(&mut self) {
        let now = self.shared.now();
        let (id, was_run) = (self.launch.id, self.was_run);
        let actions = self.shared.snapshot.update(now, |machine| machine.released(id, was_run, now));
        Shared::perform(&self.shared, actions);
    }
}

/// The source's future, whose `Drop` may panic.
struct Work(Option<BoxFuture<'static, Outcome>>);

impl Work {
    fn poll(&mut self, cx: &mut std::task::Context<'_>) -> Poll<Outcome> {
        match &mut self.0 {
            Some(work) => work.as_mut().poll(cx),
            None => Poll::Ready(Err(panicked())),
        }
    }
}

impl Drop for Work {
    fn drop(&mut self) {
        let work = self.0.take();
        let _ = catch_unwind(AssertUnwindSafe(|| drop(work)));
    }
}

fn named(error: Error, name: &str) -> Error {
    if error.provider_name().is_some() { error } else { error.in_provider(name) }
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

/// A timer is a hint, since it does not run while the machine sleeps: the clocks are looked at this often.
const LOOK: Duration = Duration::from_secs(30);
/// The least between two looks, and between two refreshes of which nothing came.
const LEAST: Duration = Duration::from_millis(100);
const AFTER_NOTHING: Duration = Duration::from_secs(1);

/// Renews the credential until `stop` ends, or `gone`, which the last handle closes.
pub(super) async fn keep_fresh(
    shared: Weak<Shared>,
    context: Context,
    mut gone: watch::Receiver<()>,
    stop: impl Future<Output = ()> + Send,
) {
    let renew = async {
        loop {
            // The handle is held for an instant only, so that the last one to go ends this.
            let Some(handle) = shared.upgrade() else { return };
            let now = handle.now();
            let (_, actions) = handle.snapshot.update(now, |machine| machine.on_request(now));
            let (under_way, next) = handle.snapshot.look(|machine| (machine.under_way(), machine.next_refresh(now)));
            Shared::perform(&handle, actions);
            drop(handle);
            let mut pause = next.unwrap_or(LOOK).clamp(LEAST, LOOK);
            if let Some(mut ended) = under_way {
                match first(async { ended.wait_for(Option::is_some).await.is_ok() }, context.sleep(LOOK)).await {
                    Some(false) => pause = AFTER_NOTHING,
                    _ => continue,
                }
            }
            let last_handle = async { while gone.changed().await.is_ok() {} };
            if first(last_handle, context.sleep(pause)).await.is_some() {
                return;
            }
        }
    };
    let _ = first(renew, stop).await;
}
