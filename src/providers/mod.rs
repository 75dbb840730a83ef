//! The sources, one file each. None of them caches: that is the refresher's alone.

mod assume_role;
mod cli_profile;
mod environment;
mod ini_profile;
mod later;
mod oidc_role;
mod profile_files;

pub use self::assume_role::AssumeRoleProvider;
pub use self::cli_profile::CliProfileProvider;
pub use self::environment::EnvironmentProvider;
pub(crate) use self::environment::EnvironmentRole;
pub use self::ini_profile::IniProfileProvider;
pub(crate) use self::later::{Later, later};
pub use self::oidc_role::OidcRoleProvider;
