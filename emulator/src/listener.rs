//! Listeners and connections, plain or TLS, which a fault can reset.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};

use axum::extract::connect_info::Connected;
use axum::serve::{IncomingStream, Listener};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Handle;

#[cfg(feature = "tls")]
use crate::tls;

/// A bound socket that accepts connections.
pub(crate) struct Incoming {
    tcp: TcpListener,
    #[cfg(feature = "tls")]
    pub(crate) tls: Option<tls::Acceptor>,
}

/// A listener with its address and the runtime that drives it.
pub(crate) struct Bound {
    pub(crate) address: SocketAddr,
    pub(crate) incoming: Incoming,
    pub(crate) runtime: Handle,
}

impl Bound {
    pub(crate) async fn to(address: SocketAddr) -> io::Result<Self> {
        let runtime = Handle::try_current().map_err(io::Error::other)?;
        let tcp = TcpListener::bind(address).await?;
        let incoming = Incoming {
            #[cfg(feature = "tls")]
            tls: None,
            tcp,
        };
        Ok(Self { address: incoming.tcp.local_addr()?, incoming, runtime })
    }
}

impl Listener for Incoming {
    type Io = Connection;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Connection, SocketAddr) {
        let (tcp, peer) = Listener::accept(&mut self.tcp).await;
        // Responses are small; delaying them to fill a packet only makes tests slow.
        let _ = tcp.set_nodelay(true);
        #[cfg(feature = "tls")]
        let stream = match &self.tls {
            Some(acceptor) => Stream::Tls(Box::new(acceptor.accept(tcp))),
            None => Stream::Plain(tcp),
        };
        #[cfg(not(feature = "tls"))]
        let stream = Stream::Plain(tcp);
        (Connection { stream, reset: ResetHandle::default() }, peer)
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.tcp.local_addr()
    }
}

/// The client's address and the handle to reset its connection.
#[derive(Clone)]
pub(crate) struct Peer {
    pub(crate) address: SocketAddr,
    pub(crate) reset: ResetHandle,
}

impl Connected<IncomingStream<'_, Incoming>> for Peer {
    fn connect_info(stream: IncomingStream<'_, Incoming>) -> Self {
        Self { address: *stream.remote_addr(), reset: stream.io().reset.clone() }
    }
}

/// A switch that makes a connection close by a reset.
#[derive(Clone, Default)]
pub(crate) struct ResetHandle(Arc<AtomicBool>);

impl ResetHandle {
    pub(crate) fn reset_on_close(&self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

pub(crate) struct Connection {
    stream: Stream,
    reset: ResetHandle,
}

enum Stream {
    Plain(TcpStream),
    #[cfg(feature = "tls")]
    Tls(Box<tls::Stream>),
}

impl Drop for Connection {
    fn drop(&mut self) {
        if self.reset.0.load(Ordering::Relaxed) {
            let tcp = match &self.stream {
                Stream::Plain(tcp) => Some(tcp),
                #[cfg(feature = "tls")]
                Stream::Tls(stream) => stream.tcp(),
            };
            // Closing a socket with zero linger time sends a reset instead of an orderly end.
            let _ = tcp.map(TcpStream::set_zero_linger);
        }
    }
}

impl AsyncRead for Connection {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match &mut self.stream {
            Stream::Plain(tcp) => Pin::new(tcp).poll_read(cx, buffer),
            #[cfg(feature = "tls")]
            Stream::Tls(stream) => Pin::new(stream).poll_read(cx, buffer),
        }
    }
}

impl AsyncWrite for Connection {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        match &mut self.stream {
            Stream::Plain(tcp) => Pin::new(tcp).poll_write(cx, bytes),
            #[cfg(feature = "tls")]
            Stream::Tls(stream) => Pin::new(stream).poll_write(cx, bytes),
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.stream {
            Stream::Plain(tcp) => Pin::new(tcp).poll_flush(cx),
            #[cfg(feature = "tls")]
            Stream::Tls(stream) => Pin::new(stream).poll_flush(cx),
        }
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.stream {
            Stream::Plain(tcp) => Pin::new(tcp).poll_shutdown(cx),
            #[cfg(feature = "tls")]
            Stream::Tls(stream) => Pin::new(stream).poll_shutdown(cx),
        }
    }
}
