//! Which identity a credential has to be: the identity.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

use crate::credentials::Credentials;
use crate::error::{Error, ErrorKind};
use crate::redact::shown;
use crate::sts::Sts;

/// Holds the expected identity, and the credential that was found to be its.
#[derive(Debug, Default)]
pub(crate) struct IdentityCheck {
    pub(crate) account: Option<String>,
    pub(crate) role: Option<String>,
    verified: Mutex<Option<Credentials>>,
    /// Whether the last check let nothing pass.
    held_back: AtomicBool,
}

/// Account and role of an ARN: STS writes a session's as `acs:ram::<account>:role/<role>/<session>` in one answer and as
/// `…:assumed-role/…` in another.
struct Identity<'a> {
    account: &'a str,
    role: Option<&'a str>,
}

impl<'a> Identity<'a> {
    fn of(arn: &'a str) -> Option<Self> {
        let (account, rest) = arn.strip_prefix("acs:")?.split_once("::")?.1.split_once(':')?;
        let role = rest.strip_prefix("assumed-role/").or_else(|| rest.strip_prefix("role/"));
        Some(Self { account, role: role.map(|role| role.split('/').next().unwrap_or(role)) })
    }
}

/// Whether STS calls a session of that role by this ARN.
pub(crate) fn is_session_of(session: &str, role: &str) -> bool {
    let (Some(session), Some(role)) = (Identity::of(session), Identity::of(role)) else { return false };
    let names = session.role.zip(role.role);
    session.account == role.account && names.is_some_and(|(session, role)| session.eq_ignore_ascii_case(role))
}

impl IdentityCheck {
    pub(crate) fn new(account: Option<String>, role: Option<String>) -> Self {
        Self { account, role, verified: Mutex::new(None), held_back: AtomicBool::new(false) }
    }

    /// Lets the credential pass, if it is the expected identity's: by what STS said when it granted it, else by one
    /// GetCallerIdentity for each new credential.
    pub(crate) async fn check(&self, found: &Credentials, sts: &Sts) -> Result<(), Error> {
        self.held_back.store(true, Ordering::Release);
        let verdict = self.judge(found, sts).await;
        self.held_back.store(verdict.is_err(), Ordering::Release);
        verdict
    }

    /// Whether the source has something else than what is in use, which did not pass: STS may have been down.
    pub(crate) fn holds_back(&self) -> bool {
        self.held_back.load(Ordering::Acquire)
    }

    async fn judge(&self, found: &Credentials, sts: &Sts) -> Result<(), Error> {
        if self.account.is_none() && self.role.is_none() {
            return Ok(());
        }
        let verified = self.verified.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if verified.is_some_and(|verified| verified.same_keys(found)) {
            return Ok(());
        }
        let arn = match found.arn() {
            Some(arn) => arn.to_owned(),
            None => sts.caller_identity(found).await?.arn,
        };
        let identity = Identity::of(&arn);
        let account = identity.as_ref().map(|identity| identity.account);
        let role = identity.as_ref().and_then(|identity| identity.role);
        let expected_role = self.role.as_deref().and_then(Identity::of);
        let same_account = self.account.as_deref().is_none_or(|expected| account == Some(expected));
        let same_role = match (&self.role, expected_role) {
            (None, _) => true,
            (Some(_), Some(expected)) => account == Some(expected.account) && role.is_some() && role == expected.role,
            (Some(_), None) => false,
        };
        if same_account && same_role {
            *self.verified.lock().unwrap_or_else(PoisonError::into_inner) = Some(found.clone());
            return Ok(());
        }
        let expected: Vec<&str> = [self.account.as_deref(), self.role.as_deref()].into_iter().flatten().collect();
        let message = format!("the credential is {}'s, and {} was expected", shown(&arn), expected.join(", "));
        Err(Error::new(ErrorKind::IdentityMismatch, message)
            .with_code("IdentityMismatch")
            .with_remedy("look at which source answered: another one comes first, or holds another identity's key")
            .permanent())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_spellings_of_a_session_name_account_and_role() {
        for (arn, account, role) in [
            ("acs:ram::100:role/media/job-7", "100", Some("media")),
            ("acs:ram::100:assumed-role/media/job-7", "100", Some("media")),
            ("acs:ram::100:role/media", "100", Some("media")),
            ("acs:ram::100:user/alice", "100", None),
            ("acs:ram::100:root", "100", None),
        ] {
            let identity = Identity::of(arn).unwrap();
            assert_eq!((identity.account, identity.role), (account, role), "{arn}");
        }
        assert!(Identity::of("arn:aws:iam::1:role/x").is_none());
    }
}
