//! Logins that a person has begun and not finished: codes of OAuth, and devices of CloudSSO. Each is redeemed once.

use std::collections::HashMap;
use std::sync::Mutex;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::{DateTime, Duration, Utc};
use sha2::{Digest, Sha256};

use crate::lock::lock;
use crate::random::Random;

/// Lifetime of a code of OAuth.
const CODE_MINUTES: i64 = 5;
/// Lifetime of a device code of CloudSSO.
const DEVICE_MINUTES: i64 = 10;
/// The seconds between two polls for a device, unless the settings say otherwise.
pub(crate) const DEVICE_INTERVAL: u32 = 5;

/// The decision of the person in front of the browser.
///
/// ```
/// use alibabacloud_emulator::{Emulator, LoginDecision};
///
/// # async fn example() -> std::io::Result<()> {
/// let emulator = Emulator::builder().start().await?;
/// emulator.decide_logins(LoginDecision::Deny);
/// # Ok(()) }
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum LoginDecision {
    /// Logs in, as soon as the page is opened.
    #[default]
    Approve,
    /// Refuses, as soon as the page is opened.
    Deny,
    /// Opens the page and does nothing.
    Leave,
}

/// The logins that are under way.
#[derive(Default)]
pub(crate) struct PendingLogins {
    inner: Mutex<Inner>,
}

#[derive(Default)]
struct Inner {
    decision: LoginDecision,
    codes: HashMap<String, Code>,
    devices: HashMap<String, Device>,
}

/// A code of OAuth and what its request said.
pub(crate) struct Code {
    pub(crate) client: &'static str,
    pub(crate) redirect_uri: String,
    pub(crate) challenge: String,
    expires: DateTime<Utc>,
}

struct Device {
    user_code: String,
    challenge: String,
    interval: u32,
    expires: DateTime<Utc>,
    polled: Option<DateTime<Utc>>,
    decision: LoginDecision,
}

/// The codes of a new device.
pub(crate) struct DeviceCodes {
    pub(crate) device_code: String,
    pub(crate) user_code: String,
}

/// The reason why a device gets no token.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum NoToken {
    Unknown,
    WrongVerifier,
    Expired,
    Denied,
    Pending,
    TooFast,
}

impl PendingLogins {
    pub(crate) fn decide(&self, decision: LoginDecision) {
        lock(&self.inner).decision = decision;
    }

    pub(crate) fn decision(&self) -> LoginDecision {
        lock(&self.inner).decision
    }

    /// Issues a code to the client that a browser came from.
    pub(crate) fn issue_code(
        &self,
        random: &Random,
        client: &'static str,
        redirect_uri: &str,
        challenge: &str,
        now: DateTime<Utc>,
    ) -> String {
        let code = random.alphanumeric(40);
        let (redirect_uri, challenge) = (redirect_uri.to_owned(), challenge.to_owned());
        let expires = now + Duration::minutes(CODE_MINUTES);
        lock(&self.inner).codes.insert(code.clone(), Code { client, redirect_uri, challenge, expires });
        code
    }

    /// Takes a code: it is spent, whatever becomes of it. `None` if it is unknown, spent or expired.
    pub(crate) fn take_code(&self, code: &str, now: DateTime<Utc>) -> Option<Code> {
        lock(&self.inner).codes.remove(code).filter(|code| now < code.expires)
    }

    pub(crate) fn add_device(
        &self,
        random: &Random,
        challenge: &str,
        interval: u32,
        now: DateTime<Utc>,
    ) -> DeviceCodes {
        let (device_code, letters) = (random.alphanumeric(40), random.alphanumeric(8).to_ascii_uppercase());
        let user_code = format!("{}-{}", &letters[..4], &letters[4..]);
        let device = Device {
            user_code: user_code.clone(),
            challenge: challenge.to_owned(),
            interval,
            expires: now + Duration::minutes(DEVICE_MINUTES),
            polled: None,
            decision: LoginDecision::Leave,
        };
        lock(&self.inner).devices.insert(device_code.clone(), device);
        DeviceCodes { device_code, user_code }
    }

    /// A person opens the page of a device. Returns what they do; `None` if there is no such device.
    pub(crate) fn visit(&self, user_code: &str, now: DateTime<Utc>) -> Option<LoginDecision> {
        let mut inner = lock(&self.inner);
        let decision = inner.decision;
        let device = inner.devices.values_mut().find(|device| device.user_code == user_code && now < device.expires)?;
        device.decision = decision;
        Some(decision)
    }

    /// Takes an approved device: its code is spent.
    pub(crate) fn poll_device(&self, device_code: &str, verifier: &str, now: DateTime<Utc>) -> Result<(), NoToken> {
        let mut inner = lock(&self.inner);
        let device = inner.devices.get_mut(device_code).ok_or(NoToken::Unknown)?;
        if now >= device.expires {
            return Err(NoToken::Expired);
        }
        if !is_verified(verifier, &device.challenge) {
            return Err(NoToken::WrongVerifier);
        }
        let before = device.polled.replace(now);
        if before.is_some_and(|before| now - before < Duration::seconds(device.interval.into())) {
            return Err(NoToken::TooFast);
        }
        match device.decision {
            LoginDecision::Leave => Err(NoToken::Pending),
            LoginDecision::Deny => Err(NoToken::Denied),
            LoginDecision::Approve => {
                inner.devices.remove(device_code);
                Ok(())
            }
        }
    }
}

/// Returns whether a text can be a challenge of the method S256: 32 bytes in base64url.
pub(crate) fn is_challenge(text: &str) -> bool {
    URL_SAFE_NO_PAD.decode(text).is_ok_and(|bytes| bytes.len() == 32)
}

/// Returns whether the verifier has the form of RFC 7636 and belongs to the challenge.
pub(crate) fn is_verified(verifier: &str, challenge: &str) -> bool {
    let is_formed = (43..=128).contains(&verifier.len())
        && verifier.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte));
    is_formed && URL_SAFE_NO_PAD.encode(Sha256::digest(verifier.as_bytes())) == challenge
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_verifier_of_rfc_7636_belongs_to_its_challenge() {
        let challenge = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";
        assert!(is_challenge(challenge));
        assert!(is_verified("dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk", challenge));
        assert!(!is_verified("dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXK", challenge));
        assert!(!is_verified("short", challenge) && !is_challenge("short") && !is_challenge(&challenge[1..]));
    }
}
