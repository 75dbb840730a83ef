//! The handle that tests hold, and how it is started.

use std::fmt;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use tokio::net::TcpListener;
use tokio::sync::oneshot;

use crate::clock::Clock;
use crate::fault::{Fault, Faults};
use crate::log::{Call, Summary};
use crate::random::Random;
use crate::server::{State, serve};

/// A running emulator. Clones are handles to the same one; it stops when the last is dropped.
#[derive(Clone)]
pub struct Emulator {
    running: Arc<Running>,
}

struct Running {
    http: SocketAddr,
    state: Arc<State>,
    /// Dropped with the last handle, which ends the server's task.
    _stop: oneshot::Sender<()>,
}

/// Settings for a new [`Emulator`]. See [`Emulator::builder`].
#[derive(Debug, Clone)]
#[must_use]
pub struct Builder {
    http: SocketAddr,
    session_seconds: Option<u32>,
    clock_offset: i64,
}

impl Builder {
    /// The address to listen on. Without it, `127.0.0.1` and a free port.
    pub fn http(mut self, address: SocketAddr) -> Self {
        self.http = address;
        self
    }

    /// Caps the seconds that AssumeRole grants, whatever valid duration was asked for, so that tests see sessions end.
    pub fn session_seconds(mut self, seconds: u32) -> Self {
        self.session_seconds = Some(seconds);
        self
    }

    /// Sets the emulator's clock that many seconds ahead of the machine's; behind it, if negative.
    pub fn clock_offset(mut self, seconds: i64) -> Self {
        self.clock_offset = seconds;
        self
    }

    /// Binds the address and serves on the current tokio runtime, which needs its I/O driver, and its time driver if
    /// faults are to delay answers.
    ///
    /// # Errors
    ///
    /// There is no current runtime, the address can't be bound, or the system has no randomness.
    pub async fn start(self) -> io::Result<Emulator> {
        let runtime = tokio::runtime::Handle::try_current().map_err(io::Error::other)?;
        let random = Random::from_system()?;
        let listener = TcpListener::bind(self.http).await?;
        let http = listener.local_addr()?;
        let state = Arc::new(State {
            clock: Clock::with_offset(self.clock_offset),
            random,
            sessions: Default::default(),
            nonces: Default::default(),
            projects: Default::default(),
            log: Default::default(),
            faults: Faults::default(),
            session_seconds: self.session_seconds,
        });
        let (stop, stopped) = oneshot::channel();
        runtime.spawn(serve(listener, Arc::clone(&state), stopped));
        Ok(Emulator { running: Arc::new(Running { http, state, _stop: stop }) })
    }
}

impl Emulator {
    /// Settings for a new emulator: loopback, a free port, the machine's clock, no cap on sessions.
    pub fn builder() -> Builder {
        Builder { http: (Ipv4Addr::LOCALHOST, 0).into(), session_seconds: None, clock_offset: 0 }
    }

    /// The address it listens on, with the real port.
    pub fn http_addr(&self) -> SocketAddr {
        self.running.http
    }

    /// The address as a URL: `http://127.0.0.1:PORT`. Serves STS and IMM alike.
    pub fn endpoint(&self) -> String {
        format!("http://{}", self.running.http)
    }

    /// Moves the emulator's clock forward.
    pub fn advance_clock(&self, by: Duration) {
        self.running.state.clock.advance(by);
    }

    /// Sets the clock that many seconds ahead of the machine's, or of the instant it was frozen at; behind, if negative.
    pub fn set_clock_offset(&self, seconds: i64) {
        self.running.state.clock.set_offset(seconds);
    }

    /// Stops the clock at an instant, and forgets any offset. From then on it moves only by [`advance_clock`](Self::advance_clock), for tests
    /// under a virtual clock.
    pub fn freeze_clock_at(&self, instant: SystemTime) {
        self.running.state.clock.freeze_at(instant);
    }

    /// The emulator's time. Timestamps and sessions are judged by it, and every answer's `date` header tells it.
    pub fn now(&self) -> SystemTime {
        self.running.state.clock.system_time()
    }

    /// Makes the next calls of one operation fail, before any other check. `route` is `sts/AssumeRole`,
    /// `imm/CreateProject` and the like, or `sts/*` for every operation. Faults for the same operation are used up in
    /// the order in which they were given.
    pub fn fail_next(&self, route: &str, fault: Fault) {
        self.running.state.faults.add(route, fault);
    }

    /// The log: every request to a product, in the order of arrival, the latest 100,000 of them.
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
        f.debug_struct("Emulator").field("http", &self.running.http).finish_non_exhaustive()
    }
}
