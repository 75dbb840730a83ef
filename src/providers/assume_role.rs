//! `ram_role_arn`: a role's session, for the key of any source.

use std::borrow::Cow;
use std::fmt;
use std::sync::{Arc, OnceLock};

use super::EcsMetadataProvider;
use crate::context::Context;
use crate::credentials::Credentials;
use crate::endpoint::valid_region;
use crate::error::Error;
use crate::error_codes::Product;
use crate::key_characters::check_characters;
use crate::provenance::{InstanceRole, Provenance, RoleSession};
use crate::provider::{BoxFuture, ProvideCredentials};
use crate::refresh::Refresher;
use crate::sts::{AssumeRole, Sts, StsSignature};

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
    provider: Arc<dyn ProvideCredentials>,
    source: Refresher,
    role: AssumeRole,
    sts: Sts,
    /// The STS settings made here, where the others come from the source's own chain; `None` if they are complete.
    inherits: Option<Given>,
    instance_region: OnceLock<String>,
}

/// Which settings were given here.
#[derive(Clone, Copy, Default)]
struct Given {
    context: bool,
    signature: bool,
}

impl fmt::Debug for AssumeRoleProvider {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AssumeRoleProvider")
            .field("source", &self.source)
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
        let source = Refresher::new(Arc::clone(&provider));
        let inherits = Some(Given::default());
        Self { provider, source, role, sts: Sts::default(), inherits, instance_region: OnceLock::new() }
    }

    /// Assumes `role` with the credentials of a refresher that is shared, with the STS settings already made.
    pub(crate) fn over(source: Refresher, role: AssumeRole, sts: Sts) -> Self {
        let provider = Arc::new(source.clone());
        Self { provider, source, role, sts, inherits: None, instance_region: OnceLock::new() }
    }

    /// With a key at hand and the STS settings already made.
    pub(crate) fn with_sts(source: Credentials, role: AssumeRole, sts: Sts) -> Self {
        let provider: Arc<dyn ProvideCredentials> = Arc::new(source.clone());
        let source = Refresher::holding(source, sts.context.clone());
        Self { provider, source, role, sts, inherits: None, instance_region: OnceLock::new() }
    }

    /// Assumes `role` with the credentials of a provider that is shared, with the STS settings already made.
    pub(crate) fn with_shared_source(provider: Arc<dyn ProvideCredentials>, role: AssumeRole, sts: Sts) -> Self {
        let source = Refresher::builder(Arc::clone(&provider)).context(sts.context.clone()).build();
        Self { provider, source, role, sts, inherits: None, instance_region: OnceLock::new() }
    }

    /// Sets the outside world. The default is the real one.
    #[must_use]
    pub fn context(mut self, context: Context) -> Self {
        self.source = Refresher::builder(Arc::clone(&self.provider)).context(context.clone()).build();
        self.sts.context = context;
        if let Some(given) = &mut self.inherits {
            given.context = true;
        }
        self
    }

    /// Sets the STS host as `host[:port]`. It goes before the variables and the region.
    #[must_use]
    pub fn sts_endpoint(mut self, endpoint: impl Into<String>) -> Self {
        self.sts.endpoint.endpoint = Some(endpoint.into());
        self
    }

    /// Sets the region whose STS host is used.
    #[must_use]
    pub fn region(mut self, region: impl Into<String>) -> Self {
        self.sts.endpoint.region = Some(region.into());
        self
    }

    /// Uses the region's VPC host.
    #[must_use]
    pub fn vpc_endpoint(mut self, vpc: bool) -> Self {
        self.sts.endpoint.vpc = vpc;
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
        self.sts.endpoint.allow_plain_http = true;
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
        self.sts.signature = signature;
        if let Some(given) = &mut self.inherits {
            given.signature = true;
        }
        self
    }

    /// Returns the STS settings: those made here, or else those of the chain that `source` came from.
    fn sts(&self, known: &Provenance) -> Sts {
        let (Some(given), Some(mut sts)) = (self.inherits, known.sts.clone()) else {
            return known.followed_by(self.sts.clone());
        };
        if given.context {
            sts.context = self.sts.context.clone();
        }
        if given.signature {
            sts.signature = self.sts.signature;
        }
        let (own, inherited) = (&self.sts.endpoint, &mut sts.endpoint);
        if own.endpoint.is_some() || own.region.is_some() {
            (inherited.endpoint, inherited.region) = (own.endpoint.clone(), own.region.clone());
        }
        inherited.vpc |= own.vpc;
        inherited.allow_plain_http |= own.allow_plain_http;
        known.followed_by(sts)
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

    /// The session; errors do not yet name this provider.
    pub(super) async fn assume(&self) -> Result<Credentials, Error> {
        // Before the source is asked: a bad argument costs no request.
        self.role.check()?;
        let source = self.source.current_credentials().await?;
        check_characters(&source)?;
        let known = Provenance::of(&source);
        let sts = self.sts(&known);
        let region = match known.instance {
            Some(instance) => self.instance_region(instance, &sts).await,
            None => None,
        };
        let role = RoleSession {
            role_arn: self.role.role_arn().to_owned(),
            session_name: Some(sts.session_name(self.role.session_name.as_deref())?),
        };
        let answer = sts.assume_role(&source, &self.role, region.as_deref()).await;
        let answer = match answer {
            Err(error)
                if error.code().is_some_and(|code| is_dead_key(code, &source)) && self.source.invalidate(&source) =>
            {
                let fresh = match self.source.credentials().await {
                    Ok(fresh) if fresh.generation() != source.generation() => fresh,
                    Ok(_) => {
                        let error = of_role(error, &role);
                        return Err(match self.source.health().last_failure() {
                            Some(why) => error.not_replaced(why),
                            None => error,
                        });
                    }
                    Err(why) => return Err(of_role(error, &role).not_replaced(why)),
                };
                sts.assume_role(&fresh, &self.role, region.as_deref()).await
            }
            answer => answer,
        };
        let session = answer.map_err(|error| of_role(error, &role))?;
        let session = session.with_provider_name(source.provider_name()).in_provider("ram_role_arn");
        Ok(Provenance::edit(session, |new| {
            *new = known;
            new.roles.push(role);
            new.inferred_region = valid_region(region.as_deref()).or(new.inferred_region.take());
        }))
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
