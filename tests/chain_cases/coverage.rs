//! What the cases have to cover: every provider and mode in every outcome, every pair of
//! neighbours in the order, every switch and variable, and every fault of the official SDKs that a chain can have.

use std::collections::BTreeMap;
use std::fmt::Write;

use super::case::Case;
use super::run::{Verdict, run_read_only};

/// Every case of the column `good` of a profile is run on a disk that is read-only, too, and then counts for the column
/// `read_only`.
const GRID: [(&str, &[&str]); 33] = [
    ("env", &["good", "half_set", "malformed", "refused", "absent"]),
    ("env_role", &["good", "half_set", "malformed", "refused"]),
    ("assume_role", &["good", "malformed", "refused", "unreachable", "garbage"]),
    ("oidc_role_arn", &["good", "half_set", "malformed", "refused", "unreachable", "absent"]),
    ("cli_profile/AK", &["good", "half_set", "malformed", "refused", "absent", "read_only"]),
    ("cli_profile/StsToken", &["good", "half_set", "malformed", "refused", "expired", "read_only"]),
    ("cli_profile/RamRoleArn", &["good", "half_set", "malformed", "refused", "expired", "read_only"]),
    ("cli_profile/ChainableRamRoleArn", &["good", "half_set", "malformed", "refused", "expired", "read_only"]),
    ("cli_profile/RamRoleArnWithRoleName", &["good", "half_set", "malformed", "refused", "read_only"]),
    ("cli_profile/OIDC", &["good", "half_set", "malformed", "refused", "read_only"]),
    ("cli_profile/CredentialsURI", &["good", "half_set", "malformed", "refused", "read_only"]),
    ("cli_profile/EcsRamRole", &["good", "malformed", "refused", "disabled", "read_only"]),
    ("cli_profile/OAuth", &["good", "half_set", "malformed", "refused", "expired", "read_only"]),
    ("cli_profile/CloudSSO", &["good", "half_set", "malformed", "refused", "expired", "read_only"]),
    ("cli_profile/External", &["good", "half_set", "malformed", "refused", "disabled", "read_only"]),
    ("cli_profile/RsaKeyPair", &["good", "half_set", "malformed", "refused", "read_only"]),
    ("cli_profile/BearerToken", &["refused"]),
    ("cli_profile/Anonymous", &["refused"]),
    ("profile", &["absent", "disabled", "file/credentials", "file/credentials.ini"]),
    ("profile/access_key", &["good", "half_set", "malformed", "refused", "read_only"]),
    ("profile/sts", &["good", "half_set", "malformed", "refused", "read_only"]),
    ("profile/ram_role_arn", &["good", "half_set", "malformed", "refused", "read_only"]),
    ("profile/oidc_role_arn", &["good", "half_set", "malformed", "refused", "read_only"]),
    ("profile/ecs_ram_role", &["good", "malformed", "refused", "read_only"]),
    ("profile/rsa_key_pair", &["good", "half_set", "malformed", "refused", "read_only"]),
    (
        "ecs_ram_role",
        &[
            "good",
            "named",
            "asked_for",
            "not_asked_for",
            "disabled",
            "absent",
            "404",
            "v1",
            "hardened",
            "malformed",
            "refused",
            "unreachable",
        ],
    ),
    ("credentials_uri", &["good", "https", "plain_http", "malformed", "refused", "absent"]),
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
            "ALIBABA_CLOUD_ACCESS_KEY_ID",
            "ALIBABA_CLOUD_ACCESS_KEY_SECRET",
            "ALIBABA_CLOUD_SECURITY_TOKEN",
            "ALIBABA_CLOUD_ROLE_ARN",
            "ALIBABA_CLOUD_ROLE_SESSION_NAME",
            "ALIBABA_CLOUD_EXTERNAL_ID",
            "ALIBABA_CLOUD_OIDC_PROVIDER_ARN",
            "ALIBABA_CLOUD_OIDC_TOKEN_FILE",
            "ALIBABA_CLOUD_STS_REGION",
            "ALIBABA_CLOUD_STS_ENDPOINT",
            "ALIBABA_CLOUD_VPC_ENDPOINT_ENABLED",
            "ALIBABA_CLOUD_ECS_METADATA",
            "ALIBABA_CLOUD_ECS_METADATA_DISABLED",
            "ALIBABA_CLOUD_IMDSV1_DISABLED",
            "ALIBABA_CLOUD_CREDENTIALS_URI",
            "ALIBABA_CLOUD_PROFILE",
            "ALIBABA_CLOUD_CONFIG_FILE",
            "ALIBABA_CLOUD_CREDENTIALS_FILE",
            "ALIBABA_CLOUD_CLI_PROFILE_DISABLED",
            "ALIBABA_CLOUD_IGNORE_PROFILE",
            "ALIBABA_CLOUD_DISABLE_EXTERNAL_PROCESS",
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
            "rrsa_first",
            "pod_keeps_its_role",
            "sts_fallback",
        ],
    ),
    ("pin", &["account_good", "account_mismatch", "role_good", "role_mismatch", "unknown"]),
    ("note", &["near_miss", "role_arn_does_nothing", "long_lived_key", "nodes_role"]),
    // Numbers of the list of the official SDKs' faults that can show in a chain.
    (
        "bug",
        &[
            "1", "6", "8", "9", "10", "11", "12", "13", "14", "23", "25", "27", "31", "32", "33", "34", "35", "36",
            "39", "41", "46", "50a", "53", "54", "55", "56",
        ],
    ),
];

