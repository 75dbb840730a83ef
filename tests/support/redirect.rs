//! Test code: an HTTP client that sends everything to one server. The library has no way to move the metadata service's
//! address, so that nobody else can choose the identity either.

use std::net::SocketAddr;
use std::sync::OnceLock;

use alibabacloud_credentials::{BoxFuture, HttpError, HttpErrorKind, HttpSend, SendOptions};
use bytes::{Bytes, BytesMut};
use http::{Request, Response};

use super::plain_http;

pub(crate) struct Redirect {
    to: SocketAddr,
    /// Made where it is used: its connections live on that runtime.
    client: OnceLock<reqwest::Client>,
}

impl Redirect {
    pub(crate) fn to(to: SocketAddr) -> Self {
        Self { to, client: OnceLock::new() }
    }

    async fn exchange(&self, request: Request<Bytes>, limit: usize) -> Result<Response<Bytes>, HttpError> {
        let other = |error: reqwest::Error| HttpError::new(HttpErrorKind::Other, error.without_url().to_string());
        let (parts, body) = request.into_parts();
        let path = parts.uri.path_and_query().map_or("/", |path| path.as_str());
        let client = self.client.get_or_init(client);
        let request =
            client.request(parts.method, format!("http://{}{path}", self.to)).headers(parts.headers).body(body);
        let mut answer = request.send().await.map_err(other)?;
        let too_large = || HttpError::new(HttpErrorKind::TooLarge, "the answer is too large");
        if answer.content_length().is_some_and(|length| length > limit as u64) {
            return Err(too_large());
        }
        let mut body = BytesMut::new();
        while let Some(chunk) = answer.chunk().await.map_err(other)? {
            body.extend_from_slice(&chunk);
            if body.len() > limit {
                return Err(too_large());
            }
        }
        let mut whole = Response::new(body.freeze());
        *whole.status_mut() = answer.status();
        *whole.headers_mut() = answer.headers().clone();
        Ok(whole)
    }
}

impl HttpSend for Redirect {
    fn send(&self, request: Request<Bytes>, options: SendOptions) -> BoxFuture<'_, Result<Response<Bytes>, HttpError>> {
        let metadata = request.uri().authority().unwrap() == "100.100.100.200";
        assert!(metadata != options.proxy, "the metadata service is asked without a proxy, and it alone");
        Box::pin(self.exchange(request, options.max_body))
    }
}

fn client() -> reqwest::Client {
    // No connection is used twice: the server closes them all.
    plain_http::client().pool_max_idle_per_host(0).build().unwrap()
}
