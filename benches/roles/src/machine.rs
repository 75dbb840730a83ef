//! The threads, descriptors and connections of this process, as Linux counts them; and the most of a count in a second.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// The most calls in a second, of a count that is looked at some ten times a second. A machine that is busy looks late, so what came is
/// divided by the time that it took.
#[derive(Default)]
pub(crate) struct Peak {
    /// The looks of the last second, and the one before.
    last: VecDeque<(Instant, u64)>,
    most: f64,
}

impl Peak {
    /// Returns the most so far.
    pub(crate) fn count(&mut self, calls: u64) -> f64 {
        let now = Instant::now();
        let is_old = |look: &(Instant, u64)| now - look.0 >= Duration::from_secs(1);
        while self.last.get(1).is_some_and(is_old) {
            self.last.pop_front();
        }
        if let Some((since, before)) = self.last.front().filter(|look| is_old(look)) {
            self.most = self.most.max((calls - before) as f64 / (now - *since).as_secs_f64());
        }
        self.last.push_back((now, calls));
        self.most
    }
}

/// Threads, without the one that reads what the emulator says.
pub(crate) fn threads() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("Threads:"));
    line.and_then(|count| count.trim().parse::<u64>().ok()).unwrap_or_default().saturating_sub(1)
}

pub(crate) fn descriptors() -> usize {
    std::fs::read_dir("/proc/self/fd").map_or(0, Iterator::count)
}

/// Connections that are open to a port of loopback, whoever has them.
pub(crate) fn connections(port: u16) -> usize {
    let table = std::fs::read_to_string("/proc/net/tcp").unwrap_or_default();
    let remote = format!("0100007F:{port:04X}");
    let is_open = |line: &&str| {
        let mut columns = line.split_whitespace().skip(2);
        columns.next() == Some(remote.as_str()) && columns.next() == Some("01")
    };
    table.lines().filter(is_open).count()
}

/// Sets how many descriptors this process may have; `None`: as many as it ever may.
pub(crate) fn limit_descriptors(most: Option<u64>) {
    use rustix::process::{Resource, getrlimit, setrlimit};
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = most.or(limit.maximum);
    setrlimit(Resource::Nofile, limit).expect("the limit is set");
}
