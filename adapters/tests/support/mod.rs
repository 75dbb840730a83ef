//! The emulator, and a chain whose clock the test moves while the clients' own clocks stay where they are.

#![allow(dead_code, unreachable_pub, clippy::unwrap_used)]

use std::future::{Future, poll_fn};
use std::task::Poll;
use std::time::Duration;

use alibabacloud_credentials::{AssumeRole, Context, DefaultCredentialChain, Refresher, TestClock};
use alibabacloud_emulator::{Emulator, Fault, account};

/// One chain over one emulated cloud. The clients sign by the real clock, so the emulator keeps it, and a session is
/// renewed because only the chain believes that time has passed.
pub struct Cloud {
    pub emulator: Emulator,
    pub clock: TestClock,
    context: Context,
    pub chain: DefaultCredentialChain,
    session: Duration,
}

impl Cloud {
    /// Sessions of an hour.
    pub async fn start() -> Self {
        Self::with_sessions_of(3600).await
    }

    pub async fn with_sessions_of(seconds: u32) -> Self {
        // The first test of a process installs it, the others find it there.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let emulator = Emulator::builder().session_seconds(seconds).start().await.unwrap();
        let clock = TestClock::new(emulator.now());
        let context = Context::builder()
            .env([
                ("ALIBABA_CLOUD_ACCESS_KEY_ID", account::RAM_USER.id.to_owned()),
                ("ALIBABA_CLOUD_ACCESS_KEY_SECRET", account::RAM_USER.secret.to_owned()),
                ("ALIBABA_CLOUD_STS_ENDPOINT", emulator.endpoint()),
            ])
            .clock(clock.clone())
            .build();
        let chain = chain(&context, "imm-role");
        Self { emulator, clock, context, chain, session: Duration::from_secs(seconds.into()) }
    }

    /// Another chain, with sessions of another role.
    pub fn as_role(&self, role: &str) -> DefaultCredentialChain {
        chain(&self.context, role)
    }

    pub fn refresher(&self) -> &Refresher {
        self.chain.refresher()
    }

    /// The session comes so near to its end that the next one who asks starts a renewal, and still gets the old one.
    pub fn age(&self) {
        self.clock.advance(self.session - self.session / 8);
    }

    /// The same, with the server's clock: for clients that sign by the chain's.
    pub fn age_together(&self) {
        self.emulator.advance_clock(Duration::from_secs(3300));
        self.age();
    }

    /// How many requests OSS has had.
    pub fn oss_calls(&self) -> usize {
        self.emulator.calls().iter().filter(|call| call.product == "oss").count()
    }

    /// The codes of OSS's refusals, in order.
    pub fn oss_refusals(&self) -> Vec<String> {
        let calls = self.emulator.calls();
        calls.into_iter().filter(|call| call.product == "oss").filter_map(|call| call.code).collect()
    }

    /// Waits for a generation above `before`.
    pub async fn renewed_since(&self, before: u64) {
        self.refresher().subscribe().wait_for(|generation| *generation > before).await.unwrap();
    }

    /// Drives `call` to its end. Pauses of up to a second, before something is tried again, pass at once.
    pub async fn drive<T>(&self, call: impl Future<Output = T>) -> T {
        let mut call = std::pin::pin!(call);
        loop {
            if let Poll::Ready(value) = poll_fn(|cx| Poll::Ready(call.as_mut().poll(cx))).await {
                return value;
            }
            if let Some(pause) = self.clock.next_wake().filter(|pause| pause.as_secs() <= 1) {
                self.clock.advance(pause);
            }
            tokio::task::yield_now().await;
        }
    }

    /// STS answers nothing but 503.
    pub fn break_sts(&self) {
        self.emulator.fail_next("sts/AssumeRole", Fault::new(503, "ServiceUnavailable").times(1000));
    }

    /// Waits for a refresh to have failed.
    pub async fn degraded(&self) {
        while !matches!(self.refresher().health(), alibabacloud_credentials::Health::Degraded { .. }) {
            tokio::task::yield_now().await;
        }
    }

    /// How often `action` was answered by `status`.
    pub fn count(&self, action: &str, status: u16) -> usize {
        self.emulator.calls().iter().filter(|call| call.action == action && call.status == status).count()
    }

    /// The key ids that signed `action`, in order, each as often as it follows another.
    pub fn signers(&self, action: &str) -> Vec<String> {
        let mut ids: Vec<String> = Vec::new();
        for call in self.emulator.calls().iter().filter(|call| call.action == action) {
            ids.extend(call.access_key_id.clone());
        }
        ids.dedup();
        ids
    }
}

fn chain(context: &Context, role: &str) -> DefaultCredentialChain {
    let role = AssumeRole::new(format!("acs:ram::1234567890123456:role/{role}"));
    DefaultCredentialChain::builder().context(context.clone()).assume_role(role).build()
}

/// Nothing of a session may show in a text.
pub fn holds_no_secret(text: &str, refresher: &Refresher) -> bool {
    refresher
        .with(|session| {
            !text.contains(session.access_key_secret())
                && !text.contains(session.access_key_id())
                && session.security_token().is_none_or(|token| !text.contains(token))
        })
        .unwrap_or(true)
}
