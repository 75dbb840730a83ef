//! Builds a refresher.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use super::machine::Machine;
use super::{REFRESH_TIMEOUT, Refresher, Store};
use crate::context::Context;
use crate::provider::ProvideCredentials;

/// Builds a [`Refresher`].
///
/// ```
/// use std::time::Duration;
/// use alibabacloud_credentials::{EnvironmentProvider, Refresher};
///
/// let refresher = Refresher::builder(EnvironmentProvider::new())
///     .advisory_window(Duration::from_secs(1800))
///     .refresh_timeout(Duration::from_secs(30))
///     .build();
/// ```
pub struct RefresherBuilder {
    provider: Arc<dyn ProvideCredentials>,
    context: Context,
    advisory: Option<Duration>,
    limit: Duration,
    store: Store,
}

impl fmt::Debug for RefresherBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RefresherBuilder").field("provider", &self.provider.provider_name()).finish_non_exhaustive()
    }
}

impl RefresherBuilder {
    pub(super) fn new(provider: Arc<dyn ProvideCredentials>) -> Self {
        Self { provider, context: Context::default(), advisory: None, limit: REFRESH_TIMEOUT, store: Store::default() }
    }

    /// The outside world; the real one by default.
    #[must_use]
    pub fn context(mut self, context: Context) -> Self {
        self.context = context;
        self
    }

    /// How long before the end a refresh starts; never more than half of what a credential lasts.
    #[must_use]
    pub fn advisory_window(mut self, window: Duration) -> Self {
        self.advisory = Some(window);
        self
    }

    /// A refresh that takes longer has failed. Default 120 s.
    #[must_use]
    pub fn refresh_timeout(mut self, limit: Duration) -> Self {
        self.limit = limit;
        self
    }

    /// Shares the session with other processes, if the provider is an [`AssumeRoleProvider`](crate::AssumeRoleProvider): see
    /// [`FileStore`](crate::FileStore). Nothing else is ever shared.
    #[cfg(feature = "shared-sessions")]
    #[must_use]
    pub fn shared(self, store: impl crate::session_store::SessionStore) -> Self {
        self.shared_by(Some(crate::session_store::Shared::new(store)))
    }

    #[cfg(feature = "shared-sessions")]
    pub(crate) fn shared_by(mut self, store: Store) -> Self {
        self.store = store;
        self
    }

    /// The refresher. Nothing is asked yet.
    pub fn build(self) -> Refresher {
        let machine = Machine::new(self.advisory, self.limit);
        Refresher::with_machine(self.provider, self.context, self.limit, self.store, |_| machine)
    }
}
