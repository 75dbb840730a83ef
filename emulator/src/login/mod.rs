//! The services behind interactive logins: OAuth with PKCE and refresh tokens that rotate, and CloudSSO with its device flow.

mod assignments;
mod cloud_sso;
mod device;
mod oauth;

use std::sync::Arc;

use chrono::{DateTime, Utc};
use http::Method;

use crate::account::imm_role;
use crate::grant::{SessionOptions, grant};
use crate::request::Request;
use crate::response::PlainResponse;
use crate::sessions::Session;
use crate::state::State;

/// Lifetime of the sessions that are handed out.
const SESSION_SECONDS: u32 = 3_600;

/// The operation at a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Path {
    Authorize,
    Token,
    Exchange,
    DeviceAuthorization,
    DevicePage,
    DeviceToken,
    Accounts,
    AccessConfigurations,
    CloudCredentials,
}

impl Path {
    pub(crate) fn of(path: &str) -> Option<Self> {
        Some(match path {
            "/oauth2/v1/auth" => Self::Authorize,
            "/v1/token" => Self::Token,
            "/v1/exchange" => Self::Exchange,
            "/device-authorization" => Self::DeviceAuthorization,
            "/device" => Self::DevicePage,
            "/token" => Self::DeviceToken,
            "/access-assignments/accounts" => Self::Accounts,
            "/access-assignments/access-configurations" => Self::AccessConfigurations,
            "/cloud-credentials" => Self::CloudCredentials,
            _ => return None,
        })
    }

    /// Returns both parts of a fault's route.
    pub(crate) fn names(self) -> (&'static str, &'static str) {
        match self {
            Self::Authorize => ("oauth", "authorize"),
            Self::Token => ("oauth", "token"),
            Self::Exchange => ("oauth", "exchange"),
            Self::DeviceAuthorization => ("cloudsso", "device-authorization"),
            Self::DevicePage => ("cloudsso", "device"),
            Self::DeviceToken => ("cloudsso", "token"),
            Self::Accounts => ("cloudsso", "accounts"),
            Self::AccessConfigurations => ("cloudsso", "access-configurations"),
            Self::CloudCredentials => ("cloudsso", "credentials"),
        }
    }

    /// Pages and lists are read, and all else is posted.
    fn method(self) -> Method {
        match self {
            Self::Authorize | Self::DevicePage | Self::Accounts | Self::AccessConfigurations => Method::GET,
            _ => Method::POST,
        }
    }
}

pub(crate) fn handle(state: &State, request: &Request, path: Path, now: DateTime<Utc>) -> PlainResponse {
    if request.method != path.method() {
        return PlainResponse::text(405, "Method Not Allowed");
    }
    match path {
        Path::Authorize => oauth::authorize(state, request, now),
        Path::Token => oauth::token(state, request, now),
        Path::Exchange => oauth::exchange(state, request, now),
        Path::DeviceAuthorization => device::begin(state, request, now),
        Path::DevicePage => device::visit(state, request, now),
        Path::DeviceToken => device::token(state, request, now),
        Path::Accounts => assignments::accounts(state, request, now),
        Path::AccessConfigurations => assignments::access_configurations(state, request, now),
        Path::CloudCredentials => cloud_sso::credentials(state, request, now),
    }
}

/// The token of an `Authorization: Bearer` header.
fn bearer(request: &Request) -> Option<String> {
    let header = request.header("authorization")?;
    header.strip_prefix("Bearer ").filter(|token| !token.is_empty()).map(str::to_owned)
}

fn is_json(request: &Request) -> bool {
    let content_type = request.header("content-type").unwrap_or_default().to_ascii_lowercase();
    content_type.split(';').next().is_some_and(|kind| kind.trim() == "application/json")
}

/// Grants a session of `imm-role`.
fn session(state: &State, name: &str, now: DateTime<Utc>) -> Arc<Session> {
    let options = SessionOptions { name: name.to_owned(), seconds: SESSION_SECONDS, policy: None };
    state.sessions.add(grant(&state.random, state.settings.session_seconds, imm_role(), options, now), now)
}
