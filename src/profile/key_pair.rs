//! The RSA key pair that a profile names.

use std::path::PathBuf;
use std::time::Duration;

use zeroize::Zeroizing;

use super::half_set;
use crate::error::Error;
use crate::key_characters;
use crate::sts::ProfileEndpoint;

/// A key pair, and how session keys are asked for with it.
#[derive(Clone, PartialEq)]
pub(crate) struct KeyPair {
    /// The id of the public key.
    pub(crate) key_id: String,
    pub(crate) private_key: PrivateKey,
    /// The lifetime of a session key; `None` is the default.
    pub(crate) duration: Option<Duration>,
    pub(crate) endpoint: ProfileEndpoint,
}

/// The place of the private key, which is PEM.
#[derive(Clone, PartialEq)]
pub(crate) enum PrivateKey {
    /// In the profile, under `private_key`.
    Here(Zeroizing<String>),
    File(PathBuf),
}

impl KeyPair {
    /// Creates one of the values that a profile has, of which some may be lacking. `names` are the file's keys.
    pub(super) fn new(key_id: Option<&String>, key: Option<PrivateKey>, names: [&str; 2]) -> Result<Self, Error> {
        let (Some(key_id), Some(private_key)) = (key_id, key.clone()) else {
            let set = [key_id.is_some(), key.is_some()];
            let lacking: Vec<&str> = names.into_iter().zip(set).filter(|(_, set)| !set).map(|(name, _)| name).collect();
            return Err(half_set(format!("lacks {}", lacking.join(" and "))));
        };
        key_characters::check(names[0], key_id)
            .map_err(|error| error.map_message(|message| format!("cannot be used: {message}")))?;
        Ok(Self { key_id: key_id.clone(), private_key, duration: None, endpoint: ProfileEndpoint::default() })
    }
}
