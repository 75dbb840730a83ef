//! The settings that the builders of both logins share.

use std::path::PathBuf;
use std::time::Duration;

use crate::config_file::ConfigFile;
use crate::context::Context;
use crate::endpoint::check_region;
use crate::error::Error;

#[derive(Clone, Debug)]
pub(super) struct LoginSettings {
    pub(super) context: Context,
    pub(super) path: Option<PathBuf>,
    pub(super) profile: String,
    pub(super) region: Option<String>,
    pub(super) timeout: Duration,
}

impl LoginSettings {
    pub(super) fn new(timeout: Duration) -> Self {
        Self { context: Context::default(), path: None, profile: "default".to_owned(), region: None, timeout }
    }

    pub(super) fn check_region(&self) -> Result<(), Error> {
        self.region.as_deref().map_or(Ok(()), check_region)
    }

    /// Returns the file, once it is clear that a login of `mode` can be written into it.
    pub(super) async fn writable_file(&self, mode: &'static str) -> Result<ConfigFile, Error> {
        let file = self.path.as_ref().map_or_else(ConfigFile::new, ConfigFile::at).context(self.context.clone());
        file.check_login(&self.profile, mode).await?;
        Ok(file)
    }
}

/// The methods of a builder with a field `settings`, of a login into a profile of `$mode`. `$timeout` is the default in words.
macro_rules! login_settings {
    ($mode:literal, $timeout:literal) => {
        #[doc = concat!("Sets the profile that the login is written into. One that is there has to be of mode `", $mode, "`.")]
        pub fn profile(mut self, name: impl Into<String>) -> Self {
            self.settings.profile = name.into();
            self
        }

        /// Sets the region that is written into the profile (`region_id`). The `aliyun` CLI asks for one in each profile.
        pub fn region(mut self, region: impl Into<String>) -> Self {
            self.settings.region = Some(region.into());
            self
        }

        /// Sets the path of config.json. The default is that of [`ConfigFile::new`](crate::ConfigFile::new).
        pub fn config_file(mut self, path: impl Into<std::path::PathBuf>) -> Self {
            self.settings.path = Some(path.into());
            self
        }

        #[doc = concat!("Sets how long the person may take. The default is ", $timeout, ".")]
        pub fn timeout(mut self, limit: std::time::Duration) -> Self {
            self.settings.timeout = limit;
            self
        }

        /// Sets the outside world. The default is the real one.
        pub fn context(mut self, context: $crate::context::Context) -> Self {
            self.settings.context = context;
            self
        }
    };
}

pub(super) use login_settings;
