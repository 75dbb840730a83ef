//! Which proxy a request takes: what the variables name, and what `NO_PROXY` leaves out.

use std::fmt;
use std::net::IpAddr;

use http::Uri;

use super::{HttpError, HttpErrorKind};

/// A variable's value, or why it cannot be read.
pub(super) type Value = Result<String, HttpError>;

/// The variables as they stand.
#[derive(Default)]
pub(super) struct ProxyVariables {
    /// Name and value.
    pub(super) http: Option<(&'static str, Value)>,
    pub(super) https: Option<(&'static str, Value)>,
    pub(super) none: Option<Value>,
}

/// What the variables say. One that cannot be read fails the requests that it is about.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Proxies {
    http: Option<Result<Proxy, HttpError>>,
    https: Option<Result<Proxy, HttpError>>,
    none: Result<Vec<Exception>, HttpError>,
}

impl Default for Proxies {
    fn default() -> Self {
        Self::read(ProxyVariables::default())
    }
}

/// A proxy that a variable names.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Proxy {
    variable: &'static str,
    /// May hold a password, so it is never shown.
    url: String,
}

impl fmt::Display for Proxy {
    /// Its host and port, and the variable.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.authority() {
            Some(authority) => write!(f, "the proxy {authority} ({})", self.variable),
            None => write!(f, "the proxy of {}", self.variable),
        }
    }
}

impl Proxies {
    pub(super) fn read(variables: ProxyVariables) -> Self {
        let proxy = |(variable, url): (_, Value)| url.map(|url| Proxy { variable, url });
        Self {
            http: variables.http.map(proxy),
            https: variables.https.map(proxy),
            none: variables.none.map_or(Ok(Vec::new()), |value| value.map(|text| exceptions(&text))),
        }
    }

    /// The proxy for a request to `uri`, if it takes one.
    ///
    /// # Errors
    ///
    /// A variable that decides this holds no proxy's URL, or no text.
    pub(super) fn of(&self, uri: &Uri) -> Result<Option<Proxy>, HttpError> {
        let plain = uri.scheme_str() == Some("http");
        let Some(proxy) = (if plain { &self.http } else { &self.https }) else { return Ok(None) };
        let host = uri.host().unwrap_or_default();
        let port = uri.port_u16().unwrap_or(if plain { 80 } else { 443 });
        if self.none.as_ref().map_err(Clone::clone)?.iter().any(|exception| exception.covers(host, port)) {
            return Ok(None);
        }
        let proxy = proxy.as_ref().map_err(Clone::clone)?;
        if proxy.authority().is_none() {
            return Err(proxy.malformed());
        }
        Ok(Some(proxy.clone()))
    }
}

const SCHEMES: [&str; 6] = ["http", "https", "socks4", "socks4a", "socks5", "socks5h"];

impl Proxy {
    /// Host and port, as far as the URL is one: a scheme, perhaps user name and password, and nothing behind the port.
    fn authority(&self) -> Option<&str> {
        let rest = match self.url.split_once("://") {
            Some((scheme, rest)) => {
                SCHEMES.iter().find(|known| scheme.eq_ignore_ascii_case(known))?;
                rest
            }
            None => &self.url,
        };
        let rest = rest.strip_suffix('/').unwrap_or(rest);
        let (user, host) = rest.rsplit_once('@').unwrap_or(("", rest));
        let is_ambiguous = |c: char| matches!(c, '@' | '/' | '#' | '?') || c.is_whitespace();
        if host.contains(is_ambiguous) || user.contains(is_ambiguous) {
            return None;
        }
        host.parse::<http::uri::Authority>().ok().filter(|authority| !authority.host().is_empty())?;
        Some(host)
    }

    /// The URL may hold a password, so the error says which variable and not what it holds.
    fn malformed(&self) -> HttpError {
        let message = format!(
            "{} does not hold a proxy's URL, as http://proxy.example.com:3128 or socks5h://127.0.0.1:1080; in a password \
             @ is written %40, # %23 and / %2F",
            self.variable
        );
        HttpError::new(HttpErrorKind::Setup, message)
    }

