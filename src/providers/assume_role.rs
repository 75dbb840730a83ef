//! `ram_role_arn`: a role's session, for the key of any source.

use std::borrow::Cow;
use std::fmt;
use std::sync::{Arc, OnceLock};

use super::EcsMetadataProvider;
#[cfg(feature = "role-pool")]
use crate::context::Quota;
use crate::context::{Context, Passage};
use crate::credentials::Credentials;
use crate::endpoint::valid_region;
use crate::error::Error;
use crate::error_codes::Product;
use crate::key_characters::check_characters;
use crate::provenance::{InstanceRole, Provenance, RoleSession};
use crate::provider::{BoxFuture, ProvideCredentials};
use crate::refresh::Refresher;
#[cfg(feature = "shared-sessions")]
use crate::session_store;
use crate::sts::{AssumeRole, Sts, StsSettings, StsSignature};

/// Assumes a role with another provider's credentials: roles chain to any depth.
///
/// The source is kept fresh by a [`Refresher`] of its own and asked again for every session, so a rotated key is
/// taken up. The source's key itself is never handed out.
///
/// ```
/// use alibabacloud_credentials::{AssumeRole, AssumeRoleProvider, EnvironmentProvider, Refresher};
///
/// let role = AssumeRole::new("acs:ram::1234567890123456:role/media");
/// let session = Refresher::new(AssumeRoleProvider::new(EnvironmentProvider::new(), role));
/// ```
pub struct AssumeRoleProvider {
    source: RoleSource,
    role: AssumeRole,
}

/// The credentials that roles are assumed with, and the settings of STS: for one role, or for many that share them.
pub(crate) struct RoleSource {
    provider: Arc<dyn ProvideCredentials>,
    refresher: Refresher,
    sts: StsSettings,
    instance_region: OnceLock<String>,
}

impl fmt::Debug for AssumeRoleProvider {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AssumeRoleProvider")
            .field("source", &self.source.refresher)
            .field("role", &self.role)
            .finish_non_exhaustive()
    }
}

impl AssumeRoleProvider {
    /// Assumes `role` with the credentials of `source`.
    ///
    /// If they come from a [`DefaultCredentialChain`](crate::DefaultCredentialChain), directly or through other providers, its
    /// STS host, region, signature and HTTP client are used too, unless they are set here. A region that a profile or the
    /// instance names counts as well.
    pub fn new(source: impl ProvideCredentials, role: AssumeRole) -> Self {
        let provider: Arc<dyn ProvideCredentials> = Arc::new(source);
        let refresher = Refresher::new(Arc::clone(&provider));
        Self { source: RoleSource::new(provider, refresher, StsSettings::inherited()), role }
    }

    /// Assumes `role` with the credentials of a refresher that is shared, with the STS settings already made.
    pub(crate) fn over(source: Refresher, role: AssumeRole, sts: Sts) -> Self {
        let provider = Arc::new(source.clone());
        Self { source: RoleSource::new(provider, source, StsSettings::complete(sts)), role }
    }

    /// With a key at hand and the STS settings already made.
    pub(crate) fn with_sts(source: Credentials, role: AssumeRole, sts: Sts) -> Self {
        let provider: Arc<dyn ProvideCredentials> = Arc::new(source.clone());
        let refresher = Refresher::holding(source, sts.context.clone());
        Self { source: RoleSource::new(provider, refresher, StsSettings::complete(sts)), role }
    }

    /// Assumes `role` with the credentials of a provider that is shared, with the STS settings already made.
    pub(crate) fn with_shared_source(provider: Arc<dyn ProvideCredentials>, role: AssumeRole, sts: Sts) -> Self {
        let refresher = Refresher::builder(Arc::clone(&provider)).context(sts.context.clone()).build();
        Self { source: RoleSource::new(provider, refresher, StsSettings::complete(sts)), role }
    }

