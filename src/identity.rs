//! Checks that a credential is the expected identity's.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

use crate::credentials::Credentials;
use crate::error::{Error, ErrorKind};
use crate::provenance::Provenance;
use crate::redact::shown;
use crate::sts::{AssumeRole, CallerIdentity, Sts};

/// Holds the expected identity, and the credential that was found to be its.
#[derive(Debug, Default)]
pub(crate) struct IdentityCheck {
    account: Option<String>,
    role: Option<String>,
    sts: Sts,
    verified: Mutex<Option<Credentials>>,
    /// The last check let nothing pass.
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

/// Returns whether `identity`, the ARN of a role or of one of its sessions, is of the role with this ARN. Role names compare
/// without regard to case, as RAM itself does: it shows ARNs in lower case, and names as they were given. Accounts are exact.
pub(crate) fn is_of_role(identity: &str, role_arn: &str) -> bool {
    let (Some(identity), Some(role)) = (Identity::of(identity), Identity::of(role_arn)) else { return false };
    let names = identity.role.zip(role.role);
    identity.account == role.account && names.is_some_and(|(is, expected)| is.eq_ignore_ascii_case(expected))
}

/// Asks STS whose credential this is, by the settings of `sts` and of the credential's source.
pub(crate) async fn owner(credentials: &Credentials, sts: &Sts) -> Result<CallerIdentity, Error> {
    let known = Provenance::of(credentials);
    known.followed_by(sts.clone()).caller_identity(credentials, known.inferred_region.as_deref()).await
}

impl IdentityCheck {
    pub(crate) fn new(account: Option<String>, role: Option<String>, sts: Sts) -> Self {
        Self { account, role, sts, verified: Mutex::new(None), held_back: AtomicBool::new(false) }
    }

    /// Checks what is expected before anyone is asked: what no identity can be would blame every source.
    pub(crate) fn check_arguments(&self) -> Result<(), Error> {
        let invalid = |what: &str| Error::invalid_input(what).with_code("InvalidParameter.AccountId");
        if let Some(account) = &self.account
            && (account.is_empty() || !account.bytes().all(|byte| byte.is_ascii_digit()))
        {
            return Err(invalid("the account given by .expect_account(…) is not a number, as 1234567890123456"));
        }
        let Some(role) = &self.role else { return Ok(()) };
        let setting = "the role given by .expect_role(…)";
        AssumeRole::new(role).check().map_err(|error| error.of(setting))?;
        let names_session = role.split_once(":role/").is_some_and(|(_, name)| name.contains('/'));
        if names_session {
            let error =
                Error::invalid_input(format!("{setting} is the ARN of a session: leave out what follows its name"));
            return Err(error.with_code("InvalidParameter.RoleArn"));
        }
        let account = Identity::of(role).map(|identity| identity.account);
        if self.account.as_deref().is_some_and(|expected| account != Some(expected)) {
            return Err(invalid("the account given by .expect_account(…) is not the one of .expect_role(…)"));
        }
        Ok(())
    }

    /// Lets the credential pass, if it is the expected identity's: by what STS said when it granted it, else by one
    /// GetCallerIdentity for each new credential.
    pub(crate) async fn check(&self, found: &Credentials) -> Result<(), Error> {
        self.held_back.store(true, Ordering::Release);
        let verdict = self.judge(found).await;
        self.held_back.store(verdict.is_err(), Ordering::Release);
        verdict
    }

    /// Returns whether the source has something else than the credential in use, which did not pass: STS may have been down.
    pub(crate) fn holds_back(&self) -> bool {
        self.held_back.load(Ordering::Acquire)
    }

    async fn judge(&self, found: &Credentials) -> Result<(), Error> {
        if self.account.is_none() && self.role.is_none() {
            return Ok(());
        }
        let verified = self.verified.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if verified.is_some_and(|verified| verified.same_keys(found)) {
            return Ok(());
        }
        let arn = match found.arn() {
            Some(arn) => arn.to_owned(),
            None => owner(found, &self.sts).await?.arn,
        };
        let account = Identity::of(&arn).map(|identity| identity.account);
        let same_account = self.account.as_deref().is_none_or(|expected| account == Some(expected));
        let same_role = self.role.as_deref().is_none_or(|expected| is_of_role(&arn, expected));
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

    #[test]
    fn role_names_compare_without_regard_to_case_and_accounts_and_users_exactly() {
        for (identity, role, same) in [
            ("acs:ram::100:role/aliyunimmdefaultrole/s", "acs:ram::100:role/AliyunIMMDefaultRole", true),
            ("acs:ram::100:assumed-role/AliyunIMMDefaultRole/s", "acs:ram::100:role/aliyunimmdefaultrole", true),
            ("acs:ram::100:role/media/s", "acs:ram::1000:role/media", false),
            ("acs:ram::100:role/media-2/s", "acs:ram::100:role/media", false),
            ("acs:ram::100:user/media", "acs:ram::100:role/media", false),
            ("acs:ram::100:root", "acs:ram::100:role/root", false),
        ] {
            assert_eq!(is_of_role(identity, role), same, "{identity}, {role}");
        }
    }

    #[test]
    fn what_no_identity_can_be_is_told_before_anyone_is_asked() {
        let code = |account: Option<&str>, role: Option<&str>| {
            let check = IdentityCheck::new(account.map(Into::into), role.map(Into::into), Sts::default());
            check.check_arguments().err().map(|error| error.code().unwrap().to_owned())
        };
        let role = Some("acs:ram::100:role/media");
        assert_eq!((code(None, None), code(Some("100"), role)), (None, None));
        for account in ["", " 100", "not a number", "1e3", "acs:ram::100:root"] {
            assert_eq!(code(Some(account), None).as_deref(), Some("InvalidParameter.AccountId"), "{account}");
        }
        for role in ["garbage", "", "acs:ram::100:role/media ", "acs:ram::100:role/media/job-7", "acs:ram::100:user/a"]
        {
            assert_eq!(code(None, Some(role)).as_deref(), Some("InvalidParameter.RoleArn"), "{role}");
        }
        assert_eq!(code(Some("200"), role).as_deref(), Some("InvalidParameter.AccountId"));
    }
}
