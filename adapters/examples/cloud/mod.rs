//! What the examples share: an emulated cloud, chains on it, and time that passes for them.

#![allow(dead_code, unreachable_pub)]

use std::error::Error;
use std::time::Duration;

use alibabacloud_credentials::{AssumeRole, Context, ContextBuilder, DefaultCredentialChain, Refresher, TestClock};
use alibabacloud_emulator::{Emulator, account};

pub type Outcome<T = ()> = Result<T, Box<dyn Error + Send + Sync>>;

/// A cloud on loopback, and a clock for the chain alone.
pub async fn cloud() -> Outcome<(Emulator, TestClock)> {
    // The clients here are built without a TLS library of their own: see the crate's front page. Nobody was before us.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let emulator = Emulator::builder().start().await?;
    let clock = TestClock::new(emulator.now());
    Ok((emulator, clock))
}

/// The environment of a process with a RAM user's key.
pub fn environment(emulator: &Emulator, clock: &TestClock) -> ContextBuilder {
    Context::builder().clock(clock.clone()).env([
        ("ALIBABA_CLOUD_ACCESS_KEY_ID", account::RAM_USER.id.to_owned()),
        ("ALIBABA_CLOUD_ACCESS_KEY_SECRET", account::RAM_USER.secret.to_owned()),
        ("ALIBABA_CLOUD_STS_ENDPOINT", emulator.endpoint()),
    ])
}

/// Sessions of `imm-role`.
pub fn sessions(context: Context) -> DefaultCredentialChain {
    let role = AssumeRole::new("acs:ram::1234567890123456:role/imm-role").session_name("example");
    DefaultCredentialChain::builder().context(context).assume_role(role).build()
}

/// Lets the session come near its end, has someone ask, and waits for the next one.
pub async fn let_it_be_renewed(clock: &TestClock, refresher: &Refresher) -> Outcome {
    let old = refresher.credentials().await?.generation();
    let mut generations = refresher.subscribe();
    clock.advance(Duration::from_secs(3300));
    refresher.credentials().await?;
    generations.wait_for(|generation| *generation > old).await?;
    Ok(())
}

/// How often an operation succeeded.
pub fn succeeded(emulator: &Emulator, action: &str) -> usize {
    emulator.calls().iter().filter(|call| call.action == action && call.status == 200).count()
}

/// An outcome that was expected, or the example fails.
pub fn expect(holds: bool, what: &str) -> Outcome {
    if holds { Ok(()) } else { Err(what.into()) }
}
