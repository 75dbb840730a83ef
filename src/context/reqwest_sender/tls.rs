//! TLS: which library, chosen when the program runs, and whom it trusts. All clients of a process share one configuration.

use std::error::Error as StdError;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, OnceLock, PoisonError, Weak};

use reqwest::ClientBuilder;

use super::super::{HttpError, HttpErrorKind};

/// The TLS library of the crate's own HTTP client, for [`ContextBuilder::tls`](crate::ContextBuilder::tls).
///
/// Without a choice it is the first of these that the build has: rustls with ring (feature `reqwest`), rustls with
/// aws-lc-rs (feature `aws-lc-rs`), the platform's own (feature `native-tls`). A feature that another crate of the build
/// switches on adds to the choice, and changes nothing that worked.
///
/// ```
/// # #[cfg(feature = "reqwest")] {
/// use alibabacloud_credentials::{Context, TlsLibrary};
///
/// let context = Context::builder().tls(TlsLibrary::Ring).build();
/// # }
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum TlsLibrary {
    /// rustls with ring.
    Ring,
    /// rustls with aws-lc-rs.
    AwsLcRs,
    /// The platform's own: OpenSSL, SChannel or Secure Transport.
    Native,
}

impl TlsLibrary {
    /// The libraries that this build has, in the order in which they are preferred.
    const BUILT_IN: &[Self] = &[
        #[cfg(feature = "reqwest")]
        Self::Ring,
        #[cfg(feature = "aws-lc-rs")]
        Self::AwsLcRs,
        #[cfg(feature = "native-tls")]
        Self::Native,
    ];

    fn feature(self) -> &'static str {
        match self {
            Self::Ring => "reqwest",
            Self::AwsLcRs => "aws-lc-rs",
            Self::Native => "native-tls",
        }
    }
}

/// Where trusted roots are, if not in the system's store.
#[derive(Clone, Default, PartialEq, Eq)]
pub(super) struct TlsVariables {
    pub(super) file: Option<PathBuf>,
    pub(super) directory: Option<PathBuf>,
}

#[derive(Clone, Default, PartialEq, Eq)]
pub(super) struct TlsSettings {
    wanted: Option<TlsLibrary>,
    variables: TlsVariables,
}

/// What clients are configured with.
pub(super) enum Tls {
    #[cfg(feature = "_rustls")]
    Rustls(Box<rustls::ClientConfig>),
    /// The roots in place of the system's, if there are any.
    #[cfg(feature = "native-tls")]
    Native(Option<Vec<reqwest::Certificate>>),
}

type Slot = OnceLock<Result<Arc<Tls>, HttpError>>;

/// The configurations in use, each made once: reading the roots takes milliseconds, and sessions are resumed by all clients.
static SHARED: Mutex<Vec<(TlsSettings, Weak<Tls>)>> = Mutex::new(Vec::new());
/// Those that are being made.
static MAKING: Mutex<Vec<(TlsSettings, Arc<Slot>)>> = Mutex::new(Vec::new());

impl TlsSettings {
    pub(super) fn new(wanted: Option<TlsLibrary>, variables: TlsVariables) -> Self {
        Self { wanted, variables }
    }

    fn library(&self) -> Result<TlsLibrary, HttpError> {
        let found = match self.wanted {
            Some(wanted) => TlsLibrary::BUILT_IN.iter().find(|library| **library == wanted),
            None => TlsLibrary::BUILT_IN.first(),
        };
        found.copied().ok_or_else(|| {
            let feature = self.wanted.map_or("reqwest", TlsLibrary::feature);
            HttpError::new(
                HttpErrorKind::Setup,
                format!("this build lacks the TLS library: enable the feature `{feature}`"),
            )
        })
    }

