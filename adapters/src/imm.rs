//! alibabacloud-imm: a client of Intelligent Media Management.

use std::fmt;

use alibabacloud_credentials::Refresher;
use alibabacloud_imm::credentials::{Credentials, CredentialsProvider};

/// Feeds an `alibabacloud_imm::Client`.
#[derive(Clone)]
pub struct ImmCredentials(Refresher);

impl ImmCredentials {
    /// From a chain, a refresher, or anything that becomes one.
    pub fn new(credentials: impl Into<Refresher>) -> Self {
        Self(credentials.into())
    }
}

impl CredentialsProvider for ImmCredentials {
    async fn get_credentials(&self) -> alibabacloud_imm::Result<Credentials> {
        let current = self.0.credentials().await.map_err(|error| alibabacloud_imm::Error::Other(error.to_string()))?;
        Ok(Credentials {
            access_key_id: current.access_key_id().to_owned(),
            access_key_secret: current.access_key_secret().to_owned(),
            security_token: current.security_token().map(str::to_owned),
            expiration: None,
        })
    }
}

impl fmt::Debug for ImmCredentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("ImmCredentials").field(&self.0).finish()
    }
}
