//! What the cases have to cover: every provider in every outcome, every pair of neighbours in the order, every variable.

use std::collections::BTreeMap;
use std::fmt::Write;

const GRID: &[(&str, &[&str])] = &[
    ("env", &["good", "half_set", "malformed", "refused", "absent"]),
    ("env_role", &["good", "half_set", "malformed", "refused"]),
    ("assume_role", &["good", "malformed", "refused", "unreachable", "garbage"]),
    ("oidc_role_arn", &["good", "half_set", "malformed", "refused", "configured", "absent"]),
    ("cli_profile/AK", &["good", "half_set", "malformed", "refused", "absent"]),
    ("cli_profile/StsToken", &["good", "half_set", "malformed", "refused"]),
    ("cli_profile/RamRoleArn", &["good", "half_set", "malformed", "refused"]),
    ("cli_profile/ChainableRamRoleArn", &["good", "half_set", "malformed", "refused"]),
    // A name is all that this mode has, and it may be left out.
    ("cli_profile/EcsRamRole", &["good", "malformed", "refused"]),
    ("cli_profile/RamRoleArnWithRoleName", &["good", "half_set", "malformed", "refused"]),
    ("cli_profile/OIDC", &["good", "half_set", "malformed", "refused"]),
    ("cli_profile/CredentialsURI", &["good", "half_set", "malformed", "refused"]),
    ("profile", &["good", "half_set", "malformed", "refused", "configured", "absent"]),
    ("ecs_ram_role", &["good", "malformed", "refused", "configured", "absent"]),
    ("credentials_uri", &["good", "malformed", "refused", "configured", "absent"]),
    // Bugs of the official SDKs, by their numbers in the audit that this project began with.
    (
        "bug",
        &["1", "6", "8", "21", "24", "27", "31", "32", "34", "35", "39", "41", "46", "50a", "53", "54", "55", "56"],
    ),
    (
        "order",
        &[
            "env-oidc_role_arn",
            "oidc_role_arn-cli_profile",
            "cli_profile-profile",
            "profile-ecs_ram_role",
            "ecs_ram_role-credentials_uri",
        ],
    ),
    (
        "variable",
        &[
            "ALIBABA_CLOUD_PROFILE",
            "ALIBABA_CLOUD_CONFIG_FILE",
            "ALIBABA_CLOUD_CLI_PROFILE_DISABLED",
            "ALIBABA_CLOUD_CREDENTIALS_FILE",
            "ALIBABA_CLOUD_ECS_METADATA",
            "ALIBABA_CLOUD_ECS_METADATA_DISABLED",
            "ALIBABA_CLOUD_IMDSV1_DISABLED",
            "ALIBABA_CLOUD_ROLE_ARN",
            "ALIBABA_CLOUD_ROLE_SESSION_NAME",
            "ALIBABA_CLOUD_EXTERNAL_ID",
            "ALIBABA_CLOUD_STS_ENDPOINT",
            "ALIBABA_CLOUD_STS_REGION",
            "ALIBABA_CLOUD_VPC_ENDPOINT_ENABLED",
            "HOME",
        ],
    ),
    (
        "rule",
        &[
            "families_never_mix",
            "blank_is_unset",
            "kept_winner",
            "nothing_kept",
            "try_next",
            "source_key_stays_in",
            "no_permission_advice",
            "bad_file",
            "bad_argument",
            "bad_answer",
            "clocks",
            "retried_once",
            "tamed",
        ],
    ),
];

/// Cells with how many cases they have. Ignored cases count for nothing.
fn counted() -> BTreeMap<String, usize> {
    let mut counts: BTreeMap<String, usize> = BTreeMap::new();
    for name in crate::names("cases") {
        let case = crate::read("cases", &name).case;
        assert!(!case.covers.is_empty(), "{name} covers nothing");
        for cell in case.covers {
            *counts.entry(cell).or_default() += usize::from(case.ignored.is_none());
        }
    }
    counts
}

#[test]
fn every_cell_has_a_case() {
    let mut counts = counted();
    let (mut table, mut empty) = (String::new(), Vec::new());
    for (row, columns) in GRID {
        write!(table, "\n{row}").expect("a string takes all");
        for column in *columns {
            let cell = format!("{row}/{column}");
            let count = counts.remove(&cell).unwrap_or_default();
            write!(table, "\n  {column:<40} {count}").expect("a string takes all");
            if count == 0 {
                empty.push(cell);
            }
        }
    }
    println!("{table}");
    assert!(empty.is_empty(), "cells without a case: {empty:?}{table}");
    assert!(counts.is_empty(), "cells that the list does not have: {:?}", counts.keys());
}
