//! Faults on the wire: a replaced body, a truncated body, a connection reset.

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

/// Applies a fault to a response and to the connection that carries it.
pub(crate) async fn apply_fault(response: Response, fault: &Fault, reset: &ResetHandle) -> Response {
    let (mut parts, body) = response.into_parts();
    let body = match &fault.body {
        Some(body) => Bytes::from(body.clone()),
        None => to_bytes(body, usize::MAX).await.unwrap_or_default(),
    };
    // The full length is declared, so a truncated body is shorter than announced.
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

/// A body that sends some bytes and then fails, on which the HTTP layer closes the connection.
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
            // Returns to the HTTP layer once, so that it sends what it has buffered.
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
