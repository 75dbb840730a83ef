//! An instance as a value: what its metadata service answers, under a virtual clock.

use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::{Duration, UNIX_EPOCH};

use bytes::Bytes;
use http::{Method, Request};

use crate::context::{Context, HttpErrorKind, TestClock};
use crate::providers::EcsMetadataProvider;
use crate::providers::ecs_metadata::{REGION, ROLES};
use crate::providers::scripted_http::{Answered, ScriptedHttp, answer, broken, session};

/// An ECS instance as its metadata service shows it. Tests change it as they go.
pub(super) struct Instance {
    pub(super) role: Option<&'static str>,
    /// The status of the PUT; 200 grants.
    pub(super) put: u16,
    /// The number of the only token that is good.
    pub(super) token: u32,
    /// Requests need a token.
    pub(super) hardened: bool,
    /// The next answers, whatever was asked.
    pub(super) next: Vec<Answered>,
    /// The errors of connections to addresses that begin so.
    pub(super) unreachable: Vec<(&'static str, HttpErrorKind)>,
    pub(super) credentials: Option<String>,
}

#[derive(Clone)]
pub(super) struct World {
    pub(super) instance: Arc<Mutex<Instance>>,
    pub(super) http: ScriptedHttp,
    pub(super) clock: TestClock,
}

impl World {
    pub(super) fn new() -> Self {
        let instance = Arc::new(Mutex::new(Instance {
            role: Some("imm-role"),
            put: 200,
            token: 0,
            hardened: true,
            next: Vec::new(),
            unreachable: Vec::new(),
            credentials: None,
        }));
        let shared = Arc::clone(&instance);
        let http = ScriptedHttp::new(move |request| shared.lock().unwrap().answer(request));
        Self { instance, http, clock: TestClock::new(UNIX_EPOCH + Duration::from_secs(1_767_000_000)) }
    }

    pub(super) fn change(&self, change: impl FnOnce(&mut Instance)) {
        change(&mut self.instance.lock().unwrap());
    }

    pub(super) fn context(&self, env: &[(&str, &str)]) -> Context {
        self.context_at(env, PathBuf::from("/no-such-root"))
    }

    pub(super) fn context_at(&self, env: &[(&str, &str)], root: PathBuf) -> Context {
        let context = Context::builder().env(env.iter().copied()).root(root);
        context.http(self.http.clone()).clock(self.clock.clone()).build()
    }

    /// A provider that was asked for by name.
    pub(super) fn provider(&self, env: &[(&str, &str)]) -> EcsMetadataProvider {
        EcsMetadataProvider::new().required().context(self.context(env))
    }

    /// Returns the requests since the last time, in short: `PUT`, `role`, the role's name, `region`; with `-` where there was no
    /// token, and `6` where it was over IPv6.
    pub(super) fn asked(&self, from: usize) -> String {
        let short = |request: &Request<Bytes>| {
            let path = request.uri().path();
            let item = path.rsplit('/').next().unwrap();
            let mut text = match (request.method(), item) {
                (&Method::PUT, _) => "PUT".to_owned(),
                (_, "") => "role".to_owned(),
                (_, item) => item.to_owned(),
            };
            if request.method() == Method::GET && !request.headers().contains_key("x-aliyun-ecs-metadata-token") {
                text.push('-');
            }
            if request.uri().host() == Some("[fd00:100::100:200]") {
                text.push('6');
            }
            text
        };
        self.http.seen()[from..].iter().map(|(request, _)| short(request)).collect::<Vec<_>>().join(" ")
    }

    pub(super) fn count(&self) -> usize {
        self.http.seen().len()
    }
}

impl Instance {
    fn answer(&mut self, request: &Request<Bytes>) -> Answered {
        let host = request.uri().host().unwrap();
        if let Some((_, kind)) = self.unreachable.iter().find(|(prefix, _)| host.starts_with(prefix)) {
            return broken(*kind);
        }
        if !self.next.is_empty() {
            return self.next.remove(0);
        }
        let path = request.uri().path();
        if request.method() == Method::PUT {
            assert_eq!(path, "/latest/api/token");
            assert_eq!(request.headers()["x-aliyun-ecs-metadata-token-ttl-seconds"], "21600");
            if self.put != 200 {
                return answer(self.put, "");
            }
            self.token += 1;
            return answer(200, format!("token-{}", self.token));
        }
        match request.headers().get("x-aliyun-ecs-metadata-token").map(|token| token.to_str().unwrap()) {
            Some(token) if token != format!("token-{}", self.token) => return answer(401, ""),
            None if self.hardened => return answer(403, ""),
            _ => {}
        }
        match (path.strip_prefix(ROLES), self.role) {
            (Some(""), Some(role)) => answer(200, format!("{role}\n")),
            (Some(asked), Some(role)) if asked == role => {
                answer(200, self.credentials.clone().unwrap_or_else(|| session(&format!("STS.of-{role}"))))
            }
            (None, _) if path == REGION => answer(200, "cn-hangzhou\n"),
            _ => answer(404, ""),
        }
    }
}