    /// Sets the outside world. The default is the real one.
    #[must_use]
    pub fn context(mut self, context: Context) -> Self {
        let source = &mut self.source;
        source.refresher = Refresher::builder(Arc::clone(&source.provider)).context(context.clone()).build();
        source.sts.set_context(context);
        self
    }

    /// Sets the STS host as `host[:port]`. It goes before the variables and the region.
    #[must_use]
    pub fn sts_endpoint(mut self, endpoint: impl Into<String>) -> Self {
        self.source.sts.endpoint.endpoint = Some(endpoint.into());
        self
    }

    /// Sets the region whose STS host is used.
    #[must_use]
    pub fn region(mut self, region: impl Into<String>) -> Self {
        self.source.sts.endpoint.region = Some(region.into());
        self
    }

    /// Uses the region's VPC host.
    #[must_use]
    pub fn vpc_endpoint(mut self, vpc: bool) -> Self {
        self.source.sts.endpoint.vpc = vpc;
        self
    }

    /// Allows plain `http://` for the STS host beyond loopback: what is secret then travels in the clear.
    ///
    /// ```
    /// use alibabacloud_credentials::{AssumeRole, AssumeRoleProvider, EnvironmentProvider};
    ///
    /// let role = AssumeRole::new("acs:ram::1234567890123456:role/media");
    /// let provider = AssumeRoleProvider::new(EnvironmentProvider::new(), role)
    ///     .sts_endpoint("http://sts.test.internal:8080")
    ///     .allow_plain_http();
    /// ```
    #[must_use]
    pub fn allow_plain_http(mut self) -> Self {
        self.source.sts.endpoint.allow_plain_http = true;
        self
    }

    /// Sets the signature of the calls to STS. The default is [`StsSignature::V3`].
    ///
    /// ```
    /// use alibabacloud_credentials::{AssumeRole, AssumeRoleProvider, EnvironmentProvider, StsSignature};
    ///
    /// let role = AssumeRole::new("acs:ram::1234567890123456:role/media");
    /// let provider = AssumeRoleProvider::new(EnvironmentProvider::new(), role)
    ///     .sts_endpoint("sts.cloud.example.internal")
    ///     .sts_signature(StsSignature::V1);
    /// ```
    #[must_use]
    pub fn sts_signature(mut self, signature: StsSignature) -> Self {
        self.source.sts.signature = Some(signature);
        self
    }

    /// The session; errors do not yet name this provider.
    pub(super) async fn assume(&self) -> Result<Credentials, Error> {
        self.source.assume(&self.role).await
    }
}

impl RoleSource {
    fn new(provider: Arc<dyn ProvideCredentials>, refresher: Refresher, sts: StsSettings) -> Self {
        Self { provider, refresher, sts, instance_region: OnceLock::new() }
    }

    /// For many roles over one source: its own chain's STS settings, and a `quota` for all calls.
    #[cfg(feature = "role-pool")]
    pub(crate) fn shared(refresher: Refresher, quota: Arc<Quota>) -> Self {
        let sts = StsSettings::with_quota(refresher.context().clone(), quota);
        Self::new(Arc::new(refresher.clone()), refresher, sts)
    }

    /// The instance's region, where the key is the instance's own and nothing else says which STS host to use.
    async fn instance_region(&self, instance: InstanceRole, sts: &Sts) -> Option<String> {
        if !sts.wants_region() {
            return None;
        }
        if let Some(region) = self.instance_region.get() {
            return Some(region.clone());
        }
        let metadata = EcsMetadataProvider::new().required().disable_imds_v1(instance.v1_disabled);
        match metadata.context(sts.context.clone()).region_id().await {
            Ok(region) => Some(self.instance_region.get_or_init(|| region).clone()),
            Err(error) => {
                // The global host works everywhere.
                tracing::debug!(%error, "the instance's region is not known");
                None
            }
        }
    }

