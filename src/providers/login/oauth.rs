//! The OAuth service: new tokens for a refresh token, a session for an access token.

use crate::context::Context;
use crate::credentials::Credentials;
use crate::endpoint::Endpoint;
use crate::error::Error;
use crate::login_service::{ServiceRequest, expired, oauth_tokens};
use crate::profile::{Login, LoginKind, Site};
use crate::session_json::{self, Origin};
use crate::time;
use crate::validity::Issuer;

/// Spends the refresh token. Returns the login with the new tokens.
pub(super) async fn renew(context: &Context, login: &Login) -> Result<Login, Error> {
    let LoginKind::OAuth { site, refresh_token: Some(refresh_token) } = &login.kind else {
        return Err(expired(login, "has no refresh token"));
    };
    let form = [
        ("grant_type", "refresh_token"),
        ("refresh_token", refresh_token.as_str()),
        ("client_id", site.client_id()),
        ("Timestamp", &time::to_iso(context.signing_time())),
    ];
    let tokens = oauth_tokens(context, Some(login), *site, &form).await?;
    Ok(Login {
        profile: login.profile.clone(),
        kind: LoginKind::OAuth { site: *site, refresh_token: Some(tokens.refresh_token) },
        access_token: Some(tokens.access_token),
        access_token_expire: tokens.expires,
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
    let request = ServiceRequest {
        bearer: Some(access_token),
        repeatable: true,
        ..ServiceRequest::post(&endpoint, "/v1/exchange", "application/json")
    };
    let answer = request.send(context).await?;
    let members = request.read(Some(login), &answer)?;
    let host = endpoint.to_string();
    let origin = Origin { host: &host, asked: "POST /v1/exchange", within: "" };
    let transit = answer.extensions().get().copied();
    session_json::read(Some(&members), answer.headers(), transit, origin, Issuer::Relay, context)
}
