//! Signature V4 of Object Storage, `OSS4-HMAC-SHA256`: in a header, or in the URL itself ([`Request::presigned_url`]).
//!
//! No other product accepts it, and OSS does not accept ACS3. Six parts joined by line feeds, hashed; a key that is derived from
//! the secret, the day and the region signs the hash. `content-type`, `content-md5` and every `x-oss-*` header are always
//! signed, others when they are listed.
//!
//! ```
//! use alibabacloud_credentials::sign::oss4;
//!
//! let request = oss4::Request {
//!     method: "PUT",
//!     bucket: "bucket",
//!     key: "1234+-/123/1.txt",
//!     region: "cn-hangzhou",
//!     query: &[("acl", "")],
//!     headers: &[
//!         ("x-oss-date", "20231216T172512Z"),
//!         ("x-oss-content-sha256", oss4::UNSIGNED_PAYLOAD),
//!         ("cache-control", "no-cache"),
//!     ],
//!     additional_headers: &["Cache-Control"],
//! };
//! let header = request.authorization("ak", "sk");
//! assert!(header.starts_with(
//!     "OSS4-HMAC-SHA256 Credential=ak/20231216/cn-hangzhou/oss/aliyun_v4_request,AdditionalHeaders=cache-control,Signature="
//! ));
//! ```
//!
//! A temporary credential adds the header `x-oss-security-token`.

mod host;
mod presigned;

use std::time::SystemTime;

use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

pub(crate) use self::host::{OssHost, check_signing_region};
pub use self::presigned::PresignedUrl;
use crate::encode::{percent_encode, percent_encode_with, push_hex};

/// The algorithm's name, as it stands in the `Authorization` header, in URLs and in the string to sign.
///
/// ```
/// assert_eq!(alibabacloud_credentials::sign::oss4::ALGORITHM, "OSS4-HMAC-SHA256");
/// ```
pub const ALGORITHM: &str = "OSS4-HMAC-SHA256";

/// The value of the header `x-oss-content-sha256`. OSS signatures do not cover the body; TLS protects it.
///
/// ```
/// use alibabacloud_credentials::sign::oss4;
///
/// let header = ("x-oss-content-sha256", oss4::UNSIGNED_PAYLOAD);
/// assert_eq!(header.1, "UNSIGNED-PAYLOAD");
/// ```
pub const UNSIGNED_PAYLOAD: &str = "UNSIGNED-PAYLOAD";

/// The header that says when a request was signed.
const DATE: &str = "x-oss-date";
const CONTENT_SHA256: &str = "x-oss-content-sha256";

/// Returns the value of the header `x-oss-date`: `20231216T172512Z`. A time outside the years 0 to 9999 gives the first or
/// the last second of them.
///
/// ```
/// use std::time::{Duration, SystemTime};
/// let at = SystemTime::UNIX_EPOCH + Duration::from_secs(1_702_747_512);
/// assert_eq!(alibabacloud_credentials::sign::oss4::date(at), "20231216T172512Z");
/// ```
pub fn date(at: SystemTime) -> String {
    crate::time::to_iso(at).replace(['-', ':'], "")
}

/// Returns whether a header of this name (any case) is signed without being listed: `content-type`, `content-md5`, `x-oss-*`.
///
/// ```
/// use alibabacloud_credentials::sign::oss4;
///
/// assert!(oss4::is_always_signed("Content-Type"));
/// assert!(!oss4::is_always_signed("cache-control")); // list it in `additional_headers` to sign it
/// ```
pub fn is_always_signed(name: &str) -> bool {
    name.eq_ignore_ascii_case("content-type")
        || name.eq_ignore_ascii_case("content-md5")
        || name.get(..6).is_some_and(|prefix| prefix.eq_ignore_ascii_case("x-oss-"))
}

