//! The crate's own HTTP client: reqwest, told everything by the `Context` and nothing by the process.

mod clients;
mod connects;
mod proxy;
mod tls;

use std::error::Error as StdError;
use std::fmt;
use std::io::ErrorKind as Io;
use std::net::IpAddr;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Request, Response, Uri};
use tokio::runtime::{Handle, Id};

use self::clients::Clients;
use self::proxy::{Proxies, Proxy, ProxyVariables};
pub use self::tls::TlsLibrary;
use self::tls::{TlsSettings, TlsVariables};
use super::{Context, HttpError, HttpErrorKind, HttpSend, SendOptions};
use crate::provider::BoxFuture;

/// The longest that an idle connection is kept: shorter than any gateway of the cloud or of a private network keeps it.
const LONGEST_IDLE: Duration = Duration::from_secs(5);
/// The most idle connections that are kept to one host, on one runtime.
const MOST_IDLE: usize = 4;

const NO_RUNTIME: &str =
    "this call needs a tokio runtime with its I/O and time drivers (Builder::enable_all); credentials alone do not";

/// Sends by one client for each live runtime and way of connecting, since reqwest fixes the way when a client is built.
pub(crate) struct ReqwestSender {
    clients: Clients,
    tls: Option<TlsLibrary>,
}

/// What the environment says about connections.
#[derive(Clone, Default, PartialEq, Eq)]
struct Settings {
    proxies: Proxies,
    tls: TlsSettings,
}

/// All that a client is built for.
#[derive(Clone, PartialEq, Eq)]
struct Way {
    /// A child after `fork` must not share its parent's connections, and a connection is driven by the runtime that made
    /// it, which may be gone.
    process: u32,
    runtime: Id,
    tls: bool,
    proxy: Option<Proxy>,
    connect_timeout: Duration,
    /// How long an idle connection is kept.
    idle: Duration,
    pinned: Option<(String, IpAddr)>,
}

impl fmt::Debug for ReqwestSender {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ReqwestSender")
    }
}

impl ReqwestSender {
    /// A sender that reads its settings by [`learn`](Self::learn).
    pub(super) fn new(tls: Option<TlsLibrary>) -> Self {
        Self { clients: Clients::default(), tls }
    }

    /// Another sender with the same choice of a TLS library.
    #[cfg(feature = "openapi")]
    pub(super) fn another(&self) -> Self {
        Self::new(self.tls)
    }

    /// Takes over what the context's environment says now; clients built under other settings are dropped.
    ///
    /// A variable that cannot be read is an error of the requests that go by it, and of no other one.
    pub(super) fn learn(&self, context: &Context) {
        let variable = |names: &[&'static str]| {
            names.iter().find_map(|name| match context.env(name) {
                Ok(value) => value.map(|value| (*name, Ok(value))),
                Err(error) => Some((*name, Err(HttpError::new(HttpErrorKind::Setup, error.message())))),
            })
        };
        let settings = Settings {
            proxies: Proxies::read(ProxyVariables {
                // `HTTP_PROXY` in capitals is what a CGI client sends as a `Proxy:` header, so only the small one is read.
                http: variable(&["http_proxy", "ALL_PROXY", "all_proxy"]),
                https: variable(&["HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"]),
                none: variable(&["NO_PROXY", "no_proxy"]).map(|(_, value)| value),
            }),
            tls: TlsSettings::new(
                self.tls,
                TlsVariables { file: context.env_path("SSL_CERT_FILE"), directory: context.env_path("SSL_CERT_DIR") },
            ),
        };
        self.clients.set(settings);
    }

    fn way(&self, uri: &Uri, options: &SendOptions) -> Result<Way, HttpError> {
        let Ok(runtime) = Handle::try_current() else {
            return Err(HttpError::new(HttpErrorKind::Setup, NO_RUNTIME));
        };
        let host = uri.host().unwrap_or_default();
        let proxy = if options.proxy && !super::is_loopback(host) { self.clients.proxy(uri)? } else { None };
        Ok(Way {
            process: super::process_id(),
            runtime: runtime.id(),
            tls: uri.scheme_str() != Some("http"),
            proxy,
            connect_timeout: options.connect_timeout,
            idle: self.clients.idle(uri),
            pinned: options.address.map(|address| (host.to_owned(), address)),
        })
    }

    /// Sends one request within the bounds of `options`.
    pub(super) async fn exchange(
        &self,
        request: Request<Bytes>,
        options: SendOptions,
    ) -> Result<Response<Bytes>, HttpError> {
        let way = self.way(request.uri(), &options)?;
        let client = self.clients.client(&way)?;
        let uri = request.uri().clone();
        let failed = |error: reqwest::Error| classify(error, way.proxy.as_ref());
        let mut request = reqwest::Request::try_from(request).map_err(failed)?;
        *request.timeout_mut() = Some(options.timeout);
        // Each kept connection may turn out to be dead, and the one after them is new.
        let mut kept = MOST_IDLE;
        let mut answer = loop {
            let again = if kept > 0 { request.try_clone() } else { None };
            let (result, connected) = connects::watch(client.execute(request)).await;
            match (result, again) {
                (Ok(answer), _) => break answer,
                (Err(error), Some(again)) if !connected && is_lost_connection(&error) => {
                    tracing::debug!("a kept connection was dead: the request goes out on another one");
                    kept -= 1;
                    request = again;
                }
                (Err(error), _) => return Err(failed(error)),
            }
        };
        self.clients.note_idle(&uri, idle_of(answer.headers()));
        let too_large = || {
            let message = format!("the answer is larger than {} bytes", options.max_body);
            HttpError::new(HttpErrorKind::TooLarge, message)
        };
        if answer.content_length().is_some_and(|length| length > options.max_body as u64) {
            return Err(too_large());
        }
        let mut body = Vec::new();
        while let Some(chunk) = answer.chunk().await.map_err(failed)? {
            if body.len() + chunk.len() > options.max_body {
                return Err(too_large());
            }
            body.extend_from_slice(&chunk);
        }
        let mut out = Response::new(Bytes::from(body));
        *out.status_mut() = answer.status();
        *out.headers_mut() = std::mem::take(answer.headers_mut());
        Ok(out)
    }
}