/// The modes that the CLI writes, and the columns that each of them has, unless there is a reason.
const MODES: [&str; 14] = [
    "AK",
    "StsToken",
    "RamRoleArn",
    "ChainableRamRoleArn",
    "EcsRamRole",
    "RamRoleArnWithRoleName",
    "OIDC",
    "CredentialsURI",
    "External",
    "CloudSSO",
    "OAuth",
    "RsaKeyPair",
    "BearerToken",
    "Anonymous",
];
const COLUMNS: [&str; 6] = ["good", "half_set", "malformed", "refused", "expired", "read_only"];

/// The reason why there can be no case of a mode in a column.
fn cannot_be(mode: &str, column: &str) -> Option<&'static str> {
    Some(match (mode, column) {
        (_, "refused") => return None,
        ("BearerToken" | "Anonymous", _) => "it is refused whatever else it holds, and nothing is written",
        ("EcsRamRole", "half_set") => "it needs no member",
        ("AK" | "RsaKeyPair", "expired") => "a key pair does not end",
        ("EcsRamRole" | "RamRoleArnWithRoleName" | "OIDC" | "CredentialsURI" | "External", "expired") => {
            "it holds neither a login nor a session, but the way to a new one"
        }
        _ => return None,
    })
}

/// Cells with how many cases they have. Ignored cases count for nothing.
fn counted() -> BTreeMap<String, usize> {
    let mut counts: BTreeMap<String, usize> = BTreeMap::new();
    for name in super::names("cases") {
        let case = super::read("cases", &name).case;
        assert!(!case.covers.is_empty(), "{name} covers nothing");
        let read_only = read_only_cells(&case);
        for cell in case.covers.into_iter().chain(read_only) {
            *counts.entry(cell).or_default() += usize::from(case.ignored.is_none());
        }
    }
    counts
}

/// The cells that a case fills when it is run on a disk that is read-only: those of a case that changes files are none.
fn read_only_cells(case: &Case) -> Vec<String> {
    if case.steps.iter().any(|step| !step.files.is_empty()) {
        return Vec::new();
    }
    let of_profile = case.covers.iter().filter(|cell| cell.starts_with("cli_profile/") || cell.starts_with("profile/"));
    of_profile.filter_map(|cell| Some(format!("{}/read_only", cell.strip_suffix("/good")?))).collect()
}

/// Nothing is written but the sessions of logins, and those are used where they cannot be.
#[test]
fn every_mode_gives_its_credentials_on_a_disk_that_is_read_only() {
    let mut problems = Vec::new();
    for name in super::names("cases") {
        let folder = super::read("cases", &name);
        if folder.case.ignored.is_some() || read_only_cells(&folder.case).is_empty() {
            continue;
        }
        if let Verdict::Fails(wrong) = run_read_only(&name, folder) {
            problems.extend(wrong.into_iter().map(|wrong| format!("{name}: {wrong}")));
        }
    }
    assert!(problems.is_empty(), "{}", problems.join("\n"));
}

#[test]
fn every_mode_has_each_outcome_or_a_reason_why_it_cannot() {
    let mut wrong = Vec::new();
    for mode in MODES {
        let row = format!("cli_profile/{mode}");
        let columns = GRID.iter().find(|(name, _)| *name == row).map_or(&[][..], |(_, columns)| columns);
        for column in COLUMNS {
            let reason = cannot_be(mode, column);
            println!("{row}/{column}: {}", reason.unwrap_or("has a case"));
            if columns.contains(&column) == reason.is_some() {
                wrong.push(format!("{row}/{column}"));
            }
        }
    }
    assert!(wrong.is_empty(), "neither a case nor a reason, or both: {wrong:?}");
}

#[test]
fn every_cell_has_a_case() {
    let mut counts = counted();
    let (mut table, mut empty) = (String::new(), Vec::new());
    for (row, columns) in GRID {
        write!(table, "\n{row}").expect("a string takes all");
        for column in columns {
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
