//! The ini file of the SDKs, in the dialect that all of them can read.
//!
//! SDKs disagree about comments, quotes and interpolation; secrets hold `%`, `#`, `;`, `=`, `\`, spaces and quotes. So:
//! values are trimmed, lose the quotes around them, and are otherwise taken as they are; `#` and `;` begin a comment at the
//! start of a line or after white space; nothing is interpolated; of two values of one key the last one counts. Of two sections
//! with one name neither does: nobody knows which was meant, and their keys must not mix.

use zeroize::Zeroizing;

use super::{EnvDefaults, ProfileFormat, Selected, Source, half_set, keys, malformed, text};
#[cfg(feature = "rsa-key-pair")]
use super::{KeyPair, PrivateKey};
use crate::error::Error;
use crate::redact::shown;
use crate::sts::{AssumeRole, ProfileEndpoint};

/// A whole file: its sections, in order.
pub(crate) struct Ini {
    sections: Vec<Section>,
}

#[derive(Default)]
struct Section {
    name: String,
    /// The line in which it begins.
    line: usize,
    values: Vec<(String, Zeroizing<String>)>,
}

impl ProfileFormat for Ini {
    fn parse(bytes: &[u8]) -> Result<Self, Error> {
        let mut sections: Vec<Section> = Vec::new();
        for (at, line) in text(bytes)?.lines().enumerate() {
            let line = without_comment(line).trim();
            if line.is_empty() {
                continue;
            }
            let wrong = |what: &str| malformed(format!("{what} (line {})", at + 1)).with_remedy("mend that line");
            if let Some(rest) = line.strip_prefix('[') {
                let name = rest.strip_suffix(']').ok_or_else(|| wrong("has a section without its closing bracket"))?;
                sections.push(Section { name: name.trim().to_owned(), line: at + 1, values: Vec::new() });
                continue;
            }
            let (key, value) = line.split_once('=').ok_or_else(|| wrong("has a line that is no `key = value`"))?;
            let section = sections.last_mut().ok_or_else(|| wrong("has a value in front of the first section"))?;
            section.values.push((key.trim().to_ascii_lowercase(), Zeroizing::new(unquoted(value.trim()).to_owned())));
        }
        Ok(Self { sections })
    }

    fn has(&self, name: &str) -> bool {
        self.sections.iter().any(|section| section.name == name)
    }

    fn names(&self) -> Vec<String> {
        self.sections.iter().map(|section| shown(&section.name)).collect()
    }

    fn source(&self, selected: &Selected, path: &str, defaults: &EnvDefaults) -> Result<Source, Error> {
        let place = format!("section `{}` of {path}", shown(&selected.name));
        let at = |error: Error| error.map_message(|message| format!("{place} {message}"));
        let lines: Vec<String> = self
            .sections
            .iter()
            .filter(|found| found.name == selected.name)
            .map(|found| found.line.to_string())
            .collect();
        if lines.len() > 1 {
            let error = malformed(format!("stands there {} times (lines {})", lines.len(), lines.join(", ")));
            return Err(at(error.with_remedy("leave one of them, or give them different names")));
        }
        self.section(selected, defaults).map_err(at)
    }
}

impl Ini {
    /// The last value of that key in the section; an empty one is none.
    fn value(&self, section: &str, key: &str) -> Option<&String> {
        let section = self.sections.iter().find(|found| found.name == section);
        let values = section.into_iter().flat_map(|found| &found.values);
        values.filter(|(name, _)| name == key).map(|(_, value)| &**value).next_back().filter(|value| !value.is_empty())
    }

