//! The instance metadata service of ECS: tokens, the instance's role and its credentials, and a few facts.

use chrono::{DateTime, Duration, Utc};
use http::Method;

use crate::account::{ACCOUNT_ID, IMM_ROLE};
use crate::answer::Plain;
use crate::instance::INSTANCE_ID;
use crate::request::Request;
use crate::state::State;

const TOKEN_PATH: &str = "/latest/api/token";
const ROLES: &str = "/latest/meta-data/ram/security-credentials";
const TOKEN: &str = "x-aliyun-ecs-metadata-token";
const TTL: &str = "x-aliyun-ecs-metadata-token-ttl-seconds";
const LONGEST_TTL: i64 = 21_600;

/// How the instance metadata service answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Metadata {
    /// With a token or without one.
    #[default]
    Normal,
    /// Only with a token, as an instance with `HttpTokens=required`: 403 without.
    Hardened,
    /// As if there were none: 404.
    Off,
}

/// What a path under `/latest/` asks for.
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

    /// The second part of a fault's route.
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Self::Token => "token",
            Self::Role => "role",
            Self::Credentials(_) => "credentials",
            Self::Fact(_) | Self::Unknown => "item",
        }
    }
}

pub(crate) fn answer(state: &State, request: &Request, now: DateTime<Utc>) -> Plain {
    if state.metadata == Metadata::Off {
        return Plain::text(404, "Not Found");
    }
    let item = Item::of(&request.path);
    match (&item, &request.method) {
        (Item::Token, &Method::PUT) => return token(state, request, now),
        (Item::Token, _) => return Plain::text(405, "Method Not Allowed"),
        (_, &Method::GET) => {}
        _ => return Plain::text(405, "Method Not Allowed"),
    }
    match request.header(TOKEN) {
        Some(token) if !is_valid(state, &token, now) => return Plain::text(401, "Unauthorized"),
        None if state.metadata == Metadata::Hardened => return Plain::text(403, "Forbidden"),
        _ => {}
    }
    match item {
        Item::Role if state.metadata_newline => Plain::text(200, format!("{IMM_ROLE}\n")),
        Item::Role => Plain::text(200, IMM_ROLE),
        Item::Credentials(IMM_ROLE) => Plain::json(200, state.instance.json(state, now, true)),
        Item::Fact(fact) => Plain::text(200, fact),
        _ => Plain::text(404, "Not Found"),
    }
}

/// A forwarded request is refused: the documented defence against forged requests by way of the instance's services.
fn token(state: &State, request: &Request, now: DateTime<Utc>) -> Plain {
    if request.header("x-forwarded-for").is_some() {
        return Plain::text(403, "Forbidden");
    }
    let ttl = request.header(TTL).and_then(|text| text.parse::<i64>().ok());
    match ttl.filter(|ttl| (1..=LONGEST_TTL).contains(ttl)) {
        Some(ttl) => Plain::text(200, write_token(state, now + Duration::seconds(ttl))),
        None => Plain::text(400, "Bad Request"),
    }
}

/// Opaque to clients: the end in milliseconds, a few digits that make it unique, and a seal over both. So there is
/// nothing to remember, however many are asked for.
fn write_token(state: &State, end: DateTime<Utc>) -> String {
    let text = format!("{:016x}{}", end.timestamp_millis(), state.random.hex(16));
    format!("{text}{}", state.random.seal(&format!("metadata/{text}")))
}

fn is_valid(state: &State, token: &str, now: DateTime<Utc>) -> bool {
    let (Some(text), Some(seal), Some(end)) = (token.get(..32), token.get(32..), token.get(..16)) else { return false };
    let end = i64::from_str_radix(end, 16).unwrap_or_default();
    seal == state.random.seal(&format!("metadata/{text}")) && now.timestamp_millis() < end
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
