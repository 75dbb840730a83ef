//! The process's own environment and clock: the only place of the program that reads them by itself. Credentials are the
//! library's to find.
#![allow(clippy::disallowed_methods)]

use std::ffi::OsString;
use std::time::{Duration, Instant, SystemTime};

/// A variable's value; `None` where it is unset or blank.
pub(crate) fn variable(name: &str) -> Option<String> {
    let value = std::env::var(name).ok()?;
    Some(value.trim().to_owned()).filter(|value| !value.is_empty())
}

/// The names of all variables.
pub(crate) fn variable_names() -> impl Iterator<Item = OsString> {
    std::env::vars_os().map(|(name, _)| name)
}

/// The machine's wall clock.
pub(crate) fn wall_clock() -> SystemTime {
    SystemTime::now()
}

/// A clock to measure how long something took.
pub(crate) fn stopwatch() -> Instant {
    Instant::now()
}

/// The time since `began`.
pub(crate) fn elapsed(began: Instant) -> Duration {
    began.elapsed()
}
