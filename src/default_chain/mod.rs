//! The chain that a service plugs in: the official order, one cache, one way to ask.

mod builder;
mod notes;
mod verbs;

use std::borrow::Cow;
use std::fmt;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

pub use self::builder::DefaultCredentialChainBuilder;
use self::notes::{NoteSettings, notes};
use crate::chain::Chain;
use crate::credentials::Credentials;
use crate::endpoint::check_region;
use crate::error::Error;
use crate::explain::{CredentialsSummary, Explanation, ProviderReport};
use crate::identity::{IdentityCheck, owner};
use crate::provenance::Provenance;
use crate::provider::{BoxFuture, Private, ProvideCredentials, provide_through};
use crate::providers::{AssumeRoleProvider, EnvironmentProvider, KeptProfile};
use crate::redact::{shorten, shown};
use crate::refresh::Refresher;
use crate::sts::{AssumeRole, CallerIdentity, Sts};
use crate::time;

/// Finds credentials where the official SDKs do, and keeps them fresh. Cloning is one reference count.
///
/// | # | name | source |
/// |---|---|---|
/// | 1 | `env` | `ALIBABA_CLOUD_ACCESS_KEY_ID`, `…_SECRET`, `ALIBABA_CLOUD_SECURITY_TOKEN`; then the `IMM_*` trio; then [`env_prefix`](DefaultCredentialChainBuilder::env_prefix) |
/// | 2 | `oidc_role_arn` | RRSA: [`OidcRoleProvider`](crate::OidcRoleProvider) |
/// | 3 | `cli_profile` | `~/.aliyun/config.json`: [`CliProfileProvider`](crate::CliProfileProvider) |
/// | 4 | `profile` | `~/.alibabacloud/credentials`: [`IniProfileProvider`](crate::IniProfileProvider) |
/// | 5 | `ecs_ram_role` | instance metadata: [`EcsMetadataProvider`](crate::EcsMetadataProvider) |
/// | 6 | `credentials_uri` | `ALIBABA_CLOUD_CREDENTIALS_URI`: [`CredentialsUriProvider`](crate::CredentialsUriProvider) |
///
/// The credential that was found can be turned into a role's session by [`assume_role`](DefaultCredentialChainBuilder::assume_role), the
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
    noted: NoteSettings,
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
    /// Creates the chain over the real world. Does no I/O, starts no thread, needs no runtime, and cannot fail.
    pub fn new() -> Self {
        Self::builder().build()
    }

    /// Returns the chain of the process: all libraries that use it share one session.
    pub fn shared() -> Self {
        static SHARED: OnceLock<DefaultCredentialChain> = OnceLock::new();
        SHARED.get_or_init(Self::new).clone()
    }

    /// Returns a builder with the settings of a chain.
    pub fn builder() -> DefaultCredentialChainBuilder {
        DefaultCredentialChainBuilder::default()
    }

    /// Returns a credential that is valid now: see [`Refresher::credentials`].
    ///
    /// # Errors
    ///
    /// Fails if no provider has credentials, or if one that is configured failed. [`Error::causes`] has the error of each.
    pub async fn credentials(&self) -> Result<Credentials, Error> {
        self.refresher.credentials().await
    }

    /// Returns the cache of this chain, for code that takes a [`Refresher`].
    pub fn refresher(&self) -> &Refresher {
        &self.refresher
    }

    /// Reports what every provider answered. Looks once, through the cache, if nothing has been looked for yet; otherwise it
    /// reports the last look and asks nobody again.
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
        let notes = notes(&self.sts.context, result, &reports, self.noted);
        Explanation::new(result, reports, notes)
    }

    /// Returns the region, as far as it is known: given in code, else `ALIBABA_CLOUD_REGION_ID` or `ALIBABA_CLOUD_STS_REGION`, else
    /// what a source named (the profile, the RRSA token's issuer, instance metadata). A text that cannot be a region is ignored.
    pub fn region(&self) -> Option<String> {
        let of_source = || {
            let known = Provenance::of(&self.refresher.last()?);
            known.region.or(known.inferred_region)
        };
        self.sts.region().or_else(of_source).filter(|region| check_region(region).is_ok())
    }

    /// Returns the URL of the STS host that [`caller_identity`](Self::caller_identity) and roles over this chain ask first:
    /// `https://sts.cn-hangzhou.aliyuncs.com`. Until there are credentials it does not follow what their source names. Makes no
    /// request.
    ///
    /// ```
    /// use alibabacloud_credentials::DefaultCredentialChain;
    ///
    /// let chain = DefaultCredentialChain::builder().region("cn-hangzhou").build();
    /// println!("{:?}", chain.sts_endpoint());
    /// ```
    ///
    /// # Errors
    ///
    /// An endpoint or region that is malformed, in code, in a variable or in the profile in use.
    pub fn sts_endpoint(&self) -> Result<String, Error> {
        self.sts.endpoint.check()?;
        match self.refresher.last().map(|last| Provenance::of(&last)) {
            Some(known) => known.followed_by(self.sts.clone()).first_host(known.inferred_region.as_deref()),
            None => self.sts.first_host(None),
        }
    }

    /// Assumes `role` with this chain's credentials: a service takes one of these for each of its tenants.
    ///
    /// The session shares the chain's source, STS host, region, signature, [`Context`](crate::Context) and HTTP client. A
    /// bad argument shows as an error of `credentials()`, before any request.
    ///
    /// ```
    /// use alibabacloud_credentials::{AssumeRole, DefaultCredentialChain};
    ///
    /// let chain = DefaultCredentialChain::new();
    /// let tenant = chain.assume(AssumeRole::new("acs:ram::1234567890123456:role/tenant-7").session_name("job-1"));
    /// ```
    pub fn assume(&self, role: AssumeRole) -> Refresher {
        let provider = AssumeRoleProvider::over(self.refresher.clone(), role, self.sts.clone());
        Refresher::builder(provider).context(self.sts.context.clone()).build()
    }

    /// Asks STS for the owner of the credential.
    ///
    /// # Errors
    ///
    /// As [`credentials`](Self::credentials), and those of the call to STS.
    pub async fn caller_identity(&self) -> Result<CallerIdentity, Error> {
        let credentials = self.refresher.credentials().await?;
        owner(&credentials, &self.sts).await
    }
}

