//! tower: every request that passes a layer, signed.

use std::error::Error as StdError;
use std::fmt;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::task::{Context, Poll};

use alibabacloud_credentials::{PreparedRequest, RequestSigner, RetryDecision};
use bytes::Bytes;
use http::{Request, Response};
use http_body::Body;
use http_body_util::{BodyExt as _, Limited};
use tower_layer::Layer;
use tower_service::Service;

use crate::peeked_body::Peeked;

type BoxError = Box<dyn StdError + Send + Sync>;

/// Bodies that announce no more than this are taken into memory, so that they can be hashed and sent twice: 16 MiB.
const IN_MEMORY: u64 = 16 * 1024 * 1024;

/// Signs every request on its way to an HTTP client (hyper-util's, for one), by the scheme of the [`RequestSigner`] that it
/// is given.
///
/// When the server says that the token is invalid, the credential is invalidated and the request signed and sent once more,
/// if there is another credential; so too, once each, when the clock turns out to be off, or the nonce was used. It
/// measures the clock by every answer. It belongs next to the client: what changes a request after it breaks the signature,
/// and what retries before it gets a signature of its own each time.
///
/// ```no_run
/// use alibabacloud_credentials::{DefaultCredentialChain, RequestSigner};
/// use alibabacloud_credentials_adapters::SigningLayer;
/// use bytes::Bytes;
/// use http_body_util::Full;
/// use hyper_util::client::legacy::Client;
/// use hyper_util::rt::TokioExecutor;
/// use tower::{ServiceBuilder, ServiceExt};
///
/// # async fn example() -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
/// # let connector = hyper_util::client::legacy::connect::HttpConnector::new(); // one with TLS, outside of examples
/// let client = ServiceBuilder::new()
///     .layer(SigningLayer::new(RequestSigner::acs3(DefaultCredentialChain::new())))
///     .service(Client::builder(TokioExecutor::new()).build::<_, Full<Bytes>>(connector));
///
/// let request = http::Request::post("https://imm.cn-hangzhou.aliyuncs.com/?ProjectName=testproject")
///     .header("x-acs-action", "GetProject")
///     .header("x-acs-version", "2020-09-30")
///     .body(Full::default())?;
/// let answer = client.oneshot(request).await?;
/// # Ok(()) }
/// ```
///
/// A body that announces its length, up to 16 MiB, is taken into memory and hashed once. Any other is a stream: ACS3 needs
/// its SHA-256 in the header `x-acs-content-sha256`, OSS needs none; it cannot be sent twice, so a refusal of its token
/// invalidates the credential, and is the caller's answer. Of a refusal, at most 64 KiB are read ahead; the caller gets all of
/// it. How long anything may take is for the layers around it: have a timeout there.
///
/// # Errors
///
/// An [`alibabacloud_credentials::Error`] in a box, to be had by `downcast_ref`, where there are no credentials, or the
/// request cannot be signed; otherwise the client's own.
#[derive(Clone)]
pub struct SigningLayer(RequestSigner);

impl SigningLayer {
    /// Signs with `signer`.
    pub fn new(signer: RequestSigner) -> Self {
        Self(signer)
    }
}

impl fmt::Debug for SigningLayer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("SigningLayer").field(&self.0).finish()
    }
}

impl<S> Layer<S> for SigningLayer {
    type Service = SigningService<S>;

    fn layer(&self, inner: S) -> Self::Service {
        SigningService { signer: self.0.clone(), inner }
    }
}

/// The service that a [`SigningLayer`] makes of an HTTP client.
#[derive(Clone)]
pub struct SigningService<S> {
    signer: RequestSigner,
    inner: S,
}

impl<S> fmt::Debug for SigningService<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SigningService").field("signer", &self.signer).finish_non_exhaustive()
    }
}

impl<S, B, R> Service<Request<B>> for SigningService<S>
where
    S: Service<Request<B>, Response = Response<R>> + Clone + Send + 'static,
    S::Future: Send,
    S::Error: Into<BoxError>,
    B: Body<Data = Bytes> + From<Bytes> + Send + 'static,
    B::Error: Into<BoxError>,
    R: Body<Data = Bytes> + Send + 'static,
    R::Error: Send,
{
    type Response = Response<Peeked<R>>;
    type Error = BoxError;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Self::Error>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(cx).map_err(Into::into)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        // The one that was polled ready is the one to call; its clone is not ready yet.
        let clone = self.inner.clone();
        let inner = std::mem::replace(&mut self.inner, clone);
        Box::pin(signed(self.signer.clone(), inner, request))
    }
}

async fn signed<S, B, R>(
    signer: RequestSigner,
    mut inner: S,
    request: Request<B>,
) -> Result<Response<Peeked<R>>, BoxError>
where
    S: Service<Request<B>, Response = Response<R>>,
    S::Error: Into<BoxError>,
    B: Body<Data = Bytes> + From<Bytes>,
    B::Error: Into<BoxError>,
    R: Body<Data = Bytes>,
{
    let (head, body) = request.into_parts();
    let (bytes, mut own) = match body.size_hint().exact() {
        Some(length) if length <= IN_MEMORY => {
            let bytes = Limited::new(body, length as usize).collect().await?.to_bytes();
            (Some(bytes.clone()), B::from(bytes))
        }
        _ => (None, body),
    };
    let mut prepared = signer.prepare(head, bytes.as_deref())?;
    if bytes.is_none() {
        prepared = prepared.once();
    }
    loop {
        let signed = prepared.sign().await?;
        let answer = inner.call(signed.with_body(own)).await.map_err(Into::into)?;
        let (head, body) = answer.into_parts();
        let mut body = Peeked::unread(body);
        let wanted = if PreparedRequest::wants_body(head.status) { PreparedRequest::REVIEWED_BODY } else { 0 };
        let beginning = body.peek(wanted).await;
        match (prepared.review(head.status, &head.headers, &beginning).await, &bytes) {
            (RetryDecision::SignAgain, Some(bytes)) => own = B::from(bytes.clone()),
            _ => return Ok(Response::from_parts(head, body)),
        }
        poll_fn(|cx| inner.poll_ready(cx)).await.map_err(Into::into)?;
    }
}
