//! The transport that signs, and sends once more what an invalid token had signed.

use alibabacloud_credentials::{ErrorKind as Kind, PreparedRequest, RequestSigner, RetryDecision};
use http::{Request, Response};
use opendal::raw::oio::ReadStream as _;
use opendal::{Buffer, Error, ErrorKind, HttpBody, HttpTransport, HttpTransporter, Result};

pub(super) struct Signing {
    pub(super) signer: RequestSigner,
    pub(super) inner: HttpTransporter,
}

impl HttpTransport for Signing {
    async fn fetch(&self, request: Request<Buffer>) -> Result<Response<HttpBody>> {
        let (head, body) = request.into_parts();
        // OSS has no body hashed, so the signer need not see it.
        let mut prepared = self.signer.prepare(head, None).map_err(not_signed)?;
        loop {
            let signed = prepared.sign().await.map_err(not_signed)?;
            let answer = self.inner.fetch(Request::from_parts(signed.head, body.clone())).await?;
            let (answer, text) = read_ahead(answer).await?;
            if prepared.review(answer.status(), answer.headers(), &text.to_bytes()).await == RetryDecision::Done {
                return Ok(answer);
            }
        }
    }
}

/// The answer unchanged, and the body of what may be a refusal. OSS's are short; the service would read one of any length.
async fn read_ahead(answer: Response<HttpBody>) -> Result<(Response<HttpBody>, Buffer)> {
    if !PreparedRequest::wants_body(answer.status()) {
        return Ok((answer, Buffer::new()));
    }
    let (parts, mut body) = answer.into_parts();
    let (mut chunks, mut read) = (Vec::new(), 0);
    loop {
        let chunk = body.read().await?;
        if chunk.is_empty() {
            break;
        }
        read += chunk.len();
        if read > PreparedRequest::REVIEWED_BODY {
            let message = format!("the server's refusal ({}) is longer than 64 KiB: it is not OSS", parts.status);
            return Err(Error::new(ErrorKind::Unexpected, message));
        }
        chunks.push(chunk.to_bytes());
    }
    let text = Buffer::from(chunks);
    let length = u64::try_from(text.len()).ok();
    let again = HttpBody::new(futures_util::stream::iter([Ok(text.clone())]), length);
    Ok((Response::from_parts(parts, again), text))
}

fn not_signed(error: alibabacloud_credentials::Error) -> Error {
    let kind = match error.kind() {
        Kind::InvalidInput | Kind::NotConfigured => ErrorKind::ConfigInvalid,
        _ => ErrorKind::Unexpected,
    };
    let passing = error.is_transient();
    Error::new(kind, error.to_string()).with_temporary(passing).set_source(error)
}
