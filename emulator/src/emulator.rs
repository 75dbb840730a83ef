//! The handle that tests hold.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use tokio::sync::oneshot;

use crate::fault::Fault;
use crate::fault_list;
use crate::instance::URI_PATH;
use crate::listener::Bound;
use crate::log::{Call, Summary};
use crate::server::serve;
use crate::state::State;

/// A running emulator. Clones are handles to the same one; it stops when the last is dropped.
#[derive(Clone)]
pub struct Emulator {
    running: Arc<Running>,
}

struct Running {
    http: SocketAddr,
    https: Option<SocketAddr>,
    state: Arc<State>,
    /// Dropped with the last handle, which ends the server's tasks.
    _stop: Vec<oneshot::Sender<()>>,
}

impl Emulator {
    /// The addresses are bound already.
    pub(crate) fn run(state: State, http: Bound, https: Option<Bound>) -> Self {
        let state = Arc::new(state);
        let addresses = (http.address, https.as_ref().map(|bound| bound.address));
        let tasks = [Some(http), https].into_iter().flatten().map(|bound| {
            let (stop, stopped) = oneshot::channel();
            bound.runtime.spawn(serve(bound.incoming, Arc::clone(&state), stopped));
            stop
        });
        let stop = tasks.collect();
        Self { running: Arc::new(Running { http: addresses.0, https: addresses.1, state, _stop: stop }) }
    }

    /// The address it listens on, with the real port.
    pub fn http_addr(&self) -> SocketAddr {
        self.running.http
    }

    /// The address as a URL: `http://127.0.0.1:PORT`. Serves STS, IMM and OSS alike.
    pub fn endpoint(&self) -> String {
        format!("http://{}", self.running.http)
    }

    /// The address of its HTTPS listener, if it was asked for one.
    pub fn https_addr(&self) -> Option<SocketAddr> {
        self.running.https
    }

    /// That address as a URL: `https://127.0.0.1:PORT`.
    pub fn https_endpoint(&self) -> Option<String> {
        self.running.https.map(|address| format!("https://{address}"))
    }

    /// The credentials URI, for `ALIBABA_CLOUD_CREDENTIALS_URI`: a session of `imm-role`, renewed ahead of its end.
    pub fn credentials_uri(&self) -> String {
        format!("{}{URI_PATH}", self.endpoint())
    }

    /// Moves the emulator's clock forward.
    pub fn advance_clock(&self, by: Duration) {
        self.running.state.clock.advance(by);
    }

    /// Sets the clock that many seconds ahead of the machine's, or of the instant it was frozen at; behind, if
    /// negative.
    pub fn set_clock_offset(&self, seconds: i64) {
        self.running.state.clock.set_offset(seconds);
    }

    /// Stops the clock at an instant, and forgets any offset. From then on it moves only by
    /// [`advance_clock`](Self::advance_clock), for tests under a virtual clock.
    pub fn freeze_clock_at(&self, instant: SystemTime) {
        self.running.state.clock.freeze_at(instant);
    }

    /// The emulator's time. Timestamps and sessions are judged by it, and every answer's `date` header tells it.
    pub fn now(&self) -> SystemTime {
        self.running.state.clock.system_time()
    }

    /// Makes the next calls of one operation fail, before any other check. `route` is `sts/AssumeRole`,
    /// `imm/CreateProject`, `oss/PutObject` and the like, `metadata/token`, `metadata/role`, `metadata/credentials`, `metadata/item`,
    /// `uri/credentials`, or `sts/*` for every operation. Faults for the same operation are used up in the order in
    /// which they were given.
    pub fn fail_next(&self, route: &str, fault: Fault) {
        self.running.state.faults.add(route, fault);
    }

    /// Adds faults from a JSON list of objects with `route`, and of `times` (else 1), `status` (else 0), `code`,
    /// `message`, `headers`, `delay_ms`, `reset`, `truncate` and `body` what is wanted. They mean what they do in
    /// [`Fault`].
    ///
    /// # Errors
    ///
    /// `InvalidInput`, when the list has another form or an entry would do nothing. Then none of it was added.
    pub fn add_faults(&self, json: &str) -> io::Result<()> {
        let list =
            fault_list::parse(json.as_bytes()).map_err(|reason| io::Error::new(io::ErrorKind::InvalidInput, reason))?;
        list.into_iter().for_each(|(route, fault)| self.fail_next(&route, fault));
        Ok(())
    }

    /// Forgets the faults that were not used up.
    pub fn clear_faults(&self) {
        self.running.state.faults.clear();
    }

    /// The log: every request, in the order of arrival, the latest 100,000 of them; fewer when their URLs are so long that
    /// these would take more than 64 MiB.
    pub fn calls(&self) -> Vec<Call> {
        self.running.state.log.calls()
    }

    /// Figures over all calls so far.
    pub fn summary(&self) -> Summary {
        self.running.state.log.summary()
    }
}

impl fmt::Debug for Emulator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Emulator")
            .field("http", &self.running.http)
            .field("https", &self.running.https)
            .finish_non_exhaustive()
    }
}
