//! Processes of one host that share the sessions of roles. Other processes are this program again.

#![allow(clippy::disallowed_methods)] // how a process is told what to do

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::UNIX_EPOCH;

use alibabacloud_credentials::{
    AssumeRole, AssumeRoleProvider, Context, ContextBuilder, Credentials, FileStore, OidcRoleProvider,
    OidcTokenVariable, Refresher, RolePool, TestClock,
};
use alibabacloud_emulator::Emulator;
use alibabacloud_emulator::account::{self, TokenOptions};

use crate::support::server::{Server, close, hang};

const ROLE: &str = "acs:ram::1234567890123456:role/imm-role";

/// A folder of the test's own.
struct Scratch(PathBuf);

impl Scratch {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("acs-file-store-{}-{name}", std::process::id()));
        let _ = std::fs::remove_dir_all(&path);
        Self(path)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn key() -> Credentials {
    Credentials::new("emulator-ram-user", "emulator-ram-user-secret")
}

fn session(context: ContextBuilder, folder: &Path, endpoint: &str) -> Refresher {
    let context = context.env([("HOME", "/nowhere")]).build();
    let role = AssumeRole::new(ROLE).session_name("job");
    let provider = AssumeRoleProvider::new(key(), role).context(context.clone()).sts_endpoint(endpoint);
    Refresher::builder(provider).context(context).shared(FileStore::at(folder)).build()
}

#[test]
#[ignore = "what the other processes of these tests do"]
fn another_process() {
    let [folder, endpoint] = ["TEST_FOLDER", "TEST_ENDPOINT"].map(|name| std::env::var(name).unwrap());
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let session = session(Context::builder(), Path::new(&folder), &endpoint);
    let session = runtime.block_on(session.credentials()).unwrap();
    println!("\nid={}", session.access_key_id());
}

fn start(folder: &Path, endpoint: &str) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "file_store::another_process", "--ignored", "--nocapture"])
        .env("TEST_FOLDER", folder)
        .env("TEST_ENDPOINT", endpoint)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

async fn id_of(child: Child) -> String {
    let output = tokio::task::spawn_blocking(|| child.wait_with_output()).await.unwrap().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    text.lines().find_map(|line| line.strip_prefix("id=")).unwrap_or_else(|| panic!("{text}")).to_owned()
}

#[tokio::test]
async fn sixty_four_processes_need_one_call() {
    let scratch = Scratch::new("many");
    let emulator = Emulator::builder().start().await.unwrap();
    let mut ids = Vec::new();
    // A few at a time, as a small machine would run them.
    for _ in 0..8 {
        let children: Vec<_> = (0..8).map(|_| start(&scratch.0, &emulator.endpoint())).collect();
        for child in children {
            ids.push(id_of(child).await);
        }
    }
    assert_eq!(ids.len(), 64);
    assert!(ids.iter().all(|id| *id == ids[0]));
    assert_eq!(emulator.summary().sts.calls, 1);
}

#[tokio::test]
async fn a_pool_takes_the_session_that_a_refresher_of_another_process_got_and_no_other_roles() {
    let scratch = Scratch::new("pool");
    let emulator = Emulator::builder().start().await.unwrap();
    let id = id_of(start(&scratch.0, &emulator.endpoint())).await;
    let context = Context::builder().env([("ALIBABA_CLOUD_STS_ENDPOINT", emulator.endpoint())]).build();
    let source = Refresher::builder(key()).context(context).build();
    let pool = RolePool::builder(source).shared(FileStore::at(&scratch.0)).build();
    let role = AssumeRole::new(ROLE).session_name("job");
    assert_eq!(pool.credentials(&role).await.unwrap().access_key_id(), id);
    assert_eq!((emulator.summary().sts.calls, pool.stats().calls), (1, 0));
    let narrower = role.policy(r#"{"Version":"1","Statement":[{"Effect":"Allow","Action":"imm:*","Resource":"*"}]}"#);
    assert_ne!(pool.credentials(&narrower).await.unwrap().access_key_id(), id);
}

/// Each process has a token of its own, and the answer of STS depends on it.
#[tokio::test]
async fn a_session_for_an_oidc_token_is_not_shared() {
    let scratch = Scratch::new("oidc");
    let emulator = Emulator::builder().start().await.unwrap();
    let token = account::oidc_token(&TokenOptions::default()).unwrap();
    for calls in 1..=2 {
        let context = Context::builder().env([("TOKEN", token.as_str())]).build();
        let provider = OidcRoleProvider::new()
            .provider_arn(account::OIDC_PROVIDER_ARN)
            .role(AssumeRole::new(ROLE).session_name("job"))
            .token(OidcTokenVariable::new("TOKEN"))
            .sts_endpoint(emulator.endpoint())
            .context(context.clone());
        let session = Refresher::builder(provider).context(context).shared(FileStore::at(&scratch.0)).build();
        session.credentials().await.unwrap();
        assert_eq!(emulator.summary().sts.calls, calls);
    }
    assert!(!scratch.0.exists());
}

#[tokio::test]
async fn the_lease_of_a_process_that_was_killed_ends_with_it() {
    let scratch = Scratch::new("killed");
    let asked = AtomicUsize::new(0);
    let mut sts = Server::start(move |_| {
        if asked.fetch_add(1, Ordering::SeqCst) == 0 {
            return hang("");
        }
        let body = r#"{"RequestId":"R-1","Credentials":{"AccessKeyId":"STS.next","AccessKeySecret":"fake-secret",
            "SecurityToken":"fake-token","Expiration":"2099-01-01T00:00:00Z"}}"#;
        close(format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{body}", body.len()))
    })
    .await;
    let endpoint = format!("http://{}", sts.address);
    let mut holder = start(&scratch.0, &endpoint);
    sts.head().await;
    holder.kill().unwrap();
    holder.wait().unwrap();
    // Its clock stands still: it would wait for ever for a lease that somebody has.
    let next = session(Context::builder().clock(TestClock::new(UNIX_EPOCH)), &scratch.0, &endpoint);
    assert_eq!(next.credentials().await.unwrap().access_key_id(), "STS.next");
}
