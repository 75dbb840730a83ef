//! The Security Token Service: a role's session for a key, and who a key belongs to.

mod assume_role;
mod endpoint;
mod exchange;
mod settings;
mod signature;

use std::sync::atomic::AtomicBool;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use serde::Deserialize;

use self::assume_role::check_session_name;

pub use self::assume_role::AssumeRole;
pub(crate) use self::endpoint::ProfileEndpoint;
use self::endpoint::StsEndpoint;
use self::exchange::{Exchange, Proof};
pub(crate) use self::settings::StsSettings;
pub use self::signature::StsSignature;
use crate::context::{self, Context, Passage, Quota, Turn};
use crate::credentials::Credentials;
use crate::endpoint::Endpoint;
use crate::error::{Error, ErrorKind};
use crate::oidc::OidcToken;
use crate::rpc::Accepted;
#[cfg(feature = "rsa-key-pair")]
use crate::rsa_key::RsaKey;
use crate::saml::SamlAssertion;
use crate::session_json::{self, Origin};
use crate::validity::Issuer;

const VERSION: &str = "2015-04-01";

/// The region of the site of Japan, the only one with key pairs: the default of the Java and Python SDKs for them.
#[cfg(feature = "rsa-key-pair")]
const KEY_PAIR_REGION: &str = "ap-northeast-1";

/// The calls, each with the key that it is given: nothing is cached here, and nothing retried but what a fresh nonce or
/// the right time resolves at once.
#[derive(Clone, Debug, Default)]
pub(crate) struct Sts {
    pub(crate) context: Context,
    pub(crate) endpoint: StsEndpoint,
    pub(crate) signature: StsSignature,
    /// The ceiling of these calls, below the host's own.
    pub(crate) quota: Option<Arc<Quota>>,
    /// The session name made up for those who gave none: one for all clones, so that audit logs show one caller.
    made_up_name: Arc<OnceLock<String>>,
    /// The global host answered last, where there is a regional one too.
    global: Arc<AtomicBool>,
}

