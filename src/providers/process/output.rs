//! The JSON that a program prints: keys, perhaps with a role to be assumed with them.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::Value;

use crate::context::Context;
use crate::credentials::Credentials;
use crate::error::{Error, ErrorKind};
use crate::key_characters;
use crate::redact::shown;
use crate::rpc;
use crate::sts::{AssumeRole, ProfileEndpoint};
use crate::time;
use crate::validity::{self, Arrival, Issuer};

pub(super) struct Output {
    pub(super) keys: Credentials,
    /// The role that is assumed with the keys.
    pub(super) role: Option<(AssumeRole, ProfileEndpoint)>,
}

/// The members by their names in small letters, as the CLI reads them.
struct Members<'a>(BTreeMap<String, Value>, &'a str);

/// Reads what `place` printed. What is wrong with it is named, never shown.
pub(super) fn read(stdout: &[u8], place: &str, context: &Context) -> Result<Output, Error> {
    let members = Members::parse(stdout, place)?;
    let mode = members.text("mode")?.unwrap_or_default();
    if !["", "AK", "StsToken", "RamRoleArn"].contains(&mode) {
        let message = format!("{place} printed mode {}, which is none of AK, StsToken and RamRoleArn", shown(mode));
        return Err(Error::failed(message).with_code("UnsupportedMode").permanent());
    }
    let (id, secret) = (members.required("access_key_id")?, members.required("access_key_secret")?);
    let token = members.text("sts_token")?;
    if token.is_none() && (mode == "StsToken" || id.starts_with("STS.")) {
        return Err(members.without("sts_token"));
    }
    for (name, value) in [("access_key_id", Some(id)), ("access_key_secret", Some(secret)), ("sts_token", token)] {
        let what = format!("the {name} that {place} printed");
        value.map_or(Ok(()), |value| key_characters::check(&what, value))?;
    }
    let keys = Credentials::new(id, secret);
    let keys = match token {
        Some(token) => keys.with_security_token(token).with_provider_name("static_sts"),
        None => keys.with_provider_name("static_ak"),
    };
    let keys = match members.text("expiration")? {
        Some(expiration) => members.dated(keys, expiration, context)?,
        None => keys,
    };
    let role = (mode == "RamRoleArn").then(|| members.role()).transpose()?;
    Ok(Output { keys, role })
}

impl<'a> Members<'a> {
    fn parse(stdout: &[u8], place: &'a str) -> Result<Self, Error> {
        let wrong = |what: String| {
            Error::new(ErrorKind::InvalidResponse, format!("{place} printed {what}"))
                .with_code("InvalidResponse")
                .with_remedy("let it print one JSON object with access_key_id and access_key_secret on standard output")
        };
        let text = rpc::without_bom(stdout).trim_ascii();
        if text.is_empty() {
            return Err(wrong("nothing on standard output".to_owned()));
        }
        let value = serde_json::from_slice::<Value>(text).map_err(|error| {
            let what = match error.classify() {
                serde_json::error::Category::Eof => "JSON that breaks off",
                _ => "something that is not JSON",
            };
            wrong(format!("{what} at line {} column {}", error.line(), error.column()))
        })?;
        let Value::Object(object) = value else { return Err(wrong("JSON that is no object".to_owned())) };
        let mut members = BTreeMap::new();
        for (name, value) in object {
            let name = name.to_ascii_lowercase();
            if members.insert(name, value).is_some() {
                return Err(wrong("a member twice, in capitals and small letters".to_owned()));
            }
        }
        Ok(Self(members, place))
    }

    fn without(&self, what: &str) -> Error {
        Error::new(ErrorKind::InvalidResponse, format!("{} printed JSON without {what}", self.1))
            .with_code("InvalidResponse")
    }

