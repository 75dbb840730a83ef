//! Further notes of an explanation: values that have no effect, names that look like typing errors, a next step.

use crate::context::Context;
use crate::credentials::Credentials;
use crate::error::Error;
use crate::explain::{ProviderOutcome, ProviderReport};
use crate::identity::is_of_role;
use crate::provenance::Provenance;

/// Names that people write, those that are read, and who reads the former.
const NEAR_MISSES: [(&str, &str, Reader); 19] = [
    ("ALIBABA_CLOUD_ACCESS_KEY", "ALIBABA_CLOUD_ACCESS_KEY_ID", Reader::Nobody),
    ("ALIBABA_CLOUD_ACCESSKEY_ID", "ALIBABA_CLOUD_ACCESS_KEY_ID", Reader::Nobody),
    ("ALIBABA_CLOUD_ACCESS_KEY_Id", "ALIBABA_CLOUD_ACCESS_KEY_ID", Reader::Nobody),
    ("ALIBABACLOUD_ACCESS_KEY_ID", "ALIBABA_CLOUD_ACCESS_KEY_ID", Reader::Legacy("the aliyun CLI")),
    ("ALICLOUD_ACCESS_KEY_ID", "ALIBABA_CLOUD_ACCESS_KEY_ID", Reader::Legacy("the aliyun CLI")),
    ("ALICLOUD_ACCESS_KEY", "ALIBABA_CLOUD_ACCESS_KEY_ID", Reader::Legacy("Terraform")),
    ("ALIBABA_CLOUD_SECRET_KEY", "ALIBABA_CLOUD_ACCESS_KEY_SECRET", Reader::Nobody),
    ("ALIBABA_CLOUD_SECRET_ACCESS_KEY", "ALIBABA_CLOUD_ACCESS_KEY_SECRET", Reader::Nobody),
    ("ALIBABA_CLOUD_ACCESSKEY_SECRET", "ALIBABA_CLOUD_ACCESS_KEY_SECRET", Reader::Nobody),
    ("ALIBABACLOUD_ACCESS_KEY_SECRET", "ALIBABA_CLOUD_ACCESS_KEY_SECRET", Reader::Legacy("the aliyun CLI")),
    ("ALICLOUD_ACCESS_KEY_SECRET", "ALIBABA_CLOUD_ACCESS_KEY_SECRET", Reader::Legacy("the aliyun CLI")),
    ("ALICLOUD_SECRET_KEY", "ALIBABA_CLOUD_ACCESS_KEY_SECRET", Reader::Legacy("Terraform")),
    ("ALIBABA_CLOUD_SESSION_TOKEN", "ALIBABA_CLOUD_SECURITY_TOKEN", Reader::Nobody),
    ("ALIBABACLOUD_PROFILE", "ALIBABA_CLOUD_PROFILE", Reader::Legacy("the aliyun CLI")),
    ("ALICLOUD_PROFILE", "ALIBABA_CLOUD_PROFILE", Reader::Legacy("the aliyun CLI")),
    ("ALIBABACLOUD_ROLE_ARN", "ALIBABA_CLOUD_ROLE_ARN", Reader::Only("the aliyun CLI")),
    ("ALIBABACLOUD_OIDC_PROVIDER_ARN", "ALIBABA_CLOUD_OIDC_PROVIDER_ARN", Reader::Only("the aliyun CLI")),
    ("ALIBABACLOUD_OIDC_TOKEN_FILE", "ALIBABA_CLOUD_OIDC_TOKEN_FILE", Reader::Only("the aliyun CLI")),
    ("ALIBABA_CLOUD_IMDSV1_DISABLE", "ALIBABA_CLOUD_IMDSV1_DISABLED", Reader::Nobody),
];

