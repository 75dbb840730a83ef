//! What every provider of a chain answered, as data.

use std::fmt;

use serde::Serialize;

use crate::credentials::{Credentials, shorten};
use crate::error::{Error, ErrorKind};
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
    /// What it looked at, or what went wrong. Holds no secret.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
    /// What to do about it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub remedy: Option<String>,
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
/// ```
/// # async fn example() {
/// use alibabacloud_credentials::DefaultCredentialChain;
///
/// println!("{}", DefaultCredentialChain::new().explain().await);
/// # }
/// ```
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct Explanation {
    /// The credential in use, if there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub in_use: Option<InUse>,
    /// The providers, in the chain's order.
    pub accounts: Vec<Account>,
    /// Why there is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

impl Account {
    pub(crate) fn not_reached(provider: &str) -> Self {
        Self { provider: provider.to_owned(), outcome: Outcome::NotReached, detail: None, remedy: None }
    }

    pub(crate) fn used(provider: &str, found: &Credentials) -> Self {
        let detail = Some(format!("AccessKey ID {}", shorten(found.access_key_id())));
        Self { provider: provider.to_owned(), outcome: Outcome::Used, detail, remedy: None }
    }

    pub(crate) fn of_error(provider: &str, error: &Error) -> Self {
        let outcome = if error.kind() == ErrorKind::NotConfigured { Outcome::NotConfigured } else { Outcome::Failed };
        let mut detail = error.message().to_owned();
        if let Some(code) = error.code() {
            detail.push_str(&format!(" ({code})"));
        }
        let remedy = error.remedy().map(str::to_owned);
        Self { provider: provider.to_owned(), outcome, detail: Some(detail), remedy }
    }
}

impl Explanation {
    pub(crate) fn new(result: &Result<Credentials, Error>, accounts: Vec<Account>) -> Self {
        let in_use = result.as_ref().ok().map(|credentials| InUse {
            provider_name: credentials.provider_name().to_owned(),
            access_key_id: shorten(credentials.access_key_id()),
            expiration: credentials.expiration().map(time::to_iso),
        });
        Self { in_use, accounts, error: result.as_ref().err().map(ToString::to_string) }
    }
}

impl fmt::Display for Explanation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.in_use {
            Some(used) => {
                write!(f, "{} (AccessKey ID {}", used.provider_name, used.access_key_id)?;
                if let Some(end) = &used.expiration {
                    write!(f, ", until {end}")?;
                }
                f.write_str(")")?;
            }
            None => f.write_str("no credentials")?,
        }
        for (at, account) in self.accounts.iter().enumerate() {
            let last = at + 1 == self.accounts.len();
            let outcome = match account.outcome {
                Outcome::Used => "used",
                Outcome::NotConfigured => "not configured",
                Outcome::Failed => "FAILED",
                Outcome::NotReached => "not reached",
            };
            write!(f, "\n{} {:<16} {outcome}", if last { "└─" } else { "├─" }, account.provider)?;
            let bar = if last { ' ' } else { '│' };
            if let Some(detail) = &account.detail {
                write!(f, "\n{bar}    {detail}")?;
            }
            if let Some(remedy) = &account.remedy {
                write!(f, "\n{bar}    → {remedy}")?;
            }
        }
        Ok(())
    }
}
