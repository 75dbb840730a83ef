//! OAuth: the browser comes back to this program, or a person pastes where it ended.

use alibabacloud_credentials::login::{LoggedIn, OAuthLogin, PendingOAuthLogin, Site};

use super::{Plan, show};
use crate::failure::Failure;
use crate::global::Global;
use crate::{output, prompt};

const PASTE: &str = "\nIf the browser is on another machine, paste here the address that it ends at.\n";

pub(super) async fn login(global: &Global, plan: &Plan<'_>) -> Result<LoggedIn, Failure> {
    let mut login = OAuthLogin::new(site(plan)?).profile(&plan.profile);
    if let Some(region) = plan.region {
        login = login.region(region);
    }
    if let Some(timeout) = plan.arguments.timeout {
        login = login.timeout(timeout);
    }
    let (pending, listens) = match login.clone().start().await {
        // Where the page's end is pasted, nobody has to come back.
        Err(error) if plan.arguments.no_browser && error.code() == Some("LoginPortBusy") => {
            (login.listen(false).start().await?, false)
        }
        pending => (pending?, true),
    };
    show(global, plan, pending.page(), PASTE)?;
    finish(&pending, listens).await
}

fn site(plan: &Plan<'_>) -> Result<Site, Failure> {
    let known = plan.known("oauth_site_type").map(|site| site.to_ascii_uppercase());
    match (plan.arguments.site, known.as_deref()) {
        (Some(super::Site::Cn), _) | (None, Some("CN")) => return Ok(Site::China),
        (Some(super::Site::Intl), _) | (None, Some("INTL")) => return Ok(Site::International),
        _ => {}
    }
    if !prompt::is_interactive() {
        return Err(Failure::usage("a login by OAuth needs a site").remedy("add --site cn or --site intl"));
    }
    let choices = ["China: aliyun.com", "International: alibabacloud.com"].map(str::to_owned);
    Ok([Site::China, Site::International][prompt::select("Site of the account", &choices)?])
}

/// Waits for the browser and for what is pasted, whichever comes first. A wrong paste is said, and may be followed by another.
async fn finish(pending: &PendingOAuthLogin, listens: bool) -> Result<LoggedIn, Failure> {
    let mut lines = prompt::lines();
    let mut browser = Box::pin(async {
        match listens {
            true => pending.wait().await,
            false => std::future::pending().await,
        }
    });
    loop {
        let pasted = tokio::select! {
            logged_in = &mut browser => return Ok(logged_in?),
            line = lines.recv() => line,
        };
        let Some(pasted) = pasted else {
            if listens {
                return Ok(browser.await?);
            }
            return Err(Failure::usage("nothing was pasted, and no port is free for the browser to come back to"));
        };
        if pasted.is_empty() {
            continue;
        }
        match pending.finish_with(&pasted).await {
            Err(error) if matches!(error.code(), Some("LoginPasteInvalid" | "LoginStateMismatch")) => {
                output::note(&Failure::from(error).text(false));
            }
            finished => return Ok(finished?),
        }
    }
}
