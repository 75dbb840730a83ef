//! Providers in order: the first that answers is kept.

mod reports;

use std::borrow::Cow;
use std::fmt;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use self::reports::source_of;
use crate::context::{BlockingIo, Context};
use crate::credentials::Credentials;
use crate::error::{Error, ErrorKind};
use crate::explain::ProviderReport;
use crate::identity::IdentityCheck;
use crate::key_characters::check_characters;
use crate::provider::{BoxFuture, Private, ProvideCredentials};
use crate::time;

/// The reaction of a chain to a provider that is configured and fails.
///
/// ```
/// use alibabacloud_credentials::{DefaultCredentialChain, OnFailure};
///
/// let as_official_sdks = DefaultCredentialChain::builder().on_failure(OnFailure::TryNext).build();
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum OnFailure {
    /// Stop with its error, so that an outage never turns into another identity.
    #[default]
    Stop,
    /// Ask the next one, as the official SDKs do. Each identity passed over this way is a warning event. It never leaves a
    /// provider that has answered before.
    TryNext,
}

/// Providers in order.
///
/// Only a provider that is not configured is passed over. The first one that gives a usable credential (not expired, and the
/// expected identity's) is kept: if it says later that it is not configured, it has failed, and only a new chain chooses
/// again. While none has, every call looks again.
///
/// A chain is a provider; give it to a [`Refresher`](crate::Refresher) to use it.
///
/// ```
/// use alibabacloud_credentials::{Chain, CliProfileProvider, EnvironmentProvider, Refresher};
///
/// let chain = Chain::new("mine").then(EnvironmentProvider::prefixed("MEDIA")).then(CliProfileProvider::new());
/// let credentials = Refresher::new(chain);
/// ```
pub struct Chain {
    name: String,
    providers: Vec<Arc<dyn ProvideCredentials>>,
    on_failure: OnFailure,
    /// The position of the provider that answered, or [`NONE`].
    kept: AtomicUsize,
    reports: Mutex<Vec<ProviderReport>>,
    /// Which identity a credential has to be, where it is the chain's to look.
    identity: Option<Arc<IdentityCheck>>,
    context: Context,
    blocking_io: BlockingIo,
}

const NONE: usize = usize::MAX;

impl fmt::Debug for Chain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let providers: Vec<_> = self.providers.iter().map(|provider| provider.provider_name()).collect();
        f.debug_struct("Chain").field("name", &self.name).field("providers", &providers).finish_non_exhaustive()
    }
}

