//! A request to one of the services behind logins (OAuth, CloudSSO), and what comes back: tokens, a document, or a refusal.

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, header};
use serde_json::Value;
use zeroize::Zeroizing;

use crate::context::{Context, Dates, HttpError, SendOptions, with_retries};
use crate::endpoint::Endpoint;
use crate::error::{Error, ErrorKind};
use crate::key_characters;
use crate::profile::{Login, Site, login_seconds};
use crate::redact::shown;
use crate::rpc;
use crate::session_json::Origin;

/// The lifetime of an access token whose response does not tell it, as in the official SDKs.
const LIFETIME: i64 = 3_600;
/// The largest page of a list in bytes.
const LIST_LIMIT: usize = 1024 * 1024;

/// The error of a login that is over.
pub(crate) fn expired(login: &Login, what: &str) -> Error {
    let plain = login.profile.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte));
    let name = if plain { login.profile.clone() } else { format!("'{}'", shown(&login.profile)) };
    let mode = login.mode();
    let remedy =
        format!("log in again: alicred login --profile {name} (or aliyun configure --mode {mode} --profile {name})");
    Error::failed(what).with_code("LoginExpired").with_remedy(remedy).permanent()
}

/// A request to one of the services behind logins.
pub(crate) struct ServiceRequest<'a> {
    pub(crate) endpoint: &'a Endpoint,
    pub(crate) method: Method,
    pub(crate) path: &'a str,
    /// The query, with its question mark: errors do not repeat it.
    pub(crate) query: &'a str,
    pub(crate) content_type: &'static str,
    pub(crate) bearer: Option<&'a str>,
    pub(crate) body: Bytes,
    /// A request that may be sent twice.
    pub(crate) repeatable: bool,
}

impl<'a> ServiceRequest<'a> {
    /// A POST without a token and a body, which may not be sent twice.
    pub(crate) fn post(endpoint: &'a Endpoint, path: &'a str, content_type: &'static str) -> Self {
        let (method, body) = (Method::POST, Bytes::new());
        Self { endpoint, method, path, query: "", content_type, bearer: None, body, repeatable: false }
    }
}

#[cfg(feature = "login")]
impl<'a> ServiceRequest<'a> {
    /// A GET of a list.
    pub(crate) fn get(endpoint: &'a Endpoint, path: &'a str) -> Self {
        Self { method: Method::GET, repeatable: true, ..Self::post(endpoint, path, "application/json") }
    }
}

impl ServiceRequest<'_> {
    fn request(&self) -> Result<Request<Bytes>, Error> {
        let invalid = |_| Error::failed("the tokens of the login cannot be sent");
        let url = format!("{}://{}{}{}", self.endpoint.scheme(), self.endpoint, self.path, self.query);
        let mut request = Request::builder()
            .method(self.method.clone())
            .uri(url)
            .header(header::ACCEPT, "application/json")
            .header(header::CONTENT_TYPE, self.content_type)
            .header(header::USER_AGENT, rpc::USER_AGENT)
            .body(self.body.clone())
            .map_err(invalid)?;
        if let Some(token) = self.bearer {
            let mut value = HeaderValue::try_from(format!("Bearer {token}"))
                .map_err(|_| Error::failed("the access token cannot be sent in a header"))?;
            value.set_sensitive(true);
            request.headers_mut().insert(header::AUTHORIZATION, value);
        }
        Ok(request)
    }

    /// The request as errors name it.
    fn asked(&self) -> String {
        format!("{} {}", self.method, self.path)
    }

    /// Sends it; what passes is tried again where that harms nothing.
    pub(crate) async fn send(&self, context: &Context) -> Result<Response<Bytes>, Error> {
        let max_body = if self.method == Method::GET { LIST_LIMIT } else { SendOptions::default().max_body };
        let options = SendOptions { proxy: !self.endpoint.is_loopback(), max_body, ..SendOptions::default() };
        let request = self.request()?;
        // What was never sent was not spent.
        let may_repeat = |answer: &Result<_, HttpError>| {
            self.repeatable || answer.as_ref().is_err_and(|error| error.kind().is_unconnected())
        };
        let send = || context.send(request.clone(), options, Dates::Ignored);
        let answer = with_retries(context, may_repeat, send).await;
        answer.map_err(|error| rpc::no_answer(&self.endpoint.to_string(), &self.asked(), &error))
    }

    /// The JSON object of an answer with status 200. A refusal of the tokens of `login` says how to log in again.
    pub(crate) fn read(&self, login: Option<&Login>, answer: &Response<Bytes>) -> Result<Value, Error> {
        let (host, asked) = (self.endpoint.to_string(), self.asked());
        let origin = Origin { host: &host, asked: &asked, within: "" };
        let body = serde_json::from_slice::<Value>(rpc::without_bom(answer.body())).ok().filter(Value::is_object);
        if answer.status() == StatusCode::OK {
            return body.ok_or_else(|| origin.without("a JSON object"));
        }
        let Some(body) = body else { return Err(origin.refused(answer.status(), answer.headers())) };
        Err(refusal(login, &origin, answer.status(), answer.headers(), &body))
    }

    /// The error of an answer that lacks something.
    pub(crate) fn without(&self, what: &str) -> Error {
        let (host, asked) = (self.endpoint.to_string(), self.asked());
        Origin { host: &host, asked: &asked, within: "" }.without(what)
    }

    /// A token in a document, which errors do not show. Some go into a header.
    pub(crate) fn token(&self, document: &Value, name: &str) -> Result<Zeroizing<String>, Error> {
        let token = document.get(name).and_then(Value::as_str).map(str::trim);
        let token = token.filter(|token| !token.is_empty() && key_characters::check(name, token).is_ok());
        token.map(|token| Zeroizing::new(token.to_owned())).ok_or_else(|| self.without(name))
    }
}

