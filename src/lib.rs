//! The credential provider chain for Alibaba Cloud. A community project, not affiliated with Alibaba Cloud.
//!
//! A library or service plugs in [`DefaultCredentialChain`] and no longer deals with the places that keys come from or the
//! time at which an STS token expires:
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
//! let response = imm.call("CreateProject", [("ProjectName", "testproject")]).await?;
//! println!("{}", response.body());
//! # Ok(()) }
//! ```
//!
//! # Where it looks
//!
//! Environment → RRSA → `~/.aliyun/config.json` → `~/.alibabacloud/credentials` → instance metadata → credentials URI,
//! the order of the official SDKs; then, if a role was asked for, AssumeRole with the credential that was found.
//! [`DefaultCredentialChain`] has the table, and [`DefaultCredentialChain::explain`] reports what each source answered. Each
//! source is a provider that can be used by itself or in a [`Chain`] of your own: [`EnvironmentProvider`],
//! [`OidcRoleProvider`], [`CliProfileProvider`], [`IniProfileProvider`], [`EcsMetadataProvider`],
//! [`CredentialsUriProvider`], [`ProcessProvider`], [`AssumeRoleProvider`]; [`SamlProvider`] is not of the chain.
//!
//! # What it promises
//!
//! * **Never another identity.** A source answers *found*, *not configured* or *failed*, and only *not configured* lets
//!   the chain go on. The source that first gave a usable credential is kept. See [`Chain`].
//! * **Never an expired credential, never an early failure.** A credential is renewed ahead of its end, off the callers' path;
//!   a failed refresh is invisible while the old credential is valid. The wall clock and the boot clock both have to agree, so
//!   neither a suspended machine nor a clock that was set back revives an expired session. See [`Refresher`].
//! * **One refresh at a time** for all callers, with a back-off that follows the time that remains; all who wait share its
//!   result. It runs on threads of the crate's own, so it works on any executor or none, and a caller that gives up does not
//!   disturb it.
//! * **Secrets stay in.** No secret, token, signature or response body in `Debug`, errors, logs or URLs. The one URL that has
//!   to hold them, [a presigned one](Refresher::presigned_oss_url), has a type that does not print it.
//! * **Errors say what to do.** Each says which provider, what it tried, what came back and what to do: see [`Error`].
//! * **A warm read is cheap**: no lock, no allocation, no system call on Linux.
//!
//! # What it does not do
//!
//! * It does not log anybody in by itself: it uses and renews the logins (modes `OAuth` and `CloudSSO` of config.json) that
//!   `alicred login`, the module `login` or `aliyun configure` made, and when one is over, the error has the command that logs in
//!   again.
//! * It gives AccessKey pairs and sessions, not bearer tokens: a profile of mode `BearerToken` or `Anonymous` is an error.
//! * It stores the sessions and tokens of such logins, in the profile that they came from, and nothing else unless it is told
//!   to: no other credential is written to a file or a keychain. Sessions of roles can be shared between processes, sealed,
//!   by a `FileStore`, or in Redis by `alibabacloud-credentials-redis`.
//! * It is no SDK: [`OpenApiClient`] signs and sends RPC calls with untyped parameters. Object storage, log service and
//!   typed clients are other crates', which can take this chain; `alibabacloud-credentials-adapters` plugs it into some.
//! * It does not run on WebAssembly: it needs threads, files and sockets.
//! * It does not mend a `fork` amid other threads' work. A child starts threads of its own, but a lock that another thread
//!   of the parent held at that instant stays locked in it, as in every multithreaded program: fork before the first use, or
//!   let the child `exec`.
//! * It does not protect secrets from code in the same process, from a debugger or from swap.
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
//!     .expect_account("1234567890123456") // credentials of another account are an error
//!     .build();
//!
//! // For work that takes long: a credential that lasts at least so long, or an error that says what can be had.
//! let credentials = chain.refresher().credentials_valid_for(Duration::from_secs(1800)).await?;
//!
//! // Borrow it without waiting, from synchronous code too.
//! let id = chain.refresher().with(|c| c.access_key_id().to_owned());
//!
//! // A server said that the token is invalid: the next caller gets another one.
//! chain.refresher().invalidate(&credentials);
//!
//! // Renew it even while nobody asks, until the future ends.
//! chain.refresher().keep_fresh(std::future::pending());
//!
//! // Print which provider answered, and what the others said.
//! println!("{}", chain.explain().await);
//! # Ok(()) }
//! ```
//!
//! Any source can be a provider ([`ProvideCredentials`], [`provider_fn`]). Any HTTP client can have its requests signed by a
//! [`RequestSigner`], which also recognizes an invalid token; [`sign`] has the bare signatures. Tests replace the
//! whole outside world by a [`Context`].
//!
//! # Pages
//!
//! * [For library authors](_docs::for_library_authors): take `impl Into<Refresher>`, test with a closure and a
//!   `TestClock`, public foreign types, what semantic versioning covers.
//! * [Test your own service](_docs::testing_your_service): the emulator in the test's process, faults, clocks.
//! * [Many tenants](_docs::many_tenants): a role for each customer, and the arithmetic of STS's limit.
//! * [Troubleshooting](_docs::troubleshooting): a row for every error code.
//! * [Differences from the official SDKs](_docs::differences), each with its reason.
//! * [Changelog](_docs::changelog).
//!
//! # Features
//!
//! | feature | what |
//! |---|---|
//! | `reqwest` (default) | the HTTP client, with rustls and ring in its own configuration: no process-wide TLS provider |
//! | `openapi` (default) | [`OpenApiClient`] |
//! | `process` (default) | [`ProcessProvider`] |
//! | `rsa-key-pair` (default) | profiles of mode `RsaKeyPair`, sections of type `rsa_key_pair` |
//! | `blocking` | the chain from synchronous code: `credentials_blocking` and the like, on [`DefaultCredentialChain`], [`Refresher`] and `OpenApiClient` |
//! | `aws-lc-rs`, `native-tls` | other TLS libraries for the HTTP client: they add to the choice, see `TlsLibrary` |
//! | `login` | the module `login`: OAuth and CloudSSO logins; `ConfigFile`: profiles listed, added and switched |
//! | `role-pool` | `RolePool`: many roles over one source, within one STS quota |
//! | `shared-sessions` | `FileStore`: sessions of roles that the processes of a host share; of many hosts: `alibabacloud-credentials-redis` |
//! | `test-util` | `TestClock` |
//!
//! Without `reqwest` the crate compiles and takes an [`HttpSend`] of your own.
//!
//! Cargo adds up the features of a whole build, so two of them reach clients of your own:
//!
//! * `reqwest` and `aws-lc-rs` switch on `rustls-no-provider` of reqwest 0.13. A `reqwest::Client` of yours then panics when it is
//!   built, if your build chooses no other TLS feature of reqwest and no provider is installed for the process; with a reqwest
//!   that had no TLS at all it did not. Choose `rustls` or `native-tls` of reqwest in your crate, or install a provider first.
//! * `reqwest` switches on `ring` of rustls 0.23. `rustls::ClientConfig::builder()` panics if rustls has both `ring` and
//!   `aws_lc_rs` and no provider is installed. Take this crate with its feature `aws-lc-rs` instead of `reqwest`, or install a
//!   provider first.

