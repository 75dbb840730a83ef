//! A stand-in for a product that the emulator does not play: it keeps objects, and remembers what came.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex};

use alibabacloud_credentials::{Credentials, sign::oss4};
use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::{HeaderMap, Method, Request, StatusCode};
use axum::response::{IntoResponse, Response};

/// One request as it came.
#[derive(Clone, Debug)]
pub struct Seen {
    pub method: Method,
    pub path: String,
    pub query: String,
    pub headers: HeaderMap,
}

impl Seen {
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map(|value| value.to_str().unwrap()).unwrap_or_default()
    }

    /// Whether `by` signed it with OSS4, for `bucket` and `key` in the path.
    pub fn is_signed_by(&self, by: &Credentials, bucket: &str, key: &str) -> bool {
        let query: Vec<(&str, &str)> =
            self.query.split('&').map(|pair| pair.split_once('=').unwrap_or((pair, ""))).collect();
        let headers: Vec<(&str, &str)> =
            self.headers.iter().map(|(name, value)| (name.as_str(), value.to_str().unwrap())).collect();
        let request = oss4::Request {
            method: self.method.as_str(),
            bucket,
            key,
            region: "cn-hangzhou",
            query: &query,
            headers: &headers,
            additional_headers: &[],
        };
        self.header("x-oss-security-token") == by.security_token().unwrap_or_default()
            && self.header("authorization") == request.authorization(by.access_key_id(), by.access_key_secret())
    }
}

#[derive(Default)]
struct Kept {
    seen: Mutex<Vec<Seen>>,
    objects: Mutex<HashMap<String, Bytes>>,
    refusals: Mutex<VecDeque<(u16, &'static str, Option<&'static str>)>>,
}

pub struct Product {
    pub endpoint: String,
    kept: Arc<Kept>,
}

impl Product {
    /// Ends with the test's runtime.
    pub async fn start() -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        let kept = Arc::new(Kept::default());
        let router = Router::new().fallback(answer).with_state(Arc::clone(&kept));
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self { endpoint, kept }
    }

    /// The next request is answered with this; `header` is how OSS says it where there is no body.
    pub fn refuse_next(&self, status: u16, body: &'static str, header: Option<&'static str>) {
        self.kept.refusals.lock().unwrap().push_back((status, body, header));
    }

    /// What came since the last look.
    pub fn seen(&self) -> Vec<Seen> {
        std::mem::take(&mut *self.kept.seen.lock().unwrap())
    }
}

async fn answer(State(kept): State<Arc<Kept>>, request: Request<Body>) -> Response {
    let (parts, body) = request.into_parts();
    let body = axum::body::to_bytes(body, 1 << 20).await.unwrap();
    let path = parts.uri.path().to_owned();
    kept.seen.lock().unwrap().push(Seen {
        method: parts.method.clone(),
        path: path.clone(),
        query: parts.uri.query().unwrap_or_default().to_owned(),
        headers: parts.headers,
    });
    if let Some((status, body, header)) = kept.refusals.lock().unwrap().pop_front() {
        let status = StatusCode::from_u16(status).unwrap();
        return match header {
            Some(header) => (status, [("x-oss-err", header)], body).into_response(),
            None => (status, body).into_response(),
        };
    }
    let mut objects = kept.objects.lock().unwrap();
    match parts.method {
        Method::PUT => {
            objects.insert(path, body);
            StatusCode::OK.into_response()
        }
        Method::DELETE => {
            objects.remove(&path);
            StatusCode::NO_CONTENT.into_response()
        }
        _ => match objects.get(&path) {
            Some(object) => object.clone().into_response(),
            None => {
                (StatusCode::NOT_FOUND, "<Error><Code>NoSuchKey</Code><Message>gone</Message></Error>").into_response()
            }
        },
    }
}
