//! OpenDAL's operator for Object Storage Service. Its builder takes no provider, so its requests are signed on their way out.

mod service;
mod transport;

use std::sync::Arc;

use alibabacloud_credentials::RequestSigner;
use opendal::raw::{Layer, Servicer};
use opendal::services::OssConfig;
use opendal::{HttpTransporter, OperationContext, Operator};

use self::service::Unpresigned;
use self::transport::Signing;

/// An operator whose requests are signed by the chain, each with what it holds at that moment. It never goes stale, nor do
/// readers, writers and listers that live through a renewal.
///
/// ```no_run
/// # async fn example() -> Result<(), opendal::Error> {
/// use alibabacloud_credentials::{DefaultCredentialChain, RequestSigner};
/// use alibabacloud_credentials_adapters::oss_operator;
/// use opendal::services::OssConfig;
///
/// let mut config = OssConfig::default();
/// config.bucket = "media".to_owned();
/// config.endpoint = Some("https://oss-cn-hangzhou.aliyuncs.com".to_owned());
/// let operator = oss_operator(config, RequestSigner::oss4("cn-hangzhou", DefaultCredentialChain::new()))?;
/// operator.write("greeting", "hello").await?;
/// # Ok(()) }
/// ```
///
/// OpenDAL's OSS service has no place for a provider, only for a key, a secret and a token that never change. So it is told
/// not to sign at all, and a layer has the [`RequestSigner`] sign each request (in its headers) as it goes out. Other layers go on top
/// as usual, and the HTTP transport is the operator's own (the process-wide default, or `with_context`); `RetryLayer` has each attempt signed anew. What the configuration says about credentials, roles and STS is
/// not looked at, and neither are OpenDAL's environment variables.
///
/// **An invalid session** (`SecurityTokenExpired` and the like) is invalidated, the very one that the request was signed with,
/// and the request sent once more if the chain then has another; so too, once, when the clock turns out to be off.
///
/// Plain `http://` beyond loopback has to be said to the signer too: `RequestSigner::allow_plain_http`.
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
pub fn oss_operator(mut config: OssConfig, signer: RequestSigner) -> opendal::Result<Operator> {
    config.skip_signature = true;
    // With the path style it is in the path, where the signer finds it; else the host stands for it, by whatever name.
    let in_path = config.addressing_style.as_deref() == Some("path");
    let signer = if in_path { signer } else { signer.bucket(&config.bucket) };
    Ok(Operator::from_config(config)?.layer(SignOss(signer)))
}

/// Signs what the service sends.
#[derive(Debug)]
struct SignOss(RequestSigner);

impl Layer for SignOss {
    fn apply_service(&self, inner: Servicer) -> Servicer {
        Arc::new(Unpresigned(inner))
    }

    fn apply_context(&self, _: Servicer, inner: OperationContext) -> OperationContext {
        let signing = Signing { signer: self.0.clone(), inner: inner.http_transport().clone() };
        inner.with_http_transport(HttpTransporter::new(signing))
    }
}
