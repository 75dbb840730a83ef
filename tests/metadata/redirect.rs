//! Test code: an HTTP client that sends whatever is meant for the metadata service to the emulator. The library has no
//! way to move that address, so that nobody else can choose the identity either.

use std::io;
use std::net::SocketAddr;

use alibabacloud_credentials::{BoxFuture, HttpError, HttpErrorKind, HttpSend, SendOptions};
use bytes::Bytes;
use http::{Request, Response};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

pub(crate) struct Redirect(pub(crate) SocketAddr);

impl HttpSend for Redirect {
    fn send(&self, request: Request<Bytes>, options: SendOptions) -> BoxFuture<'_, Result<Response<Bytes>, HttpError>> {
        // Calls with the credentials go to the emulator anyway.
        let metadata = request.uri().authority().unwrap() == "100.100.100.200";
        assert!(metadata != options.proxy, "the metadata service is asked without a proxy, and it alone");
        Box::pin(async move {
            let answer = exchange(self.0, &request).await;
            answer.map_err(|error| HttpError::new(HttpErrorKind::Other, error.kind().to_string()))
        })
    }
}

async fn exchange(to: SocketAddr, request: &Request<Bytes>) -> io::Result<Response<Bytes>> {
    let (method, uri) = (request.method(), request.uri());
    let mut head = format!("{method} {} HTTP/1.1\r\nconnection: close\r\n", uri.path_and_query().unwrap());
    if !request.headers().contains_key("host") {
        head.push_str(&format!("host: {}\r\n", uri.authority().unwrap()));
    }
    for (name, value) in request.headers() {
        head.push_str(&format!("{name}: {}\r\n", value.to_str().map_err(io::Error::other)?));
    }
    let mut connection = TcpStream::connect(to).await?;
    connection.write_all(format!("{head}\r\n").as_bytes()).await?;
    let mut bytes = Vec::new();
    connection.read_to_end(&mut bytes).await?;
    read(&bytes).ok_or_else(|| io::ErrorKind::UnexpectedEof.into())
}

/// A whole answer with `Content-Length`, as the emulator sends them.
fn read(bytes: &[u8]) -> Option<Response<Bytes>> {
    let end = bytes.windows(4).position(|four| four == b"\r\n\r\n")?;
    let mut lines = std::str::from_utf8(&bytes[..end]).ok()?.split("\r\n");
    let status: u16 = lines.next()?.split(' ').nth(1)?.parse().ok()?;
    let body = Bytes::copy_from_slice(&bytes[end + 4..]);
    let mut answer = Response::builder().status(status);
    for line in lines {
        let (name, value) = line.split_once(": ")?;
        if name.eq_ignore_ascii_case("content-length") && value.parse() != Ok(body.len()) {
            return None;
        }
        answer = answer.header(name, value);
    }
    answer.body(body).ok()
}
