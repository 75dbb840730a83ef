//! The Security Token Service: a role's session for a key, and who a key belongs to.

mod assume_role;
mod endpoint;

use std::sync::{Arc, OnceLock};

use serde::Deserialize;

use self::assume_role::check_session_name;

pub use self::assume_role::AssumeRole;
pub(crate) use self::endpoint::{ProfileEndpoint, StsEndpoint, check_region};
use crate::context::{Context, SendOptions};
use crate::credentials::Credentials;
use crate::error::{Error, ErrorKind};
use crate::rpc::{self, Accepted, Call};
use crate::session::{self, Origin};

const VERSION: &str = "2015-04-01";

/// The calls, each with the key that it is given: nothing is cached here, and nothing retried but what a fresh nonce or
/// the right time mends at once.
#[derive(Clone, Debug, Default)]
pub(crate) struct Sts {
    pub(crate) context: Context,
    pub(crate) endpoint: StsEndpoint,
    /// The session name made up for those who gave none: one for all clones, so that audit logs show one caller.
    made_up_name: Arc<OnceLock<String>>,
}

/// Who a key belongs to, as GetCallerIdentity says it.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "PascalCase")]
#[non_exhaustive]
pub struct CallerIdentity {
    /// The account's number.
    pub account_id: String,
    /// The caller's ARN.
    pub arn: String,
    /// `Account`, `RAMUser` or `AssumedRoleUser`.
    pub identity_type: String,
    /// The account, the user, or `<role id>:<session name>`.
    pub principal_id: String,
    /// The RAM user's number.
    #[serde(default)]
    pub user_id: Option<String>,
    /// The role's number.
    #[serde(default)]
    pub role_id: Option<String>,
}

impl Sts {
    pub(crate) fn new(context: Context, endpoint: StsEndpoint) -> Self {
        Self { context, endpoint, made_up_name: Arc::default() }
    }

    /// `given`, else `ALIBABA_CLOUD_ROLE_SESSION_NAME`, else a name in the official SDKs' pattern.
    fn session_name(&self, given: Option<&str>) -> Result<String, Error> {
        let given = match given {
            Some(name) => Some(name.to_owned()),
            None => self.context.env("ALIBABA_CLOUD_ROLE_SESSION_NAME")?,
        };
        let Some(name) = given else {
            let made = || format!("credentials-rust-{}", self.context.now().wall.as_millis());
            return Ok(self.made_up_name.get_or_init(made).clone());
        };
        check_session_name(&name)?;
        Ok(name)
    }

    /// Exchanges `source` for a session of the role.
    pub(crate) async fn assume_role(&self, source: &Credentials, role: &AssumeRole) -> Result<Credentials, Error> {
        role.check()?;
        let session_name = self.session_name(role.session_name.as_deref())?;
        let duration = role.duration_seconds().to_string();
        let mut query = vec![
            ("RoleArn", role.role_arn()),
            ("RoleSessionName", session_name.as_str()),
            ("DurationSeconds", duration.as_str()),
        ];
        let optional =
            [("Policy", &role.policy), ("ExternalId", &role.external_id), ("SourceIdentity", &role.source_identity)];
        query.extend(optional.into_iter().filter_map(|(name, value)| Some((name, value.as_deref()?))));
        let (answer, host) = self.call("AssumeRole", &query, source).await?;
        session(&answer, &host)
    }

    /// Whose key this is. Needs no permission.
    pub(crate) async fn caller_identity(&self, credentials: &Credentials) -> Result<CallerIdentity, Error> {
        let (answer, host) = self.call("GetCallerIdentity", &[], credentials).await?;
        serde_json::from_value(answer.body).map_err(|_| missing(&host, "GetCallerIdentity", "an identity"))
    }

    async fn call(
        &self,
        action: &str,
        query: &[(&str, &str)],
        credentials: &Credentials,
    ) -> Result<(Accepted, String), Error> {
        let endpoint = self.endpoint.resolve(&self.context)?;
        let call = Call { endpoint: &endpoint, version: VERSION, action, query };
        let mut again = true;
        loop {
            let request = rpc::signed(&self.context, call, credentials)?;
            let response = self.context.send(request, SendOptions::default()).await;
            let response = response.map_err(|error| rpc::unreachable(call, &error))?;
            match rpc::read(call, response, credentials) {
                Ok(answer) => return Ok((answer, endpoint.host().to_owned())),
                // The refusal's own `Date` has set the clock right by now; the nonce is new each time.
                Err(error)
                    if again && matches!(error.code(), Some("InvalidTimeStamp.Expired" | "SignatureNonceUsed")) =>
                {
                    again = false;
                }
                Err(error) => return Err(error),
            }
        }
    }
}

/// The `Credentials` member of an answer.
fn session(answer: &Accepted, host: &str) -> Result<Credentials, Error> {
    let origin = Origin { host, asked: "AssumeRole", within: "Credentials." };
    session::read(answer.body.get("Credentials"), &answer.headers, origin)
}

fn missing(host: &str, action: &str, what: &str) -> Error {
    Error::new(ErrorKind::InvalidResponse, format!("{host} answered {action} without {what}"))
        .with_code("InvalidResponse")
}
