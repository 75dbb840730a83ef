//! The chain that a service plugs in: the official order, one cache, one way to ask.

use std::borrow::Cow;
use std::fmt;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use crate::chain::{Chain, OnFailure};
use crate::context::Context;
use crate::credentials::Credentials;
use crate::error::Error;
use crate::explain::{Explanation, ProviderReport};
use crate::identity::Pin;
use crate::notes::notes;
use crate::provider::{BoxFuture, ProvideCredentials};
use crate::providers::{
    AssumeRoleProvider, CliProfileProvider, CredentialsUriProvider, EcsMetadataProvider, EnvironmentProvider,
    EnvironmentRole, IniProfileProvider, OidcRoleProvider,
};
use crate::refresh::Refresher;
use crate::sts::{AssumeRole, CallerIdentity, Sts, StsEndpoint, StsSignature, check_region};

/// Finds credentials where the official SDKs do, and keeps them fresh. Cloning is one reference count.
///
/// | # | name | source |
/// |---|---|---|
/// | 1 | `env` | `ALIBABA_CLOUD_ACCESS_KEY_ID`, `…_SECRET`, `ALIBABA_CLOUD_SECURITY_TOKEN`; then the `IMM_*` trio; then [`env_prefix`](DefaultCredentialChainBuilder::env_prefix) |
/// | 2 | `oidc_role_arn` | RRSA: [`OidcRoleProvider`] |
/// | 3 | `cli_profile` | `~/.aliyun/config.json`: [`CliProfileProvider`] |
/// | 4 | `profile` | `~/.alibabacloud/credentials`: [`IniProfileProvider`] |
/// | 5 | `ecs_ram_role` | instance metadata: [`EcsMetadataProvider`] |
/// | 6 | `credentials_uri` | `ALIBABA_CLOUD_CREDENTIALS_URI`: [`CredentialsUriProvider`] |
///
/// What was found can be turned into a role's session by [`assume_role`](DefaultCredentialChainBuilder::assume_role), the
/// last hop. Once a session was asked for, the key that it was made with never reaches a caller.
///
/// ```
/// # async fn example() -> Result<(), alibabacloud_credentials::Error> {
/// use alibabacloud_credentials::DefaultCredentialChain;
///
/// let chain = DefaultCredentialChain::new();
/// let credentials = chain.credentials().await?; // cached; renewed before it expires
/// # Ok(()) }
/// ```
#[derive(Clone)]
pub struct DefaultCredentialChain {
    refresher: Refresher,
    chain: Arc<Chain>,
    sts: Sts,
    role_in_code: bool,
}

impl fmt::Debug for DefaultCredentialChain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DefaultCredentialChain").field("chain", &self.chain).finish_non_exhaustive()
    }
}

impl Default for DefaultCredentialChain {
    fn default() -> Self {
        Self::new()
    }
}

impl DefaultCredentialChain {
    /// The chain over the real world. No I/O, no thread, no runtime; it cannot fail.
    pub fn new() -> Self {
        Self::builder().build()
    }

    /// The same chain for the whole process: five libraries that use it share one session.
    pub fn shared() -> Self {
        static SHARED: OnceLock<DefaultCredentialChain> = OnceLock::new();
        SHARED.get_or_init(Self::new).clone()
    }

    /// A chain with choices.
    pub fn builder() -> DefaultCredentialChainBuilder {
        DefaultCredentialChainBuilder::default()
    }

    /// The credential, valid now: see [`Refresher::credentials`].
    ///
    /// # Errors
    ///
    /// When no provider has any, or the one that is configured failed. [`Error::causes`] has what each one said.
    pub async fn credentials(&self) -> Result<Credentials, Error> {
        self.refresher.credentials().await
    }

    /// Everything else: borrowing, invalidating, health, renewal without traffic.
    pub fn refresher(&self) -> &Refresher {
        &self.refresher
    }

    /// What every provider answered. Looks once, through the cache, if nothing has been looked for yet; else it reports the
    /// last look, without asking anybody anew.
    pub async fn explain(&self) -> Explanation {
        let result = match self.refresher.known() {
            Some(known) => known,
            None => self.refresher.credentials().await,
        };
        self.explained(&result, self.chain.reports().await)
    }

