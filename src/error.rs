//! One error type, a tree: what was tried, what came back, what to do.

mod kind;

use std::error::Error as StdError;
use std::fmt;
use std::panic::{RefUnwindSafe, UnwindSafe};
use std::sync::Arc;
use std::time::Duration;

pub use self::kind::ErrorKind;
use crate::explain::Explanation;

/// The reason why there are no credentials, or why a call was refused.
///
/// Cloning is one reference count: all who waited for the same refresh share its error. `{}` is one line: the provider,
/// what happened, what came back, what to do. `{:#}` adds the [`causes`](Self::causes), one indented line each. Neither
/// these nor `Debug` ever hold a secret, a token, a signature or a response body.
///
/// ```
/// use alibabacloud_credentials::{Error, ErrorKind};
///
/// let error = Error::failed("the vault is sealed").with_remedy("unseal it");
/// assert_eq!(error.kind(), ErrorKind::Failed);
/// assert_eq!(error.to_string(), "the vault is sealed; unseal it");
/// ```
#[derive(Clone)]
pub struct Error(Arc<Inner>);

#[derive(Clone)]
struct Inner {
    kind: ErrorKind,
    message: String,
    provider: Option<String>,
    code: Option<String>,
    http_status: Option<u16>,
    request_id: Option<String>,
    remedy: Option<String>,
    causes: Vec<Error>,
    source: Option<Source>,
    retry_after: Option<Duration>,
    available_lifetime: Option<Duration>,
    permanent: bool,
    explanation: Option<Arc<Explanation>>,
}

/// An error that was given. It is shown and never changed, so nothing is left half done in it where a panic is caught.
#[derive(Clone)]
struct Source(Arc<dyn StdError + Send + Sync>);

impl UnwindSafe for Source {}
impl RefUnwindSafe for Source {}

impl Error {
    /// Creates the error of a source that is not there. `signal` says what was looked at ("VAULT_ADDR is unset"). A chain goes on.
    pub fn not_configured(signal: impl Into<String>) -> Self {
        Self::new(ErrorKind::NotConfigured, signal)
    }

