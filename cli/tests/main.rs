//! Runs the program: through pipes, and on a pseudo-terminal where a terminal matters.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod call;
mod doctor;
mod emulator;
mod exec;
mod explain;
mod export;
mod login;
mod manual;
#[cfg(unix)]
mod on_a_terminal;
mod policy;
mod profiles;
mod refusals;
mod serve;
mod support;
mod whoami;
