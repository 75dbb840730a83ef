//! CloudSSO: a person logs in on any device with a code, and this one polls for an access token.

use std::fmt;
use std::time::Duration;

use bytes::Bytes;
use http::StatusCode;
use serde_json::{Value, json};
use zeroize::Zeroizing;

use super::loopback::timed_out;
use super::pkce::{self, Pkce};
use super::settings::{LoginSettings, login_settings};
use super::user::{CloudSsoUser, Target};
use super::{LoggedIn, Page};
use crate::config_file::ConfigFile;
use crate::endpoint::Endpoint;
use crate::error::{Error, ErrorKind};
use crate::login_service::{ServiceRequest, refusal_code, sign_in_host};
use crate::profile::login_seconds;
use crate::rpc;

/// The client that the `aliyun` CLI is registered as.
const CLIENT: &str = "app-vaz16tltdxs96audqf35";
const GRANT_TYPE: &str = "urn:ietf:params:oauth:grant-type:device_code";
/// Longer than this nobody is waited for.
const LIMIT: Duration = Duration::from_secs(600);
/// The pause between two polls where the service says none, and what `SlowDown` adds to it (RFC 8628, 3.5).
const INTERVAL: Duration = Duration::from_secs(5);
/// The pauses that are taken, whatever the service says.
const INTERVALS: std::ops::RangeInclusive<Duration> = Duration::from_secs(1)..=Duration::from_secs(60);
/// The lifetime of an access token whose response does not tell it.
const LIFETIME: i64 = 3_600;

/// A login by CloudSSO, as `aliyun configure --mode CloudSSO` makes it: into a profile of mode `CloudSSO`, which this crate, the
/// official SDKs and the `aliyun` CLI use.
///
/// A person opens the [`Page`] in a browser on any machine and compares its code. Then an account and an access configuration are
/// chosen: those given here, the only ones there are, or by [`CloudSsoUser::choose`].
///
/// ```no_run
/// # async fn example() -> Result<(), alibabacloud_credentials::Error> {
/// use alibabacloud_credentials::login::CloudSsoLogin;
///
/// let login = CloudSsoLogin::new("https://signin-cn-shanghai.alibabacloudsso.com/my-company/login")
///     .profile("dev")
///     .account("1234567890123456")
///     .access_config("ac-00x0x0x0x0x0x");
/// login.run(|page| println!("open {}, which shows {}", page.url(), page.user_code().unwrap_or_default())).await?;
/// # Ok(()) }
/// ```
#[derive(Clone, Debug)]
#[must_use]
pub struct CloudSsoLogin {
    settings: LoginSettings,
    sign_in_url: String,
    account: Option<String>,
    access_config: Option<String>,
}

impl CloudSsoLogin {
    /// Describes a login at a sign-in URL, as CloudSSO's console shows it, into the profile `default`.
    pub fn new(sign_in_url: impl Into<String>) -> Self {
        let settings = LoginSettings::new(LIMIT);
        Self { settings, sign_in_url: sign_in_url.into(), account: None, access_config: None }
    }

    login_settings!("CloudSSO", "ten minutes");

    /// Sets the account, by its id.
    pub fn account(mut self, id: impl Into<String>) -> Self {
        self.account = Some(id.into());
        self
    }

    /// Sets the access configuration, by its id.
    pub fn access_config(mut self, id: impl Into<String>) -> Self {
        self.access_config = Some(id.into());
        self
    }

    /// Begins the login: checks that its result can be written, and asks the service for a code. Opens no browser.
    ///
    /// # Errors
    ///
    /// A profile of another mode (`ProfileExists`), a file that cannot be written (`ConfigNotWritten`),
    /// a sign-in URL that is none (`InvalidEndpoint`, `PlainHttp`), `LoginRefused` by the service or no response of it.
    pub async fn start(self) -> Result<PendingCloudSsoLogin, Error> {
        self.settings.check_region()?;
        let endpoint = sign_in_host(&self.sign_in_url)?;
        let file = self.settings.writable_file("CloudSSO").await?;
        let (context, timeout) = (&self.settings.context, self.settings.timeout);
        let pkce = Pkce::new(context)?;
        let body = json!({
            "PortalUrl": self.sign_in_url, "CodeChallenge": pkce.challenge, "ClientId": CLIENT,
            "CodeChallengeMethod": pkce::METHOD,
        });
        let request = ServiceRequest {
            body: Bytes::from(body.to_string()),
            repeatable: true,
            ..ServiceRequest::post(&endpoint, "/device-authorization", "application/json")
        };
        let document = request.read(None, &request.send(context).await?)?;
        let text = |name: &str| document[name].as_str().map(str::trim).filter(|text| !text.is_empty());
        let device_code = request.token(&document, "DeviceCode")?;
        let url = text("VerificationUriComplete").or_else(|| text("VerificationUri"));
        let url = url.filter(|url| is_page(url)).ok_or_else(|| request.without("a VerificationUri over HTTPS"))?;
        let user_code = text("UserCode").filter(|code| is_user_code(code));
        let page = Page::new(url.to_owned(), user_code.map(str::to_owned));
        let seconds = |name: &str| document[name].as_u64().map(Duration::from_secs);
        let interval = seconds("Interval").unwrap_or(INTERVAL).clamp(*INTERVALS.start(), *INTERVALS.end());
        let limit = timeout.min(seconds("ExpiresIn").filter(|limit| !limit.is_zero()).unwrap_or(timeout));
        let ends = context.now().monotonic.saturating_add(limit);
        Ok(PendingCloudSsoLogin { login: self, file, endpoint, page, device_code, pkce, interval, limit, ends })
    }

