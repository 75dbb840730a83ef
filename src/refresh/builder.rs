//! Builds a refresher.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use super::machine::Machine;
use super::{REFRESH_TIMEOUT, Refresher};
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
}

impl fmt::Debug for RefresherBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RefresherBuilder").field("provider", &self.provider.provider_name()).finish_non_exhaustive()
    }
}

impl RefresherBuilder {
    pub(super) fn new(provider: Arc<dyn ProvideCredentials>) -> Self {
        Self { provider, context: Context::default(), advisory: None, limit: REFRESH_TIMEOUT }
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

    /// The refresher. Nothing is asked yet.
    pub fn build(self) -> Refresher {
        let machine = Machine::new(self.advisory, self.limit);
        Refresher::with_machine(self.provider, self.context, self.limit, |_| machine)
    }
}
