//! A strict offline emulator of Alibaba Cloud's STS, Intelligent Media Management (IMM), Object Storage Service (OSS)
//! and instance metadata service, for tests.
//!
//! It listens on loopback. It verifies every signature with its own code, rejects what the cloud rejects, in the cloud's
//! order and with the cloud's error codes, and returns responses in the cloud's form. This is a community project, not
//! affiliated with Alibaba Cloud.
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
//! // Make the next two calls fail, and let time pass.
//! emulator.fail_next("sts/AssumeRole", Fault::new(503, "ServiceUnavailable").times(2));
//! emulator.advance_clock(Duration::from_secs(5));
//!
//! // See the requests and the statuses of their responses.
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
//! # Supported services
//!
//! * **STS 2015-04-01**: AssumeRole, AssumeRoleWithOIDC, AssumeRoleWithSAML, GetCallerIdentity, and on hosts that name no
//!   region but `ap-northeast-1` GenerateSessionAccessKey.
//! * **IMM 2020-09-30**: CreateProject, GetProject, ListProjects, UpdateProject, DeleteProject. Projects are kept in
//!   memory, for each region of a host `imm.<region>.aliyuncs.com`; loopback hosts stand for `cn-hangzhou`.
//! * **OSS**: PutObject, GetObject, HeadObject, DeleteObject and ListObjectsV2 on the bucket [`account::BUCKET`], which
//!   the path or the host names. Signature versions 4 and 1, in headers or in a presigned URL. An object has up to
//!   16 MiB, all objects together 64 MiB. Other features are rejected as not implemented, after the signature was
//!   verified.
//! * **SLS**: ListProjects of an account without projects, with signature version 1 (HMAC-SHA1).
//! * **Instance metadata** of ECS under `/latest/`: the role `imm-role` and its credentials, `region-id`, `zone-id`,
//!   `instance-id` and `owner-account-id`, with tokens and, unless [`Metadata::Hardened`], without.
//! * **The services behind logins**: OAuth's page `/oauth2/v1/auth` (registered redirect URIs alone, PKCE by S256, each code is
//!   redeemed once and by its verifier), `/v1/token` (refresh tokens rotate, and each is spent once) and `/v1/exchange`;
//!   CloudSSO's device flow (`/device-authorization`, the page `/device`, `/token` polled no faster than its interval), the lists
//!   of `/access-assignments/` and `/cloud-credentials`. Sessions are of `imm-role`. [`Emulator::decide_logins`] says what the
//!   person does who opens a page; [`Emulator::oauth_login`] and [`Emulator::cloud_sso_login`] log in without one.
//! * **A credentials URI** for containers, `/credentials`: [`Emulator::credentials_uri`].
//!
//! STS and IMM accept signature version 3 (ACS3-HMAC-SHA256: action and version in headers, path `/`, GET or POST) and
//! version 1 (RPC with HMAC-SHA1: all parameters in the query or a form). The identities are those of [`account`].
//!
//! All services share one address for HTTP and, with the feature `tls`, a second one for HTTPS.
//!
//! # Order of the checks
//!
//! The first check that fails determines the response: route, signature present, timestamp (±15 min), AccessKey, token,
//! signed headers with body hash and signature, nonce, rate limit, authorization, parameters, IMM's own rules. For
//! AssumeRoleWithOIDC: route, timestamp if present, rate limit, provider, token (form, algorithm, signature, times,
//! issuer, audience), role, trust, parameters. For AssumeRoleWithSAML: the same, with an assertion (form, signature, times,
//! issuer, recipient, audience).
//!
//! # SAML assertions
//!
//! The parameter is a response with one assertion, or an assertion alone. The assertion itself must be signed: an enveloped
//! signature by RSA with SHA-256 (`rsa-sha256`, digest `sha256`) over exclusive canonical XML without comments and without a
//! list of prefixes. A signature of the response alone, encrypted assertions and other algorithms are rejected. It must have
//! the elements and attributes that the documents require: `NotOnOrAfter` and `Recipient` of the subject's confirmation, the
//! audience, the attributes `Role` and `RoleSessionName`.
//!
//! # Accepted variants
//!
//! The emulator accepts what official clients send:
//!
//! * any set of signed headers that contains the required ones, and spaces after the commas of the Authorization header;
//! * `+` or `%20` for a space, raw `*'()!` in a query, and in version 3 signed query names raw or encoded;
//! * `True`, `true` and `1`, an empty `SignatureType`, and `Format` in upper or lower case;
//! * parameters in query or form, chunked bodies, request targets in absolute form, and a Host header with a scheme.
//!
//! It rejects a version 1 signature over text in form encoding, with `+` for a space, which alibabacloud-credentials
//! 1.0.12 for Python makes.
//!
//! # Faults
//!
//! [`Emulator::fail_next`] changes the next responses of an operation: an error, a delay, another body, a truncated body,
//! a connection reset. For a running program, `POST /_emulator/faults` takes the list that [`Emulator::add_faults`]
//! takes, and `DELETE` removes all faults. `POST /_emulator/clock` moves the clock with `{"advance_seconds": N}` or
//! `{"offset_seconds": N}`. Both paths serve loopback clients only.
//!
//! # Session policies
//!
//! A `Policy` in AssumeRole restricts the session: actions and resources are matched, with `*` and `?`. A resource is
//! `acs:imm:<region>:<account>:project/<name>` (`project/*` for ListProjects), the ARN of an OSS object or bucket, or
//! the ARN of a role. Of conditions, `StringEquals` and `StringLike` on `oss:Prefix` and `oss:Delimiter` of ListObjectsV2 are
//! evaluated; a statement with any other never allows and always denies.
//!
//! # The RSA key
//!
//! The package contains a private key, which signs the tokens of [`account::oidc_token`] and of the command `token` and the
//! assertions of [`account::saml_assertion`], and is the key pair of [`account::key_pair_pem`]. Only this emulator trusts it.

#![cfg_attr(docsrs, feature(doc_cfg))]

pub mod account;
mod assertion;
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
mod key;
mod key_pair;
mod listener;
mod lock;
mod log;
mod login;
mod logins;
mod metadata;
mod oidc;
#[cfg(feature = "cli")]
mod options;
mod oss;
mod pending_logins;
mod policy;
mod random;
mod request;
mod response;
mod route;
mod saml;
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
pub use emulator::{Emulator, Login};
pub use fault::Fault;
pub use log::{Call, Summary, Tally};
#[cfg(feature = "cli")]
pub use options::Options;
pub use pending_logins::LoginDecision;
pub use settings::Metadata;
