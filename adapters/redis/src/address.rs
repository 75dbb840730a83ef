//! The URL of a server, and whether it may be asked there.

use std::net::IpAddr;

use alibabacloud_credentials::Error;
use redis::{Client, ConnectionAddr};

/// A server that may be asked.
#[derive(Clone)]
pub(crate) struct Address {
    pub(crate) client: Client,
    /// Host and port, or the path of a socket: no user, no password.
    pub(crate) shown: String,
}

impl Address {
    /// `rediss://` is required for all but loopback and sockets, unless `allows_plain`. `roots` are PEM; none are the platform's.
    pub(crate) fn parse(url: &str, allows_plain: bool, roots: Vec<u8>) -> Result<Self, Error> {
        // The crate's own words about a URL may quote it, with its password.
        let client = Client::open(url).map_err(|error| {
            let is_without_tls = url.starts_with("rediss://") && !cfg!(feature = "tls");
            let hint = if is_without_tls { ": switch on the feature `tls`" } else { "" };
            Error::invalid_input(format!("the URL of Redis is not usable ({}){hint}", error.category()))
        })?;
        let (shown, is_private) = match client.get_connection_info().addr() {
            ConnectionAddr::Tcp(host, port) => (format!("{host}:{port}"), is_loopback(host)),
            ConnectionAddr::TcpTls { host, port, insecure, .. } => (format!("{host}:{port}"), !insecure),
            ConnectionAddr::Unix(path) => (path.display().to_string(), true),
            _ => return Err(Error::invalid_input("the URL of Redis is of a kind that is not supported")),
        };
        if !is_private && !allows_plain {
            let message = format!(
                "{shown}: rediss:// is required, with a certificate that is checked, unless the host is loopback"
            );
            return Err(Error::invalid_input(message));
        }
        let client = if roots.is_empty() { client } else { with_roots(url, &client, roots)? };
        Ok(Self { client, shown })
    }
}

/// A client that trusts `roots` alone.
#[cfg(feature = "tls")]
fn with_roots(url: &str, client: &Client, roots: Vec<u8>) -> Result<Client, Error> {
    use redis::TlsCertificates;
    use rustls::pki_types::{CertificateDer, pem::PemObject};
    if !matches!(client.get_connection_info().addr(), ConnectionAddr::TcpTls { .. }) {
        return Err(Error::invalid_input("root certificates are for rediss://"));
    }
    let mut certificates = CertificateDer::pem_slice_iter(&roots);
    // None would be no error, and no server would ever be trusted.
    if certificates.next().is_none_or(|first| first.is_err()) {
        return Err(Error::invalid_input("root certificates: there is no certificate in the PEM"));
    }
    let certificates = TlsCertificates { client_tls: None, root_cert: Some(roots) };
    Client::build_with_tls(url, certificates)
        .map_err(|error| Error::invalid_input(format!("the root certificates are not usable ({})", error.category())))
}

#[cfg(not(feature = "tls"))]
fn with_roots(_: &str, client: &Client, _: Vec<u8>) -> Result<Client, Error> {
    Ok(client.clone())
}

fn is_loopback(host: &str) -> bool {
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    bare.eq_ignore_ascii_case("localhost") || bare.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_encrypted_goes_to_loopback_alone_unless_it_was_allowed() {
        for (url, allows_plain, expected) in [
            ("redis://127.0.0.1:6379", false, Ok("127.0.0.1:6379")),
            ("redis://:password@[::1]", false, Ok("::1:6379")),
            ("redis://localhost/3", false, Ok("localhost:6379")),
            ("redis+unix:///run/redis.sock", false, Ok("/run/redis.sock")),
            ("redis://user:password@10.0.0.7", false, Err("rediss:// is required")),
            ("redis://localhost.example.com", false, Err("rediss:// is required")),
            ("redis://user:password@10.0.0.7", true, Ok("10.0.0.7:6379")),
            ("http://user:password@10.0.0.7", true, Err("is not usable")),
            ("", false, Err("is not usable")),
            #[cfg(feature = "tls")]
            ("rediss://user:password@10.0.0.7:6380", false, Ok("10.0.0.7:6380")),
            #[cfg(feature = "tls")]
            ("rediss://user:password@10.0.0.7/#insecure", false, Err("rediss:// is required")),
            #[cfg(not(feature = "tls"))]
            ("rediss://user:password@10.0.0.7:6380", false, Err("feature `tls`")),
        ] {
            match (Address::parse(url, allows_plain, Vec::new()), expected) {
                (Ok(address), Ok(shown)) => assert_eq!(address.shown, shown),
                (Err(error), Err(text)) => {
                    let error = error.to_string();
                    assert!(error.contains(text) && !error.contains("password"), "{url}: {error}");
                }
                (result, _) => panic!("{url}: {:?}", result.map(|address| address.shown)),
            }
        }
    }
}
