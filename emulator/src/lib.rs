//! A strict offline stand-in for Alibaba Cloud's STS and Intelligent Media Management (IMM), for tests.
//!
//! It runs on loopback and plays the cloud so strictly that passing against it means something: it verifies every
//! signature with code of its own, refuses what the cloud refuses, in the cloud's order and with the cloud's codes, and
//! echoes what the cloud echoes. This is a community project, not affiliated with Alibaba Cloud.
//!
//! ```
//! use std::time::Duration;
//! use alibabacloud_emulator::{Emulator, Fault, account};
//!
//! # async fn example() -> std::io::Result<()> {
//! let emulator = Emulator::builder().session_seconds(4).start().await?;
//!
//! // Point a client here, with a key of the fixed account.
//! println!("{} {} {}", emulator.endpoint(), account::RAM_USER.id, account::RAM_USER.secret);
//!
//! // Make the cloud fail, and time pass.
//! emulator.fail_next("sts/AssumeRole", Fault::new(503, "ServiceUnavailable").times(2));
//! emulator.advance_clock(Duration::from_secs(5));
//!
//! // See what was asked, and how it was answered.
//! for call in emulator.calls() {
//!     println!("{} {} {}", call.action, call.path_and_query, call.status);
//! }
//! assert_eq!(emulator.summary().rejected, 0);
//! # Ok(())
//! # }
//! # tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(example())?;
//! # Ok::<(), std::io::Error>(())
//! ```
//!
//! # What it plays
//!
//! * **STS 2015-04-01**: AssumeRole, GetCallerIdentity.
//! * **IMM 2020-09-30**: CreateProject, GetProject, ListProjects, UpdateProject, DeleteProject; state in memory, per region
//!   of the host `imm.<region>.aliyuncs.com` (`cn-hangzhou` for loopback hosts).
//! * **Signature version 3**, ACS3-HMAC-SHA256: action and version in headers, path `/`, GET or POST.
//! * The fixed account of [`account`].
//!
//! # The order of its checks
//!
//! The first failure in this order is the answer: route → signature present → timestamp (±15 min) → key → token →
//! signed headers, body hash, signature → nonce → authorisation → parameters → IMM's own rules.
//!
//! # What it tolerates
//!
//! What official clients really send: any set of signed headers that has the required ones, `+` or `%20` for a space, raw
//! `*'()!` in a query, query names signed raw or encoded, `True` and `true` and `1`, spaces after the commas of the
//! Authorization header, chunked bodies, and parameters in query or form.
//!
//! # Session policies
//!
//! A `Policy` given to AssumeRole really limits the session: actions and resources are matched, with `*` and `?`.
//! A resource is `acs:imm:<region>:<account>:project/<name>` (`project/*` for ListProjects) or the role's ARN.
//! Conditions are not evaluated: a statement with one never allows and always denies.

pub mod account;
mod answer;
mod authenticate;
mod call;
mod clock;
mod control;
mod emulator;
mod fault;
mod imm;
mod log;
mod policy;
mod random;
mod request;
mod route;
mod server;
mod sessions;
mod signature;
mod sts;

use std::sync::{Mutex, MutexGuard, PoisonError};

pub use emulator::{Builder, Emulator};
pub use fault::Fault;
pub use log::{Call, Summary, Tally};

/// Locks, also after another thread panicked while it held the lock: an emulator goes on answering.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
