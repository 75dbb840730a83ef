//! The token sources that the crate brings.

use std::borrow::Cow;
use std::fmt;
use std::future::Future;
use std::path::PathBuf;

use bytes::Bytes;
use http::{HeaderValue, Method, Request, StatusCode, header};
use serde_json::Value;

use super::{OidcToken, ProvideOidcToken};
use crate::context::{Context, Dates, SendOptions, with_retries};
use crate::encode::percent_encode;
use crate::error::Error;
use crate::paths;
use crate::provider::BoxFuture;
use crate::redact::shown_path;
use crate::rpc;
use crate::secret_file::{self, Fault};
use crate::session_json::Origin;

/// A file, as Kubernetes projects it. A leading `~` is the home directory. The file is read again for each exchange: the
/// kubelet replaces it well before its token expires.
///
/// ```
/// use alibabacloud_credentials::{OidcRoleProvider, OidcTokenFile};
///
/// let provider = OidcRoleProvider::new().token(OidcTokenFile::new("/var/run/secrets/tokens/sts"));
/// ```
#[derive(Clone, Debug)]
pub struct OidcTokenFile {
    path: PathBuf,
}

impl OidcTokenFile {
    /// Creates a source from the path of a file.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into() }
    }

    async fn read(&self, context: &Context) -> Result<OidcToken, Error> {
        const LIMIT: u64 = 64 * 1024;
        match secret_file::read(context, &self.path, LIMIT, "one signed JWT").await {
            Ok(text) => Ok(OidcToken::new(&*text)),
            Err(Fault::Missing(error)) => {
                let error = error.with_code("OidcTokenMissing");
                let path = paths::expand_home(context, self.path.clone());
                let in_pod = path.starts_with("/var/run") || context.env("KUBERNETES_SERVICE_HOST")?.is_some();
                Err(match in_pod && paths::unexpanded(&path).is_none() {
                    true => error.with_remedy(
                        "check that the pod's service account has the role annotation, and the token volume is mounted",
                    ),
                    false => error,
                })
            }
            Err(Fault::Malformed(error)) => Err(error.with_code("OidcTokenMalformed")),
            Err(Fault::Unreadable(error)) => Err(error),
        }
    }
}

impl ProvideOidcToken for OidcTokenFile {
    fn describe(&self) -> Cow<'_, str> {
        format!("file {}", shown_path(&self.path)).into()
    }

    fn token<'a>(&'a self, context: &'a Context) -> BoxFuture<'a, Result<OidcToken, Error>> {
        Box::pin(self.read(context))
    }
}

/// An environment variable, as some CI systems set it. It cannot be changed from outside while the process runs, so an expired
/// token is not renewed.
///
/// ```
/// use alibabacloud_credentials::{OidcRoleProvider, OidcTokenVariable};
///
/// let provider = OidcRoleProvider::new().token(OidcTokenVariable::new("CI_JOB_JWT"));
/// ```
#[derive(Clone, Debug)]
pub struct OidcTokenVariable {
    name: String,
}

impl OidcTokenVariable {
    /// Creates a source from the name of a variable.
    pub fn new(name: impl Into<String>) -> Self {
        Self { name: name.into() }
    }
}

impl ProvideOidcToken for OidcTokenVariable {
    fn describe(&self) -> Cow<'_, str> {
        format!("variable {}", self.name).into()
    }

    fn token<'a>(&'a self, context: &'a Context) -> BoxFuture<'a, Result<OidcToken, Error>> {
        Box::pin(async move {
            let missing = || Error::failed(format!("{} is unset", self.name)).with_code("OidcTokenMissing");
            context.env(&self.name)?.map(OidcToken::new).ok_or_else(missing)
        })
    }
}

/// A workflow of GitHub Actions with the permission `id-token: write`. A token is fetched for every exchange, from
/// `ACTIONS_ID_TOKEN_REQUEST_URL` with `ACTIONS_ID_TOKEN_REQUEST_TOKEN`; a request that got no answer, 429 or a 5xx is tried
/// again as those to STS are.
///
/// ```
/// use alibabacloud_credentials::{AssumeRole, GitHubActionsToken, OidcRoleProvider};
///
/// let provider = OidcRoleProvider::new()
///     .provider_arn("acs:ram::1234567890123456:oidc-provider/github")
///     .role(AssumeRole::new("acs:ram::1234567890123456:role/deploy"))
///     .token(GitHubActionsToken::new("sts.aliyuncs.com"));
/// ```
#[derive(Clone, Debug)]
pub struct GitHubActionsToken {
    audience: String,
}

impl Default for GitHubActionsToken {
    fn default() -> Self {
        Self::new("sts.aliyuncs.com")
    }
}

