//! The instance metadata service of ECS: tokens, the instance's role with its credentials, and a few facts.

use chrono::{DateTime, Duration, Utc};
use http::Method;

use crate::account::{ACCOUNT_ID, IMM_ROLE};
use crate::instance::INSTANCE_ID;
use crate::request::Request;
use crate::response::PlainResponse;
use crate::settings::Metadata;
use crate::state::State;

const TOKEN_PATH: &str = "/latest/api/token";
const ROLES: &str = "/latest/meta-data/ram/security-credentials";
const TOKEN: &str = "x-aliyun-ecs-metadata-token";
const TTL: &str = "x-aliyun-ecs-metadata-token-ttl-seconds";
const MAX_TTL_SECONDS: i64 = 21_600;

/// The item at a path under `/latest/`.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Item<'a> {
    Token,
    Role,
    Credentials(&'a str),
    Fact(&'static str),
    Unknown,
}

impl<'a> Item<'a> {
    pub(crate) fn of(path: &'a str) -> Self {
        if path == TOKEN_PATH {
            return Self::Token;
        }
        match path.strip_prefix(ROLES) {
            Some("" | "/") => return Self::Role,
            Some(role) if role.starts_with('/') => return Self::Credentials(&role[1..]),
            _ => {}
        }
        match path.strip_prefix("/latest/meta-data/") {
            Some("region-id") => Self::Fact("cn-hangzhou"),
            Some("zone-id") => Self::Fact("cn-hangzhou-i"),
            Some("instance-id") => Self::Fact(INSTANCE_ID),
            Some("owner-account-id") => Self::Fact(ACCOUNT_ID),
            _ => Self::Unknown,
        }
    }

    /// Returns the second part of a fault's route.
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Self::Token => "token",
            Self::Role => "role",
            Self::Credentials(_) => "credentials",
            Self::Fact(_) | Self::Unknown => "item",
        }
    }
}

pub(crate) fn handle(state: &State, request: &Request, now: DateTime<Utc>) -> PlainResponse {
    if state.settings.metadata == Metadata::Off {
        return PlainResponse::text(404, "Not Found");
    }
    let item = Item::of(&request.path);
    match (&item, &request.method) {
        (Item::Token, &Method::PUT) => return issue_token(state, request, now),
        (Item::Token, _) => return PlainResponse::text(405, "Method Not Allowed"),
        (_, &Method::GET) => {}
        _ => return PlainResponse::text(405, "Method Not Allowed"),
    }
    match request.header(TOKEN) {
        Some(token) if !is_valid(state, &token, now) => return PlainResponse::text(401, "Unauthorized"),
        None if state.settings.metadata == Metadata::Hardened => return PlainResponse::text(403, "Forbidden"),
        _ => {}
    }
    match item {
        Item::Role if state.settings.metadata_newline => PlainResponse::text(200, format!("{IMM_ROLE}\n")),
        Item::Role => PlainResponse::text(200, IMM_ROLE),
        Item::Credentials(IMM_ROLE) => {
            let settings = &state.settings;
            let json = state.instance.json(&state.sessions, &state.random, settings.session_seconds, now, true);
            PlainResponse::json(200, json)
        }
        Item::Fact(fact) => PlainResponse::text(200, fact),
        _ => PlainResponse::text(404, "Not Found"),
    }
}

/// Issues a token. Forwarded requests are rejected: the documented defense against requests forged through the
/// instance's own services.
fn issue_token(state: &State, request: &Request, now: DateTime<Utc>) -> PlainResponse {
    if request.header("x-forwarded-for").is_some() {
        return PlainResponse::text(403, "Forbidden");
    }
    let ttl = request.header(TTL).and_then(|text| text.parse::<i64>().ok());
    match ttl.filter(|ttl| (1..=MAX_TTL_SECONDS).contains(ttl)) {
        Some(ttl) => PlainResponse::text(200, encode_token(state, now + Duration::seconds(ttl))),
        None => PlainResponse::text(400, "Bad Request"),
    }
}

/// Encodes a token: its expiration in milliseconds, random digits that make it unique, and a MAC over both. As the
/// token carries all this, none has to be stored. Clients treat it as opaque.
fn encode_token(state: &State, end: DateTime<Utc>) -> String {
    let text = format!("{:016x}{}", end.timestamp_millis(), state.random.hex(16));
    format!("{text}{}", state.random.short_mac(&format!("metadata/{text}")))
}

fn is_valid(state: &State, token: &str, now: DateTime<Utc>) -> bool {
    let (Some(text), Some(mac), Some(end)) = (token.get(..32), token.get(32..), token.get(..16)) else { return false };
    let end = i64::from_str_radix(end, 16).unwrap_or_default();
    mac == state.random.short_mac(&format!("metadata/{text}")) && now.timestamp_millis() < end
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_name_items() {
        for (path, item) in [
            ("/latest/api/token", Item::Token),
            ("/latest/meta-data/ram/security-credentials", Item::Role),
            ("/latest/meta-data/ram/security-credentials/", Item::Role),
            ("/latest/meta-data/ram/security-credentials/imm-role", Item::Credentials("imm-role")),
            ("/latest/meta-data/ram/security-credentials-x", Item::Unknown),
            ("/latest/meta-data/zone-id", Item::Fact("cn-hangzhou-i")),
            ("/latest/", Item::Unknown),
        ] {
            assert_eq!(Item::of(path), item, "{path}");
        }
    }
}
