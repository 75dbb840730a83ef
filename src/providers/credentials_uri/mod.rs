//! `credentials_uri`: a session from a URL, as sidecars and development tools serve it.

mod target;
#[cfg(test)]
mod tests;

use std::borrow::Cow;
use std::fmt;
use std::net::IpAddr;

use bytes::Bytes;
use http::{HeaderValue, Request, Response, header};

use self::target::{Target, is_local};
use crate::context::{Context, Dates, HttpError, HttpErrorKind, SendOptions, with_retries};
use crate::credentials::Credentials;
use crate::endpoint::read_host;
use crate::error::Error;
use crate::provenance::Provenance;
use crate::provider::{BoxFuture, ProvideCredentials, SourceStatus};
use crate::rpc;
use crate::session_json::{self, Code, Origin};

const VARIABLE: &str = "ALIBABA_CLOUD_CREDENTIALS_URI";

/// Asks a URL for a session: `GET`, and the answer is JSON with `AccessKeyId`, `AccessKeySecret`, `SecurityToken` and
/// `Expiration`; a `Code`, if there is one, has to be `Success`.
///
/// The URL is the one given here, else `ALIBABA_CLOUD_CREDENTIALS_URI`. It is HTTPS; plain HTTP only to loopback and
/// link-local addresses, to `100.100.100.200`, and to hosts of [`allow_host`](Self::allow_host). A name in plain HTTP is
/// resolved once for a request, and the address that was checked is the one that is used. Nothing of the URL but scheme,
/// host and port is ever shown.
///
/// ```
/// use alibabacloud_credentials::{CredentialsUriProvider, Refresher};
///
/// let credentials = Refresher::new(CredentialsUriProvider::new().uri("http://127.0.0.1:6666/credentials"));
/// ```
#[derive(Default)]
pub struct CredentialsUriProvider {
    context: Context,
    uri: Option<String>,
    allowed: Vec<String>,
}

impl fmt::Debug for CredentialsUriProvider {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let target = self.uri.as_deref().map(|uri| Target::parse(uri).map(|target| target.to_string()));
        f.debug_struct("CredentialsUriProvider")
            .field("uri", &target)
            .field("allowed", &self.allowed)
            .finish_non_exhaustive()
    }
}

impl CredentialsUriProvider {
    /// Creates a provider for the URL that the environment names.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets the URL. A blank one counts as none.
    #[must_use]
    pub fn uri(mut self, uri: impl Into<String>) -> Self {
        let uri: String = uri.into();
        self.uri = Some(uri.trim().to_owned()).filter(|uri| !uri.is_empty());
        self
    }

    /// Lets plain HTTP go to this host, a name or an address without port. The session then travels in the clear.
    #[must_use]
    pub fn allow_host(mut self, host: impl Into<String>) -> Self {
        let host: String = host.into();
        let bracketed = if host.contains(':') && !host.starts_with('[') { format!("[{host}]") } else { host };
        // What is no host is never met.
        self.allowed.extend(read_host(bracketed.trim()));
        self
    }

    /// Sets the outside world. The default is the real one.
    #[must_use]
    pub fn context(mut self, context: Context) -> Self {
        self.context = context;
        self
    }

    fn target(&self) -> Result<Target, Error> {
        let malformed = |place: &str, why: &str| format!("{place} is no credentials URI: {why}");
        if let Some(uri) = &self.uri {
            return Target::parse(uri).map_err(|why| {
                Error::invalid_input(malformed("the URL that was given", why)).with_code("InvalidCredentialsUri")
            });
        }
        let Some(uri) = self.context.env(VARIABLE)? else {
            return Err(Error::not_configured(format!("{VARIABLE} is unset")));
        };
        Target::parse(&uri)
            .map_err(|why| Error::failed(malformed(VARIABLE, why)).with_code("InvalidCredentialsUri").permanent())
    }

