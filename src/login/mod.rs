//! Interactive logins: by OAuth or CloudSSO, into a profile of config.json.
//!
//! A login is begun, its [`Page`] is shown to a person, and its end is waited for. Nothing is opened here: the caller has the page's
//! address. A login is bounded in time, ends when its future is dropped, and writes nothing before the person has logged in.
//!
//! The profile is written as the `aliyun` CLI writes it, without loss (see [`ConfigFile`](crate::ConfigFile)), so the chain, the CLI
//! and the official SDKs use it, as far as those know such logins: Python's cannot renew one by OAuth, Node's cannot use one by
//! CloudSSO (row 86 of `docs/differences.md`). A profile of another mode is never replaced. No error, no `Debug` and no page that
//! is served here holds a code or a token.
//!
//! ```no_run
//! # async fn example() -> Result<(), alibabacloud_credentials::Error> {
//! use alibabacloud_credentials::DefaultCredentialChain;
//! use alibabacloud_credentials::login::{OAuthLogin, Site};
//!
//! OAuthLogin::new(Site::China).profile("dev").run(|page| println!("open {}", page.url())).await?;
//! let chain = DefaultCredentialChain::builder().profile("dev").build();
//! # Ok(()) }
//! ```

mod callback;
mod cloud_sso;
mod loopback;
mod oauth;
mod pkce;
mod settings;
mod user;

use std::fmt;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

pub use self::cloud_sso::{CloudSsoLogin, PendingCloudSsoLogin};
pub use self::oauth::{OAuthLogin, PendingOAuthLogin};
pub use self::user::{Assignment, CloudSsoUser};
pub use crate::profile::Site;

/// The page on which a person logs in. Its `Debug` does not show the address, which belongs to one login.
///
/// ```no_run
/// # async fn example() -> Result<(), alibabacloud_credentials::Error> {
/// # use alibabacloud_credentials::login::{OAuthLogin, Site};
/// let pending = OAuthLogin::new(Site::China).start().await?;
/// println!("open {}", pending.page().url());
/// # Ok(()) }
/// ```
#[derive(Clone)]
pub struct Page {
    url: String,
    user_code: Option<String>,
}

impl Page {
    fn new(url: String, user_code: Option<String>) -> Self {
        Self { url, user_code }
    }

    /// Returns the address: HTTPS, or a page on loopback.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Returns the code that the page shows, for the person to compare; of CloudSSO alone.
    pub fn user_code(&self) -> Option<&str> {
        self.user_code.as_deref()
    }
}

impl fmt::Debug for Page {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Page").finish_non_exhaustive()
    }
}

/// The result of a login: the profile that was written.
///
/// ```no_run
/// # async fn example(logged_in: alibabacloud_credentials::login::LoggedIn) {
/// println!("profile {} of {}", logged_in.profile(), logged_in.config_file().display());
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct LoggedIn {
    profile: String,
    config_file: PathBuf,
    expires: SystemTime,
}

impl LoggedIn {
    fn new(profile: &str, config_file: PathBuf, expires: i64) -> Self {
        let since = Duration::from_secs(u64::try_from(expires).unwrap_or_default());
        let expires = UNIX_EPOCH.checked_add(since).unwrap_or(UNIX_EPOCH);
        Self { profile: profile.to_owned(), config_file, expires }
    }

    /// Returns the name of the profile.
    pub fn profile(&self) -> &str {
        &self.profile
    }

    /// Returns the path of the file that it is in.
    pub fn config_file(&self) -> &Path {
        &self.config_file
    }

    /// Returns the end of the access token. A login by OAuth is renewed by then; one by CloudSSO is over.
    pub fn access_token_expiration(&self) -> SystemTime {
        self.expires
    }
}