impl Explanation {
    pub(crate) fn new(result: &Result<Credentials, Error>, providers: Vec<ProviderReport>, notes: Vec<String>) -> Self {
        let credentials = result.as_ref().ok().map(|credentials| {
            let known = Provenance::of(credentials);
            CredentialsSummary {
                provider_name: credentials.provider_name().to_owned(),
                source: known.place,
                roles: known.roles.iter().map(ToString::to_string).collect(),
                arn: credentials.arn().map(shown),
                access_key_id: shorten(credentials.access_key_id()),
                expiration: credentials.expiration().map(time::to_iso),
            }
        });
        Self { credentials, providers, notes, error: result.as_ref().err().map(ToString::to_string) }
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

provide_through!([] DefaultCredentialChain: |chain| chain.refresher);

/// The outermost provider: checks the arguments, and puts `default` in front.
struct Outermost {
    found: Arc<dyn ProvideCredentials>,
    chain: Arc<Chain>,
    sts: Sts,
    identity: Arc<IdentityCheck>,
    /// The profiles that may have answered: they are kept from the first credential on that is handed out.
    profiles: [Arc<KeptProfile>; 2],
    env_prefixes: Vec<String>,
    noted: NoteSettings,
    role_in_code: bool,
}

impl Outermost {
    async fn ask(&self, lifetime: Option<Duration>) -> Result<Credentials, Error> {
        self.sts.endpoint.check()?;
        self.identity.check_arguments()?;
        self.env_prefixes.iter().try_for_each(|prefix| EnvironmentProvider::check_prefix(prefix))?;
        let found = match lifetime {
            Some(lifetime) => self.found.provide_credentials_valid_for(lifetime).await?,
            None => self.found.provide_credentials().await?,
        };
        if self.role_in_code {
            self.identity.check(&found).await?;
        }
        self.profiles.iter().for_each(|profile| profile.keep());
        Ok(Provenance::edit(found, |known| known.sts = Some(self.sts.clone())))
    }

    async fn answer(&self, lifetime: Option<Duration>) -> Result<Credentials, Error> {
        match self.ask(lifetime).await {
            Ok(found) => Ok(found.in_provider("default")),
            Err(error) => {
                let error = error.in_provider("default");
                let reports = self.chain.reports().await;
                let failed = Err(error.clone());
                let notes = notes(&self.sts.context, &failed, &reports, self.noted);
                Err(error.with_explanation(Explanation::new(&failed, reports, notes)))
            }
        }
    }
}

impl ProvideCredentials for Outermost {
    fn provider_name(&self) -> Cow<'_, str> {
        Cow::Borrowed("default")
    }

    fn provide_credentials(&self) -> BoxFuture<'_, Result<Credentials, Error>> {
        Box::pin(self.answer(None))
    }

    fn is_current(&self, credentials: &Credentials) -> bool {
        !self.identity.holds_back() && self.found.is_current(credentials)
    }

    fn checks_inline(&self, private: Private) -> bool {
        self.found.checks_inline(private)
    }

    fn invalidate(&self, credentials: &Credentials) {
        self.found.invalidate(credentials);
    }

    fn provide_credentials_valid_for(&self, lifetime: Duration) -> BoxFuture<'_, Result<Credentials, Error>> {
        Box::pin(self.answer(Some(lifetime)))
    }
}
