//! The credentials that a command hands on: the chain's, or a session of a role over them.

use std::time::Duration;

use alibabacloud_credentials::{AssumeRole, AssumeRoleProvider, DefaultCredentialChain, Refresher};
use clap::Args;

use crate::failure::Failure;
use crate::global::Global;
use crate::policy::Policy;
use crate::{chain, time};

/// The flags that ask for a role.
#[derive(Debug, Args)]
pub(crate) struct SessionArguments {
    /// Assume this role first. Given several times, each role is assumed with the session of the one before.
    #[arg(long, value_name = "ARN")]
    pub(crate) role: Vec<String>,
    /// Name of the session in audit logs.
    #[arg(long, value_name = "NAME", requires = "role")]
    pub(crate) session_name: Option<String>,
    /// ExternalId that the last role asks for.
    #[arg(long, value_name = "ID", requires = "role")]
    pub(crate) external_id: Option<String>,
    /// Limit the last role's session further: a JSON file with a policy, or a preset as imm-project:NAME.
    #[arg(long, value_name = "FILE|PRESET", requires = "role", value_parser = Policy::parse)]
    pub(crate) policy: Option<Policy>,
    /// Lifetime of the last role's session, as 900, 15m or 1h.
    #[arg(long, value_name = "DURATION", requires = "role", value_parser = time::parse_duration)]
    pub(crate) duration: Option<Duration>,
}

/// A source of credentials, and the chain beneath it.
pub(crate) struct Session {
    pub(crate) chain: DefaultCredentialChain,
    pub(crate) refresher: Refresher,
}

/// Sets up the source. Nothing is asked yet, but a policy file is read.
pub(crate) fn open(global: &Global, arguments: &SessionArguments) -> Result<Session, Failure> {
    let mut roles: Vec<AssumeRole> = arguments.role.iter().map(AssumeRole::new).collect();
    if let Some(name) = &arguments.session_name {
        roles = roles.into_iter().map(|role| role.session_name(name)).collect();
    }
    if let Some(mut last) = roles.pop() {
        if let Some(id) = &arguments.external_id {
            last = last.external_id(id);
        }
        if let Some(policy) = &arguments.policy {
            last = last.policy(policy.json()?);
        }
        if let Some(duration) = arguments.duration {
            last = last.duration(duration);
        }
        roles.push(last);
    }
    let chain = chain::build(global);
    let mut roles = roles.into_iter();
    let mut refresher = match roles.next() {
        Some(first) => chain.assume(first),
        None => chain.refresher().clone(),
    };
    for role in roles {
        refresher = Refresher::new(AssumeRoleProvider::new(refresher, role));
    }
    Ok(Session { chain, refresher })
}
