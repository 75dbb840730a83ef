//! The transport that signs, and sends once more what a dead session had signed.

use std::sync::Arc;

use alibabacloud_credentials::{Credentials, ErrorKind as Kind, Refresher, sign::oss4};
use http::header::{AUTHORIZATION, HeaderName, HeaderValue};
use http::{Request, Response, StatusCode};
use opendal::raw::percent_decode_path;
use opendal::{Buffer, Error, ErrorKind, HttpBody, HttpTransport, HttpTransporter, Result};

use crate::dead_token;

const DATE: HeaderName = HeaderName::from_static("x-oss-date");
const CONTENT_SHA256: HeaderName = HeaderName::from_static("x-oss-content-sha256");
const TOKEN: HeaderName = HeaderName::from_static("x-oss-security-token");
/// What the failure was, finer than its `Code`, and there for `HEAD` too.
const EC: HeaderName = HeaderName::from_static("x-oss-ec");

/// By what, and as what, requests are signed.
pub(super) struct Signature {
    pub(super) refresher: Refresher,
    pub(super) region: String,
    pub(super) bucket: String,
    /// Whether the URL's path begins with the bucket; else its host does, or stands for it.
    pub(super) bucket_in_path: bool,
}

pub(super) struct Signing {
    pub(super) signature: Arc<Signature>,
    pub(super) inner: HttpTransporter,
}

impl HttpTransport for Signing {
    async fn fetch(&self, request: Request<Buffer>) -> Result<Response<HttpBody>> {
        let refresher = &self.signature.refresher;
        let used = refresher.credentials().await.map_err(|error| no_credentials(&error))?;
        let (signed, again) = (self.signature.sign(request.clone(), &used)?, request);
        let (answer, code) = refusal(self.inner.fetch(signed).await?).await?;
        if !code.is_some_and(|code| dead_token::is_dead(&code, &used)) || !dead_token::another(refresher, &used).await {
            return Ok(answer);
        }
        let fresh = refresher.credentials().await.map_err(|error| no_credentials(&error))?;
        self.inner.fetch(self.signature.sign(again, &fresh)?).await
    }
}

impl Signature {
    fn sign(&self, mut request: Request<Buffer>, by: &Credentials) -> Result<Request<Buffer>> {
        let date = oss4::date(self.refresher.signing_time());
        let headers = request.headers_mut();
        headers.insert(DATE, value(&date)?);
        headers.insert(CONTENT_SHA256, HeaderValue::from_static(oss4::UNSIGNED_PAYLOAD));
        if let Some(token) = by.security_token() {
            headers.insert(TOKEN, sensitive(token)?);
        }
        let authorization = sensitive(&self.authorization(&request, by)?)?;
        request.headers_mut().insert(AUTHORIZATION, authorization);
        Ok(request)
    }

    fn authorization(&self, request: &Request<Buffer>, by: &Credentials) -> Result<String> {
        let path = percent_decode_path(request.uri().path());
        let path = path.trim_start_matches('/');
        let key = match path.strip_prefix(&self.bucket).filter(|_| self.bucket_in_path) {
            Some(key) => key.strip_prefix('/').unwrap_or(key),
            None => path,
        };
        let query: Vec<(String, String)> = request.uri().query().unwrap_or_default().split('&').map(pair).collect();
        let query: Vec<(&str, &str)> = query.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        let texts = request.headers().iter().map(|(name, value)| value.to_str().map(|value| (name.as_str(), value)));
        let headers: Vec<(&str, &str)> = texts.collect::<std::result::Result<_, _>>().map_err(|_| unsignable())?;
        let signed = oss4::Request {
            method: request.method().as_str(),
            bucket: &self.bucket,
            key,
            region: &self.region,
            query: &query,
            headers: &headers,
            additional_headers: &[],
        };
        Ok(signed.authorization(by.access_key_id(), by.access_key_secret()))
    }
}

fn pair(text: &str) -> (String, String) {
    let (name, value) = text.split_once('=').unwrap_or((text, ""));
    (percent_decode_path(name), percent_decode_path(value))
}

fn value(text: &str) -> Result<HeaderValue> {
    HeaderValue::from_str(text).map_err(|_| unsignable())
}

fn sensitive(text: &str) -> Result<HeaderValue> {
    let mut value = value(text)?;
    value.set_sensitive(true);
    Ok(value)
}

fn unsignable() -> Error {
    Error::new(
        ErrorKind::Unexpected,
        "a header of the request, or the credential, has characters that cannot be signed",
    )
}

fn no_credentials(error: &alibabacloud_credentials::Error) -> Error {
    let passing = matches!(error.kind(), Kind::Unreachable | Kind::TimedOut);
    Error::new(ErrorKind::Unexpected, error.to_string()).with_temporary(passing).set_source(error.clone())
}

/// The answer unchanged, and the `Code` of what may be a refusal of the token. Its body is a short text, which the service
/// would read whole too.
async fn refusal(answer: Response<HttpBody>) -> Result<(Response<HttpBody>, Option<String>)> {
    if !matches!(answer.status(), StatusCode::BAD_REQUEST | StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN) {
        return Ok((answer, None));
    }
    let (parts, mut body) = answer.into_parts();
    let body = body.to_buffer().await?;
    let text = body.to_bytes();
    let text = String::from_utf8_lossy(&text);
    let code =
        text.split_once("<Code>").and_then(|(_, rest)| rest.split_once("</Code>")).map(|(code, _)| code.to_owned());
    let code = code.or_else(|| parts.headers.get(EC).and_then(|ec| code_of(ec.as_bytes())).map(str::to_owned));
    let length = u64::try_from(body.len()).ok();
    let again = HttpBody::new(futures_util::stream::iter([Ok(body)]), length);
    Ok((Response::from_parts(parts, again), code))
}

/// The codes behind <https://help.aliyun.com/en/oss/support/0002-00000007> and its neighbours.
fn code_of(ec: &[u8]) -> Option<&'static str> {
    match ec {
        b"0002-00000002" => Some("InvalidAccessKeyId"),
        b"0002-00000006" => Some("InvalidSecurityToken"),
        b"0002-00000007" => Some("SecurityTokenExpired"),
        _ => None,
    }
}
