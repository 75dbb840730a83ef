//! Signature version 1 of RPC calls (`SignatureVersion=1.0`), as the server computes it: HMAC-SHA1 with a secret, or RSA with
//! SHA-256 and a key pair.
//!
//! Written from the published page on RPC signatures. It covers all parameters of query and form, and nothing else.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use sha1::Sha1;
use subtle::ConstantTimeEq;

use crate::key;
use crate::request::Parameters;
use crate::response::{ApiError, ApiResult};
use crate::signature::{incomplete, percent_encode};

/// The signer of a call.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Method {
    Secret,
    KeyPair,
}

/// The system parameters of a signed call.
pub(crate) struct Signed<'a> {
    pub(crate) access_key_id: &'a str,
    pub(crate) nonce: &'a str,
    pub(crate) timestamp: &'a str,
    pub(crate) token: Option<&'a str>,
    signature: &'a str,
}

impl<'a> Signed<'a> {
    /// Reads the parameters of the signature. All must be present and name the method.
    pub(crate) fn read(parameters: &'a Parameters, by: Method) -> ApiResult<Self> {
        let get = |name: &str| parameters.get(name).ok_or_else(|| ApiError::missing(name));
        let access_key_id = get("AccessKeyId")?;
        let signature = parameters.get("Signature").ok_or_else(incomplete)?;
        let method = get("SignatureMethod")?;
        let version = get("SignatureVersion")?;
        let nonce = get("SignatureNonce")?;
        let timestamp = get("Timestamp")?;
        // aliyun-python-sdk-core sends an empty SignatureType, and signs it. Other values stand for other kinds of
        // credentials.
        let expected = match by {
            Method::Secret => ("HMAC-SHA1", None),
            Method::KeyPair => ("SHA256withRSA", Some("PRIVATEKEY")),
        };
        if (method, parameters.get("SignatureType")) != expected {
            return Err(unsupported());
        }
        if version != "1.0" {
            return Err(ApiError::invalid("SignatureVersion"));
        }
        Ok(Self { access_key_id, nonce, timestamp, token: parameters.get("SecurityToken"), signature })
    }

    pub(crate) fn verify(&self, method: &str, parameters: &Parameters, secret: &str) -> ApiResult<()> {
        let to_sign = string_to_sign(method, parameters.iter());
        if bool::from(sign(secret, &to_sign).as_bytes().ct_eq(self.signature.as_bytes())) {
            return Ok(());
        }
        Err(does_not_match(&to_sign))
    }

    /// Verifies the signature with the public key of the account's key pair.
    pub(crate) fn verify_key_pair(&self, method: &str, parameters: &Parameters) -> ApiResult<()> {
        let to_sign = string_to_sign(method, parameters.iter());
        let signature = STANDARD.decode(self.signature).unwrap_or_default();
        if key::is_signed(to_sign.as_bytes(), &signature) {
            return Ok(());
        }
        Err(does_not_match(&to_sign))
    }
}

pub(crate) fn unsupported() -> ApiError {
    ApiError::new(400, "InvalidSignatureMethod", "Specified signature method is not valid.")
}

fn does_not_match(to_sign: &str) -> ApiError {
    ApiError::new(
        400,
        "SignatureDoesNotMatch",
        format!("Specified signature is not matched with our calculation. server string to sign is:{to_sign}"),
    )
}

/// Returns the string to sign. `pairs` are sorted by raw name in byte order, without duplicates. Names are encoded, as
/// in every SDK.
fn string_to_sign<'a>(method: &str, pairs: impl Iterator<Item = (&'a str, &'a str)>) -> String {
    let pairs = pairs.filter(|(name, _)| *name != "Signature");
    let pairs: Vec<_> =
        pairs.map(|(name, value)| format!("{}={}", percent_encode(name), percent_encode(value))).collect();
    format!("{method}&%2F&{}", percent_encode(&pairs.join("&")))
}

/// Returns the signature. Its key is the secret followed by `&`.
fn sign(secret: &str, string_to_sign: &str) -> String {
    hmac_sha1(&format!("{secret}&"), string_to_sign)
}

/// Returns HMAC-SHA1 in base64. HMAC accepts keys of any length, so it cannot fail.
pub(crate) fn hmac_sha1(key: &str, text: &str) -> String {
    let Ok(mut mac) = Hmac::<Sha1>::new_from_slice(key.as_bytes()) else { return String::new() };
    mac.update(text.as_bytes());
    STANDARD.encode(mac.finalize().into_bytes())
}

#[cfg(test)]
mod tests {
    //! Compares with signatures that official SDK code made or Alibaba Cloud published: see `about` in the file.

    use std::collections::BTreeMap;

    use super::*;

    #[derive(serde::Deserialize)]
    struct Vectors {
        cases: Vec<Case>,
    }

    #[derive(serde::Deserialize)]
    struct Case {
        id: String,
        method: String,
        query: BTreeMap<String, String>,
        form: BTreeMap<String, String>,
        secret: String,
        string_to_sign: String,
        signature: String,
        form_quoted_signature: Option<String>,
    }

    #[test]
    fn every_official_vector_is_reproduced_and_form_quoting_is_not() {
        let vectors: Vectors = serde_json::from_str(include_str!("../tests/vectors/rpc-v1.json")).unwrap();
        assert_eq!(vectors.cases.len(), 16);
        assert!(vectors.cases.iter().any(|case| case.form_quoted_signature.is_some()));
        for case in vectors.cases {
            let union: BTreeMap<_, _> = case.query.iter().chain(&case.form).collect();
            let pairs = union.iter().map(|(name, value)| (name.as_str(), value.as_str()));
            let to_sign = string_to_sign(&case.method, pairs);
            assert_eq!(to_sign, case.string_to_sign, "{}", case.id);
            assert_eq!(sign(&case.secret, &to_sign), case.signature, "{}", case.id);
            assert_ne!(Some(&case.signature), case.form_quoted_signature.as_ref(), "{}", case.id);
        }
    }

    #[test]
    fn the_published_example_of_assume_role_is_reproduced() {
        let pairs = [
            ("AccessKeyId", "testid"),
            ("Action", "AssumeRole"),
            ("Format", "JSON"),
            ("RoleArn", "acs:ram::1234567890123:role/firstrole"),
            ("RoleSessionName", "client"),
            ("Signature", "is not signed"),
            ("SignatureMethod", "HMAC-SHA1"),
            ("SignatureNonce", "571f8fb8-506e-11e5-8e12-b8e8563dc8d2"),
            ("SignatureVersion", "1.0"),
            ("Timestamp", "2015-09-01T05:57:34Z"),
            ("Version", "2015-04-01"),
        ];
        assert_eq!(sign("testsecret", &string_to_sign("GET", pairs.into_iter())), "gNI7b0AyKZHxDgjBGPDgJ1Ce3L4=");
    }
}
