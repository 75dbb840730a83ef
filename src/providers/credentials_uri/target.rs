//! The target of a credentials URI, read strictly, since its responses are secrets.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr};

use http::Uri;

use crate::endpoint::read_host;

/// A credentials URI. `Display` shows scheme, host and port: path and query may hold what is not to be shown.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Target {
    pub(super) plain: bool,
    /// Without brackets, in lower case.
    pub(super) host: String,
    port: Option<u16>,
    path: String,
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = if self.plain { "http" } else { "https" };
        match self.host.contains(':') {
            true => write!(f, "{scheme}://[{}]", self.host)?,
            false => write!(f, "{scheme}://{}", self.host)?,
        }
        self.port.map_or(Ok(()), |port| write!(f, ":{port}"))
    }
}

impl Target {
    /// Reads `http[s]://host[:port][/path][?query]`. The error says what is wrong, and nothing of the text.
    pub(super) fn parse(text: &str) -> Result<Self, &'static str> {
        let uri: Uri = text.parse().map_err(|_| "it is not a URL")?;
        let plain = match uri.scheme_str() {
            Some("https") => false,
            Some("http") => true,
            _ => return Err("it does not begin with https:// or http://"),
        };
        let authority = uri.authority().ok_or("it has no host")?;
        if authority.as_str().contains('@') {
            return Err("it holds a user name");
        }
        let host = authority.host();
        let port = match authority.as_str().strip_prefix(host).unwrap_or("?") {
            "" => None,
            port => {
                let port = port.strip_prefix(':').and_then(|port| port.parse::<u16>().ok());
                Some(port.filter(|port| *port != 0).ok_or("its port is not a number from 1 to 65535")?)
            }
        };
        let path = uri.path_and_query().map_or("/", |path| path.as_str()).to_owned();
        Ok(Self { plain, host: read_host(host)?, port, path })
    }

    /// The address, where the host is one.
    pub(super) fn literal(&self) -> Option<IpAddr> {
        self.host.parse().ok()
    }

    /// The URL to send to.
    pub(super) fn uri(&self) -> Result<Uri, http::uri::InvalidUri> {
        let slash = if self.path.starts_with('/') { "" } else { "/" };
        format!("{self}{slash}{}", self.path).parse()
    }
}

/// Returns whether plain HTTP to `address` stays on this machine or its link, or reaches the metadata service.
pub(super) fn is_local(address: IpAddr) -> bool {
    match address.to_canonical() {
        IpAddr::V4(v4) => v4.is_loopback() || v4.is_link_local() || v4 == Ipv4Addr::new(100, 100, 100, 200),
        IpAddr::V6(v6) => v6.is_loopback() || v6.is_unicast_link_local(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_target_is_a_url_and_shows_neither_path_nor_query() {
        for (text, shown, sent) in [
            ("https://example.com", "https://example.com", "https://example.com/"),
            ("HTTPS://Example.COM./a?token=x", "https://example.com", "https://example.com/a?token=x"),
            ("http://127.0.0.1:8080/a/b?c=d#e", "http://127.0.0.1:8080", "http://127.0.0.1:8080/a/b?c=d"),
            ("http://[::1]:80?q", "http://[::1]:80", "http://[::1]:80/?q"),
            ("http://a_b-c.d1/", "http://a_b-c.d1", "http://a_b-c.d1/"),
        ] {
            let target = Target::parse(text).unwrap_or_else(|why| panic!("{text}: {why}"));
            assert_eq!((target.to_string(), target.uri().unwrap().to_string()), (shown.to_owned(), sent.to_owned()));
        }
    }

    #[test]
    fn what_clients_could_read_in_two_ways_is_refused() {
        for text in [
            "",
            "example.com",
            "/a",
            "ftp://a/",
            "file:///etc/passwd",
            "https://",
            "https:///a",
            "http://user@a/",
            "http://user:fake-secret@a/",
            "http://a@127.0.0.1/",
            "http://127.0.0.1\\@evil/",
            "http://a b/",
            "http://a:/",
            "http://a:0/",
            "http://a:65536/",
            "http://a:b/",
            "http://2130706433/",
            "http://0x7f000001/",
            "http://127.1/",
            "http://0177.0.0.1/",
            "http://127.0.0.1./",
            "http://%31%32%37.0.0.1/",
            "http://[fe80::1%25eth0]/",
            "http://[::1/",
            "http://bücher.example/",
            "http://./",
        ] {
            assert!(Target::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn local_is_this_machine_its_link_and_the_metadata_service() {
        for (address, local) in [
            ("127.0.0.1", true),
            ("127.255.0.3", true),
            ("169.254.169.254", true),
            ("100.100.100.200", true),
            ("::1", true),
            ("fe80::1", true),
            ("febf::1", true),
            ("::ffff:127.0.0.1", true),
            ("::ffff:8.8.8.8", false),
            ("0.0.0.0", false),
            ("::", false),
            ("10.0.0.1", false),
            ("100.100.100.201", false),
            ("fec0::1", false),
            ("8.8.8.8", false),
        ] {
            assert_eq!(is_local(address.parse().unwrap()), local, "{address}");
        }
    }
}
