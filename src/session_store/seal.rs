//! A session as sealed bytes: what is in them, and that nobody can read, change or exchange them.

use std::time::Duration;

use hmac::{Hmac, KeyInit, Mac};
use ring::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use serde::{Deserialize, Serialize};
use sha2::Sha256;
use zeroize::Zeroizing;

use super::StoreKey;
use crate::context::Context;
use crate::credentials::Credentials;
use crate::encode::push_hex;
use crate::time;

/// The format, before the nonce. Another one is not opened.
const MAGIC: &[u8] = b"acs1";

/// The keys derived from a store's key: one to seal with, and one to name by.
pub(super) struct Keys {
    seal: LessSafeKey,
    name: Zeroizing<[u8; 32]>,
}

impl Keys {
    /// None is what no key of this length comes to.
    pub(super) fn of(key: &StoreKey) -> Option<Self> {
        let seal = UnboundKey::new(&AES_256_GCM, &*mac(&key.0, &["seal"])?).ok()?;
        Some(Self { seal: LessSafeKey::new(seal), name: mac(&key.0, &["name"])? })
    }

    /// The name of the session that `identity` leads to.
    pub(super) fn name(&self, identity: &[&str]) -> Option<String> {
        let mut name = String::with_capacity(64);
        push_hex(&*mac(&self.name, identity)?, &mut name);
        Some(name)
    }
}

/// Each part goes in with its length, so that no two lists are one text.
fn mac(key: &[u8; 32], parts: &[&str]) -> Option<Zeroizing<[u8; 32]>> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).ok()?;
    for part in parts {
        mac.update(&(part.len() as u64).to_be_bytes());
        mac.update(part.as_bytes());
    }
    Some(Zeroizing::new(mac.finalize().into_bytes().into()))
}

/// A session as processes hand it to each other. Both ends are this host's clocks': the session counts as over by whichever comes first.
#[derive(Serialize, Deserialize)]
pub(super) struct Sealed {
    id: Zeroizing<String>,
    secret: Zeroizing<String>,
    token: Zeroizing<String>,
    expiration: String,
    arn: Option<String>,
    ends_wall_ms: u64,
    ends_boot_ms: u64,
    whole_ms: u64,
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

impl Sealed {
    /// None where it is no session that ends: keys are never shared.
    pub(super) fn of(session: &Credentials, context: &Context) -> Option<Self> {
        let (now, boot) = (context.now(), context.boot());
        let left = session.left(now.wall)?;
        Some(Self {
            id: Zeroizing::new(session.access_key_id().to_owned()),
            secret: Zeroizing::new(session.access_key_secret().to_owned()),
            token: Zeroizing::new(session.security_token()?.to_owned()),
            expiration: time::to_iso(session.expiration()?),
            arn: session.arn().map(str::to_owned),
            ends_wall_ms: millis(now.wall.saturating_add(left.left)),
            ends_boot_ms: millis(boot.saturating_add(left.left)),
            whole_ms: millis(left.whole),
        })
    }

    /// The sealed bytes, and how long they are of use.
    pub(super) fn seal(&self, keys: &Keys, name: &str) -> Option<(Vec<u8>, Duration)> {
        let mut nonce = [0; NONCE_LEN];
        getrandom::fill(&mut nonce).ok()?;
        let mut secret = Zeroizing::new(serde_json::to_vec(self).ok()?);
        let tag = keys
            .seal
            .seal_in_place_separate_tag(Nonce::assume_unique_for_key(nonce), Aad::from(name), &mut secret)
            .ok()?;
        let sealed = [MAGIC, &nonce, &secret, tag.as_ref()].concat();
        Some((sealed, Duration::from_millis(self.whole_ms)))
    }

    pub(super) fn open(bytes: &[u8], keys: &Keys, name: &str) -> Option<Self> {
        let (nonce, sealed) = bytes.strip_prefix(MAGIC)?.split_at_checked(NONCE_LEN)?;
        let nonce = Nonce::try_assume_unique_for_key(nonce).ok()?;
        let mut secret = Zeroizing::new(sealed.to_vec());
        let opened = keys.seal.open_in_place(nonce, Aad::from(name), &mut secret).ok()?;
        serde_json::from_slice(opened).ok()
    }

    /// The session, what is left of it, and what it lasted in all.
    pub(super) fn session(&self, context: &Context) -> Option<(Credentials, Duration, Duration)> {
        let whole = Duration::from_millis(self.whole_ms);
        let by = |end: u64, now: Duration| Duration::from_millis(end).saturating_sub(now);
        let left = by(self.ends_wall_ms, context.now().wall).min(by(self.ends_boot_ms, context.boot())).min(whole);
        let session = Credentials::new(self.id.as_str(), self.secret.as_str())
            .with_security_token(self.token.as_str())
            .with_expiration(time::parse_iso(&self.expiration)?)
            .with_left(context.boot_clock(), left, false);
        let session = match &self.arn {
            Some(arn) => session.with_arn(arn),
            None => session,
        };
        Some((session, left, whole))
    }
}