    /// Begins the login, hands its page to `show`, waits for the person, and writes the profile with the account and the access
    /// configuration that were given, or the only ones there are.
    ///
    /// # Errors
    ///
    /// Those of [`start`](Self::start), [`PendingCloudSsoLogin::wait`] and [`CloudSsoUser::choose`]; `LoginAmbiguous` if there is more
    /// than one to choose from, and `NoAssignment` if there is none.
    pub async fn run(self, show: impl FnOnce(&Page)) -> Result<LoggedIn, Error> {
        let (account, access_config) = (self.account.clone(), self.access_config.clone());
        let pending = self.start().await?;
        show(pending.page());
        let user = pending.wait().await?;
        let account = match account {
            Some(account) => account,
            None => only(user.accounts().await?, "account", ".account(…)")?,
        };
        let access_config = match access_config {
            Some(access_config) => access_config,
            None => {
                let all = user.access_configurations(&account).await?;
                only(all, "access configuration", ".access_config(…)")?
            }
        };
        user.choose(&account, &access_config).await
    }
}

/// The id of the only one.
fn only(mut all: Vec<super::Assignment>, what: &str, setter: &str) -> Result<String, Error> {
    const SHOWN: usize = 12;
    match all.len() {
        0 => {
            let error = Error::new(ErrorKind::Refused, format!("the user is assigned no {what}"));
            Err(error.with_code("NoAssignment").with_remedy("ask the administrator of CloudSSO for one").permanent())
        }
        1 => Ok(all.remove(0).id),
        more => {
            let ids: Vec<String> = all.iter().take(SHOWN).map(ToString::to_string).collect();
            let rest = if more > SHOWN { format!(" and {} more", more - SHOWN) } else { String::new() };
            let error = Error::invalid_input(format!("there is more than one {what}: {}{rest}", ids.join(", ")));
            Err(error.with_code("LoginAmbiguous").with_remedy(format!("choose one by {setter}")))
        }
    }
}

/// A [`CloudSsoLogin`] that has begun. Dropping it, or the future of `wait`, gives the login up.
///
/// ```no_run
/// # async fn example() -> Result<(), alibabacloud_credentials::Error> {
/// use alibabacloud_credentials::login::CloudSsoLogin;
///
/// let pending = CloudSsoLogin::new("https://signin-cn-shanghai.alibabacloudsso.com/my-company/login").start().await?;
/// println!("open {}", pending.page().url());
/// let user = pending.wait().await?;
/// for account in user.accounts().await? {
///     println!("{account}");
/// }
/// # Ok(()) }
/// ```
pub struct PendingCloudSsoLogin {
    login: CloudSsoLogin,
    file: ConfigFile,
    endpoint: Endpoint,
    page: Page,
    device_code: Zeroizing<String>,
    pkce: Pkce,
    interval: Duration,
    limit: Duration,
    /// By the monotonic clock.
    ends: Duration,
}

impl fmt::Debug for PendingCloudSsoLogin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PendingCloudSsoLogin").field("login", &self.login).finish_non_exhaustive()
    }
}

/// The result of a poll.
enum Poll {
    Done(CloudSsoUser),
    Wait,
    SlowDown,
    /// The service failed, which may pass.
    Failed(Error),
}

impl PendingCloudSsoLogin {
    /// Returns the page that a person has to open, with the code that it shows.
    pub fn page(&self) -> &Page {
        &self.page
    }

