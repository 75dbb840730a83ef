//! Files that name sources: bytes in, typed sources out.

mod config;
mod ini;

use std::time::SystemTime;

pub(crate) use self::config::{Config, list};
pub(crate) use self::ini::Ini;
use crate::credentials::Credentials;
use crate::error::Error;
use crate::key_characters;
use crate::sts::{AssumeRole, ProfileEndpoint};

/// The source that a profile describes, over which other.
#[derive(Clone)]
pub(crate) enum Source {
    Keys(Credentials),
    EcsRamRole { role_name: Option<String> },
    CredentialsUri { url: String },
    Oidc { provider_arn: String, token_file: String, role: AssumeRole, endpoint: ProfileEndpoint },
    Role { source: Box<Source>, role: AssumeRole, endpoint: ProfileEndpoint },
}

impl PartialEq for Source {
    /// Returns whether the same provider would be built for both.
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Keys(a), Self::Keys(b)) => a.same_keys(b) && a.expiration() == b.expiration(),
            (Self::EcsRamRole { role_name: a }, Self::EcsRamRole { role_name: b }) => a == b,
            (Self::CredentialsUri { url: a }, Self::CredentialsUri { url: b }) => a == b,
            (
                Self::Oidc { provider_arn: a, token_file: b, role: c, endpoint: d },
                Self::Oidc { provider_arn: e, token_file: f, role: g, endpoint: h },
            ) => (a, b, c, d) == (e, f, g, h),
            (Self::Role { source: a, role: b, endpoint: c }, Self::Role { source: d, role: e, endpoint: f }) => {
                (a, b, c) == (d, e, f)
            }
            _ => false,
        }
    }
}

impl Source {
    /// Returns whether it ends in a session that somebody wrote down, and that nobody renews.
    pub(crate) fn is_written_down(&self) -> bool {
        match self {
            Self::Keys(keys) => keys.security_token().is_some(),
            Self::Role { source, .. } => source.is_written_down(),
            _ => false,
        }
    }
}

/// The environment's values for profiles: what is filled into a role profile that leaves it empty, and the time.
#[derive(Clone, Debug, Default)]
pub(crate) struct EnvDefaults {
    pub(crate) role_arn: Option<String>,
    pub(crate) external_id: Option<String>,
    /// The wall clock; without it no session counts as expired.
    pub(crate) now: Option<SystemTime>,
}

impl EnvDefaults {
    /// The role's ARN, or what is lacking.
    fn role(&self, arn: Option<&String>, key: &str) -> Result<AssumeRole, Error> {
        let Some(arn) = arn.or(self.role_arn.as_ref()) else {
            return Err(half_set(format!("lacks {key}, and ALIBABA_CLOUD_ROLE_ARN is unset")));
        };
        Ok(AssumeRole::new(arn))
    }
}

/// A profile's name, and whether anyone asked for it by that name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Selected {
    pub(crate) name: String,
    pub(crate) named: bool,
}

/// A source that is there in part.
fn half_set(message: String) -> Error {
    let error = Error::failed(message).with_code("HalfSet").permanent();
    error.with_remedy("complete the profile (for config.json by `aliyun configure`), or delete it")
}

/// The three parts of a temporary pair, of which a profile may have none, all or some. `names` are the file's keys.
fn keys(
    id: Option<&String>,
    secret: Option<&String>,
    token: Option<&String>,
    names: [&str; 3],
    needs_token: bool,
) -> Result<Credentials, Error> {
    let needed = [(names[0], id), (names[1], secret), (names[2], token)];
    let needed = &needed[..if needs_token { 3 } else { 2 }];
    let lacking: Vec<&str> = needed.iter().filter(|(_, value)| value.is_none()).map(|(name, _)| *name).collect();
    let (Some(id), Some(secret), true) = (id, secret, lacking.is_empty()) else {
        return Err(half_set(format!("lacks {}", lacking.join(" and "))));
    };
    let checked = [(names[0], Some(id)), (names[1], Some(secret)), (names[2], token)];
    for (name, value) in checked {
        let value = value.map_or("", String::as_str);
        key_characters::check(name, value)
            .map_err(|error| error.map_message(|message| format!("cannot be used: {message}")))?;
    }
    let keys = Credentials::new(id, secret);
    match token {
        Some(token) => Ok(keys.with_security_token(token).with_provider_name("static_sts")),
        None if id.starts_with("STS.") => {
            Err(half_set(format!("has a temporary {} (STS.…) and lacks {}", names[0], names[2])))
        }
        None => Ok(keys.with_provider_name("static_ak")),
    }
}

/// Reads a file's bytes as text.
fn text(bytes: &[u8]) -> Result<&str, Error> {
    let text = match bytes {
        [0xff, 0xfe, ..] | [0xfe, 0xff, ..] => {
            return Err(malformed("is UTF-16".to_owned()).with_remedy("save it as UTF-8"));
        }
        [0xef, 0xbb, 0xbf, rest @ ..] => rest,
        other => other,
    };
    std::str::from_utf8(text).map_err(|error| {
        malformed(format!("is not UTF-8 from byte {}", error.valid_up_to())).with_remedy("save it as UTF-8")
    })
}

fn malformed(message: String) -> Error {
    Error::failed(message).with_code("ConfigMalformed").permanent()
}
