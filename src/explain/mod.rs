//! What every provider of a chain answered, as data.

mod render;

use std::time::Duration;

use serde::{Serialize, Serializer};

pub use self::render::InColour;
use crate::credentials::{Credentials, shorten};
use crate::error::{Error, ErrorKind};
use crate::provider::Signal;
use crate::time;

/// What became of a provider in a chain's last look.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Outcome {
    /// Its credential is the one in use.
    Used,
    /// It is not there.
    NotConfigured,
    /// It is there and failed.
    Failed,
    /// It was not asked: one before it answered.
    NotReached,
}

/// One provider's account of itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Account {
    /// The provider's name.
    pub provider: String,
    /// What became of it.
    pub outcome: Outcome,
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

/// The credential in use, as far as it may be shown.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct InUse {
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
/// `Display` is a tree of at most 80 columns; [`in_colour`](Self::in_colour) is the same with ANSI colours.
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
    pub in_use: Option<InUse>,
    /// The providers, in the chain's order.
    pub accounts: Vec<Account>,
    /// What else is worth knowing: values that do nothing, names that look like typing errors, a next step.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
    /// Why there is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

impl Account {
    fn new(provider: &str, outcome: Outcome) -> Self {
        let provider = provider.to_owned();
        Self { provider, outcome, detail: None, code: None, remedy: None, hidden: false, spent: None }
    }

    /// One that was not asked, judged by what can be seen without asking.
    pub(crate) fn not_reached(provider: &str, signal: Option<Signal>) -> Self {
        let mut account = Self::new(provider, Outcome::NotReached);
        if let Some(signal) = signal {
            account.hidden = signal.configured;
            account.detail = Some(signal.text);
        }
        account
    }

    pub(crate) fn used(provider: &str, found: &Credentials, spent: Duration) -> Self {
        let mut account = Self::new(provider, Outcome::Used);
        account.detail = Some(format!("AccessKey ID {}", shorten(found.access_key_id())));
        account.spent = Some(spent);
        account
    }

    pub(crate) fn of_error(provider: &str, error: &Error, spent: Duration) -> Self {
        let not_configured = error.kind() == ErrorKind::NotConfigured;
        let mut account = Self::new(provider, if not_configured { Outcome::NotConfigured } else { Outcome::Failed });
        account.detail = Some(error.message().to_owned());
        account.code = error.code().map(str::to_owned);
        account.remedy = error.remedy().map(str::to_owned);
        account.spent = Some(spent);
        account
    }
}

impl Explanation {
    pub(crate) fn new(result: &Result<Credentials, Error>, accounts: Vec<Account>, notes: Vec<String>) -> Self {
        let in_use = result.as_ref().ok().map(|credentials| InUse {
            provider_name: credentials.provider_name().to_owned(),
            access_key_id: shorten(credentials.access_key_id()),
            expiration: credentials.expiration().map(time::to_iso),
        });
        Self { in_use, accounts, notes, error: result.as_ref().err().map(ToString::to_string) }
    }

    /// The tree with ANSI colours, for a terminal.
    pub fn in_colour(&self) -> InColour<'_> {
        InColour(self)
    }
}
