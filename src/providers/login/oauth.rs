//! The OAuth service: new tokens for a refresh token, a session for an access token.

use bytes::Bytes;
use serde_json::Value;
use zeroize::Zeroizing;

use super::Post;
use crate::context::Context;
use crate::credentials::Credentials;
use crate::endpoint::Endpoint;
use crate::error::Error;
use crate::profile::{Login, LoginKind, Site, login_seconds};
use crate::rpc;
use crate::session_json::{self, Origin};
use crate::time;
use crate::validity::Issuer;

/// The lifetime of an access token whose response does not tell it, as in the official SDKs.
const LIFETIME: i64 = 3_600;

/// Spends the refresh token. Returns the login with the new tokens.
pub(super) async fn renew(context: &Context, login: &Login) -> Result<Login, Error> {
    let LoginKind::OAuth { site, refresh_token: Some(refresh_token) } = &login.kind else {
        return Err(super::expired(login, "has no refresh token"));
    };
    let endpoint = Endpoint::https(site.host().to_owned());
    let body = form_urlencoded::Serializer::new(String::new())
        .append_pair("grant_type", "refresh_token")
        .append_pair("refresh_token", refresh_token)
        .append_pair("client_id", site.client_id())
        .append_pair("Timestamp", &time::to_iso(context.signing_time()))
        .finish();
    let post = Post {
        endpoint: &endpoint,
        path: "/v1/token",
        content_type: rpc::FORM,
        bearer: None,
        body: Bytes::from(body),
        repeatable: false,
    };
    let answer = post.send(context).await?;
    let tokens = post.read(login, &answer)?;
    let token = |name: &str| {
        let token = tokens.get(name).and_then(Value::as_str).map(str::trim).filter(|token| !token.is_empty());
        let host = endpoint.to_string();
        let origin = Origin { host: &host, asked: "POST /v1/token", within: "" };
        token.map(|token| Zeroizing::new(token.to_owned())).ok_or_else(|| origin.without(name))
    };
    let lifetime = tokens.get("expires_in").and_then(Value::as_i64).filter(|seconds| *seconds > 0);
    let end = login_seconds(context.now().system_time()).saturating_add(lifetime.unwrap_or(LIFETIME));
    Ok(Login {
        profile: login.profile.clone(),
        kind: LoginKind::OAuth { site: *site, refresh_token: Some(token("refresh_token")?) },
        access_token: Some(token("access_token")?),
        access_token_expire: end,
        session: login.session.clone(),
    })
}

/// Exchanges the access token for a session.
pub(super) async fn exchange(
    context: &Context,
    login: &Login,
    site: Site,
    access_token: &str,
) -> Result<Credentials, Error> {
    let endpoint = Endpoint::https(site.host().to_owned());
    let post = Post {
        endpoint: &endpoint,
        path: "/v1/exchange",
        content_type: "application/json",
        bearer: Some(access_token),
        body: Bytes::new(),
        repeatable: true,
    };
    let answer = post.send(context).await?;
    let members = post.read(login, &answer)?;
    let host = endpoint.to_string();
    let origin = Origin { host: &host, asked: "POST /v1/exchange", within: "" };
    let transit = answer.extensions().get().copied();
    session_json::read(Some(&members), answer.headers(), transit, origin, Issuer::Relay, context)
}