#![cfg_attr(docsrs, feature(doc_cfg))]

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;

// The pages are part of the documentation and not of the library.
#[cfg(any(doc, doctest))]
pub mod _docs;
mod call_settings;
mod chain;
#[cfg(feature = "login")]
mod config_file;
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
#[cfg(feature = "login")]
pub mod login;
mod login_service;
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
#[cfg(feature = "role-pool")]
mod role_pool;
mod rpc;
#[cfg(feature = "rsa-key-pair")]
mod rsa_key;
mod saml;
mod secret_file;
mod session_json;
#[cfg(feature = "shared-sessions")]
mod session_store;
pub mod sign;
mod signer;
mod sts;
mod time;
mod validity;

// Last, so that the methods of its types come after the async ones in the documentation.
#[cfg(feature = "blocking")]
mod blocking;

pub use chain::{Chain, OnFailure};
#[cfg(feature = "login")]
pub use config_file::{ConfigFile, NewProfile, ProfileSummary};
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
#[cfg(feature = "process")]
pub use providers::ProcessProvider;
pub use providers::{
    AssumeRoleProvider, CliProfileProvider, CredentialsUriProvider, EcsMetadataProvider, EnvironmentProvider,
    IniProfileProvider, OidcRoleProvider, SamlProvider,
};
pub use refresh::{Health, Refresher, RefresherBuilder};
#[cfg(feature = "role-pool")]
pub use role_pool::{RolePool, RolePoolBuilder, RolePoolStats, WarmUp, WarmUpProgress, WarmUpReport};
pub use saml::SamlAssertion;
#[cfg(feature = "shared-sessions")]
pub use session_store::{FileStore, SessionStore, StoreKey, StoreLease};
pub use signer::{PreparedRequest, RequestSigner, RetryDecision, SignedRequest};
pub use sts::{AssumeRole, CallerIdentity, StsSignature};
