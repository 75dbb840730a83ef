//! The beginning of a body, read ahead and put back.

use std::collections::VecDeque;
use std::fmt;
use std::future::poll_fn;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};

/// A body of which the beginning may have been read ahead: it yields all of it, errors included, and then the rest.
pub struct Peeked<B: Body> {
    ahead: VecDeque<Result<Frame<B::Data>, B::Error>>,
    rest: Pin<Box<B>>,
}

impl<B: Body> fmt::Debug for Peeked<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Peeked").field("ahead", &self.ahead.len()).finish_non_exhaustive()
    }
}

impl<B: Body> Peeked<B> {
    /// The body as it is: nothing is read.
    pub(crate) fn unread(body: B) -> Self {
        Self { ahead: VecDeque::new(), rest: Box::pin(body) }
    }
}

impl<B: Body<Data = Bytes>> Peeked<B> {
    /// Reads ahead until there are `most` bytes, or the end, or an error; gives what was read,
    /// at most `most` bytes.
    pub(crate) async fn peek(&mut self, most: usize) -> Bytes {
        let mut beginning = Vec::new();
        while beginning.len() < most {
            match poll_fn(|cx| self.rest.as_mut().poll_frame(cx)).await {
                None => break,
                Some(frame) => {
                    let data = frame.as_ref().ok().and_then(Frame::data_ref);
                    let data: &[u8] = data.map_or(&[], |data| data);
                    beginning.extend_from_slice(&data[..data.len().min(most - beginning.len())]);
                    let (broken, empty) = (frame.is_err(), frame.as_ref().is_ok_and(Frame::is_data) && data.is_empty());
                    // Frames without data would let it grow without end.
                    if !empty {
                        self.ahead.push_back(frame);
                    }
                    if broken {
                        break;
                    }
                }
            }
        }
        beginning.into()
    }
}

impl<B: Body> Body for Peeked<B>
where
    B::Data: Unpin,
    B::Error: Unpin,
{
    type Data = B::Data;
    type Error = B::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Self::Data>, Self::Error>>> {
        match self.ahead.pop_front() {
            Some(frame) => Poll::Ready(Some(frame)),
            None => self.rest.as_mut().poll_frame(cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.ahead.is_empty() && self.rest.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        use bytes::Buf as _;
        let data = self.ahead.iter().filter_map(|frame| frame.as_ref().ok()?.data_ref());
        let ahead: u64 = data.map(|data| data.remaining() as u64).sum();
        let rest = self.rest.size_hint();
        let mut hint = SizeHint::new();
        hint.set_lower(rest.lower().saturating_add(ahead));
        if let Some(upper) = rest.upper().and_then(|upper| upper.checked_add(ahead)) {
            hint.set_upper(upper);
        }
        hint
    }
}
