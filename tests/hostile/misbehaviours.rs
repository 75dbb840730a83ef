//! What a server can do wrong, and what has to come of it. A line here is tried with every source.

use std::net::SocketAddr;
use std::sync::LazyLock;

use alibabacloud_credentials::ErrorKind;
use bytes::Bytes;

use super::sources::Source;
use crate::support::server::{Then, close, drip, endless, hang, reset};

/// What every text that a server sends holds, and nobody is shown.
pub(crate) const MARKER: &str = "leak-me!";

/// What comes of it for who asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wanted {
    /// An error of this kind, with this code and, where it is another than 200, this status.
    Error(ErrorKind, &'static str, Option<u16>),
    /// What was asked for.
    Served,
}

const BROKEN: Wanted = Wanted::Error(ErrorKind::Unreachable, "ConnectionBroken", None);
const LATE: Wanted = Wanted::Error(ErrorKind::Unreachable, "Timeout", None);
const NONSENSE: Wanted = Wanted::Error(ErrorKind::InvalidResponse, "InvalidResponse", None);

pub(crate) struct Misbehaviour {
    pub(crate) name: &'static str,
    pub(crate) then: Then,
    /// For an operation, whose answer is read whatever its status.
    operation: Wanted,
    /// For a document, which is read only with status 200.
    document: Wanted,
}

impl Misbehaviour {
    pub(crate) fn wanted(&self, source: &Source) -> Wanted {
        match EXCEPTIONS.iter().find(|exception| (exception.is)(source.name, self)) {
            Some(exception) => exception.wanted,
            None if source.is_operation => self.operation,
            None => self.document,
        }
    }

    /// Whether it leaves a request without an answer, so that another try may help.
    pub(crate) fn is_silence(&self) -> bool {
        matches!(self.operation, Wanted::Error(ErrorKind::Unreachable, ..))
    }

    /// Whether it may be over the next time: no answer, or one that says so.
    pub(crate) fn may_pass(&self, source: &Source) -> bool {
        match if source.is_operation { self.operation } else { self.document } {
            Wanted::Error(_, "ConnectionBroken", _) => true,
            Wanted::Error(.., status) => status.is_some_and(|status| status >= 500 || status == 429),
            Wanted::Served => false,
        }
    }

    /// Whether nothing but time ends it.
    pub(crate) fn takes_all_the_time(&self) -> bool {
        self.operation == LATE
    }
}

/// Where a source has to answer otherwise than its like.
struct Exception {
    is: fn(&str, &Misbehaviour) -> bool,
    wanted: Wanted,
    why: &'static str,
}

const EXCEPTIONS: [Exception; 3] = [
    Exception {
        is: |source, _| source == "the region of an instance",
        wanted: Wanted::Served,
        why: "the global STS host works everywhere, so a region that is not known is no reason to fail",
    },
    Exception {
        is: |source, row| source == "the token of instance metadata" && row.takes_all_the_time(),
        wanted: Wanted::Error(ErrorKind::Unreachable, "HopLimit", None),
        why: "a service that takes the connection and is silent is the signature of the hop limit",
    },
    Exception {
        is: |source, row| source == "a call of OpenApiClient" && row.name == "fields of other types",
        wanted: Wanted::Served,
        why: "any JSON object is an answer, and its members are the caller's to read",
    },
];

/// When each exception is one, and why.
pub(crate) fn exceptions() -> impl Iterator<Item = (fn(&str, &Misbehaviour) -> bool, &'static str)> {
    EXCEPTIONS.iter().map(|exception| (exception.is, exception.why))
}

