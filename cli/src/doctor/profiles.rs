//! The profiles of config.json that nobody has asked for yet: logins that are over, circles, members that nobody reads.

use std::time::{Duration, SystemTime};

use alibabacloud_credentials::{ConfigFile, ProfileSummary};

use super::{Check, State};
use crate::export::sh;
use crate::{time, world};

const CHECK: &str = "profile";

/// A file that cannot be read was reported by the chain.
pub(super) async fn checks() -> Vec<Check> {
    let profiles = ConfigFile::new().profiles().await.unwrap_or_default();
    profiles.iter().flat_map(|profile| of_profile(profile, &profiles, world::wall_clock())).collect()
}

fn of_profile(profile: &ProfileSummary, all: &[ProfileSummary], now: SystemTime) -> Vec<Check> {
    let name = &profile.name;
    let mut checks = Vec::new();
    if let Some(end) = login_end(profile)
        && let Ok(ago) = now.duration_since(end)
    {
        let detail = format!("the login of {name} is over for {}", time::spoken(ago));
        checks.push(Check::bad(CHECK, detail, format!("alicred login --profile {}", sh(name))));
    }
    checks.extend(source_fault(profile, all));
    if !profile.unknown_members.is_empty() {
        let members = profile.unknown_members.join(", ");
        checks.push(Check::new(CHECK, State::Note, format!("no tool reads these members of {name}: {members}")));
    }
    checks
}

/// The end of a login that only a person can renew. OAuth's renews itself.
fn login_end(profile: &ProfileSummary) -> Option<SystemTime> {
    let is_sso = profile.mode.as_deref() == Some("CloudSSO");
    let end = profile.members.get("cloud_sso_access_token_expire").filter(|_| is_sso)?.as_u64()?;
    SystemTime::UNIX_EPOCH.checked_add(Duration::from_secs(end))
}

/// Follows `source_profile` until it ends, or comes back.
fn source_fault(profile: &ProfileSummary, all: &[ProfileSummary]) -> Option<Check> {
    let mut seen = vec![profile.name.as_str()];
    let mut at = profile;
    loop {
        let chains = at.mode.as_deref() == Some("ChainableRamRoleArn");
        let source = at.members.get("source_profile").filter(|_| chains)?.as_str()?;
        let is_circle = seen.contains(&source);
        seen.push(source);
        let path = seen.join(" → ");
        if is_circle {
            return Some(Check::bad(CHECK, format!("source_profile leads in a circle: {path}"), edit(profile)));
        }
        let Some(next) = all.iter().find(|other| other.name == source) else {
            return Some(Check::bad(CHECK, format!("source_profile leads to no profile: {path}"), edit(profile)));
        };
        at = next;
    }
}

fn edit(profile: &ProfileSummary) -> String {
    format!("aliyun configure --mode ChainableRamRoleArn --profile {}", sh(&profile.name))
}
