//! Builds a context: the real world, with parts replaced.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use super::{
    BootClockOf, Clock, Context, Executor, Http, HttpSend, Inner, Random, clock, clock_skew, files, gate,
    metadata_absence, resolver,
};
use crate::provider::BoxFuture;

/// Builds a [`Context`].
///
/// ```
/// use std::time::UNIX_EPOCH;
/// use alibabacloud_credentials::{Context, TestClock};
///
/// let context = Context::builder()
///     .env([("HOME", "/home/me")])
///     .root("tests/world") // /home/me/.aliyun/config.json is tests/world/home/me/.aliyun/config.json
///     .clock(TestClock::new(UNIX_EPOCH))
///     .seed(7)
///     .build();
/// ```
#[derive(Default)]
pub struct ContextBuilder {
    env: Option<BTreeMap<String, String>>,
    root: Option<PathBuf>,
    http: Option<Arc<dyn HttpSend>>,
    clock: Option<Arc<dyn Clock>>,
    seed: Option<u64>,
    executor: Option<Executor>,
    #[cfg(feature = "_client")]
    tls: Option<super::TlsLibrary>,
    resolver: resolver::Resolver,
}

impl fmt::Debug for ContextBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ContextBuilder").finish_non_exhaustive()
    }
}

impl ContextBuilder {
    /// Sets the whole environment. By default the process' own is read, again at every refresh.
    #[must_use]
    pub fn env<K: Into<String>, V: Into<String>>(mut self, variables: impl IntoIterator<Item = (K, V)>) -> Self {
        self.env = Some(variables.into_iter().map(|(name, value)| (name.into(), value.into())).collect());
        self
    }

    /// Looks up absolute paths beneath `directory`.
    #[must_use]
    pub fn root(mut self, directory: impl Into<PathBuf>) -> Self {
        self.root = Some(directory.into());
        self
    }

    /// Sets the HTTP client, for credentials and for `OpenApiClient`.
    #[must_use]
    pub fn http(mut self, sender: impl HttpSend) -> Self {
        self.http = Some(Arc::new(sender));
        self
    }

    /// Chooses the TLS library of the crate's own HTTP client, where the build has several: see
    /// [`TlsLibrary`](crate::TlsLibrary). One that the build lacks is an error of the first request.
    #[cfg(feature = "_client")]
    #[must_use]
    pub fn tls(mut self, library: super::TlsLibrary) -> Self {
        self.tls = Some(library);
        self
    }

    /// Sets the clocks.
    #[must_use]
    pub fn clock(mut self, clock: impl Clock) -> Self {
        self.clock = Some(Arc::new(clock));
        self
    }

    /// Makes nonces, session names and jitter repeatable. For tests only: two processes with one seed reuse nonces.
    #[must_use]
    pub fn seed(mut self, seed: u64) -> Self {
        self.seed = Some(seed);
        self
    }

    /// Runs refreshes where `spawn` starts them instead of on the crate's own threads.
    ///
    /// `spawn` has to start the future on an executor that drives it whether or not a caller still waits. It is called on a
    /// thread of the crate's own, inside the caller's tokio runtime if there is one, so `tokio::spawn` works in it.
    /// It says where refreshes run, and never who keeps time: timers stay on the crate's own thread, and a caller's wait
    /// ends by the limits of a refresh even if `spawn` blocks or the executor never runs the task. Files are then read on
    /// that executor too, and a file system that hangs holds up its thread.
    #[must_use]
    pub fn spawn(mut self, spawn: impl Fn(BoxFuture<'static, ()>) + Send + Sync + 'static) -> Self {
        self.executor = Some(Executor::custom(spawn));
        self
    }

    /// Resolves names in place of the system.
    #[cfg(test)]
    pub(crate) fn resolver(mut self, resolve: impl Fn(&str) -> Vec<std::net::IpAddr> + Send + Sync + 'static) -> Self {
        self.resolver = resolver::Resolver::Scripted(Box::new(resolve));
        self
    }

    /// Builds the context. Does no I/O.
    pub fn build(self) -> Context {
        let executor = self.executor.unwrap_or(Executor::Pool);
        #[cfg(all(feature = "_client", feature = "openapi"))]
        let is_system_clock = self.clock.is_none();
        let clock = self.clock.unwrap_or_else(|| Arc::new(clock::SystemClock));
        let boot_clock = Arc::new(BootClockOf(Arc::clone(&clock)));
        let http = match self.http {
            Some(sender) => Http::Custom(sender),
            #[cfg(feature = "_client")]
            None => Http::Own(Arc::new(super::reqwest_sender::ReqwestSender::new(self.tls))),
            #[cfg(not(feature = "_client"))]
            None => Http::Custom(Arc::new(super::http::NoHttp)),
        };
        let random = self.seed.map_or(Random::System, |seed| Random::Seeded(AtomicU64::new(seed)));
        Context(Arc::new(Inner {
            env: self.env,
            root: self.root,
            http,
            clock,
            boot_clock,
            #[cfg(all(feature = "_client", feature = "openapi"))]
            is_system_clock,
            random,
            executor,
            clock_skew: clock_skew::ClockSkew::default(),
            resolver: self.resolver,
            metadata_absence: metadata_absence::MetadataAbsence::default(),
            reads: files::Reads::default(),
            gates: gate::Gates::default(),
        }))
    }
}
