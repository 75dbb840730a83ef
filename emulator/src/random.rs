//! Random values: one seed from the system at the start, then HMAC-SHA256 of a counter, which cannot fail.

use std::sync::atomic::{AtomicU64, Ordering};

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

const BASE64: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
const ALPHANUMERIC: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789Zz";

pub(crate) struct Random {
    seed: [u8; 32],
    counter: AtomicU64,
}

impl Random {
    /// Takes the seed from the operating system. Only this can fail, so it is done before the server starts.
    pub(crate) fn from_system() -> std::io::Result<Self> {
        let mut seed = [0; 32];
        getrandom::fill(&mut seed).map_err(|error| std::io::Error::other(error.to_string()))?;
        Ok(Self { seed, counter: AtomicU64::new(0) })
    }

    fn bytes(&self, length: usize) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(length + 32);
        while bytes.len() < length {
            let count = self.counter.fetch_add(1, Ordering::Relaxed);
            bytes.extend_from_slice(&mac(&self.seed, &count.to_be_bytes()));
        }
        bytes.truncate(length);
        bytes
    }

    fn letters(&self, length: usize, alphabet: &[u8; 64]) -> String {
        self.bytes(length).into_iter().map(|byte| char::from(alphabet[usize::from(byte & 63)])).collect()
    }

    pub(crate) fn base64(&self, length: usize) -> String {
        self.letters(length, BASE64)
    }

    pub(crate) fn alphanumeric(&self, length: usize) -> String {
        self.letters(length, ALPHANUMERIC)
    }

    pub(crate) fn hex(&self, digits: usize) -> String {
        let mut text = hex(&self.bytes(digits.div_ceil(2)));
        text.truncate(digits);
        text
    }

    pub(crate) fn below(&self, limit: u8) -> u8 {
        self.bytes(1).first().map_or(0, |byte| byte % limit.max(1))
    }

    /// Returns an upper-case UUID of version 5, as in all documented samples of RequestId.
    pub(crate) fn request_id(&self) -> String {
        let mut bytes = self.bytes(16);
        bytes[6] = (bytes[6] & 0x0f) | 0x50;
        bytes[8] = (bytes[8] & 0x3f) | 0x80;
        let hex = hex(&bytes).to_uppercase();
        format!("{}-{}-{}-{}-{}", &hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..])
    }

    /// Returns a short MAC that only this emulator can compute, which authenticates an opaque value when a client
    /// returns it.
    pub(crate) fn short_mac(&self, text: &str) -> String {
        hex(&mac(&self.seed, text.as_bytes())[..8])
    }
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let mut text = String::with_capacity(bytes.len() * 2);
    for byte in bytes {
        text.push(char::from(DIGITS[usize::from(byte >> 4)]));
        text.push(char::from(DIGITS[usize::from(byte & 15)]));
    }
    text
}

/// Returns HMAC-SHA256. HMAC accepts keys of any length, so it cannot fail.
pub(crate) fn mac(key: &[u8], message: &[u8]) -> [u8; 32] {
    match Hmac::<Sha256>::new_from_slice(key) {
        Ok(mut mac) => {
            mac.update(message);
            mac.finalize().into_bytes().into()
        }
        Err(_) => [0; 32],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_id_is_an_upper_case_uuid_with_version_5() {
        let random = Random::from_system().unwrap();
        for _ in 0..50 {
            let id = random.request_id();
            assert_eq!(id.len(), 36, "{id}");
            assert_eq!(id.as_bytes()[14], b'5', "{id}");
            assert_eq!(id, id.to_uppercase());
            assert_eq!(id.split('-').map(str::len).collect::<Vec<_>>(), [8, 4, 4, 4, 12]);
        }
    }

    #[test]
    fn values_do_not_repeat() {
        let random = Random::from_system().unwrap();
        assert_ne!(random.base64(24), random.base64(24));
        assert_eq!(random.hex(32).len(), 32);
    }

    #[test]
    fn hmac_agrees_with_rfc_4231_case_2() {
        assert_eq!(
            hex(&mac(b"Jefe", b"what do ya want for nothing?")),
            "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"
        );
    }
}
