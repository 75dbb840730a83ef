//! Renews the used sessions and forgets the idle ones, while nobody asks.
//!
//! One task looks at all of them, since a task for each would cost more than the session.

use std::sync::atomic::Ordering;
use std::sync::{Arc, Weak};
use std::time::Duration;

use super::Pool;
use crate::context::{Context, Executor, process_id};

/// The pause between two looks: until the next renewal, but never below or above these. A session of the shortest kind, 900 s,
/// is due five minutes before its end.
const SHORTEST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(15);
/// Renewals that one look starts: what the quota allows until the next look and as much again, and so many at least.
const LEAST_RENEWALS: usize = 32;
/// A quota that is too low is said so often.
const WARN_EVERY: Duration = Duration::from_secs(60);

/// The calls that the renewals of all used sessions need.
#[derive(Default)]
struct Load {
    roles: usize,
    per_second: f64,
}

impl Load {
    fn add(&mut self, every: Duration) {
        self.roles += 1;
        self.per_second += 1.0 / every.as_secs_f64().max(1.0);
    }
}

impl Pool {
    /// Sees to it that somebody looks after the sessions, in this process.
    pub(super) fn keep(self: &Arc<Self>) {
        let process = process_id();
        if self.kept_in.swap(process, Ordering::Relaxed) != process {
            Executor::Pool.spawn(Box::pin(keep(Arc::downgrade(self), self.context.clone())));
        }
    }

    /// Looks at all sessions once, and returns when to look again.
    pub(super) fn look(&self) -> Duration {
        self.sessions.forget_idle(self.context.now().monotonic, self.settings.idle_after);
        let (mut pause, mut due, mut load) = (LONGEST_PAUSE, Vec::new(), Load::default());
        for session in self.sessions.iter() {
            let Some(renewal) = session.renewal() else { continue };
            load.add(renewal.every);
            match renewal.due_in {
                Some(Duration::ZERO) => due.push((renewal.left, session)),
                Some(due_in) => pause = pause.min(due_in),
                None => {}
            }
        }
        let most = LEAST_RENEWALS.max((self.quota.per_second() * 2.0) as usize);
        if due.len() > most {
            // The rest stays due.
            pause = Duration::ZERO;
            due.sort_by_key(|(left, _)| *left);
        }
        due.iter().take(most).for_each(|(_, session)| session.renew());
        self.warn(&load);
        pause.max(SHORTEST_PAUSE)
    }

    /// Says what the quota would have to be, where it is too low for what is used.
    fn warn(&self, load: &Load) {
        let quota = self.quota.per_second();
        if load.per_second <= quota {
            return;
        }
        let now = self.context.now().monotonic.as_secs().max(1);
        let before = self.warned_at.load(Ordering::Relaxed);
        if before != 0 && now.saturating_sub(before) < WARN_EVERY.as_secs() {
            return;
        }
        self.warned_at.store(now, Ordering::Relaxed);
        let Load { roles, per_second } = load;
        tracing::warn!(
            roles,
            quota,
            "{roles} roles in use, renewed every {:.0} s, need {per_second:.0} calls to STS a second, and the quota is {quota}: \
             some expire before they are renewed, and their callers wait; ask for longer sessions or for fewer of them",
            *roles as f64 / per_second,
        );
    }
}

/// Looks after the sessions for as long as there is a handle of the pool.
async fn keep(pool: Weak<Pool>, context: Context) {
    let mut pause = SHORTEST_PAUSE;
    loop {
        context.sleep(pause).await;
        let Some(pool) = pool.upgrade() else { return };
        pause = pool.look();
    }
}