/// The program that reads a name which this crate does not read by itself.
#[derive(Clone, Copy)]
enum Reader {
    Nobody,
    /// Somebody, and this crate by `.legacy_variables(true)`.
    Legacy(&'static str),
    /// Somebody else.
    Only(&'static str),
}

const ROLE_ARN: &str = "ALIBABA_CLOUD_ROLE_ARN";
const STS_SCHEME: &str = "ALIBABA_CLOUD_STS_HTTP_SCHEME";

/// The settings of a chain that matter here.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct NoteSettings {
    pub(crate) legacy_variables: bool,
}

/// The notes for what a chain found, or did not.
pub(crate) fn notes(
    context: &Context,
    result: &Result<Credentials, Error>,
    reports: &[ProviderReport],
    settings: NoteSettings,
) -> Vec<String> {
    // A variable that is not UTF-8 is an error of the provider that reads it.
    let set = |name: &str| context.env(name).ok().flatten().is_some();
    let mut notes = Vec::new();
    for (written, read, reader) in NEAR_MISSES.into_iter().filter(|(written, read, _)| set(written) && !set(read)) {
        match reader {
            Reader::Nobody => notes.push(format!("{written} is set and nobody reads it: {read} is meant?")),
            Reader::Only(who) => notes.push(format!("{written} is set, and only {who} reads it: {read} is read here")),
            Reader::Legacy(_) if settings.legacy_variables => {}
            Reader::Legacy(who) => notes.push(format!(
                "{written} is set, and only {who} reads it: {read} is read here, or this one too by .legacy_variables(true)"
            )),
        }
    }
    if set(STS_SCHEME) {
        notes.push(format!(
            "{STS_SCHEME} is set, and only ack-ram-tool reads it: STS is called over HTTPS here, and over plain HTTP where code allows it"
        ));
    }
    let Ok(found) = result else { return notes };
    let known = Provenance::of(found);
    let used = reports.iter().find(|report| report.outcome == ProviderOutcome::Used);
    if let (Some(used), Some(role)) = (used, context.env(ROLE_ARN).ok().flatten())
        && !known.roles.iter().any(|assumed| is_of_role(&assumed.role_arn, &role))
    {
        notes.push(format!(
            "{ROLE_ARN} does nothing here: it applies to an AccessKey pair without a token from the environment, to RRSA, \
             and to a role profile that names no role; {} gave the credential",
            used.provider
        ));
    }
    if known.instance.is_some() && set("KUBERNETES_SERVICE_HOST") {
        let own = "with RRSA (an annotated service account) a pod has its own";
        notes.push(format!("this is the role of the Kubernetes node, which all of its pods share; {own}"));
    }
    if known.written_down.is_some() {
        let place = known.place.map(|place| format!(" ({place})")).unwrap_or_default();
        notes.push(format!(
            "the session at its source was written down{place} and cannot be renewed; a role over a long-lived key, RRSA and \
             instance metadata give sessions that are"
        ));
    }
    if found.security_token().is_none() {
        // The variable's role is assumed with the environment's own key alone.
        let other = if known.environment { ROLE_ARN } else { "a profile of mode RamRoleArn" };
        notes.push(format!(
            "this is a long-lived key: .assume_role(…) or {other} exchanges it for sessions that expire"
        ));
    }
    notes
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::provenance::{InstanceRole, RoleSession};

    fn found(edit: impl FnOnce(&mut Provenance)) -> Credentials {
        Provenance::edit(Credentials::new("STS.id", "s").with_security_token("t"), edit)
    }

    fn noted(env: &[(&str, &str)], found: Credentials) -> Vec<String> {
        let context = Context::builder().env(env.iter().copied()).build();
        let used = [ProviderReport::used("a-provider", &found, std::time::Duration::ZERO)];
        notes(&context, &Ok(found), &used, NoteSettings::default())
    }

    #[test]
    fn the_variables_role_does_nothing_where_only_others_were_assumed() {
        let (role, other) = ("acs:ram::1:role/a", "acs:ram::1:role/b");
        let after = |roles: &[&str]| {
            let roles =
                roles.iter().map(|arn| RoleSession { role_arn: (*arn).to_owned(), session_name: None }).collect();
            let notes = noted(&[(ROLE_ARN, role)], found(|known| known.roles = roles));
            notes.iter().any(|note| note.contains("does nothing here"))
        };
        assert!(after(&[]) && after(&[other]));
        assert!(!after(&[role]) && !after(&[role, other]) && !after(&["acs:ram::1:role/A"]));
    }

    #[test]
    fn a_session_that_nobody_renews_and_a_key_that_lasts_are_called_that() {
        let note = noted(
            &[],
            found(|known| (known.written_down, known.place) = (Some("A_TOKEN".to_owned()), Some("a file".to_owned()))),
        );
        assert!(note[0].contains("was written down (a file) and cannot be renewed"), "{note:?}");
        let key = |environment| Provenance::edit(Credentials::new("id", "s"), |known| known.environment = environment);
        assert!(noted(&[], key(true))[0].contains("or ALIBABA_CLOUD_ROLE_ARN exchanges"));
        assert!(noted(&[], key(false))[0].contains("or a profile of mode RamRoleArn exchanges"));
    }

    #[test]
    fn a_scheme_for_sts_is_said_to_do_nothing() {
        let note = noted(&[(STS_SCHEME, "http")], found(|_| {}));
        assert!(note[0].contains("only ack-ram-tool reads it: STS is called over HTTPS here"), "{note:?}");
        assert!(noted(&[(STS_SCHEME, " ")], found(|_| {})).is_empty());
    }

    #[test]
    fn in_kubernetes_the_nodes_role_is_called_that() {
        let of_node = found(|known| known.instance = Some(InstanceRole { v1_disabled: false }));
        assert!(noted(&[("KUBERNETES_SERVICE_HOST", "10.0.0.1")], of_node)[0].contains("role of the Kubernetes node"));
    }

    #[test]
    fn a_typing_error_is_pointed_out_and_a_name_that_others_read_is_said_to_be_theirs() {
        let failed = || Err(Error::not_configured("nothing"));
        let noted = |name: &str, legacy_variables| {
            let context = Context::builder().env([(name, "x")]).build();
            notes(&context, &failed(), &[], NoteSettings { legacy_variables }).join("\n")
        };
        assert_eq!(
            noted("ALIBABA_CLOUD_ACCESS_KEY", false),
            "ALIBABA_CLOUD_ACCESS_KEY is set and nobody reads it: ALIBABA_CLOUD_ACCESS_KEY_ID is meant?"
        );
        for (name, who) in [
            ("ALIBABACLOUD_PROFILE", "the aliyun CLI"),
            ("ALICLOUD_PROFILE", "the aliyun CLI"),
            ("ALICLOUD_ACCESS_KEY", "Terraform"),
            ("ALICLOUD_SECRET_KEY", "Terraform"),
            ("ALIBABACLOUD_ACCESS_KEY_ID", "the aliyun CLI"),
        ] {
            let note = noted(name, false);
            assert!(note.contains(&format!("{name} is set, and only {who} reads it")), "{note}");
            assert!(note.contains(".legacy_variables(true)"), "{note}");
            assert_eq!(noted(name, true), "");
        }
        assert!(!noted("ALIBABACLOUD_OIDC_TOKEN_FILE", true).contains("legacy"));
    }
}
