//! The emulator's account: its AccessKeys, its roles, and what each of them may do.
//!
//! It is fixed, so that scripts and tests can rely on it. Its secrets have a form that secret scanners do not report.
//!
//! | Identity | AccessKey id | Permissions |
//! |---|---|---|
//! | RAM user `imm-dev` | `emulator-ram-user` | IMM, OSS, SLS, AssumeRole |
//! | root | `emulator-root` | IMM, OSS, SLS; AssumeRole is rejected, as for any root |
//! | RAM user `imm-reader` | `emulator-reader` | read IMM, OSS and SLS |
//! | RAM user `imm-disabled` | `emulator-disabled` | none, its AccessKey is disabled |
//!
//! An AccessKey secret is the AccessKey id followed by `-secret`.
//!
//! | Role | Longest session | Trusts | Permissions |
//! |---|---|---|---|
//! | `imm-role` | 43,200 s | the account, ECS, the OIDC provider for [`OIDC_SUBJECT`], and the SAML identity provider | IMM, OSS, SLS, AssumeRole |
//! | `short-role` | 3,600 s | the account | IMM |
//! | `chained-role` | 43,200 s | only `imm-role` | IMM |
//! | `partner-role` | 43,200 s | the account, with ExternalId `partner-42` | IMM |
//! | `denied-role` | 43,200 s | nobody | IMM |
//! | `tenant-<n>`, for every number n | 43,200 s | the account | IMM |
//!
//! `imm-role` is also the role of the emulated ECS instance and of the credentials URI.
//!
//! OSS has the bucket [`BUCKET`] in region [`BUCKET_REGION`], which is empty at the start.
//!
//! The OIDC provider [`OIDC_PROVIDER_ARN`] accepts the tokens of [`oidc_token`]. Three more providers stand for issuers
//! with a fault. Their response to any well-formed token is an error `AuthenticationFail.OIDCToken.…`:
//! `broken-issuer` returns `IssuerConfigurationBroken`, `wrong-fingerprint` returns `PublicKeyFingerprintMismatch`, and
//! `plain-http-issuer` returns `HttpsUrlInvalid`.
//!
//! The SAML identity provider [`SAML_PROVIDER_ARN`] accepts the assertions of [`saml_assertion`], for `imm-role`; the provider
//! `broken-metadata` answers `AuthenticationFail.IDPMetadata.Invalid`.
//!
//! `imm-dev` has an RSA key pair, too, for GenerateSessionAccessKey: its id is [`KEY_PAIR_ID`], and [`key_pair_pem`] returns its
//! private key.

pub(crate) mod oidc_provider;
pub(crate) mod saml_provider;

use std::fmt;

use serde::Serialize;
use sha2::{Digest, Sha256};

pub use self::oidc_provider::{OIDC_AUDIENCE, OIDC_ISSUER, OIDC_PROVIDER_ARN, OIDC_SUBJECT};
pub use self::saml_provider::{KEY_PAIR_ID, SAML_AUDIENCE, SAML_ISSUER, SAML_PROVIDER_ARN, SAML_RECIPIENT};
pub use crate::assertion::{AssertionOptions, saml_assertion};
pub use crate::jwt::{TokenOptions, oidc_token};
use crate::key;
use crate::response::json;

/// The account ID.
pub const ACCOUNT_ID: &str = "1234567890123456";

/// The name of the OSS bucket.
pub const BUCKET: &str = "emulator-bucket";

/// The bucket's region, which signatures of version 4 must name.
pub const BUCKET_REGION: &str = "cn-hangzhou";

/// The RAM user `imm-dev`, who may use IMM, OSS, SLS and AssumeRole.
pub const RAM_USER: AccessKey = AccessKey {
    id: "emulator-ram-user",
    secret: "emulator-ram-user-secret",
    user: Some(User { name: "imm-dev", id: "201234567890123456" }),
    active: true,
    allows: &["imm:*", "oss:*", "log:*", "sts:AssumeRole"],
};

/// The account's root, which may use IMM, OSS and SLS. AssumeRole is rejected, as for any root.
pub const ROOT: AccessKey = AccessKey {
    id: "emulator-root",
    secret: "emulator-root-secret",
    user: None,
    active: true,
    allows: &["imm:*", "oss:*", "log:*"],
};

/// The RAM user `imm-reader`, who may read IMM, OSS and SLS.
pub const READER: AccessKey = AccessKey {
    id: "emulator-reader",
    secret: "emulator-reader-secret",
    user: Some(User { name: "imm-reader", id: "202345678901234567" }),
    active: true,
    allows: &["imm:Get*", "imm:List*", "oss:Get*", "oss:List*", "log:Get*", "log:List*"],
};

