//! alibabacloud-imm: a client of Intelligent Media Management.

use crate::credentials_provider::credentials_provider;

credentials_provider! {
    /// Feeds an [`alibabacloud_imm::Client`].
    ///
    /// ```no_run
    /// # async fn example() -> Result<(), alibabacloud_imm::Error> {
    /// use alibabacloud_credentials::DefaultCredentialChain;
    /// use alibabacloud_credentials_adapters::ImmCredentials;
    /// use alibabacloud_imm::Client;
    /// use alibabacloud_imm::ops::{CreateProjectOps, CreateProjectQuery};
    ///
    /// let credentials = ImmCredentials::new(DefaultCredentialChain::new());
    /// let client = Client::builder().region("cn-hangzhou").credentials_provider(credentials.clone()).build()?;
    ///
    /// let query = CreateProjectQuery { project_name: "testproject".to_owned(), ..Default::default() };
    /// let project = credentials.renewing(|| client.create_project(query.clone())).await?;
    /// # Ok(()) }
    /// ```
    ///
    /// **Renewal.** The client asks once per request, right before it signs: a renewed session is used by the next one.
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
    pub struct ImmCredentials for alibabacloud_imm;
    /// An answer in which the client cannot find a `Code`, or whose body is not JSON, is never taken for it.
    invalid: OpenApi, |error| match error {
        alibabacloud_imm::Error::ApiError { message: Some(message), .. } => Some(message.code.as_str()),
        _ => None,
    };
}
