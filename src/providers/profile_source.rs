//! The provider that a profile's source becomes.

use std::path::Path;
use std::sync::Arc;

use super::login::LoginProvider;
use super::{AssumeRoleProvider, CredentialsUriProvider, EcsMetadataProvider, OidcRoleProvider};
use crate::context::Context;
use crate::credentials::Credentials;
use crate::error::Error;
use crate::profile::Source;
use crate::provider::ProvideCredentials;
use crate::sts::Sts;

/// A chain's settings for the sources that it, or a profile, may lead to.
#[derive(Clone, Debug, Default)]
pub(crate) struct SourceSettings {
    /// Instance metadata is never asked.
    pub(crate) no_metadata: bool,
    /// Variables that only the CLI and Terraform read are read, too.
    pub(crate) legacy_variables: bool,
    /// Hosts that a credentials URI may ask over plain HTTP.
    pub(crate) allowed_hosts: Vec<String>,
}

impl SourceSettings {
    /// The provider of the URI that the environment names.
    pub(crate) fn credentials_uri(&self, context: &Context) -> CredentialsUriProvider {
        let provider = CredentialsUriProvider::new().context(context.clone());
        self.allowed_hosts.iter().fold(provider, |provider, host| provider.allow_host(host))
    }
}

/// Builds the provider. `file` is where the profile stands: a login is written back there.
pub(super) fn build(
    source: &Source,
    sts: &Sts,
    settings: &SourceSettings,
    file: &Path,
) -> Result<Arc<dyn ProvideCredentials>, Error> {
    let with = |endpoint: &crate::sts::ProfileEndpoint| {
        let mut sts = sts.clone();
        sts.endpoint.profile = Some(endpoint.clone());
        sts
    };
    Ok(match source {
        Source::Keys(keys) => Arc::new(Credentials::clone(keys)),
        Source::Role { source, role, endpoint } => {
            let source = build(source, sts, settings, file)?;
            Arc::new(AssumeRoleProvider::with_shared_source(source, role.clone(), with(endpoint)))
        }
        Source::Oidc { provider_arn, token_file, role, endpoint } => {
            Arc::new(OidcRoleProvider::of_profile(provider_arn, Path::new(token_file), role.clone(), with(endpoint)))
        }
        Source::EcsRamRole { .. } if settings.no_metadata => {
            let error = Error::failed("it takes an instance's role, and .ecs_metadata(false) lets nobody ask for that");
            let remedy = "leave .ecs_metadata(false) out, or use another profile";
            return Err(error.with_code("MetadataDisabled").with_remedy(remedy).permanent());
        }
        Source::EcsRamRole { role_name } => {
            let metadata = EcsMetadataProvider::new().required().context(sts.context.clone());
            Arc::new(role_name.iter().fold(metadata, |metadata, name| metadata.role_name(name)))
        }
        #[cfg(feature = "process")]
        Source::Process { argv, place } => {
            Arc::new(super::ProcessProvider::of_profile(argv, place.clone(), sts.clone()))
        }
        #[cfg(feature = "rsa-key-pair")]
        Source::RsaKeyPair(pair) => {
            Arc::new(super::rsa_key_pair::RsaKeyPairProvider::new(with(&pair.endpoint), (**pair).clone()))
        }
        Source::Login(login) => Arc::new(LoginProvider::new(sts.context.clone(), (**login).clone(), file)),
        Source::CredentialsUri { url } => Arc::new(settings.credentials_uri(&sts.context).uri(url)),
    })
}