    pub(super) fn to_reqwest(&self) -> Result<reqwest::Proxy, HttpError> {
        reqwest::Proxy::all(self.url.as_str()).map_err(|_| self.malformed())
    }
}

/// A host that is reached without a proxy.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Exception {
    hosts: Hosts,
    port: Option<u16>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Hosts {
    All,
    /// The name itself, and all names that end in it behind a dot.
    Name(String),
    Address(IpAddr),
    Network(IpAddr, u8),
}

/// Reads `NO_PROXY`. No standard says how; each rule is one that users of other tools rely on.
///
/// | Written | Means | As in |
/// |---|---|---|
/// | `a,b`, `a, b` | two entries | everywhere |
/// | `a b`, `a;b` | two entries | curl takes blanks; `;` is the separator of Windows |
/// | `*` | every host | curl, Go, Python |
/// | `x.com` | that name and all below it | curl, Go, Python |
/// | `.x.com`, `*.x.com` | the same | curl for the dot; Go leaves out the name itself |
/// | `x.com:8443` | that port alone | Go, Python |
/// | `10.1.2.3`, `[::1]`, `::1` | that address, where the URL has an address | everywhere |
/// | `10.0.0.0/8`, `fd00::/8` | those addresses | Go, curl since 7.86, Python's requests |
///
/// Names are not resolved, and compare without regard to case.
fn exceptions(text: &str) -> Vec<Exception> {
    let entries = text.split(|c: char| c == ',' || c == ';' || c.is_whitespace());
    entries.filter_map(exception).collect()
}

fn exception(text: &str) -> Option<Exception> {
    let any_port = |hosts| Some(Exception { hosts, port: None });
    if text.is_empty() {
        return None;
    }
    if let Some((address, length)) = text.split_once('/') {
        let address: IpAddr = bare(address).parse().ok()?;
        let length = length.parse().ok().filter(|length| *length <= if address.is_ipv4() { 32 } else { 128 })?;
        return any_port(Hosts::Network(address, length));
    }
    if let Ok(address) = bare(text).parse() {
        return any_port(Hosts::Address(address));
    }
    let (host, port) = match text.rsplit_once(':') {
        Some((host, port)) => (host, Some(port.parse().ok()?)),
        None => (text, None),
    };
    let name = host.strip_prefix('*').unwrap_or(host).trim_matches('.');
    let hosts = match bare(host).parse() {
        Ok(address) => Hosts::Address(address),
        Err(_) if host == "*" => Hosts::All,
        Err(_) if name.is_empty() || name.contains('*') => return None,
        Err(_) => Hosts::Name(name.to_ascii_lowercase()),
    };
    Some(Exception { hosts, port })
}

fn bare(host: &str) -> &str {
    host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(host)
}

impl Exception {
    fn covers(&self, host: &str, port: u16) -> bool {
        if self.port.is_some_and(|only| only != port) {
            return false;
        }
        let host = bare(host).trim_end_matches('.');
        match &self.hosts {
            Hosts::All => true,
            Hosts::Name(name) => {
                let above = host.len().checked_sub(name.len()).filter(|at| host.is_char_boundary(*at));
                above.is_some_and(|at| {
                    host[at..].eq_ignore_ascii_case(name) && (at == 0 || host.as_bytes()[at - 1] == b'.')
                })
            }
            Hosts::Address(address) => host.parse() == Ok(*address),
            Hosts::Network(network, length) => host.parse().is_ok_and(|address| is_within(address, *network, *length)),
        }
    }
}

