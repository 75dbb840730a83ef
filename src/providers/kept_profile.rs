//! The profile that answered first: its name and its file are kept, so that a changed `current` switches nobody's identity.

use std::path::PathBuf;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::profile::Selected;

/// A profile, and the file that it is in.
#[derive(Clone, Debug)]
pub(super) struct Chosen {
    pub(super) selected: Selected,
    pub(super) path: PathBuf,
    /// The variable that names the file.
    pub(super) variable: Option<&'static str>,
}

/// Remembers which profile answered, and keeps it from the first credential on that is handed out.
#[derive(Debug, Default)]
pub(crate) struct KeptProfile(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    answered: Option<Chosen>,
    kept: bool,
}

impl KeptProfile {
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A credential of this profile was given; whether anybody can use it is not known yet.
    pub(super) fn answered(&self, chosen: Chosen) {
        let mut state = self.state();
        if !state.kept {
            state.answered = Some(chosen);
        }
    }

    /// A credential was handed out: if it was this provider's, its profile stays.
    pub(crate) fn keep(&self) {
        let mut state = self.state();
        state.kept = state.answered.is_some();
    }

    pub(super) fn kept(&self) -> Option<Chosen> {
        let state = self.state();
        state.answered.clone().filter(|_| state.kept)
    }
}
