//! The members of a profile, as far as they are known: which are numbers, and which hold no secret.

/// Members of a profile that are texts and no secrets: they are shown as they are.
pub(super) const PLAIN: [&str; 21] = [
    "cloud_sso_access_config",
    "cloud_sso_account_id",
    "cloud_sso_sign_in_url",
    "external_id",
    "key_pair_name",
    "language",
    "mode",
    "name",
    "oauth_site_type",
    "oidc_provider_arn",
    "oidc_token_file",
    "output_format",
    "policy",
    "ram_role_arn",
    "ram_role_name",
    "ram_session_name",
    "region_id",
    "site",
    "source_profile",
    "sts_endpoint",
    "sts_region",
];
/// Members that are texts and may hold a secret.
pub(super) const SECRET: [&str; 5] =
    ["access_key_id", "access_key_secret", "credentials_uri", "process_command", "sts_token"];
/// Members that nothing here sets: what logins leave, what the official SDKs read besides, and settings of the `aliyun` CLI.
const OTHERS: [&str; 18] = [
    "access_token",
    "auto_plugin_install",
    "auto_plugin_install_enable_pre",
    "bearer_token",
    "bearer_token_header_key",
    "duration_seconds",
    "enable_vpc",
    "endpoint",
    "endpoint_type",
    "external_account_type",
    "oauth_access_token",
    "oauth_refresh_token",
    "oauth_refresh_token_expire",
    "private_key",
    "private_key_file",
    "retry_timeout",
    "role_session_name",
    "verified",
];
/// Members that are numbers.
pub(super) const NUMBERS: [&str; 7] = [
    "cloud_sso_access_token_expire",
    "connect_timeout",
    "expired_seconds",
    "oauth_access_token_expire",
    "read_timeout",
    "retry_count",
    "sts_expiration",
];

/// Returns whether any tool reads a member of this name.
pub(super) fn is_known(name: &str) -> bool {
    [&PLAIN[..], &SECRET, &OTHERS, &NUMBERS].iter().any(|names| names.contains(&name))
}
