//! The `aliyun` CLI's config.json as a file: its keys, how it is read, and which profiles it has.

mod login;
mod mode;
mod source;

use std::fmt;
use std::marker::PhantomData;

use serde::de::value::MapAccessDeserializer;
use serde::de::{MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use zeroize::Zeroizing;

use super::{EnvDefaults, ProfileFormat, Selected, Source, malformed, text};
use crate::error::Error;
use crate::redact::shown;
use crate::sts::ProfileEndpoint;

/// A whole file.
#[derive(Default, Deserialize)]
#[serde(default)]
pub(crate) struct Config {
    #[serde(deserialize_with = "name")]
    current: Option<String>,
    #[serde(deserialize_with = "or_default")]
    profiles: Vec<Object<Profile>>,
}

/// One profile. Zero, empty and `false` are what SDKs write for a key they do not use, so they count as unset.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Profile {
    #[serde(deserialize_with = "name")]
    name: Option<String>,
    #[serde(deserialize_with = "trimmed")]
    mode: Option<String>,
    #[serde(deserialize_with = "trimmed")]
    access_key_id: Option<String>,
    #[serde(deserialize_with = "secret")]
    access_key_secret: Option<Zeroizing<String>>,
    #[serde(deserialize_with = "secret")]
    sts_token: Option<Zeroizing<String>>,
    #[serde(deserialize_with = "or_default")]
    sts_expiration: i64,
    #[serde(deserialize_with = "trimmed")]
    ram_role_name: Option<String>,
    #[serde(deserialize_with = "trimmed")]
    ram_role_arn: Option<String>,
    #[serde(deserialize_with = "trimmed")]
    ram_session_name: Option<String>,
    #[serde(deserialize_with = "name")]
    source_profile: Option<String>,
    #[serde(deserialize_with = "trimmed")]
    external_id: Option<String>,
    #[serde(deserialize_with = "trimmed")]
    policy: Option<String>,
    #[serde(deserialize_with = "or_default")]
    expired_seconds: u64,
    #[serde(deserialize_with = "trimmed")]
    oidc_provider_arn: Option<String>,
    #[serde(deserialize_with = "trimmed")]
    oidc_token_file: Option<String>,
    #[serde(deserialize_with = "trimmed")]
    credentials_uri: Option<String>,
    #[serde(deserialize_with = "trimmed")]
    sts_region: Option<String>,
    #[serde(deserialize_with = "trimmed")]
    region_id: Option<String>,
    #[serde(deserialize_with = "trimmed")]
    sts_endpoint: Option<String>,
    #[serde(deserialize_with = "or_default")]
    enable_vpc: bool,
    #[serde(deserialize_with = "setting")]
    connect_timeout: u64,
    #[serde(deserialize_with = "setting")]
    read_timeout: u64,
    /// The name that older versions of the CLI gave to `read_timeout`.
    #[serde(deserialize_with = "setting")]
    retry_timeout: u64,
    #[serde(deserialize_with = "setting")]
    retry_count: u64,
    #[serde(deserialize_with = "secret")]
    process_command: Option<Zeroizing<String>>,
    #[serde(deserialize_with = "trimmed")]
    cloud_sso_sign_in_url: Option<String>,
    #[serde(deserialize_with = "trimmed")]
    cloud_sso_account_id: Option<String>,
    #[serde(deserialize_with = "trimmed")]
    cloud_sso_access_config: Option<String>,
    #[serde(deserialize_with = "secret")]
    access_token: Option<Zeroizing<String>>,
    #[serde(deserialize_with = "or_default")]
    cloud_sso_access_token_expire: i64,
    #[serde(deserialize_with = "trimmed")]
    oauth_site_type: Option<String>,
    #[serde(deserialize_with = "secret")]
    oauth_access_token: Option<Zeroizing<String>>,
    #[serde(deserialize_with = "secret")]
    oauth_refresh_token: Option<Zeroizing<String>>,
    #[serde(deserialize_with = "or_default")]
    oauth_access_token_expire: i64,
    #[serde(deserialize_with = "secret")]
    private_key: Option<Zeroizing<String>>,
    #[serde(deserialize_with = "trimmed")]
    key_pair_name: Option<String>,
    // Of modes that give no key, only so much that they are recognised.
    #[serde(deserialize_with = "is_set")]
    bearer_token: bool,
}

/// A structure that is written as an object: serde would take a list for one too, and so a secret for a name.
struct Object<T>(T);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Object<T> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct OnlyMap<T>(PhantomData<T>);
        impl<'de, T: Deserialize<'de>> Visitor<'de> for OnlyMap<T> {
            type Value = Object<T>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Object<T>, A::Error> {
                T::deserialize(MapAccessDeserializer::new(map)).map(Object)
            }
        }
        from.deserialize_map(OnlyMap(PhantomData))
    }
}

fn or_default<'de, D: Deserializer<'de>, T: Deserialize<'de> + Default>(from: D) -> Result<T, D::Error> {
    Ok(Option::<T>::deserialize(from)?.unwrap_or_default())
}

/// A setting that no credential depends on: what is no count is unset.
fn setting<'de, D: Deserializer<'de>>(from: D) -> Result<u64, D::Error> {
    Ok(serde_json::Value::deserialize(from)?.as_u64().unwrap_or_default())
}

/// A profile's name, blanks around it included: two names that differ in these alone are two profiles.
fn name<'de, D: Deserializer<'de>>(from: D) -> Result<Option<String>, D::Error> {
    Ok(Option::<String>::deserialize(from)?.filter(|name| !name.trim().is_empty()))
}

