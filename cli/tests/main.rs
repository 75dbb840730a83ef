//! Runs the program: through pipes, and on a pseudo-terminal where a terminal matters.

mod call;
mod emulator;
mod exec;
mod explain;
mod export;
mod serve;
mod support;
mod whoami;
