//! The source that a profile of config.json describes, by its mode, over other profiles where it chains.

use std::time::{Duration, SystemTime};

use super::mode::Mode;
use super::{Config, Profile, list};
use crate::call_settings::CallSettings;
use crate::credentials::Credentials;
use crate::error::{Error, ErrorKind};
#[cfg(feature = "process")]
use crate::profile::command;
#[cfg(not(all(feature = "process", feature = "rsa-key-pair")))]
use crate::profile::lacks_feature;
use crate::profile::{EnvDefaults, ProfileFormat, Selected, Source, half_set, keys};
#[cfg(feature = "rsa-key-pair")]
use crate::profile::{KeyPair, PrivateKey};
use crate::redact::{shorten, shown};
use crate::sts::{AssumeRole, ProfileEndpoint};
use crate::time;

/// Roles may chain, but a file that chains more of them than this was not written on purpose.
const ROLES: usize = 10;

impl Config {
    pub(super) fn resolve_chain(
        &self,
        selected: &Selected,
        path: &str,
        defaults: &EnvDefaults,
        above: &mut Vec<String>,
    ) -> Result<Source, Error> {
        let shown_name = shown(&selected.name);
        let place = format!("profile `{shown_name}` of {path}");
        let at = |error: Error| error.map_message(|message| format!("{place} {message}"));
        let circle = above.contains(&selected.name);
        above.push(selected.name.clone());
        if circle || above.len() > ROLES + 1 {
            let names: Vec<String> = above.iter().map(|name| shown(name)).collect();
            let what = if circle { "is its own source" } else { "chains too many roles" };
            let error = Error::failed(format!("{what}: {}", names.join(" → "))).with_code("SourceProfileCycle");
            return Err(at(error.permanent().with_remedy("let source_profile lead to a profile with keys")));
        }
        let Some(profile) = self.profile(&selected.name) else {
            let error = Error::failed(format!("is not there; the file has {}", list(&self.names())));
            return Err(at(error.with_code("ProfileNotFound").permanent()));
        };
        if profile.mode().map_err(at)? != Some(Mode::ChainableRamRoleArn) {
            return profile.source(selected, &place, defaults).map_err(at);
        }
        let Some(source) = profile.source_profile.clone() else {
            return Err(at(half_set("lacks source_profile".to_owned())));
        };
        let role = profile.role(defaults).map_err(at)?;
        let source = self.resolve_chain(&Selected { name: source, named: true }, path, defaults, above)?;
        Ok(Source::Role { source: Box::new(source), role, endpoint: profile.endpoint() })
    }
}

impl Profile {
    /// Returns the source that the profile describes by itself. `selected` decides whether an empty one is an error; `place` names
    /// profile and file.
    fn source(&self, selected: &Selected, place: &str, defaults: &EnvDefaults) -> Result<Source, Error> {
        let Some(mode) = self.mode()? else { return self.unrecognised(selected, defaults) };
        let keys = |needs_token: bool| {
            let takes_token = needs_token || mode != Mode::Ak;
            self.keys(selected, defaults, needs_token, takes_token)
        };
        let source = match mode {
            Mode::Ak => return keys(false).map(Source::from),
            Mode::StsToken => return keys(true).map(Source::from),
            Mode::Oidc => return self.oidc(defaults),
            Mode::EcsRamRole => return Ok(Source::EcsRamRole { role_name: self.ram_role_name.clone() }),
            Mode::CredentialsUri => {
                let url = self.credentials_uri.clone();
                return Ok(Source::CredentialsUri {
                    url: url.ok_or_else(|| half_set("lacks credentials_uri".to_owned()))?,
                });
            }
            Mode::External => return self.process(place),
            Mode::OAuth => return self.oauth(&selected.name).map(|login| Source::Login(Box::new(login))),
            Mode::CloudSso => return self.cloud_sso(&selected.name).map(|login| Source::Login(Box::new(login))),
            Mode::RamRoleArn => keys(false)?.into(),
            Mode::RamRoleArnWithRoleName => Source::EcsRamRole { role_name: self.ram_role_name.clone() },
            // Its source is another profile.
            Mode::ChainableRamRoleArn => return Err(half_set("lacks source_profile".to_owned())),
            Mode::RsaKeyPair => return self.key_pair(),
            Mode::BearerToken | Mode::Anonymous => return Err(mode.unsupported()),
        };
        Ok(Source::Role { source: Box::new(source), role: self.role(defaults)?, endpoint: self.endpoint() })
    }

