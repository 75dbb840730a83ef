//! The builder of an emulator.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};

use crate::clock::Clock;
use crate::emulator::Emulator;
use crate::instance::Rotation;
use crate::listener::Bound;
use crate::random::Random;
use crate::settings::{Metadata, Settings};
use crate::state::State;
use crate::throttle::Throttle;

/// Settings for a new [`Emulator`], made by [`Emulator::builder`].
#[derive(Debug, Clone)]
#[must_use]
pub struct Builder {
    http: SocketAddr,
    #[cfg(feature = "tls")]
    https: Option<Https>,
    sts_rate: Option<u32>,
    clock_offset: i64,
    settings: Settings,
}

#[cfg(feature = "tls")]
#[derive(Clone)]
struct Https {
    address: SocketAddr,
    chain: Vec<u8>,
    key: Vec<u8>,
}

#[cfg(feature = "tls")]
impl std::fmt::Debug for Https {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Https").field("address", &self.address).finish_non_exhaustive()
    }
}

impl Emulator {
    /// Returns the settings for a new emulator. By default it listens on `127.0.0.1` and a free port, follows the
    /// machine's clock and does not cap sessions.
    pub fn builder() -> Builder {
        Builder::new()
    }
}

impl Builder {
    fn new() -> Self {
        Self {
            http: (Ipv4Addr::LOCALHOST, 0).into(),
            #[cfg(feature = "tls")]
            https: None,
            sts_rate: None,
            clock_offset: 0,
            settings: Settings::default(),
        }
    }

    /// Sets the address to listen on. The default is `127.0.0.1` and a free port.
    pub fn http(mut self, address: SocketAddr) -> Self {
        self.http = address;
        self
    }

    /// Adds an HTTPS listener. `chain` is a certificate chain in PEM that begins with the server's certificate, and
    /// `key` its private key in PEM.
    #[cfg(feature = "tls")]
    pub fn https(mut self, address: SocketAddr, chain: impl Into<Vec<u8>>, key: impl Into<Vec<u8>>) -> Self {
        self.https = Some(Https { address, chain: chain.into(), key: key.into() });
        self
    }

    /// Caps the lifetime of every session, in seconds, whatever valid duration was requested, so that tests see
    /// sessions expire.
    pub fn session_seconds(mut self, seconds: u32) -> Self {
        self.settings.session_seconds = Some(seconds);
        self
    }

    /// Limits the rate of STS calls, in calls per second of the emulator's clock. Calls above the limit get 429
    /// `Throttling.User` with `x-acs-retry-after`, the milliseconds until the next second. Calls with an invalid
    /// signature are not counted.
    pub fn sts_rate(mut self, calls_per_second: u32) -> Self {
        self.sts_rate = Some(calls_per_second);
        self
    }

    /// Sets how the instance metadata service responds. The default is [`Metadata::Normal`].
    pub fn metadata(mut self, metadata: Metadata) -> Self {
        self.settings.metadata = metadata;
        self
    }

    /// Sets whether the metadata service appends a newline to the role's name, which clients must trim. The default is
    /// `false`.
    pub fn metadata_newline(mut self, newline: bool) -> Self {
        self.settings.metadata_newline = newline;
        self
    }

    /// Sets the seconds between two polls for a login of CloudSSO. Who polls faster is told `SlowDown`. The default is 5.
    pub fn device_interval(mut self, seconds: u32) -> Self {
        self.settings.device_interval = Some(seconds);
        self
    }

    /// Sets the clock this many seconds ahead of the machine's clock, or behind it if the number is negative.
    pub fn clock_offset(mut self, seconds: i64) -> Self {
        self.clock_offset = seconds;
        self
    }

    /// Binds the addresses and serves on the current tokio runtime.
    ///
    /// The runtime must have its I/O driver enabled, and its time driver if faults delay responses.
    ///
    /// # Errors
    ///
    /// Fails if there is no current runtime, an address cannot be bound, the certificate or its key cannot be used, or
    /// the system has no randomness.
    pub async fn start(self) -> io::Result<Emulator> {
        let random = Random::from_system()?;
        let (http, https) = self.bind().await?;
        let state = State {
            clock: Clock::with_offset(self.clock_offset),
            random,
            sessions: Default::default(),
            session_keys: Default::default(),
            nonces: Default::default(),
            projects: Default::default(),
            objects: Default::default(),
            instance: Rotation::of_instance(),
            uri: Rotation::of_uri(),
            logins: Default::default(),
            pending_logins: Default::default(),
            throttle: Throttle::new(self.sts_rate),
            log: Default::default(),
            faults: Default::default(),
            settings: self.settings,
        };
        Ok(Emulator::run(state, http, https))
    }

    #[cfg(feature = "tls")]
    async fn bind(&self) -> io::Result<(Bound, Option<Bound>)> {
        use crate::tls::Acceptor;
        let Some(https) = &self.https else { return Ok((Bound::to(self.http).await?, None)) };
        let acceptor = Acceptor::new(&https.chain, &https.key)?;
        let mut secure = Bound::to(https.address).await?;
        secure.incoming.tls = Some(acceptor);
        Ok((Bound::to(self.http).await?, Some(secure)))
    }

    #[cfg(not(feature = "tls"))]
    async fn bind(&self) -> io::Result<(Bound, Option<Bound>)> {
        Ok((Bound::to(self.http).await?, None))
    }
}
