//! The one seam to the network.

use std::fmt;
use std::net::IpAddr;
use std::time::Duration;

use bytes::Bytes;

use crate::provider::BoxFuture;

/// Sends one HTTP request. Replace it to use an HTTP client of your own, or to script responses in tests.
///
/// The crate enforces [`SendOptions::timeout`] and [`SendOptions::max_body`] itself, for every implementation.
/// An implementation follows no redirects and retries nothing.
///
/// ```
/// use alibabacloud_credentials::{BoxFuture, Context, HttpError, HttpErrorKind, HttpSend, SendOptions};
/// use bytes::Bytes;
///
/// /// A network without a way out.
/// struct Offline;
///
/// impl HttpSend for Offline {
///     fn send(
///         &self,
///         _request: http::Request<Bytes>,
///         _options: SendOptions,
///     ) -> BoxFuture<'_, Result<http::Response<Bytes>, HttpError>> {
///         Box::pin(async { Err(HttpError::new(HttpErrorKind::Connect, "the network is unreachable")) })
///     }
/// }
///
/// let context = Context::builder().http(Offline).build();
/// ```
pub trait HttpSend: Send + Sync + 'static {
    /// Sends `request` and reads the response to its end.
    fn send(
        &self,
        request: http::Request<Bytes>,
        options: SendOptions,
    ) -> BoxFuture<'_, Result<http::Response<Bytes>, HttpError>>;
}

/// The limits of one request.
///
/// ```
/// use std::time::Duration;
/// use alibabacloud_credentials::SendOptions;
///
/// let options = SendOptions::default();
/// assert_eq!(options.timeout, Duration::from_secs(10));
/// assert_eq!(options.max_body, 64 * 1024);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct SendOptions {
    /// The limit for the connection, TLS included. Default 5 s.
    pub connect_timeout: Duration,
    /// The limit for everything, to the last byte of the response. Default 10 s.
    pub timeout: Duration,
    /// The largest body of a response in bytes. Default 64 KiB.
    pub max_body: usize,
    /// `true` if the proxies that the environment names may be used. Default `true`.
    pub proxy: bool,
    /// The address to connect to, if the name was resolved already.
    pub address: Option<IpAddr>,
}

impl Default for SendOptions {
    fn default() -> Self {
        Self {
            connect_timeout: Duration::from_secs(5),
            timeout: Duration::from_secs(10),
            max_body: 64 * 1024,
            proxy: true,
            address: None,
        }
    }
}

/// The reason why there is no HTTP response. It holds no URL, since a URL may contain secrets.
///
/// ```
/// use alibabacloud_credentials::{HttpError, HttpErrorKind};
///
/// let error = HttpError::new(HttpErrorKind::Timeout, "no complete response within 10 s");
/// assert_eq!(error.kind(), HttpErrorKind::Timeout);
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HttpError {
    kind: HttpErrorKind,
    message: String,
}

/// The kind of an [`HttpError`]. It decides whether a request may be sent again.
///
/// ```
/// use alibabacloud_credentials::HttpErrorKind;
///
/// fn kind_of(error: &std::io::Error) -> HttpErrorKind {
///     match error.kind() {
///         std::io::ErrorKind::ConnectionRefused => HttpErrorKind::Connect,
///         std::io::ErrorKind::TimedOut => HttpErrorKind::Timeout,
///         _ => HttpErrorKind::Other,
///     }
/// }
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum HttpErrorKind {
    /// The connection could not be made: nothing was sent.
    Connect,
    /// The connection was not made in time: nothing was sent.
    ConnectTimeout,
    /// The proxy could not be connected to, or refused to connect to the server: nothing was sent to that.
    Proxy,
    /// The HTTP client cannot be used as things are: no client, no runtime, a variable that holds no proxy, no trusted
    /// roots. A repetition changes nothing.
    Setup,
    /// The connection was made, and the rest took too long.
    Timeout,
    /// TLS failed: a certificate, a name, a protocol version.
    Tls,
    /// The response is larger than [`SendOptions::max_body`].
    TooLarge,
    /// Anything else: the connection broke, or the response is not HTTP.
    Other,
}

impl HttpErrorKind {
    /// Returns whether nothing was sent, so that a repetition, also to another host, cannot have an effect twice.
    pub(crate) fn is_unconnected(self) -> bool {
        matches!(self, Self::Connect | Self::ConnectTimeout | Self::Proxy)
    }
}

impl HttpError {
    /// Creates an error. The message must hold no URL and no secret.
    pub fn new(kind: HttpErrorKind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into() }
    }

    /// Returns the kind of failure.
    pub fn kind(&self) -> HttpErrorKind {
        self.kind
    }
}

impl fmt::Display for HttpError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for HttpError {}

/// Stands in for the HTTP client where there is none: says so.
#[cfg(any(test, not(feature = "_client")))]
pub(super) struct NoHttp;

#[cfg(any(test, not(feature = "_client")))]
impl HttpSend for NoHttp {
    fn send(
        &self,
        _request: http::Request<Bytes>,
        _options: SendOptions,
    ) -> BoxFuture<'_, Result<http::Response<Bytes>, HttpError>> {
        let message = "no HTTP client: enable the feature `reqwest`, or give one by Context::builder().http(…)";
        Box::pin(std::future::ready(Err(HttpError::new(HttpErrorKind::Setup, message))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{AssumeRole, AssumeRoleProvider, Context, Credentials, ErrorKind, Refresher};

    #[tokio::test]
    async fn a_build_without_a_client_says_so_and_that_it_does_not_pass() {
        let context = Context::builder().env([("X", "y")]).http(NoHttp).build();
        let key = Credentials::new("LTAI5tExampleKeyId01", "fake-secret");
        let role = AssumeRole::new("acs:ram::100:role/media");
        let session = Refresher::new(AssumeRoleProvider::new(key, role).context(context));
        let error = session.credentials().await.unwrap_err();
        assert_eq!((error.kind(), error.code()), (ErrorKind::Failed, Some("HttpClientSetup")), "{error}");
        assert!(error.message().contains("Context::builder().http") && !error.is_transient(), "{error}");
    }
}
