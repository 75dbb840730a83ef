//! The tokens of logins: OAuth's rotate, and each refresh token is spent once.

use std::collections::HashMap;
use std::sync::Mutex;

use chrono::{DateTime, Duration, Utc};

use crate::lock::lock;
use crate::random::Random;

/// Lifetime of an access token of OAuth, in seconds.
pub(crate) const OAUTH_SECONDS: i64 = 3_600;
/// Lifetime of an access token of CloudSSO, in seconds: a day's work.
pub(crate) const CLOUD_SSO_SECONDS: i64 = 28_800;
/// The OAuth clients of the `aliyun` CLI, for the sites CN and INTL.
pub(crate) const CLIENTS: [&str; 2] = ["4038181954557748008", "4103531455503354461"];

/// The service of a login.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    OAuth,
    CloudSso,
}

/// The tokens that are valid. Tokens are opaque to clients.
#[derive(Default)]
pub(crate) struct Logins {
    inner: Mutex<Inner>,
}

#[derive(Default)]
struct Inner {
    access: HashMap<String, (Kind, DateTime<Utc>)>,
    /// Refresh tokens that have not been spent, with the client that they were issued to.
    refresh: HashMap<String, &'static str>,
}

/// The tokens of a login.
pub(crate) struct Tokens {
    pub(crate) access_token: String,
    pub(crate) refresh_token: Option<String>,
    pub(crate) expires: DateTime<Utc>,
}

impl Logins {
    /// Issues tokens of OAuth to the client of a site, as a login in a browser does.
    pub(crate) fn oauth(&self, random: &Random, client: &'static str, now: DateTime<Utc>) -> Tokens {
        let (access_token, refresh_token) = (random.alphanumeric(64), random.alphanumeric(64));
        let expires = now + Duration::seconds(OAUTH_SECONDS);
        let mut inner = lock(&self.inner);
        inner.access.insert(access_token.clone(), (Kind::OAuth, expires));
        inner.refresh.insert(refresh_token.clone(), client);
        Tokens { access_token, refresh_token: Some(refresh_token), expires }
    }

    /// Issues a token of CloudSSO.
    pub(crate) fn cloud_sso(&self, random: &Random, now: DateTime<Utc>) -> Tokens {
        let access_token = random.alphanumeric(64);
        let expires = now + Duration::seconds(CLOUD_SSO_SECONDS);
        lock(&self.inner).access.insert(access_token.clone(), (Kind::CloudSso, expires));
        Tokens { access_token, refresh_token: None, expires }
    }

    /// Makes all tokens invalid, as an administrator can.
    pub(crate) fn revoke(&self) {
        *lock(&self.inner) = Inner::default();
    }

    /// Takes a refresh token: it is spent. Returns the client that it was issued to.
    pub(crate) fn spend(&self, refresh_token: &str) -> Option<&'static str> {
        lock(&self.inner).refresh.remove(refresh_token)
    }

    pub(crate) fn expiration(&self, access_token: &str, kind: Kind) -> Option<DateTime<Utc>> {
        lock(&self.inner).access.get(access_token).filter(|(of, _)| *of == kind).map(|(_, expires)| *expires)
    }
}

/// Returns the client of the CLI for the site CN or INTL.
pub(crate) fn client_of(site: &str) -> Option<&'static str> {
    match site {
        "CN" => Some(CLIENTS[0]),
        "INTL" => Some(CLIENTS[1]),
        _ => None,
    }
}
