//! CloudSSO: the person logs in on any machine, and chooses what the profile is for.

use alibabacloud_credentials::login::{Assignment, CloudSsoLogin, LoggedIn};

use super::{Plan, show};
use crate::exit;
use crate::failure::Failure;
use crate::global::Global;
use crate::prompt;

pub(super) async fn login(global: &Global, plan: &Plan<'_>) -> Result<LoggedIn, Failure> {
    let mut login = CloudSsoLogin::new(sign_in_url(plan)?).profile(&plan.profile);
    if let Some(region) = plan.region {
        login = login.region(region);
    }
    if let Some(timeout) = plan.arguments.timeout {
        login = login.timeout(timeout);
    }
    let pending = login.start().await?;
    show(global, plan, pending.page(), "")?;
    let user = pending.wait().await?;
    // Another account has other configurations.
    let given = plan.arguments.account.clone();
    let known = |member| plan.known(member).filter(|_| given.is_none() && plan.arguments.sign_in_url.is_none());
    let account = match given.clone().or_else(|| known("cloud_sso_account_id")) {
        Some(account) => account,
        None => choose(&user.accounts().await?, "account", "--account")?,
    };
    let configuration = plan.arguments.access_config.clone().or_else(|| known("cloud_sso_access_config"));
    let configuration = match configuration {
        Some(configuration) => configuration,
        None => choose(&user.access_configurations(&account).await?, "access configuration", "--access-config")?,
    };
    Ok(user.choose(&account, &configuration).await?)
}

fn sign_in_url(plan: &Plan<'_>) -> Result<String, Failure> {
    match plan.arguments.sign_in_url.clone().or_else(|| plan.known("cloud_sso_sign_in_url")) {
        Some(url) => Ok(url),
        None if prompt::is_interactive() => prompt::text("Sign-in URL of CloudSSO"),
        None => Err(Failure::usage("a login by CloudSSO needs its sign-in URL").remedy("add --sign-in-url URL")),
    }
}

/// The only one, or the one that a person chooses.
fn choose(all: &[Assignment], what: &str, flag: &str) -> Result<String, Failure> {
    match all {
        [] => {
            let failure = Failure::new(exit::NO_PERMISSION, format!("the user is assigned no {what}"));
            Err(failure.remedy("ask the administrator of CloudSSO for one"))
        }
        [only] => Ok(only.id.clone()),
        _ => {
            let names: Vec<String> = all.iter().map(ToString::to_string).collect();
            if prompt::is_interactive() {
                return Ok(all[prompt::select(&format!("Choose the {what}"), &names)?].id.clone());
            }
            let failure = Failure::usage(format!("there is more than one {what}: {}", names.join(", ")));
            Err(failure.remedy(format!("choose one by {flag} ID")))
        }
    }
}
