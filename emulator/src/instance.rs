//! The sessions that the metadata service and the credentials URI hand out: one at a time, renewed before it expires.

use std::sync::{Arc, Mutex};

use chrono::{DateTime, Utc};
use serde::Serialize;

use crate::account::imm_role;
use crate::clock::utc;
use crate::grant::{SessionOptions, grant};
use crate::lock::lock;
use crate::random::Random;
use crate::response::json;
use crate::sessions::{Session, Sessions};

/// Path prefix of the metadata service, as on `100.100.100.200`.
pub(crate) const METADATA_PREFIX: &str = "/latest/";
/// Path of the credentials URI.
pub(crate) const URI_PATH: &str = "/credentials";

pub(crate) const INSTANCE_ID: &str = "i-emulator00000000001";

/// Lifetime of an instance's sessions, in seconds. The documents say about six hours.
const INSTANCE_SECONDS: u32 = 21_600;
const URI_SECONDS: u32 = 3_600;
/// A session is renewed when less than one part in this many of its lifetime is left. The documents only say that it is
/// renewed ahead of time.
const RENEWAL_FRACTION: i32 = 6;

/// The current session of one source.
pub(crate) struct Rotation {
    name: &'static str,
    seconds: u32,
    current: Mutex<Option<(DateTime<Utc>, Arc<Session>)>>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Credentials<'a> {
    code: &'a str,
    access_key_id: &'a str,
    access_key_secret: &'a str,
    security_token: &'a str,
    expiration: String,
    /// Only the metadata service has this member.
    #[serde(skip_serializing_if = "Option::is_none")]
    last_updated: Option<String>,
}

impl Rotation {
    pub(crate) fn of_instance() -> Self {
        Self { name: INSTANCE_ID, seconds: INSTANCE_SECONDS, current: Mutex::default() }
    }

    pub(crate) fn of_uri() -> Self {
        Self { name: "credentials-uri", seconds: URI_SECONDS, current: Mutex::default() }
    }

    fn current(
        &self,
        sessions: &Sessions,
        random: &Random,
        max_seconds: Option<u32>,
        now: DateTime<Utc>,
    ) -> (DateTime<Utc>, Arc<Session>) {
        let mut current = lock(&self.current);
        if let Some((since, session)) = &*current {
            let (life, left) = (session.expires - *since, session.expires - now);
            if left > life / RENEWAL_FRACTION {
                return (*since, Arc::clone(session));
            }
        }
        let options = SessionOptions { name: self.name.to_owned(), seconds: self.seconds, policy: None };
        let session = sessions.add(grant(random, max_seconds, imm_role(), options, now), now);
        *current = Some((now, Arc::clone(&session)));
        (now, session)
    }

    pub(crate) fn json(
        &self,
        sessions: &Sessions,
        random: &Random,
        max_seconds: Option<u32>,
        now: DateTime<Utc>,
        with_last_updated: bool,
    ) -> String {
        let (since, session) = self.current(sessions, random, max_seconds, now);
        json(&Credentials {
            code: "Success",
            access_key_id: &session.access_key_id,
            access_key_secret: &session.secret,
            security_token: &session.token,
            expiration: utc(session.expires),
            last_updated: with_last_updated.then(|| utc(since)),
        })
    }
}
