//! The threads, descriptors and connections of this process, as Linux counts them.

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
