//! What there is between two requests.

use crate::clock::Clock;
use crate::fault::Faults;
use crate::imm::Projects;
use crate::instance::Rotation;
use crate::log::Log;
use crate::metadata::Metadata;
use crate::oss::Objects;
use crate::random::Random;
use crate::sessions::{Nonces, Sessions};
use crate::throttle::Throttle;

/// Everything the emulator knows.
pub(crate) struct State {
    pub(crate) clock: Clock,
    pub(crate) random: Random,
    pub(crate) sessions: Sessions,
    pub(crate) nonces: Nonces,
    pub(crate) projects: Projects,
    pub(crate) objects: Objects,
    pub(crate) instance: Rotation,
    pub(crate) uri: Rotation,
    pub(crate) throttle: Throttle,
    pub(crate) log: Log,
    pub(crate) faults: Faults,
    /// Caps every session that is granted.
    pub(crate) session_seconds: Option<u32>,
    pub(crate) metadata: Metadata,
    pub(crate) metadata_newline: bool,
}