/// The table. `elsewhere` is where nobody must go. The bodies hold blanks, since instance metadata takes any word for a
/// token.
pub(crate) fn misbehaviours(elsewhere: SocketAddr) -> Vec<Misbehaviour> {
    let row = |name, operation, document, then| Misbehaviour { name, then, operation, document };
    let silence = |name, wanted, then| row(name, wanted, wanted, then);
    let nonsense = |name, then| row(name, NONSENSE, NONSENSE, then);
    let status = |name, status, document: ErrorKind, then| {
        let operation = Wanted::Error(ErrorKind::InvalidResponse, "InvalidResponse", Some(status));
        row(name, operation, Wanted::Error(document, "UnexpectedStatus", Some(status)), then)
    };
    let refusal = |name, code, status, then| {
        let wanted = |code| Wanted::Error(ErrorKind::Refused, code, Some(status));
        row(name, wanted(code), wanted("UnexpectedStatus"), then)
    };
    let redirect = |status| {
        close(format!(
            "HTTP/1.1 {status} leak-me!\r\nLocation: http://{elsewhere}/leak-me!\r\nContent-Length: 10\r\n\r\n<leak-me!>"
        ))
    };
    vec![
        // The connection breaks.
        silence("closes before headers", BROKEN, close("")),
        silence("closes within headers", BROKEN, close("HTTP/1.1 200 OK\r\nX-A: leak-me!\r\nContent-")),
        silence("closes within the body", BROKEN, close(ok("Content-Length: 100", "{ \"leak-me!\""))),
        silence("closes within a chunk", BROKEN, close(ok(CHUNKED, "ff;leak-me!\r\n{ \"leak-me!"))),
        silence("closes between chunks", BROKEN, close(ok(CHUNKED, "a\r\n{ leak-me!\r\n"))),
        silence("resets before headers", BROKEN, reset("")),
        silence("resets within headers", BROKEN, reset("HTTP/1.1 200 OK\r\nX-A: leak-me!\r\nContent-")),
        silence("resets within the body", BROKEN, reset(ok("Content-Length: 100", "{ \"leak-me!\""))),
        silence("is no HTTP", BROKEN, close("SSH-2.0-leak-me!\r\n")),
        silence("has a chunk whose length is none", BROKEN, close(ok(CHUNKED, "leak-me!\r\n{}\r\n0\r\n\r\n"))),
        silence("announces a length that is none", BROKEN, close(ok("Content-Length: leak-me!", "{}"))),
        silence("sends headers for ever", BROKEN, endless("HTTP/1.1 200 OK\r\n", "x-a: leak-me!\r\n")),
        // Time passes.
        silence("says nothing", LATE, hang("")),
        silence("stops within headers", LATE, hang("HTTP/1.1 200 OK\r\nX-A: leak-me!\r\nContent-Le")),
        silence("stops within the body", LATE, hang(ok("Content-Length: 99", "{ \"leak-me!\""))),
        silence("sends a byte of its headers at a time", LATE, drip("HTTP/1.1 200 OK\r\nX-A: leak-me!", "x")),
        silence("sends a byte of its body at a time", LATE, drip(ok("Content-Length: 99", "{ \"leak-me!"), "x")),
        silence("asks to go on for ever", LATE, drip("", "HTTP/1.1 103 leak-me!\r\n\r\n")),
        // Too much comes.
        nonsense("sends a body for ever", endless(ok(CHUNKED, ""), "a\r\n{ leak-me!\r\n".repeat(100))),
        nonsense("sends 10 MB", close(TEN_MB.clone())),
        nonsense("announces 100 TB", hang(ok("Content-Length: 99999999999999", "{ \"leak-me!\""))),
        // The answer is none.
        nonsense("announces too little", close(ok("Content-Length: 5", "{ \"leak-me!\": 1}"))),
        nonsense("is empty", close(ok("Content-Length: 0", ""))),
        nonsense("is HTML", close(ok("Content-Type: text/html", "<p> leak-me!"))),
        nonsense("is of no known type", close(ok("Content-Type: text/leak-me!; leak-me!", "<p> leak-me!"))),
        nonsense("is a list", close(ok("X-A: leak-me!", "[ \"leak-me!\" ]"))),
        nonsense("is a text", close(ok("X-A: leak-me!", "\"a leak-me!\""))),
        nonsense("is no UTF-8", close([ok("X-A: leak-me!", "").as_bytes(), b"\xff\xfe leak-me!"].concat())),
        nonsense("is JSON that breaks off", close(ok("X-A: leak-me!", "{ \"leak-me!\": \"leak-me!"))),
        nonsense("nests a thousand times", close(ok("X-A: leak-me!", &"{ \"leak-me!\": ".repeat(1000)))),
        nonsense("fields of other types", close(ok("X-A: leak-me!", &fields_of_other_types()))),
        // The status is another one.
        status("is HTML with 502", 502, ErrorKind::Refused, close("HTTP/1.1 502 leak-me!\r\n\r\n<p> leak-me!")),
        status("is nothing with 204", 204, ErrorKind::InvalidResponse, close("HTTP/1.1 204 leak-me!\r\n\r\n")),
        status("redirects with 302", 302, ErrorKind::InvalidResponse, redirect(302)),
        status("redirects with 307", 307, ErrorKind::InvalidResponse, redirect(307)),
        refusal(
            "refuses with fields of other types",
            "Unknown",
            400,
            close("HTTP/1.1 400 leak-me!\r\n\r\n{\"Code\": [\"leak-me!\"], \"Message\": {\"leak-me!\": 1}}"),
        ),
        refusal(
            "refuses in JSON that calls itself HTML",
            "NoPermission",
            403,
            close(
                "HTTP/1.1 403 leak-me!\r\nContent-Type: text/html\r\n\r\n\
                 {\"Code\": \"NoPermission\", \"Message\": \"no, StringToSign is leak-me!\", \"leak-me!\": 1}",
            ),
        ),
    ]
}

/// Made once: the table is made for every cell.
static TEN_MB: LazyLock<Bytes> = LazyLock::new(|| ok("X-A: leak-me!", &"{ leak-me!".repeat(1 << 20)).into());

const CHUNKED: &str = "Transfer-Encoding: chunked";

fn ok(header: &str, body: &str) -> String {
    format!("HTTP/1.1 200 leak-me!\r\n{header}\r\n\r\n{body}")
}

/// Every member that any source reads, and none as it should be.
fn fields_of_other_types() -> String {
    let session =
        r#""AccessKeyId": ["leak-me!"], "AccessKeySecret": {"leak-me!": 1}, "SecurityToken": 1, "Expiration": 2"#;
    let identity = r#""AccountId": ["leak-me!"], "Arn": {"leak-me!": 1}, "IdentityType": 1, "PrincipalId": null"#;
    format!(r#"{{"Code": "Success", "Credentials": {{{session}}}, {session}, {identity}, "value": ["leak-me!"]}}"#)
}
