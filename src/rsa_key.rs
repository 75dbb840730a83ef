//! RSA private keys in PEM, and what they sign.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ring::rand::SystemRandom;
use ring::signature::{RSA_PKCS1_SHA256, RsaKeyPair};
use zeroize::Zeroizing;

use crate::error::Error;

/// A private key. It has no `Debug`.
pub(crate) struct RsaKey(RsaKeyPair);

impl RsaKey {
    /// Reads PKCS #8 (`PRIVATE KEY`) or PKCS #1 (`RSA PRIVATE KEY`), or the base64 of either without the lines around it, as
    /// the Go SDK takes it. Errors never repeat any of it.
    pub(crate) fn from_pem(text: &str) -> Result<Self, Error> {
        let wrong = |what: &str, remedy: &str| {
            let error = Error::failed(format!("holds no RSA private key: {what}")).with_code("PrivateKeyMalformed");
            error.with_remedy(remedy.to_owned()).permanent()
        };
        const REMEDY: &str = "it has to hold the private key of the key pair in PEM, as RAM gave it out";
        let text = text.trim_start_matches('\u{feff}').trim();
        let body = match text.split_once("-----BEGIN ") {
            None => text,
            Some((_, rest)) => {
                let (label, rest) =
                    rest.split_once("-----").ok_or_else(|| wrong("its first line breaks off", REMEDY))?;
                match label {
                    "PRIVATE KEY" | "RSA PRIVATE KEY" => {}
                    "ENCRYPTED PRIVATE KEY" => return Err(wrong("it is encrypted", "decrypt it by `openssl rsa`")),
                    "PUBLIC KEY" | "RSA PUBLIC KEY" => return Err(wrong("it is the public key", REMEDY)),
                    "EC PRIVATE KEY" => return Err(wrong("it is a key of an elliptic curve", REMEDY)),
                    "OPENSSH PRIVATE KEY" => {
                        return Err(wrong("it is in the form of OpenSSH", "convert it by `ssh-keygen -p -m PEM`"));
                    }
                    _ => return Err(wrong("it is PEM of another kind", REMEDY)),
                }
                rest.split_once("-----END ").ok_or_else(|| wrong("it has no last line", REMEDY))?.0
            }
        };
        if body.contains("ENCRYPTED") {
            return Err(wrong("it is encrypted", "decrypt it by `openssl rsa`"));
        }
        let body: Zeroizing<String> = Zeroizing::new(body.split_whitespace().collect());
        let der = STANDARD.decode(body.as_str()).map(Zeroizing::new);
        let der = der.map_err(|_| wrong("it is not base64", REMEDY))?;
        // The two forms are told apart by what is in them: labels are wrong often enough.
        let key = RsaKeyPair::from_pkcs8(&der).or_else(|error| RsaKeyPair::from_der(&der).map_err(|_| error));
        key.map(Self).map_err(|error| match error.to_string().as_str() {
            "TooSmall" => wrong("it has less than 2048 bits", "make a key pair of 2048 bits or more"),
            "TooLarge" => wrong("it has more than 4096 bits", "make a key pair of 4096 bits or less"),
            "WrongAlgorithm" => wrong("it is a key of another algorithm", REMEDY),
            _ => wrong("what it encodes is none", REMEDY),
        })
    }

    /// Returns the signature in base64: PKCS #1 v1.5 over SHA-256.
    pub(crate) fn sign(&self, text: &str) -> Result<String, Error> {
        let mut signature = vec![0; self.0.public().modulus_len()];
        let signed = self.0.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), text.as_bytes(), &mut signature);
        signed.map_err(|_| Error::failed("the system has no randomness to sign with").with_code("NoRandomness"))?;
        Ok(STANDARD.encode(signature))
    }
}