    /// Creates the error of a source that is there and failed. A chain stops.
    pub fn failed(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Failed, message)
    }

    /// Creates the error of an argument that is malformed.
    pub fn invalid_input(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::InvalidInput, message).permanent()
    }

    pub(crate) fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self(Arc::new(Inner {
            kind,
            message: message.into(),
            provider: None,
            code: None,
            http_status: None,
            request_id: None,
            remedy: None,
            causes: Vec::new(),
            source: None,
            retry_after: None,
            available_lifetime: None,
            permanent: false,
            explanation: None,
        }))
    }

    fn edit(mut self, edit: impl FnOnce(&mut Inner)) -> Self {
        edit(Arc::make_mut(&mut self.0));
        self
    }

    /// Keeps the error that caused this one, for [`source`](StdError::source). It is never printed by this type.
    #[must_use]
    pub fn with_source(self, source: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        let source: Box<dyn StdError + Send + Sync> = source.into();
        self.edit(|inner| inner.source = Some(Source(source.into())))
    }

    /// Sets the remedy: what to do about it, as the end of a sentence.
    #[must_use]
    pub fn with_remedy(self, remedy: impl Into<String>) -> Self {
        self.edit(|inner| inner.remedy = Some(remedy.into()))
    }

    /// Sets a stable code that programs can match on.
    #[must_use]
    pub fn with_code(self, code: impl Into<String>) -> Self {
        self.edit(|inner| inner.code = Some(code.into()))
    }

    /// Adds errors that led to this one.
    #[must_use]
    pub fn with_causes(self, causes: impl IntoIterator<Item = Error>) -> Self {
        self.edit(|inner| inner.causes.extend(causes))
    }

    pub(crate) fn with_kind(self, kind: ErrorKind) -> Self {
        self.edit(|inner| inner.kind = kind)
    }

    pub(crate) fn map_message(self, change: impl FnOnce(&str) -> String) -> Self {
        self.edit(|inner| inner.message = change(&inner.message))
    }

    /// Says which variable or setting the error is about.
    pub(crate) fn of(self, setting: &str) -> Self {
        self.map_message(|message| format!("{setting}: {message}"))
    }

    /// Says why there is no other credential than the one that was refused. What to do is then that error's to say.
    pub(crate) fn not_replaced(self, why: Error) -> Self {
        let said = why.clone().edit(|inner| inner.remedy = None);
        self.edit(|inner| {
            inner.message = format!("{}; no other credential was to be had: {said}", inner.message);
            inner.remedy.clone_from(&why.0.remedy);
            inner.causes.push(why);
        })
    }

    pub(crate) fn with_http_status(self, status: u16) -> Self {
        self.edit(|inner| inner.http_status = Some(status))
    }

    pub(crate) fn with_request_id(self, id: impl Into<String>) -> Self {
        self.edit(|inner| inner.request_id = Some(id.into()))
    }

    /// The wait that the server asked for, if it did.
    pub(crate) fn with_retry_after(self, wait: impl Into<Option<Duration>>) -> Self {
        self.edit(|inner| inner.retry_after = wait.into())
    }

    pub(crate) fn with_available_lifetime(self, available_lifetime: Duration) -> Self {
        self.edit(|inner| inner.available_lifetime = Some(available_lifetime))
    }

    /// Asking again soon will not help: the back-off starts at its cap.
    pub(crate) fn permanent(self) -> Self {
        self.edit(|inner| inner.permanent = true)
    }

    /// Puts `name` in front of the provider's path: `default` before `env` gives `default/env`.
    pub(crate) fn in_provider(self, name: &str) -> Self {
        if name.is_empty() {
            return self;
        }
        self.edit(|inner| {
            inner.provider = Some(match inner.provider.take() {
                Some(path) => format!("{name}/{path}"),
                None => name.to_owned(),
            });
        })
    }

    /// Returns the kind of failure.
    pub fn kind(&self) -> ErrorKind {
        self.0.kind
    }

    /// Returns what happened, without provider, codes and remedy.
    pub fn message(&self) -> &str {
        &self.0.message
    }

    /// Returns the path of the provider it happened in, outermost first: `default/cli_profile/ram_role_arn`.
    pub fn provider_name(&self) -> Option<&str> {
        self.0.provider.as_deref()
    }

    /// Returns the server's `Code` (`NoPermission`) or the crate's own (`ProfileNotFound`). Codes are part of the API.
    pub fn code(&self) -> Option<&str> {
        self.0.code.as_deref()
    }

    /// Returns the HTTP status of the response, if there was one.
    pub fn http_status(&self) -> Option<u16> {
        self.0.http_status
    }

    /// Returns the `RequestId` of the response, which the cloud's support asks for.
    pub fn request_id(&self) -> Option<&str> {
        self.0.request_id.as_deref()
    }

    /// Returns what to do about it, if that is known.
    pub fn remedy(&self) -> Option<&str> {
        self.0.remedy.as_deref()
    }

    /// Returns the errors that led to this one: for a chain, one for each provider that it asked, in order.
    pub fn causes(&self) -> &[Error] {
        &self.0.causes
    }

    /// Returns, with [`ErrorKind::TooShort`], the longest lifetime that could be had.
    pub fn available_lifetime(&self) -> Option<Duration> {
        self.0.available_lifetime
    }

    /// Returns what every provider answered, if a [`DefaultCredentialChain`](crate::DefaultCredentialChain) failed.
    pub fn explanation(&self) -> Option<&Explanation> {
        self.0.explanation.as_deref()
    }

    pub(crate) fn with_explanation(self, explanation: Explanation) -> Self {
        self.edit(|inner| inner.explanation = Some(Arc::new(explanation)))
    }

    /// How long the server asks to wait before the next attempt, where it does: by `Retry-After` or `x-acs-retry-after`.
    pub fn retry_after(&self) -> Option<Duration> {
        self.0.retry_after
    }

    /// Returns whether the same may succeed a little later, with nothing changed: no answer, a limit that was reached,
    /// throttling, a server's own fault. This is what a retry of your own should go by; see also
    /// [`retry_after`](Self::retry_after). Whether a *call* may be repeated is another question: what had no answer may
    /// have been carried out.
    ///
    /// ```
    /// use alibabacloud_credentials::Error;
    ///
    /// fn is_worth_another_attempt(error: &Error) -> bool {
    ///     error.is_transient()
    /// }
    /// assert!(!is_worth_another_attempt(&Error::not_configured("VAULT_ADDR is unset")));
    /// ```
    pub fn is_transient(&self) -> bool {
        let inner = &*self.0;
        let of_server = inner.http_status.is_some_and(|status| matches!(status, 408 | 429 | 500..));
        let throttled = inner.code.as_deref().is_some_and(|code| code.starts_with("Throttling"));
        !inner.permanent
            && match inner.kind {
                ErrorKind::Unreachable | ErrorKind::TimedOut => true,
                ErrorKind::Refused | ErrorKind::InvalidResponse => of_server || throttled,
                _ => false,
            }
    }

    pub(crate) fn is_permanent(&self) -> bool {
        self.0.permanent
    }

    fn write_tree(&self, f: &mut fmt::Formatter<'_>, depth: usize) -> fmt::Result {
        for cause in self.causes() {
            write!(f, "\n{:indent$}- {cause}", "", indent = depth * 2)?;
            cause.write_tree(f, depth + 1)?;
        }
        Ok(())
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let inner = &*self.0;
        if let Some(provider) = &inner.provider {
            write!(f, "{provider}: ")?;
        }
        f.write_str(&inner.message)?;
        let facts = [
            inner.http_status.map(|status| format!("HTTP {status}")),
            inner.code.clone(),
            inner.request_id.as_ref().map(|id| format!("RequestId {id}")),
        ];
        let facts: Vec<String> = facts.into_iter().flatten().collect();
        if !facts.is_empty() {
            write!(f, " ({})", facts.join(", "))?;
        }
        if let Some(remedy) = &inner.remedy {
            write!(f, "; {remedy}")?;
        }
        if f.alternate() { self.write_tree(f, 1) } else { Ok(()) }
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let inner = &*self.0;
        let mut out = f.debug_struct("Error");
        out.field("kind", &inner.kind).field("message", &inner.message);
        for (name, value) in [
            ("provider", &inner.provider),
            ("code", &inner.code),
            ("request_id", &inner.request_id),
            ("remedy", &inner.remedy),
        ] {
            if let Some(value) = value {
                out.field(name, value);
            }
        }
        if let Some(status) = inner.http_status {
            out.field("http_status", &status);
        }
        if !inner.causes.is_empty() {
            out.field("causes", &inner.causes);
        }
        out.finish_non_exhaustive()
    }
}

