//! An axum service: many handlers at once, two clients, one chain.

#![allow(unreachable_pub)]

use alibabacloud_credentials::{DefaultCredentialChain, OpenApiClient};
use alibabacloud_credentials_adapters::ImmCredentials;
use alibabacloud_imm::Client;
use alibabacloud_imm::ops::{ListProjectsOps, ListProjectsQuery};
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::routing::{get, post};
use axum::{Json, Router};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use crate::cloud::Outcome;

/// Two clients of the same product, as happens in one process: both are fed by one chain, so they share its session.
#[derive(Clone)]
struct App {
    chain: DefaultCredentialChain,
    calls: OpenApiClient,
    credentials: ImmCredentials,
    imm: Client,
}

type Answer = Result<Json<Value>, (StatusCode, String)>;

/// Both crates' errors say what to do and hold no secret; a service would log them and answer less.
fn bad_gateway(error: impl std::fmt::Display) -> (StatusCode, String) {
    (StatusCode::BAD_GATEWAY, error.to_string())
}

async fn create(State(app): State<App>, Path(name): Path<String>) -> Answer {
    let answer = app.calls.call("CreateProject", [("ProjectName", name.as_str())]).await.map_err(bad_gateway)?;
    Ok(Json(answer.body()["Project"].clone()))
}

async fn list(State(app): State<App>) -> Answer {
    let ask = || app.imm.list_projects(ListProjectsQuery::default());
    let answer = app.credentials.renewing(ask).await.map_err(bad_gateway)?;
    Ok(Json(Value::Array(answer.projects)))
}

/// For a readiness probe: no request to the cloud is made.
async fn health(State(app): State<App>) -> Json<Value> {
    Json(json!({ "generation": app.chain.refresher().generation(), "ready": app.chain.refresher().cached().is_some() }))
}

/// A running service.
pub struct Service {
    pub url: String,
    stop: oneshot::Sender<()>,
    task: JoinHandle<std::io::Result<()>>,
}

impl Service {
    pub async fn start(chain: DefaultCredentialChain, imm_endpoint: &str) -> Outcome<Self> {
        let credentials = ImmCredentials::new(&chain);
        let imm = Client::builder().endpoint(imm_endpoint).credentials_provider(credentials.clone()).build()?;
        let calls = OpenApiClient::new(imm_endpoint, "2020-09-30", &chain);
        let app = App { chain, calls, credentials, imm };
        let router = Router::new()
            .route("/projects/{name}", post(create))
            .route("/projects", get(list))
            .route("/health", get(health))
            .with_state(app);
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let url = format!("http://{}", listener.local_addr()?);
        let (stop, stopped) = oneshot::channel::<()>();
        let serve = axum::serve(listener, router).with_graceful_shutdown(async {
            // The sender gone is as good as its word.
            let _ = stopped.await;
        });
        Ok(Self { url, stop, task: tokio::spawn(serve.into_future()) })
    }

    /// Requests in flight are finished first.
    pub async fn shut_down(self) -> Outcome {
        let _ = self.stop.send(());
        Ok(self.task.await??)
    }
}

/// Sends `count` requests at once, half of them to each client, and says how many were answered well.
pub async fn load(service: &Service, round: usize, count: usize) -> Outcome<usize> {
    let http = reqwest::Client::builder().no_proxy().build()?;
    let requests = (0..count).map(|n| {
        let request = match n % 2 {
            0 => http.post(format!("{}/projects/round-{round}-{n}", service.url)),
            _ => http.get(format!("{}/projects", service.url)),
        };
        tokio::spawn(request.send())
    });
    let requests: Vec<_> = requests.collect();
    let mut well = 0;
    for request in requests {
        let answer = request.await??;
        if answer.status().is_success() {
            well += 1;
        } else {
            eprintln!("{}: {}", answer.status(), answer.text().await?);
        }
    }
    Ok(well)
}
