//! The kinds of failures.

use std::fmt;

/// The kind of an [`Error`](super::Error).
///
/// ```
/// use alibabacloud_credentials::{Error, ErrorKind};
///
/// # fn serve_stale_data() {}
/// fn on_error(error: &Error) {
///     match error.kind() {
///         ErrorKind::NotConfigured => eprintln!("set up credentials first: {error}"),
///         ErrorKind::Unreachable | ErrorKind::TimedOut => serve_stale_data(),
///         _ => eprintln!("{error}"),
///     }
/// }
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The source is not there at all: only this lets a chain go on.
    NotConfigured,
    /// The source is there and could not give credentials.
    Failed,
    /// An argument given in code is malformed. No request was made.
    InvalidInput,
    /// The credential cannot last as long as was asked: see [`Error::available_lifetime`](super::Error::available_lifetime).
    TooShort,
    /// A server responded and refused: see [`Error::code`](super::Error::code).
    Refused,
    /// There was no response: the connection could not be made, broke, or took too long.
    Unreachable,
    /// A server responded with something that does not follow the protocol.
    InvalidResponse,
    /// The source returned a credential that had expired already.
    Expired,
    /// The refresh, or a call before its first attempt, took longer than its limit.
    TimedOut,
    /// A provider panicked.
    Panicked,
    /// The credential belongs to another identity than the expected one.
    IdentityMismatch,
}

impl ErrorKind {
    fn as_str(self) -> &'static str {
        match self {
            Self::NotConfigured => "not configured",
            Self::Failed => "failed",
            Self::InvalidInput => "invalid input",
            Self::TooShort => "too short",
            Self::Refused => "refused",
            Self::Unreachable => "unreachable",
            Self::InvalidResponse => "invalid response",
            Self::Expired => "expired",
            Self::TimedOut => "timed out",
            Self::Panicked => "panicked",
            Self::IdentityMismatch => "identity mismatch",
        }
    }
}

impl fmt::Display for ErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
