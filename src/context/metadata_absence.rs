//! Remembers that instance metadata was not found, so that it is not looked for again at once.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use super::Context;

/// Holds when instance metadata was last found missing, by the boot clock.
#[derive(Debug, Default)]
pub(super) struct MetadataAbsence(Mutex<Option<Duration>>);

impl Context {
    /// Returns how long ago a look for instance metadata found none. All clones of the context share it.
    pub(crate) fn since_no_metadata(&self) -> Option<Duration> {
        let looked = *self.0.metadata_absence.0.lock().unwrap_or_else(PoisonError::into_inner);
        looked.map(|at| self.boot().saturating_sub(at))
    }

    /// Remembers that instance metadata was looked for and is not there.
    pub(crate) fn found_no_metadata(&self) {
        *self.0.metadata_absence.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(self.boot());
    }
}
