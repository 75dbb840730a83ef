//! The logins that the `aliyun` CLI keeps in config.json: their tokens, and the session that came of them last.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use zeroize::Zeroizing;

/// A profile of mode `OAuth` or `CloudSSO`.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Login {
    /// The name of the profile.
    pub(crate) profile: String,
    pub(crate) kind: LoginKind,
    pub(crate) access_token: Option<Zeroizing<String>>,
    /// The end of the access token, in seconds since the epoch; 0 where it is not known.
    pub(crate) access_token_expire: i64,
    pub(crate) session: Option<StoredSession>,
}

#[derive(Clone, PartialEq, Eq)]
pub(crate) enum LoginKind {
    OAuth { site: Site, refresh_token: Option<Zeroizing<String>> },
    CloudSso { sign_in_url: String, account_id: String, access_config: String },
}

/// The session of a login, until it ends.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct StoredSession {
    pub(crate) access_key_id: String,
    pub(crate) access_key_secret: Zeroizing<String>,
    pub(crate) security_token: Zeroizing<String>,
    /// In seconds since the epoch.
    pub(crate) expiration: i64,
}

/// A site of the cloud: accounts of one cannot log in at the other.
///
/// ```
/// # #[cfg(feature = "login")] {
/// use alibabacloud_credentials::login::{OAuthLogin, Site};
///
/// let login = OAuthLogin::new(Site::International);
/// # }
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(not(feature = "login"), allow(unreachable_pub))]
#[non_exhaustive]
pub enum Site {
    /// aliyun.com (`CN`).
    China,
    /// alibabacloud.com (`INTL`).
    International,
}

impl Site {
    /// `CN` or `INTL`, in any case as the SDKs read it.
    pub(crate) fn read(text: &str) -> Option<Self> {
        match text.to_ascii_uppercase().as_str() {
            "CN" => Some(Self::China),
            "INTL" => Some(Self::International),
            _ => None,
        }
    }

    /// The host of the OAuth service.
    pub(crate) fn host(self) -> &'static str {
        match self {
            Self::China => "oauth.aliyun.com",
            Self::International => "oauth.alibabacloud.com",
        }
    }

    /// The host of the page on which a person logs in.
    #[cfg(feature = "login")]
    pub(crate) fn sign_in_host(self) -> &'static str {
        match self {
            Self::China => "signin.aliyun.com",
            Self::International => "signin.alibabacloud.com",
        }
    }

    /// The name in config.json.
    #[cfg(feature = "login")]
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::China => "CN",
            Self::International => "INTL",
        }
    }

    /// The client that the `aliyun` CLI is registered as.
    pub(crate) fn client_id(self) -> &'static str {
        match self {
            Self::China => "4038181954557748008",
            Self::International => "4103531455503354461",
        }
    }
}

impl Login {
    /// The mode as config.json has it.
    pub(crate) fn mode(&self) -> &'static str {
        match self.kind {
            LoginKind::OAuth { .. } => "OAuth",
            LoginKind::CloudSso { .. } => "CloudSSO",
        }
    }

    /// The name of the provider, as the official SDKs have it.
    pub(crate) fn provider_name(&self) -> &'static str {
        match self.kind {
            LoginKind::OAuth { .. } => "oauth",
            LoginKind::CloudSso { .. } => "cloud_sso",
        }
    }

    pub(crate) fn refresh_token(&self) -> Option<&str> {
        match &self.kind {
            LoginKind::OAuth { refresh_token, .. } => refresh_token.as_ref().map(|token| token.as_str()),
            LoginKind::CloudSso { .. } => None,
        }
    }

    /// The access token and what is left of it; `None` if it has ended.
    pub(crate) fn access(&self, now: SystemTime) -> Option<(&str, Duration)> {
        let left = left(self.access_token_expire, now)?;
        Some((self.access_token.as_ref()?.as_str(), left))
    }
}

impl StoredSession {
    pub(crate) fn left(&self, now: SystemTime) -> Option<Duration> {
        left(self.expiration, now)
    }

    pub(crate) fn end(&self) -> Option<SystemTime> {
        UNIX_EPOCH.checked_add(Duration::from_secs(u64::try_from(self.expiration).ok()?))
    }
}

/// Returns the time until `seconds` since the epoch; `None` if that is past.
fn left(seconds: i64, now: SystemTime) -> Option<Duration> {
    let end = UNIX_EPOCH.checked_add(Duration::from_secs(u64::try_from(seconds).ok()?))?;
    end.duration_since(now).ok().filter(|left| !left.is_zero())
}

/// Whole seconds since the epoch, as config.json has times.
pub(crate) fn seconds(time: SystemTime) -> i64 {
    time.duration_since(UNIX_EPOCH).map_or(0, |since| i64::try_from(since.as_secs()).unwrap_or(i64::MAX))
}
