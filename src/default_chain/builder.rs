//! The default chain's builder: the providers in the official order, and what is said of them in code.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use super::notes::NoteSettings;
use super::{DefaultCredentialChain, Outermost};
use crate::chain::{Chain, OnFailure};
use crate::context::Context;
use crate::identity::IdentityCheck;
use crate::profile::{Config, Ini};
use crate::provider::ProvideCredentials;
use crate::providers::{
    AssumeRoleProvider, EcsMetadataProvider, EnvironmentProvider, EnvironmentRole, FileProvider, OidcRoleProvider,
    SourceSettings,
};
use crate::refresh::Refresher;
use crate::sts::{AssumeRole, Sts, StsSignature};

/// Builds a [`DefaultCredentialChain`]. A bad argument shows as an error of `credentials()`, before any request.
///
/// ```
/// use std::time::Duration;
/// use alibabacloud_credentials::{AssumeRole, DefaultCredentialChain};
///
/// let chain = DefaultCredentialChain::builder()
///     .region("cn-hangzhou")
///     .assume_role(AssumeRole::new("acs:ram::1234567890123456:role/media"))
///     .expect_account("1234567890123456")
///     .advisory_window(Duration::from_secs(1800))
///     .build();
/// ```
#[derive(Default)]
pub struct DefaultCredentialChainBuilder {
    sts: Sts,
    profile: Option<String>,
    env_prefixes: Vec<String>,
    ecs_metadata: Option<bool>,
    role: Option<AssumeRole>,
    expected_account: Option<String>,
    expected_role: Option<String>,
    on_failure: OnFailure,
    legacy_variables: bool,
    allowed_hosts: Vec<String>,
    advisory: Option<Duration>,
}

impl fmt::Debug for DefaultCredentialChainBuilder {
    /// No endpoint: it may have been given with a password in it, which is an error only when it is used.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DefaultCredentialChainBuilder")
            .field("profile", &self.profile)
            .field("env_prefixes", &self.env_prefixes)
            .field("role", &self.role)
            .field("on_failure", &self.on_failure)
            .finish_non_exhaustive()
    }
}

impl DefaultCredentialChainBuilder {
    /// Sets the outside world. The default is the real one.
    #[must_use]
    pub fn context(mut self, context: Context) -> Self {
        self.sts.context = context;
        self
    }

    /// Restricts the chain to this profile of config.json, or else of the ini file.
    #[must_use]
    pub fn profile(mut self, name: impl Into<String>) -> Self {
        self.profile = Some(name.into());
        self
    }

    /// Reads another family of variables too, behind the documented ones: `OSS` for `OSS_ACCESS_KEY_ID` and so on.
    #[must_use]
    pub fn env_prefix(mut self, prefix: impl Into<String>) -> Self {
        self.env_prefixes.push(prefix.into());
        self
    }

    /// Sets the region whose STS is used, as `cn-hangzhou`. The default is `ALIBABA_CLOUD_STS_REGION`, the profile's
    /// `sts_region`, or the region that the RRSA token's issuer or the instance names; without any, the global
    /// `sts.aliyuncs.com`.
    #[must_use]
    pub fn region(mut self, region: impl Into<String>) -> Self {
        self.sts.endpoint.region = Some(region.into());
        self
    }

    /// Sets the STS host as `host[:port]`, over HTTPS; `http://` is for loopback only.
    #[must_use]
    pub fn sts_endpoint(mut self, endpoint: impl Into<String>) -> Self {
        self.sts.endpoint.endpoint = Some(endpoint.into());
        self
    }

    /// Sets the signature of all signed calls to STS: those of roles given here, in the environment or in a profile, and
    /// [`caller_identity`](DefaultCredentialChain::caller_identity). The default is [`StsSignature::V3`].
    #[must_use]
    pub fn sts_signature(mut self, signature: StsSignature) -> Self {
        self.sts.signature = signature;
        self
    }

    /// Lets an STS endpoint be plain `http://` beyond loopback. Secrets then travel in the clear.
    #[must_use]
    pub fn allow_plain_http(mut self) -> Self {
        self.sts.endpoint.allow_plain_http = true;
        self
    }

    /// Uses the region's VPC host of STS. Has no effect without a region.
    #[must_use]
    pub fn vpc_endpoint(mut self, vpc: bool) -> Self {
        self.sts.endpoint.vpc = vpc;
        self
    }

    /// Lets a credentials URI be plain `http://` to this host, a name or an address without port. The session then travels in
    /// the clear. See [`CredentialsUriProvider::allow_host`](crate::CredentialsUriProvider::allow_host).
    #[must_use]
    pub fn allow_host(mut self, host: impl Into<String>) -> Self {
        self.allowed_hosts.push(host.into());
        self
    }