/// The owner of a credential, as GetCallerIdentity returns it.
///
/// ```
/// # async fn example() -> Result<(), alibabacloud_credentials::Error> {
/// use alibabacloud_credentials::DefaultCredentialChain;
///
/// let identity = DefaultCredentialChain::new().caller_identity().await?;
/// println!("{} of account {}", identity.arn, identity.account_id);
/// # Ok(()) }
/// ```
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
    #[cfg(test)]
    pub(crate) fn new(context: Context) -> Self {
        Self { context, ..Self::default() }
    }

    /// Returns whether nothing has named the region whose host to use.
    pub(crate) fn wants_region(&self) -> bool {
        self.endpoint.resolve(&self.context, None).is_ok_and(|hosts| endpoint::is_global(&hosts.first))
    }

    /// The region that is given in code, else in the environment.
    pub(crate) fn region(&self) -> Option<String> {
        let named = ["ALIBABA_CLOUD_REGION_ID", "ALIBABA_CLOUD_STS_REGION"];
        let named = || named.iter().find_map(|name| self.context.env(name).ok().flatten());
        self.endpoint.region.clone().or_else(named)
    }

    /// `given`, else `ALIBABA_CLOUD_ROLE_SESSION_NAME`, else a name in the official SDKs' pattern.
    pub(crate) fn session_name(&self, given: Option<&str>) -> Result<String, Error> {
        const VARIABLE: &str = "ALIBABA_CLOUD_ROLE_SESSION_NAME";
        if let Some(name) = given {
            check_session_name(name)?;
            return Ok(name.to_owned());
        }
        if let Some(name) = self.context.env(VARIABLE)? {
            check_session_name(&name).map_err(|error| error.of(VARIABLE))?;
            return Ok(name);
        }
        let made = || format!("credentials-rust-{}", self.context.now().wall.as_millis());
        Ok(self.made_up_name.get_or_init(made).clone())
    }

    /// Exchanges `source` for a session of the role; `entered` is the way through the gate, where the caller has it already.
    pub(crate) async fn assume_role(
        &self,
        source: &Credentials,
        role: &AssumeRole,
        instance_region: Option<&str>,
        entered: Option<Passage>,
    ) -> Result<Credentials, Error> {
        role.check()?;
        let session_name = self.session_name(role.session_name.as_deref())?;
        let duration = role.requested().as_secs().to_string();
        let mut query = vec![
            ("RoleArn", role.role_arn()),
            ("RoleSessionName", session_name.as_str()),
            ("DurationSeconds", duration.as_str()),
        ];
        let optional =
            [("Policy", &role.policy), ("ExternalId", &role.external_id), ("SourceIdentity", &role.source_identity)];
        query.extend(optional.into_iter().filter_map(|(name, value)| Some((name, value.as_deref()?))));
        let (answer, host) = self.exchange("AssumeRole", &query, instance_region, Proof::Key(source), entered).await?;
        self.session(&answer, &host, "AssumeRole", role.requested())
    }

    /// Asks whose key this is. Needs no permission. `inferred_region` is what its source says, for the choice of the host.
    pub(crate) async fn caller_identity(
        &self,
        credentials: &Credentials,
        inferred_region: Option<&str>,
    ) -> Result<CallerIdentity, Error> {
        let proof = Proof::Key(credentials);
        let (answer, host) = self.exchange("GetCallerIdentity", &[], inferred_region, proof, None).await?;
        serde_json::from_value(answer.body).map_err(|_| missing(&host, "GetCallerIdentity", "an identity"))
    }

    /// Exchanges an OIDC token for a session of the role. Unsigned; the token travels in the form. `issuer_region` is what
    /// the token's issuer says, for the choice of the host.
    pub(crate) async fn assume_role_with_oidc(
        &self,
        provider_arn: &str,
        token: &OidcToken,
        role: &AssumeRole,
        issuer_region: Option<&str>,
    ) -> Result<Credentials, Error> {
        const ACTION: &str = "AssumeRoleWithOIDC";
        role.check()?;
        let session_name = self.session_name(role.session_name.as_deref())?;
        let duration = role.requested().as_secs().to_string();
        let mut form = vec![
            ("RoleArn", role.role_arn()),
            ("OIDCProviderArn", provider_arn),
            ("OIDCToken", token.as_str()),
            ("RoleSessionName", session_name.as_str()),
            ("DurationSeconds", duration.as_str()),
        ];
        form.extend(role.policy.as_deref().map(|policy| ("Policy", policy)));
        let proof = Proof::Token { form: &form, token: token.as_str() };
        let (answer, host) = self.exchange(ACTION, &[], issuer_region, proof, None).await?;
        self.session(&answer, &host, ACTION, role.requested())
    }

    /// Exchanges a SAML assertion for a session of the role. Unsigned; the assertion travels in the form.
    pub(crate) async fn assume_role_with_saml(
        &self,
        provider_arn: &str,
        assertion: &SamlAssertion,
        role: &AssumeRole,
    ) -> Result<Credentials, Error> {
        const ACTION: &str = "AssumeRoleWithSAML";
        let duration = role.requested().as_secs().to_string();
        let mut form = vec![
            ("RoleArn", role.role_arn()),
            ("SAMLProviderArn", provider_arn),
            ("SAMLAssertion", assertion.as_str()),
            ("DurationSeconds", duration.as_str()),
        ];
        form.extend(role.policy.as_deref().map(|policy| ("Policy", policy)));
        let proof = Proof::Token { form: &form, token: assertion.as_str() };
        let (answer, host) = self.exchange(ACTION, &[], None, proof, None).await?;
        self.session(&answer, &host, ACTION, role.requested())
    }

    /// Exchanges the signature of an RSA key pair for a session key of its owner, without a token.
    #[cfg(feature = "rsa-key-pair")]
    pub(crate) async fn generate_session_access_key(
        &self,
        key_id: &str,
        key: &RsaKey,
        duration: Option<Duration>,
    ) -> Result<Credentials, Error> {
        const ACTION: &str = "GenerateSessionAccessKey";
        let requested = duration.unwrap_or(Duration::from_secs(3600));
        if requested < Duration::from_secs(900) {
            let error = Error::invalid_input("a session key lasts 900 s at least, and at most 3600 s");
            return Err(error.with_code("InvalidParameter.DurationSeconds"));
        }
        let seconds = requested.as_secs().to_string();
        let form = [("DurationSeconds", seconds.as_str())];
        let proof = Proof::KeyPair { key_id, key, form: &form };
        let (answer, host) = self.exchange(ACTION, &[], Some(KEY_PAIR_REGION), proof, None).await?;
        let origin = Origin { host: &host, asked: ACTION, within: "SessionAccessKey." };
        let (members, issuer) = (answer.body.get("SessionAccessKey"), Issuer::Sts { requested });
        session_json::read_session_key(members, &answer.headers, answer.transit, origin, issuer, &self.context)
    }

    /// The host that is asked first.
    pub(crate) fn first_host(&self, inferred_region: Option<&str>) -> Result<Endpoint, Error> {
        Ok(self.endpoint.resolve(&self.context, inferred_region)?.first)
    }

    /// Waits until a call to `host` may start.
    pub(crate) async fn enter(&self, host: &Endpoint) -> Passage {
        let turn = Turn { left: context::held(), uses: context::uses(), quota: self.quota.clone() };
        self.context.pass(host.authority(), turn).await
    }

    /// One call, as often as it takes: what answered, and which host.
    async fn exchange(
        &self,
        action: &str,
        query: &[(&str, &str)],
        inferred_region: Option<&str>,
        proof: Proof<'_>,
        entered: Option<Passage>,
    ) -> Result<(Accepted, String), Error> {
        let exchange = Exchange::new(self, action, query, inferred_region, proof, entered)?;
        context::repeat(&self.context, exchange).await
    }

    /// The session of an answer, with what remains of it.
    fn session(
        &self,
        answer: &Accepted,
        host: &str,
        action: &'static str,
        requested: Duration,
    ) -> Result<Credentials, Error> {
        let origin = Origin { host, asked: action, within: "Credentials." };
        let members = answer.body.get("Credentials");
        let issuer = Issuer::Sts { requested };
        let session = session_json::read(members, &answer.headers, answer.transit, origin, issuer, &self.context)?;
        let arn = answer.body.get("AssumedRoleUser").and_then(|user| user.get("Arn")?.as_str());
        Ok(match arn {
            Some(arn) => session.with_arn(arn),
            None => session,
        })
    }
}

fn missing(host: &str, action: &str, what: &str) -> Error {
    Error::new(ErrorKind::InvalidResponse, format!("{host} answered {action} without {what}"))
        .with_code("InvalidResponse")
}