impl Chain {
    /// Creates an empty chain. Its name stands in front of its providers': `mine/env`.
    pub fn new(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            providers: Vec::new(),
            on_failure: OnFailure::Stop,
            kept: AtomicUsize::new(NONE),
            reports: Mutex::new(Vec::new()),
            identity: None,
            context: Context::default(),
            blocking_io: BlockingIo::default(),
        }
    }

    /// Sets the outside world, whose clock measures the time that each provider takes. The default is the real one.
    #[must_use]
    pub fn context(mut self, context: Context) -> Self {
        self.context = context;
        self
    }

    /// Adds a provider behind the others.
    #[must_use]
    pub fn then(mut self, provider: impl ProvideCredentials) -> Self {
        self.providers.push(Arc::new(provider));
        self
    }

    /// Sets the reaction to a configured provider that fails. The default is [`OnFailure::Stop`].
    #[must_use]
    pub fn on_failure(mut self, on_failure: OnFailure) -> Self {
        self.on_failure = on_failure;
        self
    }

    /// A provider whose credential is another identity's has failed.
    pub(crate) fn identity(mut self, identity: Arc<IdentityCheck>) -> Self {
        self.identity = Some(identity);
        self
    }

    /// Asks a provider, and returns how long that took. The error names it.
    async fn ask_one(
        &self,
        provider: &dyn ProvideCredentials,
        name: &str,
        lifetime: Option<Duration>,
    ) -> (Result<Credentials, Error>, Duration) {
        let began = self.context.now().monotonic;
        let answer = self
            .ask_for_usable(provider, lifetime)
            .await
            .map_err(|error| if error.provider_name().is_some() { error } else { error.in_provider(name) });
        (answer, self.context.now().monotonic.saturating_sub(began))
    }

    /// Asks a provider; a credential that nobody can use is a failure of the provider, and nothing to keep it for.
    async fn ask_for_usable(
        &self,
        provider: &dyn ProvideCredentials,
        lifetime: Option<Duration>,
    ) -> Result<Credentials, Error> {
        let found = match lifetime {
            Some(lifetime) => provider.provide_credentials_valid_for(lifetime).await?,
            None => provider.provide_credentials().await?,
        };
        if found.left(self.context.now().wall).is_some_and(|left| left.left.is_zero()) {
            let (what, end) = (source_of(&found), found.expiration().map(time::to_iso).unwrap_or_default());
            let message = format!("{what} gave a credential that had expired already, at {end}");
            let error = Error::new(ErrorKind::Expired, message).with_code("ExpiredCredential");
            return Err(
                error.with_remedy("renew it there, or use a source that renews: AssumeRole, RRSA, instance metadata")
            );
        }
        check_characters(&found)?;
        if let Some(identity) = &self.identity {
            let what = || source_of(&found);
            identity.check(&found).await.map_err(|error| match error.kind() {
                ErrorKind::IdentityMismatch => error.map_message(|message| format!("{}: {message}", what())),
                _ => error,
            })?;
        }
        Ok(found)
    }

    fn kept(&self) -> Option<(usize, &Arc<dyn ProvideCredentials>)> {
        let at = self.kept.load(Ordering::Acquire);
        self.providers.get(at).map(|provider| (at, provider))
    }

    async fn ask(&self, lifetime: Option<Duration>) -> Result<Credentials, Error> {
        if let Some((at, provider)) = self.kept() {
            return self.ask_kept(at, provider, lifetime).await;
        }
        self.forget();
        let mut errors: Vec<Error> = Vec::new();
        for (at, provider) in self.providers.iter().enumerate() {
            let name = provider.provider_name();
            let (answer, spent) = self.ask_one(&**provider, &name, lifetime).await;
            let error = match answer {
                Ok(found) => {
                    // A refresh that was given up may come back after another one: what that kept stays.
                    let kept = self.kept.compare_exchange(NONE, at, Ordering::AcqRel, Ordering::Acquire);
                    if let Err(other) = kept
                        && other != at
                        && let Some(provider) = self.providers.get(other)
                    {
                        return self.ask_kept(other, provider, lifetime).await;
                    }
                    self.note(at, ProviderReport::used(&name, &found, spent));
                    for passed_over in errors.iter().filter(|error| error.kind() != ErrorKind::NotConfigured) {
                        tracing::warn!(used = %name, failed = %passed_over, "another identity than the one configured first");
                    }
                    return Ok(found.or_provider_name(&name).in_provider(&self.name));
                }
                Err(error) => error,
            };
            self.note(at, ProviderReport::of_error(&name, &error, spent));
            if error.kind() != ErrorKind::NotConfigured && self.on_failure == OnFailure::Stop {
                return Err(error.with_causes(errors));
            }
            errors.push(error);
        }
        Err(nothing(errors))
    }

    async fn ask_kept(
        &self,
        at: usize,
        provider: &Arc<dyn ProvideCredentials>,
        lifetime: Option<Duration>,
    ) -> Result<Credentials, Error> {
        let name = provider.provider_name();
        let (answer, spent) = self.ask_one(&**provider, &name, lifetime).await;
        match answer {
            Ok(found) => {
                self.note(at, ProviderReport::used(&name, &found, spent));
                Ok(found.or_provider_name(&name).in_provider(&self.name))
            }
            Err(error) => {
                let error = if error.kind() == ErrorKind::NotConfigured {
                    let gone = error.with_kind(ErrorKind::Failed).with_code("SourceGone");
                    gone.map_message(|message| format!("gave credentials before, and now: {message}"))
                        .with_remedy("bring it back; only a new chain looks for another source")
                } else {
                    error
                };
                self.note(at, ProviderReport::of_error(&name, &error, spent));
                Err(error)
            }
        }
    }
}

/// The error when every provider was passed over.
fn nothing(errors: Vec<Error>) -> Error {
    let failed = errors.iter().find(|error| error.kind() != ErrorKind::NotConfigured);
    let kind = failed.map_or(ErrorKind::NotConfigured, Error::kind);
    let said: Vec<String> =
        errors.iter().map(|error| format!("{}: {}", error.provider_name().unwrap_or("?"), error.message())).collect();
    let message = if said.is_empty() {
        "the chain has no providers".to_owned()
    } else {
        format!("no credentials ({})", said.join("; "))
    };
    Error::new(kind, message).with_code("NoCredentials").with_causes(errors)
}

impl ProvideCredentials for Chain {
    fn provider_name(&self) -> Cow<'_, str> {
        Cow::Borrowed(&self.name)
    }

    fn provide_credentials(&self) -> BoxFuture<'_, Result<Credentials, Error>> {
        Box::pin(async move { self.ask(None).await.map_err(|error| error.in_provider(&self.name)) })
    }

    fn is_current(&self, credentials: &Credentials) -> bool {
        self.kept().is_none_or(|(_, provider)| provider.is_current(credentials))
    }

    fn checks_inline(&self, private: Private) -> bool {
        self.kept().is_none_or(|(_, provider)| provider.checks_inline(private))
    }

    fn invalidate(&self, credentials: &Credentials) {
        if let Some((_, provider)) = self.kept() {
            provider.invalidate(credentials);
        }
    }

    fn provide_credentials_valid_for(&self, lifetime: Duration) -> BoxFuture<'_, Result<Credentials, Error>> {
        Box::pin(async move { self.ask(Some(lifetime)).await.map_err(|error| error.in_provider(&self.name)) })
    }
}
