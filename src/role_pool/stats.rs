//! The counts of a pool.

use std::time::Duration;

/// The counts of a [`RolePool`](super::RolePool) since it was built.
///
/// ```
/// use alibabacloud_credentials::{DefaultCredentialChain, RolePool};
///
/// let stats = RolePool::builder(DefaultCredentialChain::new()).build().stats();
/// assert_eq!((stats.sessions, stats.calls), (0, 0));
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct RolePoolStats {
    /// Sessions that the pool holds now, with those that have not been granted.
    pub sessions: usize,
    /// Requests to the pool that were answered with a credential at once.
    pub hits: u64,
    /// Requests that waited or failed.
    pub misses: u64,
    /// Sessions that were forgotten, for want of room or use.
    pub evicted: u64,
    /// Calls to STS.
    pub calls: u64,
    /// Calls that STS refused as too many.
    pub refused: u64,
    /// Callers that wait now.
    pub waiting: usize,
    /// The longest that a caller has waited.
    pub slowest: Duration,
}
