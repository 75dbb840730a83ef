//! `doctor`: looks at all that credentials depend on here, and says what mends each fault.

mod files;
mod network;
mod profiles;
mod report;
mod token;

use alibabacloud_credentials::{
    DefaultCredentialChain, EcsMetadataProvider, Error, ErrorKind, Explanation, ProvideCredentials as _,
    ProviderOutcome,
};
use clap::Args;
use serde::Serialize;

use self::report::{for_support, lines};
use crate::failure::Failure;
use crate::global::Global;
use crate::{chain, output, world};

pub(crate) const EXAMPLES: &str = "\
Examples:
  alicred doctor                      what is wrong, and what mends it; the exit code is 1 if anything is
  alicred doctor --report             for a support ticket: account numbers and the home directory are left out
  alicred doctor --json | jq '.checks[] | select(.state == \"bad\")'";

/// Something is wrong.
const FAULT: u8 = 1;

const PROXIES: [&str; 7] =
    ["HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy", "NO_PROXY"];

#[derive(Debug, Args)]
pub(crate) struct DoctorArguments {
    /// Write a report for support: no colors, no account numbers, no home directory.
    #[arg(long)]
    report: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
enum State {
    Good,
    /// Worth knowing, and neither good nor bad.
    Note,
    Bad,
}

/// The result of one look.
#[derive(Debug, PartialEq, Eq, Serialize)]
struct Check {
    name: String,
    state: State,
    detail: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    remedy: Option<String>,
}

impl Check {
    fn new(name: &str, state: State, detail: impl Into<String>) -> Self {
        Self { name: name.to_owned(), state, detail: detail.into(), remedy: None }
    }

    fn bad(name: &str, detail: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { remedy: Some(remedy.into()), ..Self::new(name, State::Bad, detail) }
    }

    fn of_error(name: &str, error: &Error) -> Self {
        let code = error.code().map(|code| format!(" ({code})")).unwrap_or_default();
        let detail = format!("{}{code}", error.message());
        Self { remedy: error.remedy().map(str::to_owned), ..Self::new(name, State::Bad, detail) }
    }
}

pub(crate) async fn doctor(global: &Global, arguments: &DoctorArguments) -> Result<u8, Failure> {
    let chain = chain::build(global);
    let mut checks = sources(&chain.explain().await);
    // A source that failed has been told of.
    if checks.iter().all(|check| check.state != State::Bad) {
        checks.push(identity(&chain).await);
    }
    checks.extend(network::checks(&chain).await);
    checks.push(metadata().await);
    checks.extend(token::check());
    checks.extend(files::checks());
    checks.extend(profiles::checks().await);
    checks.extend(proxies());
    let healthy = checks.iter().all(|check| check.state != State::Bad);
    if global.json {
        output::print_json(&serde_json::json!({ "healthy": healthy, "checks": checks }))?;
    } else if arguments.report {
        output::print_raw(for_support(&checks).as_bytes())?;
    } else {
        output::print(&lines(&checks))?;
    }
    Ok(if healthy { 0 } else { FAULT })
}

/// Reports what the configured sources say, and what else the library noticed: variables that have no effect or look like typing errors.
fn sources(explanation: &Explanation) -> Vec<Check> {
    let mut checks = Vec::new();
    for report in &explanation.providers {
        let detail = report.detail.clone().unwrap_or_default();
        match report.outcome {
            ProviderOutcome::Used => checks.push(Check::new(&report.provider, State::Good, detail)),
            ProviderOutcome::Failed => {
                let check = Check::new(&report.provider, State::Bad, detail);
                checks.push(Check { remedy: report.remedy.clone(), ..check });
            }
            _ if report.hidden => {
                checks.push(Check::new(
                    &report.provider,
                    State::Note,
                    format!("not asked, another comes first: {detail}"),
                ));
            }
            _ => {}
        }
    }
    if checks.is_empty() {
        checks.push(Check::bad("credentials", "no source is configured", "alicred explain"));
    }
    checks.extend(explanation.notes.iter().map(|note| Check::new("note", State::Note, note)));
    checks
}

/// Asks STS whose credentials they are. A role that is refused behind its source shows here.
async fn identity(chain: &DefaultCredentialChain) -> Check {
    let began = world::stopwatch();
    match chain.caller_identity().await {
        Ok(identity) => {
            let spent = world::elapsed(began).as_millis();
            Check::new("identity", State::Good, format!("{} ({spent} ms)", identity.arn))
        }
        Err(error) => Check::of_error("identity", &error),
    }
}

/// Version 2, which answers only programs that ask for a token first, is looked for by itself.
async fn metadata() -> Check {
    let good =
        |version: u8| Check::new("metadata", State::Good, format!("version {version}; the instance has a RAM role"));
    match EcsMetadataProvider::new().disable_imds_v1(true).provide_credentials().await {
        Ok(_) => good(2),
        Err(error) if error.code() == Some("TokenUnsupported") => {
            match EcsMetadataProvider::new().provide_credentials().await {
                Ok(_) => good(1),
                Err(error) => Check::of_error("metadata", &error),
            }
        }
        Err(error) if error.kind() == ErrorKind::NotConfigured => Check::new("metadata", State::Note, error.message()),
        Err(error) => Check::of_error("metadata", &error),
    }
}

/// Their names alone: a proxy's URL may hold a password.
fn proxies() -> Vec<Check> {
    let set = PROXIES.into_iter().filter(|name| world::variable(name).is_some());
    set.map(|name| Check::new("proxy", State::Note, format!("{name} is set"))).collect()
}
