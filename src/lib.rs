//! The credential provider chain for Alibaba Cloud.
mod chain;
mod context;
mod credentials;
mod default_chain;
mod endpoint;
mod error;
mod explain;
#[cfg(feature = "openapi")]
mod openapi;
mod profile;
mod provider;
mod providers;
mod refresh;
mod rpc;
pub mod sign;
mod sts;
mod time;

pub use chain::{Chain, OnFailure};
pub use default_chain::{DefaultCredentialChain, DefaultCredentialChainBuilder};
pub use explain::{Account, Explanation, InUse, Outcome};
#[cfg(feature = "openapi")]
pub use openapi::{Answer, OpenApiClient, OpenApiClientBuilder};
pub use providers::{AssumeRoleProvider, CliProfileProvider, EnvironmentProvider};
pub use sts::{AssumeRole, CallerIdentity};

#[cfg(feature = "test-util")]
pub use context::TestClock;
pub use context::{Clock, Context, ContextBuilder, HttpError, HttpErrorKind, HttpSend, Now, SendOptions};
pub use credentials::Credentials;
pub use error::{Error, ErrorKind};
pub use provider::{BoxFuture, ProvideCredentials, ProviderFn, provider_fn};
pub use refresh::{Health, Refresher, RefresherBuilder};
