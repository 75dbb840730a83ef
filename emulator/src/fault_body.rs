//! Answers that go wrong on the wire: another body, a body that ends too early, a connection that is reset.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use axum::body::{Body, to_bytes};
use axum::response::Response;
use bytes::Bytes;
use http::header;
use http_body::Frame;

use crate::fault::Fault;
use crate::listener::ResetHandle;

/// Does to an answer what the fault says, with the connection that it will travel on.
pub(crate) async fn apply_fault(response: Response, fault: &Fault, reset: &ResetHandle) -> Response {
    let (mut parts, body) = response.into_parts();
    let body = match &fault.body {
        Some(body) => Bytes::from(body.clone()),
        None => to_bytes(body, usize::MAX).await.unwrap_or_default(),
    };
    // Declared here, so that a body that ends too early is one that breaks its word.
    parts.headers.insert(header::CONTENT_LENGTH, body.len().into());
    let kept = match (fault.truncate, fault.reset) {
        (Some(kept), _) => kept.min(body.len()),
        (None, true) => body.len() / 2,
        (None, false) => body.len(),
    };
    if kept == body.len() && !fault.reset {
        return Response::from_parts(parts, Body::from(body));
    }
    let reset = fault.reset.then(|| reset.clone());
    Response::from_parts(parts, Body::new(IncompleteBody { sent: Some(body.slice(..kept)), flushed: false, reset }))
}

/// A few bytes, and then an error, on which the HTTP layer gives the connection up.
struct IncompleteBody {
    sent: Option<Bytes>,
    flushed: bool,
    reset: Option<ResetHandle>,
}

impl http_body::Body for IncompleteBody {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        if let Some(bytes) = self.sent.take().filter(|bytes| !bytes.is_empty()) {
            return Poll::Ready(Some(Ok(Frame::data(bytes))));
        }
        if !self.flushed {
            // One turn without a body, in which the HTTP layer sends what it has.
            self.flushed = true;
            context.waker().wake_by_ref();
            return Poll::Pending;
        }
        if let Some(reset) = self.reset.take() {
            reset.reset_on_close();
        }
        Poll::Ready(Some(Err(io::Error::other("an emulated fault"))))
    }
}
