//! Settings of STS that were given in code, over those of the chain that a key came from.

use super::{Sts, StsEndpoint, StsSignature};
use crate::context::Context;

/// The settings of STS for the roles of one source.
#[derive(Default)]
pub(crate) struct StsSettings {
    /// Set if the settings that are not given here come from the chain of the key, or else from `base`.
    inherits: bool,
    base: Sts,
    context: Option<Context>,
    pub(crate) signature: Option<StsSignature>,
    pub(crate) endpoint: StsEndpoint,
}

impl StsSettings {
    /// All of them.
    pub(crate) fn complete(sts: Sts) -> Self {
        Self { base: sts, ..Self::default() }
    }

    /// Creates settings that come from the chain of the key unless they are given.
    pub(crate) fn inherited() -> Self {
        Self { inherits: true, ..Self::default() }
    }

    /// The same, with a context given, and all calls kept to a quota.
    #[cfg(feature = "role-pool")]
    pub(crate) fn with_quota(context: Context, quota: std::sync::Arc<crate::context::Quota>) -> Self {
        let base = Sts { quota: Some(quota), ..Sts::default() };
        Self { inherits: true, base, context: Some(context), ..Self::default() }
    }

    pub(crate) fn set_context(&mut self, context: Context) {
        self.context = Some(context);
    }

    /// The settings for a call with a key of a chain that has these.
    pub(crate) fn over(&self, chain: Option<&Sts>) -> Sts {
        let mut sts = chain.filter(|_| self.inherits).unwrap_or(&self.base).clone();
        sts.quota.clone_from(&self.base.quota);
        sts.context = self.context.clone().unwrap_or(sts.context);
        sts.signature = self.signature.unwrap_or(sts.signature);
        let (own, other) = (&self.endpoint, &mut sts.endpoint);
        if own.endpoint.is_some() || own.region.is_some() {
            (other.endpoint, other.region) = (own.endpoint.clone(), own.region.clone());
        }
        other.vpc |= own.vpc;
        other.allow_plain_http |= own.allow_plain_http;
        sts
    }
}
