//! How a refresher is doing.

use std::time::SystemTime;

use crate::error::Error;

/// How a [`Refresher`](super::Refresher) is doing. Callers are served at once in all of these but `Expired` and `Empty`.
///
/// It says what is known and asks nobody. So a service that becomes ready by its health alone has to ask once itself, or let
/// [`keep_fresh`](super::Refresher::keep_fresh) do it; `Expired` after hours without a caller means that nobody has asked, not
/// that nothing can be had.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")] async fn main() {
/// use alibabacloud_credentials::{Credentials, Health, Refresher, provider_fn};
///
/// fn is_ready(refresher: &Refresher) -> bool {
///     !matches!(refresher.health(), Health::Empty | Health::Expired { .. })
/// }
///
/// let refresher = Refresher::new(provider_fn("vault", || async { Ok(Credentials::new("an id", "a secret")) }));
/// assert!(!is_ready(&refresher), "nobody has asked yet");
/// // At start-up, and by every request from then on.
/// let _ = refresher.credentials().await;
/// assert!(is_ready(&refresher));
/// # }
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Health {
    /// Nobody has asked yet.
    Empty,
    /// A valid credential, and nothing to report.
    Fresh {
        /// Its generation.
        generation: u64,
        /// When it ends by the local wall clock; `None`: never.
        expires_at: Option<SystemTime>,
    },
    /// A valid credential, but the last refresh failed, or a server refused the credential and nobody has asked since (the code
    /// of `error` is `CredentialRejected`).
    Degraded {
        /// When the first of the failures in a row happened, or when it was refused.
        since: SystemTime,
        /// The last failure.
        error: Error,
        /// Until when callers will be served all the same; `None`: for ever.
        expires_at: Option<SystemTime>,
    },
    /// No valid credential, and none could be had.
    Expired {
        /// When the last credential ended, or the first failure if there was none.
        since: SystemTime,
        /// Why.
        error: Error,
    },
    /// Servers refused three young credentials within a minute. A clock far off, a role that was changed, or a client that
    /// reports the wrong errors: new credentials do not help, so rejections are not listened to for a minute.
    RejectedWhileFresh {
        /// When rejections count again.
        until: SystemTime,
        /// When the current credential ends; `None`: never.
        expires_at: Option<SystemTime>,
    },
}

impl Health {
    /// Why the source gave nothing else when it was asked last.
    pub(crate) fn last_failure(self) -> Option<Error> {
        match self {
            // A rejection that nobody has acted on yet is no answer of the source.
            Self::Degraded { error, .. } | Self::Expired { error, .. } => {
                Some(error).filter(|error| error.code() != Some("CredentialRejected"))
            }
            _ => None,
        }
    }
}
