//! A world with a home directory, a clock that stands still, and servers that grant everything.

use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use alibabacloud_credentials::{
    BoxFuture, Context, DefaultCredentialChain, DefaultCredentialChainBuilder, Error, HttpError, HttpErrorKind,
    HttpSend, Refresher, SendOptions, TestClock,
};
use bytes::Bytes;
use serde_json::{Value, json};

pub(crate) const CONFIG: &str = "home/me/.aliyun/config.json";
const URI: &str = r#"{"AccessKeyId":"STS.from-uri","AccessKeySecret":"fake-secret","SecurityToken":"fake-token",
    "Expiration":"2099-01-01T00:00:00Z"}"#;
const SESSION: &str = r#"{"RequestId":"R","AssumedRoleUser":{"Arn":"acs:ram::100:role/media/s"},"Credentials":{
    "AccessKeyId":"STS.session","AccessKeySecret":"fake-secret","SecurityToken":"fake-token",
    "Expiration":"2099-01-01T00:00:00Z"}}"#;
const IDENTITY: &str = r#"{"RequestId":"R","IdentityType":"RAMUser","AccountId":"100","PrincipalId":"1","UserId":"1",
    "Arn":"acs:ram::100:user/alice"}"#;

/// A URI that gives a session, an STS that grants everything, and metadata that knows a role; all that was asked is noted.
#[derive(Clone, Default)]
struct Servers(Arc<Mutex<Vec<String>>>);

impl HttpSend for Servers {
    fn send(
        &self,
        request: http::Request<Bytes>,
        _: SendOptions,
    ) -> BoxFuture<'_, Result<http::Response<Bytes>, HttpError>> {
        let (host, path) = (request.uri().host().unwrap_or_default().to_owned(), request.uri().path().to_owned());
        let action = request.headers().get("x-acs-action").map(|action| action.to_str().unwrap().to_owned());
        let version = if request.headers().contains_key("x-aliyun-ecs-metadata-token") { "v2" } else { "v1" };
        let answer = |status: u16, body: &str| {
            let response = http::Response::builder().status(status).body(Bytes::from(body.to_owned()));
            response.map_err(|error| HttpError::new(HttpErrorKind::Other, error.to_string()))
        };
        let (asked, response) = match (host.as_str(), action.as_deref()) {
            ("127.0.0.1" | "10.0.0.7", _) => ("URI".to_owned(), answer(200, URI)),
            ("100.100.100.200", _) if path.ends_with("/token") => ("token".to_owned(), answer(404, "")),
            ("100.100.100.200", _) if path.ends_with("/region-id") => {
                (format!("region {version}"), answer(200, "cn-x"))
            }
            ("100.100.100.200", _) if path.ends_with("/media") => {
                (format!("role {version}"), answer(200, &URI.replacen('{', r#"{"Code":"Success","#, 1)))
            }
            ("100.100.100.200", _) => (format!("roles {version}"), answer(200, "media")),
            (host, Some("GetCallerIdentity")) => (format!("GetCallerIdentity {host}"), answer(200, IDENTITY)),
            (host, Some(action)) => (format!("{action} {host}"), answer(200, SESSION)),
            (host, None) => (format!("AssumeRole by V1 {host}"), answer(200, SESSION)),
        };
        self.0.lock().unwrap().push(asked);
        Box::pin(std::future::ready(response))
    }
}

pub(crate) struct World {
    pub(crate) root: PathBuf,
    pub(crate) clock: TestClock,
    servers: Servers,
    pub(crate) context: Context,
}

impl Drop for World {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.root);
    }
}

impl World {
    pub(crate) fn new(name: &str, env: &[(&str, &str)]) -> Self {
        let root = std::env::temp_dir().join(format!("alibabacloud-kept-{name}-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&root);
        std::fs::create_dir_all(root.join("home/me/.aliyun")).unwrap();
        std::fs::create_dir_all(root.join("home/me/.alibabacloud")).unwrap();
        let clock = TestClock::new(std::time::UNIX_EPOCH + Duration::from_secs(1_800_000_000));
        let servers = Servers::default();
        let context = Context::builder()
            .env([&[("HOME", "/home/me")], env].concat())
            .root(&root)
            .http(servers.clone())
            .clock(clock.clone())
            .spawn(|task| drop(tokio::spawn(task)))
            .build();
        Self { root, clock, servers, context }
    }

    pub(crate) fn write(&self, config: &Value) {
        std::fs::write(self.root.join(CONFIG), config.to_string()).unwrap();
    }

    pub(crate) fn builder(&self) -> DefaultCredentialChainBuilder {
        DefaultCredentialChain::builder().context(self.context.clone())
    }

    pub(crate) fn asked(&self) -> Vec<String> {
        std::mem::take(&mut *self.servers.0.lock().unwrap())
    }

    /// The key in use after three more seconds of use.
    pub(crate) async fn key(&self, chain: &Refresher) -> String {
        for _ in 0..3 {
            self.clock.advance(Duration::from_secs(1));
            let _ = chain.credentials().await;
            for _ in 0..20 {
                tokio::task::yield_now().await;
            }
        }
        chain.credentials().await.unwrap().access_key_id().to_owned()
    }

    pub(crate) async fn error_later(&self, chain: &DefaultCredentialChain) -> Error {
        self.clock.advance(Duration::from_secs(60));
        chain.credentials().await.unwrap_err()
    }
}

pub(crate) fn pair(name: &str, id: &str) -> Value {
    json!({"name": name, "mode": "AK", "access_key_id": id, "access_key_secret": "fake-secret"})
}

pub(crate) fn config(current: &str, staging: &str) -> Value {
    json!({"current": current, "profiles": [pair("staging", staging), pair("prod", "id-prod")]})
}
