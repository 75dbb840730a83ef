//! The arguments of AssumeRole, checked before any request is made.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::time::Duration;

use crate::error::Error;

/// In characters, as STS documents it.
const LONGEST_POLICY: usize = 2048;

const DEFAULT_DURATION: Duration = Duration::from_secs(3600);

/// A role to assume, and how.
///
/// Arguments are checked at the first call for credentials, before any request: the errors say which and why.
///
/// ```
/// use std::time::Duration;
/// use alibabacloud_credentials::{AssumeRole, DefaultCredentialChain};
///
/// let role = AssumeRole::new("acs:ram::1234567890123456:role/media")
///     .session_name("job-7")
///     .duration(Duration::from_secs(3600));
/// let chain = DefaultCredentialChain::builder().assume_role(role).build();
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct AssumeRole {
    role_arn: String,
    pub(crate) session_name: Option<String>,
    pub(crate) external_id: Option<String>,
    pub(crate) policy: Option<String>,
    pub(crate) source_identity: Option<String>,
    duration: Option<Duration>,
}

/// By what tells roles apart in practice. A pool hashes it for each hit, and roles that differ in the rest alone are still not equal.
impl Hash for AssumeRole {
    fn hash<H: Hasher>(&self, state: &mut H) {
        let Self { role_arn, session_name, policy, .. } = self;
        role_arn.hash(state);
        session_name.as_deref().unwrap_or_default().hash(state);
        policy.as_deref().unwrap_or_default().hash(state);
    }
}

impl fmt::Debug for AssumeRole {
    /// Neither the ExternalId, which is half a secret, nor the policy.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AssumeRole")
            .field("role_arn", &self.role_arn)
            .field("session_name", &self.session_name)
            .finish_non_exhaustive()
    }
}

impl AssumeRole {
    /// Creates a request for a session of the role `acs:ram::<account id>:role/<role name>`.
    pub fn new(role_arn: impl Into<String>) -> Self {
        Self {
            role_arn: role_arn.into(),
            session_name: None,
            external_id: None,
            policy: None,
            source_identity: None,
            duration: None,
        }
    }

    /// Sets the name of the session in audit logs: 2 to 64 characters of `A-Z a-z 0-9 . @ _ -`. The default is
    /// `ALIBABA_CLOUD_ROLE_SESSION_NAME`, or else `credentials-rust-<milliseconds>`.
    #[must_use]
    pub fn session_name(mut self, name: impl Into<String>) -> Self {
        self.session_name = Some(name.into());
        self
    }

    /// Sets the ExternalId, which the role's trust policy may demand against the confused-deputy problem: 2 to 1224 characters
    /// of `A-Z a-z 0-9 + = , . @ : / _ -`.
    #[must_use]
    pub fn external_id(mut self, id: impl Into<String>) -> Self {
        self.external_id = Some(id.into());
        self
    }

    /// Sets a policy in JSON that limits the session further than the role's own: at most 2048 characters. A longer one is
    /// sent without the white space between its parts.
    #[must_use]
    pub fn policy(mut self, json: impl Into<String>) -> Self {
        let json: String = json.into();
        let fits = json.chars().count() <= LONGEST_POLICY;
        self.policy = Some(if fits { json } else { without_white_space(&json) });
        self
    }

    /// Sets the SourceIdentity: who is behind the session. It stays when roles are chained. 2 to 64 characters of
    /// `A-Z a-z 0-9 + = , . @ _ -`.
    #[must_use]
    pub fn source_identity(mut self, identity: impl Into<String>) -> Self {
        self.source_identity = Some(identity.into());
        self
    }

    /// Sets the lifetime of a session in whole seconds, from 900 to the role's MaxSessionDuration. The default is 3600.
    #[must_use]
    pub fn duration(mut self, duration: Duration) -> Self {
        self.duration = Some(duration);
        self
    }

    pub(crate) fn role_arn(&self) -> &str {
        &self.role_arn
    }

    pub(crate) fn requested(&self) -> Duration {
        self.duration.unwrap_or(DEFAULT_DURATION)
    }

    /// All that influences what STS answers, as texts: what was left out differs from what is empty.
    #[cfg(feature = "shared-sessions")]
    pub(crate) fn identity(&self) -> Vec<String> {
        let given = |part: &Option<String>| part.as_ref().map_or("-".to_owned(), |part| format!("={part}"));
        vec![
            self.role_arn.clone(),
            given(&self.session_name),
            given(&self.external_id),
            given(&self.policy),
            given(&self.source_identity),
            self.requested().as_secs().to_string(),
        ]
    }

