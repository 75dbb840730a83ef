//! A URL that carries its own signature: its holder may make that one request until it ends.

use std::fmt;
use std::time::{Duration, SystemTime};

use zeroize::Zeroizing;

use super::host::{OssHost, check_signing_region, is_address};
use super::{ALGORITHM, Request, date};
use crate::credentials::Credentials;
use crate::encode::percent_encode_with;
use crate::endpoint::Endpoint;
use crate::error::{Error, ErrorKind};
use crate::time;

/// The longest that OSS lets a URL of version 4 live.
const LONGEST: Duration = Duration::from_secs(7 * 24 * 60 * 60);

/// The query parameters that the signature sets.
const OURS: [&str; 7] = [
    "x-oss-additional-headers",
    "x-oss-credential",
    "x-oss-date",
    "x-oss-expires",
    "x-oss-security-token",
    "x-oss-signature",
    "x-oss-signature-version",
];

/// A presigned URL. It is a secret, since its holder needs nothing else. `Debug` shows only the host, there is no `Display`,
/// and it is zeroized when it is dropped.
///
/// ```
/// # use std::time::{Duration, SystemTime};
/// use alibabacloud_credentials::{Credentials, sign::oss4};
///
/// let request = oss4::Request {
///     method: "GET",
///     bucket: "media",
///     key: "a.mp4",
///     region: "cn-hangzhou",
///     query: &[],
///     headers: &[],
///     additional_headers: &[],
/// };
/// let at = SystemTime::UNIX_EPOCH + Duration::from_secs(1_702_781_677);
/// let key = Credentials::new("ak", "sk");
/// let url = request.presigned_url("media.oss-cn-hangzhou.aliyuncs.com", at, Duration::from_secs(600), &key)?;
/// assert!(url.as_str().contains("x-oss-expires=600"));
/// assert!(!format!("{url:?}").contains("x-oss-signature"));
/// # Ok::<(), alibabacloud_credentials::Error>(())
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct PresignedUrl {
    url: Zeroizing<String>,
    host: String,
}

impl PresignedUrl {
    /// Returns the URL. Do not log it.
    pub fn as_str(&self) -> &str {
        &self.url
    }
}

impl fmt::Debug for PresignedUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PresignedUrl").field("host", &self.host).finish_non_exhaustive()
    }
}

