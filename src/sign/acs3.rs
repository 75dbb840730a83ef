//! Signature V3, `ACS3-HMAC-SHA256`, which all current products accept but Object Storage.
//!
//! The rules are the published ones (request structure and signature, version 3): six parts joined by line feeds,
//! hashed; the secret signs the hash as it is, with no key derivation and no date or region scope.
//!
//! ```
//! use alibabacloud_credentials::sign::acs3;
//!
//! let payload = acs3::EMPTY_PAYLOAD;
//! let request = acs3::Request {
//!     method: "POST",
//!     path: "/",
//!     query: &[("ProjectName", "testproject")],
//!     headers: &[
//!         ("host", "imm.cn-hangzhou.aliyuncs.com"),
//!         ("x-acs-action", "CreateProject"),
//!         ("x-acs-version", "2020-09-30"),
//!         ("x-acs-date", "2026-01-02T03:04:05Z"),
//!         ("x-acs-signature-nonce", "7f1c3b0a9d8e4f5566778899aabbccdd"),
//!         ("x-acs-content-sha256", payload),
//!         ("x-acs-credentials-provider", "static_ak"),
//!     ],
//!     payload_sha256: payload,
//! };
//! let header = request.authorization("LTAI5tVectorTestAk00001", "VectorTestSecret0000000000001");
//! assert!(header.ends_with("Signature=b2a73e04644075c4cba6860386dae0a1615940f666c3519dadc137854a44e21b"));
//! ```

use std::borrow::Cow;

use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256};

use super::canonical::{HexSha256, write_headers, write_joined};
use crate::encode::{in_lower_case, percent_encode_with, push_hex};

/// The algorithm's name, as it stands in the `Authorization` header and in the string to sign.
///
/// ```
/// assert_eq!(alibabacloud_credentials::sign::acs3::ALGORITHM, "ACS3-HMAC-SHA256");
/// ```
pub const ALGORITHM: &str = "ACS3-HMAC-SHA256";

/// The SHA-256 of an empty body, in hexadecimal.
///
/// ```
/// use alibabacloud_credentials::sign::acs3;
///
/// assert_eq!(acs3::payload_sha256(b""), acs3::EMPTY_PAYLOAD);
/// ```
pub const EMPTY_PAYLOAD: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

/// Returns the SHA-256 of `body` in lower-case hexadecimal: the value of `x-acs-content-sha256`.
///
/// ```
/// use alibabacloud_credentials::sign::acs3;
///
/// assert!(acs3::payload_sha256(b"hello").starts_with("2cf24dba5fb0a30e"));
/// ```
pub fn payload_sha256(body: &[u8]) -> String {
    let mut out = String::with_capacity(64);
    push_hex(&Sha256::digest(body), &mut out);
    out
}

/// Returns whether a header of this name (any case) has to be signed: `host`, `content-type` and every `x-acs-*`.
///
/// Other headers may be signed too: the server takes the list from the `Authorization` header.
///
/// ```
/// use alibabacloud_credentials::sign::acs3;
///
/// assert!(acs3::must_be_signed("X-Acs-Date"));
/// assert!(!acs3::must_be_signed("user-agent"));
/// ```
pub fn must_be_signed(name: &str) -> bool {
    name.eq_ignore_ascii_case("host")
        || name.eq_ignore_ascii_case("content-type")
        || name.get(..6).is_some_and(|prefix| prefix.eq_ignore_ascii_case("x-acs-"))
}

/// A request as it is signed. Only the path is encoded.
///
/// ```
/// use alibabacloud_credentials::sign::acs3;
///
/// let request = acs3::Request {
///     method: "GET",
///     path: "/",
///     query: &[("ProjectName", "a b")],
///     headers: &[("host", "imm.cn-hangzhou.aliyuncs.com")],
///     payload_sha256: acs3::EMPTY_PAYLOAD,
/// };
/// assert!(request.canonical_request().starts_with("GET\n/\nProjectName=a%20b\nhost:imm.cn-hangzhou.aliyuncs.com\n"));
/// ```
#[derive(Clone, Copy)]
pub struct Request<'a> {
    /// The method, in upper case.
    pub method: &'a str,
    /// The path as it is sent, each segment percent-encoded once. RPC products use `/`.
    pub path: &'a str,
    /// Query parameters, decoded, in any order.
    pub query: &'a [(&'a str, &'a str)],
    /// The headers to sign, in any order and case, all of them: see [`must_be_signed`].
    pub headers: &'a [(&'a str, &'a str)],
    /// See [`payload_sha256`]. It has to equal the header `x-acs-content-sha256`.
    pub payload_sha256: &'a str,
}

impl std::fmt::Debug for Request<'_> {
    /// Query values and headers are left out: they may hold a token.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Request").field("method", &self.method).field("path", &self.path).finish_non_exhaustive()
    }
}

