//! # For library authors
//!
//! This page is for crates that call Alibaba Cloud and want their users' credentials to come from this crate.
//!
//! # Take `impl Into<Refresher>`
//!
//! A client holds a [`Refresher`](crate::Refresher) and accepts anything that turns into one: a
//! [`DefaultCredentialChain`](crate::DefaultCredentialChain) by value or by reference, another `Refresher`,
//! [`Credentials`](crate::Credentials), a `Box<dyn ProvideCredentials>` or an `Arc<dyn ProvideCredentials>`. The client
//! needs no type parameter.
//!
//! ```
//! use alibabacloud_credentials::{Credentials, DefaultCredentialChain, Error, Refresher};
//!
//! #[derive(Clone)]
//! pub struct MediaClient {
//!     credentials: Refresher,
//! }
//!
//! impl MediaClient {
//!     /// Creates a client. Nothing is looked up before the first call.
//!     pub fn new(credentials: impl Into<Refresher>) -> Self {
//!         Self { credentials: credentials.into() }
//!     }
//!
//!     /// Creates a client that shares the process-wide default chain.
//!     pub fn from_default_chain() -> Self {
//!         Self::new(DefaultCredentialChain::shared())
//!     }
//!
//!     async fn sign(&self) -> Result<String, Error> {
//!         let credentials = self.credentials.credentials().await?; // for every request
//!         Ok(format!("signed by {}", credentials.access_key_id()))
//!     }
//! }
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Error> {
//! let client = MediaClient::new(Credentials::new("an id", "a secret"));
//! assert_eq!(client.sign().await?, "signed by an id");
//! # Ok(()) }
//! ```
//!
//! # Rules for a client
//!
//! * **Ask for the credential at every request.** A warm read takes no lock and allocates nothing. A credential that is kept
//!   in a field expires there.
//! * **Do not refresh, retry or cache credentials yourself.** The `Refresher` does, for all clients that share it.
//! * **Cache what you derive by generation.** A signing key is valid as long as
//!   [`Refresher::generation`](crate::Refresher::generation) stays the same.
//! * **Report a refused token.** When a response says that the security token is invalid
//!   ([`Product::is_invalid_token`](crate::Product::is_invalid_token)), call
//!   [`Refresher::invalidate`](crate::Refresher::invalidate) with the credential that was used, and send the request again only
//!   if the next credential has another generation. Never report a lack of permission: a new session of the same identity has
//!   the same permissions.
//! * **Date requests by [`Refresher::signing_time`](crate::Refresher::signing_time).** It corrects the local clock by the
//!   servers' `Date` headers.
//! * **Ask for enough lifetime where it matters.** A presigned URL or a long upload takes
//!   [`credentials_valid_for`](crate::Refresher::credentials_valid_for).
//!
//! [`RequestSigner`](crate::RequestSigner) follows these rules for any HTTP client:
//!
//! ```no_run
//! # use alibabacloud_credentials::{Credentials, Error, RequestSigner, RetryDecision};
//! # use bytes::Bytes;
//! # async fn example<S: AsyncFn(http::Request<Bytes>) -> http::Response<Bytes>>(
//! #     signer: RequestSigner, head: http::request::Parts, body: Bytes, send: S,
//! # ) -> Result<(), Error> {
//! let mut prepared = signer.prepare(head, Some(&body))?;
//! let response = loop {
//!     let response = send(prepared.sign().await?.with_body(body.clone())).await;
//!     if prepared.review(response.status(), response.headers(), response.body()).await == RetryDecision::Done {
//!         break response;
//!     }
//! };
//! # Ok(()) }
//! ```
//!
//! # Test without a cloud
//!
//! [`provider_fn`](crate::provider_fn) makes a provider from a closure, and [`TestClock`](crate::TestClock) (feature
//! `test-util`) moves time:
//!
//! ```
//! use std::sync::atomic::{AtomicU32, Ordering};
//! use std::time::{Duration, UNIX_EPOCH};
//! use alibabacloud_credentials::{Clock, Context, Credentials, Error, Refresher, TestClock, provider_fn};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Error> {
//! let clock = TestClock::new(UNIX_EPOCH + Duration::from_secs(1_800_000_000));
//! let (calls, now) = (AtomicU32::new(0), clock.clone());
//! let provider = provider_fn("test", move || {
//!     let number = calls.fetch_add(1, Ordering::Relaxed) + 1;
//!     let end = now.now().system_time() + Duration::from_secs(3600);
//!     async move {
//!         let session = Credentials::new(format!("STS.session-{number}"), "a secret");
//!         Ok(session.with_security_token("a token").with_expiration(end))
//!     }
//! });
//! let context = Context::builder().clock(clock.clone()).build();
//! let refresher = Refresher::builder(provider).context(context).build();
//!
//! assert_eq!(refresher.credentials().await?.access_key_id(), "STS.session-1");
//! clock.advance(Duration::from_secs(3600)); // the session has ended
//! assert_eq!(refresher.credentials().await?.access_key_id(), "STS.session-2");
//! # Ok(()) }
//! ```
//!
//! For tests against a strict server see [Test your own service](crate::_docs::testing_your_service).
//!
//! # Depend on it
//!
//! ```toml
//! [dependencies]
//! alibabacloud-credentials = { version = "0.1", default-features = false }
//! ```
//!
//! A library that takes a `Refresher` needs no feature. Leave the HTTP client and its TLS library to the application: it
//! enables `reqwest`, `native-tls` or `aws-lc-rs` in its own `Cargo.toml`. Add `openapi` only if the library calls
//! `OpenApiClient`.
//!
//! # Public types of other crates
//!
//! The API names types of these crates and of no others: `http`, `bytes`, `serde_json` (its `Value`), `serde` (its
//! traits), and `tokio` (its `sync::watch`). A test keeps the list. No type of reqwest, chrono, rustls or tracing is part
//! of the API, so their major versions can change without a breaking release of this crate.
//!
//! # What semantic versioning covers
//!
//! | covered | not covered |
//! |---|---|
//! | public names and their signatures | items marked `#[doc(hidden)]` |
//! | [`ErrorKind`](crate::ErrorKind) and the codes of [`Error::code`](crate::Error::code) | the wording of messages and remedies |
//! | provider names, as `default/ram_role_arn/env` | the text of a rendered explanation |
//! | the JSON keys of an [`Explanation`](crate::Explanation) | `tracing` events, their fields and levels |
//! | the order of the providers, the variables and files that are read | the exact instant of a refresh within its window |
//! | the rules of the table in [`Refresher`](crate::Refresher) | the number and names of the crate's threads |
//!
//! Public enums are `#[non_exhaustive]`: match with a wildcard arm. Before 1.0 a minor version may break what is covered; the
//! [changelog](crate::_docs::changelog) says what to do.
