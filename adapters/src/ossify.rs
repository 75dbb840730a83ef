//! ossify: a client of Object Storage Service.

use crate::credentials_provider::credentials_provider;

credentials_provider! {
    /// Feeds an [`ossify::Client`].
    ///
    /// ```no_run
    /// # async fn example() -> Result<(), ossify::Error> {
    /// use alibabacloud_credentials::DefaultCredentialChain;
    /// use alibabacloud_credentials_adapters::OssifyCredentials;
    /// use ossify::Client;
    ///
    /// let credentials = OssifyCredentials::new(DefaultCredentialChain::new());
    /// let client = Client::builder()
    ///     .endpoint("https://oss-cn-hangzhou.aliyuncs.com")
    ///     .region("cn-hangzhou")
    ///     .bucket("media")
    ///     .credentials_provider(credentials.clone())
    ///     .build()?;
    /// # Ok(()) }
    /// ```
    ///
    /// **Renewal.** The client asks once per request, and once per presigned URL, right before it signs. It does not look
    /// whether a URL outlives the session: ask `Refresher::credentials_valid_for` first, so that the session lasts.
    ///
    /// **Cost per request**: three allocations, the copies of key id, secret and token that the client's own type demands
    /// (measured by `cargo bench`), and a fourth for the boxed future of the client's type erasure (by reading). No
    /// lock, no I/O. The copies are not zeroized: they are plain `String`s of the client's.
    ///
    /// **Expiry** is passed on as it is, though the client does not look at it.
    ///
    /// **Its own cache**: hand this over directly, never within `CachingCredentialsProvider` or `CredentialsChain`. That
    /// cache would hold its lock across every refresh, make all callers wait for five minutes before each end, and fail
    /// them all when STS does.
    ///
    /// **Logs**: at TRACE the client prints its requests, security token included.
    pub struct OssifyCredentials for ossify;
    /// ossify 0.4 takes any answer for success in `delete_object` and all other operations that return `()`, a refusal
    /// included: nothing can be told there. A call by `HEAD` gets no `Code` with its refusal, so an invalid token cannot be told there; nor where the answer lacks
    /// one of the elements that the client insists on.
    invalid: Oss, |error| match error {
        ossify::Error::ApiError { message: Some(message), .. } => Some(message.code.as_str()),
        ossify::Error::OssService { code, .. } => Some(code.as_str()),
        _ => None,
    };
}
