//! The hosts of STS that may be asked: name, connection, TLS, latency, and the clock by their answers.

use std::collections::BTreeSet;
use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, SystemTime};

use alibabacloud_credentials::{Credentials, DefaultCredentialChain, ErrorKind, OpenApiClient, Refresher};

use super::{Check, State};
use crate::world;

/// The domain of all hosts of this cloud.
const CLOUD: &str = ".aliyuncs.com";
const LIMIT: Duration = Duration::from_secs(10);
/// Below this, the library takes the clocks as equal.
const EQUAL_CLOCKS: Duration = Duration::from_secs(4);

pub(super) async fn checks(chain: &DefaultCredentialChain) -> Vec<Check> {
    let chosen = match chain.sts_endpoint() {
        Ok(chosen) => chosen,
        Err(error) => return vec![Check::of_error("sts", &error)],
    };
    let mut hosts = vec![chosen.clone()];
    // An endpoint of somebody's own is asked alone.
    if chosen.ends_with(CLOUD) {
        hosts.push(format!("https://sts{CLOUD}"));
        hosts.extend(chain.region().map(|region| format!("https://sts.{region}{CLOUD}")));
    }
    hosts.dedup();
    let mut checks = Vec::new();
    for host in hosts {
        checks.extend(name(&host).await);
        checks.extend(probe(&host).await);
    }
    checks
}

/// Looks the host's name up. With a proxy that is the proxy's to do, so a failure here may not matter.
async fn name(host: &str) -> Option<Check> {
    let authority = host.split_once("://").map_or(host, |(_, rest)| rest);
    // An address needs no look-up.
    if authority.starts_with('[') || authority.parse::<SocketAddr>().is_ok() || authority.parse::<IpAddr>().is_ok() {
        return None;
    }
    let authority = if authority.contains(':') { authority.to_owned() } else { format!("{authority}:443") };
    let began = world::stopwatch();
    let found = tokio::time::timeout(LIMIT, tokio::net::lookup_host(&authority)).await;
    let spent = world::elapsed(began).as_millis();
    let failed = match found {
        Ok(Ok(addresses)) => {
            let addresses: BTreeSet<_> = addresses.map(|address| address.ip()).collect();
            let addresses: Vec<_> = addresses.iter().map(ToString::to_string).collect();
            let detail = format!("{authority} is {} ({spent} ms)", addresses.join(", "));
            return Some(Check::new("dns", State::Good, detail));
        }
        Ok(Err(error)) => error.to_string(),
        Err(_) => format!("no answer within {} s", LIMIT.as_secs()),
    };
    let detail = format!("{authority} is not found: {failed}");
    Some(if super::proxies().is_empty() {
        Check::bad("dns", detail, RESOLVE)
    } else {
        Check::new("dns", State::Note, format!("{detail}; a proxy may find it"))
    })
}

const RESOLVE: &str = if cfg!(target_os = "linux") { "cat /etc/resolv.conf" } else { "nslookup sts.aliyuncs.com" };

/// One call with a key that no account has: that it is refused shows that name, connection and TLS are good.
async fn probe(host: &str) -> Vec<Check> {
    let source = Refresher::from(Credentials::new("alicred-doctor", "no-secret"));
    let client = OpenApiClient::builder(host, "2015-04-01", &source).attempts(1).timeout(LIMIT).build();
    let began = world::stopwatch();
    let result = client.call("GetCallerIdentity", []).await;
    let spent = world::elapsed(began).as_millis();
    match result {
        Err(error) if error.kind() != ErrorKind::Refused => vec![Check::of_error("sts", &error)],
        _ => {
            let clock = clock(source.signing_time(), world::wall_clock());
            let encrypted = if host.starts_with("https://") { "over TLS" } else { "without TLS" };
            vec![Check::new("sts", State::Good, format!("{host} answers {encrypted} ({spent} ms)")), clock]
        }
    }
}

fn clock(server: SystemTime, here: SystemTime) -> Check {
    let (apart, direction) = match server.duration_since(here) {
        Ok(ahead) => (ahead, "behind"),
        Err(behind) => (behind.duration(), "ahead of"),
    };
    if apart < EQUAL_CLOCKS {
        return Check::new("clock", State::Good, "agrees with the server's");
    }
    let detail = format!("{} s {direction} the server's", apart.as_secs_f64().round());
    Check::bad("clock", detail, SET_CLOCK)
}

const SET_CLOCK: &str = if cfg!(windows) {
    "w32tm /resync"
} else if cfg!(target_os = "macos") {
    "sudo sntp -sS time.apple.com"
} else {
    "sudo timedatectl set-ntp true"
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_that_is_off_is_a_fault_with_a_direction() {
        let here = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000);
        assert_eq!(clock(here + Duration::from_secs(3), here).state, State::Good);
        assert_eq!(clock(here + Duration::from_secs(60), here).detail, "60 s behind the server's");
        assert_eq!(clock(here - Duration::from_secs(60), here).detail, "60 s ahead of the server's");
    }

    #[tokio::test]
    async fn a_name_is_looked_up_and_an_address_is_not() {
        assert_eq!(name("http://127.0.0.1:80").await, None);
        assert_eq!(name("[::1]").await, None);
        let found = name("http://localhost:80").await.unwrap();
        assert!(found.state == State::Good && found.detail.starts_with("localhost:80 is "), "{found:?}");
        // No resolver is asked for a label of more than 63 characters.
        let missing = name(&format!("https://{}.example", "x".repeat(64))).await.unwrap();
        assert!(missing.state != State::Good && missing.detail.contains(":443 is not found"), "{missing:?}");
    }
}
