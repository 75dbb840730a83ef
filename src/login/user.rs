//! A user of CloudSSO who has logged in: what they may use, and what of it the profile is for.

use std::fmt;

use serde_json::Value;
use zeroize::Zeroizing;

use super::LoggedIn;
use crate::config_file::{ConfigFile, LoginValue};
use crate::context::Context;
use crate::endpoint::Endpoint;
use crate::error::Error;
use crate::login_service::ServiceRequest;
use crate::redact::shown;

/// Longer lists are not read.
const PAGES: usize = 50;

/// A user who has logged in by a [`CloudSsoLogin`](super::CloudSsoLogin). Nothing is written before
/// [`choose`](Self::choose).
///
/// ```no_run
/// # async fn example(user: alibabacloud_credentials::login::CloudSsoUser) -> Result<(), alibabacloud_credentials::Error> {
/// let account = &user.accounts().await?[0];
/// let configuration = &user.access_configurations(&account.id).await?[0];
/// user.choose(&account.id, &configuration.id).await?;
/// # Ok(()) }
/// ```
pub struct CloudSsoUser {
    pub(super) context: Context,
    pub(super) file: ConfigFile,
    pub(super) endpoint: Endpoint,
    pub(super) access_token: Zeroizing<String>,
    pub(super) expires: i64,
    pub(super) target: Target,
}

/// The profile that is written.
pub(super) struct Target {
    pub(super) sign_in_url: String,
    pub(super) profile: String,
    pub(super) region: Option<String>,
}

/// An account, or an access configuration in one, that a user of CloudSSO is assigned. Shown as `name (id)`.
///
/// ```no_run
/// # fn example(account: alibabacloud_credentials::login::Assignment) {
/// println!("{account}: {} is {}", account.id, account.name);
/// # }
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Assignment {
    /// The id, as it is written into a profile.
    pub id: String,
    /// The name for people; empty if there is none.
    pub name: String,
}

impl fmt::Display for Assignment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.name.as_str() {
            "" => f.write_str(&self.id),
            name => write!(f, "{name} ({})", self.id),
        }
    }
}

impl fmt::Debug for CloudSsoUser {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CloudSsoUser").field("profile", &self.target.profile).finish_non_exhaustive()
    }
}

impl CloudSsoUser {
    /// Returns the accounts that the user is assigned something in.
    ///
    /// # Errors
    ///
    /// `LoginRefused`, or no usable response.
    pub async fn accounts(&self) -> Result<Vec<Assignment>, Error> {
        let path = "/access-assignments/accounts";
        self.list(path, "", "Accounts", ["AccountId", "DisplayName"]).await
    }

    /// Returns the access configurations that the user is assigned in an account.
    ///
    /// # Errors
    ///
    /// `LoginRefused`, or no usable response.
    pub async fn access_configurations(&self, account: &str) -> Result<Vec<Assignment>, Error> {
        let path = "/access-assignments/access-configurations";
        let account = form_urlencoded::Serializer::new(String::new()).append_pair("AccountId", account).finish();
        let members = ["AccessConfigurationId", "AccessConfigurationName"];
        self.list(path, &format!("{account}&"), "AccessConfigurationsForAccount", members).await
    }

    /// Writes the profile, for sessions of an access configuration in an account.
    ///
    /// # Errors
    ///
    /// `LoginIdInvalid` for an id that is none, `ProfileExists`, `ConfigNotWritten`, `ConfigLocked`.
    pub async fn choose(&self, account: &str, access_config: &str) -> Result<LoggedIn, Error> {
        if !is_id(account) || !is_id(access_config) {
            let error = Error::invalid_input(
                "the ids of an account and of an access configuration are letters, digits, - and _",
            );
            return Err(error.with_code("LoginIdInvalid"));
        }
        let Target { sign_in_url, profile, region } = &self.target;
        let text = |text: &str| LoginValue::Text(Zeroizing::new(text.to_owned()));
        let mut members = vec![
            ("cloud_sso_sign_in_url", text(sign_in_url)),
            ("cloud_sso_account_id", text(account)),
            ("cloud_sso_access_config", text(access_config)),
            ("access_token", LoginValue::Text(self.access_token.clone())),
            ("cloud_sso_access_token_expire", LoginValue::Number(self.expires)),
        ];
        members.extend(region.as_ref().map(|region| ("region_id", text(region))));
        let path = self.file.write_login(profile, "CloudSSO", members).await?;
        Ok(LoggedIn::new(profile, path, self.expires))
    }

    /// Reads a list to its end, page by page.
    async fn list(&self, path: &str, query: &str, list: &str, members: [&str; 2]) -> Result<Vec<Assignment>, Error> {
        let (mut found, mut next) = (Vec::new(), String::new());
        for _ in 0..PAGES {
            let query = format!("?{query}MaxResults=100{next}");
            let request = ServiceRequest {
                query: &query,
                bearer: Some(&self.access_token),
                ..ServiceRequest::get(&self.endpoint, path)
            };
            let page = request.read(None, &request.send(&self.context).await?)?;
            let entries = page[list].as_array().ok_or_else(|| request.without(list))?;
            let text = |entry: &Value, member: &str| entry[member].as_str().map(shown).unwrap_or_default();
            let assignment = |entry| Assignment { id: text(entry, members[0]), name: text(entry, members[1]) };
            found.extend(entries.iter().map(assignment).filter(|entry| is_id(&entry.id)));
            let token = page["NextToken"].as_str().filter(|token| !token.is_empty());
            let Some(token) = token.filter(|_| page["IsTruncated"] == true) else { return Ok(found) };
            let token = form_urlencoded::Serializer::new(String::new()).append_pair("NextToken", token).finish();
            next = format!("&{token}");
        }
        Ok(found)
    }
}

fn is_id(text: &str) -> bool {
    (1..=128).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte))
}