    /// Returns the source, or the error, of a profile in which the CLI sees no mode: it is empty, or half set.
    fn unrecognised(&self, selected: &Selected, defaults: &EnvDefaults) -> Result<Source, Error> {
        let of_another_mode = [
            (Mode::ChainableRamRoleArn, "source_profile", self.source_profile.is_some()),
            (Mode::OAuth, "oauth_access_token", self.oauth_access_token.is_some()),
            (Mode::OAuth, "oauth_refresh_token", self.oauth_refresh_token.is_some()),
            (Mode::CredentialsUri, "credentials_uri", self.credentials_uri.is_some()),
            (Mode::RsaKeyPair, "private_key", self.private_key.is_some()),
            (Mode::RsaKeyPair, "key_pair_name", self.key_pair_name.is_some()),
        ];
        if self.access_key_id.is_none() && self.access_key_secret.is_none() {
            // The CLI fills an empty role ARN before it looks.
            if self.oidc_provider_arn.is_some() || self.oidc_token_file.is_some() {
                return self.oidc(defaults);
            }
            if let Some((mode, member, _)) = of_another_mode.iter().find(|(.., is_set)| *is_set) {
                let error = half_set(format!("has {member} and lacks mode"));
                return Err(error.with_remedy(format!("write mode {}, if that is meant", mode.name())));
            }
        }
        self.keys(selected, defaults, false, true).map(Source::from)
    }

    #[cfg(feature = "process")]
    fn process(&self, place: &str) -> Result<Source, Error> {
        let command = self.process_command.as_ref().ok_or_else(|| half_set("lacks process_command".to_owned()))?;
        let argv = command::split(command, command::Rules::native())?;
        Ok(Source::Process { argv, place: place.to_owned() })
    }

    #[cfg(not(feature = "process"))]
    fn process(&self, _place: &str) -> Result<Source, Error> {
        Err(lacks_feature("mode External", "process"))
    }

    #[cfg(feature = "rsa-key-pair")]
    fn key_pair(&self) -> Result<Source, Error> {
        let key = self.private_key.clone().map(PrivateKey::Here);
        let pair = KeyPair::new(self.key_pair_name.as_ref(), key, ["key_pair_name", "private_key"])?;
        let seconds = Some(self.expired_seconds).filter(|seconds| *seconds > 0);
        let duration = seconds.map(Duration::from_secs);
        Ok(Source::RsaKeyPair(Box::new(KeyPair { duration, endpoint: self.endpoint(), ..pair })))
    }

    #[cfg(not(feature = "rsa-key-pair"))]
    fn key_pair(&self) -> Result<Source, Error> {
        Err(lacks_feature("mode RsaKeyPair", "rsa-key-pair"))
    }

    fn oidc(&self, defaults: &EnvDefaults) -> Result<Source, Error> {
        match (&self.oidc_provider_arn, &self.oidc_token_file) {
            (Some(provider_arn), Some(token_file)) => Ok(Source::Oidc {
                provider_arn: provider_arn.clone(),
                token_file: token_file.clone(),
                role: self.role(defaults)?,
                endpoint: self.endpoint(),
            }),
            (None, _) => Err(half_set("lacks oidc_provider_arn".to_owned())),
            (_, None) => Err(half_set("lacks oidc_token_file".to_owned())),
        }
    }

