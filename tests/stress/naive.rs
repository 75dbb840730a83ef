//! The cache that everybody writes first: a lock around a fetch. It is here to fail.

use std::sync::Arc;
use std::time::Duration;

use alibabacloud_credentials::{Clock, Credentials, Error, ProvideCredentials, TestClock};
use tokio::sync::Mutex;

use super::world::Provider;

const WINDOW: Duration = Duration::from_secs(300);

pub(crate) struct Naive {
    provider: Provider,
    clock: TestClock,
    held: Mutex<Option<Credentials>>,
}

impl Naive {
    pub(crate) fn new(provider: impl ProvideCredentials, clock: TestClock) -> Self {
        Self { provider: Arc::new(provider), clock, held: Mutex::new(None) }
    }

    pub(crate) async fn get(&self) -> Result<Credentials, Error> {
        let mut held = self.held.lock().await;
        if let Some(credentials) = &*held {
            let now = self.clock.now().system_time();
            if credentials.expiration().is_none_or(|end| now + WINDOW < end) {
                return Ok(credentials.clone());
            }
        }
        let fresh = self.provider.provide_credentials().await?;
        *held = Some(fresh.clone());
        Ok(fresh)
    }
}
