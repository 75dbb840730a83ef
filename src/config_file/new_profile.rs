//! A profile that is to be added.

use std::fmt;

use zeroize::Zeroizing;

use super::members::{NUMBERS, PLAIN, SECRET};
use crate::error::Error;
use crate::profile::NewValue;
use crate::redact::shown;

/// A profile to be added to config.json. Its `Debug` shows no values.
///
/// ```
/// use alibabacloud_credentials::NewProfile;
///
/// let profile = NewProfile::new("prod", "ChainableRamRoleArn")
///     .set("source_profile", "dev")
///     .set("ram_role_arn", "acs:ram::1234567890123456:role/media");
/// ```
#[derive(Clone)]
pub struct NewProfile {
    pub(super) name: String,
    members: Vec<(String, Zeroizing<String>)>,
}

impl NewProfile {
    /// Describes a profile of a mode, as `AK`.
    pub fn new(name: impl Into<String>, mode: impl Into<String>) -> Self {
        Self { name: name.into(), members: vec![("mode".to_owned(), Zeroizing::new(mode.into()))] }
    }

    /// Sets a member by its name in the file, as `ram_role_arn`, in place of what was set before. Numbers are written as numbers.
    #[must_use]
    pub fn set(mut self, member: impl Into<String>, value: impl Into<String>) -> Self {
        let member = member.into();
        self.members.retain(|(name, _)| *name != member);
        self.members.push((member, Zeroizing::new(value.into())));
        self
    }

    /// The members as they are written.
    pub(super) fn values(&self) -> Result<Vec<(&str, NewValue<'_>)>, Error> {
        let value = |(name, value): &'_ (String, Zeroizing<String>)| -> Result<(), Error> {
            let known = PLAIN.contains(&name.as_str()) || SECRET.contains(&name.as_str());
            let is_number = NUMBERS.contains(&name.as_str());
            match (known, is_number, value.parse::<i64>()) {
                (true, ..) | (_, true, Ok(0..)) => Ok(()),
                (_, true, _) => Err(Error::invalid_input(format!("{} is a whole number", shown(name)))),
                _ => Err(Error::invalid_input(format!("a profile has no member {} to be set", shown(name)))),
            }
        };
        self.members.iter().try_for_each(value).map_err(|error| error.with_code("InvalidParameter.ProfileMember"))?;
        let written = |(name, value): &'_ (String, Zeroizing<String>)| -> bool { name != "name" && !value.is_empty() };
        let mut values = Vec::new();
        for member in self.members.iter().filter(|member| written(member)) {
            let (name, value) = (member.0.as_str(), member.1.as_str());
            let number = value.parse().ok().filter(|_| NUMBERS.contains(&name));
            values.push((name, number.map_or(NewValue::Text(value), NewValue::Number)));
        }
        Ok(values)
    }
}

impl fmt::Debug for NewProfile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let members: Vec<&str> = self.members.iter().map(|(name, _)| name.as_str()).collect();
        f.debug_struct("NewProfile").field("name", &self.name).field("members", &members).finish_non_exhaustive()
    }
}

pub(super) fn check_name(name: &str) -> Result<(), Error> {
    if name.is_empty() || name.trim() != name || name.len() > 128 || name.contains(char::is_control) {
        let message = "a profile's name is 1 to 128 bytes without blanks around it and control characters";
        return Err(Error::invalid_input(message).with_code("InvalidParameter.ProfileName"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_not_printed_and_members_are_known() {
        let new = NewProfile::new("dev", "AK").set("access_key_secret", "canary").set("expired_seconds", "900");
        assert!(!format!("{new:?}").contains("canary"));
        assert_eq!(new.values().unwrap().len(), 3);
        for (member, value) in [("expired_seconds", "-1"), ("expired_seconds", "canary"), ("sts_tokem", "canary")] {
            let error = NewProfile::new("dev", "AK").set(member, value).values().err().unwrap();
            assert_eq!(error.code(), Some("InvalidParameter.ProfileMember"));
            assert!(!format!("{error:?}").contains("canary"));
        }
        for name in ["", " a", "a\nb", &"a".repeat(129)] {
            assert!(check_name(name).is_err(), "{name:?}");
        }
    }
}
