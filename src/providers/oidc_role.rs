//! `oidc_role_arn`: a role's session for an OIDC token. On ACK this is RRSA.

use std::borrow::Cow;
use std::fmt;
use std::path::Path;
use std::sync::Arc;

use super::sts_settings::sts_settings;
use crate::credentials::Credentials;
use crate::endpoint::valid_region;
use crate::error::{Error, ErrorKind};
use crate::oidc::{Claims, OidcTokenFile, OidcTokenVariable, ProvideOidcToken};
use crate::provenance::{Provenance, RoleSession};
use crate::provider::{BoxFuture, ProvideCredentials, SourceStatus};
use crate::sts::{AssumeRole, Sts};

/// Exchanges an OIDC token for a role's session, by AssumeRoleWithOIDC. No AccessKey is needed.
///
/// Without arguments it reads what ACK's webhook injects for RRSA: `ALIBABA_CLOUD_ROLE_ARN`,
/// `ALIBABA_CLOUD_OIDC_PROVIDER_ARN` and `ALIBABA_CLOUD_OIDC_TOKEN_FILE`, or `ALIBABA_CLOUD_OIDC_TOKEN` with the token itself
/// where no file is named. The token is read again for every exchange. Its claims are checked first: a token that has expired is not sent, once a server's `Date` has told the time.
///
/// ```
/// use alibabacloud_credentials::{AssumeRole, GitHubActionsToken, OidcRoleProvider, Refresher};
///
/// // A workflow of GitHub Actions.
/// let provider = OidcRoleProvider::new()
///     .provider_arn("acs:ram::1234567890123456:oidc-provider/github")
///     .role(AssumeRole::new("acs:ram::1234567890123456:role/deploy"))
///     .token(GitHubActionsToken::default());
/// let credentials = Refresher::new(provider);
/// ```
#[derive(Clone, Default)]
pub struct OidcRoleProvider {
    sts: Sts,
    provider_arn: Option<String>,
    role: Option<AssumeRole>,
    token: Option<Arc<dyn ProvideOidcToken>>,
}

impl fmt::Debug for OidcRoleProvider {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OidcRoleProvider")
            .field("provider_arn", &self.provider_arn)
            .field("role", &self.role)
            .field("token", &self.token.as_ref().map(|token| token.describe().into_owned()))
            .finish_non_exhaustive()
    }
}

const PROVIDER_ARN: &str = "ALIBABA_CLOUD_OIDC_PROVIDER_ARN";
const TOKEN_FILE: &str = "ALIBABA_CLOUD_OIDC_TOKEN_FILE";
/// The token itself, where there is no file.
const TOKEN: &str = "ALIBABA_CLOUD_OIDC_TOKEN";
const ROLE_ARN: &str = "ALIBABA_CLOUD_ROLE_ARN";

const ROTATION: &str = "look at what rotates it: the kubelet, for a projected volume";

/// The three parts of an exchange.
struct Exchange {
    provider_arn: String,
    role: AssumeRole,
    token: Arc<dyn ProvideOidcToken>,
}

impl OidcRoleProvider {
    /// Creates a provider that reads the environment.
    pub fn new() -> Self {
        Self::default()
    }

    /// Creates a provider that reads the environment, with complete STS settings.
    pub(crate) fn with_sts(sts: Sts) -> Self {
        Self { sts, ..Self::default() }
    }

    /// Creates the provider that a profile describes.
    pub(crate) fn of_profile(provider_arn: &str, token_file: &Path, mut role: AssumeRole, sts: Sts) -> Self {
        // Neither the environment's, which is there for whichever role needs one, nor the profile's own: the CLI and the
        // SDKs send none here, either.
        role.external_id = None;
        let token = OidcTokenFile::new(token_file);
        Self { sts, provider_arn: Some(provider_arn.to_owned()), role: Some(role), token: Some(Arc::new(token)) }
    }

    /// Sets the OIDC provider in RAM, `acs:ram::<account id>:oidc-provider/<name>`. The default is the variable.
    #[must_use]
    pub fn provider_arn(mut self, arn: impl Into<String>) -> Self {
        self.provider_arn = Some(arn.into());
        self
    }

    /// Sets the role. The default is the one that the variable names. AssumeRoleWithOIDC has neither ExternalId nor
    /// SourceIdentity: a role with either is [`ErrorKind::InvalidInput`].
    #[must_use]
    pub fn role(mut self, role: AssumeRole) -> Self {
        self.role = Some(role);
        self
    }

    /// Sets the source of the token. The default is the file that the variable names.
    #[must_use]
    pub fn token(mut self, source: impl ProvideOidcToken) -> Self {
        self.token = Some(Arc::new(source));
        self
    }

    sts_settings!(
        "use alibabacloud_credentials::OidcRoleProvider;",
        "OidcRoleProvider::new()",
        "Sets the region whose STS host is used. The default is that of the variables, or else the one in the token's issuer."
    );