    /// The addresses to connect to, all of them local; none where the HTTP client may resolve the name itself.
    async fn addresses(&self, target: &Target) -> Result<Vec<IpAddr>, Error> {
        if !target.plain {
            return Ok(Vec::new());
        }
        let mut found = match target.literal() {
            Some(address) => vec![address],
            None => self.context.resolve(&target.host, SendOptions::default().connect_timeout).await,
        };
        let local = !found.is_empty() && found.iter().all(|address| is_local(*address));
        if !local && self.allowed.contains(&target.host) {
            return Ok(Vec::new());
        }
        if found.is_empty() {
            let error = HttpError::new(HttpErrorKind::Connect, "the name has no address");
            return Err(rpc::no_answer(&target.to_string(), "GET", &error));
        }
        if !local {
            let message =
                format!("{target} is asked for secrets over plain http, and is neither loopback nor link-local");
            return Err(Error::failed(message)
                .with_code("PlainHttp")
                .with_remedy("use https, or allow the host by .allow_host(…) of the provider or of the chain's builder")
                .permanent());
        }
        // One of each kind, IPv4 first: what development tools listen on is rarely ::1.
        found.sort_by_key(IpAddr::is_ipv6);
        found.dedup_by_key(|address| address.is_ipv6());
        Ok(found)
    }

    async fn send(&self, target: &Target) -> Result<Response<Bytes>, Error> {
        let shown = target.to_string();
        let failed = |error: &HttpError| rpc::no_answer(&shown, "GET", error);
        let uri = target.uri().map_err(|_| failed(&HttpError::new(HttpErrorKind::Other, "the URL cannot be sent")))?;
        let addresses = self.addresses(target).await?;
        let near = target.host == "localhost" || target.literal().is_some_and(is_local) || !addresses.is_empty();
        let options = SendOptions { proxy: !near, ..SendOptions::default() };
        let mut request = Request::new(Bytes::new());
        *request.uri_mut() = uri;
        let headers = request.headers_mut();
        headers.insert(header::ACCEPT, HeaderValue::from_static("application/json"));
        headers.insert(header::USER_AGENT, HeaderValue::from_static(rpc::USER_AGENT));
        let send = || self.send_to_first(&addresses, &request, options);
        with_retries(&self.context, |_| true, send).await.map_err(|error| failed(&error))
    }

    /// One exchange, with the first of the addresses that a connection can be made to.
    async fn send_to_first(
        &self,
        addresses: &[IpAddr],
        request: &Request<Bytes>,
        mut options: SendOptions,
    ) -> Result<Response<Bytes>, HttpError> {
        let mut left = addresses.iter().copied();
        loop {
            options.address = left.next();
            match self.context.send(request.clone(), options, Dates::Ignored).await {
                Err(error) if left.len() > 0 && error.kind().is_unconnected() => {}
                answer => return answer,
            }
        }
    }

    async fn ask(&self) -> Result<Credentials, Error> {
        let target = self.target()?;
        let answer = self.send(&target).await?;
        let origin = Origin { host: &target.to_string(), asked: "GET", within: "" };
        let found = session_json::document(answer, origin, Code::Optional, &self.context)?;
        Ok(Provenance::or_place(found, &target.to_string()).with_provider_name("credentials_uri"))
    }
}

impl ProvideCredentials for CredentialsUriProvider {
    fn provider_name(&self) -> Cow<'_, str> {
        Cow::Borrowed("credentials_uri")
    }

    fn provide_credentials(&self) -> BoxFuture<'_, Result<Credentials, Error>> {
        Box::pin(async move { self.ask().await.map_err(|error| error.in_provider("credentials_uri")) })
    }

    fn source_status(&self) -> Option<SourceStatus> {
        Some(match (&self.uri, self.context.env(VARIABLE).ok().flatten()) {
            (Some(_), _) => SourceStatus::configured("a URL was given in code"),
            (None, Some(_)) => SourceStatus::configured(format!("{VARIABLE} is set")),
            (None, None) => SourceStatus::not_configured(format!("{VARIABLE} is unset")),
        })
    }
}
