//! The default chain's builder: the providers in the official order, and what is said of them in code.

use std::sync::Arc;
use std::time::Duration;

use super::{DefaultCredentialChain, Outermost};
use crate::chain::{Chain, OnFailure};
use crate::context::Context;
use crate::identity::IdentityCheck;
use crate::provider::ProvideCredentials;
use crate::providers::{
    AssumeRoleProvider, CliProfileProvider, CredentialsUriProvider, EcsMetadataProvider, EnvironmentProvider,
    EnvironmentRole, IniProfileProvider, OidcRoleProvider,
};
use crate::refresh::Refresher;
use crate::sts::{AssumeRole, Sts, StsEndpoint, StsSignature};

/// Builds a [`DefaultCredentialChain`]. A bad argument shows as an error of `credentials()`, before any request.
#[derive(Debug, Default)]
pub struct DefaultCredentialChainBuilder {
    context: Context,
    profile: Option<String>,
    env_prefixes: Vec<String>,
    endpoint: StsEndpoint,
    sts_signature: StsSignature,
    ecs_metadata: Option<bool>,
    role: Option<AssumeRole>,
    expected_account: Option<String>,
    expected_role: Option<String>,
    on_failure: OnFailure,
    advisory: Option<Duration>,
}

impl DefaultCredentialChainBuilder {
    /// The outside world; the real one by default.
    #[must_use]
    pub fn context(mut self, context: Context) -> Self {
        self.context = context;
        self
    }

    /// Restricts the chain to this profile, of config.json, then of the ini file.
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

    /// The region whose STS is used, as `cn-hangzhou`. Default: `ALIBABA_CLOUD_STS_REGION`, the profile's `sts_region`, the
    /// region that the RRSA token's issuer or the instance itself names; without any, the global `sts.aliyuncs.com`.
    #[must_use]
    pub fn region(mut self, region: impl Into<String>) -> Self {
        self.endpoint.region = Some(region.into());
        self
    }

    /// The STS host as `host[:port]`, always over HTTPS; `http://` for loopback alone.
    #[must_use]
    pub fn sts_endpoint(mut self, endpoint: impl Into<String>) -> Self {
        self.endpoint.endpoint = Some(endpoint.into());
        self
    }

    /// The signature of all signed calls to STS: those of roles given here, in the environment or in a profile, and
    /// [`caller_identity`](DefaultCredentialChain::caller_identity). Default: [`StsSignature::V3`].
    #[must_use]
    pub fn sts_signature(mut self, signature: StsSignature) -> Self {
        self.sts_signature = signature;
        self
    }

    /// Lets an STS endpoint be plain `http://` beyond loopback. Secrets then travel in the clear.
    #[must_use]
    pub fn allow_plain_http(mut self) -> Self {
        self.endpoint.allow_plain_http = true;
        self
    }

    /// Uses the region's VPC host of STS. Without a region it means nothing.
    #[must_use]
    pub fn vpc_endpoint(mut self, vpc: bool) -> Self {
        self.endpoint.vpc = vpc;
        self
    }

    /// `false`: instance metadata is never asked. `true`: it is asked for, so it is given its full time, and fails instead of
    /// being passed over. Default: it is asked last but one, and off the cloud for a quarter of a second at most.
    #[must_use]
    pub fn ecs_metadata(mut self, ask: bool) -> Self {
        self.ecs_metadata = Some(ask);
        self
    }

    /// Assumes `role` with whatever the chain finds: the last hop.
    #[must_use]
    pub fn assume_role(mut self, role: AssumeRole) -> Self {
        self.role = Some(role);
        self
    }

    /// Hands out no other account's credentials, not even at first: [`ErrorKind::IdentityMismatch`](crate::ErrorKind).
    /// Known from the STS answer, else by one GetCallerIdentity for each new credential.
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

    /// What to do when a configured provider fails. Default: stop.
    #[must_use]
    pub fn on_failure(mut self, on_failure: OnFailure) -> Self {
        self.on_failure = on_failure;
        self
    }

    /// How long before the end a refresh starts: see [`RefresherBuilder::advisory_window`](crate::RefresherBuilder::advisory_window).
    #[must_use]
    pub fn advisory_window(mut self, window: Duration) -> Self {
        self.advisory = Some(window);
        self
    }

    /// The chain. No I/O.
    pub fn build(self) -> DefaultCredentialChain {
        let context = self.context;
        let mut sts = Sts::new(context.clone(), self.endpoint);
        sts.signature = self.sts_signature;
        let mut chain = Chain::new("").context(context.clone()).on_failure(self.on_failure);
        let restricted = self.profile.is_some();
        let cli_profile = CliProfileProvider::before_ini(sts.clone(), self.profile.clone());
        let ini_profile = IniProfileProvider::after_config(sts.clone(), self.profile);
        if restricted {
            chain = chain.then(cli_profile).then(ini_profile);
        } else {
            let keys = self.env_prefixes.into_iter().fold(EnvironmentProvider::new(), EnvironmentProvider::and_prefix);
            let keys = keys.context(context.clone());
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
            chain = chain.then(CredentialsUriProvider::new().context(context.clone()));
        }
        let chain = Arc::new(chain);
        let role_in_code = self.role.is_some();
        let found: Arc<dyn ProvideCredentials> = match self.role {
            None => Arc::clone(&chain) as _,
            Some(role) => Arc::new(AssumeRoleProvider::with_shared_source(Arc::clone(&chain) as _, role, sts.clone())),
        };
        let identity = IdentityCheck::new(self.expected_account, self.expected_role);
        let provider = Outermost { found, chain: Arc::clone(&chain), sts: sts.clone(), identity, role_in_code };
        let mut refresher = Refresher::builder(provider).context(context);
        if let Some(window) = self.advisory {
            refresher = refresher.advisory_window(window);
        }
        DefaultCredentialChain { refresher: refresher.build(), chain, sts, role_in_code }
    }
}
