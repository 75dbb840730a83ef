//! aliyun-log-rust-sdk: the official client of Simple Log Service.

use std::fmt;

use alibabacloud_credentials::Refresher;
use aliyun_log_rust_sdk::{Credentials, CredentialsError, CredentialsProvider, async_trait};

/// Feeds an [`aliyun_log_rust_sdk::Client`].
///
/// ```no_run
/// # fn example() -> Result<(), Box<dyn std::error::Error>> {
/// use alibabacloud_credentials::DefaultCredentialChain;
/// use alibabacloud_credentials_adapters::AliyunLogCredentials;
/// use aliyun_log_rust_sdk::{Client, Config, FromConfig};
///
/// let config = Config::builder()
///     .endpoint("https://cn-hangzhou.log.aliyuncs.com") // spelled out: without it tokens travel in the clear
///     .credentials_provider(AliyunLogCredentials::new(DefaultCredentialChain::new()))
///     .build()?;
/// let client = Client::from_config(config)?;
/// # Ok(()) }
/// ```
///
/// **Its own cache.** The client keeps what it got until a fifth of what remains is left, at most five minutes before the
/// end, and then asks once per concurrent request; the chain makes one renewal of all of them. It has then been in its
/// advisory window for minutes with nobody asking: it gives the old session at once, starts the renewal, and the client
/// has the new one when it asks again, before the old one ends. With `Refresher::keep_fresh` it has it the first time.
/// Fetches that fail three times, or take longer than 5 s each, make the client go on with what it has, even expired.
///
/// **A session that died early** stays in the client's cache until it is due, and nothing but a new client makes it be
/// forgotten. So where that matters, keep what was handed out, and build anew. The service has one code, `Unauthorized`, for
/// an invalid token and for a lack of permission; only its text tells them apart ("The security token you provided has
/// expired", "… is invalid"):
///
/// ```no_run
/// # use alibabacloud_credentials::Refresher;
/// # use alibabacloud_credentials_adapters::AliyunLogCredentials;
/// # use aliyun_log_rust_sdk::{Client, Config, ConfigError, Error, FromConfig};
/// # async fn example(refresher: Refresher, build: impl Fn(AliyunLogCredentials) -> Client) -> Result<(), Box<dyn std::error::Error>> {
/// let used = refresher.credentials().await?;
/// let client = build(AliyunLogCredentials::new(refresher.clone()));
/// if let Err(Error::Server { error_message, .. }) = client.list_projects(0, 10).send().await
///     && error_message.starts_with("The security token you provided")
/// {
///     refresher.invalidate(&used); // does nothing if it has been renewed since
///     let client = build(AliyunLogCredentials::new(refresher.clone()));
/// }
/// # Ok(()) }
/// ```
///
/// **Expiry** is passed on as it is.
///
/// **Cost**: nothing per request, from the client's cache. Per fetch four allocations, the copies of key id, secret and
/// token and the boxed future of its trait (measured by `cargo bench`). The copies are not zeroized.
///
/// **Errors** come as `CredentialsError::Provider`, with the chain's text and the chain's error as source.
#[derive(Clone)]
pub struct AliyunLogCredentials(Refresher);

impl AliyunLogCredentials {
    /// From a chain, a refresher, or a literal.
    pub fn new(credentials: impl Into<Refresher>) -> Self {
        Self(credentials.into())
    }
}

#[async_trait]
impl CredentialsProvider for AliyunLogCredentials {
    async fn fetch_credentials(&self) -> Result<Credentials, CredentialsError> {
        let current = self.0.credentials().await.map_err(CredentialsError::provider)?;
        let mut copy = Credentials::new(current.access_key_id(), current.access_key_secret())?;
        if let Some(token) = current.security_token() {
            copy = copy.with_security_token(token);
        }
        if let Some(at) = current.expiration() {
            copy = copy.with_expiration(at);
        }
        Ok(copy)
    }
}

impl fmt::Debug for AliyunLogCredentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("AliyunLogCredentials").field(&self.0).finish()
    }
}
