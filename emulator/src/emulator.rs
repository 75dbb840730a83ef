//! The handle to a running emulator.

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
use crate::logins::{Tokens, client_of};
use crate::pending_logins::LoginDecision;
use crate::server::serve;
use crate::state::State;

/// A running emulator. Clones are handles to the same emulator, which stops when the last handle is dropped.
#[derive(Clone)]
pub struct Emulator {
    running: Arc<Running>,
}

/// The tokens of a login, as the CLI writes them into config.json. It has no `Debug`, as it holds tokens.
#[derive(Clone)]
#[allow(missing_debug_implementations)]
pub struct Login {
    /// The access token.
    pub access_token: String,
    /// The refresh token, of OAuth alone.
    pub refresh_token: Option<String>,
    /// The expiration of the access token.
    pub expires: SystemTime,
}

impl Login {
    fn of(tokens: Tokens) -> Self {
        Self { access_token: tokens.access_token, refresh_token: tokens.refresh_token, expires: tokens.expires.into() }
    }
}

struct Running {
    http: SocketAddr,
    https: Option<SocketAddr>,
    state: Arc<State>,
    /// Dropping these stops the server's tasks.
    _stop: Vec<oneshot::Sender<()>>,
}

impl Emulator {
    /// Starts to serve on bound listeners.
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

    /// Returns the address of the HTTP listener, with its actual port.
    pub fn http_addr(&self) -> SocketAddr {
        self.running.http
    }

    /// Returns the URL of the HTTP listener, `http://127.0.0.1:PORT`. It serves all products.
    pub fn endpoint(&self) -> String {
        format!("http://{}", self.running.http)
    }

    /// Returns the address of the HTTPS listener, if there is one.
    pub fn https_addr(&self) -> Option<SocketAddr> {
        self.running.https
    }

    /// Returns the URL of the HTTPS listener, `https://127.0.0.1:PORT`, if there is one.
    pub fn https_endpoint(&self) -> Option<String> {
        self.running.https.map(|address| format!("https://{address}"))
    }

    /// Returns the URL for `ALIBABA_CLOUD_CREDENTIALS_URI`. It serves a session of `imm-role` that is renewed before it
    /// expires.
    pub fn credentials_uri(&self) -> String {
        format!("{}{URI_PATH}", self.endpoint())
    }

    /// Logs in by OAuth, as `aliyun configure --mode OAuth` does, at the site `CN` or `INTL`. The access token lasts an hour, and
    /// the refresh token can be used once. Another site gives `None`.
    pub fn oauth_login(&self, site: &str) -> Option<Login> {
        let state = &self.running.state;
        let client = client_of(site)?;
        Some(Login::of(state.logins.oauth(&state.random, client, state.clock.now())))
    }

    /// Logs in by CloudSSO, as `aliyun configure --mode CloudSSO` does. The access token lasts eight hours; the session is of the
    /// account [`ACCOUNT_ID`](crate::account::ACCOUNT_ID) and the access configuration `ac-emulator`.
    pub fn cloud_sso_login(&self) -> Login {
        let state = &self.running.state;
        Login::of(state.logins.cloud_sso(&state.random, state.clock.now()))
    }

    /// Sets what the person does who opens the page of a login from now on. At first they approve.
    pub fn decide_logins(&self, decision: LoginDecision) {
        self.running.state.pending_logins.decide(decision);
    }

    /// Revokes all logins: no token of theirs is accepted any more.
    pub fn revoke_logins(&self) {
        self.running.state.logins.revoke();
    }

    /// Moves the emulator's clock forward.
    pub fn advance_clock(&self, by: Duration) {
        self.running.state.clock.advance(by);
    }

    /// Sets the clock this many seconds ahead of the machine's clock, or of the instant at which it was frozen. A
    /// negative number sets it behind.
    pub fn set_clock_offset(&self, seconds: i64) {
        self.running.state.clock.set_offset(seconds);
    }

    /// Freezes the clock at an instant and resets its offset. From then on only [`advance_clock`](Self::advance_clock)
    /// and [`set_clock_offset`](Self::set_clock_offset) move it, for tests under a virtual clock.
    pub fn freeze_clock_at(&self, instant: SystemTime) {
        self.running.state.clock.freeze_at(instant);
    }

    /// Returns the time of the emulator's clock, which decides on timestamps and the expiration of sessions, and which
    /// the `date` header of every response carries.
    pub fn now(&self) -> SystemTime {
        self.running.state.clock.system_time()
    }

    /// Makes the next calls of one operation fail, before any other check.
    ///
    /// `route` is `sts/AssumeRole`, `imm/CreateProject`, `oss/PutObject` and the like, `metadata/token`,
    /// `metadata/role`, `metadata/credentials`, `metadata/item`, `uri/credentials`, `oauth/authorize`, `oauth/token`,
    /// `oauth/exchange`, `cloudsso/device-authorization`, `cloudsso/device`, `cloudsso/token`, `cloudsso/accounts`,
    /// `cloudsso/access-configurations` or `cloudsso/credentials`. `sts/*` stands for all operations of STS. Faults for the same operation are used in the order in which they were added.
    pub fn fail_next(&self, route: &str, fault: Fault) {
        self.running.state.faults.add(route, fault);
    }

    /// Adds faults from a JSON list of objects.
    ///
    /// Each has a `route` and any of `times` (1 by default), `status` (0 by default), `code`, `message`, `headers`,
    /// `delay_ms`, `reset`, `truncate` and `body`, with the meaning that they have in [`Fault`].
    ///
    /// # Errors
    ///
    /// Returns `InvalidInput` if the list is malformed or an entry would have no effect. Then no fault is added.
    pub fn add_faults(&self, json: &str) -> io::Result<()> {
        let list =
            fault_list::parse(json.as_bytes()).map_err(|reason| io::Error::new(io::ErrorKind::InvalidInput, reason))?;
        list.into_iter().for_each(|(route, fault)| self.fail_next(&route, fault));
        Ok(())
    }

    /// Removes the faults that were not used.
    pub fn clear_faults(&self) {
        self.running.state.faults.clear();
    }

    /// Returns the log: the latest 100,000 requests in the order of arrival, or fewer if their text would take more
    /// than 64 MiB.
    pub fn calls(&self) -> Vec<Call> {
        self.running.state.log.calls()
    }

    /// Returns counts of all calls since the start.
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
