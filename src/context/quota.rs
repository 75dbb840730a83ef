//! A ceiling for the calls of one user of an STS host, below what the host itself lets pass, and their count.

use std::sync::atomic::{AtomicU64, Ordering};

/// See the module. The [gate](super::gate) keeps it.
#[derive(Debug)]
pub(crate) struct Quota {
    /// Calls a second, above zero and finite.
    per_second: f64,
    calls: AtomicU64,
    refused: AtomicU64,
}

// Its only users are behind a feature.
#[cfg_attr(not(feature = "role-pool"), allow(dead_code))]
impl Quota {
    pub(crate) fn new(per_second: f64) -> Self {
        Self { per_second, calls: AtomicU64::new(0), refused: AtomicU64::new(0) }
    }

    pub(crate) fn per_second(&self) -> f64 {
        self.per_second
    }

    pub(super) fn count_call(&self) {
        self.calls.fetch_add(1, Ordering::Relaxed);
    }

    /// A call that was counted was not made after all.
    pub(super) fn count_unused(&self) {
        self.calls.fetch_sub(1, Ordering::Relaxed);
    }

    pub(super) fn count_refusal(&self) {
        self.refused.fetch_add(1, Ordering::Relaxed);
    }

    /// Calls that were started.
    pub(crate) fn calls(&self) -> u64 {
        self.calls.load(Ordering::Relaxed)
    }

    /// Calls that the host refused as too many.
    pub(crate) fn refused(&self) -> u64 {
        self.refused.load(Ordering::Relaxed)
    }
}
