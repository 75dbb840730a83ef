//! The variables that hold credentials or choose them.

/// The three that are set.
pub(crate) const ID: &str = "ALIBABA_CLOUD_ACCESS_KEY_ID";
pub(crate) const SECRET: &str = "ALIBABA_CLOUD_ACCESS_KEY_SECRET";
pub(crate) const TOKEN: &str = "ALIBABA_CLOUD_SECURITY_TOKEN";

pub(crate) const ROLE_ARN: &str = "ALIBABA_CLOUD_ROLE_ARN";
pub(crate) const CREDENTIALS_URI: &str = "ALIBABA_CLOUD_CREDENTIALS_URI";
pub(crate) const REGION: &str = "ALIBABA_CLOUD_REGION_ID";

/// Prefixes of the SDKs, the `aliyun` CLI and Terraform.
const PREFIXES: [&str; 3] = ["ALIBABA_CLOUD_", "ALIBABACLOUD_", "ALICLOUD_"];
const NAMES: [&str; 20] = [
    "ACCESS_KEY",
    "ACCESS_KEY_ID",
    "ACCESS_KEY_SECRET",
    "ASSUME_ROLE_ARN",
    "BEARER_TOKEN",
    "CONFIG_FILE",
    "CREDENTIALS_FILE",
    "CREDENTIALS_URI",
    "ECS_METADATA",
    "ECS_ROLE_NAME",
    "EXTERNAL_ID",
    "OIDC_PROVIDER_ARN",
    "OIDC_TOKEN_FILE",
    "PROFILE",
    "PROFILE_MODE",
    "ROLE_ARN",
    "ROLE_NAME",
    "ROLE_SESSION_NAME",
    "SECRET_KEY",
    "SECURITY_TOKEN",
];
/// The IMM guide's, and OSS's.
const OTHERS: [&str; 6] = [
    "IMM_ACCESS_KEY_ID",
    "IMM_ACCESS_KEY_SECRET",
    "IMM_SESSION_TOKEN",
    "OSS_ACCESS_KEY_ID",
    "OSS_ACCESS_KEY_SECRET",
    "OSS_SESSION_TOKEN",
];

/// Returns whether a variable holds credentials or chooses them, so that it must not reach a program that is given others.
pub(crate) fn is_about_credentials(name: &str) -> bool {
    // Windows knows no case here, and nobody means something else by another case.
    let name = name.to_ascii_uppercase();
    let rest = PREFIXES.iter().find_map(|prefix| name.strip_prefix(prefix));
    rest.is_some_and(|rest| NAMES.contains(&rest)) || OTHERS.contains(&name.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_holds_or_chooses_credentials_is_told_from_what_says_where_to_call() {
        for name in [ID, SECRET, TOKEN, ROLE_ARN, CREDENTIALS_URI, "alicloud_secret_key", "IMM_SESSION_TOKEN"] {
            assert!(is_about_credentials(name), "{name}");
        }
        for name in ["ALIBABA_CLOUD_STS_ENDPOINT", REGION, "HOME", "ACCESS_KEY_ID", "ALIBABA_CLOUD_ENDPOINT"] {
            assert!(!is_about_credentials(name), "{name}");
        }
    }
}
