//! OpenDAL's operator for Object Storage Service. Its builder takes no provider, so its requests are signed on their way out.

mod service;
mod transport;

use std::fmt;
use std::sync::Arc;

use alibabacloud_credentials::Refresher;
use opendal::raw::{Layer, Servicer};
use opendal::services::OssConfig;
use opendal::{HttpTransporter, OperationContext, Operator};

use self::service::Unpresigned;
use self::transport::{Signature, Signing};

/// An operator whose requests are signed by the chain, each with what it holds at that moment. It never goes stale, nor do
/// readers, writers and listers that live through a renewal.
///
/// ```no_run
/// # async fn example() -> Result<(), opendal::Error> {
/// use alibabacloud_credentials::DefaultCredentialChain;
/// use alibabacloud_credentials_adapters::oss_operator;
/// use opendal::services::OssConfig;
///
/// let mut config = OssConfig::default();
/// config.bucket = "media".to_owned();
/// config.endpoint = Some("https://oss-cn-hangzhou.aliyuncs.com".to_owned());
/// let operator = oss_operator(config, "cn-hangzhou", DefaultCredentialChain::new())?;
/// operator.write("greeting", "hello").await?;
/// # Ok(()) }
/// ```
///
/// OpenDAL's OSS service has no place for a provider, only for a key, a secret and a token that never change. So it is told
/// not to sign at all, and a layer signs each request (OSS4-HMAC-SHA256, in headers) as it goes out. Other layers go on top
/// as usual, and the HTTP transport is the operator's own (the process-wide default, or `with_context`); `RetryLayer` has each attempt signed anew. What the configuration says about credentials, roles and STS is
/// not looked at, and neither are OpenDAL's environment variables.
///
/// **A dead session** (`SecurityTokenExpired` and the like) is invalidated, the very one that the request was signed with,
/// and the request sent once more if the chain then has another.
///
/// **Presigned URLs** are not made: `presign_*` is an error of the kind `Unsupported`. Take
/// `Refresher::presigned_oss_url`, which also makes sure that the session lasts as long as the URL.
///
/// **Cost per request** beyond the signature itself: a boxed future and one copy of the request's head, in case it has to be
/// sent again; bodies are shared (counted by reading). The secret is not copied. The token is, into its header, marked sensitive.
///
/// **Expiry and its own cache**: OpenDAL has none here.
///
/// **Errors** of the chain are OpenDAL errors with the chain's text and the chain's error as source; where the chain could
/// not be reached they are temporary, so that `RetryLayer` tries again.
///
/// # Errors
///
/// Those of the configuration, as OpenDAL has them.
pub fn oss_operator(
    mut config: OssConfig,
    region: impl Into<String>,
    credentials: impl Into<Refresher>,
) -> opendal::Result<Operator> {
    config.skip_signature = true;
    let signature = Signature {
        refresher: credentials.into(),
        region: region.into(),
        bucket: config.bucket.clone(),
        bucket_in_path: config.addressing_style.as_deref() == Some("path"),
    };
    Ok(Operator::from_config(config)?.layer(SignOss(Arc::new(signature))))
}

/// Signs what the service sends.
struct SignOss(Arc<Signature>);

impl Layer for SignOss {
    fn apply_service(&self, inner: Servicer) -> Servicer {
        Arc::new(Unpresigned(inner))
    }

    fn apply_context(&self, _: Servicer, inner: OperationContext) -> OperationContext {
        let signing = Signing { signature: Arc::clone(&self.0), inner: inner.http_transport().clone() };
        inner.with_http_transport(HttpTransporter::new(signing))
    }
}

impl fmt::Debug for SignOss {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SignOss").field("bucket", &self.0.bucket).field("credentials", &self.0.refresher).finish()
    }
}
