//! The account's OIDC provider and the claims that its tokens must have.

/// The ARN of the account's OIDC provider, for AssumeRoleWithOIDC.
pub const OIDC_PROVIDER_ARN: &str = "acs:ram::1234567890123456:oidc-provider/ack-rrsa-test";

/// The provider's issuer, claim `iss`.
pub const OIDC_ISSUER: &str = "https://oidc-ack-cn-hangzhou.oss-cn-hangzhou.aliyuncs.com/emulator";

/// The provider's client, claim `aud`.
pub const OIDC_AUDIENCE: &str = "sts.aliyuncs.com";

/// The service account that `imm-role` trusts, claim `sub`.
pub const OIDC_SUBJECT: &str = "system:serviceaccount:default:app";