fn is_within(address: IpAddr, network: IpAddr, length: u8) -> bool {
    let differing = match (address, network) {
        (IpAddr::V4(a), IpAddr::V4(b)) => (a.to_bits() ^ b.to_bits()).leading_zeros(),
        (IpAddr::V6(a), IpAddr::V6(b)) => (a.to_bits() ^ b.to_bits()).leading_zeros(),
        _ => return false,
    };
    differing >= u32::from(length)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_proxy_is_read_as_the_table_says() {
        for (text, uri, excepted) in [
            ("x.com", "https://x.com/", true),
            ("x.com", "https://a.b.x.com/", true),
            ("x.com", "https://ax.com/", false),
            ("X.com", "https://A.x.COM./", true),
            (".x.com", "https://a.x.com/", true),
            (".x.com", "https://x.com/", true),
            ("*.x.com", "https://a.x.com/", true),
            ("*.x.com", "https://ax.com/", false),
            ("x.com:8443", "https://x.com:8443/", true),
            ("x.com:8443", "https://x.com/", false),
            ("x.com:443", "https://x.com/", true),
            ("x.com:80", "http://x.com/", true),
            ("*", "https://anything.example/", true),
            ("a, b;c  x.com", "https://x.com/", true),
            ("a b", "https://b/", true),
            ("", "https://x.com/", false),
            (" , ;", "https://x.com/", false),
            ("10.0.0.0/8", "https://10.200.1.1/", true),
            ("10.0.0.0/8", "https://11.0.0.1/", false),
            ("10.0.0.0/33", "https://10.0.0.1/", false),
            ("0.0.0.0/0", "https://8.8.8.8/", true),
            ("0.0.0.0/0", "https://[2001:db8::1]/", false),
            ("2001:db8::/32", "https://[2001:db8:1::2]:8443/", true),
            ("2001:db8::1", "https://[2001:db8::1]/", true),
            ("[2001:db8::1]", "https://[2001:db8::1]/", true),
            ("[2001:db8::1]:443", "https://[2001:db8::1]:444/", false),
            ("10.1.2.3", "https://10.1.2.3/", true),
            ("10.1.2.3:8443", "https://10.1.2.3/", false),
            ("x.*.com", "https://x.y.com/", false),
        ] {
            let variables = ProxyVariables {
                http: Some(("http_proxy", Ok("proxy:1".to_owned()))),
                https: Some(("HTTPS_PROXY", Ok("proxy:1".to_owned()))),
                none: Some(Ok(text.to_owned())),
            };
            let proxy = Proxies::read(variables).of(&uri.parse().unwrap()).unwrap();
            assert_eq!(proxy.is_none(), excepted, "{text} {uri}");
        }
    }

    #[test]
    fn a_proxy_is_named_by_host_and_variable_and_never_by_its_password() {
        for (url, shown) in [
            ("http://user:fake-pass@proxy.corp:3128", Some("the proxy proxy.corp:3128 (HTTPS_PROXY)")),
            ("proxy.corp:3128", Some("the proxy proxy.corp:3128 (HTTPS_PROXY)")),
            ("SOCKS5h://127.0.0.1/", Some("the proxy 127.0.0.1 (HTTPS_PROXY)")),
            ("http://user:fake-p@ss#w0rd@127.0.0.1:9", None),
            ("http://proxy.corp/path", None),
            ("ftp://proxy.corp", None),
            ("://fake-pass", None),
        ] {
            let variables =
                ProxyVariables { https: Some(("HTTPS_PROXY", Ok(url.to_owned()))), ..ProxyVariables::default() };
            let found = Proxies::read(variables).of(&"https://sts.aliyuncs.com/".parse().unwrap());
            match (found, shown) {
                (Ok(Some(proxy)), Some(shown)) => {
                    assert_eq!(proxy.to_string(), shown);
                    assert!(proxy.to_reqwest().is_ok());
                }
                (Err(error), None) => assert!(!error.to_string().contains("fake-p"), "{error}"),
                (found, _) => panic!("{url}: {:?}", found.map(|proxy| proxy.map(|proxy| proxy.to_string()))),
            }
        }
    }
}
