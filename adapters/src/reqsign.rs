//! reqsign: signs requests to Object Storage Service, for OpenDAL and others.

use std::fmt;
use std::time::{SystemTime, UNIX_EPOCH};

use alibabacloud_credentials::{Error, ErrorKind, Refresher};
use reqsign_aliyun_oss::Credential;
use reqsign_core::time::Timestamp;
use reqsign_core::{Context, ProvideCredential};

/// The header that a signed request carries its session in.
const TOKEN: &str = "x-oss-security-token";

/// Feeds a [`reqsign_core::Signer`].
///
/// ```no_run
/// # async fn example(mut parts: http::request::Parts) -> Result<(), reqsign_core::Error> {
/// use alibabacloud_credentials::DefaultCredentialChain;
/// use alibabacloud_credentials_adapters::ReqsignCredentials;
/// use reqsign_aliyun_oss::{RequestSigner, SigningVersion};
/// use reqsign_core::{Context, Signer};
///
/// let credentials = ReqsignCredentials::new(DefaultCredentialChain::new());
/// let oss = RequestSigner::new("media").with_region("cn-hangzhou").with_signing_version(SigningVersion::V4);
/// let mut signer = Signer::new(Context::new(), credentials.clone(), oss);
/// signer.sign(&mut parts, None).await?;
///
/// // OSS answered 403 with SecurityTokenExpired:
/// if credentials.rejected(&parts.headers) {
///     signer = signer.with_credential_provider(credentials.clone()); // an empty cache
/// }
/// # Ok(()) }
/// ```
///
/// **Its own cache.** A `Signer` keeps what it got until 120 seconds before the end, and asks for every signature from
/// then on until it gets something that lasts longer. The chain has then been in its advisory window for minutes with
/// nobody asking: it gives the old session at once, starts the renewal, and the next signatures have the new one. With
/// `Refresher::keep_fresh` the first one has it already. Nothing makes a `Signer` forget a session that died early, but
/// `with_credential_provider`.
///
/// **Do not put it into a `ProvideCredentialChain`** with other providers: that passes over errors, so that a short outage
/// becomes another identity. Alone it answers with a credential or an error, never with `None`.
///
/// **Expiry** is passed on as it is. A URL that is to live longer than the session is refused by reqsign: ask
/// `Refresher::credentials_valid_for` first, so that the chain renews it, and give the `Signer` an empty cache.
///
/// **Cost**: each time the `Signer` asks, four allocations, the copies of key id, secret and token and the boxed future of
/// reqsign's type erasure (measured by `cargo bench`). For each signature reqsign itself takes a lock and copies the
/// three strings once more (by reading). The copies are not zeroized: they are plain `String`s of reqsign's.
///
/// **Errors** are the chain's text, with the chain's error as source.
#[derive(Clone)]
pub struct ReqsignCredentials(Refresher);

impl ReqsignCredentials {
    /// From a chain, a refresher, or a literal.
    pub fn new(credentials: impl Into<Refresher>) -> Self {
        Self(credentials.into())
    }

    /// Says that OSS refused a request as signed by an invalid session (`SecurityTokenExpired`, `InvalidSecurityToken`, or
    /// `InvalidAccessKeyId` in spite of a token; never `AccessDenied`). `signed` are the headers that `Signer::sign` wrote.
    ///
    /// `true` if that is the session that the chain holds: the next one who asks waits for another. A newer session is
    /// not given up, since the token in the headers says which one was used.
    pub fn rejected(&self, signed: &http::HeaderMap) -> bool {
        let Some(used) = signed.get(TOKEN) else { return false };
        let current = self.0.cached();
        let current =
            current.filter(|held| held.security_token().is_some_and(|token| token.as_bytes() == used.as_bytes()));
        current.is_some_and(|held| self.0.invalidate(&held))
    }
}

impl ProvideCredential for ReqsignCredentials {
    type Credential = Credential;

    async fn provide_credential(&self, _: &Context) -> reqsign_core::Result<Option<Credential>> {
        let current = self.0.credentials().await.map_err(refused)?;
        Ok(Some(Credential {
            access_key_id: current.access_key_id().to_owned(),
            access_key_secret: current.access_key_secret().to_owned(),
            security_token: current.security_token().map(str::to_owned),
            expires_in: current.expiration().map(timestamp).transpose()?,
        }))
    }
}

fn timestamp(at: SystemTime) -> reqsign_core::Result<Timestamp> {
    let since = at.duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp::from_millisecond(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
}

fn refused(error: Error) -> reqsign_core::Error {
    let passing = error.is_transient();
    let kind = match error.kind() {
        _ if passing => reqsign_core::ErrorKind::Unexpected,
        ErrorKind::NotConfigured | ErrorKind::InvalidInput => reqsign_core::ErrorKind::ConfigInvalid,
        ErrorKind::Refused => reqsign_core::ErrorKind::PermissionDenied,
        _ => reqsign_core::ErrorKind::CredentialInvalid,
    };
    reqsign_core::Error::new(kind, error.to_string()).set_retryable(passing).with_source(error)
}

impl fmt::Debug for ReqsignCredentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("ReqsignCredentials").field(&self.0).finish()
    }
}