    /// The session of `role`; errors do not yet name this provider.
    pub(crate) async fn assume(&self, role: &AssumeRole) -> Result<Credentials, Error> {
        // Before the source is asked: a bad argument costs no request.
        role.check()?;
        let source = self.refresher.current_credentials().await?;
        check_characters(&source)?;
        let known = Provenance::of(&source);
        let sts = known.followed_by(self.sts.over(known.sts.as_ref()));
        let region = match known.instance {
            Some(instance) => self.instance_region(instance, &sts).await,
            None => None,
        };
        let session = RoleSession {
            role_arn: role.role_arn().to_owned(),
            session_name: Some(sts.session_name(role.session_name.as_deref())?),
        };
        let granted = {
            let call = |entered| self.call(&sts, &source, role, &session, region.as_deref(), entered);
            #[cfg(feature = "shared-sessions")]
            let call = self.shared_call(&sts, &source, role, region.as_deref(), |entered| Box::pin(call(entered)));
            #[cfg(not(feature = "shared-sessions"))]
            let call = call(None);
            call.await?
        };
        let granted = granted.with_provider_name(source.provider_name()).in_provider("ram_role_arn");
        Ok(Provenance::edit(granted, |new| {
            *new = known;
            new.roles.push(session);
            new.inferred_region = valid_region(region.as_deref()).or(new.inferred_region.take());
        }))
    }

    /// Asks STS: once more where the key was refused and the source has another one.
    async fn call(
        &self,
        sts: &Sts,
        source: &Credentials,
        role: &AssumeRole,
        session: &RoleSession,
        region: Option<&str>,
        entered: Option<Passage>,
    ) -> Result<Credentials, Error> {
        let answer = sts.assume_role(source, role, region, entered).await;
        let answer = match answer {
            Err(error)
                if error.code().is_some_and(|code| is_dead_key(code, source)) && self.refresher.invalidate(source) =>
            {
                let fresh = match self.refresher.credentials().await {
                    Ok(fresh) if fresh.generation() != source.generation() => fresh,
                    Ok(_) => {
                        let error = of_role(error, session);
                        return Err(match self.refresher.health().last_failure() {
                            Some(why) => error.not_replaced(why),
                            None => error,
                        });
                    }
                    Err(why) => return Err(of_role(error, session).not_replaced(why)),
                };
                sts.assume_role(&fresh, role, region, None).await
            }
            answer => answer,
        };
        answer.map_err(|error| of_role(error, session))
    }

    /// The session that another process got by the same call, if this refresh shares sessions.
    #[cfg(feature = "shared-sessions")]
    async fn shared_call<'a>(
        &self,
        sts: &Sts,
        source: &Credentials,
        role: &AssumeRole,
        region: Option<&str>,
        call: impl FnOnce(Option<Passage>) -> BoxFuture<'a, Result<Credentials, Error>>,
    ) -> Result<Credentials, Error> {
        let Some(sharing) = session_store::current() else { return call(None).await };
        let (host, parts) = (sts.first_host(region)?, role.identity());
        let mut identity = vec![host.authority(), source.access_key_id()];
        identity.extend(parts.iter().map(String::as_str));
        let rejected = sharing.rejected.as_ref().map(Credentials::access_key_id);
        let enter = || -> BoxFuture<'_, Passage> { Box::pin(sts.enter(&host)) };
        sharing.store.session(&sts.context, &identity, rejected, enter, call).await
    }
}

/// Names the role and session of an error: a service with a role for each tenant has many.
fn of_role(error: Error, role: &RoleSession) -> Error {
    error.map_message(|message| format!("{role}: {message}"))
}

/// Refusals that another key of the same source can resolve.
fn is_dead_key(code: &str, used: &Credentials) -> bool {
    Product::OpenApi.is_invalid_token(code, used) || code.starts_with("InvalidAccessKeyId.")
}

impl ProvideCredentials for AssumeRoleProvider {
    fn provider_name(&self) -> Cow<'_, str> {
        Cow::Borrowed("ram_role_arn")
    }

    fn provide_credentials(&self) -> BoxFuture<'_, Result<Credentials, Error>> {
        Box::pin(async move { self.assume().await.map_err(|error| error.in_provider("ram_role_arn")) })
    }
}
