//! OAuth: a browser logs in, and comes back with a code that is redeemed for tokens.

use std::fmt;
use std::time::Duration;

use zeroize::Zeroizing;

use super::callback::{Returned, read_pasted};
use super::loopback::{Loopback, PORTS, redirect_uri, timed_out};
use super::pkce::{self, Pkce};
use super::settings::{LoginSettings, login_settings};
use super::{LoggedIn, Page, Site};
use crate::config_file::{ConfigFile, LoginValue};
use crate::error::Error;
use crate::login_service::oauth_tokens;

/// Longer than this nobody is waited for.
const LIMIT: Duration = Duration::from_secs(300);
/// Random bytes of the state.
const STATE_BYTES: usize = 16;

/// A login by OAuth, as `aliyun configure --mode OAuth` makes it: into a profile of mode `OAuth`, which this crate, the official
/// SDKs and the `aliyun` CLI use.
///
/// A person opens the [`Page`] in a browser on this machine, which comes back to a listener on loopback: one of the ports 12345 to
/// 12349, the only ones that the page sends a browser to. Where the browser is on another machine, the person pastes the address that
/// it shows in the end: see [`PendingOAuthLogin::finish_with`].
///
/// ```no_run
/// # async fn example() -> Result<(), alibabacloud_credentials::Error> {
/// use alibabacloud_credentials::login::{OAuthLogin, Site};
///
/// let login = OAuthLogin::new(Site::International).profile("dev");
/// let logged_in = login.run(|page| println!("open {}", page.url())).await?;
/// println!("profile {} of {}", logged_in.profile(), logged_in.config_file().display());
/// # Ok(()) }
/// ```
#[derive(Clone, Debug)]
#[must_use]
pub struct OAuthLogin {
    settings: LoginSettings,
    site: Site,
    listens: bool,
}

impl OAuthLogin {
    /// Describes a login at a site, into the profile `default`.
    pub fn new(site: Site) -> Self {
        Self { settings: LoginSettings::new(LIMIT), site, listens: true }
    }

    login_settings!("OAuth", "five minutes");

    /// Sets whether there is a listener on loopback. The default is `true`; without one only
    /// [`finish_with`](PendingOAuthLogin::finish_with) ends the login.
    pub fn listen(mut self, listens: bool) -> Self {
        self.listens = listens;
        self
    }

    /// Begins the login: checks that its result can be written, and listens. Makes no request and opens no browser.
    ///
    /// # Errors
    ///
    /// A profile of another mode (`ProfileExists`), a file that cannot be written (`ConfigNotWritten`),
    /// a region that is none (`InvalidRegion`), ports that are in use (`LoginPortBusy`).
    pub async fn start(self) -> Result<PendingOAuthLogin, Error> {
        self.settings.check_region()?;
        let file = self.settings.writable_file("OAuth").await?;
        let listener = self.listens.then(Loopback::bind).transpose()?;
        let redirect_uri = redirect_uri(listener.as_ref().map_or(*PORTS.start(), Loopback::port));
        let context = &self.settings.context;
        let (state, pkce) = (context.secret(STATE_BYTES)?, Pkce::new(context)?);
        let query = form_urlencoded::Serializer::new(String::new())
            .append_pair("response_type", "code")
            .append_pair("client_id", self.site.client_id())
            .append_pair("redirect_uri", &redirect_uri)
            .append_pair("state", &state)
            .append_pair("code_challenge", &pkce.challenge)
            .append_pair("code_challenge_method", pkce::METHOD)
            .finish();
        let page = Page::new(format!("https://{}/oauth2/v1/auth?{query}", self.site.sign_in_host()), None);
        let ends = context.now().monotonic.saturating_add(self.settings.timeout);
        Ok(PendingOAuthLogin { login: self, file, page, listener, redirect_uri, state, pkce, ends })
    }

    /// Begins the login, hands its page to `show`, and waits for the browser to come back.
    ///
    /// # Errors
    ///
    /// Those of [`start`](Self::start) and [`PendingOAuthLogin::wait`].
    pub async fn run(self, show: impl FnOnce(&Page)) -> Result<LoggedIn, Error> {
        let pending = self.start().await?;
        show(pending.page());
        pending.wait().await
    }
}

