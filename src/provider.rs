//! The one trait that every source of credentials implements, and the closure that is a source.

use std::borrow::Cow;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use crate::credentials::Credentials;
use crate::error::Error;

/// A boxed future that may move between threads.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// A source of credentials.
///
/// It answers one of three things, and the difference matters to a [`Chain`](crate::Chain):
///
/// * `Ok`: found.
/// * [`Error::not_configured`]: this source is not there at all. Only this lets a chain go on.
/// * any other error: the source is there and failed. A chain stops, so that a short outage never turns into another
///   identity.
///
/// A provider never caches and never retries: that is the [`Refresher`](crate::Refresher)'s, which asks it once for all
/// callers, on a runtime of its own, and at most for two minutes.
///
/// ```
/// use alibabacloud_credentials::{provider_fn, Chain, Credentials, Error};
///
/// let vault = provider_fn("vault", || async {
///     // … ask your vault …
///     Err(Error::not_configured("VAULT_ADDR is unset"))
/// });
/// let chain = Chain::new("mine").then(vault).then(Credentials::new("LTAI5tExampleKeyId01", "a secret"));
/// ```
pub trait ProvideCredentials: Send + Sync + 'static {
    /// The name that stands in errors, explanations and [`Credentials::provider_name`].
    fn provider_name(&self) -> Cow<'_, str>;

    /// Asks the source.
    fn provide_credentials(&self) -> BoxFuture<'_, Result<Credentials, Error>>;

    /// What can be told of the source without asking it: for explanations, where a provider before it answered. No
    /// network; a variable or a file may be looked at. The explanation that an error holds waits a second for it.
    fn source_status(&self) -> Option<SourceStatus> {
        None
    }

    /// Whether the source would still give `credentials`. Cheap, no network: it is asked at most once per second of
    /// use, off the caller's path, and `false` starts a background refresh. A file system that hangs here stops nobody's
    /// refresh, unless refreshes run where [`ContextBuilder::spawn`](crate::ContextBuilder::spawn) has them run; no
    /// second look starts before the first has ended.
    fn is_current(&self, credentials: &Credentials) -> bool {
        let _ = credentials;
        true
    }
}

/// Whether a source looks configured, and by what sign.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct SourceStatus {
    /// Whether the source would be asked in earnest.
    pub configured: bool,
    /// The sign: "VAULT_ADDR is set". Never a value.
    pub text: String,
}

impl SourceStatus {
    /// A source that is there, and the sign of it.
    pub fn configured(text: impl Into<String>) -> Self {
        Self { configured: true, text: text.into() }
    }

    /// A source that is not there.
    pub fn not_configured(text: impl Into<String>) -> Self {
        Self { configured: false, text: text.into() }
    }
}

impl<P: ProvideCredentials + ?Sized> ProvideCredentials for Arc<P> {
    fn provider_name(&self) -> Cow<'_, str> {
        (**self).provider_name()
    }

    fn provide_credentials(&self) -> BoxFuture<'_, Result<Credentials, Error>> {
        (**self).provide_credentials()
    }

    fn source_status(&self) -> Option<SourceStatus> {
        (**self).source_status()
    }

    fn is_current(&self, credentials: &Credentials) -> bool {
        (**self).is_current(credentials)
    }
}

impl ProvideCredentials for Credentials {
    fn provider_name(&self) -> Cow<'_, str> {
        Cow::Borrowed(Credentials::provider_name(self))
    }

    fn provide_credentials(&self) -> BoxFuture<'_, Result<Credentials, Error>> {
        Box::pin(std::future::ready(Ok(self.clone())))
    }
}

/// A source from a closure. Credentials that carry no name yet are given this one.
///
/// ```
/// # use alibabacloud_credentials::{provider_fn, Credentials, Refresher};
/// let vault = provider_fn("vault", || async { Ok(Credentials::new("an id", "a secret")) });
/// let refresher = Refresher::new(vault);
/// ```
pub fn provider_fn<F, Fut>(name: impl Into<String>, ask: F) -> ProviderFn<F>
where
    F: Fn() -> Fut + Send + Sync + 'static,
    Fut: Future<Output = Result<Credentials, Error>> + Send + 'static,
{
    ProviderFn { name: name.into(), ask }
}

/// What [`provider_fn`] returns.
pub struct ProviderFn<F> {
    name: String,
    ask: F,
}

impl<F> fmt::Debug for ProviderFn<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ProviderFn").field("name", &self.name).finish_non_exhaustive()
    }
}

impl<F, Fut> ProvideCredentials for ProviderFn<F>
where
    F: Fn() -> Fut + Send + Sync + 'static,
    Fut: Future<Output = Result<Credentials, Error>> + Send + 'static,
{
    fn provider_name(&self) -> Cow<'_, str> {
        Cow::Borrowed(&self.name)
    }

    fn provide_credentials(&self) -> BoxFuture<'_, Result<Credentials, Error>> {
        let answer = (self.ask)();
        Box::pin(async move { answer.await.map(|credentials| credentials.or_provider_name(&self.name)) })
    }
}
