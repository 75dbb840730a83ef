//! By which signature STS is called.

/// The signature of calls to STS.
///
/// ```
/// use alibabacloud_credentials::{AssumeRole, DefaultCredentialChain, StsSignature};
///
/// let chain = DefaultCredentialChain::builder()
///     .sts_endpoint("sts.cloud.example.internal")
///     .sts_signature(StsSignature::V1)
///     .assume_role(AssumeRole::new("acs:ram::1234567890123456:role/media"))
///     .build();
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum StsSignature {
    /// `ACS3-HMAC-SHA256`, what the public cloud and current private ones take: see [`sign::acs3`](crate::sign::acs3).
    #[default]
    V3,
    /// HMAC-SHA1 (`SignatureVersion=1.0`), for older gateways of private clouds: see
    /// [`sign::rpc_v1`](crate::sign::rpc_v1). The URL holds `Action`, `Version` and `Format`; everything else, token and
    /// signature included, is in the body.
    V1,
}