    fn section(&self, selected: &Selected, defaults: &EnvDefaults) -> Result<Source, Error> {
        let value = |key: &str| self.value(&selected.name, key);
        if value("enable").is_some_and(|enable| enable.eq_ignore_ascii_case("false")) {
            return Err(match selected.named {
                true => Error::failed("was asked for and has enable = false").with_code("ProfileDisabled").permanent(),
                false => Error::not_configured("has enable = false"),
            });
        }
        let pair = |needs_token: bool| {
            let (id, secret, token) = (value("access_key_id"), value("access_key_secret"), value("security_token"));
            let names = ["access_key_id", "access_key_secret", "security_token"];
            if !needs_token && token.is_some() && id.is_some_and(|id| id.starts_with("STS.")) {
                let error = half_set("holds a session (STS.…) under type access_key, not sts".to_owned());
                return Err(error.with_remedy("write type = sts"));
            }
            keys(id, secret, token.filter(|_| needs_token), names, needs_token)
        };
        let empty =
            self.sections.iter().filter(|found| found.name == selected.name).all(|found| found.values.is_empty());
        match value("type").map(String::as_str) {
            None if empty && !selected.named => Err(Error::not_configured("is empty")),
            None => Err(half_set("lacks type".to_owned())),
            Some("access_key") => pair(false).map(Source::from),
            Some("sts") => pair(true).map(Source::from),
            Some("ram_role_arn") => {
                let source = Box::new(pair(value("security_token").is_some())?.into());
                Ok(Source::Role { source, role: self.role(selected, defaults)?, endpoint: ProfileEndpoint::default() })
            }
            Some("ecs_ram_role") => Ok(Source::EcsRamRole { role_name: value("role_name").cloned() }),
            Some("oidc_role_arn") => match (value("oidc_provider_arn"), value("oidc_token_file_path")) {
                (Some(provider_arn), Some(token_file)) => Ok(Source::Oidc {
                    provider_arn: provider_arn.clone(),
                    token_file: token_file.clone(),
                    role: self.role(selected, defaults)?,
                    endpoint: ProfileEndpoint::default(),
                }),
                (None, _) => Err(half_set("lacks oidc_provider_arn".to_owned())),
                (_, None) => Err(half_set("lacks oidc_token_file_path".to_owned())),
            },
            #[cfg(feature = "rsa-key-pair")]
            Some("rsa_key_pair") => {
                let key = value("private_key_file").map(|path| PrivateKey::File(path.into()));
                let pair = KeyPair::new(value("public_key_id"), key, ["public_key_id", "private_key_file"])?;
                Ok(Source::RsaKeyPair(Box::new(pair)))
            }
            #[cfg(not(feature = "rsa-key-pair"))]
            Some("rsa_key_pair") => Err(super::lacks_feature("type rsa_key_pair", "rsa-key-pair")),
            Some(other) => {
                const TYPES: [&str; 6] =
                    ["access_key", "sts", "ram_role_arn", "oidc_role_arn", "ecs_ram_role", "rsa_key_pair"];
                let meant = TYPES.iter().find(|name| name.eq_ignore_ascii_case(other));
                let message = format!("has type {}, which gives no AccessKey pair", shown(other));
                let remedy = match meant {
                    Some(name) => format!("write {name}, if that is meant: types are case-sensitive"),
                    None => "use access_key, sts, ram_role_arn, oidc_role_arn, ecs_ram_role or rsa_key_pair".to_owned(),
                };
                Err(Error::failed(message).with_code("UnsupportedMode").with_remedy(remedy).permanent())
            }
        }
    }

    fn role(&self, selected: &Selected, defaults: &EnvDefaults) -> Result<AssumeRole, Error> {
        let value = |key: &str| self.value(&selected.name, key);
        let mut role = defaults.role(value("role_arn"), "role_arn")?;
        role.session_name = value("role_session_name").cloned();
        role.external_id = value("external_id").cloned().or(defaults.external_id.clone());
        if let Some(policy) = value("policy") {
            role = role.policy(policy);
        }
        Ok(role)
    }
}

/// Drops a pair of quotes, as Go and Node do.
fn unquoted(value: &str) -> &str {
    let within = |quote: char| value.strip_prefix(quote)?.strip_suffix(quote);
    within('"').or_else(|| within('\'')).unwrap_or(value)
}

