//! Resolves names to addresses by the system, off the executor thread and within a bound.

use std::fmt;
use std::net::{IpAddr, ToSocketAddrs};
use std::time::Duration;

use tokio::sync::oneshot;

use super::{Context, first};

#[cfg(test)]
type Script = Box<dyn Fn(&str) -> Vec<IpAddr> + Send + Sync>;

/// Resolves names to addresses.
#[derive(Default)]
pub(super) enum Resolver {
    #[default]
    System,
    #[cfg(test)]
    Scripted(Script),
}

impl fmt::Debug for Resolver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Resolver")
    }
}

impl Context {
    /// The addresses of a host, asked for once. Empty when there are none, or none within `limit`.
    pub(crate) async fn resolve(&self, host: &str, limit: Duration) -> Vec<IpAddr> {
        match &self.0.resolver {
            // The system's resolver blocks for as long as it likes, so it gets a thread of its own, and any executor
            // will do for the caller.
            Resolver::System => {
                let (done, found) = oneshot::channel();
                let host = host.to_owned();
                let look_up = move || {
                    let found = (host.as_str(), 0).to_socket_addrs();
                    // Nobody waits any more: the limit has passed.
                    let _ = done.send(found.map(|found| found.map(|at| at.ip()).collect::<Vec<_>>()));
                };
                let thread = std::thread::Builder::new().name("alibabacloud-resolver".to_owned());
                if thread.spawn(look_up).is_err() {
                    return Vec::new();
                }
                match first(found, self.sleep(limit)).await {
                    Some(Ok(Ok(found))) => found,
                    _ => Vec::new(),
                }
            }
            #[cfg(test)]
            Resolver::Scripted(resolve) => resolve(host),
        }
    }
}