impl StdError for Error {
    /// Only an error that was given by [`with_source`](Self::with_source): what else led here is in [`causes`](Self::causes).
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.0.source.as_ref().map(|source| &*source.0 as &(dyn StdError + 'static))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_passes_by_itself_is_transient() {
        let of_kind = |kind| Error::new(kind, "m");
        let refused = |status, code: &str| Error::new(ErrorKind::Refused, "m").with_http_status(status).with_code(code);
        for (error, expected) in [
            (of_kind(ErrorKind::Unreachable), true),
            (of_kind(ErrorKind::Unreachable).permanent(), false),
            (Error::new(ErrorKind::TimedOut, "m"), true),
            (refused(503, "ServiceUnavailable"), true),
            (refused(500, "InternalError"), true),
            (refused(400, "Throttling.User"), true),
            (refused(403, "NoPermission").permanent(), false),
            (refused(400, "InvalidParameter"), false),
            (Error::new(ErrorKind::InvalidResponse, "m").with_http_status(502), true),
            (Error::new(ErrorKind::InvalidResponse, "m").with_http_status(200), false),
            (Error::failed("m"), false),
            (Error::not_configured("m"), false),
        ] {
            assert_eq!(error.is_transient(), expected, "{error}");
        }
    }

    #[test]
    fn the_tree_is_printed_on_request() {
        let cause = Error::not_configured("A is unset").in_provider("env");
        let error = Error::failed("nothing").with_causes([cause]).in_provider("default");
        assert_eq!(error.to_string(), "default: nothing");
        assert_eq!(format!("{error:#}"), "default: nothing\n  - env: A is unset");
    }
}
