//! Files that name sources: bytes in, typed sources out.

#[cfg(feature = "process")]
mod command;
mod config;
mod ini;
#[cfg(feature = "rsa-key-pair")]
mod key_pair;
mod login;
mod write_back;

use std::ops::Deref;
use std::time::SystemTime;

pub(crate) use self::config::{Config, list};
pub(crate) use self::ini::Ini;
#[cfg(feature = "rsa-key-pair")]
pub(crate) use self::key_pair::{KeyPair, PrivateKey};
#[cfg(not(feature = "login"))]
pub(crate) use self::login::Site;
#[cfg(feature = "login")]
pub use self::login::Site;
pub(crate) use self::login::{Login, LoginKind, StoredSession, seconds as login_seconds};
pub(crate) use self::write_back::{Locked, NewValue, NotWritten, Prepared, lock as lock_config};
#[cfg(feature = "login")]
pub(crate) use self::write_back::{
    NotEdited, Place, add as add_profile, edit as edit_profile, lock_new as lock_new_config, set_current,
    text_of as config_text,
};
use crate::credentials::Credentials;
use crate::error::Error;
use crate::key_characters;
use crate::sts::{AssumeRole, ProfileEndpoint};

/// A whole file of a format.
pub(crate) trait ProfileFormat: Sized {
    /// Reads the file. Errors name the place, never what stands there.
    fn parse(bytes: &[u8]) -> Result<Self, Error>;

    /// The profile that the file itself chooses.
    fn current(&self) -> Option<&str> {
        None
    }

    fn has(&self, name: &str) -> bool;

    /// The profiles' names, as an error may repeat them.
    fn names(&self) -> Vec<String>;

    /// Returns the source that the profile describes. Errors name the profile and the file, shown as `path`.
    fn source(&self, selected: &Selected, path: &str, defaults: &EnvDefaults) -> Result<Source, Error>;

    /// Returns what the profile says of region and STS, where the format has words for it.
    fn sts_settings(&self, name: &str) -> (Option<&str>, Option<ProfileEndpoint>) {
        let _ = name;
        (None, None)
    }
}

/// The source that a profile describes, over which other. Equal ones become the same provider.
#[derive(Clone, PartialEq)]
pub(crate) enum Source {
    Keys(Keys),
    EcsRamRole {
        role_name: Option<String>,
    },
    CredentialsUri {
        url: String,
    },
    /// A program and its arguments, and the profile that names it.
    #[cfg(feature = "process")]
    Process {
        argv: Vec<String>,
        place: String,
    },
    #[cfg(feature = "rsa-key-pair")]
    RsaKeyPair(Box<KeyPair>),
    /// A login of mode `OAuth` or `CloudSSO`.
    Login(Box<Login>),
    Oidc {
        provider_arn: String,
        token_file: String,
        role: AssumeRole,
        endpoint: ProfileEndpoint,
    },
    Role {
        source: Box<Source>,
        role: AssumeRole,
        endpoint: ProfileEndpoint,
    },
}

/// The keys that a profile holds itself.
#[derive(Clone)]
pub(crate) struct Keys(Credentials);

impl Deref for Keys {
    type Target = Credentials;

    fn deref(&self) -> &Credentials {
        &self.0
    }
}

impl PartialEq for Keys {
    fn eq(&self, other: &Self) -> bool {
        self.same_keys(other) && self.expiration() == other.expiration()
    }
}

impl From<Credentials> for Source {
    fn from(keys: Credentials) -> Self {
        Self::Keys(Keys(keys))
    }
}

impl Source {
    /// Returns whether it ends in a session that somebody wrote down, and that nobody renews.
    pub(crate) fn is_written_down(&self) -> bool {
        match self {
            Self::Keys(keys) => keys.security_token().is_some(),
            Self::Role { source, .. } => source.is_written_down(),
            Self::EcsRamRole { .. } | Self::CredentialsUri { .. } | Self::Oidc { .. } | Self::Login(_) => false,
            #[cfg(feature = "process")]
            Self::Process { .. } => false,
            #[cfg(feature = "rsa-key-pair")]
            Self::RsaKeyPair(_) => false,
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

impl Selected {
    /// The profile that was asked for, else the file's `current`, else `default`.
    pub(crate) fn new(asked_for: Option<&str>, current: Option<&str>) -> Self {
        Self { name: asked_for.or(current).unwrap_or("default").to_owned(), named: asked_for.is_some() }
    }
}

/// A source that is there in part.
fn half_set(message: String) -> Error {
    let error = Error::failed(message).with_code("HalfSet").permanent();
    error.with_remedy("complete the profile (for config.json by `aliyun configure`), or delete it")
}

/// The error for a profile that needs a feature which the build does not have. `what` is its mode or type.
#[cfg(not(all(feature = "process", feature = "rsa-key-pair")))]
fn lacks_feature(what: &str, feature: &str) -> Error {
    let error = Error::failed(format!("has {what}, and this build lacks the feature `{feature}`"));
    error.with_code("NotYetSupported").with_remedy("build with it, or use a mode with keys or a role").permanent()
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
