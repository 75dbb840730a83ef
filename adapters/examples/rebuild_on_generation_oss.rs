//! A client that takes three strings and no provider, ali-oss-rs: made anew when the generation changes.
//!
//! `cargo run --example rebuild_on_generation_oss`

mod cloud;

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use ali_oss_rs::object::ObjectOperations;
use ali_oss_rs::{Client, ClientBuilder, reqwest};
use alibabacloud_credentials::Refresher;
use alibabacloud_emulator::account;
use cloud::{Outcome, cloud, environment, expect, let_it_be_renewed, sessions, succeeded};

/// The host that OSS has in the bucket's region. Here it leads to the emulator.
const ENDPOINT: &str = "oss-cn-hangzhou.aliyuncs.com";

/// Holds the latest client and which session it is of. Asking is cheap while the session is the same: a warm read, and a
/// lock that is never held across an await.
struct Clients {
    refresher: Refresher,
    endpoint: String,
    /// One for all, so that connections outlive the session. The client's own would have no limit of time either.
    http: reqwest::Client,
    latest: Mutex<Option<(u64, Arc<Client>)>>,
}

impl Clients {
    /// For the next request, not for keeping: one that is held across a renewal goes stale.
    ///
    /// Where the `log` crate has a logger at debug, this client prints every header, security token and signature among
    /// them: keep `ali_oss_rs` above that. Its builder's `Debug` prints the secret.
    async fn current(&self) -> Outcome<Arc<Client>> {
        let credentials = self.refresher.credentials().await?;
        let mut latest = self.latest.lock().unwrap_or_else(PoisonError::into_inner);
        // Whoever was handed the older session in a race does not put it in the newer one's place.
        if let Some((_, client)) = latest.as_ref().filter(|(generation, _)| *generation >= credentials.generation()) {
            return Ok(Arc::clone(client));
        }
        let (id, secret) = (credentials.access_key_id(), credentials.access_key_secret());
        let mut builder =
            ClientBuilder::new(id, secret, &self.endpoint).region(account::BUCKET_REGION).client(self.http.clone());
        if let Some(token) = credentials.security_token() {
            builder = builder.sts_token(token);
        }
        let client = Arc::new(builder.build()?);
        println!("made a client of generation {}", credentials.generation());
        *latest = Some((credentials.generation(), Arc::clone(&client)));
        Ok(client)
    }
}

#[tokio::main]
async fn main() -> Outcome {
    let (emulator, clock) = cloud().await?;
    let chain = sessions(environment(&emulator, &clock).build());
    let host = format!("{}.{ENDPOINT}", account::BUCKET);
    let http = reqwest::Client::builder().timeout(Duration::from_secs(10)).no_proxy();
    let clients = Clients {
        refresher: chain.refresher().clone(),
        endpoint: format!("http://{ENDPOINT}:{}", emulator.http_addr().port()),
        http: http.resolve(&host, emulator.http_addr()).build()?,
        latest: Mutex::new(None),
    };

    let first = clients.current().await?;
    first.put_object_from_buffer(account::BUCKET, "films/a.txt", "by one session", None).await?;
    expect(Arc::ptr_eq(&first, &clients.current().await?), "the same client while the session is the same")?;
    let_it_be_renewed(&clock, chain.refresher()).await?;
    let second = clients.current().await?;
    let film = second.get_object_to_buffer(account::BUCKET, "films/a.txt", None).await?;
    second.delete_object(account::BUCKET, "films/a.txt", None).await?;

    let sts = succeeded(&emulator, "AssumeRole");
    println!("read {:?}, {sts} sessions of STS", String::from_utf8_lossy(&film));
    expect(film == b"by one session" && sts == 2 && !Arc::ptr_eq(&first, &second), "one client for each session")
}
