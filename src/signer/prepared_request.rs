//! One request on its way: signed, sent, perhaps signed once more.

use std::fmt;

use bytes::Bytes;
use http::{HeaderMap, Request, StatusCode, request};

use super::{RequestSigner, Signable, error_code};
use crate::context::Now;
use crate::credentials::Credentials;
use crate::endpoint::Endpoint;
use crate::error::Error;
use crate::error_codes::{SigningRetries, SigningRetry};
use crate::rpc;

/// One request of a [`RequestSigner`]: sign it, send it, have the response reviewed, and again if the decision says so.
///
/// ```no_run
/// # use alibabacloud_credentials::{Credentials, Error, RequestSigner, RetryDecision};
/// # use bytes::Bytes;
/// # async fn example<S: AsyncFn(http::Request<Bytes>) -> http::Response<Bytes>>(
/// #     signer: RequestSigner, head: http::request::Parts, body: Bytes, send: S,
/// # ) -> Result<(), Error> {
/// let mut prepared = signer.prepare(head, Some(&body))?;
/// let response = loop {
///     let response = send(prepared.sign().await?.with_body(body.clone())).await;
///     if prepared.review(response.status(), response.headers(), response.body()).await == RetryDecision::Done {
///         break response;
///     }
/// };
/// # Ok(()) }
/// ```
pub struct PreparedRequest {
    signer: RequestSigner,
    head: request::Parts,
    host: Endpoint,
    /// Whether its server's `Date` may correct our clock.
    trusted: bool,
    signable: Signable,
    retries: SigningRetries,
    once: bool,
    used: Option<(Credentials, Now)>,
}

impl fmt::Debug for PreparedRequest {
    /// Neither path nor headers: they may hold what is not to be shown.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PreparedRequest")
            .field("signer", &self.signer)
            .field("method", &self.head.method)
            .field("host", &self.host)
            .finish_non_exhaustive()
    }
}

/// A request with its signature. It may be sent once.
///
/// ```no_run
/// # use alibabacloud_credentials::{Credentials, Error, RequestSigner, RetryDecision};
/// # use bytes::Bytes;
/// # async fn example<S: AsyncFn(http::Request<Bytes>) -> http::Response<Bytes>>(
/// #     signer: RequestSigner, head: http::request::Parts, body: Bytes, send: S,
/// # ) -> Result<(), Error> {
/// let signed = signer.prepare(head, Some(&body))?.sign().await?;
/// let response = send(signed.with_body(body)).await;
/// # Ok(()) }
/// ```
pub struct SignedRequest {
    /// The head to send in place of the one that was given.
    pub head: request::Parts,
    /// The body to send in place of the one that was given, where the signature is in it (RPC V1). `None`: send your own.
    pub body: Option<Bytes>,
}

impl fmt::Debug for SignedRequest {
    /// The method alone: the rest may hold a token.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SignedRequest").field("method", &self.head.method).finish_non_exhaustive()
    }
}

impl SignedRequest {
    /// The whole request, with `own` for its body unless the signature brought one.
    pub fn with_body<B: From<Bytes>>(self, own: B) -> Request<B> {
        Request::from_parts(self.head, self.body.map_or(own, B::from))
    }
}

/// Says whether a request is to be signed and sent again.
///
/// ```no_run
/// # use alibabacloud_credentials::{Credentials, Error, RequestSigner, RetryDecision};
/// # use bytes::Bytes;
/// # async fn example<S: AsyncFn(http::Request<Bytes>) -> http::Response<Bytes>>(
/// #     signer: RequestSigner, head: http::request::Parts, body: Bytes, send: S,
/// # ) -> Result<(), Error> {
/// # let mut prepared = signer.prepare(head, Some(&body))?;
/// # let response = send(prepared.sign().await?.with_body(body.clone())).await;
/// let decision = prepared.review(response.status(), response.headers(), response.body()).await;
/// if decision == RetryDecision::SignAgain {
///     let response = send(prepared.sign().await?.with_body(body)).await;
/// }
/// # Ok(()) }
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
#[must_use]
pub enum RetryDecision {
    /// Hand the response to the caller.
    Done,
    /// Sign the request again, send it again, and drop this response: the server has done nothing yet.
    SignAgain,
}

