//! Proof Key for Code Exchange (RFC 7636): who redeems a code proves that the login was its own.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use crate::context::Context;
use crate::error::Error;

/// The method of the challenge.
pub(super) const METHOD: &str = "S256";
/// Random bytes of the verifier: 128 digits, the most that are allowed, as the `aliyun` CLI has it.
const VERIFIER_BYTES: usize = 64;

/// A secret and its hash. It has no `Debug`.
pub(super) struct Pkce {
    pub(super) verifier: Zeroizing<String>,
    pub(super) challenge: String,
}

impl Pkce {
    pub(super) fn new(context: &Context) -> Result<Self, Error> {
        Ok(Self::of(context.secret(VERIFIER_BYTES)?))
    }

    fn of(verifier: Zeroizing<String>) -> Self {
        let challenge = URL_SAFE_NO_PAD.encode(Sha256::digest(verifier.as_bytes()));
        Self { verifier, challenge }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_challenge_is_that_of_rfc_7636_appendix_b() {
        let pkce = Pkce::of("dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk".to_owned().into());
        assert_eq!(pkce.challenge, "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM");
        let context = Context::builder().env([("A", "a")]).build();
        let (one, other) = (Pkce::new(&context).unwrap(), Pkce::new(&context).unwrap());
        assert!(one.verifier.len() == 128 && *one.verifier != *other.verifier);
    }
}
