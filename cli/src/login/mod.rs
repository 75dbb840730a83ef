//! `login`: a person logs in by a browser, and a profile has the result.

mod cloud_sso;
mod oauth;

use std::time::Duration;

use alibabacloud_credentials::login::{LoggedIn, Page};
use alibabacloud_credentials::{ConfigFile, ProfileSummary};
use anstyle::{AnsiColor, Style};
use clap::{Args, ValueEnum};
use serde::Serialize;
use serde_json::{Value, json};

use crate::failure::Failure;
use crate::global::Global;
use crate::{chain, output, prompt, time, world};

pub(crate) const EXAMPLES: &str = "\
Examples:
  alicred login --mode oauth --site intl       in the browser of this machine, into the profile `default`
  alicred login --profile dev                  once more, as the profile says
  alicred login --no-browser                   prints the page; paste the address that it ends at
  alicred login --mode cloudsso --sign-in-url https://signin-cn-shanghai.alibabacloudsso.com/my-company/login
  alicred login --profile dev --json | jq -r .open      lines of JSON: the page, then the result
A profile of another mode is never replaced. Give --region for a new profile that the aliyun CLI uses too.";

/// The login that a profile holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Mode {
    /// Of an account or a RAM user.
    Oauth,
    /// Of CloudSSO.
    Cloudsso,
}

/// The site that accounts belong to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Site {
    /// The site aliyun.com.
    Cn,
    /// The site alibabacloud.com.
    Intl,
}

#[derive(Debug, Args)]
pub(crate) struct LoginArguments {
    /// Way to log in. By default as the profile says.
    #[arg(long, value_enum)]
    mode: Option<Mode>,
    /// OAuth: the site of the account.
    #[arg(long, value_enum, conflicts_with_all = ["sign_in_url", "account", "access_config"])]
    site: Option<Site>,
    /// CloudSSO: the sign-in URL.
    #[arg(long, value_name = "URL")]
    sign_in_url: Option<String>,
    /// CloudSSO: the id of the account.
    #[arg(long, value_name = "ID")]
    account: Option<String>,
    /// CloudSSO: the id of the access configuration.
    #[arg(long, value_name = "ID")]
    access_config: Option<String>,
    /// Open no browser, only print the page.
    #[arg(long)]
    no_browser: bool,
    /// Give up after so long, as 2m.
    #[arg(long, value_name = "DURATION", value_parser = time::parse_duration)]
    timeout: Option<Duration>,
}

/// The facts about a login before it begins.
struct Plan<'a> {
    profile: String,
    region: Option<&'a str>,
    arguments: &'a LoginArguments,
    /// The profile as it is now.
    known: Option<ProfileSummary>,
}

#[derive(Serialize)]
struct Report<'a> {
    profile: &'a str,
    config_file: String,
    access_token_expiration: String,
    provider_name: &'a str,
    access_key_id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    expiration: Option<String>,
}

pub(crate) async fn login(global: &Global, arguments: LoginArguments) -> Result<(), Failure> {
    let plan = plan(global, &arguments).await?;
    let mode = plan.mode()?;
    let logged_in = match mode {
        Mode::Oauth => oauth::login(global, &plan).await?,
        Mode::Cloudsso => cloud_sso::login(global, &plan).await?,
    };
    report(global, &logged_in).await
}

/// Reads the profile: the one that was asked for, else the current one if it is a login, else `default`.
async fn plan<'a>(global: &'a Global, arguments: &'a LoginArguments) -> Result<Plan<'a>, Failure> {
    let profiles = ConfigFile::new().profiles().await?;
    let asked_for = global.profile.clone().or_else(|| world::variable("ALIBABA_CLOUD_PROFILE"));
    let is_login = |profile: &&ProfileSummary| profile.is_current && mode_of(profile).is_some();
    let current = || profiles.iter().find(is_login).map(|profile| profile.name.clone());
    let profile = asked_for.or_else(current).unwrap_or_else(|| "default".to_owned());
    let known = profiles.into_iter().find(|known| known.name == profile);
    Ok(Plan { profile, region: global.region.as_deref(), arguments, known })
}