    /// The configuration that all clients under these settings share.
    pub(super) fn shared(&self) -> Result<Arc<Tls>, HttpError> {
        let found = |shared: &[(Self, Weak<Tls>)]| {
            shared.iter().find(|(settings, _)| settings == self).and_then(|(_, tls)| tls.upgrade())
        };
        if let Some(tls) = found(&lock(&SHARED)) {
            return Ok(tls);
        }
        let slot = {
            let mut making = lock(&MAKING);
            match making.iter().find(|(settings, _)| settings == self) {
                Some((_, slot)) => Arc::clone(slot),
                None => {
                    let slot = Arc::<Slot>::default();
                    making.push((self.clone(), Arc::clone(&slot)));
                    slot
                }
            }
        };
        // Whoever needs the same waits here; nothing is locked.
        let made = slot.get_or_init(|| self.make().map(Arc::new)).clone();
        if let Ok(made) = &made {
            let mut shared = lock(&SHARED);
            shared.retain(|(_, tls)| tls.strong_count() > 0);
            if found(&shared).is_none() {
                shared.push((self.clone(), Arc::downgrade(made)));
            }
        }
        lock(&MAKING).retain(|(_, kept)| !Arc::ptr_eq(kept, &slot));
        made
    }

    fn make(&self) -> Result<Tls, HttpError> {
        match self.library()? {
            #[cfg(feature = "_rustls")]
            library @ (TlsLibrary::Ring | TlsLibrary::AwsLcRs) => {
                Ok(Tls::Rustls(Box::new(with_rustls::config(library, with_rustls::roots(&self.variables)?)?)))
            }
            #[cfg(feature = "native-tls")]
            TlsLibrary::Native => Ok(Tls::Native(native::roots(&self.variables)?)),
            #[allow(unreachable_patterns)] // with every library built in
            _ => Err(HttpError::new(HttpErrorKind::Setup, "this build lacks the TLS library")),
        }
    }

