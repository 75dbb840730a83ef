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

use std::borrow::Cow;
use std::time::SystemTime;

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use zeroize::Zeroizing;

pub(crate) use self::host::check_signing_region;
pub use self::presigned::PresignedUrl;
use super::canonical::{HexSha256, write_headers, write_joined};
use crate::encode::{in_lower_case, percent_encode, percent_encode_with};

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
    crate::time::to_compact_iso(at)
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
        let names: usize = additional.iter().map(|name| name.len() + 1).sum();
        let date = self.header(DATE).unwrap_or_default();
        let mut out = String::with_capacity(access_key_id.len() + self.region.len() + names + 160);
        for part in [ALGORITHM, " Credential=", access_key_id, "/"] {
            out.push_str(part);
        }
        self.write_scope(date, &mut |part| out.push_str(part));
        if !additional.is_empty() {
            out.push_str(",AdditionalHeaders=");
            write_joined(additional.iter().map(|name| &**name), ";", &mut |part| out.push_str(part));
        }
        out.push_str(",Signature=");
        self.push_signature(&self.query_of(&[]), date, access_key_secret, &mut out);
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
        let mut out = String::new();
        let date = self.header(DATE).unwrap_or_default();
        self.write_string_to_sign(&self.query_of(&[]), date, &mut |part| out.push_str(part));
        out
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
    fn additional(&self) -> Vec<Cow<'_, str>> {
        let listed = self.additional_headers.iter().filter(|name| !is_always_signed(name));
        let present = listed.filter(|name| self.header(name).is_some());
        let mut names: Vec<_> = present.map(|name| in_lower_case(name)).collect();
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
        let lower = self.headers.iter().map(|(name, value)| (in_lower_case(name), value.trim()));
        let mut headers: Vec<_> =
            lower.filter(|(name, _)| is_always_signed(name) || additional.contains(name)).collect();
        // Stable: several values under one name are joined in the order in which they are sent.
        headers.sort_by(|a, b| a.0.cmp(&b.0));
        sink("\n");
        write_headers(&headers, sink);
        sink("\n");
        write_joined(additional.iter().map(|name| &**name), ";", sink);
        sink("\n");
        sink(self.header(CONTENT_SHA256).filter(|hash| !hash.is_empty()).unwrap_or(UNSIGNED_PAYLOAD));
    }

    /// The scope that the signing key is derived for, which also stands in the request.
    fn scope<'a>(&'a self, date: &'a str) -> [&'a str; 4] {
        [date.get(..8).unwrap_or(date), self.region, "oss", "aliyun_v4_request"]
    }

    fn write_scope(&self, date: &str, sink: &mut dyn FnMut(&str)) {
        write_joined(self.scope(date), "/", sink);
    }

    fn write_string_to_sign(&self, query: &str, date: &str, sink: &mut dyn FnMut(&str)) {
        for part in [ALGORITHM, "\n", date, "\n"] {
            sink(part);
        }
        self.write_scope(date, sink);
        sink("\n");
        sink(HexSha256::of(|sink| self.write_canonical(query, sink)).as_str());
    }

    fn push_signature(&self, query: &str, date: &str, secret: &str, out: &mut String) {
        let mut first = Zeroizing::new(String::with_capacity(secret.len() + 9));
        first.push_str("aliyun_v4");
        first.push_str(secret);
        let keyed = |key: &[u8]| Hmac::<Sha256>::new_from_slice(key).ok();
        let derived = self.scope(date).into_iter().try_fold(keyed(first.as_bytes()), |mac, part| {
            let mut mac = mac?;
            mac.update(part.as_bytes());
            let key: Zeroizing<[u8; 32]> = Zeroizing::new(mac.finalize().into_bytes().into());
            Some(keyed(&*key))
        });
        // A key of any length is a valid HMAC key, so no signature is ever empty; were it to be, it is refused.
        if let Some(mut mac) = derived.flatten() {
            self.write_string_to_sign(query, date, &mut |part| mac.update(part.as_bytes()));
            out.push_str(HexSha256::from_bytes(mac.finalize().into_bytes().into()).as_str());
        }
    }
}
