//! The settings of a store.

use std::fmt;

use alibabacloud_credentials::{Error, StoreKey};

use crate::address::Address;
use crate::store::{RedisStore, Settings};

/// Four fifths of what STS answers an account in a second: the account has other users.
const QUOTA: f64 = 80.0;
const QUOTAS: std::ops::RangeInclusive<f64> = 0.001..=10_000.0;
const PREFIX: &str = "alibabacloud-credentials";
const REPLICAS: u32 = 4;

/// Builds a [`RedisStore`].
///
/// ```
/// use alibabacloud_credentials::StoreKey;
/// use alibabacloud_credentials_redis::RedisStore;
///
/// # fn example(password: &str) -> Result<(), alibabacloud_credentials::Error> {
/// let url = format!("redis://:{password}@redis.internal:6379");
/// let store = RedisStore::builder(url, StoreKey::new([7; 32]))
///     .allow_plain_redis() // the service mesh encrypts
///     .expected_replicas(12)
///     .build()?;
/// # Ok(()) }
/// ```
#[must_use]
pub struct RedisStoreBuilder {
    url: String,
    key: StoreKey,
    prefix: String,
    quota: f64,
    replicas: u32,
    allows_plain: bool,
    /// PEM; empty: the platform's.
    roots: Vec<u8>,
}

impl fmt::Debug for RedisStoreBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisStoreBuilder")
            .field("prefix", &self.prefix)
            .field("quota", &self.quota)
            .field("expected_replicas", &self.replicas)
            .field("allow_plain_redis", &self.allows_plain)
            .finish_non_exhaustive()
    }
}

impl RedisStoreBuilder {
    pub(crate) fn new(url: String, key: StoreKey) -> Self {
        let (prefix, roots) = (PREFIX.to_owned(), Vec::new());
        Self { url, key, prefix, quota: QUOTA, replicas: REPLICAS, allows_plain: false, roots }
    }

    /// Sets how many calls to STS all processes make together in a second at most, from 0.001 to 10,000. The default is 80: STS
    /// answers an account about 100 times a second, and the account has other users.
    pub fn quota(mut self, calls_per_second: f64) -> Self {
        self.quota = calls_per_second;
        self
    }

    /// Sets how the names of all keys in Redis begin: 1 to 64 letters, digits, `-`, `_`, `.` or `:`. The default is
    /// `alibabacloud-credentials`. Services that have the same prefix share one quota, so take one for each account.
    pub fn prefix(mut self, prefix: impl Into<String>) -> Self {
        self.prefix = prefix.into();
        self
    }

    /// Sets how many processes share the quota where Redis is away before they have been counted, 1 at least. The default is 4.
    pub fn expected_replicas(mut self, replicas: u32) -> Self {
        self.replicas = replicas;
        self
    }

    /// Allows `redis://` beyond loopback. What is stored is sealed all the same; the password of the server travels in the clear, and
    /// who is on the way can delete sessions and hold up the quota.
    pub fn allow_plain_redis(mut self) -> Self {
        self.allows_plain = true;
        self
    }

    /// Trusts the certificates of `pem` and no others to vouch for the server of a `rediss://` URL: for a server whose authority is its
    /// own, as Tair's is. The default is the platform's root certificates.
    ///
    /// ```
    /// use alibabacloud_credentials::StoreKey;
    /// use alibabacloud_credentials_redis::RedisStore;
    ///
    /// # fn example() -> Result<(), Box<dyn std::error::Error>> {
    /// let store = RedisStore::builder("rediss://r-bp1.redis.rds.aliyuncs.com:6379", StoreKey::new([7; 32]))
    ///     .root_certificates(std::fs::read("ApsaraDB-CA-Chain.pem")?)
    ///     .build()?;
    /// # Ok(()) }
    /// ```
    #[cfg(feature = "tls")]
    pub fn root_certificates(mut self, pem: impl Into<Vec<u8>>) -> Self {
        self.roots = pem.into();
        self
    }

    /// Creates the store. Nothing is connected yet.
    ///
    /// # Errors
    ///
    /// `InvalidInput` where the URL is malformed or not encrypted, a setting is out of its range, or there is no certificate in the PEM.
    pub fn build(self) -> Result<RedisStore, Error> {
        if !QUOTAS.contains(&self.quota) {
            let message = format!("a quota is 0.001 to 10000 calls a second, and {} was given", self.quota);
            return Err(Error::invalid_input(message));
        }
        if self.replicas == 0 {
            return Err(Error::invalid_input("there is one replica at least, and 0 were expected"));
        }
        let is_named = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.:".contains(&byte);
        if !(1..=64).contains(&self.prefix.len()) || !self.prefix.bytes().all(is_named) {
            return Err(Error::invalid_input("a prefix is 1 to 64 letters, digits, `-`, `_`, `.` or `:`"));
        }
        let address = Address::parse(&self.url, self.allows_plain, self.roots)?;
        let Self { key, prefix, quota, replicas, .. } = self;
        Ok(RedisStore::with(Settings { address, key, prefix, quota, replicas }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(feature = "tls")]
    #[test]
    fn root_certificates_are_for_tls_and_there_has_to_be_one() {
        let store = |url: &str| RedisStore::builder(url, StoreKey::new([7; 32])).root_certificates("no certificate");
        for (url, expected) in [
            ("rediss://:password@10.0.0.7", "root certificates: there is no certificate in the PEM"),
            ("redis://:password@127.0.0.1", "root certificates are for rediss://"),
        ] {
            let error = store(url).build().unwrap_err().to_string();
            assert!(error.contains(expected) && !error.contains("password"), "{error}");
        }
    }

    #[test]
    fn a_setting_that_is_out_of_its_range_is_an_error_that_says_so() {
        let store = || RedisStore::builder("redis://:password@127.0.0.1", StoreKey::new([7; 32]));
        for (store, expected) in [
            (store().quota(0.0), "a quota"),
            (store().quota(f64::INFINITY), "a quota"),
            (store().quota(f64::NAN), "a quota"),
            (store().expected_replicas(0), "one replica at least"),
            (store().prefix(""), "a prefix"),
            (store().prefix("a b"), "a prefix"),
            (store().prefix("x".repeat(65)), "a prefix"),
        ] {
            let error = store.build().unwrap_err().to_string();
            assert!(error.contains(expected), "{error}");
        }
        let shown = format!("{:?} {:?}", store(), store().build().unwrap());
        assert!(shown.contains("127.0.0.1:6379") && !shown.contains("password"), "{shown}");
    }
}
