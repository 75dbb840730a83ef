//! The answers of all providers of a chain, as data.

mod render;

use std::time::Duration;

use serde::{Serialize, Serializer};

pub use self::render::Colored;

/// The result of a provider in a chain's last look.
///
/// ```
/// # async fn example() {
/// use alibabacloud_credentials::{DefaultCredentialChain, ProviderOutcome};
///
/// let explanation = DefaultCredentialChain::new().explain().await;
/// let failed = explanation.providers.iter().filter(|report| report.outcome == ProviderOutcome::Failed);
/// println!("{} providers are configured and failed", failed.count());
/// # }
/// ```
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
    /// It was not asked, since one before it answered.
    NotReached,
}

/// The report on one provider.
///
/// ```
/// # async fn example() {
/// use alibabacloud_credentials::DefaultCredentialChain;
///
/// for report in DefaultCredentialChain::new().explain().await.providers {
///     println!("{}: {:?} {}", report.provider, report.outcome, report.detail.unwrap_or_default());
/// }
/// # }
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct ProviderReport {
    /// The provider's name.
    pub provider: String,
    /// Its result.
    pub outcome: ProviderOutcome,
    /// The variable, or the file and profile, that it looked at, or what went wrong. Holds no secret.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
    /// The error's code, if there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub code: Option<String>,
    /// The remedy: what to do about a failure.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub remedy: Option<String>,
    /// `true` if it is configured and was not asked, because the one in use comes first.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub hidden: bool,
    /// The time that it took, if it was asked. In JSON: milliseconds.
    #[serde(rename = "spent_ms", serialize_with = "milliseconds", skip_serializing_if = "Option::is_none")]
    pub spent: Option<Duration>,
}

fn milliseconds<S: Serializer>(spent: &Option<Duration>, serializer: S) -> Result<S::Ok, S::Error> {
    spent.unwrap_or_default().as_millis().serialize(serializer)
}

/// A summary of the credential in use, without its secrets.
///
/// ```
/// # async fn example() {
/// use alibabacloud_credentials::DefaultCredentialChain;
///
/// if let Some(credentials) = DefaultCredentialChain::new().explain().await.credentials {
///     println!("{} by {}", credentials.access_key_id, credentials.provider_name);
/// }
/// # }
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct CredentialsSummary {
    /// The path of providers that it came from, outermost first.
    pub provider_name: String,
    /// The variable, or the profile and its file, that it came from, if that is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
    /// The roles whose sessions lead to it, each with the session's name; the last one is its own.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub roles: Vec<String>,
    /// The ARN of its owner, if STS gave it: account and role, or user.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub arn: Option<String>,
    /// Its AccessKey ID, shortened.
    pub access_key_id: String,
    /// The time at which it ends (RFC 3339, UTC).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expiration: Option<String>,
}

/// The provider that answered, and what the others said. Neither `Display` nor serde show a secret.
///
/// `Display` is a tree of at most 80 columns, or of as many as the format's width says (`{:40}`; 24 at least);
/// [`colored`](Self::colored) is the same with ANSI colors. Words that are longer than a line, as paths may be, stay whole.
///
/// ```
/// # async fn example() {
/// use alibabacloud_credentials::DefaultCredentialChain;
///
/// println!("{}", DefaultCredentialChain::new().explain().await);
/// println!("{:40}", DefaultCredentialChain::new().explain().await); // in 40 columns
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
    /// Further notes: values that have no effect, names that look like typing errors, a next step.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
    /// The error, if there is no credential.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

impl Explanation {
    /// Returns the tree with ANSI colors, for a terminal.
    pub fn colored(&self) -> Colored<'_> {
        Colored(self)
    }
}
