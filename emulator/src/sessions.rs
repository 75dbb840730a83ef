//! What the emulator remembers of callers: the sessions it granted and the nonces it has seen.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use chrono::{DateTime, Duration, Utc};

use crate::account::Role;
use crate::lock;
use crate::policy::Policy;

/// Sessions that ended longer ago than this may be forgotten, once there are many.
const REMEMBERED: Duration = Duration::hours(24);
const MANY: usize = 10_000;

/// A granted session. It has no `Debug`, for it holds a secret and a token.
pub(crate) struct Session {
    pub(crate) access_key_id: String,
    pub(crate) secret: String,
    pub(crate) token: String,
    pub(crate) role: Role,
    pub(crate) name: String,
    pub(crate) expires: DateTime<Utc>,
    pub(crate) policy: Option<Policy>,
    pub(crate) source_identity: Option<String>,
}

#[derive(Default)]
pub(crate) struct Sessions {
    inner: Mutex<Inner>,
}

#[derive(Default)]
struct Inner {
    by_key: HashMap<String, Arc<Session>>,
    key_of_token: HashMap<String, String>,
}

impl Sessions {
    pub(crate) fn add(&self, session: Session, now: DateTime<Utc>) -> Arc<Session> {
        let session = Arc::new(session);
        let mut inner = lock(&self.inner);
        if inner.by_key.len() >= MANY {
            inner.by_key.retain(|_, session| session.expires + REMEMBERED > now);
            let Inner { by_key, key_of_token } = &mut *inner;
            key_of_token.retain(|_, key| by_key.contains_key(key));
        }
        inner.key_of_token.insert(session.token.clone(), session.access_key_id.clone());
        inner.by_key.insert(session.access_key_id.clone(), Arc::clone(&session));
        session
    }

    pub(crate) fn by_key(&self, access_key_id: &str) -> Option<Arc<Session>> {
        lock(&self.inner).by_key.get(access_key_id).cloned()
    }

    /// The key id that a token was granted with.
    pub(crate) fn key_of_token(&self, token: &str) -> Option<String> {
        lock(&self.inner).key_of_token.get(token).cloned()
    }
}

/// Nonces seen, per AccessKeyId, each with the timestamp of its request.
#[derive(Default)]
pub(crate) struct Nonces {
    seen: Mutex<HashMap<String, PerKey>>,
}

#[derive(Default)]
struct PerKey {
    nonces: HashMap<String, DateTime<Utc>>,
    next_sweep: usize,
}

impl Nonces {
    /// `false` when this key has used the nonce before and that request would still pass the timestamp check.
    pub(crate) fn record(
        &self,
        access_key_id: &str,
        nonce: &str,
        timestamp: DateTime<Utc>,
        now: DateTime<Utc>,
        window: Duration,
    ) -> bool {
        let mut seen = lock(&self.seen);
        let key = seen.entry(access_key_id.to_owned()).or_default();
        if key.nonces.len() >= key.next_sweep.max(1_024) {
            key.nonces.retain(|_, then| *then + window >= now);
            key.next_sweep = key.nonces.len() * 2;
        }
        if key.nonces.get(nonce).is_some_and(|then| *then + window >= now) {
            return false;
        }
        key.nonces.insert(nonce.to_owned(), timestamp);
        true
    }
}