    /// Checks what can be checked here, by the limits that STS documents.
    pub(crate) fn check(&self) -> Result<(), Error> {
        if !is_role_arn(&self.role_arn) {
            return Err(invalid("RoleArn", "a role ARN is acs:ram::<account id>:role/<role name>"));
        }
        if let Some(name) = &self.session_name {
            check_session_name(name)?;
        }
        if let Some(duration) = self.duration
            && (duration < Duration::from_secs(900) || duration.subsec_nanos() != 0)
        {
            let message = "a session lasts whole seconds, 900 at least, and at most the role's MaxSessionDuration";
            return Err(invalid("DurationSeconds", message));
        }
        if let Some(policy) = &self.policy {
            if policy.is_empty() || policy.chars().count() > LONGEST_POLICY {
                return Err(invalid("PolicySize", "a session policy has 1 to 2048 characters"));
            }
            let value = serde_json::from_str::<serde_json::Value>(policy).ok();
            if value.is_none_or(|value| value.get("Version").is_none() || value.get("Statement").is_none()) {
                return Err(invalid("PolicyGrammar", "a session policy is JSON with Version and Statement"));
            }
        }
        if let Some(id) = &self.external_id
            && (!(2..=1224).contains(&id.len())
                || !id.bytes().all(|b| b.is_ascii_alphanumeric() || b"_+=,.@:/-".contains(&b)))
        {
            let message = "an ExternalId has 2 to 1224 characters of A-Z a-z 0-9 + = , . @ : / _ -";
            return Err(invalid("ExternalId", message));
        }
        if let Some(identity) = &self.source_identity {
            let reserved = ["acs:", "aliyun:", "alibabacloud:"].iter().any(|prefix| identity.starts_with(prefix));
            let valid = identity.bytes().all(|b| b.is_ascii_alphanumeric() || b"_+=,.@-".contains(&b));
            if reserved || !valid || !(2..=64).contains(&identity.len()) {
                let message = "a SourceIdentity has 2 to 64 characters of A-Z a-z 0-9 + = , . @ _ -";
                return Err(invalid("SourceIdentity", message));
            }
        }
        Ok(())
    }

    /// Checks that the role asks for nothing that AssumeRoleWithOIDC does not have.
    pub(crate) fn check_for_oidc(&self) -> Result<(), Error> {
        let remedy = "leave it out; a trust policy tells callers with tokens apart by oidc:sub";
        self.check_absent("AssumeRoleWithOIDC", remedy)
    }

    /// Checks everything that AssumeRoleWithSAML takes, and that the role asks for nothing else.
    pub(crate) fn check_for_saml(&self, provider_arn: &str) -> Result<(), Error> {
        self.check()?;
        if self.session_name.is_some() {
            let error = invalid("RoleSessionName", "AssumeRoleWithSAML takes no RoleSessionName");
            return Err(error.with_remedy("leave it out; the assertion's attribute RoleSessionName names the session"));
        }
        self.check_absent("AssumeRoleWithSAML", "leave it out; the assertion says who is behind the session")?;
        if !is_arn(provider_arn, ":saml-provider/") {
            let message = "an identity provider's ARN is acs:ram::<account id>:saml-provider/<name>";
            return Err(invalid("SAMLProviderArn", message));
        }
        Ok(())
    }

    /// To leave an ExternalId out unsaid would look like a check that was made.
    fn check_absent(&self, action: &str, remedy: &str) -> Result<(), Error> {
        for (name, is_set) in
            [("ExternalId", self.external_id.is_some()), ("SourceIdentity", self.source_identity.is_some())]
        {
            if is_set {
                return Err(invalid(name, &format!("{action} takes no {name}")).with_remedy(remedy));
            }
        }
        Ok(())
    }
}

/// JSON without the white space outside its strings. What is no JSON stays none.
fn without_white_space(json: &str) -> String {
    let (mut in_string, mut escaped) = (false, false);
    let is_kept = |c: &char| {
        let kept = in_string || !matches!(c, ' ' | '\t' | '\n' | '\r');
        match c {
            '"' if !escaped => in_string = !in_string,
            _ => {}
        }
        escaped = in_string && *c == '\\' && !escaped;
        kept
    };
    json.chars().filter(is_kept).collect()
}

