//! `whoami`: whose credentials these are, asked of STS, and what is known of them on the way.

use std::time::{Duration, SystemTime};

use alibabacloud_credentials::{CallerIdentity, Credentials, DefaultCredentialChain};
use anstyle::{AnsiColor, Style};
use serde::Serialize;

use crate::failure::Failure;
use crate::global::Global;
use crate::{chain, output, time, world};

pub(crate) const EXAMPLES: &str = "\
Examples:
  alicred whoami                      of the credentials in use
  alicred whoami --profile prod --json | jq -r .account_id
  alicred whoami >/dev/null && deploy    the exit code is 0 only if STS accepts the credentials";

/// Below this, the library takes the clocks as equal.
const EQUAL_CLOCKS: u64 = 4;

/// The answer, in the order in which it is shown.
#[derive(Debug, Serialize)]
struct Report {
    arn: String,
    identity_type: String,
    account_id: String,
    provider_name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    source: Option<String>,
    access_key_id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    expiration: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    remaining_seconds: Option<u64>,
    sts_endpoint: String,
    /// Positive: this machine's clock is behind the server's.
    clock_error_seconds: i64,
    latency_ms: u64,
}

pub(crate) async fn whoami(global: &Global) -> Result<(), Failure> {
    let chain = chain::build(global);
    let credentials = chain.credentials().await?;
    let began = world::stopwatch();
    let identity = chain.caller_identity().await?;
    let report = report(&chain, &credentials, identity, world::elapsed(began)).await?;
    if global.json { output::print_json(&report) } else { output::print(&report.lines()) }
}

async fn report(
    chain: &DefaultCredentialChain,
    credentials: &Credentials,
    identity: CallerIdentity,
    latency: Duration,
) -> Result<Report, Failure> {
    let summary = chain.explain().await.credentials;
    // The server's clock, as far as it was measured, decides on the session's end.
    let server_time = chain.refresher().signing_time();
    let left = |end: SystemTime| end.duration_since(server_time).unwrap_or_default().as_secs();
    Ok(Report {
        arn: identity.arn,
        identity_type: identity.identity_type,
        account_id: identity.account_id,
        provider_name: credentials.provider_name().to_owned(),
        source: summary.as_ref().and_then(|summary| summary.source.clone()),
        access_key_id: summary.map(|summary| summary.access_key_id).unwrap_or_default(),
        expiration: credentials.expiration().map(time::rfc3339),
        remaining_seconds: credentials.expiration().map(left),
        sts_endpoint: chain.sts_endpoint()?,
        clock_error_seconds: signed_seconds(server_time, world::wall_clock()),
        latency_ms: u64::try_from(latency.as_millis()).unwrap_or(u64::MAX),
    })
}

/// `a - b`, rounded to seconds.
fn signed_seconds(a: SystemTime, b: SystemTime) -> i64 {
    let rounded = |d: Duration| i64::try_from((d + Duration::from_millis(500)).as_secs()).unwrap_or(i64::MAX);
    match a.duration_since(b) {
        Ok(ahead) => rounded(ahead),
        Err(behind) => -rounded(behind.duration()),
    }
}

impl Report {
    fn lines(&self) -> String {
        let mut lines = vec![
            ("identity", format!("{} ({})", self.arn, self.identity_type)),
            ("account", self.account_id.clone()),
            ("provider", self.provider_name.clone()),
        ];
        lines.extend(self.source.clone().map(|source| ("source", source)));
        lines.push(("key", self.access_key_id.clone()));
        lines.push(("ends", self.end()));
        lines.push(("sts", self.sts_endpoint.clone()));
        lines.push(("clock", self.clock()));
        lines.push(("latency", format!("{} ms", self.latency_ms)));
        let label = Style::new().dimmed();
        let value = |name: &str| match name {
            "identity" => AnsiColor::Green.on_default().bold(),
            "clock" if self.clock_error_seconds.unsigned_abs() >= EQUAL_CLOCKS => AnsiColor::Yellow.on_default(),
            _ => Style::new(),
        };
        let draw = |(name, text): (&str, String)| {
            let style = value(name);
            format!("{label}{name:<9}{label:#} {style}{text}{style:#}\n")
        };
        lines.into_iter().map(draw).collect()
    }

    fn end(&self) -> String {
        match (&self.expiration, self.remaining_seconds) {
            (Some(end), Some(left)) => format!("in {} ({end})", time::spoken(Duration::from_secs(left))),
            _ => "never: a long-lived key".to_owned(),
        }
    }

    fn clock(&self) -> String {
        let seconds = self.clock_error_seconds.unsigned_abs();
        match self.clock_error_seconds {
            _ if seconds < EQUAL_CLOCKS => format!("agrees with the server's within {EQUAL_CLOCKS} s"),
            0.. => format!("{seconds} s behind the server's; set it (NTP)"),
            _ => format!("{seconds} s ahead of the server's; set it (NTP)"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(clock_error_seconds: i64) -> Report {
        Report {
            arn: "acs:ram::1:user/me".to_owned(),
            identity_type: "RAMUser".to_owned(),
            account_id: "1".to_owned(),
            provider_name: "default/env".to_owned(),
            source: None,
            access_key_id: "LTAI…abcd".to_owned(),
            expiration: None,
            remaining_seconds: None,
            sts_endpoint: "https://sts.aliyuncs.com".to_owned(),
            clock_error_seconds,
            latency_ms: 12,
        }
    }

    #[test]
    fn a_clock_error_has_a_direction() {
        assert_eq!(report(3).clock(), "agrees with the server's within 4 s");
        assert_eq!(report(120).clock(), "120 s behind the server's; set it (NTP)");
        assert_eq!(report(-120).clock(), "120 s ahead of the server's; set it (NTP)");
    }

    #[test]
    fn a_key_without_end_is_called_that() {
        assert_eq!(report(0).end(), "never: a long-lived key");
    }
}