    fn exchange(&self) -> Result<Exchange, Error> {
        let env = |name: &str| self.sts.context.env(name);
        let in_code = self.provider_arn.is_some() || self.token.is_some();
        let (provider_arn, token_file) = (env(PROVIDER_ARN)?, self.sts.context.env_path(TOKEN_FILE));
        if !in_code && provider_arn.is_none() && token_file.is_none() {
            return Err(Error::not_configured(format!("{PROVIDER_ARN} and {TOKEN_FILE} are unset")));
        }
        let provider_arn = self.provider_arn.clone().or(provider_arn);
        let role = match &self.role {
            Some(role) => Some(role.clone()),
            None => env(ROLE_ARN)?.map(AssumeRole::new),
        };
        let token = match (&self.token, token_file) {
            (Some(token), _) => Some(Arc::clone(token)),
            (None, Some(path)) => Some(Arc::new(OidcTokenFile::new(path)) as _),
            (None, None) => env(TOKEN)?.map(|_| Arc::new(OidcTokenVariable::new(TOKEN)) as _),
        };
        match (provider_arn, role, token) {
            (Some(provider_arn), Some(role), Some(token)) => Ok(Exchange { provider_arn, role, token }),
            (provider_arn, role, token) => {
                let parts =
                    [(PROVIDER_ARN, provider_arn.is_some()), (ROLE_ARN, role.is_some()), (TOKEN_FILE, token.is_some())];
                let of = |wanted: bool| {
                    let names = parts.iter().filter(|(_, set)| *set == wanted).map(|(name, _)| *name);
                    names.collect::<Vec<_>>().join(" and ")
                };
                let message = format!("{} set without {}", of(true), of(false));
                let error = Error::failed(message).with_code("HalfSet").permanent();
                Err(error.with_remedy("set all three, as ACK's webhook does, or none"))
            }
        }
    }

    async fn ask(&self) -> Result<Credentials, Error> {
        let Exchange { provider_arn, role, token } = self.exchange()?;
        role.check().map_err(|error| if self.role.is_some() { error } else { error.of(ROLE_ARN) })?;
        role.check_for_oidc()?;
        let source = token.describe().into_owned();
        let token = token.token(&self.sts.context).await?;
        let claims = Claims::of(&token).map_err(|error| error.map_message(|message| format!("{source} {message}")))?;
        // Only a clock that a server has confirmed refuses a token: one that is ahead would refuse every token for ever, and
        // nothing would be sent whose answer could set it right.
        let context = &self.sts.context;
        if let Some(ago) = context.measured_time().and_then(|now| claims.expired_for(now)) {
            let message = format!("the token of {source} expired {} s ago", ago.as_secs());
            let error = Error::failed(message).with_code("OidcTokenExpired");
            return Err(error.with_remedy(ROTATION));
        }
        let asked_for = RoleSession {
            role_arn: role.role_arn().to_owned(),
            session_name: Some(self.sts.session_name(role.session_name.as_deref())?),
        };
        let session = self.sts.assume_role_with_oidc(&provider_arn, &token, &role, claims.region()).await;
        let session = session.map_err(|error| {
            let error = error.map_message(|message| format!("{asked_for}: {message}"));
            match error.code() {
                Some("AuthenticationFail.NoPermission") => error.with_remedy(format!(
                    "check that the OIDC provider exists, and give the role's trust policy this condition: {}",
                    claims.condition()
                )),
                Some("AuthenticationFail.OIDCToken.Expired") => {
                    error.with_remedy(format!("the token of {source} was not renewed in time: {ROTATION}"))
                }
                Some(code) if code.ends_with("NotMatch") => {
                    error.with_remedy(format!("the OIDC provider has to match the token: {}", claims.condition()))
                }
                _ => error,
            }
        })?;
        Ok(Provenance::edit(session, |known| {
            known.place = Some(format!("token of {source}"));
            known.roles.push(asked_for);
            known.inferred_region = valid_region(claims.region());
        }))
    }
}

impl ProvideCredentials for OidcRoleProvider {
    fn provider_name(&self) -> Cow<'_, str> {
        Cow::Borrowed("oidc_role_arn")
    }

    fn provide_credentials(&self) -> BoxFuture<'_, Result<Credentials, Error>> {
        Box::pin(async move {
            match self.ask().await {
                Ok(session) => Ok(session.with_provider_name("oidc_role_arn")),
                Err(error) => Err(error.in_provider("oidc_role_arn")),
            }
        })
    }

    fn source_status(&self) -> Option<SourceStatus> {
        Some(match self.exchange() {
            Ok(exchange) => SourceStatus::configured(format!("a token of {} is exchanged", exchange.token.describe())),
            Err(error) if error.kind() == ErrorKind::NotConfigured => SourceStatus::not_configured(error.message()),
            Err(error) => SourceStatus::configured(error.message()),
        })
    }
}
