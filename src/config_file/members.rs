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
