//! The logins that profiles of config.json hold.

use super::{Config, Profile};
use crate::error::Error;
use crate::key_characters;
use crate::profile::half_set;
use crate::profile::login::{Login, LoginKind, Site, StoredSession};
use crate::redact::shown;

impl Config {
    /// The mode of the profile of that name, written or recognised, as errors name it; `None` if there is no such profile or it
    /// is empty.
    #[cfg(feature = "login")]
    pub(crate) fn mode_name(&self, profile: &str) -> Option<String> {
        let found = self.profile(profile)?;
        match found.mode() {
            Ok(mode) => mode.map(|mode| mode.name().to_owned()),
            Err(_) => found.mode.clone(),
        }
    }

    /// The login of the profile of that name now; `None` if it is gone or has another mode.
    pub(crate) fn login(&self, profile: &str) -> Option<Login> {
        let found = self.profile(profile)?;
        match found.mode().ok()?? {
            super::mode::Mode::OAuth => found.oauth(profile).ok(),
            super::mode::Mode::CloudSso => found.cloud_sso(profile).ok(),
            _ => None,
        }
    }
}

impl Profile {
    pub(super) fn oauth(&self, profile: &str) -> Result<Login, Error> {
        let Some(site) = &self.oauth_site_type else { return Err(half_set("lacks oauth_site_type".to_owned())) };
        let site = Site::read(site).ok_or_else(|| {
            let message = format!("has oauth_site_type {}, which is neither CN nor INTL", shown(site));
            Error::failed(message).with_code("UnknownSite").with_remedy("write CN or INTL").permanent()
        })?;
        if self.oauth_access_token.is_none() && self.oauth_refresh_token.is_none() {
            return Err(half_set("lacks oauth_access_token and oauth_refresh_token".to_owned()));
        }
        check("oauth_access_token", self.oauth_access_token.as_deref())?;
        check("oauth_refresh_token", self.oauth_refresh_token.as_deref())?;
        Ok(Login {
            profile: profile.to_owned(),
            kind: LoginKind::OAuth { site, refresh_token: self.oauth_refresh_token.clone() },
            access_token: self.oauth_access_token.clone(),
            access_token_expire: self.oauth_access_token_expire,
            session: self.session(),
        })
    }

    pub(super) fn cloud_sso(&self, profile: &str) -> Result<Login, Error> {
        let members = [
            ("cloud_sso_sign_in_url", &self.cloud_sso_sign_in_url),
            ("cloud_sso_account_id", &self.cloud_sso_account_id),
            ("cloud_sso_access_config", &self.cloud_sso_access_config),
        ];
        let mut lacking: Vec<&str> =
            members.iter().filter(|(_, value)| value.is_none()).map(|(name, _)| *name).collect();
        if self.access_token.is_none() {
            lacking.push("access_token");
        }
        let [Some(sign_in_url), Some(account_id), Some(access_config)] = members.map(|(_, value)| value.clone()) else {
            return Err(half_set(format!("lacks {}", lacking.join(" and "))));
        };
        if !lacking.is_empty() {
            return Err(half_set(format!("lacks {}", lacking.join(" and "))));
        }
        check("access_token", self.access_token.as_deref())?;
        Ok(Login {
            profile: profile.to_owned(),
            kind: LoginKind::CloudSso { sign_in_url, account_id, access_config },
            access_token: self.access_token.clone(),
            access_token_expire: self.cloud_sso_access_token_expire,
            session: self.session(),
        })
    }

    /// The session that came of the login last, if it is whole.
    fn session(&self) -> Option<StoredSession> {
        let session = StoredSession {
            access_key_id: self.access_key_id.clone()?,
            access_key_secret: self.access_key_secret.clone()?,
            security_token: self.sts_token.clone()?,
            expiration: self.sts_expiration,
        };
        let values = [session.access_key_id.as_str(), &session.access_key_secret, &session.security_token];
        let is_well_formed = values.iter().all(|value| key_characters::check("", value).is_ok());
        is_well_formed.then_some(session)
    }
}

/// A token goes into a header.
fn check(name: &str, token: Option<&String>) -> Result<(), Error> {
    let checked = token.map_or(Ok(()), |token| key_characters::check(name, token));
    checked.map_err(|error| error.map_message(|message| format!("cannot be used: {message}")))
}
