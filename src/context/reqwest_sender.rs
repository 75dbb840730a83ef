//! The crate's own HTTP client: reqwest, told everything by the `Context` and nothing by the process.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response, Uri};
use reqwest::Client;
use tokio::runtime::{Handle, Id};

use super::{Context, HttpError, HttpErrorKind, HttpSend, SendOptions};
use crate::provider::BoxFuture;

/// One client for each way of connecting, since reqwest fixes these when a client is built.
#[derive(Default)]
pub(super) struct ReqwestSender(Mutex<State>);

#[derive(Default)]
struct State {
    settings: Settings,
    clients: Vec<(Way, Client)>,
}

/// What the environment says about connections.
#[derive(Clone, Default, PartialEq, Eq)]
struct Settings {
    http_proxy: Option<String>,
    https_proxy: Option<String>,
    no_proxy: Option<String>,
    cert_file: Option<String>,
    cert_dir: Option<String>,
}

/// The most ways kept; a program uses two or three.
const KEPT: usize = 8;

#[derive(Clone, PartialEq, Eq)]
struct Way {
    /// A child after `fork` must not share its parent's connections, and a connection is driven by the runtime that made
    /// it, which may be gone.
    process: u32,
    runtime: Id,
    tls: bool,
    proxy: bool,
    connect_timeout: Duration,
    pinned: Option<(String, IpAddr)>,
}

impl fmt::Debug for ReqwestSender {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ReqwestSender")
    }
}

impl ReqwestSender {
    /// Takes over what the context's environment says now; clients built under other settings are dropped.
    pub(super) fn learn(&self, context: &Context) -> Result<(), HttpError> {
        let variable = |names: &[&str]| -> Result<Option<String>, HttpError> {
            for name in names {
                let value =
                    context.env(name).map_err(|error| HttpError::new(HttpErrorKind::Other, error.to_string()))?;
                if value.is_some() {
                    return Ok(value);
                }
            }
            Ok(None)
        };
        let settings = Settings {
            // `HTTP_PROXY` in capitals is what a CGI client sends as a `Proxy:` header, so only the small one is read.
            http_proxy: variable(&["http_proxy", "ALL_PROXY", "all_proxy"])?,
            https_proxy: variable(&["HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"])?,
            no_proxy: variable(&["NO_PROXY", "no_proxy"])?,
            cert_file: variable(&["SSL_CERT_FILE"])?,
            cert_dir: variable(&["SSL_CERT_DIR"])?,
        };
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if state.settings != settings {
            *state = State { settings, clients: Vec::new() };
        }
        Ok(())
    }

