//! The environment as the default chain reads it: an AccessKey pair, or the session of a role that it names.

use std::borrow::Cow;
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::{AssumeRoleProvider, EnvironmentProvider};
use crate::credentials::Credentials;
use crate::error::Error;
use crate::provider::{BoxFuture, Private, ProvideCredentials, SourceStatus};
use crate::sts::{AssumeRole, Sts};

/// Turns an AccessKey pair that has no token into a session of the role that `ALIBABA_CLOUD_ROLE_ARN` names, when no OIDC
/// variable claims the role for itself. The `aliyun` CLI does the same.
#[derive(Debug)]
pub(crate) struct EnvironmentRole {
    keys: EnvironmentProvider,
    sts: Sts,
    /// The values of the variables at the last result: a session does not show the key that it was made with.
    made_of: Mutex<Option<Variables>>,
}

/// The pair, perhaps with its token, and the role that it is to be exchanged for.
#[derive(Clone, Debug)]
struct Variables {
    keys: Credentials,
    role: Option<AssumeRole>,
}

impl Variables {
    fn same(&self, other: &Self) -> bool {
        self.keys.same_keys(&other.keys) && self.role == other.role
    }
}

const ROLE_ARN: &str = "ALIBABA_CLOUD_ROLE_ARN";
const EXTERNAL_ID: &str = "ALIBABA_CLOUD_EXTERNAL_ID";

impl EnvironmentRole {
    pub(crate) fn new(keys: EnvironmentProvider, sts: Sts) -> Self {
        Self { keys, sts, made_of: Mutex::default() }
    }

    fn made_of(&self) -> MutexGuard<'_, Option<Variables>> {
        self.made_of.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Reads all of the variables.
    fn read(&self) -> Result<Variables, Error> {
        let keys = self.keys.read()?;
        let role = match keys.security_token() {
            Some(_) => None,
            None => self.role()?,
        };
        Ok(Variables { keys, role })
    }

    async fn ask(&self) -> Result<Credentials, Error> {
        let variables = self.read()?;
        let found = match variables.role.clone() {
            None => variables.keys.clone(),
            Some(role) => {
                let provider = AssumeRoleProvider::with_sts(variables.keys.clone(), role, self.sts.clone());
                // As the credential's own name has it, outermost first.
                provider.assume().await.map_err(|error| error.in_provider("env").in_provider("ram_role_arn"))?
            }
        };
        *self.made_of() = Some(variables);
        Ok(found)
    }

    fn role(&self) -> Result<Option<AssumeRole>, Error> {
        let context = &self.keys.context;
        for name in ["ALIBABA_CLOUD_OIDC_PROVIDER_ARN", "ALIBABA_CLOUD_OIDC_TOKEN_FILE"] {
            if context.env(name)?.is_some() {
                return Ok(None);
            }
        }
        let Some(arn) = context.env(ROLE_ARN)? else { return Ok(None) };
        let mut role = AssumeRole::new(arn);
        let named = |variable: &'static str| {
            move |error: Error| error.of(variable).in_provider("env").in_provider("ram_role_arn")
        };
        role.check().map_err(named(ROLE_ARN))?;
        role.external_id = context.env(EXTERNAL_ID)?;
        role.check().map_err(named(EXTERNAL_ID))?;
        Ok(Some(role))
    }
}

impl ProvideCredentials for EnvironmentRole {
    fn provider_name(&self) -> Cow<'_, str> {
        Cow::Borrowed("env")
    }

    fn provide_credentials(&self) -> BoxFuture<'_, Result<Credentials, Error>> {
        Box::pin(self.ask())
    }

    fn source_status(&self) -> Option<SourceStatus> {
        self.keys.source_status()
    }

    fn is_current(&self, _credentials: &Credentials) -> bool {
        let made_of = self.made_of().clone();
        // A broken environment keeps what was good.
        made_of.is_none_or(|made_of| self.read().map_or(true, |now| now.same(&made_of)))
    }

    fn checks_inline(&self, _: Private) -> bool {
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::context::Context;
    use crate::providers::scripted_http::{ScriptedHttp, answer};

    const ID: (&str, &str) = ("ALIBABA_CLOUD_ACCESS_KEY_ID", "id-1");
    const SECRET: (&str, &str) = ("ALIBABA_CLOUD_ACCESS_KEY_SECRET", "secret-1");

    /// Asks a default chain's first provider under `before`, and returns whether what it gave is current under `after`.
    async fn is_current_after(before: &[(&str, &str)], after: &[(&str, &str)]) -> bool {
        let session = r#"{"Credentials":{"AccessKeyId":"STS.9","AccessKeySecret":"s","SecurityToken":"t",
            "Expiration":"2099-01-01T00:00:00Z"}}"#;
        let sts = ScriptedHttp::new(move |_| answer(200, session));
        let context = |env: &[(&str, &str)]| Context::builder().env(env.iter().copied()).http(sts.clone()).build();
        let keys = EnvironmentProvider::new().context(context(before));
        let mut provider = EnvironmentRole::new(keys, Sts::new(context(before)));
        let found = provider.provide_credentials().await.unwrap();
        assert!(provider.is_current(&found), "nothing changed");
        provider.keys = provider.keys.context(context(after));
        provider.is_current(&found)
    }

    #[tokio::test]
    async fn what_is_replaced_in_place_is_noticed_whatever_it_was_turned_into() {
        let role = ("ALIBABA_CLOUD_ROLE_ARN", "acs:ram::1:role/a");
        let other_role = ("ALIBABA_CLOUD_ROLE_ARN", "acs:ram::1:role/b");
        let session = |n: &'static str| [ID, SECRET, ("ALIBABA_CLOUD_SECURITY_TOKEN", n)];
        let other_pair = [("ALIBABA_CLOUD_ACCESS_KEY_ID", "id-2"), SECRET];
        let with = |pair: &[(&'static str, &'static str)], role| [pair, &[role]].concat();
        let (first, second) = (session("t-1"), session("t-2"));
        type Variables = [(&'static str, &'static str)];
        let changes: [(&str, &Variables, &Variables); 5] = [
            ("a session by another", &first, &second),
            ("a pair by another", &[ID, SECRET], &other_pair),
            ("the key of a role's session", &with(&[ID, SECRET], role), &with(&other_pair, role)),
            ("the role", &with(&[ID, SECRET], role), &with(&[ID, SECRET], other_role)),
            ("the key of a role's session by a session", &with(&[ID, SECRET], role), &with(&first, role)),
        ];
        for (what, before, after) in changes {
            assert!(!is_current_after(before, after).await, "{what}");
        }
        assert!(is_current_after(&first, &[ID]).await, "a broken environment keeps what was good");
        assert!(is_current_after(&first, &with(&first, role)).await, "a role that does nothing");
    }
}
