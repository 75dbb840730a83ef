//! Test code: an HTTP client of another's than the library's, for plain HTTP alone.

use std::sync::Arc;

/// Without roots, so that nothing has to be read or installed; without proxies and redirects.
pub(crate) fn client() -> reqwest::ClientBuilder {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let tls = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(rustls::RootCertStore::empty())
        .with_no_client_auth();
    let builder = reqwest::Client::builder().no_proxy().redirect(reqwest::redirect::Policy::none());
    builder.tls_backend_preconfigured(tls)
}
