//! The `aliyun` CLI's config.json: bytes in, typed profiles out.

use std::time::{Duration, SystemTime};

use serde::{Deserialize, Deserializer};

use crate::credentials::Credentials;
use crate::error::Error;
use crate::sts::{AssumeRole, ProfileEndpoint};

/// A whole file.
#[derive(Default, Deserialize)]
pub(crate) struct Config {
    #[serde(default, deserialize_with = "text")]
    current: Option<String>,
    #[serde(default, deserialize_with = "or_default")]
    profiles: Vec<Profile>,
}

/// One profile. Zero, empty and `false` are what SDKs write for a key they do not use, so they count as unset.
#[derive(Default, Deserialize)]
#[serde(default)]
pub(crate) struct Profile {
    #[serde(deserialize_with = "text")]
    name: Option<String>,
    #[serde(deserialize_with = "text")]
    mode: Option<String>,
    #[serde(deserialize_with = "text")]
    access_key_id: Option<String>,
    #[serde(deserialize_with = "text")]
    access_key_secret: Option<String>,
    #[serde(deserialize_with = "text")]
    sts_token: Option<String>,
    #[serde(deserialize_with = "or_default")]
    sts_expiration: i64,
    #[serde(deserialize_with = "text")]
    ram_role_arn: Option<String>,
    #[serde(deserialize_with = "text")]
    ram_session_name: Option<String>,
    #[serde(deserialize_with = "text")]
    external_id: Option<String>,
    #[serde(deserialize_with = "text")]
    policy: Option<String>,
    #[serde(deserialize_with = "or_default")]
    expired_seconds: u64,
    #[serde(deserialize_with = "text")]
    sts_region: Option<String>,
    #[serde(deserialize_with = "text")]
    sts_endpoint: Option<String>,
    #[serde(deserialize_with = "or_default")]
    enable_vpc: bool,
}

fn or_default<'de, D: Deserializer<'de>, T: Deserialize<'de> + Default>(from: D) -> Result<T, D::Error> {
    Ok(Option::<T>::deserialize(from)?.unwrap_or_default())
}

fn text<'de, D: Deserializer<'de>>(from: D) -> Result<Option<String>, D::Error> {
    let value = Option::<String>::deserialize(from)?.map(|value| value.trim().to_owned());
    Ok(value.filter(|value| !value.is_empty()))
}

/// What a profile gives.
pub(crate) enum Source {
    Keys(Credentials),
    Role { keys: Credentials, role: AssumeRole, endpoint: ProfileEndpoint },
}

impl std::fmt::Debug for Source {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Keys(keys) => f.debug_tuple("Keys").field(keys).finish(),
            Self::Role { keys, role, .. } => f.debug_tuple("Role").field(keys).field(role).finish(),
        }
    }
}

/// What the environment fills into a role profile that leaves it empty.
#[derive(Debug, Default)]
pub(crate) struct Fill {
    pub(crate) role_arn: Option<String>,
    pub(crate) external_id: Option<String>,
}

/// A profile's name, and whether anyone asked for it by that name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Chosen {
    pub(crate) name: String,
    pub(crate) named: bool,
}

impl Config {
    /// Reads the file. Errors name line and column, never what stands there.
    pub(crate) fn parse(bytes: &[u8]) -> Result<Self, Error> {
        let wrong = |message: String| Error::failed(message).with_code("ConfigMalformed").permanent();
        let text = match bytes {
            [0xff, 0xfe, ..] | [0xfe, 0xff, ..] => {
                return Err(wrong("is UTF-16".to_owned()).with_remedy("save it as UTF-8"));
            }
            [0xef, 0xbb, 0xbf, rest @ ..] => rest,
            other => other,
        };
        let text = std::str::from_utf8(text).map_err(|error| {
            wrong(format!("is not UTF-8 from byte {}", error.valid_up_to())).with_remedy("save it as UTF-8")
        })?;
        if text.trim().is_empty() {
            return Err(wrong("is empty".to_owned()).with_remedy("delete it, or write it anew by `aliyun configure`"));
        }
        serde_json::from_str(text).map_err(|error| {
            let what = match error.classify() {
                serde_json::error::Category::Eof => "ends too early",
                serde_json::error::Category::Data => "holds a value of the wrong type",
                _ => "is not JSON",
            };
            wrong(format!("{what} (line {}, column {})", error.line(), error.column()))
                .with_remedy("mend it, or write it anew by `aliyun configure`")
        })
    }