    /// A client for plain HTTP. It never looks at the roots, but is not to look for a provider of the process either.
    pub(super) fn without_roots(&self, builder: ClientBuilder) -> Result<ClientBuilder, HttpError> {
        match self.library()? {
            #[cfg(feature = "_rustls")]
            library @ (TlsLibrary::Ring | TlsLibrary::AwsLcRs) => {
                let config = with_rustls::config(library, rustls::RootCertStore::empty())?;
                Ok(builder.tls_backend_preconfigured(config))
            }
            #[cfg(feature = "native-tls")]
            TlsLibrary::Native => Ok(builder.tls_backend_native()),
            #[allow(unreachable_patterns)]
            _ => Ok(builder),
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Tls {
    pub(super) fn configure(&self, builder: ClientBuilder) -> ClientBuilder {
        match self {
            #[cfg(feature = "_rustls")]
            Self::Rustls(config) => builder.tls_backend_preconfigured(rustls::ClientConfig::clone(config)),
            #[cfg(feature = "native-tls")]
            Self::Native(None) => builder.tls_backend_native(),
            #[cfg(feature = "native-tls")]
            Self::Native(Some(roots)) => builder.tls_backend_native().tls_certs_only(roots.clone()),
        }
    }
}

/// Whether an error is the TLS library's.
#[cfg_attr(not(feature = "_rustls"), allow(unused_variables))]
pub(super) fn is_tls(error: &(dyn StdError + 'static)) -> bool {
    #[cfg(feature = "_rustls")]
    if error.is::<rustls::Error>() || with_rustls::is_within(error) {
        return true;
    }
    false
}

/// Where the trusted roots were looked for.
fn named(variables: &TlsVariables) -> String {
    let file = variables.file.as_deref().map(|path| format!("SSL_CERT_FILE ({})", path.display()));
    let directory = variables.directory.as_deref().map(|path| format!("SSL_CERT_DIR ({})", path.display()));
    let named: Vec<String> = [file, directory].into_iter().flatten().collect();
    if named.is_empty() { "the system's store".to_owned() } else { named.join(" and ") }
}

fn no_roots(variables: &TlsVariables, why: Option<&std::io::Error>) -> HttpError {
    let why = why.map(|error| format!(" ({error})")).unwrap_or_default();
    let message = format!(
        "no trusted root certificate in {}{why}; install the package ca-certificates, or let SSL_CERT_FILE name a PEM file",
        named(variables)
    );
    HttpError::new(HttpErrorKind::Setup, message)
}

#[cfg(feature = "_rustls")]
mod with_rustls {
    use std::error::Error as StdError;
    use std::sync::Arc;

    use rustls::crypto::CryptoProvider;
    use rustls::{ClientConfig, RootCertStore};

    use super::{HttpError, HttpErrorKind, TlsLibrary, TlsVariables, no_roots};

    /// rustls with its provider in the configuration, so that none has to be installed for the process.
    pub(super) fn config(library: TlsLibrary, roots: RootCertStore) -> Result<ClientConfig, HttpError> {
        let config = ClientConfig::builder_with_provider(Arc::new(provider(library)?))
            .with_safe_default_protocol_versions()
            .map_err(|error| HttpError::new(HttpErrorKind::Tls, error.to_string()))?;
        Ok(config.with_root_certificates(roots).with_no_client_auth())
    }

    fn provider(library: TlsLibrary) -> Result<CryptoProvider, HttpError> {
        match library {
            #[cfg(feature = "reqwest")]
            TlsLibrary::Ring => Ok(rustls::crypto::ring::default_provider()),
            #[cfg(feature = "aws-lc-rs")]
            TlsLibrary::AwsLcRs => Ok(rustls::crypto::aws_lc_rs::default_provider()),
            _ => Err(HttpError::new(HttpErrorKind::Setup, "this build lacks the TLS library")),
        }
    }

    pub(super) fn roots(variables: &TlsVariables) -> Result<RootCertStore, HttpError> {
        let (file, directory) = (variables.file.as_deref(), variables.directory.as_deref());
        let found = if file.is_some() || directory.is_some() {
            rustls_native_certs::load_certs_from_paths(file, directory)
        } else {
            rustls_native_certs::load_native_certs()
        };
        let mut roots = RootCertStore::empty();
        roots.add_parsable_certificates(found.certs);
        let why = found.errors.iter().find_map(|error| match &error.kind {
            rustls_native_certs::ErrorKind::Io { inner, .. } => Some(inner),
            _ => None,
        });
        if roots.is_empty() { Err(no_roots(variables, why)) } else { Ok(roots) }
    }

    /// An I/O error hides what it wraps from `source()`, and connectors wrap more than once.
    pub(super) fn is_within(error: &(dyn StdError + 'static)) -> bool {
        let inner = error.downcast_ref::<std::io::Error>().and_then(std::io::Error::get_ref);
        inner.is_some_and(|inner| inner.is::<rustls::Error>() || is_within(inner))
    }
}

#[cfg(feature = "native-tls")]
mod native {
    use std::path::{Path, PathBuf};

    use reqwest::Certificate;

    use super::{HttpError, HttpErrorKind, TlsVariables, no_roots};

    /// The roots that the variables name; `None` where they name none.
    pub(super) fn roots(variables: &TlsVariables) -> Result<Option<Vec<Certificate>>, HttpError> {
        if *variables == TlsVariables::default() {
            return Ok(None);
        }
        let mut files: Vec<PathBuf> = variables.file.iter().cloned().collect();
        if let Some(directory) = &variables.directory {
            let entries = std::fs::read_dir(directory);
            let entries = entries.map_err(|error| unusable("SSL_CERT_DIR", directory, &error))?;
            files.extend(entries.filter_map(|entry| Some(entry.ok()?.path())).filter(|path| path.is_file()));
        }
        let mut roots = Vec::new();
        for path in &files {
            match std::fs::read(path) {
                Ok(pem) => roots.extend(Certificate::from_pem_bundle(&pem).unwrap_or_default()),
                Err(error) if variables.file.as_ref() == Some(path) => {
                    return Err(unusable("SSL_CERT_FILE", path, &error));
                }
                Err(_) => {}
            }
        }
        if roots.is_empty() { Err(no_roots(variables, None)) } else { Ok(Some(roots)) }
    }

    fn unusable(variable: &str, path: &Path, error: &std::io::Error) -> HttpError {
        HttpError::new(HttpErrorKind::Setup, format!("{variable} ({}): {error}", path.display()))
    }
}
