//! What every provider of a chain answered, as data.

mod render;

use std::time::Duration;

use serde::{Serialize, Serializer};

pub use self::render::Colored;
use crate::credentials::{Credentials, shorten};
use crate::error::{Error, ErrorKind};
use crate::provider::SourceStatus;
use crate::time;

/// What became of a provider in a chain's last look.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum ProviderOutcome {
    /// Its credential is the one in use.
    Used,
    /// It is not there.
    NotConfigured,
    /// It is there and failed.
    Failed,
    /// It was not asked: one before it answered.
    NotReached,
}

/// Tells what became of one provider.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct ProviderReport {
    /// The provider's name.
    pub provider: String,
    /// What became of it.
    pub outcome: ProviderOutcome,
    /// What it looked at (variable; file and profile), or what went wrong. Holds no secret.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
    /// The error's code, where there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub code: Option<String>,
    /// What to do about it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub remedy: Option<String>,
    /// Whether it is configured and was not asked, because the one in use comes first.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub hidden: bool,
    /// How long it took, where it was asked. In JSON: milliseconds.
    #[serde(rename = "spent_ms", serialize_with = "milliseconds", skip_serializing_if = "Option::is_none")]
    pub spent: Option<Duration>,
}

fn milliseconds<S: Serializer>(spent: &Option<Duration>, serializer: S) -> Result<S::Ok, S::Error> {
    spent.unwrap_or_default().as_millis().serialize(serializer)
}

/// Summarizes the credential in use, as far as it may be shown.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct CredentialsSummary {
    /// Where it came from, outermost first.
    pub provider_name: String,
    /// Its AccessKey ID, shortened.
    pub access_key_id: String,
    /// When it ends (RFC 3339, UTC).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expiration: Option<String>,
}

/// Which provider answered, and what the others said. Neither `Display` nor serde show a secret.
///
/// `Display` is a tree of at most 80 columns; [`colored`](Self::colored) is the same with ANSI colors.
///
/// ```
/// # async fn example() {
/// use alibabacloud_credentials::DefaultCredentialChain;
///
/// println!("{}", DefaultCredentialChain::new().explain().await);
/// # }
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Explanation {
    /// The credential in use, if there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub credentials: Option<CredentialsSummary>,
    /// The providers, in the chain's order.
    pub providers: Vec<ProviderReport>,
    /// What else is worth knowing: values that do nothing, names that look like typing errors, a next step.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
    /// Why there is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

impl ProviderReport {
    fn new(provider: &str, outcome: ProviderOutcome) -> Self {
        let provider = provider.to_owned();
        Self { provider, outcome, detail: None, code: None, remedy: None, hidden: false, spent: None }
    }

    /// One that was not asked, judged by what can be seen without asking.
    pub(crate) fn not_reached(provider: &str, status: Option<SourceStatus>) -> Self {
        let mut report = Self::new(provider, ProviderOutcome::NotReached);
        if let Some(status) = status {
            report.hidden = status.configured;
            report.detail = Some(status.text);
        }
        report
    }

    pub(crate) fn used(provider: &str, found: &Credentials, spent: Duration) -> Self {
        let mut report = Self::new(provider, ProviderOutcome::Used);
        report.detail = Some(format!("AccessKey ID {}", shorten(found.access_key_id())));
        report.spent = Some(spent);
        report
    }

    pub(crate) fn of_error(provider: &str, error: &Error, spent: Duration) -> Self {
        let not_configured = error.kind() == ErrorKind::NotConfigured;
        let mut report =
            Self::new(provider, if not_configured { ProviderOutcome::NotConfigured } else { ProviderOutcome::Failed });
        report.detail = Some(error.message().to_owned());
        report.code = error.code().map(str::to_owned);
        report.remedy = error.remedy().map(str::to_owned);
        report.spent = Some(spent);
        report
    }
}

impl Explanation {
    pub(crate) fn new(result: &Result<Credentials, Error>, providers: Vec<ProviderReport>, notes: Vec<String>) -> Self {
        let credentials = result.as_ref().ok().map(|credentials| CredentialsSummary {
            provider_name: credentials.provider_name().to_owned(),
            access_key_id: shorten(credentials.access_key_id()),
            expiration: credentials.expiration().map(time::to_iso),
        });
        Self { credentials, providers, notes, error: result.as_ref().err().map(ToString::to_string) }
    }

    /// The tree with ANSI colors, for a terminal.
    pub fn colored(&self) -> Colored<'_> {
        Colored(self)
    }
}
