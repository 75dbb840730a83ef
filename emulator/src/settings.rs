//! Settings that do not change while the emulator runs.

/// How the instance metadata service responds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[cfg_attr(feature = "cli", derive(clap::ValueEnum))]
#[non_exhaustive]
pub enum Metadata {
    /// Responds with and without a token.
    #[default]
    Normal,
    /// Requires a token, as an instance with `HttpTokens=required` does: 403 without one.
    Hardened,
    /// Responds as if there were no metadata service: 404.
    Off,
}

/// Settings that the handlers read.
#[derive(Debug, Clone, Default)]
pub(crate) struct Settings {
    /// Maximum lifetime of a session in seconds. `None` sets no maximum.
    pub(crate) session_seconds: Option<u32>,
    pub(crate) metadata: Metadata,
    /// Whether the role's name ends with a newline.
    pub(crate) metadata_newline: bool,
    /// The seconds between two polls for a login of CloudSSO.
    pub(crate) device_interval: Option<u32>,
}