impl Request<'_> {
    /// Returns the value of the `Authorization` header.
    pub fn authorization(&self, access_key_id: &str, access_key_secret: &str) -> String {
        self.authorization_over(&self.sorted_headers(), None, access_key_id, access_key_secret)
    }

    /// The same where the headers are in order already, their names in lower case and their values trimmed, and perhaps
    /// the [`canonical_query`] is there.
    pub(crate) fn authorization_of_sorted(
        &self,
        query: Option<&str>,
        access_key_id: &str,
        access_key_secret: &str,
    ) -> String {
        self.authorization_over(self.headers, query, access_key_id, access_key_secret)
    }

    fn authorization_over(
        &self,
        headers: &[(impl AsRef<str>, &str)],
        query: Option<&str>,
        access_key_id: &str,
        access_key_secret: &str,
    ) -> String {
        const BETWEEN: [&str; 3] = [" Credential=", ",SignedHeaders=", ",Signature="];
        let names: usize = headers.iter().map(|(name, _)| name.as_ref().len() + 1).sum();
        let fixed = ALGORITHM.len() + BETWEEN.map(str::len).into_iter().sum::<usize>() + HexSha256::LENGTH;
        // Of the length that it will have, if no header comes twice: an HTTP client takes it as it is.
        let mut out = String::with_capacity(fixed + access_key_id.len() + names.saturating_sub(1));
        out.push_str(ALGORITHM);
        out.push_str(BETWEEN[0]);
        out.push_str(access_key_id);
        out.push_str(BETWEEN[1]);
        let before = out.len();
        write_names(headers, &mut |part| out.push_str(part));
        let hash = HexSha256::of(|sink| self.write_canonical(headers, &out[before..], query, sink));
        out.push_str(BETWEEN[2]);

        // A key of any length is a valid HMAC key, so the error cannot happen; were it to, the empty signature is refused.
        if let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(access_key_secret.as_bytes()) {
            for part in [ALGORITHM, "\n", hash.as_str()] {
                mac.update(part.as_bytes());
            }
            out.push_str(HexSha256::from_bytes(mac.finalize().into_bytes().into()).as_str());
        }
        out
    }

    /// Returns the canonical request, which a server shows when a signature does not match.
    ///
    /// It holds the values of all signed headers, the security token included: treat it as a secret.
    pub fn canonical_request(&self) -> String {
        let mut out = String::new();
        self.write_whole(&mut |part| out.push_str(part));
        out
    }

    /// Returns the string to sign: the algorithm and the hash of [`canonical_request`](Self::canonical_request).
    pub fn string_to_sign(&self) -> String {
        let mut out = String::with_capacity(ALGORITHM.len() + 65);
        out.push_str(ALGORITHM);
        out.push('\n');
        out.push_str(HexSha256::of(|sink| self.write_whole(sink)).as_str());
        out
    }

    /// Sorted by lower-case name, then by value: several values under one name are joined in the order of their values.
    fn sorted_headers(&self) -> Vec<(Cow<'_, str>, &str)> {
        let mut headers: Vec<_> =
            self.headers.iter().map(|(name, value)| (in_lower_case(name), value.trim())).collect();
        headers.sort_unstable();
        headers
    }

    fn write_whole(&self, sink: &mut dyn FnMut(&str)) {
        let (headers, mut names) = (self.sorted_headers(), String::new());
        write_names(&headers, &mut |part| names.push_str(part));
        self.write_canonical(&headers, &names, None, sink);
    }

    fn write_canonical(
        &self,
        headers: &[(impl AsRef<str>, &str)],
        names: &str,
        query: Option<&str>,
        sink: &mut dyn FnMut(&str),
    ) {
        sink(self.method);
        sink("\n");
        sink(if self.path.is_empty() { "/" } else { self.path });
        sink("\n");
        match query {
            Some(canonical) => sink(canonical),
            None if self.query.is_sorted() => write_sorted_query(self.query, sink),
            None => sink(&canonical_query(self.query.to_vec())),
        }
        sink("\n");
        write_headers(headers, sink);
        for part in ["\n", names, "\n", self.payload_sha256] {
            sink(part);
        }
    }
}

/// Returns a query as it is signed: sorted and encoded.
pub(crate) fn canonical_query<T: AsRef<str> + Ord>(mut query: Vec<(T, T)>) -> String {
    query.sort_unstable();
    let length: usize = query.iter().map(|(name, value)| name.as_ref().len() + value.as_ref().len() + 2).sum();
    let mut out = String::with_capacity(length);
    write_sorted_query(&query, &mut |part| out.push_str(part));
    out
}

fn write_sorted_query<T: AsRef<str>>(query: &[(T, T)], sink: &mut dyn FnMut(&str)) {
    for (at, (name, value)) in query.iter().enumerate() {
        if at > 0 {
            sink("&");
        }
        percent_encode_with(name.as_ref(), sink);
        sink("=");
        percent_encode_with(value.as_ref(), sink);
    }
}

fn write_names(headers: &[(impl AsRef<str>, &str)], sink: &mut dyn FnMut(&str)) {
    let name = |at: usize| headers[at].0.as_ref();
    let names = (0..headers.len()).filter(|&at| at == 0 || name(at - 1) != name(at)).map(name);
    write_joined(names, ";", sink);
}
