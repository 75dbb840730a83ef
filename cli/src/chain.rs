//! The chain that all commands use, with the choices of the command line.

use alibabacloud_credentials::DefaultCredentialChain;

use crate::global::Global;

/// The library's default chain, with `--profile` and `--region`.
pub(crate) fn build(global: &Global) -> DefaultCredentialChain {
    let mut chain = DefaultCredentialChain::builder();
    if let Some(profile) = &global.profile {
        chain = chain.profile(profile);
    }
    if let Some(region) = &global.region {
        chain = chain.region(region);
    }
    chain.build()
}
