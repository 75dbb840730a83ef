//! How a refresher is doing.

use std::time::SystemTime;

use crate::error::Error;

/// How a [`Refresher`](super::Refresher) is doing. Callers are served in all of these but `Expired` and `Empty`.
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
    /// A valid credential, but the last refresh failed.
    Degraded {
        /// When the first of the failures in a row happened.
        since: SystemTime,
        /// The last failure.
        error: Error,
        /// Until when callers will be served all the same; `None`: for ever.
        expires_at: Option<SystemTime>,
    },
    /// No valid credential, and none could be had.
    Expired {
        /// Since when.
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
