//! The state of an emulator.

use crate::clock::Clock;
use crate::fault::Faults;
use crate::imm::store::Projects;
use crate::instance::Rotation;
use crate::log::Log;
use crate::logins::Logins;
use crate::oss::objects::Objects;
use crate::pending_logins::PendingLogins;
use crate::random::Random;
use crate::sessions::{Nonces, SessionKeys, Sessions};
use crate::settings::Settings;
use crate::throttle::Throttle;

/// All that the emulator keeps between requests.
pub(crate) struct State {
    pub(crate) clock: Clock,
    pub(crate) random: Random,
    pub(crate) sessions: Sessions,
    pub(crate) session_keys: SessionKeys,
    pub(crate) nonces: Nonces,
    pub(crate) projects: Projects,
    pub(crate) objects: Objects,
    pub(crate) instance: Rotation,
    pub(crate) uri: Rotation,
    pub(crate) logins: Logins,
    pub(crate) pending_logins: PendingLogins,
    pub(crate) throttle: Throttle,
    pub(crate) log: Log,
    pub(crate) faults: Faults,
    pub(crate) settings: Settings,
}
