//! The map of a pool. It is `quick_cache`'s: see [`Sessions`].

use std::cell::RefCell;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use quick_cache::sync::Cache;
use quick_cache::{DefaultHashBuilder, Lifecycle, UnitWeighter};

use super::session::Session;
use crate::sts::AssumeRole;

/// Sessions by role, bounded by number. A role is looked up by reference, under the read lock of a shard; what was not used
/// lately goes first where there is no room, and what is in use is pinned, and never goes.
pub(super) struct Sessions {
    map: Cache<Arc<AssumeRole>, Session, UnitWeighter, DefaultHashBuilder, PinInUse>,
    gone: Arc<Gone>,
}

/// The counts of the sessions that the map has forgotten.
#[derive(Default)]
struct Gone {
    sessions: AtomicU64,
    asked: AtomicU64,
}

impl Gone {
    fn count(&self, session: &Session) {
        self.sessions.fetch_add(1, Ordering::Relaxed);
        self.asked.fetch_add(session.asked(), Ordering::Relaxed);
    }
}

#[derive(Clone)]
struct PinInUse(Arc<Gone>);

impl Lifecycle<Arc<AssumeRole>, Session> for PinInUse {
    /// Dropped without the lock: what an error of a session's holds may be of other people's types.
    type RequestState = Vec<Session>;

    fn is_pinned(&self, _: &Arc<AssumeRole>, session: &Session) -> bool {
        session.is_in_use()
    }

    fn on_evict(&self, dropped: &mut Vec<Session>, _: Arc<AssumeRole>, session: Session) {
        self.0.count(&session);
        dropped.push(session);
    }
}

/// By this many the map chooses the number of its shards; it grows as it needs.
const EXPECTED_ITEMS: usize = 1024;

impl Sessions {
    pub(super) fn new(capacity: usize) -> Self {
        let gone = Arc::<Gone>::default();
        let expected = capacity.min(EXPECTED_ITEMS);
        let weight = u64::try_from(capacity).unwrap_or(u64::MAX);
        let pin = PinInUse(Arc::clone(&gone));
        let map = Cache::with(expected, weight, UnitWeighter, DefaultHashBuilder::default(), pin);
        Self { map, gone }
    }

    pub(super) fn get(&self, role: &AssumeRole) -> Option<Session> {
        self.map.get(role)
    }

    /// The session of `role`, made once whoever asks.
    pub(super) fn get_or_insert(&self, role: &Arc<AssumeRole>, make: impl Fn(&Arc<AssumeRole>) -> Session) -> Session {
        let made = self.map.get_or_insert_with(role, || Ok::<_, std::convert::Infallible>(make(role)));
        let Ok(session) = made;
        session
    }

    pub(super) fn len(&self) -> usize {
        self.map.len()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = Session> {
        self.map.iter().map(|(_, session)| session)
    }

    /// Returns the number of sessions, and how often the pool was asked in all.
    pub(super) fn count(&self) -> (usize, u64) {
        let gone = self.gone.asked.load(Ordering::Relaxed);
        self.iter().fold((0, gone), |(sessions, asked), session| (sessions + 1, asked + session.asked()))
    }

    pub(super) fn evicted(&self) -> u64 {
        self.gone.sessions.load(Ordering::Relaxed)
    }

    /// Forgets what nobody used for so long.
    pub(super) fn forget_idle(&self, now: Duration, after: Duration) {
        // Dropped when no lock is held.
        let dropped = RefCell::new(Vec::new());
        self.map.retain(|_, session| {
            let is_idle = session.is_idle(now, after);
            if is_idle {
                self.gone.count(session);
                dropped.borrow_mut().push(session.clone());
            }
            !is_idle
        });
    }
}