fn invalid(what: &str, message: &str) -> Error {
    Error::invalid_input(message).with_code(format!("InvalidParameter.{what}"))
}

pub(crate) fn check_session_name(name: &str) -> Result<(), Error> {
    let valid = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b".@_-".contains(&byte));
    if valid && (2..=64).contains(&name.len()) {
        return Ok(());
    }
    Err(invalid("RoleSessionName", "a session name has 2 to 64 characters of A-Z a-z 0-9 . @ _ -"))
}

fn is_role_arn(arn: &str) -> bool {
    is_arn(arn, ":role/")
}

/// Returns whether this is an ARN of RAM with a name behind `kind`.
fn is_arn(arn: &str, kind: &str) -> bool {
    let Some((account, role)) = arn.strip_prefix("acs:ram::").and_then(|rest| rest.split_once(kind)) else {
        return false;
    };
    let label =
        |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_./@".contains(&b));
    !account.is_empty() && account.bytes().all(|byte| byte.is_ascii_digit()) && label(role)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ARN: &str = "acs:ram::100:role/media";

    fn code(role: AssumeRole) -> String {
        role.check().err().map_or("ok".to_owned(), |error| error.code().unwrap().to_owned())
    }

    #[test]
    fn limits_are_checked_before_any_call() {
        let role = || AssumeRole::new(ARN);
        let policy = |text: &str| code(role().policy(text));
        assert_eq!(code(role()), "ok");
        for arn in [
            "",
            "media",
            "acs:ram::100:user/media",
            "acs:ram:::role/media",
            "acs:ram::1x:role/m",
            "acs:ram::100:role/",
            "acs:ram::1:role/a b",
        ] {
            assert_eq!(code(AssumeRole::new(arn)), "InvalidParameter.RoleArn", "{arn}");
        }
        for (length, expected) in
            [(1, "InvalidParameter.RoleSessionName"), (2, "ok"), (64, "ok"), (65, "InvalidParameter.RoleSessionName")]
        {
            assert_eq!(code(role().session_name("n".repeat(length))), expected, "{length}");
        }
        assert_eq!(code(role().session_name("a b")), "InvalidParameter.RoleSessionName");
        for (millis, expected) in [
            (899_000, "InvalidParameter.DurationSeconds"),
            (900_000, "ok"),
            (900_500, "InvalidParameter.DurationSeconds"),
            (43_200_000, "ok"),
        ] {
            assert_eq!(code(role().duration(Duration::from_millis(millis))), expected, "{millis}");
        }
        assert_eq!(policy("{"), "InvalidParameter.PolicyGrammar");
        assert_eq!(policy(r#"{"Version":"1"}"#), "InvalidParameter.PolicyGrammar");
        assert_eq!(policy(r#"{"Version":"1","Statement":[]}"#), "ok");
        assert_eq!(policy(&"x".repeat(2049)), "InvalidParameter.PolicySize");
        for (id, expected) in
            [("x", "InvalidParameter.ExternalId"), ("x y", "InvalidParameter.ExternalId"), ("partner-42", "ok")]
        {
            assert_eq!(code(role().external_id(id)), expected, "{id}");
        }
        assert_eq!(code(role().source_identity("acs:me")), "InvalidParameter.SourceIdentity");
        assert_eq!(code(role().source_identity("alice")), "ok");
    }

    #[test]
    fn a_policy_that_is_too_long_for_its_white_space_alone_loses_it() {
        let policy = |spaces: usize, text: &str| {
            format!(r#"{{"Version" : "1",{}"Statement":[ {{"Resource":["{text}"]}} ]}}"#, "\n ".repeat(spaces / 2))
        };
        let role = AssumeRole::new(ARN).policy(policy(4000, r#"a \" b\\"#));
        assert_eq!(role.policy.as_deref(), Some(r#"{"Version":"1","Statement":[{"Resource":["a \" b\\"]}]}"#));
        assert_eq!(code(role), "ok");
        let short = policy(10, "a b");
        assert_eq!(AssumeRole::new(ARN).policy(&short).policy, Some(short), "what fits is sent as it is");
        assert_eq!(code(AssumeRole::new(ARN).policy(policy(10, &"x ".repeat(1500)))), "InvalidParameter.PolicySize");
    }
}
