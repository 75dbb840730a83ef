//! Whether a request opened a connection of its own or was sent on a kept one, which reqwest does not tell.

use std::cell::Cell;
use std::pin::pin;
use std::task::{Context, Poll};

use tower_layer::Layer;
use tower_service::Service;

thread_local! {
    /// Connections begun on this thread.
    static BEGUN: Cell<u64> = const { Cell::new(0) };
}

/// Counts the connections that a client begins. A client's pool calls its connector while it polls the request that needs
/// the connection, on that request's thread.
#[derive(Clone, Copy)]
pub(super) struct Counted;

impl<S> Layer<S> for Counted {
    type Service = CountedConnector<S>;

    fn layer(&self, inner: S) -> Self::Service {
        CountedConnector(inner)
    }
}

#[derive(Clone)]
pub(super) struct CountedConnector<S>(S);

impl<S: Service<R>, R> Service<R> for CountedConnector<S> {
    type Response = S::Response;
    type Error = S::Error;
    type Future = S::Future;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.0.poll_ready(cx)
    }

    fn call(&mut self, target: R) -> S::Future {
        BEGUN.set(BEGUN.get() + 1);
        self.0.call(target)
    }
}

/// The result of `request`, and whether it began a connection.
pub(super) async fn watch<T>(request: impl Future<Output = T>) -> (T, bool) {
    let mut request = pin!(request);
    let mut connected = false;
    let result = std::future::poll_fn(|cx| {
        let before = BEGUN.get();
        let polled = request.as_mut().poll(cx);
        connected |= BEGUN.get() != before;
        polled
    })
    .await;
    (result, connected)
}
