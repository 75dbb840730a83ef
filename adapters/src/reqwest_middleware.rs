//! reqwest-middleware: every request of a reqwest client, signed.

use std::fmt;

use alibabacloud_credentials::{Error, PreparedRequest, RequestSigner, RetryDecision};
use bytes::Bytes;
use http::{Extensions, request};
use reqwest::{Body, Request, Response, ResponseBuilderExt};
use reqwest_middleware::{Middleware, Next, Result};

use crate::peeked_body::Peeked;

/// Signs every request of a `reqwest_middleware` client, by the scheme of the [`RequestSigner`] that it is given.
///
/// When the server says that the token is invalid, the credential is invalidated and the request signed and sent once more,
/// if there is another credential; so too, once each, when the clock turns out to be off, or the nonce was used. It
/// measures the clock by every answer. It belongs last in the stack, next to the client: what changes a request after it
/// breaks the signature, and what retries before it gets a signature of its own each time. The reqwest client's own
/// `default_headers` come later still: none of them may be one that is signed (`x-acs-…`, `x-oss-…`, `content-type`).
///
/// ```no_run
/// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
/// use alibabacloud_credentials::{DefaultCredentialChain, RequestSigner};
/// use alibabacloud_credentials_adapters::SigningMiddleware;
///
/// // A redirect would carry the token to wherever it leads.
/// let client = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).build()?;
/// let client = reqwest_middleware::ClientBuilder::new(client)
///     .with(SigningMiddleware::new(RequestSigner::acs3(DefaultCredentialChain::new())))
///     .build();
///
/// let answer = client
///     .post("https://imm.cn-hangzhou.aliyuncs.com/?ProjectName=testproject")
///     .header("x-acs-action", "GetProject")
///     .header("x-acs-version", "2020-09-30")
///     .send()
///     .await?;
/// # Ok(()) }
/// ```
///
/// A body in memory is hashed once, and never copied but by RPC V1, which rewrites it. A stream needs its SHA-256 in the header
/// `x-acs-content-sha256` (ACS3; OSS needs none), and cannot be sent twice: a refusal of its token invalidates the
/// credential, and is the caller's answer. Of a refusal, at most 64 KiB are read ahead; the caller gets all of it. How long
/// anything may take is the client's own `timeout`: set one.
///
/// # Errors
///
/// `reqwest_middleware::Error::Middleware` holds an [`alibabacloud_credentials::Error`], to be had by `downcast_ref`: no
/// credentials, or a request that cannot be signed.
#[derive(Clone)]
pub struct SigningMiddleware(RequestSigner);

impl SigningMiddleware {
    /// Signs with `signer`.
    pub fn new(signer: RequestSigner) -> Self {
        Self(signer)
    }
}

impl fmt::Debug for SigningMiddleware {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("SigningMiddleware").field(&self.0).finish()
    }
}

#[async_trait::async_trait]
impl Middleware for SigningMiddleware {
    async fn handle(&self, mut request: Request, extensions: &mut Extensions, next: Next<'_>) -> Result<Response> {
        let head = head_of(&request)?;
        let body = request.body().map_or(Some(&b""[..]), Body::as_bytes);
        let stream = body.is_none();
        let mut prepared = self.0.prepare(head, body).map_err(reqwest_middleware::Error::middleware)?;
        if stream {
            prepared = prepared.once();
        }
        loop {
            let again = request.try_clone();
            let signed = prepared.sign().await.map_err(reqwest_middleware::Error::middleware)?;
            *request.headers_mut() = signed.head.headers;
            if let Some(form) = signed.body {
                *request.body_mut() = Some(Body::from(form));
            }
            let answer = next.clone().run(request, extensions).await?;
            let (answer, decision) = review(&mut prepared, answer).await;
            match (decision, again) {
                (RetryDecision::SignAgain, Some(again)) => request = again,
                _ => return Ok(answer),
            }
        }
    }
}

/// What is signed of a request. The client keeps the rest, its timeout among it.
fn head_of(request: &Request) -> Result<request::Parts> {
    let mut head = http::Request::new(()).into_parts().0;
    head.method = request.method().clone();
    head.uri = request.url().as_str().try_into().map_err(|_| {
        let error = Error::invalid_input("the URL is longer than can be sent").with_code("TooLong");
        reqwest_middleware::Error::middleware(error)
    })?;
    head.headers = request.headers().clone();
    Ok(head)
}

async fn review(prepared: &mut PreparedRequest, answer: Response) -> (Response, RetryDecision) {
    let (status, headers) = (answer.status(), answer.headers().clone());
    if !PreparedRequest::wants_body(status) {
        let decision = prepared.review(status, &headers, b"").await;
        return (answer, decision);
    }
    let url = answer.url().clone();
    let (mut head, body) = http::Response::from(answer).into_parts();
    let mut body = Peeked::unread(body);
    let beginning: Bytes = body.peek(PreparedRequest::REVIEWED_BODY).await;
    let decision = prepared.review(status, &headers, &beginning).await;
    // The way round by `http` would forget the URL.
    if let Ok(with_url) = http::Response::builder().url(url).body(()) {
        head.extensions.extend(with_url.into_parts().0.extensions);
    }
    (http::Response::from_parts(head, Body::wrap(body)).into(), decision)
}
