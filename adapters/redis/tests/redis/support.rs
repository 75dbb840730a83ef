//! A server of the test's own: the real program on a port of loopback that nobody else has.

#![allow(clippy::unwrap_used)]

use std::net::{Ipv4Addr, TcpListener};
use std::process::{Child, Command, Stdio};

use alibabacloud_credentials::{AssumeRole, Context, DefaultCredentialChain, RolePool, StoreKey};
use alibabacloud_credentials_redis::{RedisStore, RedisStoreBuilder};
use alibabacloud_emulator::{Emulator, account};
use redis::aio::MultiplexedConnection;

/// A `redis-server`, until this is dropped.
pub(crate) struct Redis {
    pub(crate) port: u16,
    folder: tempfile::TempDir,
    arguments: Vec<String>,
    child: Child,
}

/// A port that nobody has now.
pub(crate) fn free_port() -> u16 {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap().port()
}

impl Redis {
    /// `None` where the program is not installed, which is said.
    pub(crate) async fn start(arguments: &[&str]) -> Option<Self> {
        if Command::new("redis-server").arg("--version").stdout(Stdio::null()).status().is_err() {
            eprintln!("\n*** SKIPPED: redis-server is not installed (apt-get install redis-server) ***\n");
            return None;
        }
        let (port, folder) = (free_port(), tempfile::tempdir().unwrap());
        let arguments: Vec<String> = arguments.iter().map(|&argument| argument.to_owned()).collect();
        let child = run(port, &folder, &arguments);
        let mut redis = Self { port, folder, arguments, child };
        while redis.client().get_multiplexed_async_connection().await.is_err() {
            // One that was built without TLS ends at once, if that is what it is to speak.
            assert_eq!(redis.child.try_wait().unwrap(), None, "redis-server has ended");
            tokio::task::yield_now().await;
        }
        Some(redis)
    }

    pub(crate) fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    fn client(&self) -> redis::Client {
        redis::Client::open(self.url()).unwrap()
    }

    /// A connection beside the store's, once the server is there.
    pub(crate) async fn connection(&self) -> MultiplexedConnection {
        let client = self.client();
        loop {
            if let Ok(connection) = client.get_multiplexed_async_connection().await {
                return connection;
            }
            tokio::task::yield_now().await;
        }
    }

    pub(crate) fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Starts it again on the same port, with nothing in it.
    pub(crate) async fn restart(&mut self) {
        self.child = run(self.port, &self.folder, &self.arguments);
        self.connection().await;
    }
}

fn run(port: u16, folder: &tempfile::TempDir, arguments: &[String]) -> Child {
    let port = port.to_string();
    Command::new("redis-server")
        .args(["--port", &port, "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"])
        .args(arguments)
        .current_dir(folder.path())
        .stdout(Stdio::null())
        .spawn()
        .unwrap()
}

impl Drop for Redis {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

pub(crate) fn builder(url: impl Into<String>) -> RedisStoreBuilder {
    RedisStore::builder(url, StoreKey::new([7; 32]))
}

pub(crate) fn store(url: impl Into<String>) -> RedisStore {
    builder(url).build().unwrap()
}

/// A replica: a pool with a context and a store of its own.
pub(crate) fn replica(emulator: &Emulator, store: RedisStore) -> RolePool {
    let context = Context::builder().env([
        ("ALIBABA_CLOUD_ACCESS_KEY_ID", account::RAM_USER.id.to_owned()),
        ("ALIBABA_CLOUD_ACCESS_KEY_SECRET", account::RAM_USER.secret.to_owned()),
        ("ALIBABA_CLOUD_STS_ENDPOINT", emulator.endpoint()),
    ]);
    let chain = DefaultCredentialChain::builder().context(context.build()).build();
    RolePool::builder(chain).shared(store).build()
}

pub(crate) fn role(number: usize) -> AssumeRole {
    AssumeRole::new(format!("acs:ram::1234567890123456:role/tenant-{number}")).session_name(format!("canary-{number}"))
}