    /// Which profile: the one that was asked for, else `current`, else `default`.
    pub(crate) fn choose(&self, asked_for: Option<&str>) -> Chosen {
        match asked_for {
            Some(name) => Chosen { name: name.to_owned(), named: true },
            None => Chosen { name: self.current.clone().unwrap_or_else(|| "default".to_owned()), named: false },
        }
    }

    /// The first profile of that name; names are case-sensitive.
    pub(crate) fn profile(&self, name: &str) -> Option<&Profile> {
        self.profiles.iter().find(|profile| profile.name.as_deref() == Some(name))
    }

    pub(crate) fn has_current(&self) -> bool {
        self.current.is_some()
    }

    pub(crate) fn names(&self) -> Vec<&str> {
        self.profiles.iter().filter_map(|profile| profile.name.as_deref()).collect()
    }
}

impl Profile {
    /// What the profile gives. `chosen` decides whether an empty one is an error.
    pub(crate) fn source(&self, chosen: &Chosen, fill: Fill) -> Result<Source, Error> {
        match self.mode() {
            "AK" => self.keys(chosen, false).map(Source::Keys),
            "StsToken" => self.keys(chosen, true).map(Source::Keys),
            "RamRoleArn" => self.role(chosen, fill),
            mode @ ("ChainableRamRoleArn"
            | "RamRoleArnWithRoleName"
            | "EcsRamRole"
            | "OIDC"
            | "External"
            | "CredentialsURI"
            | "CloudSSO"
            | "OAuth") => {
                let error = Error::failed(format!("has mode {mode}, which this version of the crate cannot read yet"));
                Err(error.with_code("NotYetSupported").with_remedy("use mode AK, StsToken or RamRoleArn").permanent())
            }
            mode => {
                let shown: String = mode.chars().filter(|c| !c.is_control()).take(40).collect();
                let error = Error::failed(format!("has mode {shown}, which gives no AccessKey pair"));
                Err(error.with_code("UnsupportedMode").with_remedy("use mode AK, StsToken or RamRoleArn").permanent())
            }
        }
    }

    /// The mode, or where none is written the one that the CLI would see.
    fn mode(&self) -> &str {
        match &self.mode {
            Some(mode) => mode,
            None if self.ram_role_arn.is_some() => "RamRoleArn",
            None if self.sts_token.is_some() => "StsToken",
            None => "AK",
        }
    }

    fn keys(&self, chosen: &Chosen, with_token: bool) -> Result<Credentials, Error> {
        let fields = [
            ("access_key_id", &self.access_key_id, true),
            ("access_key_secret", &self.access_key_secret, true),
            ("sts_token", &self.sts_token, with_token),
        ];
        let unset: Vec<&str> =
            fields.iter().filter(|(_, value, needed)| *needed && value.is_none()).map(|(name, ..)| *name).collect();
        if fields.iter().all(|(_, value, needed)| !*needed || value.is_none()) && !chosen.named {
            return Err(Error::not_configured("has no credentials in it"));
        }
        let half_set =
            |what: String| Error::failed(what).with_code("HalfSet").with_remedy("run `aliyun configure`").permanent();
        let (Some(id), Some(secret)) = (&self.access_key_id, &self.access_key_secret) else {
            return Err(half_set(format!("lacks {}", unset.join(" and "))));
        };
        if !unset.is_empty() {
            return Err(half_set(format!("lacks {}", unset.join(" and "))));
        }
        let keys = Credentials::new(id, secret);
        match &self.sts_token {
            Some(token) if with_token || self.mode() == "RamRoleArn" => {
                let keys = keys.with_security_token(token).with_provider_name("static_sts");
                Ok(match u64::try_from(self.sts_expiration) {
                    Ok(seconds) if seconds > 0 => {
                        keys.with_expiration(SystemTime::UNIX_EPOCH + Duration::from_secs(seconds))
                    }
                    _ => keys,
                })
            }
            _ if id.starts_with("STS.") => {
                Err(half_set("has a temporary access_key_id (STS.…) and lacks sts_token".to_owned()))
            }
            _ => Ok(keys.with_provider_name("static_ak")),
        }
    }

