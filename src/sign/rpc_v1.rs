//! Signature V1 of RPC calls, HMAC-SHA1 (`SignatureVersion=1.0`), for older and private-cloud gateways.
//!
//! The rules are the published ones (RPC signatures): all parameters, of the query and of a form alike, sorted by name and
//! encoded twice; the secret signs them. No header is signed, and no body but a form. Where a gateway takes both versions,
//! [`acs3`](super::acs3) is the better choice.
//!
//! ```
//! use alibabacloud_credentials::sign::rpc_v1;
//!
//! let parameters = [
//!     ("Action", "AssumeRole"),
//!     ("Version", "2015-04-01"),
//!     ("Format", "JSON"),
//!     ("RoleArn", "acs:ram::1234567890123:role/firstrole"),
//!     ("RoleSessionName", "client"),
//!     ("AccessKeyId", "testid"),
//!     ("SignatureMethod", rpc_v1::SIGNATURE_METHOD),
//!     ("SignatureVersion", rpc_v1::SIGNATURE_VERSION),
//!     ("SignatureNonce", "571f8fb8-506e-11e5-8e12-b8e8563dc8d2"),
//!     ("Timestamp", "2015-09-01T05:57:34Z"),
//! ];
//! let request = rpc_v1::Request { method: "GET", parameters: &parameters };
//! assert_eq!(request.signature("testsecret"), "gNI7b0AyKZHxDgjBGPDgJ1Ce3L4=");
//! ```
//!
//! A temporary credential adds the parameter `SecurityToken`. In a GET, token and signature stand in the URL, which
//! proxies and servers log: send them in the form of a POST.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use sha1::Sha1;
use zeroize::Zeroizing;

use crate::encode::percent_encode_with;

/// The value of the parameter `SignatureMethod`.
///
/// ```
/// assert_eq!(alibabacloud_credentials::sign::rpc_v1::SIGNATURE_METHOD, "HMAC-SHA1");
/// ```
pub const SIGNATURE_METHOD: &str = "HMAC-SHA1";

/// The value of the parameter `SignatureVersion`.
///
/// ```
/// assert_eq!(alibabacloud_credentials::sign::rpc_v1::SIGNATURE_VERSION, "1.0");
/// ```
pub const SIGNATURE_VERSION: &str = "1.0";

/// A request as it is signed. Nothing in it is encoded.
///
/// ```
/// use alibabacloud_credentials::sign::rpc_v1;
///
/// let request = rpc_v1::Request { method: "POST", parameters: &[("Action", "GetCallerIdentity")] };
/// assert_eq!(request.string_to_sign(), "POST&%2F&Action%3DGetCallerIdentity");
/// ```
#[derive(Clone, Copy)]
pub struct Request<'a> {
    /// The method, in upper case.
    pub method: &'a str,
    /// All parameters, those of the query and those of the form, decoded, in any order. `Signature` is ignored: it
    /// does not sign itself.
    pub parameters: &'a [(&'a str, &'a str)],
}

impl std::fmt::Debug for Request<'_> {
    /// Parameters are left out: they may hold a token.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Request").field("method", &self.method).finish_non_exhaustive()
    }
}

impl Request<'_> {
    /// Returns the value of the parameter `Signature` in Base64, not percent-encoded.
    pub fn signature(&self, access_key_secret: &str) -> String {
        let mut key = Zeroizing::new(String::with_capacity(access_key_secret.len() + 1));
        key.push_str(access_key_secret);
        key.push('&');
        // A key of any length is a valid HMAC key, so the error cannot happen; were it to, the empty signature is refused.
        let Ok(mut mac) = Hmac::<Sha1>::new_from_slice(key.as_bytes()) else { return String::new() };
        self.write_string_to_sign(&mut |part| mac.update(part.as_bytes()));
        STANDARD.encode(mac.finalize().into_bytes())
    }

    /// Returns the string to sign, which a server shows when a signature does not match.
    ///
    /// It holds the values of all parameters, the security token included: treat it as a secret.
    pub fn string_to_sign(&self) -> String {
        let mut out = String::new();
        self.write_string_to_sign(&mut |part| out.push_str(part));
        out
    }

    /// Sorted by name, then by value, in byte order. `=` and `&` between the encoded pairs are encoded with them.
    fn write_string_to_sign(&self, sink: &mut dyn FnMut(&str)) {
        let mut parameters: Vec<_> = self.parameters.iter().filter(|(name, _)| *name != "Signature").collect();
        parameters.sort_unstable();
        sink(self.method);
        sink("&%2F&");
        for (at, (name, value)) in parameters.into_iter().enumerate() {
            if at > 0 {
                sink("%26");
            }
            percent_encode_with(name, &mut |run| percent_encode_with(run, sink));
            sink("%3D");
            percent_encode_with(value, &mut |run| percent_encode_with(run, sink));
        }
    }
}
