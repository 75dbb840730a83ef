//! Access for the keeper of many refreshers.

use std::sync::Arc;
use std::time::Duration;

use super::{Refresher, Shared};
use crate::credentials::Credentials;

/// The rhythm of a refresher's renewals.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Renewal {
    /// Between two of them.
    pub(crate) every: Duration,
    /// Until the next one; `None`: one is under way, or nothing valid is held.
    pub(crate) due_in: Option<Duration>,
    /// The remaining lifetime of the credential.
    pub(crate) left: Duration,
}

impl Refresher {
    /// The credential, where a warm read gives it: no lock, no allocation, and nothing is started.
    pub(crate) fn warm(&self) -> Option<Credentials> {
        self.0.snapshot.peek(self.0.context.now(), Clone::clone).ok()
    }

    /// Handles that there are, with those of refreshes under way.
    pub(crate) fn handles(&self) -> usize {
        Arc::strong_count(&self.0)
    }

    /// The rhythm of its renewals; `None`: nothing was granted yet, or what was never ends.
    pub(crate) fn renewal(&self) -> Option<Renewal> {
        let now = self.0.now();
        self.0.snapshot.look(|machine| machine.renewal(now))
    }

    /// Starts whatever refresh a caller would start.
    pub(crate) fn renew(&self) {
        let now = self.0.now();
        let (_, actions) = self.0.snapshot.update(now, |machine| machine.on_request(now));
        Shared::perform(&self.0, actions);
    }
}
