//! What a host of OSS says: which region it is in, and whether it stands for a bucket.

use std::net::IpAddr;

use crate::context::is_loopback;
use crate::endpoint::check_region;
use crate::error::Error;

/// A host below `aliyuncs.com`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct OssHost<'a> {
    pub(crate) bucket: Option<&'a str>,
    /// None for the hosts of transfer acceleration, which serve every region.
    region: Option<&'a str>,
}

impl<'a> OssHost<'a> {
    /// Reads `host[:port]` in lower case: `oss-cn-hangzhou[-internal].aliyuncs.com`, of the dual stack
    /// `cn-hangzhou.oss.aliyuncs.com`, of a VPC `vpc100-oss-cn-hangzhou.aliyuncs.com`, each behind a bucket's name or not.
    /// `None` for any other host.
    pub(crate) fn read(authority: &'a str) -> Option<Self> {
        let host = authority.split_once(':').map_or(authority, |(host, _)| host);
        let rest = host.strip_suffix(".aliyuncs.com")?;
        if let Some(rest) = rest.strip_suffix(".oss") {
            return Some(match rest.split_once('.') {
                Some((bucket, region)) => Self { bucket: Some(bucket), region: Some(region) },
                None => Self { bucket: None, region: Some(rest) },
            });
        }
        let (bucket, label) = rest.split_once('.').map_or((None, rest), |(bucket, label)| (Some(bucket), label));
        let region = match label.strip_prefix("vpc") {
            Some(numbered) => numbered.trim_start_matches(|c: char| c.is_ascii_digit()).strip_prefix("-oss-")?,
            None => label.strip_prefix("oss-")?,
        };
        let region = region.strip_suffix("-internal").unwrap_or(region);
        let region = (!region.starts_with("accelerate")).then_some(region);
        (!label.contains('.')).then_some(Self { bucket, region })
    }
}

/// Whether a host that is no host of OSS has the bucket in its path: an address, as of an emulator.
pub(crate) fn is_address(authority: &str) -> bool {
    let port = authority.rsplit_once(':').filter(|(_, port)| port.bytes().all(|byte| byte.is_ascii_digit()));
    let host = port.map_or(authority, |(host, _)| host);
    let bare = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(host);
    is_loopback(host) || bare.parse::<IpAddr>().is_ok()
}

/// Checks a region by which a request to `authority` is to be signed: OSS refuses all but its own spelling, and answers only
/// that the signature does not match. Returns what the host says, if it is one of OSS.
pub(crate) fn check_signing_region<'a>(region: &str, authority: &'a str) -> Result<Option<OssHost<'a>>, Error> {
    let invalid = |message: String| Err(Error::invalid_input(message).with_code("InvalidRegion"));
    check_region(region)?;
    if region.bytes().any(|byte| byte.is_ascii_uppercase()) {
        return invalid("a region is signed in lower case, as cn-hangzhou".to_owned());
    }
    let host = OssHost::read(authority);
    match host.and_then(|host| host.region) {
        Some(other) if other != region && !has_another_name(other) => {
            invalid(format!("{authority} is in {other}, and the region to sign with is {region}"))
        }
        _ => Ok(host),
    }
}

/// Whether a host names its region otherwise than the region is called: so do those of finance and government clouds.
fn has_another_name(region: &str) -> bool {
    ["finance", "gov", "hzjbp", "-pub"].iter().any(|part| region.contains(part))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_says_its_bucket_and_its_region() {
        for (host, bucket, region) in [
            ("media.oss-cn-hangzhou.aliyuncs.com", Some("media"), Some("cn-hangzhou")),
            ("media.oss-cn-hangzhou.aliyuncs.com:8443", Some("media"), Some("cn-hangzhou")),
            ("media.oss-cn-hangzhou-internal.aliyuncs.com", Some("media"), Some("cn-hangzhou")),
            ("media.vpc100-oss-cn-hangzhou.aliyuncs.com", Some("media"), Some("cn-hangzhou")),
            ("vpc100-oss-cn-hangzhou.aliyuncs.com", None, Some("cn-hangzhou")),
            ("media.cn-hangzhou.oss.aliyuncs.com", Some("media"), Some("cn-hangzhou")),
            ("cn-hangzhou.oss.aliyuncs.com:443", None, Some("cn-hangzhou")),
            ("oss-cn-hangzhou.aliyuncs.com", None, Some("cn-hangzhou")),
            ("media.oss-accelerate.aliyuncs.com", Some("media"), None),
            ("media.oss-accelerate-overseas.aliyuncs.com", Some("media"), None),
        ] {
            assert_eq!(OssHost::read(host), Some(OssHost { bucket, region }), "{host}");
        }
        for host in [
            "films.example.com",
            "127.0.0.1:1",
            "media.boss-x.aliyuncs.com",
            "a-oss-b.aliyuncs.com",
            "a.b.oss-c.aliyuncs.com",
        ] {
            assert_eq!(OssHost::read(host), None, "{host}");
        }
    }

    #[test]
    fn a_region_that_oss_would_refuse_is_refused_before() {
        let host = "media.oss-cn-hangzhou.aliyuncs.com";
        for (region, host, code) in [
            ("cn-hangzhou", host, None),
            ("cn-hangzhou", "films.example.com", None),
            ("cn-shanghai", "media.oss-accelerate.aliyuncs.com", None),
            ("cn-hangzhou-finance", "media.oss-cn-hzfinance.aliyuncs.com", None),
            ("cn-shanghai", host, Some("InvalidRegion")),
            ("CN-Hangzhou", host, Some("InvalidRegion")),
            ("oss-cn-hangzhou", "films.example.com", Some("InvalidRegion")),
            ("", host, Some("InvalidRegion")),
        ] {
            let error = check_signing_region(region, host).err();
            assert_eq!(error.as_ref().and_then(Error::code), code, "{region} {host}");
        }
    }

    #[test]
    fn an_address_is_told_from_a_name() {
        for (host, expected) in [
            ("127.0.0.1:3000", true),
            ("localhost", true),
            ("[::1]:3000", true),
            ("10.0.0.7", true),
            ("[2001:db8::1]", true),
            ("media.localhost:3000", false),
            ("films.example.com", false),
        ] {
            assert_eq!(is_address(host), expected, "{host}");
        }
    }
}
