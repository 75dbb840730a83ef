//! The settings that stay the same while an emulator runs.

/// How the instance metadata service answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Metadata {
    /// With a token or without one.
    #[default]
    Normal,
    /// Only with a token, as an instance with `HttpTokens=required`: 403 without.
    Hardened,
    /// As if there were none: 404.
    Off,
}

/// The settings that the handlers read.
#[derive(Debug, Clone, Default)]
pub(crate) struct Settings {
    /// The longest session that is granted, in seconds. `None` grants what was requested.
    pub(crate) session_seconds: Option<u32>,
    pub(crate) metadata: Metadata,
    /// Whether the role's name ends with a newline.
    pub(crate) metadata_newline: bool,
}