impl PreparedRequest {
    /// The largest body of an answer that [`review`](Self::review) has a use for, in bytes: 64 KiB. Of a longer one, the
    /// beginning will do.
    pub const REVIEWED_BODY: usize = 64 * 1024;

    pub(super) fn new(
        signer: RequestSigner,
        head: request::Parts,
        host: Endpoint,
        trusted: bool,
        signable: Signable,
    ) -> Self {
        Self { signer, head, host, trusted, signable, retries: SigningRetries::default(), once: false, used: None }
    }

    /// This request can be sent once only: its body is a stream that is gone then. An invalid credential is invalidated all
    /// the same, but nobody waits for the next one, and every decision is [`RetryDecision::Done`].
    #[must_use]
    pub fn once(mut self) -> Self {
        self.once = true;
        self
    }

    /// Signs with the credential of this moment, and a date and a nonce of their own.
    ///
    /// # Errors
    ///
    /// Those of the credentials; `InvalidKeyCharacter` or `Placeholder` where the id, the secret or the token holds what none
    /// does: the server would blame another one of them, or say that it does not exist.
    pub async fn sign(&mut self) -> Result<SignedRequest, Error> {
        let credentials = self.signer.0.credentials.credentials().await?;
        let context = self.signer.0.credentials.context();
        let signed = match &self.signable {
            Signable::Acs3(signable) => signable.sign(&self.head, self.host.authority(), context, &credentials),
            Signable::RpcV1(signable) => signable.sign(&self.head, context, &credentials),
            Signable::Oss4(signable) => signable.sign(&self.head, context, &credentials),
        }?;
        self.used = Some((credentials, context.now()));
        Ok(signed)
    }

    /// Whether the request changes nothing, so that it can be carried out twice. An RPC call is known by its action.
    fn may_repeat(&self) -> bool {
        let in_header = self.head.headers.get("x-acs-action").and_then(|action| action.to_str().ok());
        match in_header.or_else(|| self.signable.action()) {
            Some(action) => rpc::is_read_only(action) || self.head.method.is_safe() && self.head.uri.path() != "/",
            None => self.head.method.is_safe(),
        }
    }

    /// Whether [`review`](Self::review) has a use for the body of an answer of this status. Where not, give it none.
    pub fn wants_body(status: StatusCode) -> bool {
        matches!(status.as_u16(), 400..=404)
    }

    /// Reads what an answer says of the credential and of the clock. To be called with every answer, at once: an answer
    /// without a `Date`, or that comes more than 10 s after the signature, measures no clock.
    ///
    /// It waits only where the credential is invalid: for the next one, as [`Refresher::credentials`](crate::Refresher::credentials)
    /// does. For a request that is sent [`once`](Self::once), it waits for nothing.
    pub async fn review(&mut self, status: StatusCode, headers: &HeaderMap, body: &[u8]) -> RetryDecision {
        let Some((used, sent)) = self.used.take() else { return RetryDecision::Done };
        let refresher = self.signer.refresher();
        refresher.context().learn_clock(self.trusted, headers, sent);
        let Some(code) = error_code::read(headers, body).filter(|_| status.is_client_error()) else {
            return RetryDecision::Done;
        };
        let again = match self.retries.after(self.signer.product(), &code, &used, self.may_repeat()) {
            None => false,
            Some(SigningRetry::SignAgain) => !self.once,
            Some(SigningRetry::Replace) => {
                refresher.invalidate(&used);
                !self.once && refresher.credentials().await.is_ok_and(|fresh| fresh.generation() != used.generation())
            }
        };
        if again {
            tracing::debug!(host = %self.host, status = status.as_u16(), %code, "signing again");
            RetryDecision::SignAgain
        } else {
            RetryDecision::Done
        }
    }
}
