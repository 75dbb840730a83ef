//! The credential provider chain for Alibaba Cloud.
mod context;
mod credentials;
mod error;
mod provider;
mod refresh;
pub mod sign;
mod time;

#[cfg(feature = "test-util")]
pub use context::TestClock;
pub use context::{Clock, Context, ContextBuilder, HttpError, HttpErrorKind, HttpSend, Now, SendOptions};
pub use credentials::Credentials;
pub use error::{Error, ErrorKind};
pub use provider::{BoxFuture, ProvideCredentials, ProviderFn, provider_fn};
pub use refresh::{Health, Refresher, RefresherBuilder};
