//! The sources, one file each. None of them caches: that is the refresher's alone.

mod assume_role;
mod cli_profile;
mod credentials_uri;
mod ecs_metadata;
mod environment;
mod environment_role;
mod file_provider;
mod ini_profile;
mod kept_profile;
mod login;
mod oidc_role;
#[cfg(feature = "process")]
mod process;
mod profile_file;
mod profile_source;
#[cfg(feature = "rsa-key-pair")]
mod rsa_key_pair;
mod saml;
#[cfg(test)]
mod scripted_http;
mod sts_settings;

pub use self::assume_role::AssumeRoleProvider;
#[cfg(feature = "role-pool")]
pub(crate) use self::assume_role::RoleSource;
pub use self::cli_profile::CliProfileProvider;
pub use self::credentials_uri::CredentialsUriProvider;
pub use self::ecs_metadata::EcsMetadataProvider;
pub use self::environment::EnvironmentProvider;
pub(crate) use self::environment_role::EnvironmentRole;
pub(crate) use self::file_provider::FileProvider;
pub use self::ini_profile::IniProfileProvider;
pub(crate) use self::kept_profile::KeptProfile;
pub use self::oidc_role::OidcRoleProvider;
#[cfg(feature = "process")]
pub use self::process::ProcessProvider;
pub(crate) use self::profile_source::SourceSettings;
pub use self::saml::SamlProvider;
