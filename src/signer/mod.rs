//! Signatures for the requests of any HTTP client.

mod acs3;
mod error_code;
mod oss4;
mod prepared_request;
mod presign;
mod rpc_v1;

use std::fmt;
use std::sync::Arc;

use http::{HeaderMap, HeaderName, HeaderValue, Request, header, request};

pub use self::prepared_request::{PreparedRequest, RetryDecision, SignedRequest};
use crate::endpoint::Endpoint;
use crate::error::Error;
use crate::error_codes::Product;
use crate::refresh::Refresher;

/// Signs the requests of whatever HTTP client there is, and reads from its answers what concerns the credential and the
/// clock. Cloning is one reference count.
///
/// It sends nothing. The crate `alibabacloud-credentials-adapters` has it as a middleware of `reqwest-middleware` and
/// as a layer of `tower`; for another client this is all that there is to do:
///
/// ```no_run
/// # use alibabacloud_credentials::{DefaultCredentialChain, Error};
/// # async fn example<S: AsyncFn(http::Request<bytes::Bytes>) -> http::Response<bytes::Bytes>>(
/// #     chain: DefaultCredentialChain, send: S,
/// # ) -> Result<(), Error> {
/// use alibabacloud_credentials::{RequestSigner, RetryDecision};
/// use bytes::Bytes;
///
/// let signer = RequestSigner::acs3(chain); // once, for many requests
///
/// let body = Bytes::new();
/// let (head, ()) = http::Request::post("https://imm.cn-hangzhou.aliyuncs.com/?ProjectName=testproject")
///     .header("x-acs-action", "GetProject")
///     .header("x-acs-version", "2020-09-30")
///     .body(())
///     .expect("a request")
///     .into_parts();
/// let mut prepared = signer.prepare(head, Some(&body))?;
/// let answer = loop {
///     let answer = send(prepared.sign().await?.with_body(body.clone())).await;
///     if prepared.review(answer.status(), answer.headers(), answer.body()).await == RetryDecision::Done {
///         break answer;
///     }
/// };
/// # Ok(()) }
/// ```
///
/// When the server says that the credential is invalid ([`Product::is_invalid_token`]), it is invalidated, and the decision is
/// to sign again if there is another one: once. A date that is too far off is signed again once, and so is a nonce that was
/// used if the request only reads (by its action, as `ListProjects`, or a ROA call's method): the server has seen a first
/// copy of it, and may have carried that out. Every answer's `Date` measures the clock that requests are signed by, over HTTPS or from loopback.
///
/// Plain `http://` is for loopback, unless [`allow_plain_http`](Self::allow_plain_http) was said. An HTTP client that
/// follows redirects carries the security token to wherever they lead: let yours follow none.
#[derive(Clone)]
pub struct RequestSigner(Arc<Inner>);

#[derive(Clone)]
struct Inner {
    credentials: Refresher,
    scheme: Scheme,
    bucket: Option<String>,
    allow_plain_http: bool,
}

#[derive(Clone, Debug)]
enum Scheme {
    Acs3,
    RpcV1,
    Oss4 { region: Arc<str> },
}

impl fmt::Debug for RequestSigner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RequestSigner")
            .field("scheme", &self.0.scheme)
            .field("credentials", &self.0.credentials)
            .finish_non_exhaustive()
    }
}

impl RequestSigner {
    /// Signature V3 ([`sign::acs3`](crate::sign::acs3)): IMM, STS and nearly every other product, RPC and ROA.
    ///
    /// A request names its API version in the header `x-acs-version`, an RPC call also its operation in `x-acs-action`.
    /// All parameters stay where they are. A body in memory is hashed once; a stream needs the lower-case hexadecimal
    /// SHA-256 of its bytes in the header `x-acs-content-sha256`.
    ///
    /// A ROA call, as of Container Service (ACK) or Function Compute, is named by its method and path:
    ///
    /// ```no_run
    /// # async fn example(chain: alibabacloud_credentials::DefaultCredentialChain) -> Result<(), alibabacloud_credentials::Error> {
    /// use alibabacloud_credentials::RequestSigner;
    ///
    /// let signer = RequestSigner::acs3(chain);
    /// let (head, ()) = http::Request::get("https://cs.cn-hangzhou.aliyuncs.com/api/v1/clusters?page_size=50")
    ///     .header("x-acs-version", "2015-12-15")
    ///     .header("x-acs-action", "DescribeClustersV1")
    ///     .header("accept", "application/json")
    ///     .body(())
    ///     .expect("a request")
    ///     .into_parts();
    /// let signed = signer.prepare(head, Some(b""))?.sign().await?; // to be sent by any HTTP client
    /// # Ok(()) }
    /// ```
    pub fn acs3(credentials: impl Into<Refresher>) -> Self {
        Self::new(Scheme::Acs3, credentials)
    }

