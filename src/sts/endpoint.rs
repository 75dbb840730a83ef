//! Which STS host: explicit, then the environment, then the profile, then the region.

use crate::call_settings::CallSettings;
use crate::context::Context;
use crate::endpoint::{Endpoint, check_region};
use crate::error::Error;

/// The settings of the STS host, from code and from a profile.
#[derive(Clone, Debug, Default)]
pub(crate) struct StsEndpoint {
    pub(crate) endpoint: Option<String>,
    pub(crate) region: Option<String>,
    pub(crate) vpc: bool,
    pub(crate) allow_plain_http: bool,
    /// The settings of a profile of config.json, behind the environment.
    pub(crate) profile: Option<ProfileEndpoint>,
}

/// `sts_endpoint`, `sts_region` and `enable_vpc`, and the limits of calls.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct ProfileEndpoint {
    pub(crate) endpoint: Option<String>,
    pub(crate) region: Option<String>,
    pub(crate) vpc: bool,
    pub(crate) calls: CallSettings,
}

impl StsEndpoint {
    /// Checks what was given in code, whether STS will be called or not.
    pub(crate) fn check(&self) -> Result<(), Error> {
        if let Some(region) = &self.region {
            check_region(region).map_err(|error| error.of("the region given in code"))?;
        }
        if let Some(endpoint) = self.endpoint.as_ref().filter(|text| !text.trim().is_empty()) {
            Endpoint::parse(endpoint, self.allow_plain_http).map_err(|error| error.of("the endpoint given in code"))?;
        }
        Ok(())
    }

    /// The rules of the official SDKs (explicit endpoint; else `sts` or `sts-vpc` by region; else the global host, where
    /// the VPC switch means nothing), and the variable that ACK's webhook sets and they do not read.
    ///
    /// `inferred` is the region that an RRSA token's issuer or the instance names: it counts behind all that was said.
    pub(crate) fn resolve(&self, context: &Context, inferred: Option<&str>) -> Result<Hosts, Error> {
        let profile = self.profile.clone().unwrap_or_default();
        let named = [
            ("the endpoint given in code", self.endpoint.clone()),
            ("ALIBABA_CLOUD_STS_ENDPOINT", context.env("ALIBABA_CLOUD_STS_ENDPOINT")?),
            ("the profile's sts_endpoint", profile.endpoint),
        ];
        for (source, text) in named {
            if let Some(text) = text.filter(|text| !text.trim().is_empty()) {
                let parsed = Endpoint::parse(&text, self.allow_plain_http);
                let parsed = parsed.map_err(|error| error.of(source))?;
                return Ok(Hosts { first: parsed, then: None });
            }
        }
        let named = [
            ("the region given in code", self.region.clone()),
            ("ALIBABA_CLOUD_STS_REGION", context.env("ALIBABA_CLOUD_STS_REGION")?),
            ("the profile's sts_region", profile.region),
            ("the region that the key's source named", inferred.map(str::to_owned)),
        ];
        let region = named.into_iter().find_map(|(source, region)| Some((source, region?)));
        let global = || Endpoint::https(GLOBAL.to_owned());
        let Some((source, region)) = region else { return Ok(Hosts { first: global(), then: None }) };
        check_region(&region).map_err(|error| error.of(source))?;
        let vpc = self.vpc || profile.vpc || context.switch("ALIBABA_CLOUD_VPC_ENDPOINT_ENABLED")?;
        if !vpc && WITHOUT_STS.contains(&region.as_str()) {
            return Ok(Hosts { first: global(), then: None });
        }
        let prefix = if vpc { "sts-vpc" } else { "sts" };
        let first = Endpoint::https(format!("{prefix}.{region}.aliyuncs.com"));
        // Who asked for the VPC does not want to leave it.
        Ok(Hosts { first, then: (!vpc).then(global) })
    }
}

/// Hosted in China, and reachable from everywhere.
const GLOBAL: &str = "sts.aliyuncs.com";

/// Regions without an STS host: the official STS SDK's table of endpoints sends them to the global one. The regions of the
/// finance cloud (`cn-shanghai-finance-1` and the like) have hosts of the usual form, for the VPC too.
const WITHOUT_STS: [&str; 3] = ["ap-south-1", "ap-southeast-2", "cn-beijing-gov-1"];

pub(crate) fn is_global(endpoint: &Endpoint) -> bool {
    endpoint.authority() == GLOBAL
}

