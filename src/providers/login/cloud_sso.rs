//! CloudSSO: a session of an access configuration in an account, for an access token.

use bytes::Bytes;

use crate::context::Context;
use crate::credentials::Credentials;
use crate::error::Error;
use crate::login_service::{ServiceRequest, sign_in_host};
use crate::profile::Login;
use crate::session_json::{self, Origin};
use crate::validity::Issuer;

/// Asks for the session. `wanted` are the account and the access configuration.
pub(super) async fn credentials(
    context: &Context,
    login: &Login,
    sign_in_url: &str,
    wanted: [&str; 2],
    access_token: &str,
) -> Result<Credentials, Error> {
    let endpoint = sign_in_host(sign_in_url)?;
    let body = serde_json::json!({ "AccountId": wanted[0], "AccessConfigurationId": wanted[1] }).to_string();
    let request = ServiceRequest {
        bearer: Some(access_token),
        body: Bytes::from(body),
        repeatable: true,
        ..ServiceRequest::post(&endpoint, "/cloud-credentials", "application/json")
    };
    let answer = request.send(context).await?;
    let document = request.read(Some(login), &answer)?;
    let host = endpoint.to_string();
    let origin = Origin { host: &host, asked: "POST /cloud-credentials", within: "CloudCredential." };
    let transit = answer.extensions().get().copied();
    session_json::read(document.get("CloudCredential"), answer.headers(), transit, origin, Issuer::Relay, context)
}