    /// Signature V1 ([`sign::rpc_v1`](crate::sign::rpc_v1)), for RPC gateways that know no other.
    ///
    /// A request is a POST with `Action` and `Version` among its parameters, in the query or in a form. The signature, the
    /// key id and the token go into the form, never into the URL, so the body that is sent is
    /// [`SignedRequest::body`].
    pub fn rpc_v1(credentials: impl Into<Refresher>) -> Self {
        Self::new(Scheme::RpcV1, credentials)
    }

    /// Signature V4 of Object Storage ([`sign::oss4`](crate::sign::oss4)) for a region, as `cn-hangzhou`. A request to a host of
    /// OSS in another region is refused, since OSS would only say that its signature does not match.
    ///
    /// The bucket is read from a host as `media.oss-cn-hangzhou.aliyuncs.com`, else from the path's first segment; where a host
    /// of your own stands for a bucket, say which: [`bucket`](Self::bucket). No body is hashed (TLS guards it), so
    /// streams are as good as any. A space in the query is to be `%20`.
    pub fn oss4(region: impl Into<String>, credentials: impl Into<Refresher>) -> Self {
        Self::new(Scheme::Oss4 { region: region.into().into() }, credentials)
    }

    fn new(scheme: Scheme, credentials: impl Into<Refresher>) -> Self {
        Self(Arc::new(Inner { credentials: credentials.into(), scheme, bucket: None, allow_plain_http: false }))
    }

    fn edit(mut self, edit: impl FnOnce(&mut Inner)) -> Self {
        edit(Arc::make_mut(&mut self.0));
        self
    }

    /// The bucket that the host stands for, where its name does not say so (a domain of your own). For OSS only: with
    /// another signature no request is signed.
    #[must_use]
    pub fn bucket(self, name: impl Into<String>) -> Self {
        self.edit(|inner| inner.bucket = Some(name.into()))
    }

    /// Signs requests over plain `http://` beyond loopback too. Tokens then travel in the clear.
    #[must_use]
    pub fn allow_plain_http(self) -> Self {
        self.edit(|inner| inner.allow_plain_http = true)
    }

    /// The credentials that it signs with.
    pub fn refresher(&self) -> &Refresher {
        &self.0.credentials
    }

    /// Prepares one request to be signed: takes its head, and its body if that is in memory (`None` is a stream; where it cannot be had again,
    /// say so: [`PreparedRequest::once`]). Asks nobody anything.
    ///
    /// Headers that belong to the signature are replaced: `authorization`, the date, the nonce, the key id, the token.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::InvalidInput`](crate::ErrorKind::InvalidInput) for a request that cannot be signed: its code is
    /// `InvalidEndpoint` (also for a URL without a scheme), `PlainHttp`, `InvalidHeader`, `InvalidQuery`, or, as the scheme
    /// has it, `StreamNeedsHash` (ACS3), `Missing.<name>` (the operation or the version), `InvalidPath` (OSS), `NotAForm`
    /// or `InvalidForm` (V1), `AlreadySigned` (V1, OSS), `NoBucket` (ACS3, V1).
    pub fn prepare(&self, head: request::Parts, body: Option<&[u8]>) -> Result<PreparedRequest, Error> {
        let (server, host) = self.server_and_host(&head)?;
        let signable = match &self.0.scheme {
            Scheme::Oss4 { region } => {
                oss4::prepare(&head, host.authority(), region, self.0.bucket.as_deref()).map(Signable::Oss4)
            }
            _ if self.0.bucket.is_some() => {
                let message = "a bucket is named, and the signature is not that of Object Storage";
                Err(Error::invalid_input(message).with_code("NoBucket"))
            }
            Scheme::Acs3 => acs3::prepare(&head, body).map(Signable::Acs3),
            Scheme::RpcV1 => rpc_v1::prepare(&head, body).map(Signable::RpcV1),
        }?;
        // Over plain HTTP anyone on the way could set our clock.
        let trusted = server.scheme() == "https" || server.is_loopback();
        Ok(PreparedRequest::new(self.clone(), head, host, trusted, signable))
    }

    fn product(&self) -> Product {
        match self.0.scheme {
            Scheme::Acs3 | Scheme::RpcV1 => Product::OpenApi,
            Scheme::Oss4 { .. } => Product::Oss,
        }
    }

