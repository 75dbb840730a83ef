//! Presigned URLs from a [`Refresher`], by a credential that lasts as long as they do.

use std::time::Duration;

use crate::error::Error;
use crate::key_characters::check_characters;
use crate::refresh::Refresher;
use crate::sign::oss4::{self, PresignedUrl};

impl Refresher {
    /// A presigned URL of OSS for `lifetime` from now, by a credential that lasts at least as long: see
    /// [`credentials_valid_for`](Self::credentials_valid_for), and [`oss4::Request::presigned_url`] for the rest.
    ///
    /// A URL that outlives its credential stops working early, and says only that access is denied.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::TooShort`](crate::ErrorKind::TooShort), with what can be had in [`Error::available_lifetime`], when the source's
    /// sessions do not last that long: ask for less, or for longer sessions. `ErrorKind::InvalidInput` for a lifetime below a
    /// second or above 7 days, or a request that cannot be: nothing is asked then. Otherwise as
    /// [`credentials`](Self::credentials).
    ///
    /// ```no_run
    /// # async fn example(chain: alibabacloud_credentials::DefaultCredentialChain) -> Result<(), alibabacloud_credentials::Error> {
    /// use std::time::Duration;
    /// use alibabacloud_credentials::sign::oss4;
    ///
    /// let film = oss4::Request {
    ///     method: "GET",
    ///     bucket: "media",
    ///     key: "films/a b.mp4",
    ///     region: "cn-hangzhou",
    ///     ..oss4::Request::default()
    /// };
    /// let host = "media.oss-cn-hangzhou.aliyuncs.com";
    /// let url = chain.refresher().presigned_oss_url(host, Duration::from_secs(1800), &film).await?;
    /// # Ok(()) }
    /// ```
    pub async fn presigned_oss_url(
        &self,
        host: &str,
        lifetime: Duration,
        request: &oss4::Request<'_>,
    ) -> Result<PresignedUrl, Error> {
        let endpoint = request.check_presigned(host, lifetime)?;
        let credentials = self.credentials_valid_for(lifetime).await?;
        check_characters(&credentials)?;
        Ok(request.presign(&endpoint, self.context().signing_time(), lifetime, &credentials))
    }
}
