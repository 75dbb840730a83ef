//! The one seam to the network.

use std::fmt;
use std::net::IpAddr;
use std::time::Duration;

use bytes::Bytes;

use crate::provider::BoxFuture;

/// Sends one HTTP request. Replace it to use an HTTP client of your own, or to script answers in tests.
///
/// The crate enforces [`SendOptions::timeout`] and [`SendOptions::max_body`] itself, whoever implements this.
/// An implementation follows no redirects and retries nothing.
pub trait HttpSend: Send + Sync + 'static {
    /// Sends `request` and reads the answer to its end.
    fn send(
        &self,
        request: http::Request<Bytes>,
        options: SendOptions,
    ) -> BoxFuture<'_, Result<http::Response<Bytes>, HttpError>>;
}

/// The bounds of one request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct SendOptions {
    /// For the connection, TLS included. Default 5 s.
    pub connect_timeout: Duration,
    /// For everything, to the last byte of the answer. Default 10 s.
    pub timeout: Duration,
    /// The largest answer in bytes. Default 64 KiB.
    pub max_body: usize,
    /// Whether the proxies that the environment names may be used. Default `true`.
    pub proxy: bool,
    /// The address to connect to, where the name was resolved already.
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

/// Why there is no HTTP answer. It never holds the URL, which may hold what is not to be shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HttpError {
    kind: HttpErrorKind,
    message: String,
}

/// What kind of failure an [`HttpError`] is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum HttpErrorKind {
    /// The connection could not be made: nothing was sent.
    Connect,
    /// The connection was not made in time: nothing was sent.
    ConnectTimeout,
    /// The proxy could not be connected to, or refused to connect to the server: nothing was sent to that.
    Proxy,
    /// The HTTP client cannot be used as things are: no client, no runtime, a variable that holds no proxy. A repetition
    /// changes nothing.
    Setup,
    /// It took too long, with the connection made.
    Timeout,
    /// TLS failed: a certificate, a name, a protocol version, no trusted roots.
    Tls,
    /// The answer is larger than [`SendOptions::max_body`].
    TooLarge,
    /// Anything else: the connection broke, or the answer is not HTTP.
    Other,
}

impl HttpErrorKind {
    /// Whether nothing was sent: a repetition, also elsewhere, cannot do twice what was asked once.
    pub(crate) fn is_unconnected(self) -> bool {
        matches!(self, Self::Connect | Self::ConnectTimeout | Self::Proxy)
    }
}

impl HttpError {
    /// An error with a message that holds no URL and no secret.
    pub fn new(kind: HttpErrorKind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into() }
    }

    /// The kind of failure.
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
