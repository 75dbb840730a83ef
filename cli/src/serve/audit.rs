//! A line for each answer, on standard error: who asked, and what came of it. Never a path, since it may be the secret one.

use std::io::Write as _;
use std::net::SocketAddr;

use http::StatusCode;
use serde_json::json;

use crate::{time, world};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Audit {
    /// Standard error is another program's too.
    Off,
    Text,
    Json,
}

pub(super) struct Line {
    pub(super) status: StatusCode,
    pub(super) what: &'static str,
    pub(super) peer: SocketAddr,
}

impl Audit {
    pub(super) fn write(self, line: &Line) {
        let (at, status, peer) = (time::rfc3339(world::wall_clock()), line.status.as_u16(), line.peer);
        let text = match self {
            Self::Off => return,
            Self::Json => {
                format!("{}\n", json!({ "at": at, "status": status, "what": line.what, "peer": peer.to_string() }))
            }
            Self::Text => format!("{at} {status} {} to {peer}\n", line.what),
        };
        // A standard error that is closed is no reason to end.
        let _ = std::io::stderr().write_all(text.as_bytes());
    }
}
