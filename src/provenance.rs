//! Facts of where a credential came from, which travel with it: through clones, refreshers, closures and adapters.
//!
//! Names of providers are texts that anyone may choose, so nothing in the crate is decided by them.

use std::fmt;
use std::sync::Arc;

#[cfg(feature = "openapi")]
use crate::call_settings::CallSettings;
use crate::credentials::Credentials;
use crate::redact::shown;
use crate::sts::{ProfileEndpoint, Sts};

/// The known facts about a credential's source.
#[derive(Clone, Default)]
pub(crate) struct Provenance {
    /// The variable, or the profile and its file, as explanations name it.
    pub(crate) place: Option<String>,
    /// The roles whose sessions lead to it, the last one of them its own.
    pub(crate) roles: Vec<RoleSession>,
    /// It is the environment's own.
    pub(crate) environment: bool,
    /// Where the session stands that leads to it, if somebody wrote it down: nobody renews that.
    pub(crate) written_down: Option<String>,
    /// Set if the key at the bottom is an instance's own.
    pub(crate) instance: Option<InstanceRole>,
    /// The settings of the chain that gave it, for roles that are assumed over it.
    pub(crate) sts: Option<Sts>,
    /// The profile's settings of STS, for the calls that its own source does not make.
    pub(crate) sts_profile: Option<ProfileEndpoint>,
    /// The region that the profile names.
    pub(crate) region: Option<String>,
    /// The region of the token's issuer, or of the instance.
    pub(crate) inferred_region: Option<String>,
}

/// A role's session, as audit logs know it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct RoleSession {
    pub(crate) role_arn: String,
    pub(crate) session_name: Option<String>,
}

impl fmt::Display for RoleSession {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.session_name {
            Some(name) => write!(f, "session {} of {}", shown(name), shown(&self.role_arn)),
            None => write!(f, "a session of {}", shown(&self.role_arn)),
        }
    }
}

/// The way in which the metadata service was asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct InstanceRole {
    pub(crate) v1_disabled: bool,
}

impl Provenance {
    /// Returns the facts that `credentials` carry, or none.
    pub(crate) fn of(credentials: &Credentials) -> Self {
        credentials.facts::<Self>().cloned().unwrap_or_default()
    }

    /// Adds to what `credentials` carry.
    pub(crate) fn edit(credentials: Credentials, edit: impl FnOnce(&mut Self)) -> Credentials {
        let mut known = Self::of(&credentials);
        edit(&mut known);
        credentials.with_facts(Arc::new(known))
    }

    /// Returns what the profile that `credentials` came from says of calls.
    #[cfg(feature = "openapi")]
    pub(crate) fn call_settings(credentials: &Credentials) -> CallSettings {
        let profile = credentials.facts::<Self>().and_then(|known| known.sts_profile.as_ref());
        profile.map(|profile| profile.calls).unwrap_or_default()
    }

    /// Returns `sts` for a call with the credential: it follows the profile, if `sts` is not of a profile itself.
    pub(crate) fn followed_by(&self, mut sts: Sts) -> Sts {
        sts.endpoint.profile = sts.endpoint.profile.or_else(|| self.sts_profile.clone());
        sts
    }

    /// Says where the credential came from, where nobody has yet.
    pub(crate) fn or_place(credentials: Credentials, place: &str) -> Credentials {
        Self::edit(credentials, |known| {
            known.place.get_or_insert_with(|| place.to_owned());
        })
    }
}
