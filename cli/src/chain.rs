//! The chain that all commands use, with the choices of the command line.

use alibabacloud_credentials::DefaultCredentialChain;

use crate::global::Global;

/// The library's default chain, with `--profile` and `--region`.
pub(crate) fn build(global: &Global) -> DefaultCredentialChain {
    of(global, global.profile.as_deref())
}

/// The chain for a profile, with `--region`.
pub(crate) fn of_profile(global: &Global, profile: &str) -> DefaultCredentialChain {
    of(global, Some(profile))
}

fn of(global: &Global, profile: Option<&str>) -> DefaultCredentialChain {
    let mut chain = DefaultCredentialChain::builder();
    if let Some(profile) = profile {
        chain = chain.profile(profile);
    }
    if let Some(region) = &global.region {
        chain = chain.region(region);
    }
    chain.build()
}