/// The host of choice, and the one to try when the first cannot be connected to.
#[derive(Debug)]
pub(crate) struct Hosts {
    pub(crate) first: Endpoint,
    pub(crate) then: Option<Endpoint>,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn host(code: StsEndpoint, env: &[(&str, &str)]) -> String {
        let context = Context::builder().env(env.iter().copied()).build();
        code.resolve(&context, None).map_or_else(|error| error.to_string(), |hosts| hosts.first.authority().to_owned())
    }

    fn profile(endpoint: Option<&str>, region: Option<&str>, vpc: bool) -> StsEndpoint {
        let (endpoint, region) = (endpoint.map(Into::into), region.map(Into::into));
        let profile = ProfileEndpoint { endpoint, region, vpc, calls: CallSettings::default() };
        StsEndpoint { profile: Some(profile), ..StsEndpoint::default() }
    }

    const REGION: (&str, &str) = ("ALIBABA_CLOUD_STS_REGION", "cn-beijing");
    const VPC: (&str, &str) = ("ALIBABA_CLOUD_VPC_ENDPOINT_ENABLED", "TRUE");
    const ENDPOINT: (&str, &str) = ("ALIBABA_CLOUD_STS_ENDPOINT", "sts-vpc.cn-hangzhou.aliyuncs.com");

    #[test]
    fn explicit_then_environment_then_profile_then_region() {
        let explicit = |endpoint: &str| StsEndpoint { endpoint: Some(endpoint.into()), ..StsEndpoint::default() };
        assert_eq!(host(explicit("sts.example.internal"), &[ENDPOINT, REGION]), "sts.example.internal");
        assert_eq!(host(profile(Some("p.example"), None, false), &[ENDPOINT]), "sts-vpc.cn-hangzhou.aliyuncs.com");
        assert_eq!(host(profile(Some("https://p.example/"), None, false), &[REGION]), "p.example");
        let region = StsEndpoint { region: Some("cn-shanghai".into()), ..StsEndpoint::default() };
        assert_eq!(host(region, &[REGION, VPC]), "sts-vpc.cn-shanghai.aliyuncs.com");
        assert_eq!(host(profile(None, Some("cn-qingdao"), true), &[]), "sts-vpc.cn-qingdao.aliyuncs.com");
        assert_eq!(host(profile(None, Some("cn-qingdao"), false), &[REGION]), "sts.cn-beijing.aliyuncs.com");
        assert_eq!(host(StsEndpoint::default(), &[VPC]), "sts.aliyuncs.com", "no region: the switch means nothing");
    }

    #[test]
    fn finance_regions_have_hosts_and_government_regions_the_global_one() {
        let of =
            |region: &str, vpc| host(StsEndpoint { region: Some(region.into()), vpc, ..StsEndpoint::default() }, &[]);
        for (region, public, vpc) in [
            ("cn-hangzhou", "sts.cn-hangzhou.aliyuncs.com", "sts-vpc.cn-hangzhou.aliyuncs.com"),
            (
                "cn-shenzhen-finance-1",
                "sts.cn-shenzhen-finance-1.aliyuncs.com",
                "sts-vpc.cn-shenzhen-finance-1.aliyuncs.com",
            ),
            // Who asked for the VPC does not leave it, and is told that there is no such host.
            ("cn-beijing-gov-1", "sts.aliyuncs.com", "sts-vpc.cn-beijing-gov-1.aliyuncs.com"),
            ("ap-south-1", "sts.aliyuncs.com", "sts-vpc.ap-south-1.aliyuncs.com"),
        ] {
            assert_eq!((of(region, false), of(region, true)), (public.to_owned(), vpc.to_owned()));
        }
    }

    #[test]
    fn a_region_that_is_no_label_and_an_endpoint_that_is_no_host_are_refused() {
        let region = StsEndpoint { region: Some("cn-x.evil.example/".into()), ..StsEndpoint::default() };
        assert!(host(region, &[]).starts_with("the region given in code: a region is"));
        let bad = profile(None, Some("cn x"), false);
        assert!(host(bad.clone(), &[]).starts_with("the profile's sts_region: a region is"));
        let variable = ("ALIBABA_CLOUD_STS_REGION", "cn y");
        assert!(host(bad, &[variable]).starts_with("ALIBABA_CLOUD_STS_REGION: a region is"));
        assert!(
            host(StsEndpoint::default(), &[("ALIBABA_CLOUD_STS_ENDPOINT", "http://sts.aliyuncs.com")])
                .contains("plain http")
        );
    }
}