fn trimmed<'de, D: Deserializer<'de>>(from: D) -> Result<Option<String>, D::Error> {
    Ok(secret(from)?.map(|value| value.to_string()))
}

fn secret<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Zeroizing<String>>, D::Error> {
    let whole = Option::<String>::deserialize(from)?.map(Zeroizing::new);
    let value = whole.map(|whole| Zeroizing::new(whole.trim().to_owned()));
    Ok(value.filter(|value| !value.is_empty()))
}

/// Reads whether there is a value, without keeping it.
fn is_set<'de, D: Deserializer<'de>>(from: D) -> Result<bool, D::Error> {
    secret(from).map(|value| value.is_some())
}

impl ProfileFormat for Config {
    fn parse(bytes: &[u8]) -> Result<Self, Error> {
        let text = text(bytes)?;
        if text.trim().is_empty() {
            let remedy = "delete it, or write it anew by `aliyun configure`";
            return Err(malformed("is empty".to_owned()).with_remedy(remedy));
        }
        let Object(config) = serde_json::from_str(text).map_err(|error| {
            // What is no JSON at all is called that, whatever was hoped for at its place.
            let error = serde_json::from_str::<serde::de::IgnoredAny>(text).err().unwrap_or(error);
            let what = match error.classify() {
                serde_json::error::Category::Eof => "ends too early",
                serde_json::error::Category::Data if error.to_string().starts_with("duplicate field") => {
                    "has a key twice"
                }
                serde_json::error::Category::Data => "holds a value of the wrong type",
                _ => "is not JSON",
            };
            malformed(format!("{what} (line {}, column {})", error.line(), error.column()))
                .with_remedy("mend it, or write it anew by `aliyun configure`")
        })?;
        Ok(config)
    }

    fn current(&self) -> Option<&str> {
        self.current.as_deref()
    }

    fn has(&self, name: &str) -> bool {
        self.profile(name).is_some()
    }

    fn names(&self) -> Vec<String> {
        self.profiles.iter().filter_map(|Object(profile)| profile.name.as_deref().map(shown)).collect()
    }

    fn source(&self, selected: &Selected, path: &str, defaults: &EnvDefaults) -> Result<Source, Error> {
        self.resolve_chain(selected, path, defaults, &mut Vec::new())
    }

    /// The region for products, else for STS.
    fn sts_settings(&self, name: &str) -> (Option<&str>, Option<ProfileEndpoint>) {
        let Some(profile) = self.profile(name) else { return (None, None) };
        (profile.region_id.as_deref().or(profile.sts_region.as_deref()), Some(profile.endpoint()))
    }
}

impl Config {
    /// The first profile of that name; names are case-sensitive.
    fn profile(&self, name: &str) -> Option<&Profile> {
        self.profiles.iter().map(|Object(profile)| profile).find(|profile| profile.name.as_deref() == Some(name))
    }
}

/// Names in a sentence: as many as anyone reads, and those with blanks around them in quotes.
pub(crate) fn list(names: &[String]) -> String {
    const SHOWN: usize = 12;
    if names.is_empty() {
        return "no profiles".to_owned();
    }
    let quoted = |name: &String| if name.trim() == name { name.clone() } else { format!("{name:?}") };
    let named = names.iter().take(SHOWN).map(quoted).collect::<Vec<_>>().join(", ");
    match names.len().saturating_sub(SHOWN) {
        0 => format!("the profiles {named}"),
        more => format!("the profiles {named} and {more} more"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_more_names_are_listed_than_anyone_reads() {
        let names: Vec<String> = (0..20_000).map(|n| format!("profile-{n}")).collect();
        let listed = list(&names);
        assert!(listed.len() < 250 && listed.ends_with("profile-11 and 19988 more"), "{listed}");
        assert_eq!(list(&["prod ".to_owned(), "prod".to_owned()]), "the profiles \"prod \", prod");
        let config = Config::parse(br#"{"profiles":[{"name":"prod "},{"name":"prod"}]}"#).unwrap();
        assert!(config.has("prod ") && config.has("prod") && !config.has("prod  "));
    }

    #[test]
    fn bad_files_are_named_by_place_and_not_by_content() {
        let parse = |bytes: &[u8]| Config::parse(bytes).err().unwrap().to_string();
        assert!(parse(b"").contains("is empty"));
        assert!(parse(b" \n").contains("is empty"));
        assert!(parse(b"\xff\xfe{\0}\0").contains("UTF-16"));
        assert!(parse(b"{\"a\": \"\xc3\"}").contains("not UTF-8 from byte 7"));
        assert!(parse(b"{\"profiles\": [{\"access_key_secret\": \"s3cr3t\"").contains("ends too early (line 1"));
        let texts = [
            &b"{\"profiles\": [{\"access_key_secret\": 12345678}]}"[..],
            b"{\"profiles\": \"s3cr3t\"}",
            b"[\"s3cr3t\"]",
            b"{\"profiles\": [[\"default\", \"AK\", \"id\", \"s3cr3t\"]]}",
            b"s3cr3t",
            b"{\"profiles\": [{\"access_key_secret\": \"a\", \"access_key_secret\": \"s3cr3t\"}]}",
        ];
        for text in texts {
            let error = parse(text);
            assert!(error.contains("line 1") && !error.contains("s3cr3t") && !error.contains("12345678"), "{error}");
        }
    }
}