impl GitHubActionsToken {
    /// Asks for tokens of this audience: one of the OIDC provider's client ids.
    pub fn new(audience: impl Into<String>) -> Self {
        Self { audience: audience.into() }
    }

    async fn fetch(&self, context: &Context) -> Result<OidcToken, Error> {
        let variable = |name: &'static str| {
            context.env(name)?.ok_or_else(|| {
                let error = Error::failed(format!("{name} is unset")).with_code("OidcTokenMissing");
                error.with_remedy("give the job `permissions: id-token: write`")
            })
        };
        let mut url = variable("ACTIONS_ID_TOKEN_REQUEST_URL")?;
        let bearer = variable("ACTIONS_ID_TOKEN_REQUEST_TOKEN")?;
        url.push_str(if url.contains('?') { "&audience=" } else { "?audience=" });
        percent_encode(&self.audience, &mut url);

        // The bearer token must not travel in the clear, whoever set the variable.
        let wrong = |what: &str| Error::failed(format!("GitHub's token endpoint {what}")).with_code("OidcTokenMissing");
        let uri: http::Uri = url.parse().map_err(|_| wrong("is no URL"))?;
        let loopback = uri.host().is_some_and(crate::context::is_loopback);
        if uri.scheme_str() != Some("https") && !loopback {
            return Err(wrong("is not HTTPS"));
        }
        let mut request = Request::new(Bytes::new());
        *request.method_mut() = Method::GET;
        *request.uri_mut() = uri;
        let mut value = HeaderValue::from_str(&format!("Bearer {bearer}"))
            .map_err(|_| wrong("needs a bearer token that no header can carry"))?;
        value.set_sensitive(true);
        request.headers_mut().insert(header::AUTHORIZATION, value);
        request.headers_mut().insert(header::ACCEPT, HeaderValue::from_static("application/json"));
        let origin = Origin { host: "GitHub's token endpoint", asked: "GET", within: "" };
        let send = || context.send(request.clone(), SendOptions::default(), Dates::Ignored);
        let answer = with_retries(context, |_| true, send).await;
        let answer = answer.map_err(|error| rpc::no_answer(origin.host, origin.asked, &error))?;
        if answer.status() != StatusCode::OK {
            let remedy = "check that the job has `permissions: id-token: write`";
            return Err(origin.refused(answer.status(), answer.headers()).with_remedy(remedy));
        }
        // A structure would be read from a list, too.
        let body = serde_json::from_slice::<Value>(answer.body()).unwrap_or_default();
        let token = body.get("value").and_then(Value::as_str);
        token.map(OidcToken::new).ok_or_else(|| origin.without("a token"))
    }
}

impl ProvideOidcToken for GitHubActionsToken {
    fn describe(&self) -> Cow<'_, str> {
        "GitHub Actions".into()
    }

    fn token<'a>(&'a self, context: &'a Context) -> BoxFuture<'a, Result<OidcToken, Error>> {
        Box::pin(self.fetch(context))
    }
}

/// Creates a token source from a closure.
///
/// ```
/// use alibabacloud_credentials::{OidcToken, oidc_token_fn};
///
/// let source = oidc_token_fn("spiffe", || async { Ok(OidcToken::new("a.signed.jwt")) });
/// ```
pub fn oidc_token_fn<F, Fut>(name: impl Into<String>, ask: F) -> OidcTokenFn<F>
where
    F: Fn() -> Fut + Send + Sync + 'static,
    Fut: Future<Output = Result<OidcToken, Error>> + Send + 'static,
{
    OidcTokenFn { name: name.into(), ask }
}

/// The token source that [`oidc_token_fn`] returns.
///
/// ```
/// use alibabacloud_credentials::{OidcRoleProvider, OidcToken, oidc_token_fn};
///
/// let source = oidc_token_fn("spiffe", || async { Ok(OidcToken::new("a.signed.jwt")) });
/// let provider = OidcRoleProvider::new().token(source);
/// ```
pub struct OidcTokenFn<F> {
    name: String,
    ask: F,
}

impl<F> fmt::Debug for OidcTokenFn<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OidcTokenFn").field("name", &self.name).finish_non_exhaustive()
    }
}

impl<F, Fut> ProvideOidcToken for OidcTokenFn<F>
where
    F: Fn() -> Fut + Send + Sync + 'static,
    Fut: Future<Output = Result<OidcToken, Error>> + Send + 'static,
{
    fn describe(&self) -> Cow<'_, str> {
        Cow::Borrowed(&self.name)
    }

    fn token<'a>(&'a self, _context: &'a Context) -> BoxFuture<'a, Result<OidcToken, Error>> {
        Box::pin((self.ask)())
    }
}