    fn keys(
        &self,
        selected: &Selected,
        defaults: &EnvDefaults,
        needs_token: bool,
        takes_token: bool,
    ) -> Result<Credentials, Error> {
        let (id, secret, token) =
            (self.access_key_id.as_ref(), self.access_key_secret.as_deref(), self.sts_token.as_deref());
        let empty = id.is_none() && secret.is_none() && token.is_none() && self.ram_role_arn.is_none();
        if empty && !selected.named {
            return Err(Error::not_configured("has no credentials in it"));
        }
        if !takes_token && token.is_some() && id.is_some_and(|id| id.starts_with("STS.")) {
            let error = half_set("holds a session (STS.…) under mode AK, not StsToken".to_owned());
            return Err(error.with_remedy("write mode StsToken"));
        }
        let names = ["access_key_id", "access_key_secret", "sts_token"];
        let keys = keys(id, secret, token.filter(|_| takes_token), names, needs_token)?;
        let seconds = u64::try_from(self.sts_expiration).ok().filter(|seconds| *seconds > 0);
        // An end beyond all clocks is none.
        let end = seconds.and_then(|seconds| SystemTime::UNIX_EPOCH.checked_add(Duration::from_secs(seconds)));
        let Some(end) = end.filter(|_| keys.security_token().is_some()) else { return Ok(keys) };
        if defaults.now.is_some_and(|now| end <= now) {
            let message = format!(
                "holds a session (AccessKey ID {}) that expired already, at {} by its sts_expiration",
                shorten(keys.access_key_id()),
                time::to_iso(end)
            );
            let remedy = match keys.access_key_id().starts_with("STS.") {
                true => "write a new session, or use a mode that renews: RamRoleArn over a key, EcsRamRole, OIDC",
                // What another mode left behind.
                false => "delete sts_token and sts_expiration, if the AccessKey pair is a long-lived one",
            };
            return Err(Error::new(ErrorKind::Expired, message).with_code("ExpiredCredential").with_remedy(remedy));
        }
        Ok(keys.with_expiration(end))
    }

    fn role(&self, defaults: &EnvDefaults) -> Result<AssumeRole, Error> {
        let mut role = defaults.role(self.ram_role_arn.as_ref(), "ram_role_arn")?;
        role.session_name = self.ram_session_name.clone();
        role.external_id = self.external_id.clone().or(defaults.external_id.clone());
        if let Some(policy) = &self.policy {
            role = role.policy(policy);
        }
        Ok(if self.expired_seconds > 0 { role.duration(Duration::from_secs(self.expired_seconds)) } else { role })
    }