    /// [`explain`](Self::explain) for a thread that must not wait.
    #[cfg(feature = "blocking")]
    pub(crate) fn explain_known(&self, result: &Result<Credentials, Error>) -> Explanation {
        self.explained(result, self.chain.known_reports())
    }

    fn explained(&self, result: &Result<Credentials, Error>, reports: Vec<ProviderReport>) -> Explanation {
        let notes = notes(&self.sts.context, result, &reports, self.role_in_code);
        Explanation::new(result, reports, notes)
    }

    /// The region, as far as it is known: given in code, else `ALIBABA_CLOUD_REGION_ID` or `ALIBABA_CLOUD_STS_REGION`, else
    /// what a source named on the way (the profile, the RRSA token's issuer, instance metadata).
    pub fn region(&self) -> Option<String> {
        self.sts.region()
    }

    /// Whose credential this is, as STS says it.
    ///
    /// # Errors
    ///
    /// As [`credentials`](Self::credentials), and those of the call to STS.
    pub async fn caller_identity(&self) -> Result<CallerIdentity, Error> {
        let credentials = self.refresher.credentials().await?;
        self.sts.caller_identity(&credentials).await
    }
}

impl From<DefaultCredentialChain> for Refresher {
    fn from(chain: DefaultCredentialChain) -> Self {
        chain.refresher
    }
}

impl From<&DefaultCredentialChain> for Refresher {
    fn from(chain: &DefaultCredentialChain) -> Self {
        chain.refresher.clone()
    }
}

impl ProvideCredentials for DefaultCredentialChain {
    fn provider_name(&self) -> Cow<'_, str> {
        Cow::Borrowed("default")
    }

    fn provide_credentials(&self) -> BoxFuture<'_, Result<Credentials, Error>> {
        self.refresher.provide_credentials()
    }

    fn is_current(&self, credentials: &Credentials) -> bool {
        self.refresher.is_current(credentials)
    }
}

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
                .then(EnvironmentRole { keys, sts: sts.clone() })
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
            Some(role) => Arc::new(AssumeRoleProvider::over(Arc::clone(&chain) as _, role, sts.clone())),
        };
        let pin = Pin::new(self.expected_account, self.expected_role);
        let provider = Outermost { found, chain: Arc::clone(&chain), sts: sts.clone(), pin, role_in_code };
        let mut refresher = Refresher::builder(provider).context(context);
        if let Some(window) = self.advisory {
            refresher = refresher.advisory_window(window);
        }
        DefaultCredentialChain { refresher: refresher.build(), chain, sts, role_in_code }
    }
}

/// The outermost provider: checks the arguments, and puts `default` in front.
struct Outermost {
    found: Arc<dyn ProvideCredentials>,
    chain: Arc<Chain>,
    sts: Sts,
    pin: Pin,
    role_in_code: bool,
}

impl Outermost {
    async fn ask(&self) -> Result<Credentials, Error> {
        if let Some(region) = &self.sts.endpoint.region {
            check_region(region).map_err(|error| error.of("the region given in code"))?;
        }
        let found = self.found.provide_credentials().await?;
        self.pin.check(&found, &self.sts).await?;
        Ok(found)
    }
}

impl ProvideCredentials for Outermost {
    fn provider_name(&self) -> Cow<'_, str> {
        Cow::Borrowed("default")
    }

    fn provide_credentials(&self) -> BoxFuture<'_, Result<Credentials, Error>> {
        Box::pin(async move {
            match self.ask().await {
                Ok(found) => Ok(found.in_provider("default")),
                Err(error) => {
                    let error = error.in_provider("default");
                    let reports = self.chain.reports().await;
                    let failed = Err(error.clone());
                    let notes = notes(&self.sts.context, &failed, &reports, self.role_in_code);
                    Err(error.with_explanation(Explanation::new(&failed, reports, notes)))
                }
            }
        })
    }

    fn is_current(&self, credentials: &Credentials) -> bool {
        !self.pin.holds_back() && self.found.is_current(credentials)
    }
}