fn mode_of(profile: &ProfileSummary) -> Option<Mode> {
    match profile.mode.as_deref() {
        Some("OAuth") => Some(Mode::Oauth),
        Some("CloudSSO") => Some(Mode::Cloudsso),
        _ => None,
    }
}

impl Plan<'_> {
    /// A member of the profile as it is now.
    fn known(&self, member: &str) -> Option<String> {
        self.known.as_ref()?.members.get(member).and_then(Value::as_str).map(str::to_owned)
    }

    fn mode(&self) -> Result<Mode, Failure> {
        let LoginArguments { mode, site, sign_in_url, .. } = self.arguments;
        let implied = match (site, sign_in_url) {
            (Some(_), _) => Some(Mode::Oauth),
            (_, Some(_)) => Some(Mode::Cloudsso),
            _ => None,
        };
        if let (Some(mode), Some(implied)) = (mode, implied)
            && *mode != implied
        {
            return Err(Failure::usage("--site is for --mode oauth, and --sign-in-url for --mode cloudsso"));
        }
        if let Some(mode) = mode.or(implied).or_else(|| self.known.as_ref().and_then(mode_of)) {
            return Ok(mode);
        }
        if !prompt::is_interactive() {
            let failure = Failure::usage("there is no login yet: say which one");
            return Err(failure.remedy("add --mode oauth --site cn or intl, or --mode cloudsso --sign-in-url URL"));
        }
        let choices = ["OAuth: an account or a RAM user", "CloudSSO: a user of a company"].map(str::to_owned);
        Ok([Mode::Oauth, Mode::Cloudsso][prompt::select("Log in by", &choices)?])
    }
}

/// Shows the page, and opens it in a browser unless that is not wanted.
fn show(global: &Global, plan: &Plan<'_>, page: &Page, hint: &str) -> Result<(), Failure> {
    let opens = !plan.arguments.no_browser;
    if global.json {
        let line = json!({ "open": page.url(), "user_code": page.user_code() });
        output::print_raw(format!("{line}\n").as_bytes())?;
    } else {
        let link = AnsiColor::Cyan.on_default().underline();
        let what = if opens { "Log in on this page, which a browser is to show now" } else { "Log in on this page" };
        output::note(&format!("{what}:\n\n  {link}{}{link:#}\n\n", page.url()));
        if let Some(code) = page.user_code() {
            let bold = Style::new().bold();
            output::note(&format!("It has to show the code {bold}{code}{bold:#}.\n"));
        }
        output::note(hint);
    }
    if opens {
        let url = page.url().to_owned();
        // Some browsers run in the terminal until they are closed. Without any, the page is above.
        std::thread::spawn(move || webbrowser::open(&url));
    }
    Ok(())
}

/// Asks for the session of the new login, so that what is wrong with it is said now.
async fn report(global: &Global, logged_in: &LoggedIn) -> Result<(), Failure> {
    let (profile, path) = (logged_in.profile(), logged_in.config_file().display());
    let chain = chain::of_profile(global, profile);
    let session = chain.credentials().await.map_err(|error| {
        Failure::from(error).because(format!("profile {profile} of {path} is written, and gives no session"))
    })?;
    let explained = chain.explain().await.credentials;
    let key = explained.map(|summary| summary.access_key_id).unwrap_or_default();
    let expiration = session.expiration().map(time::rfc3339);
    if global.json {
        let report = Report {
            profile,
            config_file: path.to_string(),
            access_token_expiration: time::rfc3339(logged_in.access_token_expiration()),
            provider_name: session.provider_name(),
            access_key_id: key,
            expiration,
        };
        return output::print_raw(format!("{}\n", json!(report)).as_bytes());
    }
    let until = expiration.map(|end| format!(" until {end}")).unwrap_or_default();
    output::print(&format!("logged in: profile {profile} of {path}, session {key}{until}\n"))
}