    /// A text; absent, `null` and blank are all none.
    fn text(&self, name: &str) -> Result<Option<&str>, Error> {
        match self.0.get(name) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::String(text)) => Ok(Some(text.trim()).filter(|text| !text.is_empty())),
            Some(_) => Err(self.without(&format!("a string for {name}"))),
        }
    }

    fn required(&self, name: &str) -> Result<&str, Error> {
        self.text(name)?.ok_or_else(|| self.without(name))
    }

    fn owned(&self, name: &str) -> Result<Option<String>, Error> {
        Ok(self.text(name)?.map(str::to_owned))
    }

    /// The keys with what remains of them.
    fn dated(&self, keys: Credentials, expiration: &str, context: &Context) -> Result<Credentials, Error> {
        let expiration =
            time::parse_iso(expiration).ok_or_else(|| self.without("an expiration that is a time of RFC 3339"))?;
        let now = context.now().system_time();
        let arrival = Arrival { expiration, date: None, sent: now, now, took: Duration::ZERO };
        let Some(settled) = validity::settle(Issuer::Relay, arrival) else {
            let message = format!("{} printed a session that had ended, at {}", self.1, time::to_iso(expiration));
            let error = Error::new(ErrorKind::Expired, message).with_code("ExpiredCredential");
            return Err(error.with_remedy("let it print a session that is valid; check this machine's clock"));
        };
        let keys = keys.with_expiration(expiration);
        Ok(keys.with_left(context.boot_clock(), settled.left, settled.by_wall))
    }

    fn role(&self) -> Result<(AssumeRole, ProfileEndpoint), Error> {
        let mut role = AssumeRole::new(self.required("ram_role_arn")?);
        role.session_name = self.owned("ram_session_name")?;
        role.external_id = self.owned("external_id")?;
        if let Some(policy) = self.text("policy")? {
            role = role.policy(policy);
        }
        match self.0.get("expired_seconds") {
            None | Some(Value::Null) => {}
            Some(value) => match value.as_u64() {
                // What SDKs write for a member they do not use.
                Some(0) => {}
                Some(seconds) => role = role.duration(Duration::from_secs(seconds)),
                None => return Err(self.without("a whole number for expired_seconds")),
            },
        }
        let (endpoint, region) = (self.owned("sts_endpoint")?, self.owned("sts_region")?);
        Ok((role, ProfileEndpoint { endpoint, region, ..ProfileEndpoint::default() }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::context::TestClock;

    fn of(json: &str) -> Result<Output, Error> {
        let now = time::parse_iso("2026-01-02T03:00:00Z").unwrap();
        let context = Context::builder().env([("A", "a")]).clock(TestClock::new(now)).build();
        let read = read(json.as_bytes(), "`cred` given in code", &context);
        if let Err(error) = &read {
            assert!(!format!("{error:#} {error:?}").contains("s3cr3t"), "{error}");
        }
        read
    }

    const PAIR: &str = r#""access_key_id":"id","access_key_secret":"s3cr3t""#;

    #[test]
    fn keys_with_or_without_mode_token_and_expiration_are_read() {
        for (json, token) in [
            (format!("{{{PAIR}}}"), None),
            (format!("\u{feff} {{\"mode\":\"AK\",{PAIR},\"sts_token\":null,\"unknown\":[1]}}\n"), None),
            (format!("{{\"mode\":\"AK\",{PAIR},\"sts_token\":\"t\"}}"), Some("t")),
            (format!("{{\"Mode\":\"StsToken\",\"Sts_Token\":\" t \",{PAIR}}}"), Some("t")),
        ] {
            let output = of(&json).unwrap();
            assert_eq!((output.keys.access_key_id(), output.keys.security_token()), ("id", token), "{json}");
            assert!(output.role.is_none() && output.keys.expiration().is_none());
        }
        let dated = format!("{{{PAIR},\"sts_token\":\"t\",\"expiration\":\"2026-01-02T04:00:00Z\"}}");
        let keys = of(&dated).unwrap().keys;
        assert_eq!(keys.expiration(), time::parse_iso("2026-01-02T04:00:00Z"));
    }

    #[test]
    fn a_role_is_read_with_all_its_members() {
        let role = r#""ram_role_arn":"acs:ram::1:role/a","ram_session_name":"n","expired_seconds":900,
            "external_id":"e1","policy":"{}","sts_region":"cn-x","sts_endpoint":"h""#;
        let (role, endpoint) = of(&format!("{{\"mode\":\"RamRoleArn\",{PAIR},{role}}}")).unwrap().role.unwrap();
        assert_eq!((role.role_arn(), role.requested().as_secs()), ("acs:ram::1:role/a", 900));
        assert_eq!((role.session_name.as_deref(), role.external_id.as_deref()), (Some("n"), Some("e1")));
        assert_eq!((endpoint.region.as_deref(), endpoint.endpoint.as_deref()), (Some("cn-x"), Some("h")));
    }

    #[test]
    fn what_is_wrong_is_named_and_nothing_of_it_is_shown() {
        for (json, what) in [
            (String::new(), "printed nothing on standard output"),
            (" \n".to_owned(), "printed nothing on standard output"),
            ("s3cr3t".to_owned(), "something that is not JSON at line 1 column 1"),
            (format!("{{{PAIR}"), "JSON that breaks off at line 1"),
            (format!("{{{PAIR}}} s3cr3t"), "something that is not JSON"),
            ("[\"s3cr3t\"]".to_owned(), "JSON that is no object"),
            ("{\"access_key_id\":\"id\"}".to_owned(), "without access_key_secret"),
            ("{\"access_key_secret\":\"s3cr3t\",\"access_key_id\":\"\"}".to_owned(), "without access_key_id"),
            ("{\"access_key_id\":\"id\",\"access_key_secret\":7}".to_owned(), "a string for access_key_secret"),
            (format!("{{\"mode\":\"StsToken\",{PAIR}}}"), "without sts_token"),
            ("{\"access_key_id\":\"STS.id\",\"access_key_secret\":\"s3cr3t\"}".to_owned(), "without sts_token"),
            (format!("{{\"mode\":\"External\",{PAIR}}}"), "mode External, which is none of"),
            (format!("{{\"mode\":\"RamRoleArn\",{PAIR}}}"), "without ram_role_arn"),
            (format!("{{{PAIR},\"expiration\":\"soon\"}}"), "an expiration that is a time"),
            (format!("{{{PAIR},\"expiration\":1767323045}}"), "a string for expiration"),
            (format!("{{{PAIR},\"expiration\":\"2026-01-02T03:00:00Z\"}}"), "a session that had ended"),
            (format!("{{{PAIR},\"ACCESS_KEY_ID\":\"other\"}}"), "a member twice"),
            ("{\"access_key_id\":\"i d\",\"access_key_secret\":\"s3cr3t\"}".to_owned(), "holds a blank (character 2)"),
        ] {
            let error = of(&json).err().unwrap();
            assert!(error.message().contains(what), "{json}: {error}");
        }
    }
}
