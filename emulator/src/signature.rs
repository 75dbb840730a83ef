//! Signature version 3, ACS3-HMAC-SHA256, as the server computes it: pure functions.
//!
//! Written from the published page on the request structure and not from a client's code, so that a client's mistake is
//! not repeated here.

use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use crate::random::{hex, mac};
use crate::response::{ApiError, ApiResult};

pub(crate) const ALGORITHM: &str = "ACS3-HMAC-SHA256";

/// The parts of an Authorization header: `ACS3-HMAC-SHA256 Credential=…,SignedHeaders=…,Signature=…`.
pub(crate) struct Authorization {
    pub(crate) access_key_id: String,
    /// Names in lower case, sorted and without duplicates.
    pub(crate) signed_headers: Vec<String>,
    pub(crate) signature: String,
}

impl Authorization {
    /// Parses the header. Spaces after the commas are accepted, as some clients send them.
    pub(crate) fn parse(text: &str) -> ApiResult<Self> {
        let (algorithm, rest) = text.trim().split_once(' ').ok_or_else(incomplete)?;
        if algorithm != ALGORITHM {
            // SDK code also has ACS3-HMAC-SM3 and ACS3-RSA-SHA256; only this one is documented for users.
            return Err(if algorithm.starts_with("ACS3-") {
                ApiError::new(400, "InvalidSignatureMethod", "Specified signature method is not valid.")
            } else {
                incomplete()
            });
        }
        let (mut credential, mut signed_headers, mut signature) = (None, None, None);
        for part in rest.split(',') {
            let (name, value) = part.trim().split_once('=').ok_or_else(incomplete)?;
            let slot = match name {
                "Credential" => &mut credential,
                "SignedHeaders" => &mut signed_headers,
                "Signature" => &mut signature,
                _ => return Err(incomplete()),
            };
            if slot.replace(value.to_owned()).is_some() {
                return Err(incomplete());
            }
        }
        let (Some(access_key_id), Some(signed_headers), Some(signature)) = (credential, signed_headers, signature)
        else {
            return Err(incomplete());
        };
        if access_key_id.is_empty() {
            return Err(ApiError::missing("AccessKeyId"));
        }
        let mut signed_headers: Vec<String> =
            signed_headers.split(';').filter(|name| !name.is_empty()).map(str::to_ascii_lowercase).collect();
        signed_headers.sort();
        signed_headers.dedup();
        Ok(Self { access_key_id, signed_headers, signature })
    }
}

pub(crate) fn incomplete() -> ApiError {
    ApiError::new(400, "IncompleteSignature", "The request signature does not conform to Aliyun standards.")
}

/// The form of parameter names in the canonical query. The documents and the Java SDK encode them; the Python, Node, Go
/// and C# SDKs do not. Both forms are accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Names {
    Encoded,
    Raw,
}

/// The signed parts of a request.
pub(crate) struct Canonical<'a> {
    pub(crate) method: &'a str,
    pub(crate) path: &'a str,
    pub(crate) query: &'a [(String, String)],
    /// The signed headers with their values, sorted by name.
    pub(crate) headers: &'a [(String, String)],
    pub(crate) payload_hash: &'a str,
}

impl Canonical<'_> {
    pub(crate) fn request(&self, names: Names) -> String {
        let mut text = format!("{}\n{}\n{}\n", self.method, self.path, self.query(names));
        for (name, value) in self.headers {
            text.push_str(&format!("{name}:{value}\n"));
        }
        let signed: Vec<&str> = self.headers.iter().map(|(name, _)| name.as_str()).collect();
        text.push_str(&format!("\n{}\n{}", signed.join(";"), self.payload_hash));
        text
    }

    /// Returns the canonical query, sorted by the raw name in byte order, then by value, as a name can be sent twice.
    fn query(&self, names: Names) -> String {
        let mut pairs: Vec<&(String, String)> = self.query.iter().collect();
        pairs.sort();
        let mut text = String::new();
        for (name, value) in pairs {
            if !text.is_empty() {
                text.push('&');
            }
            match names {
                Names::Encoded => text.push_str(&percent_encode(name)),
                Names::Raw => text.push_str(name),
            }
            text.push('=');
            text.push_str(&percent_encode(value));
        }
        text
    }

    /// Returns whether the signature is valid for either form of the names.
    pub(crate) fn is_signed(&self, secret: &str, signature: &str) -> bool {
        let fits = |names| {
            let expected = sign(secret, &string_to_sign(&self.request(names)));
            bool::from(expected.as_bytes().ct_eq(signature.as_bytes()))
        };
        fits(Names::Encoded) || fits(Names::Raw)
    }
}

pub(crate) fn string_to_sign(canonical_request: &str) -> String {
    format!("{ALGORITHM}\n{}", sha256_hex(canonical_request.as_bytes()))
}

/// Returns the signature. Its key is the secret as it is, without derivation.
pub(crate) fn sign(secret: &str, string_to_sign: &str) -> String {
    hex(&mac(secret.as_bytes(), string_to_sign.as_bytes()))
}

pub(crate) fn sha256_hex(bytes: &[u8]) -> String {
    hex(&Sha256::digest(bytes))
}

/// Percent-encodes text by RFC 3986: all bytes except letters, digits and `-_.~`.
pub(crate) fn percent_encode(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => encoded.push(char::from(byte)),
            _ => {
                const DIGITS: &[u8; 16] = b"0123456789ABCDEF";
                encoded.push('%');
                encoded.push(char::from(DIGITS[usize::from(byte >> 4)]));
                encoded.push(char::from(DIGITS[usize::from(byte & 15)]));
            }
        }
    }
    encoded
}

#[cfg(test)]
#[path = "signature_tests.rs"]
mod tests;
