//! What else is worth knowing in an explanation: values that do nothing, names that look like typing errors, a next step.

use crate::context::Context;
use crate::credentials::Credentials;
use crate::error::Error;
use crate::explain::{Account, Outcome};

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

/// The notes for what a chain found, or did not.
pub(crate) fn notes(context: &Context, result: &Result<Credentials, Error>, accounts: &[Account]) -> Vec<String> {
    // A variable that is not UTF-8 is an error of the provider that reads it.
    let set = |name: &str| context.env(name).ok().flatten().is_some();
    let mut notes = Vec::new();
    for (written, read) in NEAR_MISSES {
        if set(written) && !set(read) {
            notes.push(format!("{written} is set and nobody reads it: {read} is meant?"));
        }
    }
    let used = accounts.iter().find(|account| account.outcome == Outcome::Used);
    let path = result.as_ref().map_or("", Credentials::provider_name);
    if set("ALIBABA_CLOUD_ROLE_ARN") && !path.contains("ram_role_arn") && !path.contains("oidc_role_arn") {
        notes.extend(used.map(|used| {
            format!(
                "ALIBABA_CLOUD_ROLE_ARN does nothing here: it applies to an AccessKey pair without a token from the \
                 environment, to RRSA, and to a role profile that names no role; {} gave the credential",
                used.provider
            )
        }));
    }
    if used.is_some_and(|used| used.provider == "ecs_ram_role") && set("KUBERNETES_SERVICE_HOST") {
        let own = "with RRSA (an annotated service account) a pod has its own";
        notes.push(format!("this is the role of the Kubernetes node, which all of its pods share; {own}"));
    }
    if result.as_ref().is_ok_and(|found| found.security_token().is_none()) {
        let exchange = ".assume_role(…) or ALIBABA_CLOUD_ROLE_ARN exchanges it for sessions that expire";
        notes.push(format!("this is a long-lived key: {exchange}"));
    }
    notes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn in_kubernetes_the_nodes_role_is_called_that() {
        let context = Context::builder().env([("KUBERNETES_SERVICE_HOST", "10.0.0.1")]).build();
        let found =
            Credentials::new("id", "secret").with_security_token("t").with_provider_name("default/ecs_ram_role");
        let used = [Account::used("ecs_ram_role", &found, std::time::Duration::ZERO)];
        assert!(notes(&context, &Ok(found), &used)[0].contains("role of the Kubernetes node"));
    }

    #[test]
    fn a_typing_error_is_pointed_out_and_a_value_that_does_nothing_is_said() {
        let context = |env: &[(&str, &str)]| Context::builder().env(env.iter().copied()).build();
        let failed = Err(Error::not_configured("nothing"));
        let typo = notes(&context(&[("ALIBABA_CLOUD_ACCESS_KEY", "x")]), &failed, &[]);
        assert_eq!(
            typo,
            ["ALIBABA_CLOUD_ACCESS_KEY is set and nobody reads it: ALIBABA_CLOUD_ACCESS_KEY_ID is meant?"]
        );
        let found = Credentials::new("id", "secret").with_security_token("t").with_provider_name("default/env");
        let used = [Account::used("env", &found, std::time::Duration::ZERO)];
        let idle = notes(&context(&[("ALIBABA_CLOUD_ROLE_ARN", "acs:ram::1:role/a")]), &Ok(found), &used);
        assert!(idle[0].starts_with("ALIBABA_CLOUD_ROLE_ARN does nothing here"));
    }
}