    pub(super) fn endpoint(&self) -> ProfileEndpoint {
        let (endpoint, region) = (self.sts_endpoint.clone(), self.sts_region.clone());
        let read_timeout = if self.read_timeout > 0 { self.read_timeout } else { self.retry_timeout };
        let calls = CallSettings::new(self.connect_timeout, read_timeout, self.retry_count);
        ProfileEndpoint { endpoint, region, vpc: self.enable_vpc, calls }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source_of(json: &str, asked_for: Option<&str>) -> Result<Source, Error> {
        let config = Config::parse(json.as_bytes())?;
        config.source(&Selected::new(asked_for, config.current()), "config.json", &EnvDefaults::default())
    }

    fn one(fields: &str) -> Result<Source, Error> {
        source_of(&format!(r#"{{"profiles":[{{"name":"default",{fields}}}]}}"#), None)
    }

    #[test]
    fn a_key_twice_is_called_that_and_one_in_capitals_is_another_key() {
        let twice = r#"{"profiles":[{"name":"a","mode":"AK","mode":"AK"}]}"#;
        assert!(Config::parse(twice.as_bytes()).err().unwrap().message().starts_with("has a key twice (line 1"));
        let error = one(r#""Mode":"AK","Access_Key_Id":"i","access_key_secret":"s""#).err().unwrap();
        assert!(error.message().contains("lacks access_key_id"), "{error}");
    }

    #[test]
    fn a_byte_order_mark_nulls_and_what_sdks_write_for_unused_keys_are_read() {
        let text = "\u{feff}{\"current\":\"a\",\"profiles\":[{\"name\":\"a\",\"mode\":\"AK\",\"access_key_id\":\"i\",\
                    \"access_key_secret\":\"s\",\"sts_token\":\"\",\"expired_seconds\":0,\"enable_vpc\":false,\
                    \"ram_role_arn\":null,\"unknown\":[1]}]}";
        assert!(matches!(source_of(text, None), Ok(Source::Keys(keys)) if keys.access_key_id() == "i"));
    }

    #[test]
    fn each_mode_needs_its_fields() {
        let keys = r#""access_key_id":"i","access_key_secret":"s""#;
        let arn = r#""ram_role_arn":"acs:ram::1:role/a""#;
        let table: [(String, &str); 33] = [
            (format!(r#""mode":"AK",{keys}"#), "ok"),
            (r#""mode":"AK","access_key_id":"i""#.into(), "HalfSet"),
            (r#""mode":"AK","access_key_id":"","access_key_secret":"""#.into(), "NotConfigured"),
            (r#""mode":"AK","access_key_id":"STS.i","access_key_secret":"s""#.into(), "HalfSet"),
            (format!(r#""mode":"StsToken",{keys}"#), "HalfSet"),
            (format!(r#""mode":"StsToken",{keys},"sts_token":"t""#), "ok"),
            (format!(r#""mode":"RamRoleArn",{keys}"#), "HalfSet"),
            (format!(r#""mode":"RamRoleArn",{arn}"#), "HalfSet"),
            (format!(r#""mode":"RamRoleArn",{keys},{arn}"#), "ok"),
            (format!(r#""mode":"ChainableRamRoleArn",{arn}"#), "HalfSet"),
            (format!(r#""mode":"ChainableRamRoleArn","source_profile":"b",{arn}"#), "ProfileNotFound"),
            (format!(r#""mode":"ChainableRamRoleArn","source_profile":"default",{arn}"#), "SourceProfileCycle"),
            (r#""mode":"EcsRamRole""#.into(), "ok"),
            (r#""mode":"RamRoleArnWithRoleName""#.into(), "HalfSet"),
            (format!(r#""mode":"OIDC",{arn},"oidc_provider_arn":"p","oidc_token_file":"/t""#), "ok"),
            (format!(r#""mode":"OIDC",{arn},"oidc_provider_arn":"p""#), "HalfSet"),
            (r#""mode":"CredentialsURI""#.into(), "HalfSet"),
            (r#""mode":"CredentialsURI","credentials_uri":"http://127.0.0.1/""#.into(), "ok"),
            (r#""mode":"External""#.into(), "HalfSet"),
            (r#""mode":"External","process_command":"cred get""#.into(), "ok"),
            (r#""mode":"External","process_command":"cred 'get""#.into(), "CommandMalformed"),
            (r#""mode":"OAuth""#.into(), "HalfSet"),
            (r#""mode":"OAuth","oauth_site_type":"EU","oauth_refresh_token":"t""#.into(), "UnknownSite"),
            (r#""mode":"OAuth","oauth_site_type":"cn""#.into(), "HalfSet"),
            (r#""mode":"OAuth","oauth_site_type":"INTL","oauth_refresh_token":"t""#.into(), "ok"),
            (r#""mode":"CloudSSO","cloud_sso_sign_in_url":"https://u","access_token":"t""#.into(), "HalfSet"),
            (r#""mode":"CloudSSO","cloud_sso_sign_in_url":"https://u","cloud_sso_account_id":"1","cloud_sso_access_config":"a""#.into(), "HalfSet"),
            (r#""mode":"CloudSSO","cloud_sso_sign_in_url":"https://u","cloud_sso_account_id":"1","cloud_sso_access_config":"a","access_token":"t""#.into(), "ok"),
            (r#""mode":"BearerToken""#.into(), "UnsupportedMode"),
            (r#""mode":"RsaKeyPair""#.into(), "HalfSet"),
            (r#""mode":"RsaKeyPair","private_key":"p""#.into(), "HalfSet"),
            (r#""mode":"RsaKeyPair","private_key":"p","key_pair_name":"<k>""#.into(), "Placeholder"),
            (r#""mode":"RsaKeyPair","private_key":"p","key_pair_name":"k""#.into(), "ok"),
        ];
        for (fields, expected) in table {
            let code = one(&fields).err().map(|error| error.code().unwrap_or("NotConfigured").to_owned());
            assert_eq!(code.as_deref().unwrap_or("ok"), expected, "{fields}");
        }
    }

    #[test]
    fn a_mode_that_gives_no_key_says_what_it_is_for() {
        for (mode, what) in [
            ("BearerToken", "has mode BearerToken, whose token goes into a header of calls that nobody signs"),
            ("Anonymous", "has mode Anonymous, which is for calls that need no credentials"),
        ] {
            let error = one(&format!(r#""mode":"{mode}","bearer_token":"s3cr3t""#)).err().unwrap();
            assert_eq!(error.code(), Some("UnsupportedMode"));
            assert!(error.message().contains(what) && !error.to_string().contains("s3cr3t"), "{error}");
            assert!(error.remedy().unwrap().contains("ALIBABA_CLOUD_PROFILE"), "{error}");
        }
    }

    #[test]
    fn a_misspelt_mode_is_told_the_right_spelling() {
        for (mode, remedy) in [
            ("ak", "write AK, if that is meant"),
            ("\\\"AK\\\"", "write AK, if that is meant"),
            ("ststoken", "write StsToken"),
            ("RAMROLEARN", "write RamRoleArn,"),
            ("AKSK", "correct the mode, as AK"),
            ("rsakeypair", "write RsaKeyPair,"),
        ] {
            let error = one(&format!(r#""mode":"{mode}","access_key_id":"i","access_key_secret":"s""#)).err().unwrap();
            assert_eq!(error.code(), Some("UnsupportedMode"));
            assert!(error.remedy().unwrap().contains(remedy), "{error}");
        }
    }

    #[test]
    fn a_profile_without_mode_is_what_the_cli_takes_it_for() {
        let pair = r#""access_key_id":"i","access_key_secret":"s""#;
        let (token, arn) = (r#""sts_token":"t""#, r#""ram_role_arn":"acs:ram::1:role/a""#);
        let name = r#""ram_role_name":"r""#;
        let rsa = r#""private_key":"p","key_pair_name":"k""#;
        let command = r#""process_command":"c""#;
        let oidc = r#""oidc_provider_arn":"p","oidc_token_file":"/t""#;
        let sso = r#""cloud_sso_sign_in_url":"https://u""#;
        let bearer = r#""bearer_token":"b""#;
        let table: [(&[&str], &str); 24] = [
            (&[pair, rsa, name, command, oidc, sso, bearer], "keys"),
            (&[pair, token, arn, name], "session"),
            (&[pair, arn, name, oidc], "role over keys"),
            (&[pair, r#""source_profile":"b""#, arn], "role over keys"),
            (&[rsa, name], "key pair"),
            (&[name, arn, command, oidc], "instance"),
            (&[name, r#""access_key_id":"i""#, token], "instance"),
            (&[command, arn, oidc, sso, bearer], "program"),
            (&[arn, oidc, sso], "oidc"),
            (&[arn, sso, bearer], "lacks cloud_sso_account_id and cloud_sso_access_config and access_token"),
            (&[bearer, arn], "has mode BearerToken"),
            // In what follows the CLI sees no mode, and all but the last are not nothing.
            (&[r#""access_key_id":"i""#], "lacks access_key_secret"),
            (&[r#""access_key_id":"STS.i""#, token], "lacks access_key_secret"),
            (&[r#""access_key_id":"i""#, oidc], "lacks access_key_secret"),
            (&[token], "lacks access_key_id and access_key_secret"),
            (&[arn], "lacks access_key_id and access_key_secret"),
            (&[oidc], "lacks ram_role_arn, and ALIBABA_CLOUD_ROLE_ARN is unset"),
            (&[r#""oidc_token_file":"/t""#, arn], "lacks oidc_provider_arn"),
            (&[r#""source_profile":"b""#, arn], "has source_profile and lacks mode"),
            (&[r#""credentials_uri":"http://127.0.0.1/""#], "has credentials_uri and lacks mode"),
            (&[r#""oauth_refresh_token":"t""#], "has oauth_refresh_token and lacks mode"),
            (&[r#""private_key":"p""#], "has private_key and lacks mode"),
            (&[r#""key_pair_name":"p""#], "has key_pair_name and lacks mode"),
            (&[r#""access_key_id":"","process_command":" ","bearer_token":null"#], "has no credentials in it"),
        ];
        for (members, expected) in table {
            let fields = members.join(",");
            let seen = match one(&fields) {
                Ok(Source::Keys(keys)) if keys.security_token().is_some() => "session".to_owned(),
                Ok(Source::Keys(_)) => "keys".to_owned(),
                Ok(Source::Role { source, .. }) if matches!(*source, Source::Keys(_)) => "role over keys".to_owned(),
                Ok(Source::EcsRamRole { .. }) => "instance".to_owned(),
                Ok(Source::Oidc { .. }) => "oidc".to_owned(),
                #[cfg(feature = "process")]
                Ok(Source::Process { .. }) => "program".to_owned(),
                #[cfg(feature = "rsa-key-pair")]
                Ok(Source::RsaKeyPair(_)) => "key pair".to_owned(),
                Ok(_) => "another".to_owned(),
                Err(error) => error.message().to_owned(),
            };
            assert!(seen.contains(expected), "{fields}: {seen}");
        }
    }

    #[test]
    fn a_role_profile_uses_its_token_and_its_settings() {
        let fields = r#""mode":"RamRoleArn","access_key_id":"STS.i","access_key_secret":"s","sts_token":"t",
            "ram_role_arn":"acs:ram::1:role/a","expired_seconds":900,"sts_region":"cn-x","external_id":"e1""#;
        let Ok(Source::Role { source, role, endpoint }) = one(fields) else { panic!() };
        assert!(matches!(*source, Source::Keys(keys) if keys.security_token() == Some("t")));
        assert_eq!((role.requested().as_secs(), role.external_id.as_deref()), (900, Some("e1")));
        assert_eq!(endpoint.region.as_deref(), Some("cn-x"));
    }

    fn chain_of(links: &[(&str, &str)]) -> String {
        let profiles: Vec<String> = links
            .iter()
            .map(|(name, source)| {
                let common = format!(r#""name":"{name}","ram_role_arn":"acs:ram::1:role/{name}""#);
                match *source {
                    "" => format!(r#"{{"name":"{name}","mode":"AK","access_key_id":"i","access_key_secret":"s"}}"#),
                    source => format!(r#"{{{common},"mode":"ChainableRamRoleArn","source_profile":"{source}"}}"#),
                }
            })
            .collect();
        format!(r#"{{"current":"a","profiles":[{}]}}"#, profiles.join(","))
    }

    #[test]
    fn roles_chain_and_circles_are_shown() {
        let Ok(Source::Role { source, role, .. }) = source_of(&chain_of(&[("a", "b"), ("b", "c"), ("c", "")]), None)
        else {
            panic!()
        };
        assert_eq!(role.role_arn(), "acs:ram::1:role/a");
        assert!(matches!(*source, Source::Role { ref role, .. } if role.role_arn() == "acs:ram::1:role/b"));
        let circle = source_of(&chain_of(&[("a", "b"), ("b", "c"), ("c", "a")]), None).err().unwrap();
        assert!(circle.message().contains("a → b → c → a"), "{circle}");
        let names: Vec<String> = (0..20).map(|n| format!("p{n}")).collect();
        let mut links: Vec<(&str, &str)> = names.windows(2).map(|pair| (pair[0].as_str(), pair[1].as_str())).collect();
        links.insert(0, ("a", "p0"));
        links.push(("p19", ""));
        assert!(source_of(&chain_of(&links), None).err().unwrap().message().contains("too many roles: a → p0 →"));
        let is_read = |roles: usize| {
            let mut links = links[..roles].to_vec();
            links[roles - 1].1 = "keys";
            links.push(("keys", ""));
            source_of(&chain_of(&links), None).is_ok()
        };
        assert_eq!((is_read(10), is_read(11)), (true, false));
    }
}
