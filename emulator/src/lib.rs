//! A strict offline stand-in for Alibaba Cloud's STS, Intelligent Media Management (IMM), Object Storage (OSS) and
//! instance metadata, for tests.
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
//! * **STS 2015-04-01**: AssumeRole, AssumeRoleWithOIDC, GetCallerIdentity.
//! * **IMM 2020-09-30**: CreateProject, GetProject, ListProjects, UpdateProject, DeleteProject; state in memory, per
//!   region of the host `imm.<region>.aliyuncs.com` (`cn-hangzhou` for loopback hosts).
//! * **OSS**: PutObject, GetObject, HeadObject, DeleteObject and ListObjectsV2 on the one bucket [`account::BUCKET`], named
//!   in the path or in the host; signature versions 4 and 1, in headers or in a presigned URL; 16 MiB an object, 64 in
//!   all. What else a request asks for is refused as not implemented, once its signature was found good.
//! * **SLS**: ListProjects of an account without projects, by signature version 1 (HMAC-SHA1).
//! * **Signature version 3**, ACS3-HMAC-SHA256: action and version in headers, path `/`, GET or POST.
//! * **Signature version 1**, RPC with HMAC-SHA1: everything in parameters, in query or form, for both products.
//! * **Instance metadata** of ECS under `/latest/`, with tokens or, unless [`Metadata::Hardened`], without: the role
//!   `imm-role`, its credentials, `region-id`, `zone-id`, `instance-id`, `owner-account-id`.
//! * **A credentials URI**, `/credentials`, for containers: [`Emulator::credentials_uri`].
//! * The fixed account of [`account`].
//!
//! All of it on one address, plain, and, with feature `tls`, on a second one with HTTPS.
//!
//! # The order of its checks
//!
//! The first failure in this order is the answer: route → signature present → timestamp (±15 min) → key → token →
//! signed headers, body hash, signature → nonce → flow limit → authorisation → parameters → IMM's own rules. For
//! AssumeRoleWithOIDC: route → timestamp, if there is one → flow limit → provider → token (form, algorithm, signature,
//! times, issuer, audience) → role → trust → parameters.
//!
//! # What it tolerates
//!
//! What official clients really send: any set of signed headers that has the required ones, `+` or `%20` for a space,
//! raw `*'()!` in a query, query names signed raw or encoded (version 3), `True` and `true` and `1`, spaces after the
//! commas of the Authorization header, chunked bodies, parameters in query or form, an empty `SignatureType`,
//! `Format` in any
//! case, targets in absolute form, a Host header with a scheme. It does not tolerate a version 1 signature over
//! form-quoted text, with `+` for a space, which alibabacloud-credentials 1.0.12 for Python makes.
//!
//! # Faults
//!
//! [`Emulator::fail_next`] spoils the next answers of an operation: an error, a delay, another body, a body that ends
//! too early, a connection that is reset. A running program is told so by `POST /_emulator/faults`, from loopback only,
//! with the list that [`Emulator::add_faults`] takes; `DELETE` forgets them. `POST /_emulator/clock` moves its clock:
//! `{"advance_seconds": N}` or `{"offset_seconds": N}`.
//!
//! # Session policies
//!
//! A `Policy` given to AssumeRole really limits the session: actions and resources are matched, with `*` and `?`.
//! A resource is `acs:imm:<region>:<account>:project/<name>` (`project/*` for ListProjects) or the role's ARN.
//! Conditions are not evaluated: a statement with one never allows and always denies.

pub mod account;
mod authenticate;
mod builder;
mod clock;
mod control;
mod emulator;
mod fault;
mod fault_body;
mod fault_list;
mod grant;
mod imm;
mod instance;
mod invocation;
mod jwt;
mod listener;
mod lock;
mod log;
mod metadata;
mod oidc;
mod oss;
mod policy;
mod random;
mod request;
mod response;
mod route;
mod server;
mod sessions;
mod settings;
mod signature;
mod signature_v1;
mod sls;
mod state;
mod sts;
mod target;
mod throttle;
#[cfg(feature = "tls")]
mod tls;

pub use builder::Builder;
pub use emulator::Emulator;
pub use fault::Fault;
pub use log::{Call, Summary, Tally};
pub use settings::Metadata;