    /// Where the request goes, and its `Host`: the header that it has, or what an HTTP client makes of the URL, without a
    /// default port. Where it goes is what plain HTTP is allowed or refused for, whatever the header says.
    fn server_and_host(&self, head: &request::Parts) -> Result<(Endpoint, Endpoint), Error> {
        // Without a scheme nobody knows whether the token will travel in the clear.
        let plain = match head.uri.scheme_str() {
            Some("https") => Some(false),
            Some("http") => Some(true),
            _ => None,
        };
        let (Some(plain), Some(authority)) = (plain, head.uri.authority()) else {
            let error = Error::invalid_input("the URL of a request has to be absolute: https:// and a host");
            return Err(error.with_code("InvalidEndpoint"));
        };
        let server = Endpoint::of(plain, authority, self.0.allow_plain_http)?;
        let given = head.headers.get(header::HOST).map(|host| visible("host", host)).transpose()?;
        let host = match given {
            Some(host) => Endpoint::read(false, host.trim(), false)?,
            None => server.clone(),
        };
        Ok((server, host))
    }
}

/// A request as far as it is the same each time that it is signed.
enum Signable {
    Acs3(acs3::Signable),
    RpcV1(rpc_v1::Signable),
    Oss4(oss4::Signable),
}

impl Signable {
    /// The operation that an RPC call names among its parameters.
    fn action(&self) -> Option<&str> {
        match self {
            Self::RpcV1(signable) => signable.action(),
            Self::Acs3(_) | Self::Oss4(_) => None,
        }
    }
}

/// The parameters of a query or a form; none where it is no UTF-8, which would be signed otherwise than it is sent.
fn decoded(form: &[u8]) -> Option<form_urlencoded::Parse<'_>> {
    let is_text = percent_encoding::percent_decode(form).decode_utf8().is_ok();
    is_text.then(|| form_urlencoded::parse(form))
}

fn query(head: &request::Parts) -> Result<form_urlencoded::Parse<'_>, Error> {
    let query = decoded(head.uri.query().unwrap_or_default().as_bytes());
    query.ok_or_else(|| Error::invalid_input("the query is not UTF-8").with_code("InvalidQuery"))
}

/// The parameters of a query that [`query`] found to be UTF-8.
fn checked_query(head: &request::Parts) -> form_urlencoded::Parse<'_> {
    form_urlencoded::parse(head.uri.query().unwrap_or_default().as_bytes())
}

/// A parameter of a signature that is in the URL already.
fn already_signed(name: &str) -> Error {
    let message = format!("the parameter {name} is in the URL already, where logs show it, and would be there twice");
    let error = Error::invalid_input(message).with_code("AlreadySigned");
    error.with_remedy("leave everything that belongs to the signature out of the URL")
}

fn borrowed<T: AsRef<str>>(pairs: &[(T, T)]) -> Vec<(&str, &str)> {
    pairs.iter().map(|(name, value)| (name.as_ref(), value.as_ref())).collect()
}

fn visible<'a>(name: &str, value: &'a HeaderValue) -> Result<&'a str, Error> {
    value.to_str().map_err(|_| {
        let message = format!("the header {name} holds characters that cannot be signed: only visible ASCII can");
        let error = Error::invalid_input(message).with_code("InvalidHeader");
        error.with_remedy("percent-encode its value, or leave the header out")
    })
}

/// The request's own headers of those names that are `wanted`.
fn headers(
    head: &request::Parts,
    wanted: impl Fn(&HeaderName) -> bool,
) -> impl Iterator<Item = Result<(&str, &str), Error>> {
    let chosen = head.headers.iter().filter(move |(name, _)| wanted(name));
    chosen.map(|(name, value)| Ok((name.as_str(), visible(name.as_str(), value)?)))
}

/// The head of a request without the headers of those names, with room for so many more. Its map is filled rather than cloned:
/// one that was cloned is as large as it was, and has to grow for the signature.
fn without(names: &[&HeaderName], head: &request::Parts, more: usize) -> request::Parts {
    let mut headers = HeaderMap::with_capacity(head.headers.len() + more);
    for (name, value) in head.headers.iter().filter(|(name, _)| !names.contains(name)) {
        headers.append(name, value.clone());
    }
    let (mut copy, ()) = Request::new(()).into_parts();
    copy.method = head.method.clone();
    copy.uri = head.uri.clone();
    copy.version = head.version;
    copy.extensions = head.extensions.clone();
    copy.headers = headers;
    copy
}

fn missing(name: &str, place: &str) -> Error {
    Error::invalid_input(format!("the request has no {name} {place}")).with_code(format!("Missing.{name}"))
}
