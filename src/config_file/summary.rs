//! A profile as it may be shown.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::Value;

use super::members::{NUMBERS, PLAIN, is_known};
use crate::redact::{shorten, shown};

/// A profile of config.json, as it may be shown: its secrets are masked.
///
/// ```no_run
/// # async fn example() -> Result<(), alibabacloud_credentials::Error> {
/// let profiles = alibabacloud_credentials::ConfigFile::new().profiles().await?;
/// let current = profiles.iter().find(|profile| profile.is_current);
/// # Ok(()) }
/// ```
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct ProfileSummary {
    /// The name.
    pub name: String,
    /// The mode as the file has it, as `AK` or `OAuth`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mode: Option<String>,
    /// Set if the file chooses it (`current`).
    pub is_current: bool,
    /// The members that are set. Key ids are shortened, of a URL for credentials only scheme and host are kept, and `***` stands for
    /// every other text that is not known to be none of a secret.
    pub members: BTreeMap<String, Value>,
    /// Members that neither the `aliyun` CLI nor an SDK reads: typing errors, or what another tool keeps there.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub unknown_members: Vec<String>,
}

pub(super) fn summary(profile: &Value, current: Option<&str>) -> Option<ProfileSummary> {
    let name = profile["name"].as_str().filter(|name| !name.trim().is_empty())?;
    let mode = profile["mode"].as_str().map(str::trim).filter(|mode| !mode.is_empty());
    let object = profile.as_object()?;
    let unknown = object.keys().filter(|name| !is_known(name)).map(|name| shown(name));
    let members = object.iter().filter_map(|(name, value)| {
        let value = masked(name, value)?;
        Some((shown(name), value))
    });
    Some(ProfileSummary {
        name: name.to_owned(),
        mode: mode.map(shown),
        is_current: current == Some(name),
        members: members.filter(|(name, _)| name != "name" && name != "mode").collect(),
        unknown_members: unknown.collect(),
    })
}

/// A value as it may be shown; `None` if it is unset.
fn masked(name: &str, value: &Value) -> Option<Value> {
    let is_known = |value: &Value| value.is_boolean() || (value.is_number() && NUMBERS.contains(&name));
    match value {
        Value::String(text) if text.trim().is_empty() => None,
        Value::String(text) if PLAIN.contains(&name) => Some(Value::from(shown(text))),
        Value::String(text) if name == "access_key_id" => Some(Value::from(shorten(text))),
        Value::String(text) if name == "credentials_uri" => Some(Value::from(host(text))),
        Value::Null => None,
        Value::Number(number) if number.as_i64() == Some(0) => None,
        value if is_known(value) => Some(value.clone()),
        _ => Some(Value::from("***")),
    }
}

/// Scheme, host and port of a URL.
fn host(url: &str) -> String {
    let parsed = url.parse::<http::Uri>().ok();
    let parts = parsed.as_ref().and_then(|uri| Some((uri.scheme_str()?, uri.host()?, uri.port_u16())));
    match parts {
        Some((scheme, host, Some(port))) => format!("{scheme}://{host}:{port}/***"),
        Some((scheme, host, None)) => format!("{scheme}://{host}/***"),
        None => "***".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_a_profile_nothing_is_shown_that_may_be_a_secret() {
        let profile = serde_json::json!({
            "name": "dev", "mode": "OAuth", "access_key_id": "STS.NUgYrLnoC37mZZCNnAbez", "access_key_secret": "canary",
            "sts_token": "canary", "oauth_refresh_token": "canary", "region_id": "cn-hangzhou", "sts_expiration": 9,
            "credentials_uri": "https://user:canary@host:8443/canary?x=canary", "process_command": "get canary",
            "unknown": {"x": "canary"}, "other": ["canary"], "number": 5, "enable_vpc": true, "sts_region": "", "x": null,
        });
        let summary = summary(&profile, Some("dev")).unwrap();
        let text = format!("{summary:?} {}", serde_json::to_string(&summary).unwrap());
        assert!(!text.contains("canary") && !text.contains("NUgYrLno"), "{text}");
        assert!(summary.is_current && summary.members["region_id"] == "cn-hangzhou");
        assert_eq!(summary.members["credentials_uri"], "https://host:8443/***");
        assert_eq!(summary.members["number"], "***");
        assert_eq!(summary.unknown_members, ["number", "other", "unknown", "x"]);
        assert!(!summary.members.contains_key("sts_region") && !summary.members.contains_key("x"));
    }
}