    fn role(&self, chosen: &Chosen, fill: Fill) -> Result<Source, Error> {
        let keys = self.keys(chosen, false)?;
        let Some(arn) = self.ram_role_arn.clone().or(fill.role_arn) else {
            let error = Error::failed("lacks ram_role_arn, and ALIBABA_CLOUD_ROLE_ARN is unset");
            return Err(error.with_code("HalfSet").with_remedy("run `aliyun configure`").permanent());
        };
        let mut role = AssumeRole::new(arn);
        role.session_name = self.ram_session_name.clone();
        role.external_id = self.external_id.clone().or(fill.external_id);
        role.policy = self.policy.clone();
        if self.expired_seconds > 0 {
            role = role.duration(Duration::from_secs(self.expired_seconds));
        }
        let endpoint = ProfileEndpoint {
            endpoint: self.sts_endpoint.clone(),
            region: self.sts_region.clone(),
            vpc: self.enable_vpc,
        };
        Ok(Source::Role { keys, role, endpoint })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source(json: &str, asked_for: Option<&str>) -> Result<Source, Error> {
        let config = Config::parse(json.as_bytes())?;
        let chosen = config.choose(asked_for);
        config.profile(&chosen.name).unwrap().source(&chosen, Fill::default())
    }

    fn one(fields: &str) -> Result<Source, Error> {
        source(&format!(r#"{{"profiles":[{{"name":"default",{fields}}}]}}"#), None)
    }

    #[test]
    fn bad_files_are_named_by_place_and_not_by_content() {
        let parse = |bytes: &[u8]| Config::parse(bytes).err().unwrap().to_string();
        assert!(parse(b"").contains("is empty"));
        assert!(parse(b" \n").contains("is empty"));
        assert!(parse(b"\xff\xfe{\0}\0").contains("UTF-16"));
        assert!(parse(b"{\"a\": \"\xc3\"}").contains("not UTF-8 from byte 7"));
        assert!(parse(b"{\"profiles\": [{\"access_key_secret\": \"s3cr3t\"").contains("ends too early (line 1"));
        for text in
            [&b"{\"profiles\": [{\"access_key_secret\": 12345678}]}"[..], b"{\"profiles\": \"s3cr3t\"}", b"s3cr3t"]
        {
            let error = parse(text);
            assert!(error.contains("line 1") && !error.contains("s3cr3t") && !error.contains("12345678"), "{error}");
        }
    }

    #[test]
    fn a_byte_order_mark_nulls_and_what_sdks_write_for_unused_keys_are_read() {
        let text = "\u{feff}{\"current\":\"a\",\"profiles\":[{\"name\":\"a\",\"mode\":\"AK\",\"access_key_id\":\"i\",\
                    \"access_key_secret\":\"s\",\"sts_token\":\"\",\"expired_seconds\":0,\"enable_vpc\":false,\
                    \"ram_role_arn\":null,\"unknown\":[1]}]}";
        assert!(matches!(source(text, None), Ok(Source::Keys(keys)) if keys.access_key_id() == "i"));
    }

    #[test]
    fn each_mode_needs_its_fields() {
        let code = |fields: &str| one(fields).err().map(|error| error.code().unwrap_or("NotConfigured").to_owned());
        let keys = r#""access_key_id":"i","access_key_secret":"s""#;
        assert_eq!(code(&format!(r#""mode":"AK",{keys}"#)), None);
        assert_eq!(code(r#""mode":"AK","access_key_id":"i""#).as_deref(), Some("HalfSet"));
        assert_eq!(code(r#""mode":"AK","access_key_id":"","access_key_secret":"""#).as_deref(), Some("NotConfigured"));
        assert_eq!(code(&format!(r#""mode":"StsToken",{keys}"#)).as_deref(), Some("HalfSet"));
        assert_eq!(code(&format!(r#""mode":"StsToken",{keys},"sts_token":"t""#)), None);
        assert_eq!(code(r#""mode":"AK","access_key_id":"STS.i","access_key_secret":"s""#).as_deref(), Some("HalfSet"));
        assert_eq!(code(&format!(r#""mode":"RamRoleArn",{keys}"#)).as_deref(), Some("HalfSet"));
        assert_eq!(code(&format!(r#""mode":"RamRoleArn",{keys},"ram_role_arn":"acs:ram::1:role/a""#)), None);
        assert_eq!(code(r#""mode":"OIDC""#).as_deref(), Some("NotYetSupported"));
        assert_eq!(code(r#""mode":"BearerToken""#).as_deref(), Some("UnsupportedMode"));
    }

    #[test]
    fn a_role_profile_uses_its_token_and_its_settings() {
        let fields = r#""mode":"RamRoleArn","access_key_id":"STS.i","access_key_secret":"s","sts_token":"t",
            "ram_role_arn":"acs:ram::1:role/a","expired_seconds":900,"sts_region":"cn-x","external_id":"e1""#;
        let Ok(Source::Role { keys, role, endpoint }) = one(fields) else { panic!() };
        assert_eq!((keys.security_token(), keys.provider_name()), (Some("t"), "static_sts"));
        assert_eq!((role.duration_seconds(), role.external_id.as_deref()), (900, Some("e1")));
        assert_eq!(endpoint.region.as_deref(), Some("cn-x"));
    }
}
