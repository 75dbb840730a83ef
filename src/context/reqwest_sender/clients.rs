//! The clients, one for each live runtime and way of connecting.

use std::collections::HashMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, Weak};
use std::time::Duration;

use http::Uri;
use reqwest::Client;
use tokio::runtime::{Handle, Id};
use tokio::sync::oneshot;

use super::proxy::Proxy;
use super::tls::Tls;
use super::{HttpError, HttpErrorKind, LONGEST_IDLE, MOST_IDLE, NO_RUNTIME, Settings, Way, connects};

/// The most ways kept for one runtime; a program uses two or three.
const MOST_WAYS: usize = 8;
/// The most hosts whose `keep-alive` is remembered; a client of the cloud talks to a few.
const MOST_HOSTS: usize = 64;

#[derive(Default)]
pub(super) struct Clients(OnceLock<Arc<Mutex<State>>>);

#[derive(Default)]
struct State {
    settings: Settings,
    /// What all clients share. Made with the first client that needs it.
    tls: Option<Arc<Tls>>,
    clients: Vec<(Way, Client)>,
    /// Ends, with the entry, the task by which a runtime tells that it is gone.
    runtimes: Vec<(u32, Id, oneshot::Sender<()>)>,
    /// How long connections to a host are kept, where its servers say less than we would.
    idle: HashMap<String, Duration>,
}

impl Clients {
    /// Made at the first use: many a context sends nothing.
    fn shared(&self) -> &Arc<Mutex<State>> {
        self.0.get_or_init(Arc::default)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.shared().lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn set(&self, settings: Settings) {
        let mut state = self.state();
        if state.settings != settings {
            let old = std::mem::take(&mut state.clients);
            state.tls = None;
            state.settings = settings;
            drop(state);
            drop(old);
        }
    }

    /// The proxy for a request.
    pub(super) fn proxy(&self, uri: &Uri) -> Result<Option<Proxy>, HttpError> {
        self.state().settings.proxies.of(uri)
    }

    pub(super) fn idle(&self, uri: &Uri) -> Duration {
        let state = self.state();
        if state.idle.is_empty() {
            return LONGEST_IDLE;
        }
        uri.authority().and_then(|host| state.idle.get(host.as_str())).copied().unwrap_or(LONGEST_IDLE)
    }

    /// Remembers what a response said. The next request takes a client with that time; connections that were kept longer
    /// stay behind in the other one, and end there.
    pub(super) fn note_idle(&self, uri: &Uri, idle: Duration) {
        let Some(host) = uri.authority() else { return };
        let mut state = self.state();
        if idle >= LONGEST_IDLE {
            if !state.idle.is_empty() {
                state.idle.remove(host.as_str());
            }
        } else if state.idle.len() < MOST_HOSTS || state.idle.contains_key(host.as_str()) {
            state.idle.insert(host.as_str().to_owned(), idle);
        }
    }

    /// The client for `way`, built if there is none. To build one takes milliseconds, so nothing is locked meanwhile.
    pub(super) fn client(&self, way: &Way) -> Result<Client, HttpError> {
        let (settings, tls) = {
            let state = self.state();
            if let Some((_, client)) = state.clients.iter().find(|(kept, _)| kept == way) {
                return Ok(client.clone());
            }
            (state.settings.clone(), state.tls.clone())
        };
        let tls = match tls.filter(|_| way.tls) {
            Some(tls) => Some(tls),
            None if way.tls => Some(settings.tls.shared()?),
            None => None,
        };
        let known = self.state().runtimes.iter().any(|(process, id, _)| (*process, *id) == (way.process, way.runtime));
        if !known {
            check_drivers()?;
        }
        let client = build(way, &settings, tls.as_deref())?;
        let mut state = self.state();
        // Another task of this runtime may have been faster.
        if let Some((_, client)) = state.clients.iter().find(|(kept, _)| kept == way) {
            return Ok(client.clone());
        }
        if state.settings == settings {
            state.tls = state.tls.take().or(tls);
        }
        let mut gone = Vec::new();
        let is_current = |kept: &Way| kept.process == way.process && kept.runtime == way.runtime;
        let mut ways = 0;
        // From the newest to the oldest, so that the oldest ones of a runtime go.
        for at in (0..state.clients.len()).rev() {
            let kept = &state.clients[at].0;
            ways += usize::from(is_current(kept));
            if (is_current(kept) && ways >= MOST_WAYS) || kept.process != way.process {
                gone.push(state.clients.remove(at));
            }
        }
        state.clients.push((way.clone(), client.clone()));
        state.runtimes.retain(|(process, ..)| *process == way.process);
        let known = state.runtimes.iter().any(|(_, runtime, _)| *runtime == way.runtime);
        let ended = (!known).then(|| {
            let (end, ended) = oneshot::channel();
            state.runtimes.push((way.process, way.runtime, end));
            ended
        });
        drop(state);
        drop(gone);
        if let Some(ended) = ended {
            // A runtime drops its tasks when it ends, at the latest. Spawned with nothing locked: where it is ending
            // already, the task is dropped right here.
            let leave = Leave { clients: Arc::downgrade(self.shared()), runtime: way.runtime };
            Handle::current().spawn(async move {
                let _leave = leave;
                let _ = ended.await;
            });
        }
        Ok(client)
    }
}

/// Forgets a runtime's clients when it is dropped.
struct Leave {
    clients: Weak<Mutex<State>>,
    runtime: Id,
}

impl Drop for Leave {
    fn drop(&mut self) {
        let Some(clients) = self.clients.upgrade() else { return };
        let mut state = clients.lock().unwrap_or_else(PoisonError::into_inner);
        let (gone, kept) =
            std::mem::take(&mut state.clients).into_iter().partition(|(way, _)| way.runtime == self.runtime);
        state.clients = kept;
        state.runtimes.retain(|(_, runtime, _)| *runtime != self.runtime);
        drop(state);
        let _: Vec<(Way, Client)> = gone;
    }
}

/// Checks that the current runtime can make connections and keep time. It does not say so by itself: what needs a driver
/// that was not enabled panics.
fn check_drivers() -> Result<(), HttpError> {
    // A process without a socket left will hear of that from its connection.
    let socket = std::net::UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).ok();
    let socket = socket.filter(|socket| socket.set_nonblocking(true).is_ok());
    #[allow(clippy::disallowed_methods)] // nothing waits for it
    let has_drivers = std::panic::catch_unwind(|| {
        drop(tokio::time::sleep(Duration::ZERO));
        drop(socket.map(tokio::net::UdpSocket::from_std));
    });
    has_drivers.map_err(|_| HttpError::new(HttpErrorKind::Setup, NO_RUNTIME))
}

