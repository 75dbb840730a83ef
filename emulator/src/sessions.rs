//! The sessions that were granted and the nonces that were used.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use chrono::{DateTime, Duration, Utc};
use sha2::{Digest, Sha256};

use crate::account::Role;
use crate::lock::lock;
use crate::policy::Policy;

/// How long an expired session is kept at least.
const RETENTION: Duration = Duration::hours(24);
const SESSION_SWEEP_THRESHOLD: usize = 10_000;

/// The number of nonces from which on expired ones are removed.
const NONCE_SWEEP_THRESHOLD: usize = 1_024;

/// A granted session. It has no `Debug`, as it holds a secret and a token.
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
    /// The number of sessions from which on expired ones are removed again: twice the number that the last sweep left,
    /// so that the cost of a grant does not depend on how many there are.
    next_sweep: usize,
}

impl Sessions {
    pub(crate) fn add(&self, session: Session, now: DateTime<Utc>) -> Arc<Session> {
        let session = Arc::new(session);
        let mut inner = lock(&self.inner);
        if inner.by_key.len() >= inner.next_sweep.max(SESSION_SWEEP_THRESHOLD) {
            let Inner { by_key, key_of_token, next_sweep } = &mut *inner;
            by_key.retain(|_, session| session.expires + RETENTION > now);
            key_of_token.retain(|_, key| by_key.contains_key(key));
            *next_sweep = by_key.len() * 2;
        }
        inner.key_of_token.insert(session.token.clone(), session.access_key_id.clone());
        inner.by_key.insert(session.access_key_id.clone(), Arc::clone(&session));
        session
    }

    pub(crate) fn by_key(&self, access_key_id: &str) -> Option<Arc<Session>> {
        lock(&self.inner).by_key.get(access_key_id).cloned()
    }

    /// Returns the AccessKey id with which a token was granted.
    pub(crate) fn key_of_token(&self, token: &str) -> Option<String> {
        lock(&self.inner).key_of_token.get(token).cloned()
    }
}

/// The session key of a key pair. It has no token, and no `Debug`, as it holds a secret.
pub(crate) struct SessionKey {
    pub(crate) access_key_id: String,
    pub(crate) secret: String,
    pub(crate) expires: DateTime<Utc>,
}

#[derive(Default)]
pub(crate) struct SessionKeys {
    inner: Mutex<HashMap<String, Arc<SessionKey>>>,
}

impl SessionKeys {
    pub(crate) fn add(&self, key: SessionKey, now: DateTime<Utc>) {
        let mut inner = lock(&self.inner);
        if inner.len() >= SESSION_SWEEP_THRESHOLD {
            inner.retain(|_, key| key.expires > now);
        }
        inner.insert(key.access_key_id.clone(), Arc::new(key));
    }

    pub(crate) fn by_id(&self, access_key_id: &str) -> Option<Arc<SessionKey>> {
        lock(&self.inner).get(access_key_id).cloned()
    }
}

/// The nonces that were used, with the timestamps of their requests.
#[derive(Default)]
pub(crate) struct Nonces {
    inner: Mutex<SeenNonces>,
}

#[derive(Default)]
struct SeenNonces {
    /// By a digest of AccessKey id and nonce, as a nonce has no documented maximum length and a form can be as long as
    /// a body.
    timestamps: HashMap<[u8; 32], DateTime<Utc>>,
    next_sweep: usize,
}

impl Nonces {
    /// Records a nonce. Returns `false` if the key used it before in a request whose timestamp would still be accepted.
    pub(crate) fn record(
        &self,
        access_key_id: &str,
        nonce: &str,
        timestamp: DateTime<Utc>,
        now: DateTime<Utc>,
        window: Duration,
    ) -> bool {
        // The key id belongs to a verified signature, so it has no zero byte.
        let digest = Sha256::new().chain_update(access_key_id).chain_update([0]).chain_update(nonce).finalize().into();
        let mut inner = lock(&self.inner);
        if inner.timestamps.len() >= inner.next_sweep.max(NONCE_SWEEP_THRESHOLD) {
            inner.timestamps.retain(|_, then| *then + window >= now);
            inner.next_sweep = inner.timestamps.len() * 2;
        }
        if inner.timestamps.get(&digest).is_some_and(|then| *then + window >= now) {
            return false;
        }
        inner.timestamps.insert(digest, timestamp);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::account::imm_role;

    const WINDOW: Duration = Duration::minutes(15);

    fn session(number: usize, now: DateTime<Utc>) -> Session {
        Session {
            access_key_id: format!("STS.{number}"),
            secret: String::new(),
            token: format!("CAIS{number}"),
            role: imm_role(),
            name: "app".to_owned(),
            expires: now + Duration::hours(1),
            policy: None,
            source_identity: None,
        }
    }

    #[test]
    fn ended_sessions_are_looked_for_each_time_the_number_has_doubled() {
        let sessions = Sessions::default();
        let start = DateTime::UNIX_EPOCH;
        for number in 0..=SESSION_SWEEP_THRESHOLD {
            sessions.add(session(number, start), start);
        }
        let later = start + Duration::hours(26);
        for number in SESSION_SWEEP_THRESHOLD + 1..2 * SESSION_SWEEP_THRESHOLD {
            sessions.add(session(number, later), later);
        }
        assert!(sessions.by_key("STS.0").is_some());
        sessions.add(session(2 * SESSION_SWEEP_THRESHOLD, later), later);
        assert!(sessions.by_key("STS.0").is_none() && sessions.key_of_token("CAIS0").is_none());
        assert!(sessions.by_key("STS.10001").is_some() && sessions.key_of_token("CAIS20000").is_some());
    }

    #[test]
    fn a_nonce_is_used_once_by_each_key_while_its_request_would_pass() {
        let nonces = Nonces::default();
        let start = DateTime::UNIX_EPOCH;
        let record = |key, nonce, now| nonces.record(key, nonce, now, now, WINDOW);
        assert!(record("a", "nonce", start) && record("b", "nonce", start) && record("an", "once", start));
        assert!(!record("a", "nonce", start + WINDOW));
        assert!(record("a", "nonce", start + WINDOW + Duration::seconds(1)));
    }

    #[test]
    fn of_a_key_whose_nonces_are_all_stale_nothing_is_kept() {
        let nonces = Nonces::default();
        let record = |number: usize, now| nonces.record(&format!("STS.{number}"), "nonce", now, now, WINDOW);
        let start = DateTime::UNIX_EPOCH;
        let later = start + Duration::hours(1);
        assert!((0..3_000).all(|number| record(number, start)));
        assert!((3_000..8_000).all(|number| record(number, later)));
        assert_eq!(lock(&nonces.inner).timestamps.len(), 5_000);
    }
}