/// An [`OAuthLogin`] that has begun. Dropping it, or the future of one of its methods, gives the login up and closes its listener.
///
/// ```no_run
/// # async fn read_line() -> String { String::new() }
/// # async fn example() -> Result<(), alibabacloud_credentials::Error> {
/// use alibabacloud_credentials::login::{OAuthLogin, Site};
///
/// let pending = OAuthLogin::new(Site::China).listen(false).start().await?;
/// println!("open {} on any machine, and paste the address that it ends at", pending.page().url());
/// pending.finish_with(&read_line().await).await?;
/// # Ok(()) }
/// ```
pub struct PendingOAuthLogin {
    login: OAuthLogin,
    file: ConfigFile,
    page: Page,
    listener: Option<Loopback>,
    redirect_uri: String,
    state: Zeroizing<String>,
    pkce: Pkce,
    /// By the monotonic clock.
    ends: Duration,
}

impl fmt::Debug for PendingOAuthLogin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PendingOAuthLogin").field("login", &self.login).finish_non_exhaustive()
    }
}

impl PendingOAuthLogin {
    /// Returns the page that a person has to open.
    pub fn page(&self) -> &Page {
        &self.page
    }

    /// Waits for the browser to come back, redeems its code, and writes the profile. Requests that do not belong to this login are
    /// answered with an error and otherwise ignored.
    ///
    /// # Errors
    ///
    /// `LoginDenied`, `LoginTimedOut`, `LoginRefused` by the token service or no response of it, `ConfigNotWritten`, `ConfigLocked`.
    pub async fn wait(&self) -> Result<LoggedIn, Error> {
        let Some(listener) = &self.listener else {
            let error = Error::invalid_input("this login has no listener, so nothing can be waited for");
            return Err(error.with_code("LoginNotListening"));
        };
        let returned = listener.receive(&self.login.settings.context, &self.state, self.ends).await;
        self.redeem(returned.unwrap_or_else(|| Err(timed_out(self.login.settings.timeout)))).await
    }

    /// Ends the login with what the person pasted: the address that the browser was sent to, its query, or the code alone. Another
    /// text may be given after an error `LoginPasteInvalid` or `LoginStateMismatch`.
    ///
    /// # Errors
    ///
    /// `LoginPasteInvalid`, `LoginStateMismatch`, and those of [`wait`](Self::wait).
    pub async fn finish_with(&self, pasted: &str) -> Result<LoggedIn, Error> {
        let code = read_pasted(pasted, &self.state)?;
        if self.login.settings.context.now().monotonic >= self.ends {
            return Err(timed_out(self.login.settings.timeout));
        }
        self.redeem(Ok(code)).await
    }

    async fn redeem(&self, returned: Returned) -> Result<LoggedIn, Error> {
        let code = returned?;
        let OAuthLogin { site, settings: LoginSettings { context, profile, region, .. }, .. } = &self.login;
        let form = [
            ("grant_type", "authorization_code"),
            ("code", code.as_str()),
            ("client_id", site.client_id()),
            ("redirect_uri", &self.redirect_uri),
            ("code_verifier", &self.pkce.verifier),
        ];
        let tokens = oauth_tokens(context, None, *site, &form).await.map_err(|error| match error.remedy() {
            None => error.with_remedy("begin the login again"),
            Some(_) => error,
        })?;
        let text = |text: &str| LoginValue::Text(Zeroizing::new(text.to_owned()));
        let mut members = vec![
            ("oauth_site_type", text(site.name())),
            ("oauth_access_token", LoginValue::Text(tokens.access_token)),
            ("oauth_refresh_token", LoginValue::Text(tokens.refresh_token)),
            ("oauth_access_token_expire", LoginValue::Number(tokens.expires)),
        ];
        members.extend(region.as_ref().map(|region| ("region_id", text(region))));
        let path = self.file.write_login(profile, "OAuth", members).await?;
        Ok(LoggedIn::new(profile, path, tokens.expires))
    }
}
