//! What else is worth knowing in an explanation: values that do nothing, names that look like typing errors, a next step.

use crate::context::Context;
use crate::credentials::Credentials;
use crate::error::Error;
use crate::explain::{ProviderOutcome, ProviderReport};
use crate::identity::is_session_of;

/// Names that people write, and those that are read.
const NEAR_MISSES: [(&str, &str); 11] = [
    ("ALIBABA_CLOUD_ACCESS_KEY", "ALIBABA_CLOUD_ACCESS_KEY_ID"),
    ("ALIBABA_CLOUD_ACCESSKEY_ID", "ALIBABA_CLOUD_ACCESS_KEY_ID"),
    ("ALIBABA_CLOUD_ACCESS_KEY_Id", "ALIBABA_CLOUD_ACCESS_KEY_ID"),
    ("ALIBABACLOUD_ACCESS_KEY_ID", "ALIBABA_CLOUD_ACCESS_KEY_ID"),
    ("ALICLOUD_ACCESS_KEY", "ALIBABA_CLOUD_ACCESS_KEY_ID"),
    ("ALICLOUD_ACCESS_KEY_ID", "ALIBABA_CLOUD_ACCESS_KEY_ID"),
    ("ALIBABA_CLOUD_SECRET_KEY", "ALIBABA_CLOUD_ACCESS_KEY_SECRET"),
    ("ALIBABA_CLOUD_SECRET_ACCESS_KEY", "ALIBABA_CLOUD_ACCESS_KEY_SECRET"),
    ("ALIBABA_CLOUD_SESSION_TOKEN", "ALIBABA_CLOUD_SECURITY_TOKEN"),
    ("ALIBABACLOUD_PROFILE", "ALIBABA_CLOUD_PROFILE"),
    ("ALIBABA_CLOUD_IMDSV1_DISABLE", "ALIBABA_CLOUD_IMDSV1_DISABLED"),
];

const ROLE_ARN: &str = "ALIBABA_CLOUD_ROLE_ARN";

/// The notes for what a chain found, or did not. `role_in_code` says whether a role given in code is assumed behind it.
pub(crate) fn notes(
    context: &Context,
    result: &Result<Credentials, Error>,
    reports: &[ProviderReport],
    role_in_code: bool,
) -> Vec<String> {
    // A variable that is not UTF-8 is an error of the provider that reads it.
    let set = |name: &str| context.env(name).ok().flatten().is_some();
    let mut notes = Vec::new();
    for (written, read) in NEAR_MISSES {
        if set(written) && !set(read) {
            notes.push(format!("{written} is set and nobody reads it: {read} is meant?"));
        }
    }
    let used = reports.iter().find(|report| report.outcome == ProviderOutcome::Used);
    let role = context.env(ROLE_ARN).ok().flatten();
    if let (Some(used), Some(role)) = (used, role)
        && does_nothing(&role, &used.provider, result.as_ref().ok(), role_in_code)
    {
        notes.push(format!(
            "{ROLE_ARN} does nothing here: it applies to an AccessKey pair without a token from the environment, to RRSA, \
             and to a role profile that names no role; {} gave the credential",
            used.provider
        ));
    }
    if used.is_some_and(|used| used.provider == "ecs_ram_role") && set("KUBERNETES_SERVICE_HOST") {
        let own = "with RRSA (an annotated service report) a pod has its own";
        notes.push(format!("this is the role of the Kubernetes node, which all of its pods share; {own}"));
    }
    if result.as_ref().is_ok_and(|found| found.security_token().is_none()) {
        let exchange = ".assume_role(…) or ALIBABA_CLOUD_ROLE_ARN exchanges it for sessions that expire";
        notes.push(format!("this is a long-lived key: {exchange}"));
    }
    notes
}