impl HttpSend for ReqwestSender {
    fn send(&self, request: Request<Bytes>, options: SendOptions) -> BoxFuture<'_, Result<Response<Bytes>, HttpError>> {
        Box::pin(self.exchange(request, options))
    }
}

/// How long the server keeps an idle connection, less a second for what is on its way: `keep-alive: timeout=5`.
fn idle_of(headers: &HeaderMap) -> Duration {
    let options = headers.get("keep-alive").and_then(|value| value.to_str().ok()).unwrap_or_default();
    let timeout = options.split(',').find_map(|option| option.trim().strip_prefix("timeout=")?.trim().parse().ok());
    let kept = timeout.map(Duration::from_secs).map(|kept| kept.saturating_sub(Duration::from_secs(1)));
    kept.unwrap_or(LONGEST_IDLE).min(LONGEST_IDLE)
}

/// Whether a connection ended before the response had begun. A time-out, a failed connection and a response that is not
/// HTTP are something else.
fn is_lost_connection(error: &reqwest::Error) -> bool {
    if error.is_timeout() || error.is_connect() {
        return false;
    }
    let mut source = error.source();
    while let Some(cause) = source {
        if let Some(http) = cause.downcast_ref::<hyper::Error>()
            && (http.is_incomplete_message() || http.is_canceled() || http.is_closed())
        {
            return true;
        }
        let lost =
            |kind| matches!(kind, Io::ConnectionReset | Io::ConnectionAborted | Io::BrokenPipe | Io::UnexpectedEof);
        if cause.downcast_ref::<std::io::Error>().is_some_and(|io| lost(io.kind())) {
            return true;
        }
        source = cause.source();
    }
    false
}

/// What went wrong, from reqwest's error and what lies beneath it, without the URL. Where a proxy is in between, it is named.
fn classify(error: reqwest::Error, proxy: Option<&Proxy>) -> HttpError {
    let error = error.without_url();
    let mut innermost: &dyn StdError = &error;
    let (mut tls, mut tunnel) = (false, false);
    while let Some(source) = innermost.source() {
        tls |= tls::is_tls(source);
        innermost = source;
        let text = innermost.to_string();
        // These begin behind the connection to the proxy itself.
        let began = text.starts_with("tunnel error") || text.starts_with("SOCKS error");
        tunnel |= began && !text.contains("underlying connection");
    }
    let text = crate::redact::tame(&innermost.to_string(), &[]);
    tls |= innermost.to_string().contains("certificate");
    let timeout = error.is_timeout();
    if let Some(proxy) = proxy.filter(|_| error.is_connect() && !tls) {
        let why = match (timeout, text.strip_prefix("tunnel error: ")) {
            (true, _) => "did not connect in time".to_owned(),
            (_, Some("unsuccessful")) => "refused to connect to it".to_owned(),
            (_, Some("proxy authorization required")) => "asks for a user name and a password".to_owned(),
            _ if tunnel => format!("failed to connect to it: {text}"),
            _ => format!("could not be connected to: {text}"),
        };
        return HttpError::new(HttpErrorKind::Proxy, format!("{proxy} {why}"));
    }
    let (kind, text) = match (timeout, tls, error.is_connect()) {
        (true, _, true) => (HttpErrorKind::ConnectTimeout, "the connection was not made in time".to_owned()),
        (true, _, false) => (HttpErrorKind::Timeout, "no complete answer in time".to_owned()),
        (_, true, _) => (HttpErrorKind::Tls, text),
        (_, false, true) => (HttpErrorKind::Connect, text),
        (_, false, false) => (HttpErrorKind::Other, text),
    };
    HttpError::new(kind, proxy.map_or(text.clone(), |proxy| format!("{text} (by way of {proxy})")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::context::fork::in_child;

    #[tokio::test]
    async fn a_child_takes_a_client_of_its_own() {
        let (sender, uri) = (ReqwestSender::new(None), Uri::from_static("http://127.0.0.1/"));
        let way = || sender.way(&uri, &SendOptions::default()).unwrap();
        assert!(way() == way() && way() != in_child(way), "connections of the parent are not shared");
    }

    #[test]
    fn a_connection_is_given_up_before_the_server_does() {
        for (value, seconds) in [
            (None, 5),
            (Some("timeout=25"), 5),
            (Some("timeout=5, max=100"), 4),
            (Some("max=5, timeout=2"), 1),
            (Some("timeout=1"), 0),
            (Some("timeout=0"), 0),
            (Some("timeout=soon"), 5),
        ] {
            let headers: HeaderMap =
                value.map(|value| ("keep-alive".parse().unwrap(), value.parse().unwrap())).into_iter().collect();
            assert_eq!(idle_of(&headers), Duration::from_secs(seconds), "{value:?}");
        }
    }
}