    /// Polls until the person has logged in. A service that fails meanwhile is asked again.
    ///
    /// # Errors
    ///
    /// `LoginDenied`, `LoginTimedOut`, `LoginRefused`.
    pub async fn wait(&self) -> Result<CloudSsoUser, Error> {
        let context = &self.login.settings.context;
        let mut interval = self.interval;
        let mut failed = None;
        loop {
            let left = self.ends.saturating_sub(context.now().monotonic);
            if left <= interval {
                context.sleep(left).await;
                // The failure of the service, if it is that which the time was spent on.
                return Err(failed.unwrap_or_else(|| timed_out(self.limit)));
            }
            context.sleep(interval).await;
            failed = None;
            match self.poll().await? {
                Poll::Done(user) => return Ok(user),
                Poll::Wait => {}
                Poll::SlowDown => interval = (interval + INTERVAL).min(*INTERVALS.end()),
                Poll::Failed(error) => {
                    interval = (interval * 2).min(*INTERVALS.end());
                    failed = Some(error);
                }
            }
        }
    }

    async fn poll(&self) -> Result<Poll, Error> {
        let context = &self.login.settings.context;
        let body = json!({
            "CodeVerifier": self.pkce.verifier.as_str(), "ClientId": CLIENT, "DeviceCode": self.device_code.as_str(),
            "GrantType": GRANT_TYPE,
        });
        let request = ServiceRequest {
            body: Bytes::from(body.to_string()),
            ..ServiceRequest::post(&self.endpoint, "/token", "application/json")
        };
        let answer = match request.send(context).await {
            Ok(answer) => answer,
            Err(error) if error.is_transient() => return Ok(Poll::Failed(error)),
            Err(error) => return Err(error),
        };
        if answer.status() == StatusCode::OK {
            let document = request.read(None, &answer)?;
            let lifetime = document["ExpiresIn"].as_i64().filter(|seconds| *seconds > 0).unwrap_or(LIFETIME);
            let CloudSsoLogin { sign_in_url, settings: LoginSettings { profile, region, .. }, .. } = &self.login;
            return Ok(Poll::Done(CloudSsoUser {
                context: context.clone(),
                file: self.file.clone(),
                endpoint: self.endpoint.clone(),
                access_token: request.token(&document, "AccessToken")?,
                expires: login_seconds(context.now().system_time()).saturating_add(lifetime),
                target: Target { sign_in_url: sign_in_url.clone(), profile: profile.clone(), region: region.clone() },
            }));
        }
        let document = serde_json::from_slice::<Value>(rpc::without_bom(answer.body())).unwrap_or_default();
        // `AuthorizationPending` here, `authorization_pending` in RFC 8628.
        let code = refusal_code(&document).unwrap_or_default().replace('_', "").to_ascii_lowercase();
        match code.as_str() {
            "authorizationpending" => Ok(Poll::Wait),
            "slowdown" => Ok(Poll::SlowDown),
            "accessdenied" => {
                let error = Error::new(ErrorKind::Refused, "the login was refused on its page");
                Err(error.with_code("LoginDenied").with_remedy("begin again, and allow it there").permanent())
            }
            "expiredtoken" => Err(timed_out(self.limit)),
            _ => {
                let error = match request.read(None, &answer) {
                    Ok(_) => request.without("a token"),
                    Err(error) => error,
                };
                match crate::context::is_passing(answer.status()) {
                    true => Ok(Poll::Failed(error)),
                    false => Err(error.with_remedy("begin the login again")),
                }
            }
        }
    }
}

/// Returns whether a browser may be sent to an address: it is a page over HTTPS, or on loopback, and nothing a shell or another program
/// would take for something else.
fn is_page(url: &str) -> bool {
    let Ok(uri) = url.parse::<http::Uri>() else { return false };
    let Some(authority) = uri.authority().filter(|authority| !authority.as_str().contains('@')) else { return false };
    let is_secure = match uri.scheme_str() {
        Some("https") => true,
        Some("http") => crate::context::is_loopback(authority.host()),
        _ => false,
    };
    is_secure
        && url.len() <= 2048
        && url.bytes().all(|byte| byte.is_ascii_graphic() && !b"\"'`<>\\^{|}".contains(&byte))
}

/// A code as a person compares it.
fn is_user_code(code: &str) -> bool {
    code.len() <= 32 && code.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_browser_is_sent_to_a_page_and_to_nothing_else() {
        for url in ["https://sso.example/device?user_code=A-1", "http://127.0.0.1:80/device", "https://x:8443/"] {
            assert!(is_page(url), "{url}");
        }
        for url in [
            "http://sso.example/device",
            "file:///etc/passwd",
            "javascript:alert(1)",
            "https://user:pass@sso.example/",
            "https://sso.example/\"$(id)\"",
            "https://sso.example/ x",
            "/device",
            "",
        ] {
            assert!(!is_page(url), "{url}");
        }
    }
}
