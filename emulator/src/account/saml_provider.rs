//! The account's SAML identity provider, what its assertions must say, and the account's key pair.

/// The ARN of the account's identity provider, for AssumeRoleWithSAML.
pub const SAML_PROVIDER_ARN: &str = "acs:ram::1234567890123456:saml-provider/emulator-idp";

/// The identity provider's entity ID, which an assertion's issuer must be.
pub const SAML_ISSUER: &str = "https://idp.emulator.example/metadata";

/// The audience that an assertion must have. Documented.
pub const SAML_AUDIENCE: &str = "urn:alibaba:cloudcomputing";

/// The recipient that an assertion must have. Documented.
pub const SAML_RECIPIENT: &str = "https://signin.aliyun.com/saml-role/sso";

/// The id of the public key of the account's RSA key pair, for GenerateSessionAccessKey.
pub const KEY_PAIR_ID: &str = "emulator-key-pair";
