//! Accepts connections within bounds: of their number, of a request's size, and of the time for its headers.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::AbortHandle;

use super::answer::Service;
use crate::exit;
use crate::failure::Failure;

/// Connections at once. One more closes the oldest, so that nobody keeps others out by connections that say nothing.
const CONNECTIONS: usize = 64;
/// For the headers of a request, and for the next one on a kept connection.
const HEADER_LIMIT: Duration = Duration::from_secs(5);
/// For a connection as a whole.
const CONNECTION_LIMIT: Duration = Duration::from_secs(300);
/// The smallest buffer that hyper takes: more than any client's headers need.
const BUFFER: usize = 8 * 1024;
const HEADERS: usize = 32;
/// After a connection that could not be accepted, as when there are no file descriptors.
const PAUSE: Duration = Duration::from_millis(100);

pub(crate) struct Server {
    listener: TcpListener,
    address: SocketAddr,
    service: Arc<Service>,
}

impl Server {
    pub(super) async fn bind(address: SocketAddr, service: Arc<Service>) -> Result<Self, Failure> {
        let bound = TcpListener::bind(address).await.and_then(|listener| Ok((listener.local_addr()?, listener)));
        let (address, listener) =
            bound.map_err(|error| Failure::new(exit::UNAVAILABLE, format!("cannot listen on {address}: {error}")))?;
        Ok(Self { listener, address, service })
    }

    /// The URL for clients. It is a secret where its path is.
    pub(crate) fn url(&self) -> String {
        format!("http://{}{}", self.address, self.service.face().path())
    }

    /// Serves for ever.
    pub(crate) async fn run(self) {
        let hosts: Arc<[String]> = hosts(self.address).into();
        let mut connections: VecDeque<AbortHandle> = VecDeque::with_capacity(CONNECTIONS);
        loop {
            let Ok((stream, peer)) = self.listener.accept().await else {
                let mut pause = tokio::time::interval(PAUSE);
                pause.tick().await;
                pause.tick().await;
                continue;
            };
            connections.retain(|connection| !connection.is_finished());
            if connections.len() == CONNECTIONS
                && let Some(oldest) = connections.pop_front()
            {
                oldest.abort();
            }
            let connection = connection(stream, peer, Arc::clone(&self.service), Arc::clone(&hosts));
            let connection = tokio::spawn(tokio::time::timeout(CONNECTION_LIMIT, connection));
            connections.push_back(connection.abort_handle());
        }
    }
}

/// The names by which a client that means this server calls it. The official Python client leaves the port out. What matters
/// is that it is no name that somebody else's DNS could make to lead here.
fn hosts(address: SocketAddr) -> Vec<String> {
    let bare = match address {
        SocketAddr::V4(address) => address.ip().to_string(),
        SocketAddr::V6(address) => format!("[{}]", address.ip()),
    };
    let mut hosts = vec![address.to_string(), bare];
    if address.ip().is_loopback() {
        hosts.push(format!("localhost:{}", address.port()));
        hosts.push("localhost".to_owned());
    }
    hosts
}

async fn connection(stream: TcpStream, peer: SocketAddr, service: Arc<Service>, hosts: Arc<[String]>) {
    let answer = service_fn(move |request: hyper::Request<hyper::body::Incoming>| {
        let (service, hosts) = (Arc::clone(&service), Arc::clone(&hosts));
        async move {
            // No request here has a body that means something.
            let (parts, _) = request.into_parts();
            Ok::<_, Infallible>(service.respond(&hosts, peer, &parts).await)
        }
    });
    let mut builder = http1::Builder::new();
    builder.timer(TokioTimer::new()).header_read_timeout(HEADER_LIMIT).max_buf_size(BUFFER).max_headers(HEADERS);
    // A client that broke the protocol or went away has nobody to be told.
    let _ = builder.serve_connection(TokioIo::new(stream), answer).await;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_port_may_be_left_out() {
        assert_eq!(
            hosts(([127, 0, 0, 1], 8080).into()),
            ["127.0.0.1:8080", "127.0.0.1", "localhost:8080", "localhost"]
        );
        assert_eq!(hosts(([100, 100, 100, 200], 80).into()), ["100.100.100.200:80", "100.100.100.200"]);
        assert_eq!(hosts("[::1]:80".parse().unwrap())[..2], ["[::1]:80", "[::1]"]);
    }
}
