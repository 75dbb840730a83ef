//! `session clear`: forgets the sessions that this machine keeps. Logins stay, and make new ones.

use alibabacloud_credentials::{ConfigFile, FileStore, ProfileSummary};
use clap::{Args, Subcommand};
use serde_json::json;

use crate::failure::Failure;
use crate::global::Global;
use crate::output;

pub(crate) const EXAMPLES: &str = "\
Examples:
  alicred session clear                   all sessions of roles that processes share, and those of all logins
  alicred session clear --profile dev     the session of this login alone
  alicred session clear --json | jq .shared_sessions
Running programs keep what they hold. A session that somebody copied is valid until it ends.";

#[derive(Debug, Args)]
pub(crate) struct SessionClearArguments {
    #[command(subcommand)]
    command: SessionCommand,
}

#[derive(Debug, Subcommand)]
enum SessionCommand {
    /// Remove the sessions that this machine keeps: those of roles that processes share, and those in the profiles of logins.
    Clear,
}

pub(crate) async fn session(global: &Global, arguments: SessionClearArguments) -> Result<(), Failure> {
    let SessionCommand::Clear = arguments.command;
    let file = ConfigFile::new();
    let (shared, names) = match &global.profile {
        Some(profile) => (0, vec![profile.clone()]),
        None => {
            let is_login = |profile: &ProfileSummary| matches!(profile.mode.as_deref(), Some("OAuth" | "CloudSSO"));
            let names = file.profiles().await?.into_iter().filter(is_login).map(|profile| profile.name);
            (FileStore::default().clear().await?, names.collect())
        }
    };
    let mut cleared = Vec::new();
    for name in names {
        if file.clear_session(&name).await? {
            cleared.push(name);
        }
    }
    if global.json {
        return output::print_json(&json!({ "shared_sessions": shared, "profiles": cleared }));
    }
    let profiles = if cleared.is_empty() { "none".to_owned() } else { cleared.join(", ") };
    output::print(&format!("shared sessions removed: {shared}; sessions of logins cleared: {profiles}\n"))
}
