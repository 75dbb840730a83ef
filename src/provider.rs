//! The one trait that every source of credentials implements, and the closure that is a source.

use std::borrow::Cow;
use std::cell::Cell;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use crate::credentials::Credentials;
use crate::error::Error;

/// A boxed future that may move between threads.
///
/// ```
/// use alibabacloud_credentials::BoxFuture;
///
/// fn answer() -> BoxFuture<'static, u32> {
///     Box::pin(async { 42 })
/// }
/// ```
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// A source of credentials.
///
/// It gives one of three answers, and the difference matters to a [`Chain`](crate::Chain):
///
/// * `Ok`: found.
/// * [`Error::not_configured`]: this source is not there at all. Only this lets a chain go on.
/// * any other error: the source is there and failed. A chain stops, so that a short outage never turns into another
///   identity.
///
/// A provider never caches and never retries: that is the [`Refresher`](crate::Refresher)'s, which asks it once for all
/// callers, on a thread of its own inside a tokio runtime, and for two minutes at most. It may block that thread.
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
    /// Returns the name that stands in errors, explanations and [`Credentials::provider_name`].
    fn provider_name(&self) -> Cow<'_, str>;

    /// Asks the source.
    fn provide_credentials(&self) -> BoxFuture<'_, Result<Credentials, Error>>;

    /// Returns what can be seen of the source without asking it, for explanations where a provider before it answered. It may
    /// look at a variable or a file, and uses no network. The explanation that an error holds waits a second for it.
    fn source_status(&self) -> Option<SourceStatus> {
        None
    }

    /// Returns whether the source would still give `credentials`; `false` starts a background refresh.
    ///
    /// It should be quick and use no network. A [`Refresher`](crate::Refresher) asks at most once per second of use, off the
    /// caller's path, and does not ask again while the answer is outstanding. A provider that keeps this default is asked
    /// once for each credential.
    fn is_current(&self, credentials: &Credentials) -> bool {
        let _ = credentials;
        KEPT_DEFAULT.with(|kept| kept.set(true));
        true
    }

    /// Returns whether [`is_current`](Self::is_current) only looks at memory or variables, and never blocks: then it is
    /// called on the path of the caller who is due, which saves a change of threads. The crate's own providers alone can
    /// say so, since a caller must not be held up by others'.
    #[doc(hidden)]
    fn checks_inline(&self, _: Private) -> bool {
        false
    }

    /// Forgets `credentials`, which a server refused as no longer valid, if it would give the same ones again.
    ///
    /// A [`Refresher`](crate::Refresher) calls it where its next refresh runs, just before that asks, so providers that hold
    /// others pass it on, and it reaches the innermost source. The default does nothing.
    fn invalidate(&self, credentials: &Credentials) {
        let _ = credentials;
    }

    /// Asks the source like [`provide_credentials`](Self::provide_credentials), for a caller who needs credentials that last
    /// `lifetime` from now. What lasts less is better than an error: the caller learns what is available.
    ///
    /// Providers that hold others pass it on, and it reaches the innermost source. The default is
    /// [`provide_credentials`](Self::provide_credentials).
    fn provide_credentials_valid_for(&self, lifetime: Duration) -> BoxFuture<'_, Result<Credentials, Error>> {
        let _ = lifetime;
        self.provide_credentials()
    }
}

mod private {
    /// Nobody outside of the crate can name this, so nobody implements or calls what takes it.
    #[derive(Clone, Copy, Debug)]
    pub struct Private;
}
pub(crate) use private::Private;

thread_local! {
    static KEPT_DEFAULT: Cell<bool> = const { Cell::new(false) };
}

/// Asks `provider` whether `credentials` are current: `None` where nothing but the default of the trait was asked, so that
/// there is no use in asking again.
pub(crate) fn is_current(provider: &dyn ProvideCredentials, credentials: &Credentials) -> Option<bool> {
    KEPT_DEFAULT.with(|kept| kept.set(false));
    let current = provider.is_current(credentials);
    let kept = KEPT_DEFAULT.with(|kept| kept.replace(false));
    (!(kept && current)).then_some(current)
}

/// The sign by which a source looks configured or not.
///
/// ```
/// use alibabacloud_credentials::SourceStatus;
///
/// let status = SourceStatus::configured("VAULT_ADDR is set");
/// assert!(status.configured);
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct SourceStatus {
    /// `true` if the source would be asked.
    pub configured: bool,
    /// The sign: "VAULT_ADDR is set". Never a value.
    pub text: String,
}

impl SourceStatus {
    /// Creates the status of a source that is there.
    pub fn configured(text: impl Into<String>) -> Self {
        Self { configured: true, text: text.into() }
    }

    /// Creates the status of a source that is not there.
    pub fn not_configured(text: impl Into<String>) -> Self {
        Self { configured: false, text: text.into() }
    }
}

/// Makes a type the provider that its values hold.
macro_rules! provide_through {
    ([$($generics:tt)*] $provider:ty: |$this:ident| $inner:expr) => {
        const _: () = {
            use std::borrow::Cow;
            use std::time::Duration;

            use $crate::credentials::Credentials;
            use $crate::error::Error;
            use $crate::provider::{BoxFuture, Private, ProvideCredentials, SourceStatus};

            impl<$($generics)*> ProvideCredentials for $provider {
                fn provider_name(&self) -> Cow<'_, str> {
                    let $this = self;
                    $inner.provider_name()
                }

                fn provide_credentials(&self) -> BoxFuture<'_, Result<Credentials, Error>> {
                    let $this = self;
                    $inner.provide_credentials()
                }

                fn source_status(&self) -> Option<SourceStatus> {
                    let $this = self;
                    $inner.source_status()
                }

                fn is_current(&self, credentials: &Credentials) -> bool {
                    let $this = self;
                    $inner.is_current(credentials)
                }

                fn checks_inline(&self, private: Private) -> bool {
                    let $this = self;
                    $inner.checks_inline(private)
                }

                fn invalidate(&self, credentials: &Credentials) {
                    let $this = self;
                    ProvideCredentials::invalidate(&$inner, credentials);
                }

                fn provide_credentials_valid_for(
                    &self,
                    lifetime: Duration,
                ) -> BoxFuture<'_, Result<Credentials, Error>> {
                    let $this = self;
                    $inner.provide_credentials_valid_for(lifetime)
                }
            }
        };
    };
}
pub(crate) use provide_through;

provide_through!([P: ProvideCredentials + ?Sized] Arc<P>: |pointer| **pointer);
provide_through!([P: ProvideCredentials + ?Sized] Box<P>: |pointer| **pointer);

impl ProvideCredentials for Credentials {
    fn provider_name(&self) -> Cow<'_, str> {
        Cow::Borrowed(Credentials::provider_name(self))
    }

    fn provide_credentials(&self) -> BoxFuture<'_, Result<Credentials, Error>> {
        Box::pin(std::future::ready(Ok(self.clone())))
    }

    fn checks_inline(&self, _: Private) -> bool {
        true
    }
}

/// Creates a provider from a closure. Credentials that carry no name yet get this one.
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

/// The provider that [`provider_fn`] returns.
///
/// ```
/// use alibabacloud_credentials::{Chain, Credentials, provider_fn};
///
/// let vault = provider_fn("vault", || async { Ok(Credentials::new("an id", "a secret")) });
/// let chain = Chain::new("mine").then(vault);
/// ```
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

    fn checks_inline(&self, _: Private) -> bool {
        true
    }
}