/// A request as it is signed. Nothing in it is encoded.
///
/// ```
/// use alibabacloud_credentials::sign::oss4;
///
/// let request = oss4::Request {
///     method: "GET",
///     bucket: "media",
///     key: "films/a b.mp4",
///     region: "cn-hangzhou",
///     headers: &[("x-oss-date", "20231216T172512Z"), ("x-oss-content-sha256", oss4::UNSIGNED_PAYLOAD)],
///     ..oss4::Request::default()
/// };
/// assert!(request.canonical_request().starts_with("GET\n/media/films/a%20b.mp4\n"));
/// ```
#[derive(Clone, Copy, Default)]
pub struct Request<'a> {
    /// The method, in upper case.
    pub method: &'a str,
    /// The bucket, whether or not the host names it. Empty for calls to the service itself.
    pub bucket: &'a str,
    /// The object's key, without a leading slash. Empty for calls to the bucket.
    pub key: &'a str,
    /// The region that the bucket is in, as `cn-hangzhou`; not the endpoint's `oss-cn-hangzhou`.
    pub region: &'a str,
    /// Query parameters, in any order. One with an empty value is signed as its bare name.
    pub query: &'a [(&'a str, &'a str)],
    /// The headers, in any order and case; those that are not signed are ignored. For
    /// [`authorization`](Self::authorization) they hold `x-oss-date` (see [`date`]) and `x-oss-content-sha256`.
    pub headers: &'a [(&'a str, &'a str)],
    /// Names of `headers` to sign too, in any order and case: `host`, for one. Names of headers that are
    /// not there, or always signed, are ignored.
    pub additional_headers: &'a [&'a str],
}

impl std::fmt::Debug for Request<'_> {
    /// Query values and headers are left out: they may hold a token.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Request")
            .field("method", &self.method)
            .field("bucket", &self.bucket)
            .field("key", &self.key)
            .field("region", &self.region)
            .finish_non_exhaustive()
    }
}

