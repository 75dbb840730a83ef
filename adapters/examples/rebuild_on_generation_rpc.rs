//! A client that takes three strings and no provider, aliyun-openapi-core-rust-sdk: made anew when the generation changes.
//!
//! `cargo run --example rebuild_on_generation_rpc`

mod cloud;

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use alibabacloud_credentials::Refresher;
use aliyun_openapi_core_rust_sdk::client::rpc::RPClient;
use cloud::{Outcome, cloud, environment, expect, let_it_be_renewed, sessions, succeeded};

/// A client, the token that has to go with each of its requests, and which session both are of. No `Debug`: the client's
/// own prints its secret.
struct Made {
    generation: u64,
    client: RPClient,
    token: Option<String>,
}

/// Holds the latest. Asking is cheap while the session is the same: a warm read, and a lock that is never held across
/// an await.
struct Clients {
    refresher: Refresher,
    endpoint: String,
    made: Mutex<Option<Arc<Made>>>,
}

impl Clients {
    /// For the next request, not for keeping: one that is held across a renewal goes stale.
    async fn current(&self) -> Outcome<Arc<Made>> {
        let credentials = self.refresher.credentials().await?;
        let mut made = self.made.lock().unwrap_or_else(PoisonError::into_inner);
        // Whoever was handed the older session in a race does not put it in the newer one's place.
        if let Some(latest) = made.as_ref().filter(|latest| latest.generation >= credentials.generation()) {
            return Ok(Arc::clone(latest));
        }
        let (id, secret) = (credentials.access_key_id(), credentials.access_key_secret());
        let new = Arc::new(Made {
            generation: credentials.generation(),
            client: RPClient::new(id, secret, &*self.endpoint),
            token: credentials.security_token().map(str::to_owned),
        });
        println!("made a client of generation {}", new.generation);
        *made = Some(Arc::clone(&new));
        Ok(new)
    }

    async fn call(&self, action: &str, parameters: &[(&str, &str)]) -> Outcome<String> {
        let made = self.current().await?;
        // The token is one more signed parameter. This crate puts all of them into the URL, the token too: where URLs are
        // logged, that is a leak, and `OpenApiClient` the better client.
        let token = made.token.as_deref().map(|token| ("SecurityToken", token));
        let query: Vec<(&str, &str)> = parameters.iter().copied().chain(token).collect();
        let call = made.client.clone().version("2020-09-30").post(action).query(query);
        // It has no limit of its own.
        Ok(call.timeout(Duration::from_secs(10)).text().await?)
    }
}

#[tokio::main]
async fn main() -> Outcome {
    let (emulator, clock) = cloud().await?;
    let chain = sessions(environment(&emulator, &clock).build());
    let clients =
        Clients { refresher: chain.refresher().clone(), endpoint: emulator.endpoint(), made: Mutex::new(None) };

    println!("{}", clients.call("CreateProject", &[("ProjectName", "testproject")]).await?);
    for _ in 0..10 {
        clients.call("ListProjects", &[]).await?;
    }
    let before = clients.current().await?.generation;
    let_it_be_renewed(&clock, chain.refresher()).await?;
    clients.call("DeleteProject", &[("ProjectName", "testproject")]).await?;
    let after = clients.current().await?.generation;

    let (imm, sts) = (emulator.summary().imm, succeeded(&emulator, "AssumeRole"));
    println!("{} calls of IMM, {sts} sessions of STS, generations {before} and {after}", imm.accepted);
    expect(imm.accepted == 12 && imm.rejected == 0 && sts == 2 && after > before, "twelve calls, two clients")
}
