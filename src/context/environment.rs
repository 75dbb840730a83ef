//! The environment of a context: variables, switches, and the home directory.

use std::path::PathBuf;

use super::Context;
use crate::error::Error;

impl Context {
    /// A variable's value, or `None` when it is unset or blank. Surrounding white space is dropped: neither ids, names
    /// nor secrets of this cloud have any, and pasted ones do.
    pub(crate) fn env(&self, name: &str) -> Result<Option<String>, Error> {
        let value = match &self.0.env {
            Some(variables) => variables.get(name).cloned(),
            None => match process_variable(name) {
                None => None,
                Some(value) => Some(value.into_string().map_err(|_| {
                    Error::failed(format!("{name} is not valid UTF-8")).with_code("NotUtf8").permanent()
                })?),
            },
        };
        Ok(value.map(|value| value.trim().to_owned()).filter(|value| !value.is_empty()))
    }

    /// Returns whether a variable is there and holds nothing, which the explanation mentions.
    pub(crate) fn is_blank(&self, name: &str) -> bool {
        let value = match &self.0.env {
            Some(variables) => variables.get(name).cloned(),
            None => process_variable(name).and_then(|value| value.into_string().ok()),
        };
        value.is_some_and(|value| value.trim().is_empty())
    }

    /// Returns whether a switch is on: `true` in any case, and nothing else, as the official SDKs read it.
    pub(crate) fn switch(&self, name: &str) -> Result<bool, Error> {
        Ok(self.env(name)?.is_some_and(|value| value.eq_ignore_ascii_case("true")))
    }

    /// The path that a variable holds, or `None` when it is unset or blank. A path is not text: it need not be UTF-8.
    pub(crate) fn env_path(&self, name: &str) -> Option<PathBuf> {
        let value = match &self.0.env {
            Some(variables) => variables.get(name).map(|value| value.into()),
            None => process_variable(name),
        };
        let value: std::ffi::OsString = value?;
        match value.to_str() {
            Some(text) => Some(PathBuf::from(text.trim())).filter(|path| !path.as_os_str().is_empty()),
            None => Some(PathBuf::from(value)),
        }
    }

    /// The whole environment, for a program that is started.
    #[cfg(feature = "process")]
    pub(crate) fn variables(&self) -> Vec<(std::ffi::OsString, std::ffi::OsString)> {
        match &self.0.env {
            Some(variables) => variables.iter().map(|(name, value)| (name.into(), value.into())).collect(),
            None => process_variables(),
        }
    }

    /// The user's home directory.
    pub(crate) fn home_dir(&self) -> Option<PathBuf> {
        let known = match cfg!(windows) {
            true => windows_home(|name| self.env_path(name)),
            false => self.env_path("HOME"),
        };
        known.or_else(|| if self.0.env.is_none() { dirs::home_dir() } else { None })
    }
}

/// The home directory on Windows, as the `aliyun` CLI finds it.
fn windows_home(variable: impl Fn(&str) -> Option<PathBuf>) -> Option<PathBuf> {
    let on_drive = variable("HOMEDRIVE").zip(variable("HOMEPATH")).map(|(drive, path)| {
        let mut home = drive.into_os_string();
        home.push(path);
        PathBuf::from(home)
    });
    on_drive.or_else(|| variable("USERPROFILE"))
}

#[allow(clippy::disallowed_methods)] // the one place where the process environment is read
fn process_variable(name: &str) -> Option<std::ffi::OsString> {
    std::env::var_os(name)
}

#[cfg(feature = "process")]
fn process_variables() -> Vec<(std::ffi::OsString, std::ffi::OsString)> {
    std::env::vars_os().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_home_directory_on_windows_is_the_clis() {
        let home = |variables: &[(&str, &str)]| {
            windows_home(|name| variables.iter().find(|(known, _)| *known == name).map(|(_, value)| value.into()))
        };
        let profile = ("USERPROFILE", r"C:\Users\me");
        assert_eq!(home(&[profile]), Some(r"C:\Users\me".into()));
        assert_eq!(home(&[profile, ("HOMEDRIVE", "H:"), ("HOMEPATH", r"\me")]), Some(r"H:\me".into()));
        assert_eq!(home(&[profile, ("HOMEDRIVE", "H:")]), Some(r"C:\Users\me".into()));
        assert_eq!(home(&[]), None);
    }
}
