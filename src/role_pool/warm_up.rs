//! Fetching many sessions ahead of the first request.

use std::fmt;
use std::future::IntoFuture;
use std::task::Poll;

use super::{RolePool, of_role};
use crate::error::Error;
use crate::provider::BoxFuture;
use crate::sts::AssumeRole;

/// Sessions that are waited for at once: twice what the gate of a host lets through, so that it is never idle. The rest
/// costs nothing yet.
const AT_ONCE: usize = 32;

/// The warm-up of a [`RolePool`], which begins when it is awaited: see [`RolePool::warm_up`].
///
/// ```
/// # async fn example(pool: alibabacloud_credentials::RolePool, roles: Vec<alibabacloud_credentials::AssumeRole>) {
/// let report = pool.warm_up(roles).on_progress(|p| println!("{} of {}", p.served + p.failed, p.total)).await;
/// # }
/// ```
#[must_use = "it begins when it is awaited"]
pub struct WarmUp<'a> {
    pool: &'a RolePool,
    roles: Vec<AssumeRole>,
    on_progress: Box<dyn FnMut(WarmUpProgress) + Send + 'a>,
}

/// The progress of a warm-up.
///
/// ```
/// fn show(progress: alibabacloud_credentials::WarmUpProgress) {
///     println!("{} of {}, {} failed", progress.served, progress.total, progress.failed);
/// }
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct WarmUpProgress {
    /// Roles whose session is there.
    pub served: usize,
    /// Roles whose session could not be had.
    pub failed: usize,
    /// All roles.
    pub total: usize,
}

/// The result of a warm-up.
///
/// ```
/// fn is_complete(report: &alibabacloud_credentials::WarmUpReport) -> bool {
///     report.failed.is_empty()
/// }
/// ```
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct WarmUpReport {
    /// Roles whose session is there.
    pub served: usize,
    /// The others, each with its error.
    pub failed: Vec<(AssumeRole, Error)>,
}

impl fmt::Debug for WarmUp<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WarmUp").field("roles", &self.roles.len()).finish_non_exhaustive()
    }
}

impl<'a> WarmUp<'a> {
    pub(super) fn new(pool: &'a RolePool, roles: Vec<AssumeRole>) -> Self {
        Self { pool, roles, on_progress: Box::new(|_| ()) }
    }

    /// Calls `tell` after each role, in the future that is awaited.
    pub fn on_progress(mut self, tell: impl FnMut(WarmUpProgress) + Send + 'a) -> Self {
        self.on_progress = Box::new(tell);
        self
    }

    async fn run(mut self) -> WarmUpReport {
        let mut report = WarmUpReport::default();
        let mut progress = WarmUpProgress { total: self.roles.len(), ..WarmUpProgress::default() };
        let mut roles = self.roles.into_iter();
        let mut under_way: Vec<BoxFuture<'a, (AssumeRole, Result<(), Error>)>> = Vec::new();
        std::future::poll_fn(|cx| {
            loop {
                let room = AT_ONCE - under_way.len();
                under_way.extend(roles.by_ref().take(room).map(|role| fetch(self.pool, role)));
                let before = under_way.len();
                under_way.retain_mut(|fetch| {
                    let Poll::Ready((role, result)) = fetch.as_mut().poll(cx) else { return true };
                    match result {
                        Ok(()) => report.served += 1,
                        Err(error) => report.failed.push((role, error)),
                    }
                    (progress.served, progress.failed) = (report.served, report.failed.len());
                    (self.on_progress)(progress);
                    false
                });
                if before == 0 {
                    return Poll::Ready(());
                }
                if under_way.len() == before {
                    return Poll::Pending;
                }
            }
        })
        .await;
        report
    }
}

fn fetch(pool: &RolePool, role: AssumeRole) -> BoxFuture<'_, (AssumeRole, Result<(), Error>)> {
    Box::pin(async move {
        let result = match pool.0.session(&role) {
            Ok(session) => session.refresher().credentials().await,
            Err(error) => Err(error),
        };
        let result = result.map(drop).map_err(|error| of_role(error, &role));
        (role, result)
    })
}

impl<'a> IntoFuture for WarmUp<'a> {
    type Output = WarmUpReport;
    type IntoFuture = BoxFuture<'a, WarmUpReport>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.run())
    }
}