fn build(way: &Way, settings: &Settings, tls: Option<&Tls>) -> Result<Client, HttpError> {
    // What other crates of a build switch on in reqwest changes nothing here.
    let mut builder = Client::builder()
        .no_proxy()
        .http1_only()
        .no_gzip()
        .no_brotli()
        .no_deflate()
        .no_zstd()
        .redirect(reqwest::redirect::Policy::none())
        .referer(false)
        .retry(reqwest::retry::never())
        .pool_idle_timeout(way.idle)
        .pool_max_idle_per_host(if way.idle.is_zero() { 0 } else { MOST_IDLE })
        .connector_layer(connects::Counted)
        .connect_timeout(way.connect_timeout);
    builder = match tls {
        Some(tls) => tls.configure(builder),
        None => settings.tls.without_roots(builder)?,
    };
    if let Some(proxy) = &way.proxy {
        builder = builder.proxy(proxy.to_reqwest()?);
    }
    if let Some((host, address)) = &way.pinned {
        builder = builder.resolve(host, SocketAddr::new(*address, 0));
    }
    builder.build().map_err(|error| HttpError::new(HttpErrorKind::Setup, error.without_url().to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn way(connect_timeout: u64) -> Way {
        Way {
            process: 1,
            runtime: Handle::current().id(),
            tls: false,
            proxy: None,
            connect_timeout: Duration::from_secs(connect_timeout),
            idle: LONGEST_IDLE,
            pinned: None,
        }
    }

    fn runtime() -> tokio::runtime::Runtime {
        tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap()
    }

    #[test]
    fn a_runtime_that_is_gone_takes_its_clients_with_it_and_no_other() {
        let clients = Clients::default();
        let runtimes: Vec<_> = (0..20).map(|_| runtime()).collect();
        for runtime in &runtimes {
            runtime.block_on(async { clients.client(&way(1)).unwrap() });
        }
        assert_eq!(clients.state().clients.len(), 20, "however many there are");
        drop(runtimes);
        let state = clients.state();
        assert_eq!((state.clients.len(), state.runtimes.len()), (0, 0));
    }

    #[test]
    fn of_one_runtime_the_oldest_ways_go() {
        let (clients, runtime, other) = (Clients::default(), runtime(), runtime());
        other.block_on(async { clients.client(&way(0)).unwrap() });
        for connect_timeout in 0..20 {
            runtime.block_on(async { clients.client(&way(connect_timeout)).unwrap() });
        }
        let kept: Vec<u64> = clients.state().clients.iter().map(|(way, _)| way.connect_timeout.as_secs()).collect();
        assert_eq!(kept, [0, 12, 13, 14, 15, 16, 17, 18, 19]);
        drop(clients);
    }
}