/// The code of a refusal, if it is a word.
pub(crate) fn refusal_code(body: &Value) -> Option<String> {
    let code = ["error", "ErrorCode"].iter().find_map(|name| body.get(*name)?.as_str())?;
    is_code(code).then(|| code.to_owned())
}

/// Returns whether a text is a word, as codes are, and nothing that is not to be shown.
pub(crate) fn is_code(text: &str) -> bool {
    !text.is_empty() && text.len() <= 64 && text.bytes().all(|b| b.is_ascii_alphabetic() || b"._".contains(&b))
}

/// The error of a refusal: of its body only the code and the RequestId are kept.
fn refusal(login: Option<&Login>, origin: &Origin<'_>, status: StatusCode, headers: &HeaderMap, body: &Value) -> Error {
    let text = |names: [&str; 2]| names.iter().find_map(|name| body.get(*name)?.as_str()).map(str::to_owned);
    let code = refusal_code(body).unwrap_or_default();
    let named = if code.is_empty() { String::new() } else { format!(" ({code})") };
    let over = status == StatusCode::UNAUTHORIZED && code != "invalid_client"
        || matches!(code.as_str(), "invalid_grant" | "expired_token" | "invalid_token");
    let error = if let Some(login) = login.filter(|_| over) {
        let error = expired(login, "");
        error.map_message(|_| format!("{} refused the login{named}: it has expired or was revoked", origin.host))
    } else if code.is_empty() {
        origin.refused(status, headers)
    } else {
        let error = origin.refused(status, headers);
        error.map_message(|message| format!("{message}{named}")).with_code("LoginRefused")
    };
    let error = error.with_kind(ErrorKind::Refused).with_http_status(status.as_u16());
    let is_id = |id: &String| id.len() <= 64 && id.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
    match text(["requestId", "RequestId"]).filter(is_id) {
        Some(id) => error.with_request_id(id),
        None => error,
    }
}

/// The tokens of OAuth.
pub(crate) struct OAuthTokens {
    pub(crate) access_token: Zeroizing<String>,
    pub(crate) refresh_token: Zeroizing<String>,
    /// The end of the access token, in seconds since the epoch.
    pub(crate) expires: i64,
}

/// Asks the OAuth service of a site for tokens. What the form holds can be spent once.
pub(crate) async fn oauth_tokens(
    context: &Context,
    login: Option<&Login>,
    site: Site,
    form: &[(&str, &str)],
) -> Result<OAuthTokens, Error> {
    let endpoint = Endpoint::https(site.host().to_owned());
    let body = form_urlencoded::Serializer::new(String::new()).extend_pairs(form).finish();
    let request = ServiceRequest { body: Bytes::from(body), ..ServiceRequest::post(&endpoint, "/v1/token", rpc::FORM) };
    let tokens = request.read(login, &request.send(context).await?)?;
    let lifetime = tokens.get("expires_in").and_then(Value::as_i64).filter(|seconds| *seconds > 0);
    let now = login_seconds(context.now().system_time());
    Ok(OAuthTokens {
        access_token: request.token(&tokens, "access_token")?,
        refresh_token: request.token(&tokens, "refresh_token")?,
        expires: now.saturating_add(lifetime.unwrap_or(LIFETIME)),
    })
}

/// The host of a CloudSSO sign-in URL, with its port. HTTPS, or loopback.
pub(crate) fn sign_in_host(sign_in_url: &str) -> Result<Endpoint, Error> {
    let (scheme, rest) = sign_in_url.split_once("://").unwrap_or(("https", sign_in_url));
    let host = rest.split(['/', '?', '#']).next().unwrap_or_default();
    Endpoint::parse(&format!("{scheme}://{host}"), false).map_err(|error| {
        error.of("cloud_sso_sign_in_url").with_remedy("write https://<host>/<path>, as CloudSSO's console shows it")
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
            assert_eq!(sign_in_host(url).unwrap().to_string(), shown);
        }
        for url in ["http://sso.example/a", "ftp://sso.example", "https://user:s3cr3t@sso.example/", "https:///a", ""] {
            let error = sign_in_host(url).unwrap_err();
            assert!(error.message().starts_with("cloud_sso_sign_in_url: "), "{error}");
            assert!(!format!("{error:#} {error:?}").contains("s3cr3t"), "{error}");
        }
    }
}
