//! The emulator's RSA key pair. It signs OIDC tokens and SAML assertions, and is the key pair of the account.
//!
//! It is published in this crate's package, because tests need what the emulated STS accepts; nothing else trusts it.

use std::sync::OnceLock;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ring::rand::SystemRandom;
use ring::signature::{self, KeyPair, RsaKeyPair, UnparsedPublicKey};

const DER: &[u8] = include_bytes!("key.der");

fn key() -> Option<&'static RsaKeyPair> {
    static KEY: OnceLock<Option<RsaKeyPair>> = OnceLock::new();
    KEY.get_or_init(|| RsaKeyPair::from_der(DER).ok()).as_ref()
}

/// Returns the signature by RSA (PKCS #1 v1.5) over SHA-256, or `None` if the system has no randomness.
pub(crate) fn sign(text: &[u8]) -> Option<Vec<u8>> {
    let key = key()?;
    let mut signature = vec![0; key.public().modulus_len()];
    key.sign(&signature::RSA_PKCS1_SHA256, &SystemRandom::new(), text, &mut signature).ok()?;
    Some(signature)
}

pub(crate) fn is_signed(text: &[u8], signature: &[u8]) -> bool {
    key().is_some_and(|key| {
        let key = UnparsedPublicKey::new(&signature::RSA_PKCS1_2048_8192_SHA256, key.public_key());
        key.verify(text, signature).is_ok()
    })
}

/// Returns the private key in PEM, in the form of PKCS #1.
pub(crate) fn pem() -> String {
    let body = STANDARD.encode(DER);
    let mut pem = String::from("-----BEGIN RSA PRIVATE KEY-----\n");
    let mut rest = body.as_str();
    while !rest.is_empty() {
        let (line, after) = rest.split_at(rest.len().min(64));
        pem.push_str(line);
        pem.push('\n');
        rest = after;
    }
    pem.push_str("-----END RSA PRIVATE KEY-----\n");
    pem
}