/// Whether the variable's `role` is none of those that were assumed on the way from `provider` to what was `found`. Where
/// that cannot be told, nothing is said.
fn does_nothing(role: &str, provider: &str, found: Option<&Credentials>, role_in_code: bool) -> bool {
    match provider {
        "oidc_role_arn" => return false,
        "env" | "cli_profile" | "profile" => {}
        _ => return true,
    }
    let Some(found) = found else { return false };
    let is_role = |name: &&str| matches!(*name, "ram_role_arn" | "oidc_role_arn");
    let assumed = found.provider_name().split('/').filter(is_role).count();
    match assumed.saturating_sub(usize::from(role_in_code)) {
        0 => true,
        // One role of a profile, the last one of all: its own, unless it is the variable's.
        1 if provider != "env" && !role_in_code => found.arn().is_some_and(|session| !is_session_of(session, role)),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_variables_role_does_nothing_where_only_others_were_assumed() {
        let role = "acs:ram::1:role/a";
        let (its, another) = (Some("acs:ram::1:assumed-role/a/s"), Some("acs:ram::1:role/b/s"));
        let said = |provider, path: &str, arn: Option<&str>, role_in_code| {
            let found = Credentials::new("STS.id", "s").with_security_token("t").with_provider_name(path);
            let found = arn.iter().fold(found, |found, arn| found.with_arn(arn));
            does_nothing(role, provider, Some(&found), role_in_code)
        };
        for (provider, path, arn, role_in_code, expected) in [
            ("env", "default/env", None, false, true),
            ("env", "default/ram_role_arn/env", its, false, false),
            ("env", "default/ram_role_arn/env", another, true, true),
            ("env", "default/ram_role_arn/ram_role_arn/env", another, true, false),
            ("oidc_role_arn", "default/oidc_role_arn", its, false, false),
            ("cli_profile", "default/cli_profile/static_ak", None, false, true),
            ("cli_profile", "default/cli_profile/ram_role_arn/static_ak", its, false, false),
            ("cli_profile", "default/cli_profile/ram_role_arn/static_ak", another, false, true),
            ("cli_profile", "default/cli_profile/ram_role_arn/static_ak", None, false, false),
            ("cli_profile", "default/cli_profile/ram_role_arn/ram_role_arn/static_ak", another, false, false),
            ("profile", "default/ram_role_arn/profile/static_ak", another, true, true),
            ("profile", "default/ram_role_arn/profile/oidc_role_arn", another, true, false),
            ("ecs_ram_role", "default/ecs_ram_role", None, false, true),
            ("ecs_ram_role", "default/ram_role_arn/ecs_ram_role", another, true, true),
        ] {
            assert_eq!(said(provider, path, arn, role_in_code), expected, "{path}, {arn:?}");
        }
        assert!(!does_nothing(role, "env", None, true), "a failure does not show what was assumed");
        assert!(does_nothing(role, "ecs_ram_role", None, true));
    }

    #[test]
    fn in_kubernetes_the_nodes_role_is_called_that() {
        let context = Context::builder().env([("KUBERNETES_SERVICE_HOST", "10.0.0.1")]).build();
        let found =
            Credentials::new("id", "secret").with_security_token("t").with_provider_name("default/ecs_ram_role");
        let used = [ProviderReport::used("ecs_ram_role", &found, std::time::Duration::ZERO)];
        assert!(notes(&context, &Ok(found), &used, false)[0].contains("role of the Kubernetes node"));
    }

    #[test]
    fn a_typing_error_is_pointed_out_and_a_value_that_does_nothing_is_said() {
        let context = |env: &[(&str, &str)]| Context::builder().env(env.iter().copied()).build();
        let failed = Err(Error::not_configured("nothing"));
        let typo = notes(&context(&[("ALIBABA_CLOUD_ACCESS_KEY", "x")]), &failed, &[], false);
        assert_eq!(
            typo,
            ["ALIBABA_CLOUD_ACCESS_KEY is set and nobody reads it: ALIBABA_CLOUD_ACCESS_KEY_ID is meant?"]
        );
        let found = Credentials::new("id", "secret").with_security_token("t").with_provider_name("default/env");
        let used = [ProviderReport::used("env", &found, std::time::Duration::ZERO)];
        let idle = notes(&context(&[("ALIBABA_CLOUD_ROLE_ARN", "acs:ram::1:role/a")]), &Ok(found), &used, false);
        assert!(idle[0].starts_with("ALIBABA_CLOUD_ROLE_ARN does nothing here"));
    }
}