    fn client(&self, uri: &Uri, options: &SendOptions) -> Result<Client, HttpError> {
        let Ok(runtime) = Handle::try_current() else {
            let message = "this call needs a tokio runtime; credentials alone do not";
            return Err(HttpError::new(HttpErrorKind::Other, message));
        };
        let host = uri.host().unwrap_or_default();
        let way = Way {
            process: super::process_id(),
            runtime: runtime.id(),
            tls: uri.scheme_str() != Some("http"),
            proxy: options.proxy && !super::is_loopback(host),
            connect_timeout: options.connect_timeout,
            pinned: options.address.map(|address| (host.to_owned(), address)),
        };
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, client)) = state.clients.iter().find(|(kept, _)| *kept == way) {
            return Ok(client.clone());
        }
        let client = build(&way, &state.settings)?;
        if state.clients.len() >= KEPT {
            state.clients.remove(0);
        }
        state.clients.push((way, client.clone()));
        Ok(client)
    }

    async fn exchange(&self, request: Request<Bytes>, options: SendOptions) -> Result<Response<Bytes>, HttpError> {
        let client = self.client(request.uri(), &options)?;
        let mut request = reqwest::Request::try_from(request).map_err(classify)?;
        *request.timeout_mut() = Some(options.timeout);
        let mut answer = client.execute(request).await.map_err(classify)?;
        let too_large = || {
            let message = format!("the answer is larger than {} bytes", options.max_body);
            HttpError::new(HttpErrorKind::TooLarge, message)
        };
        if answer.content_length().is_some_and(|length| length > options.max_body as u64) {
            return Err(too_large());
        }
        let mut body = Vec::new();
        while let Some(chunk) = answer.chunk().await.map_err(classify)? {
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

fn build(way: &Way, settings: &Settings) -> Result<Client, HttpError> {
    let mut builder = Client::builder()
        .no_proxy()
        .redirect(reqwest::redirect::Policy::none())
        .referer(false)
        .connect_timeout(way.connect_timeout);
    builder = tls::configure(builder, way.tls, settings)?;
    if way.proxy {
        let excepted = settings.no_proxy.as_deref().and_then(reqwest::NoProxy::from_string);
        let proxies = [
            settings.http_proxy.as_ref().map(|url| ("http_proxy", reqwest::Proxy::http(url))),
            settings.https_proxy.as_ref().map(|url| ("HTTPS_PROXY", reqwest::Proxy::https(url))),
        ];
        for (name, proxy) in proxies.into_iter().flatten() {
            // The URL may hold a password, so the error says which variable and not what it holds.
            let proxy = proxy
                .map_err(|_| HttpError::new(HttpErrorKind::Other, format!("{name} does not hold a proxy's URL")))?;
            builder = builder.proxy(proxy.no_proxy(excepted.clone()));
        }
    }
    if let Some((host, address)) = &way.pinned {
        builder = builder.resolve(host, SocketAddr::new(*address, 0));
    }
    builder.build().map_err(classify)
}

/// What went wrong, from reqwest's error and what lies beneath it, without the URL.
fn classify(error: reqwest::Error) -> HttpError {
    let error = error.without_url();
    let mut innermost: &dyn std::error::Error = &error;
    let mut tls = false;
    while let Some(source) = innermost.source() {
        #[cfg(feature = "_rustls")]
        {
            tls |= source.is::<rustls::Error>() || io_holds_tls(source);
        }
        innermost = source;
    }
    tls |= innermost.to_string().contains("certificate");
    if error.is_timeout() {
        return if error.is_connect() {
            HttpError::new(HttpErrorKind::ConnectTimeout, "the connection was not made in time")
        } else {
            HttpError::new(HttpErrorKind::Timeout, "no complete answer in time")
        };
    }
    let kind = match (tls, error.is_connect()) {
        (true, _) => HttpErrorKind::Tls,
        (false, true) => HttpErrorKind::Connect,
        (false, false) => HttpErrorKind::Other,
    };
    HttpError::new(kind, crate::redact::tame(&innermost.to_string(), &[]))
}

#[cfg(feature = "_rustls")]
/// An I/O error hides what it wraps from `source()`, and connectors wrap more than once.
fn io_holds_tls(error: &(dyn std::error::Error + 'static)) -> bool {
    let Some(inner) = error.downcast_ref::<std::io::Error>().and_then(std::io::Error::get_ref) else { return false };
    inner.is::<rustls::Error>() || io_holds_tls(inner)
}

#[cfg(feature = "native-tls")]
mod tls {
    use super::{HttpError, HttpErrorKind, Settings};

    /// The platform's library with the platform's roots, or with those that `SSL_CERT_FILE` names.
    pub(super) fn configure(
        builder: reqwest::ClientBuilder,
        tls: bool,
        settings: &Settings,
    ) -> Result<reqwest::ClientBuilder, HttpError> {
        let builder = builder.tls_backend_native();
        let Some(path) = settings.cert_file.as_deref().filter(|_| tls) else { return Ok(builder) };
        let unusable = |why: String| HttpError::new(HttpErrorKind::Tls, format!("SSL_CERT_FILE {path}: {why}"));
        let pem = std::fs::read(path).map_err(|error| unusable(error.to_string()))?;
        let roots = reqwest::Certificate::from_pem_bundle(&pem).unwrap_or_default();
        if roots.is_empty() {
            return Err(unusable("no certificate in it".to_owned()));
        }
        Ok(builder.tls_certs_only(roots))
    }
}

#[cfg(all(feature = "_rustls", not(feature = "native-tls")))]
mod tls {
    use std::path::Path;
    use std::sync::Arc;

    use rustls::{ClientConfig, RootCertStore};

    use super::{HttpError, HttpErrorKind, Settings};

    #[cfg(feature = "aws-lc-rs")]
    use rustls::crypto::aws_lc_rs as provider;
    #[cfg(not(feature = "aws-lc-rs"))]
    use rustls::crypto::ring as provider;

    /// rustls with its provider in the configuration, so that none has to be installed for the process.
    pub(super) fn configure(
        builder: reqwest::ClientBuilder,
        tls: bool,
        settings: &Settings,
    ) -> Result<reqwest::ClientBuilder, HttpError> {
        // A client for plain HTTP never looks at the roots, and reading them takes milliseconds.
        let roots = if tls { roots(settings)? } else { RootCertStore::empty() };
        let config = ClientConfig::builder_with_provider(Arc::new(provider::default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(|error| HttpError::new(HttpErrorKind::Tls, error.to_string()))?
            .with_root_certificates(roots)
            .with_no_client_auth();
        Ok(builder.tls_backend_preconfigured(config))
    }

    fn roots(settings: &Settings) -> Result<RootCertStore, HttpError> {
        let (file, directory) = (settings.cert_file.as_deref(), settings.cert_dir.as_deref());
        let (found, named) = if file.is_some() || directory.is_some() {
            let named = [file.map(|_| "SSL_CERT_FILE"), directory.map(|_| "SSL_CERT_DIR")];
            let found = rustls_native_certs::load_certs_from_paths(file.map(Path::new), directory.map(Path::new));
            (found, named.into_iter().flatten().collect::<Vec<_>>().join(" and "))
        } else {
            (rustls_native_certs::load_native_certs(), "the system's store".to_owned())
        };
        let mut roots = RootCertStore::empty();
        roots.add_parsable_certificates(found.certs);
        if roots.is_empty() {
            let message = format!(
                "no trusted root certificate in {named}; install the package ca-certificates, or let SSL_CERT_FILE name a PEM file"
            );
            return Err(HttpError::new(HttpErrorKind::Tls, message));
        }
        Ok(roots)
    }
}