impl Request<'_> {
    /// Returns the URL that makes this request, signed at `at`, for `lifetime` in whole seconds (a fraction is dropped).
    ///
    /// `host` is where the object is found: `<bucket>.oss-cn-hangzhou.aliyuncs.com`, or a domain that is bound to the
    /// bucket; HTTPS (`http://` for loopback). Where the host stands for no bucket (an endpoint of OSS, `localhost` or an
    /// address, as of an emulator), the bucket is in the path. Whoever uses the URL has to send the signed ones of `headers` as they stand here.
    ///
    /// It works no longer than `credentials` do, which for a session is an hour or less by default. To have a session
    /// renewed for it, see [`Refresher::presigned_oss_url`](crate::Refresher::presigned_oss_url).
    ///
    /// # Errors
    ///
    /// [`ErrorKind::InvalidInput`] for a lifetime below a second or above 7 days, a host or region that is none, a host of OSS
    /// in another region, a query
    /// parameter that the signature sets itself, or a time beyond the year 9999. [`ErrorKind::TooShort`] when
    /// `credentials` end before the URL would.
    ///
    /// ```
    /// # use std::time::{Duration, SystemTime};
    /// use alibabacloud_credentials::{Credentials, sign::oss4};
    ///
    /// let request = oss4::Request {
    ///     method: "GET",
    ///     bucket: "media",
    ///     key: "films/a b.mp4",
    ///     region: "cn-hangzhou",
    ///     ..oss4::Request::default()
    /// };
    /// let key = Credentials::new("ak", "sk");
    /// # let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_702_781_677);
    /// let url = request.presigned_url("media.oss-cn-hangzhou.aliyuncs.com", now, Duration::from_secs(600), &key)?;
    /// assert!(url.as_str().starts_with("https://media.oss-cn-hangzhou.aliyuncs.com/films/a%20b.mp4?x-oss-credential=ak%2F"));
    /// # Ok::<(), alibabacloud_credentials::Error>(())
    /// ```
    pub fn presigned_url(
        &self,
        host: &str,
        at: SystemTime,
        lifetime: Duration,
        credentials: &Credentials,
    ) -> Result<PresignedUrl, Error> {
        let endpoint = self.check_presigned(host, lifetime)?;
        if !time::has_iso(at) {
            let message = "a URL is signed at a time of the years 0 to 9999, which is all that its date can say";
            return Err(Error::invalid_input(message).with_code("InvalidTime"));
        }
        if let Some(end) = credentials.expiration() {
            let remaining = end.duration_since(at).unwrap_or_default();
            if remaining < lifetime {
                let message = format!(
                    "the credential lasts {} s more, and the URL was to last {} s",
                    remaining.as_secs(),
                    lifetime.as_secs()
                );
                return Err(Error::new(ErrorKind::TooShort, message)
                    .with_code("TooShort")
                    .with_available_lifetime(remaining));
            }
        }
        Ok(self.presign(&endpoint, at, lifetime, credentials))
    }

    /// Checks what can be checked without a credential.
    pub(crate) fn check_presigned(&self, host: &str, lifetime: Duration) -> Result<Endpoint, Error> {
        if !(Duration::from_secs(1)..=LONGEST).contains(&lifetime) {
            let message = "a presigned URL lasts at least 1 s, and at most 7 days";
            return Err(Error::invalid_input(message).with_code("InvalidLifetime"));
        }
        let taken = |name: &&str| OURS.iter().any(|ours| name.eq_ignore_ascii_case(ours));
        if let Some(name) = self.query.iter().map(|(name, _)| *name).find(taken) {
            let message = format!("the signature sets the query parameter {} itself", name.to_ascii_lowercase());
            return Err(Error::invalid_input(message).with_code("ReservedParameter"));
        }
        let endpoint = Endpoint::parse(host, false)?;
        check_signing_region(self.region, endpoint.authority())?;
        Ok(endpoint)
    }

    /// The URL, whatever the credential's end.
    pub(crate) fn presign(
        &self,
        endpoint: &Endpoint,
        at: SystemTime,
        lifetime: Duration,
        credentials: &Credentials,
    ) -> PresignedUrl {
        let date = date(at);
        let credential = format!("{}/{}", credentials.access_key_id(), self.scope(&date).join("/"));
        let seconds = lifetime.as_secs().to_string();
        let additional = self.additional().join(";");
        let mut more = vec![
            ("x-oss-signature-version", ALGORITHM),
            ("x-oss-credential", credential.as_str()),
            ("x-oss-date", date.as_str()),
            ("x-oss-expires", seconds.as_str()),
        ];
        if !additional.is_empty() {
            more.push(("x-oss-additional-headers", additional.as_str()));
        }
        more.extend(credentials.security_token().map(|token| ("x-oss-security-token", token)));
        let query = Zeroizing::new(self.query_of(&more));

        let host = endpoint.authority();
        // A byte of the key takes up to three; what is large enough is never moved, so no copy stays behind.
        let length = host.len() + 3 * (self.bucket.len() + self.key.len()) + query.len() + 96;
        let mut url = Zeroizing::new(String::with_capacity(length));
        for part in [endpoint.scheme(), "://", host, "/"] {
            url.push_str(part);
        }
        let is_in_path = match OssHost::read(host) {
            Some(host) => host.bucket.is_none(),
            None => is_address(host),
        };
        if is_in_path && !self.bucket.is_empty() {
            percent_encode_with(self.bucket, &mut |part| url.push_str(part));
            url.push('/');
        }
        self.write_key(&mut |part| url.push_str(part));
        for part in ["?", &query, "&x-oss-signature="] {
            url.push_str(part);
        }
        self.push_signature(&query, &date, credentials.access_key_secret(), &mut url);
        PresignedUrl { url, host: host.to_owned() }
    }
}
