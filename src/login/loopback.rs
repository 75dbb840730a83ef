//! The listener on loopback to which the page of a login sends the browser back.
//!
//! It needs no runtime: sockets that do not block are looked at in turn, with the pauses of the context's clock. A person waits at the
//! other end, so twenty looks a second are enough, and dropping the future that looks ends everything.

use std::io::{ErrorKind, Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::ops::RangeInclusive;
use std::time::Duration;

use super::callback::{self, Returned};
use crate::context::Context;
use crate::error::{Error, ErrorKind as Kind};

/// The ports that the clients of the `aliyun` CLI are registered with: the page sends a browser to no other one.
pub(super) const PORTS: RangeInclusive<u16> = 12_345..=12_349;
const PATH: &str = "/cli/callback";

const LOOK: Duration = Duration::from_millis(50);
/// A request has to be here by then.
const REQUEST_LIMIT: Duration = Duration::from_secs(5);
/// The largest request, headers included. A code has some hundred bytes, and browsers send cookies of other programs on loopback.
const LONGEST_REQUEST: usize = 32 * 1024;
/// So many connections are kept at once; more are closed at once.
const CONNECTIONS: usize = 16;

pub(super) struct Loopback {
    listener: TcpListener,
    port: u16,
}

/// The redirect URI of a port.
pub(super) fn redirect_uri(port: u16) -> String {
    format!("http://127.0.0.1:{port}{PATH}")
}

struct Connection {
    stream: TcpStream,
    request: Vec<u8>,
    began: Duration,
}

/// The result of a look at a connection.
enum Look {
    Wait,
    Close,
    Head(String),
}

impl Loopback {
    /// Listens on the first port that is free.
    pub(super) fn bind() -> Result<Self, Error> {
        let mut last = None;
        for port in PORTS {
            let bound = TcpListener::bind((Ipv4Addr::LOCALHOST, port));
            match bound.and_then(|listener| listener.set_nonblocking(true).map(|()| listener)) {
                Ok(listener) => return Ok(Self { listener, port }),
                Err(error) => last = Some(error),
            }
        }
        let ports = format!("{} to {}", PORTS.start(), PORTS.end());
        let error = Error::failed(format!("none of the ports {ports} of 127.0.0.1 can be listened on"));
        let error = error.with_code("LoginPortBusy").permanent();
        let error = error.with_remedy("end what listens there, or paste the code instead");
        Err(match last {
            Some(last) => error.with_source(last),
            None => error,
        })
    }

    pub(super) fn port(&self) -> u16 {
        self.port
    }

    /// Waits for the browser to come back from this login, until `end` of the monotonic clock.
    pub(super) async fn receive(&self, context: &Context, state: &str, end: Duration) -> Option<Returned> {
        let mut connections: Vec<Connection> = Vec::new();
        loop {
            let now = context.now().monotonic;
            self.accept(&mut connections, now);
            let mut returned = None;
            connections.retain_mut(|connection| {
                let head = match connection.look(now) {
                    Look::Wait => return true,
                    Look::Close => return false,
                    Look::Head(head) => head,
                };
                let (status, answer) = self.answer(&head, state);
                connection.respond(status);
                returned = returned.take().or(answer);
                false
            });
            if returned.is_some() {
                return returned;
            }
            if now >= end {
                return None;
            }
            context.sleep(LOOK.min(end - now)).await;
        }
    }

    fn accept(&self, connections: &mut Vec<Connection>, now: Duration) {
        // An error is that of one connection, or passes.
        for _ in 0..CONNECTIONS {
            let Ok((stream, peer)) = self.listener.accept() else { return };
            let is_taken = peer.ip().is_loopback() && connections.len() < CONNECTIONS;
            if is_taken && stream.set_nonblocking(true).is_ok() {
                connections.push(Connection { stream, request: Vec::new(), began: now });
            }
        }
    }

    /// The status for a request, and the login's result if it is the one that was waited for.
    fn answer(&self, head: &str, state: &str) -> (&'static str, Option<Returned>) {
        let mut lines = head.split("\r\n");
        let mut words = lines.next().unwrap_or_default().split(' ');
        let (method, target) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
        let mut hosts = lines.filter_map(|line| line.split_once(':'));
        let is_host = |(name, _): &(&str, &str)| name.eq_ignore_ascii_case("host");
        // Another name that leads here belongs to a web page that would like to.
        let host = hosts.find(is_host).map(|(_, value)| value.trim());
        if host != Some(&format!("127.0.0.1:{}", self.port)) || hosts.any(|header| is_host(&header)) {
            return ("421 Misdirected Request", None);
        }
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        match (path == PATH, method) {
            (false, _) => ("404 Not Found", None),
            (true, "GET") => match callback::read(query, state) {
                Some(returned) => ("200 OK", Some(returned)),
                None => ("400 Bad Request", None),
            },
            (true, _) => ("405 Method Not Allowed", None),
        }
    }
}

impl Connection {
    fn look(&mut self, now: Duration) -> Look {
        let mut buffer = [0; 4096];
        loop {
            match self.stream.read(&mut buffer) {
                Ok(0) => return Look::Close,
                Ok(count) => self.request.extend_from_slice(&buffer[..count]),
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(_) => return Look::Close,
            }
            if self.request.len() > LONGEST_REQUEST {
                return Look::Close;
            }
        }
        let end = self.request.windows(4).position(|window| window == b"\r\n\r\n");
        match end.and_then(|end| self.request.get(..end)) {
            Some(head) => std::str::from_utf8(head).map_or(Look::Close, |head| Look::Head(head.to_owned())),
            None if now.saturating_sub(self.began) >= REQUEST_LIMIT => Look::Close,
            None => Look::Wait,
        }
    }

    /// Sends a page without anything of the request. It is far smaller than what the system buffers, so it is sent at once.
    fn respond(&mut self, status: &str) {
        let text = match status {
            "200 OK" => "Return to the program that began this login: it says whether it succeeded.",
            _ => "This is not what the program waits for.",
        };
        let page = format!(
            "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><title>Login</title><p>{text}</p>\
             <p>You may close this page.</p></html>\n"
        );
        let response = format!(
            "HTTP/1.1 {status}\r\nContent-Type: text/html; charset=utf-8\r\nContent-Length: {}\r\n\
             Cache-Control: no-store\r\nReferrer-Policy: no-referrer\r\n\
             Content-Security-Policy: default-src 'none'\r\nX-Content-Type-Options: nosniff\r\n\
             Connection: close\r\n\r\n{page}",
            page.len()
        );
        let _ = self.stream.write_all(response.as_bytes());
        let _ = self.stream.shutdown(std::net::Shutdown::Write);
    }
}

/// The error of a login that nobody finished in time.
pub(super) fn timed_out(limit: Duration) -> Error {
    let error = Error::new(Kind::TimedOut, format!("nobody finished the login within {} s", limit.as_secs()));
    error.with_code("LoginTimedOut").with_remedy("begin again").permanent()
}
