//! CloudSSO: a session of an access configuration in an account, for an access token.

use bytes::Bytes;

use super::Post;
use crate::context::Context;
use crate::credentials::Credentials;
use crate::endpoint::Endpoint;
use crate::error::Error;
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
    let endpoint = service(sign_in_url)?;
    let body = serde_json::json!({ "AccountId": wanted[0], "AccessConfigurationId": wanted[1] }).to_string();
    let post = Post {
        endpoint: &endpoint,
        path: "/cloud-credentials",
        content_type: "application/json",
        bearer: Some(access_token),
        body: Bytes::from(body),
        repeatable: true,
    };
    let answer = post.send(context).await?;
    let document = post.read(login, &answer)?;
    let host = endpoint.to_string();
    let origin = Origin { host: &host, asked: "POST /cloud-credentials", within: "CloudCredential." };
    let transit = answer.extensions().get().copied();
    session_json::read(document.get("CloudCredential"), answer.headers(), transit, origin, Issuer::Relay, context)
}

/// The host of the sign-in URL, with its port. HTTPS, or loopback.
fn service(sign_in_url: &str) -> Result<Endpoint, Error> {
    let (scheme, rest) = sign_in_url.split_once("://").unwrap_or(("https", sign_in_url));
    let host = rest.split(['/', '?', '#']).next().unwrap_or_default();
    Endpoint::parse(&format!("{scheme}://{host}"), false).map_err(|error| {
        error.of("cloud_sso_sign_in_url").with_remedy("write https://<host>/<path>, as `aliyun configure` does")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_the_sign_in_url_the_host_and_the_port_are_used_and_plain_http_is_for_loopback() {
        for (url, shown) in [
            ("https://signin-xx.alibabacloudsso.com/tenant/login", "signin-xx.alibabacloudsso.com"),
            ("https://sso.example:8443?x=/y", "sso.example:8443"),
            ("signin-xx.alibabacloudsso.com/a", "signin-xx.alibabacloudsso.com"),
            ("http://127.0.0.1:8080/a", "127.0.0.1:8080"),
        ] {
            assert_eq!(service(url).unwrap().to_string(), shown);
        }
        for url in ["http://sso.example/a", "ftp://sso.example", "https://user:s3cr3t@sso.example/", "https:///a", ""] {
            let error = service(url).unwrap_err();
            assert!(error.message().starts_with("cloud_sso_sign_in_url: "), "{error}");
            assert!(!format!("{error:#} {error:?}").contains("s3cr3t"), "{error}");
        }
    }
}
