//! The endpoint of a request: `host[:port]`, over HTTPS.

use std::fmt;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::sync::Arc;

use http::uri::Authority;

use crate::context::is_loopback;
use crate::encode::in_lower_case;
use crate::error::Error;

/// A server's address. Cloning is one reference count.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Endpoint {
    plain: bool,
    authority: Arc<str>,
}

impl Endpoint {
    /// Reads `host[:port]`, with or without `https://` and a closing slash. `http://` is for loopback, or where plain HTTP
    /// was allowed.
    pub(crate) fn parse(text: &str, allow_plain_http: bool) -> Result<Self, Error> {
        let text = text.trim();
        let after = |scheme: &str| {
            let given = text.get(..scheme.len()).filter(|given| given.eq_ignore_ascii_case(scheme))?;
            Some(&text[given.len()..])
        };
        match (after("https://"), after("http://")) {
            (None, Some(rest)) => Self::read(true, rest, allow_plain_http),
            (https, _) => Self::read(false, https.unwrap_or(text), allow_plain_http),
        }
    }

    /// Reads what stands behind the scheme.
    pub(crate) fn read(plain: bool, text: &str, allow_plain_http: bool) -> Result<Self, Error> {
        let text = text.strip_suffix('/').unwrap_or(text);
        // An IPv6 literal without brackets cannot be told from a port.
        let bracketed = text.parse::<Ipv6Addr>().is_ok().then(|| format!("[{text}]"));
        let authority = bracketed.as_deref().unwrap_or(text).parse::<Authority>().map_err(|_| invalid())?;
        Self::of(plain, &authority, allow_plain_http)
    }

    /// Checks what an HTTP client has read.
    pub(crate) fn of(plain: bool, authority: &Authority, allow_plain_http: bool) -> Result<Self, Error> {
        let (text, host) = (authority.as_str(), authority.host());
        let is_one = !text.contains('@') && authority.port().is_some() == has_port(text) && check_host(host).is_ok();
        if !is_one {
            return Err(invalid());
        }
        if plain && !allow_plain_http && !is_loopback(host) {
            let message = format!("{text} is asked for over plain http, where anyone on the way reads the secrets");
            let error = Error::invalid_input(message).with_code("PlainHttp");
            return Err(error.with_remedy("leave the scheme out, or allow it by .allow_plain_http()"));
        }
        // What an HTTP client sends as `Host`: without the scheme's own port.
        let text = text.strip_suffix(if plain { ":80" } else { ":443" }).unwrap_or(text);
        Ok(Self { plain, authority: in_lower_case(text).into() })
    }

    /// A host name of the crate's own making.
    pub(crate) fn https(host: impl Into<Arc<str>>) -> Self {
        Self { plain: false, authority: host.into() }
    }

    /// The `Host` header: with the port, where it was given.
    pub(crate) fn authority(&self) -> &str {
        &self.authority
    }

    pub(crate) fn is_loopback(&self) -> bool {
        self.authority.parse::<Authority>().is_ok_and(|authority| is_loopback(authority.host()))
    }

    pub(crate) fn scheme(&self) -> &'static str {
        if self.plain { "http" } else { "https" }
    }
}

fn invalid() -> Error {
    let error = Error::invalid_input("an endpoint is `host[:port]`, without path, query or user name");
    error.with_code("InvalidEndpoint")
}

/// A host as every part of a client reads it the same way: an IPv6 address in brackets, an IPv4 address of four decimal
/// numbers, or a name. `0x7f.1`, `2130706433` and `%31` are addresses to some and names to others.
pub(crate) fn read_host(text: &str) -> Result<String, &'static str> {
    Ok(match check_host(text)? {
        Some(address) => address.to_string(),
        None => text.strip_suffix('.').unwrap_or(text).to_ascii_lowercase(),
    })
}

/// Checks a host, and returns the address if it is one of IPv6.
fn check_host(text: &str) -> Result<Option<Ipv6Addr>, &'static str> {
    if let Some(inner) = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
        return inner.parse().map(Some).map_err(|_| "its host is no IPv6 address");
    }
    let host = text.strip_suffix('.').unwrap_or(text);
    if host.is_empty() {
        return Err("it has no host");
    }
    if !host.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._".contains(&byte)) {
        return Err("its host is no name of letters, digits, dots and hyphens");
    }
    let last = host.rsplit('.').next().unwrap_or_default();
    let is_hexadecimal = last.get(..2).is_some_and(|start| start.eq_ignore_ascii_case("0x"));
    let is_number = last.bytes().all(|byte| byte.is_ascii_digit()) || is_hexadecimal;
    if is_number && (host.parse::<Ipv4Addr>().is_err() || text.ends_with('.')) {
        return Err("its host is no IPv4 address of four numbers");
    }
    Ok(None)
}

fn has_port(text: &str) -> bool {
    text.rsplit_once(':').is_some_and(|(host, port)| !host.is_empty() && !port.ends_with(']'))
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.authority)
    }
}

/// A region becomes part of a host name, so nothing else may be in it.
pub(crate) fn check_region(region: &str) -> Result<(), Error> {
    if let Some(region) = region.strip_prefix("oss-") {
        let error =
            Error::invalid_input("a region stands without the `oss-` of its endpoint").with_code("InvalidRegion");
        let is_shown = region.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
        return Err(if is_shown { error.with_remedy(format!("write {region}")) } else { error });
    }
    if !region.is_empty() && region.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-') {
        return Ok(());
    }
    let error =
        Error::invalid_input("a region is letters, digits and hyphens, as cn-hangzhou").with_code("InvalidRegion");
    Err(error)
}

/// A region that somebody else named, if it can be one.
pub(crate) fn valid_region(region: Option<&str>) -> Option<String> {
    region.filter(|region| check_region(region).is_ok()).map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_endpoint_is_a_host_and_perhaps_a_port() {
        for (text, url) in [
            ("sts.aliyuncs.com", "https://sts.aliyuncs.com"),
            (" https://STS.aliyuncs.com/ ", "https://sts.aliyuncs.com"),
            ("sts.example.internal:8443", "https://sts.example.internal:8443"),
            ("http://127.0.0.1:80", "http://127.0.0.1"),
            ("sts.aliyuncs.com:443", "https://sts.aliyuncs.com"),
            ("http://127.0.0.1:443", "http://127.0.0.1:443"),
            ("https://[::1]:443/", "https://[::1]"),
            ("http://localhost:3000/", "http://localhost:3000"),
            ("http://[::1]:3000", "http://[::1]:3000"),
            ("::1", "https://[::1]"),
            ("[2001:db8::1]", "https://[2001:db8::1]"),
        ] {
            let endpoint = Endpoint::parse(text, false).unwrap();
            assert_eq!(format!("{}://{endpoint}", endpoint.scheme()), url);
        }
    }

    #[test]
    fn anything_else_is_refused() {
        for text in [
            "",
            "https://",
            "a/b",
            "a?b",
            "user:pass@host",
            "host:",
            "host:port",
            "a b",
            "ftp://a",
            "host:99999",
            "*",
            "'a'",
            "a;b",
            "a,b",
            "2130706433",
            "0x7f.1",
            "127.1",
            "a%2eb",
        ] {
            assert_eq!(Endpoint::parse(text, false).unwrap_err().code(), Some("InvalidEndpoint"), "{text}");
        }
        for text in ["http://sts.aliyuncs.com", "HTTP://10.0.0.1", "http://localhost.example.com"] {
            assert_eq!(Endpoint::parse(text, false).unwrap_err().code(), Some("PlainHttp"), "{text}");
            assert!(Endpoint::parse(text, true).is_ok());
        }
    }
}
