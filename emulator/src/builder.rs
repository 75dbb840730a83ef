//! How an emulator is set up and started.

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

/// Settings for a new [`Emulator`]. See [`Emulator::builder`].
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
    /// Settings for a new emulator: loopback, a free port, the machine's clock, no cap on sessions.
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

    /// The address to listen on. Without it, `127.0.0.1` and a free port.
    pub fn http(mut self, address: SocketAddr) -> Self {
        self.http = address;
        self
    }

    /// Another address, with HTTPS: a certificate chain, the server's own first, and its private key, both as PEM.
    #[cfg(feature = "tls")]
    pub fn https(mut self, address: SocketAddr, chain: impl Into<Vec<u8>>, key: impl Into<Vec<u8>>) -> Self {
        self.https = Some(Https { address, chain: chain.into(), key: key.into() });
        self
    }

    /// Caps the seconds of every session that is granted, whatever valid duration was asked for, so that tests see
    /// sessions end.
    pub fn session_seconds(mut self, seconds: u32) -> Self {
        self.settings.session_seconds = Some(seconds);
        self
    }

    /// Lets so many STS calls pass in each second of the emulator's clock. Those above are answered with 429
    /// `Throttling.User` and `x-acs-retry-after`, the milliseconds until the next second. Calls whose signature does
    /// not fit are not counted.
    pub fn sts_rate(mut self, calls_per_second: u32) -> Self {
        self.sts_rate = Some(calls_per_second);
        self
    }

    /// How the instance metadata service answers. Without it, [`Metadata::Normal`].
    pub fn metadata(mut self, metadata: Metadata) -> Self {
        self.settings.metadata = metadata;
        self
    }

    /// Whether the metadata service ends the role's name with a newline, which clients are to trim. Without it, no.
    pub fn metadata_newline(mut self, newline: bool) -> Self {
        self.settings.metadata_newline = newline;
        self
    }

    /// Sets the emulator's clock that many seconds ahead of the machine's; behind it, if negative.
    pub fn clock_offset(mut self, seconds: i64) -> Self {
        self.clock_offset = seconds;
        self
    }

    /// Binds the addresses and serves on the current tokio runtime, which needs its I/O driver, and its time driver if
    /// faults are to delay answers.
    ///
    /// # Errors
    ///
    /// There is no current runtime, an address can't be bound, the certificate or its key can't be used, or the system
    /// has no randomness.
    pub async fn start(self) -> io::Result<Emulator> {
        let random = Random::from_system()?;
        let (http, https) = self.bind().await?;
        let state = State {
            clock: Clock::with_offset(self.clock_offset),
            random,
            sessions: Default::default(),
            nonces: Default::default(),
            projects: Default::default(),
            objects: Default::default(),
            instance: Rotation::of_instance(),
            uri: Rotation::of_uri(),
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