/// The RAM user `imm-disabled`, whose AccessKey is disabled.
pub const DISABLED: AccessKey = AccessKey {
    id: "emulator-disabled",
    secret: "emulator-disabled-secret",
    user: Some(User { name: "imm-disabled", id: "203456789012345678" }),
    active: false,
    allows: &[],
};

pub(crate) const KEYS: [&AccessKey; 4] = [&RAM_USER, &ROOT, &READER, &DISABLED];

/// A long-term AccessKey of the account. Its secret is published here and protects nothing.
#[derive(Clone, Copy)]
#[non_exhaustive]
pub struct AccessKey {
    /// The AccessKey id.
    pub id: &'static str,
    /// The AccessKey secret.
    pub secret: &'static str,
    pub(crate) user: Option<User>,
    pub(crate) active: bool,
    pub(crate) allows: &'static [&'static str],
}

impl fmt::Debug for AccessKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AccessKey").field("id", &self.id).finish_non_exhaustive()
    }
}

#[derive(Clone, Copy)]
pub(crate) struct User {
    pub(crate) name: &'static str,
    pub(crate) id: &'static str,
}

pub(crate) fn find_key(id: &str) -> Option<&'static AccessKey> {
    KEYS.into_iter().find(|key| key.id == id)
}

/// A role that can be assumed.
#[derive(Clone)]
pub(crate) struct Role {
    pub(crate) name: String,
    pub(crate) max_seconds: u32,
    pub(crate) trust: Trust,
    /// Whether it also trusts the OIDC provider.
    pub(crate) trusts_oidc: bool,
    /// Set if it also trusts the SAML identity provider.
    pub(crate) trusts_saml: bool,
    pub(crate) allows: &'static [&'static str],
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Trust {
    Account,
    OnlyRole(&'static str),
    WithExternalId(&'static str),
    Nobody,
}

impl Role {
    fn new(name: &str, trust: Trust) -> Self {
        Self {
            name: name.to_owned(),
            max_seconds: 43_200,
            trust,
            trusts_oidc: false,
            trusts_saml: false,
            allows: &["imm:*"],
        }
    }

    /// Returns eighteen digits that depend only on the name, so that they are the same in every run.
    pub(crate) fn id(&self) -> String {
        let digest = Sha256::digest(self.name.as_bytes());
        let number = digest.iter().take(8).fold(0_u64, |number, byte| number << 8 | u64::from(*byte));
        format!("3{:017}", number % 100_000_000_000_000_000)
    }

    pub(crate) fn arn(&self) -> String {
        format!("acs:ram::{ACCOUNT_ID}:role/{}", self.name)
    }
}

pub(crate) const IMM_ROLE: &str = "imm-role";

/// Returns the role that RAM users, the ECS instance and the pods can assume.
pub(crate) fn imm_role() -> Role {
    Role {
        allows: &["imm:*", "oss:*", "log:*", "sts:AssumeRole"],
        trusts_oidc: true,
        trusts_saml: true,
        ..Role::new(IMM_ROLE, Trust::Account)
    }
}

/// Returns the role with this name, if the account has one.
pub(crate) fn find_role(name: &str) -> Option<Role> {
    Some(match name {
        IMM_ROLE => imm_role(),
        "short-role" => Role { max_seconds: 3_600, ..Role::new(name, Trust::Account) },
        "chained-role" => Role::new(name, Trust::OnlyRole("imm-role")),
        "partner-role" => Role::new(name, Trust::WithExternalId("partner-42")),
        "denied-role" => Role::new(name, Trust::Nobody),
        _ => {
            let number = name.strip_prefix("tenant-")?;
            let digits = !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit());
            // RAM allows 64 characters in the name of a role.
            (digits && name.len() <= 64).then(|| Role::new(name, Trust::Account))?
        }
    })
}

/// Parses `acs:ram::<account id>:role/<role name>` into the account ID and the name. Returns `None` for any other form.
pub(crate) fn parse_role_arn(arn: &str) -> Option<(&str, &str)> {
    let (account, name) = arn.strip_prefix("acs:ram::")?.split_once(":role/")?;
    let account_ok = !account.is_empty() && account.bytes().all(|byte| byte.is_ascii_digit());
    let name_ok = (1..=64).contains(&name.len())
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_'));
    (account_ok && name_ok).then_some((account, name))
}

/// Returns the private key of the account's RSA key pair in PEM. It is published here and protects nothing.
pub fn key_pair_pem() -> String {
    key::pem()
}

/// Returns the account as a JSON object with its keys, roles, identity providers and bucket, as the command `account` prints
/// it.
pub fn to_json() -> String {
    #[derive(Serialize)]
    struct Account {
        account_id: &'static str,
        access_keys: Vec<KeyView>,
        roles: Vec<RoleView>,
        oidc_provider: ProviderView,
        saml_provider: SamlView,
        key_pair: KeyPairView,
        oss: OssView,
    }
    #[derive(Serialize)]
    struct KeyView {
        access_key_id: &'static str,
        access_key_secret: &'static str,
        identity: String,
        active: bool,
        allows: &'static [&'static str],
    }
    #[derive(Serialize)]
    struct RoleView {
        arn: String,
        max_session_seconds: u32,
        trusts: String,
        #[serde(skip_serializing_if = "Option::is_none")]
        external_id: Option<&'static str>,
        #[serde(skip_serializing_if = "Option::is_none")]
        trusts_oidc_subject: Option<&'static str>,
        #[serde(skip_serializing_if = "Option::is_none")]
        trusts_saml_provider: Option<&'static str>,
        allows: &'static [&'static str],
    }
    #[derive(Serialize)]
    struct ProviderView {
        arn: &'static str,
        issuer: &'static str,
        audience: &'static str,
    }
    #[derive(Serialize)]
    struct SamlView {
        arn: &'static str,
        issuer: &'static str,
    }
    #[derive(Serialize)]
    struct KeyPairView {
        id: &'static str,
        private_key: String,
    }
    #[derive(Serialize)]
    struct OssView {
        bucket: &'static str,
        region: &'static str,
    }
    let access_keys = KEYS.into_iter().map(|key| KeyView {
        access_key_id: key.id,
        access_key_secret: key.secret,
        identity: key.user.map_or_else(|| "root".to_owned(), |user| format!("user/{}", user.name)),
        active: key.active,
        allows: key.allows,
    });
    let roles = ["imm-role", "short-role", "chained-role", "partner-role", "denied-role", "tenant-1"];
    let roles = roles.into_iter().filter_map(find_role).map(|role| RoleView {
        arn: role.arn().replace("tenant-1", "tenant-<n>"),
        max_session_seconds: role.max_seconds,
        trusts: match role.trust {
            Trust::Account | Trust::WithExternalId(_) => "account".to_owned(),
            Trust::OnlyRole(name) => format!("role/{name}"),
            Trust::Nobody => "nobody".to_owned(),
        },
        external_id: match role.trust {
            Trust::WithExternalId(id) => Some(id),
            _ => None,
        },
        trusts_oidc_subject: role.trusts_oidc.then_some(OIDC_SUBJECT),
        trusts_saml_provider: role.trusts_saml.then_some(SAML_PROVIDER_ARN),
        allows: role.allows,
    });
    json(&Account {
        account_id: ACCOUNT_ID,
        access_keys: access_keys.collect(),
        roles: roles.collect(),
        oidc_provider: ProviderView { arn: OIDC_PROVIDER_ARN, issuer: OIDC_ISSUER, audience: OIDC_AUDIENCE },
        saml_provider: SamlView { arn: SAML_PROVIDER_ARN, issuer: SAML_ISSUER },
        key_pair: KeyPairView { id: KEY_PAIR_ID, private_key: key_pair_pem() },
        oss: OssView { bucket: BUCKET, region: BUCKET_REGION },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_is_a_tenant_role_for_every_number_and_for_nothing_else() {
        assert!(find_role("tenant-1").is_some());
        assert!(find_role("tenant-184467440737095516150").is_some());
        for name in ["tenant-", "tenant-x", "tenant--1", "tenant", "other", ""] {
            assert!(find_role(name).is_none(), "{name}");
        }
    }

    #[test]
    fn role_ids_are_eighteen_digits_and_differ() {
        let ids: Vec<_> = ["imm-role", "short-role", "tenant-1", "tenant-2"]
            .into_iter()
            .filter_map(find_role)
            .map(|role| role.id())
            .collect();
        assert!(ids.iter().all(|id| id.len() == 18 && id.bytes().all(|byte| byte.is_ascii_digit())), "{ids:?}");
        assert_eq!(ids.iter().collect::<std::collections::BTreeSet<_>>().len(), ids.len());
    }

    #[test]
    fn role_arns_have_one_form() {
        assert_eq!(parse_role_arn("acs:ram::1:role/a-b.c"), Some(("1", "a-b.c")));
        for arn in
            ["", "imm-role", "acs:ram::x:role/a", "acs:ram::1:role/", "acs:ram::1:user/a", "arn:aws:iam::1:role/a"]
        {
            assert!(parse_role_arn(arn).is_none(), "{arn}");
        }
    }
}