    /// Also reads what only the `aliyun` CLI and Terraform read, behind the variables that all SDKs read. Default: `false`.
    ///
    /// | variables | of |
    /// |---|---|
    /// | `ALIBABACLOUD_ACCESS_KEY_ID`, `…_SECRET`, `ALIBABACLOUD_SECURITY_TOKEN` | the CLI |
    /// | `ALICLOUD_ACCESS_KEY_ID`, `…_SECRET`, `ALICLOUD_SECURITY_TOKEN` | the CLI |
    /// | `ALICLOUD_ACCESS_KEY`, `ALICLOUD_SECRET_KEY`, `ALICLOUD_SECURITY_TOKEN` | Terraform |
    /// | `ALIBABACLOUD_PROFILE`, `ALICLOUD_PROFILE` | the CLI |
    /// | `ALIBABACLOUD_IGNORE_PROFILE` | the CLI |
    ///
    /// ```
    /// use alibabacloud_credentials::DefaultCredentialChain;
    ///
    /// let chain = DefaultCredentialChain::builder().legacy_variables(true).build();
    /// ```
    #[must_use]
    pub fn legacy_variables(mut self, read: bool) -> Self {
        self.legacy_variables = read;
        self
    }

    /// Says whether to ask instance metadata.
    ///
    /// With `false` it is never asked, for no profile either. With `true` it gets its full time and fails instead of being
    /// passed over. By default it is asked last but one, and off the cloud for a quarter of a second at most.
    #[must_use]
    pub fn ecs_metadata(mut self, ask: bool) -> Self {
        self.ecs_metadata = Some(ask);
        self
    }

    /// Assumes `role` with the credential that the chain finds, as the last hop.
    #[must_use]
    pub fn assume_role(mut self, role: AssumeRole) -> Self {
        self.role = Some(role);
        self
    }

    /// Hands out no other account's credentials, not even at first: [`ErrorKind::IdentityMismatch`](crate::ErrorKind).
    /// The account is known from the STS response, or asked for by one GetCallerIdentity for each new credential.
    #[must_use]
    pub fn expect_account(mut self, account_id: impl Into<String>) -> Self {
        self.expected_account = Some(account_id.into());
        self
    }

    /// Hands out no credentials but a session of this role: see [`expect_account`](Self::expect_account).
    #[must_use]
    pub fn expect_role(mut self, role_arn: impl Into<String>) -> Self {
        self.expected_role = Some(role_arn.into());
        self
    }

    /// Sets the reaction to a configured provider that fails. The default is [`OnFailure::Stop`].
    #[must_use]
    pub fn on_failure(mut self, on_failure: OnFailure) -> Self {
        self.on_failure = on_failure;
        self
    }

    /// Sets how long before the end a refresh starts: see
    /// [`RefresherBuilder::advisory_window`](crate::RefresherBuilder::advisory_window).
    #[must_use]
    pub fn advisory_window(mut self, window: Duration) -> Self {
        self.advisory = Some(window);
        self
    }

    /// Builds the chain. Does no I/O.
    pub fn build(self) -> DefaultCredentialChain {
        let sts = self.sts;
        let context = sts.context.clone();
        let mut chain = Chain::new("").context(context.clone()).on_failure(self.on_failure);
        let restricted = self.profile.is_some();
        let settings = SourceSettings {
            no_metadata: self.ecs_metadata == Some(false),
            legacy_variables: self.legacy_variables,
            allowed_hosts: self.allowed_hosts,
        };
        let cli_profile = FileProvider::<Config>::in_chain(sts.clone(), self.profile.clone(), settings.clone());
        let ini_profile = FileProvider::<Ini>::in_chain(sts.clone(), self.profile, settings.clone());
        let profiles = [cli_profile.kept_profile(), ini_profile.kept_profile()];
        let env_prefixes = self.env_prefixes.clone();
        if restricted {
            chain = chain.then(cli_profile).then(ini_profile);
        } else {
            let keys = EnvironmentProvider::new().legacy_variables(self.legacy_variables);
            let keys =
                self.env_prefixes.into_iter().fold(keys, EnvironmentProvider::and_prefix).context(context.clone());
            chain = chain
                .then(EnvironmentRole::new(keys, sts.clone()))
                .then(OidcRoleProvider::with_sts(sts.clone()))
                .then(cli_profile)
                .then(ini_profile);
            let metadata = EcsMetadataProvider::new().context(context.clone());
            chain = match self.ecs_metadata {
                Some(false) => chain,
                Some(true) => chain.then(metadata.required()),
                None => chain.then(metadata),
            };
            chain = chain.then(settings.credentials_uri(&context));
        }
        let identity = Arc::new(IdentityCheck::new(self.expected_account, self.expected_role, sts.clone()));
        let noted = NoteSettings { legacy_variables: self.legacy_variables };
        let role_in_code = self.role.is_some();
        if !role_in_code {
            chain = chain.identity(Arc::clone(&identity));
        }
        let chain = Arc::new(chain);
        let found: Arc<dyn ProvideCredentials> = match self.role {
            None => Arc::clone(&chain) as _,
            Some(role) => Arc::new(AssumeRoleProvider::with_shared_source(Arc::clone(&chain) as _, role, sts.clone())),
        };
        let provider = Outermost {
            found,
            chain: Arc::clone(&chain),
            sts: sts.clone(),
            identity,
            profiles,
            env_prefixes,
            noted,
            role_in_code,
        };
        let mut refresher = Refresher::builder(provider).context(context);
        if let Some(window) = self.advisory {
            refresher = refresher.advisory_window(window);
        }
        DefaultCredentialChain { refresher: refresher.build(), chain, sts, noted }
    }
}