/// The line up to a `#` or `;` at its start or after white space.
fn without_comment(line: &str) -> &str {
    let mut after_space = true;
    for (at, c) in line.char_indices() {
        if after_space && (c == '#' || c == ';') {
            return &line[..at];
        }
        after_space = c.is_whitespace();
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secret(line: &str) -> String {
        let text = format!("[default]\ntype = access_key\naccess_key_id = i\n{line}\n");
        let ini = Ini::parse(text.as_bytes()).unwrap();
        match ini.source(&Selected::new(None, None), "credentials", &EnvDefaults::default()) {
            Ok(Source::Keys(keys)) => keys.access_key_secret().to_owned(),
            Ok(_) => panic!(),
            Err(error) => error.to_string(),
        }
    }

    #[test]
    fn a_secret_is_taken_as_it_stands() {
        for (line, expected) in [
            ("access_key_secret = abc", "abc"),
            ("access_key_secret=abc", "abc"),
            ("  Access_Key_Secret  =  abc  ", "abc"),
            ("access_key_secret = a%b%(c)s", "a%b%(c)s"),
            ("access_key_secret = a#b;c", "a#b;c"),
            ("access_key_secret = a=b==", "a=b=="),
            (r"access_key_secret = a\b\n", r"a\b\n"),
            (r#"access_key_secret = "abc""#, "abc"),
            ("access_key_secret = 'abc' ; a comment", "abc"),
            ("access_key_secret = a # a comment", "a"),
            ("access_key_secret = a\t; a comment", "a"),
            ("access_key_secret = a\naccess_key_secret = b", "b"),
            ("; access_key_secret = a\n# another\naccess_key_secret = b\r", "b"),
        ] {
            assert_eq!(secret(line), expected, "{line}");
        }
    }

    fn code(text: &str, asked_for: Option<&str>) -> String {
        let outcome = Ini::parse(text.as_bytes())
            .and_then(|ini| ini.source(&Selected::new(asked_for, None), "credentials", &EnvDefaults::default()));
        outcome.err().map_or("ok".to_owned(), |error| {
            assert!(!error.to_string().contains("s3cr3t"), "{error}");
            error.code().unwrap_or("NotConfigured").to_owned()
        })
    }

    #[test]
    fn each_type_needs_its_keys() {
        let keys = "access_key_id = i\naccess_key_secret = s3cr3t\n";
        for (body, expected) in [
            (format!("type = access_key\n{keys}"), "ok"),
            ("type = access_key\naccess_key_id = i".to_owned(), "HalfSet"),
            (format!("type = sts\n{keys}"), "HalfSet"),
            (format!("type = sts\n{keys}security_token = t"), "ok"),
            (format!("type = ram_role_arn\n{keys}"), "HalfSet"),
            (format!("type = ram_role_arn\n{keys}role_arn = acs:ram::1:role/a"), "ok"),
            ("type = ecs_ram_role".to_owned(), "ok"),
            ("type = oidc_role_arn\nrole_arn = acs:ram::1:role/a".to_owned(), "HalfSet"),
            ("type = oidc_role_arn\nrole_arn = a\noidc_provider_arn = p\noidc_token_file_path = /t".to_owned(), "ok"),
            ("type = rsa_key_pair\npublic_key_id = k".to_owned(), "HalfSet"),
            ("type = rsa_key_pair\npublic_key_id = k\nprivate_key_file = /k.pem".to_owned(), "ok"),
            (format!("type = bearer\n{keys}"), "UnsupportedMode"),
            (keys.to_owned(), "HalfSet"),
            (String::new(), "NotConfigured"),
            (format!("enable = false\ntype = access_key\n{keys}"), "NotConfigured"),
            (format!("enable = true\ntype = access_key\n{keys}"), "ok"),
        ] {
            assert_eq!(code(&format!("[default]\n{body}"), None), expected, "{body}");
        }
        assert_eq!(code("[default]\nenable = FALSE", Some("default")), "ProfileDisabled");
        assert_eq!(code("[default]", Some("default")), "HalfSet");
    }

    #[test]
    fn a_session_of_another_type_is_told_its_type() {
        let session = "access_key_id = STS.i\naccess_key_secret = s3cr3t\nsecurity_token = t";
        let of = |text: String| {
            let ini = Ini::parse(text.as_bytes()).unwrap();
            ini.source(&Selected::new(None, None), "credentials", &EnvDefaults::default()).err().unwrap()
        };
        let error = of(format!("[default]\ntype = access_key\n{session}"));
        assert!(error.message().ends_with("holds a session (STS.…) under type access_key, not sts"), "{error}");
        assert_eq!((error.code(), error.remedy()), (Some("HalfSet"), Some("write type = sts")));
        let error = of(format!("[default]\ntype = ram_role_arn\n{session}"));
        assert!(error.message().contains("lacks role_arn"), "{error}");
    }

    #[test]
    fn a_malformed_file_is_named_by_its_line() {
        for text in [
            "[default\ntype = a",
            "access_key_secret = s3cr3t",
            "[default]\ns3cr3t",
            "[default]\naccess_key_secret: s3cr3t",
            "[default]\naccess_key_secret = a\n\ts3cr3t",
            "\u{feff}[a]\n[b",
        ] {
            assert_eq!(code(text, None), "ConfigMalformed", "{text}");
        }
        assert_eq!(code("\u{feff}[default]\ntype = ecs_ram_role", None), "ok");
    }

    #[test]
    fn of_two_sections_with_one_name_neither_counts() {
        let text = "[default]\ntype = access_key\naccess_key_id=i\naccess_key_secret=s3cr3t\n[other]\ntype=ecs_ram_role\n\
                    [default]\naccess_key_id=j";
        let ini = Ini::parse(text.as_bytes()).unwrap();
        let error = ini.source(&Selected::new(None, None), "credentials", &EnvDefaults::default()).err().unwrap();
        assert_eq!(error.message(), "section `default` of credentials stands there 2 times (lines 1, 7)");
        assert_eq!(error.code(), Some("ConfigMalformed"));
        assert_eq!(code(text, Some("other")), "ok", "the others are none of its business");
    }

    #[test]
    fn what_no_key_has_is_named_by_section_and_key() {
        for (line, what) in [
            ("access_key_id = <AccessKey ID>", "access_key_id holds a placeholder"),
            (
                "access_key_id = i\naccess_key_secret = \"s3cr3t",
                "access_key_secret holds a quotation mark (character 1)",
            ),
            ("access_key_id = i\naccess_key_secret = s3 cr3t", "access_key_secret holds a blank (character 3)"),
        ] {
            let text = format!("[default]\ntype = access_key\naccess_key_secret = s3cr3t\n{line}\n");
            let ini = Ini::parse(text.as_bytes()).unwrap();
            let error = ini.source(&Selected::new(None, None), "credentials", &EnvDefaults::default()).err().unwrap();
            assert!(error.message().starts_with("section `default` of credentials cannot be used: "), "{error}");
            assert!(error.message().contains(what) && !error.message().contains("s3cr3t"), "{error}");
        }
    }
}
