//! What every provider of a chain answered, as data.

mod render;

use std::time::Duration;

use serde::{Serialize, Serializer};

pub use self::render::Colored;

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
    /// The variable, or the profile and its file, that it came from, where that is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
    /// The roles whose sessions lead to it, each with the session's name; the last one is its own.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub roles: Vec<String>,
    /// Whose it is, by its ARN, where STS said so: account and role, or user.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub arn: Option<String>,
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

impl Explanation {
    /// The tree with ANSI colors, for a terminal.
    pub fn colored(&self) -> Colored<'_> {
        Colored(self)
    }
}
