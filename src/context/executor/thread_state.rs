//! Tells a thread that is blocked from one that only waits for a processor, where the system says.

use std::path::{Path, PathBuf};

/// A thread of this process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Thread(PathBuf);

impl Thread {
    /// `None` where the system doesn't tell: other ones than Linux, and those without `/proc`.
    pub(super) fn current() -> Option<Self> {
        let own = std::fs::read_link("/proc/thread-self").ok()?;
        Some(Self(Path::new("/proc").join(own).join("stat")))
    }

    /// Returns whether it runs, or would if there were a processor for it.
    pub(super) fn is_runnable(&self) -> bool {
        // `42 (name of it) R …`: the name may hold anything.
        let stat = std::fs::read_to_string(&self.0).unwrap_or_default();
        stat.rsplit_once(") ").is_some_and(|(_, rest)| rest.starts_with('R'))
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn a_thread_that_waits_is_blocked_and_one_that_computes_is_not() {
        assert!(Thread::current().unwrap().is_runnable());
        let (tell, told) = std::sync::mpsc::channel();
        let (release, until) = std::sync::mpsc::channel::<()>();
        let thread = std::thread::spawn(move || {
            tell.send(Thread::current().unwrap()).unwrap();
            let _ = until.recv();
        });
        let waits = told.recv().unwrap();
        while waits.is_runnable() {
            std::thread::yield_now();
        }
        drop(release);
        thread.join().unwrap();
        // The system may take a moment to forget it.
        while waits.is_runnable() {
            std::thread::yield_now();
        }
    }
}
