//! The face of the instance metadata service, version 2: a token first, then the role and its session.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use http::request::Parts;
use http::{HeaderMap, Method, StatusCode};
use zeroize::Zeroizing;

use super::answer::{Answer, Session, is_same, random_hex};
use crate::world;

const TOKEN_PATH: &str = "/latest/api/token";
const ROLE_PATH: &str = "/latest/meta-data/ram/security-credentials/";
const REGION_PATH: &str = "/latest/meta-data/region-id";
/// The role's name: a metadata service has one.
const ROLE: &str = "alicred";
const TTL_HEADER: &str = "x-aliyun-ecs-metadata-token-ttl-seconds";
const TOKEN_HEADER: &str = "x-aliyun-ecs-metadata-token";
const LONGEST_TTL: u64 = 21_600;
/// The official SDKs take a token for every request; the oldest are forgotten.
const TOKENS: usize = 1_024;

pub(crate) struct Metadata {
    region: Option<String>,
    tokens: Mutex<VecDeque<(Zeroizing<String>, Instant)>>,
}

impl Metadata {
    pub(super) fn new(region: Option<String>) -> Self {
        Self { region, tokens: Mutex::default() }
    }

    pub(super) async fn answer(&self, request: &Parts, session: &Session) -> Answer {
        let path = request.uri.path();
        if path == TOKEN_PATH {
            return self.token(request);
        }
        if request.method != Method::GET {
            return Answer::new(StatusCode::METHOD_NOT_ALLOWED, "another method than GET", "");
        }
        if !self.has_token(&request.headers) {
            return Answer::new(StatusCode::FORBIDDEN, "no valid metadata token", "");
        }
        match (path.strip_prefix(ROLE_PATH), &self.region) {
            (Some(""), _) => Answer::new(StatusCode::OK, "role", ROLE),
            (Some(ROLE), _) => session.answer().await,
            (None, Some(region)) if path == REGION_PATH => Answer::new(StatusCode::OK, "region", region),
            _ => Answer::new(StatusCode::NOT_FOUND, "another path", ""),
        }
    }

    fn token(&self, request: &Parts) -> Answer {
        let ttl = request.headers.get(TTL_HEADER).and_then(|ttl| ttl.to_str().ok()?.parse().ok());
        let ttl = ttl.filter(|ttl| (1..=LONGEST_TTL).contains(ttl));
        match (&request.method, ttl) {
            (&Method::PUT, Some(ttl)) => match random_hex() {
                Ok(token) => {
                    let mut tokens = self.tokens.lock().unwrap_or_else(PoisonError::into_inner);
                    if tokens.len() == TOKENS {
                        tokens.pop_front();
                    }
                    tokens.push_back((token.clone(), world::stopwatch() + Duration::from_secs(ttl)));
                    Answer::new(StatusCode::OK, "token", token.as_str())
                }
                Err(_) => Answer::new(StatusCode::INTERNAL_SERVER_ERROR, "no randomness", ""),
            },
            (&Method::PUT, None) => Answer::new(StatusCode::BAD_REQUEST, "a token without its lifetime", ""),
            _ => Answer::new(StatusCode::METHOD_NOT_ALLOWED, "another method than PUT", ""),
        }
    }

    fn has_token(&self, headers: &HeaderMap) -> bool {
        let Some(given) = headers.get(TOKEN_HEADER).and_then(|token| token.to_str().ok()) else { return false };
        let now = world::stopwatch();
        let mut tokens = self.tokens.lock().unwrap_or_else(PoisonError::into_inner);
        tokens.retain(|(_, end)| *end > now);
        // All are looked at, whichever one it is.
        tokens.iter().fold(false, |found, (token, _)| found | is_same(token, given))
    }
}
