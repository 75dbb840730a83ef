//! Tells whether a request was sent on a connection of its own or on a kept one. reqwest does not.

use std::cell::Cell;
use std::pin::{Pin, pin};
use std::task::{Context, Poll};

use tower_layer::Layer;
use tower_service::Service;

thread_local! {
    /// Connections made on this thread.
    static MADE: Cell<u64> = const { Cell::new(0) };
}

/// Counts the connections that a client makes. A client's pool drives its connector while it polls the request that needs the
/// connection, on that request's thread. A request that began one, and then was given a kept one that became free, leaves its
/// connector to a task of its own.
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

impl<S, R> Service<R> for CountedConnector<S>
where
    S: Service<R>,
    S::Future: Send + 'static,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = Pin<Box<dyn Future<Output = Result<S::Response, S::Error>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.0.poll_ready(cx)
    }

    fn call(&mut self, target: R) -> Self::Future {
        let connection = self.0.call(target);
        Box::pin(async move {
            let made = connection.await;
            MADE.set(MADE.get() + u64::from(made.is_ok()));
            made
        })
    }
}

/// Returns the result of `request`, and whether a connection was made for it.
pub(super) async fn watch<T>(request: impl Future<Output = T>) -> (T, bool) {
    let mut request = pin!(request);
    let mut connected = false;
    let result = std::future::poll_fn(|cx| {
        let before = MADE.get();
        let polled = request.as_mut().poll(cx);
        connected |= MADE.get() != before;
        polled
    })
    .await;
    (result, connected)
}
