//! The credential provider chain for Alibaba Cloud. A community project, not affiliated with Alibaba Cloud.
//!
//! A library or service plugs in [`DefaultCredentialChain`] and never again thinks about where keys come from or when an
//! STS token runs out:
//!
//! ```no_run
//! # async fn example() -> Result<(), alibabacloud_credentials::Error> {
//! use alibabacloud_credentials::{DefaultCredentialChain, OpenApiClient};
//!
//! let chain = DefaultCredentialChain::new();
//! let credentials = chain.credentials().await?; // found once, renewed before it expires
//!
//! // Or let the crate sign and send: Intelligent Media Management, or any other RPC product.
//! let imm = OpenApiClient::imm("cn-hangzhou", &chain);
//! let answer = imm.call("CreateProject", [("ProjectName", "testproject")]).await?;
//! println!("{}", answer.body());
//! # Ok(()) }
//! ```
//!
//! # Where it looks
//!
//! Environment → RRSA → `~/.aliyun/config.json` → `~/.alibabacloud/credentials` → instance metadata → credentials URI,
//! the order of the official SDKs; then, if a role was asked for, AssumeRole with whatever was found.
//! [`DefaultCredentialChain`] has the table, [`DefaultCredentialChain::explain`] says what happened here. Each source is a
//! provider that can be used by itself or in a [`Chain`] of your own: [`EnvironmentProvider`], [`OidcRoleProvider`],
//! [`CliProfileProvider`], [`IniProfileProvider`], [`EcsMetadataProvider`], [`CredentialsUriProvider`],
//! [`AssumeRoleProvider`].
//!
//! # What it promises
//!
//! * **Never another identity.** A source answers *found*, *not configured* or *failed*, and only *not configured* lets
//!   the chain go on. What answered once is kept. See [`Chain`].
//! * **Never an expired credential, never an early failure.** It is renewed ahead of its end, off the callers' path; a
//!   failed refresh is invisible while the old credential is valid. Two clocks judge, so neither a suspended machine nor a
//!   clock set back revives an expired session. See [`Refresher`].
//! * **One refresh at a time**, whoever asks, with a back-off that knows the deadline; all who wait share its result. It
//!   runs on a thread of the crate's own, so it works on any executor or none, and a caller that gives up harms nobody.
//! * **Secrets stay in.** No secret, token, signature or response body in `Debug`, errors, logs or URLs. The one URL that has
//!   to hold them, [a presigned one](Refresher::presigned_oss_url), has a type that does not print it.
//! * **Errors that teach.** Each says which provider, what it tried, what came back and what to do: see [`Error`].
//! * **A warm read costs nothing to speak of**: no lock, no allocation, no system call.
//!
//! # More
//!
//! ```no_run
//! # async fn example() -> Result<(), alibabacloud_credentials::Error> {
//! use std::time::Duration;
//! use alibabacloud_credentials::{AssumeRole, DefaultCredentialChain};
//!
//! let chain = DefaultCredentialChain::builder()
//!     .region("cn-hangzhou")
//!     .assume_role(AssumeRole::new("acs:ram::1234567890123456:role/media").session_name("job-7"))
//!     .build();
//!
//! // For work that takes long: what is left of it is enough, or it is an error.
//! let credentials = chain.refresher().credentials_valid_for(Duration::from_secs(1800)).await?;
//!
//! // Borrow it without waiting, from synchronous code too.
//! let id = chain.refresher().with(|c| c.access_key_id().to_owned());
//!
//! // A server said that the token is invalid: the next caller gets another one.
//! chain.refresher().invalidate(&credentials);
//!
//! // Which provider answered, and what the others said.
//! println!("{}", chain.explain().await);
//! # Ok(()) }
//! ```
//!
//! Any source can be a provider ([`ProvideCredentials`], [`provider_fn`]). Any HTTP client can have its requests signed by a
//! [`RequestSigner`], which also recognizes an invalid token; [`sign`] has the bare signatures. Tests replace the
//! whole outside world by a [`Context`].
//!
//! # Features
//!
//! | feature | what |
//! |---|---|
//! | `reqwest` (default) | the HTTP client, with rustls and ring in its own configuration: no process-wide TLS provider |
//! | `openapi` (default) | [`OpenApiClient`] |
//! | `blocking` | the chain from synchronous code: `credentials_blocking` and its like, on [`DefaultCredentialChain`], [`Refresher`] and `OpenApiClient` |
//! | `aws-lc-rs`, `native-tls` | other TLS libraries for the HTTP client: they add to the choice, see `TlsLibrary` |
//! | `test-util` | `TestClock` |
//!
//! Without `reqwest` the crate compiles and takes an [`HttpSend`] of your own.
//!
//! Where your own crate uses reqwest 0.13 too, choose a TLS feature of it there, as `rustls`: with `rustls-no-provider`
//! alone, which this crate switches on, a client of yours finds no provider and panics when it is built.

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;

#[cfg(feature = "blocking")]
mod blocking;
mod chain;
mod context;
mod credentials;
mod default_chain;
mod encode;
mod endpoint;
mod error;
mod error_codes;
mod explain;
mod identity;
mod key_characters;
mod oidc;
#[cfg(feature = "openapi")]
mod openapi;
mod paths;
mod profile;
mod provenance;
mod provider;
mod providers;
mod redact;
mod refresh;
mod rpc;
mod session_json;
pub mod sign;
mod signer;
mod sts;
mod time;
mod validity;

pub use chain::{Chain, OnFailure};
#[cfg(feature = "test-util")]
pub use context::TestClock;
#[cfg(feature = "_client")]
pub use context::TlsLibrary;
pub use context::{Clock, Context, ContextBuilder, HttpError, HttpErrorKind, HttpSend, Now, SendOptions};
pub use credentials::Credentials;
pub use default_chain::{DefaultCredentialChain, DefaultCredentialChainBuilder};
pub use error::{Error, ErrorKind};
pub use error_codes::Product;
pub use explain::{Colored, CredentialsSummary, Explanation, ProviderOutcome, ProviderReport};
pub use oidc::{
    GitHubActionsToken, OidcToken, OidcTokenFile, OidcTokenFn, OidcTokenVariable, ProvideOidcToken, oidc_token_fn,
};
#[cfg(feature = "openapi")]
pub use openapi::{ApiResponse, NestedParameters, OpenApiClient, OpenApiClientBuilder, Pages};
pub use provider::{BoxFuture, ProvideCredentials, ProviderFn, SourceStatus, provider_fn};
pub use providers::{
    AssumeRoleProvider, CliProfileProvider, CredentialsUriProvider, EcsMetadataProvider, EnvironmentProvider,
    IniProfileProvider, OidcRoleProvider,
};
pub use refresh::{Health, Refresher, RefresherBuilder};
pub use signer::{PreparedRequest, RequestSigner, RetryDecision, SignedRequest};
pub use sts::{AssumeRole, CallerIdentity, StsSignature};
