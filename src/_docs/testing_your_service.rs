//! # Test your own service
//!
//! A service that takes its credentials from this crate can be tested offline: `alibabacloud-emulator` plays STS, IMM, OSS,
//! instance metadata and a credentials URI inside the test's process, and a [`Context`](crate::Context) replaces the
//! environment, the files and the clock. It verifies signatures with its own code, so a request that passes here is signed
//! correctly.
//!
//! ```toml
//! [dev-dependencies]
//! alibabacloud-credentials = { version = "0.1", features = ["test-util"] }
//! alibabacloud-emulator = { version = "0.1", default-features = false }
//! tokio = { version = "1", features = ["macros", "rt"] }
//! ```
//!
//! # Start it and point the chain at it
//!
//! ```
//! use alibabacloud_credentials::{AssumeRole, Context, DefaultCredentialChain, OpenApiClient};
//! use alibabacloud_emulator::{Emulator, account};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let emulator = Emulator::builder().start().await?;
//! let context = Context::builder()
//!     .env([
//!         ("ALIBABA_CLOUD_ACCESS_KEY_ID", account::RAM_USER.id.to_owned()),
//!         ("ALIBABA_CLOUD_ACCESS_KEY_SECRET", account::RAM_USER.secret.to_owned()),
//!         ("ALIBABA_CLOUD_STS_ENDPOINT", emulator.endpoint()),
//!     ])
//!     .build();
//! let role = AssumeRole::new("acs:ram::1234567890123456:role/imm-role");
//! let chain = DefaultCredentialChain::builder().context(context).assume_role(role).build();
//!
//! let imm = OpenApiClient::new(emulator.endpoint(), "2020-09-30", &chain);
//! imm.call("CreateProject", [("ProjectName", "testproject")]).await?;
//!
//! let seen = emulator.summary();
//! assert_eq!((seen.imm.calls, seen.rejected), (1, 0));
//! # Ok(()) }
//! ```
//!
//! `.env(…)` is the whole environment: the variables and the home directory of the machine are not read. Absolute paths are
//! looked up below the directory that `.root(…)` names, so a test can bring its own `~/.aliyun/config.json`.
//!
//! The emulator's account is fixed: `alibabacloud_emulator::account` has the keys of a RAM user, of the root account, of a user
//! who may only read, and of a disabled key, and the documentation of that crate lists the roles.
//!
//! # Move time
//!
//! Freeze both clocks and move them together. Sessions expire without waiting:
//!
//! ```
//! use std::time::{Duration, UNIX_EPOCH};
//! use alibabacloud_credentials::{AssumeRole, Context, DefaultCredentialChain, Health, TestClock};
//! use alibabacloud_emulator::{Emulator, Fault, account};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let start = UNIX_EPOCH + Duration::from_secs(1_800_000_000);
//! let emulator = Emulator::builder().start().await?;
//! emulator.freeze_clock_at(start);
//! let clock = TestClock::new(start);
//! let pass = |time: Duration| {
//!     clock.advance(time);
//!     emulator.advance_clock(time);
//! };
//!
//! let context = Context::builder()
//!     .clock(clock.clone())
//!     .env([
//!         ("ALIBABA_CLOUD_ACCESS_KEY_ID", account::RAM_USER.id.to_owned()),
//!         ("ALIBABA_CLOUD_ACCESS_KEY_SECRET", account::RAM_USER.secret.to_owned()),
//!         ("ALIBABA_CLOUD_STS_ENDPOINT", emulator.endpoint()),
//!     ])
//!     .build();
//! let role = AssumeRole::new("acs:ram::1234567890123456:role/imm-role");
//! let chain = DefaultCredentialChain::builder().context(context).assume_role(role).build();
//! let first = chain.credentials().await?;
//!
//! // STS is down when the one-hour session is due after 50 minutes: callers do not notice, health does.
//! emulator.fail_next("sts/AssumeRole", Fault::new(503, "ServiceUnavailable").times(100));
//! pass(Duration::from_secs(50 * 60));
//! assert_eq!(chain.credentials().await?.generation(), first.generation());
//! while !matches!(chain.refresher().health(), Health::Degraded { .. }) {
//!     tokio::task::yield_now().await; // the refresh runs in the background
//! }
//!
//! // It is back when the session has ended: the next caller gets a new one.
//! emulator.clear_faults();
//! pass(Duration::from_secs(11 * 60));
//! assert!(chain.credentials().await?.generation() > first.generation());
//! # Ok(()) }
//! ```
//!
//! A timer of the crate (a limit, a pause between two attempts) ends only when the test's clock passes it. While a
//! `TestClock` stands still, code that waits for a timer waits forever: advance the clock from another task, or use the
//! real clock with `Emulator::builder().session_seconds(4)`, which makes sessions last four seconds. Let a refresh that runs in
//! the background end before a long step of the clock, as above: a step beyond its limit (120 s) makes it time out.
//!
//! # Make it fail
//!
//! `Emulator::fail_next` changes the next responses of one operation. A route is `sts/AssumeRole`, `imm/CreateProject`,
//! `metadata/credentials` and the like; `sts/*` means every operation of STS.
//!
//! | to see how the service behaves when | fault |
//! |---|---|
//! | STS is down | `Fault::new(503, "ServiceUnavailable").times(3)` |
//! | STS throttles | `Fault::new(429, "Throttling.User").header("x-acs-retry-after", "2000")` |
//! | a session is refused early | `Fault::new(400, "InvalidSecurityToken.Expired")` |
//! | a response is slow | `Fault::delayed(Duration::from_secs(2))` |
//! | a response is lost after the call took effect | `Fault::answered().reset()` |
//! | a response is cut off | `Fault::answered().truncate(20)` |
//! | a proxy answers | `Fault::new(502, "BadGateway").body("<html>")` |
//!
//! # Assert on what was sent
//!
//! `Emulator::calls` lists every request with its action, path and status, `Emulator::summary` counts calls, sessions and
//! rejections. A test of a service that runs through several sessions asserts that `rejected` is 0.
//!
//! # Without the emulator
//!
//! A test that needs no server takes [`Credentials`](crate::Credentials) as its provider, a closure
//! ([`provider_fn`](crate::provider_fn)) for sources that change, or a scripted [`HttpSend`](crate::HttpSend) for exact
//! responses: see [For library authors](crate::_docs::for_library_authors).
