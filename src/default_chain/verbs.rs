//! What people reach for first, on the chain itself: all of it is the refresher's.

use std::future::Future;
use std::time::Duration;

use tokio::sync::watch;

use super::DefaultCredentialChain;
use crate::credentials::Credentials;
use crate::error::Error;
use crate::refresh::Health;

/// Each of these is the [`Refresher`](crate::Refresher)'s method of the same name.
///
/// ```
/// use alibabacloud_credentials::DefaultCredentialChain;
///
/// # async fn example() -> Result<(), alibabacloud_credentials::Error> {
/// let chain = DefaultCredentialChain::new();
/// chain.keep_fresh(std::future::pending()); // renewed even when nobody asks
/// let url_lasts = std::time::Duration::from_secs(1800);
/// let credentials = chain.credentials_valid_for(url_lasts).await?;
/// let id = chain.with(|credentials| credentials.access_key_id().to_owned());
/// println!("{id:?}, generation {}, {:?}", chain.generation(), chain.health());
/// // A server said that the token is invalid:
/// chain.invalidate(&credentials);
/// # Ok(()) }
/// ```
impl DefaultCredentialChain {
    /// Returns a credential that lasts at least `lifetime` from now: see
    /// [`Refresher::credentials_valid_for`](crate::Refresher::credentials_valid_for).
    ///
    /// # Errors
    ///
    /// [`ErrorKind::TooShort`](crate::ErrorKind::TooShort), with what can be had in [`Error::available_lifetime`]; otherwise
    /// as [`credentials`](Self::credentials).
    pub async fn credentials_valid_for(&self, lifetime: Duration) -> Result<Credentials, Error> {
        self.refresher.credentials_valid_for(lifetime).await
    }

    /// Lends the credential, if one is valid, without waiting: see [`Refresher::with`](crate::Refresher::with).
    pub fn with<T>(&self, read: impl FnOnce(&Credentials) -> T) -> Option<T> {
        self.refresher.with(read)
    }

    /// Returns the credential, if one is valid, without waiting: see [`Refresher::cached`](crate::Refresher::cached).
    pub fn cached(&self) -> Option<Credentials> {
        self.refresher.cached()
    }

    /// Returns the number of the credential, which grows with every new one; 0: none yet.
    pub fn generation(&self) -> u64 {
        self.refresher.generation()
    }

    /// Says that a server refused `used` as invalid, and returns whether it was the current one: see
    /// [`Refresher::invalidate`](crate::Refresher::invalidate).
    pub fn invalidate(&self, used: &Credentials) -> bool {
        self.refresher.invalidate(used)
    }

    /// Returns how the chain is doing. No I/O.
    pub fn health(&self) -> Health {
        self.refresher.health()
    }

    /// Tells of every new generation: see [`Refresher::subscribe`](crate::Refresher::subscribe).
    pub fn subscribe(&self) -> watch::Receiver<u64> {
        self.refresher.subscribe()
    }

    /// Renews the credential even when nobody asks, until `stop` ends or the last handle is dropped. Returns at once.
    pub fn keep_fresh(&self, stop: impl Future<Output = ()> + Send + 'static) {
        self.refresher.keep_fresh(stop);
    }
}