impl Request<'_> {
    /// Returns the value of the `Authorization` header.
    ///
    /// OSS refuses a request without the header `x-oss-date`.
    pub fn authorization(&self, access_key_id: &str, access_key_secret: &str) -> String {
        let additional = self.additional();
        let date = self.header(DATE).unwrap_or_default();
        let mut out = format!("{ALGORITHM} Credential={access_key_id}/{}", self.scope(date));
        if !additional.is_empty() {
            out.push_str(",AdditionalHeaders=");
            out.push_str(&additional.join(";"));
        }
        out.push_str(",Signature=");
        out.push_str(&self.signature(&self.query_of(&[]), date, access_key_secret));
        out
    }

    /// Returns the canonical request, which a server shows when a signature does not match.
    ///
    /// It holds the values of all signed headers, the security token included: treat it as a secret.
    pub fn canonical_request(&self) -> String {
        let mut out = String::new();
        self.write_canonical(&self.query_of(&[]), &mut |part| out.push_str(part));
        out
    }

    /// Returns the string to sign: the algorithm, the date, the scope, and the hash of [`canonical_request`](Self::canonical_request).
    pub fn string_to_sign(&self) -> String {
        self.signed_text(&self.query_of(&[]), self.header(DATE).unwrap_or_default())
    }

    /// The path below the host, encoded.
    fn write_key(&self, sink: &mut dyn FnMut(&str)) {
        for (at, segment) in self.key.split('/').enumerate() {
            if at > 0 {
                sink("/");
            }
            percent_encode_with(segment, sink);
        }
    }

    /// The query, encoded, with `more` parameters in it. Its names are sorted as they are encoded.
    fn query_of(&self, more: &[(&str, &str)]) -> String {
        let encoded = |text: &str| {
            let mut out = String::with_capacity(text.len());
            percent_encode(text, &mut out);
            out
        };
        // Nothing at all, between two `&`, is no parameter.
        let all = self.query.iter().chain(more).filter(|(name, value)| !(name.is_empty() && value.is_empty()));
        let mut pairs: Vec<_> = all.map(|(name, value)| (encoded(name), Zeroizing::new(encoded(value)))).collect();
        pairs.sort_unstable_by(|a, b| (a.0.as_str(), a.1.as_str()).cmp(&(b.0.as_str(), b.1.as_str())));
        let length = pairs.iter().map(|(name, value)| name.len() + value.len() + 2).sum();
        let mut out = String::with_capacity(length);
        for (name, value) in &pairs {
            if !out.is_empty() {
                out.push('&');
            }
            out.push_str(name);
            if !value.is_empty() {
                out.push('=');
                out.push_str(value);
            }
        }
        out
    }

    /// The value of a header, the first one where there are several.
    fn header(&self, wanted: &str) -> Option<&str> {
        let found = self.headers.iter().find(|(name, _)| name.eq_ignore_ascii_case(wanted));
        found.map(|(_, value)| value.trim())
    }

    /// The headers that are signed because they are listed: lower case, sorted, each once.
    fn additional(&self) -> Vec<String> {
        let listed = self.additional_headers.iter().filter(|name| !is_always_signed(name));
        let present = listed.filter(|name| self.header(name).is_some());
        let mut names: Vec<String> = present.map(|name| name.to_ascii_lowercase()).collect();
        names.sort_unstable();
        names.dedup();
        names
    }

    fn write_canonical(&self, query: &str, sink: &mut dyn FnMut(&str)) {
        let additional = self.additional();
        sink(self.method);
        sink("\n/");
        if !self.bucket.is_empty() {
            percent_encode_with(self.bucket, sink);
            sink("/");
        }
        self.write_key(sink);
        sink("\n");
        sink(query);
        let lower = self.headers.iter().map(|(name, value)| (name.to_ascii_lowercase(), value.trim()));
        let mut headers: Vec<_> =
            lower.filter(|(name, _)| is_always_signed(name) || additional.contains(name)).collect();
        // Stable: several values under one name are joined in the order in which they are sent.
        headers.sort_by(|a, b| a.0.cmp(&b.0));
        let mut previous = None;
        for (name, value) in &headers {
            if previous == Some(name) {
                sink(",");
            } else {
                sink("\n");
                sink(name);
                sink(":");
            }
            sink(value);
            previous = Some(name);
        }
        sink("\n\n");
        sink(&additional.join(";"));
        sink("\n");
        sink(self.header(CONTENT_SHA256).filter(|hash| !hash.is_empty()).unwrap_or(UNSIGNED_PAYLOAD));
    }

    fn scope(&self, date: &str) -> String {
        format!("{}/{}/oss/aliyun_v4_request", day(date), self.region)
    }

    fn signed_text(&self, query: &str, date: &str) -> String {
        let mut canonical = Sha256::new();
        self.write_canonical(query, &mut |part| canonical.update(part.as_bytes()));
        let mut out = format!("{ALGORITHM}\n{date}\n{}\n", self.scope(date));
        push_hex(&canonical.finalize(), &mut out);
        out
    }

    fn signature(&self, query: &str, date: &str, secret: &str) -> String {
        let mut key = Zeroizing::new(String::with_capacity(secret.len() + 9));
        key.push_str("aliyun_v4");
        key.push_str(secret);
        let to_sign = self.signed_text(query, date);
        let parts = [day(date), self.region, "oss", "aliyun_v4_request", &to_sign];
        let first = Zeroizing::new(key.as_bytes().to_vec());
        // A key of any length is a valid HMAC key, so no signature is ever empty; were it to be, it is refused.
        let last = parts.into_iter().try_fold(first, |key, part| {
            let mut mac = Hmac::<Sha256>::new_from_slice(&key).ok()?;
            mac.update(part.as_bytes());
            Some(Zeroizing::new(mac.finalize().into_bytes().to_vec()))
        });
        let mut out = String::with_capacity(64);
        push_hex(&last.unwrap_or_default(), &mut out);
        out
    }
}

/// The day of a date.
fn day(date: &str) -> &str {
    date.get(..8).unwrap_or(date)
}
