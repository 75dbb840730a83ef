//! Session policies: a file, or a preset for what sessions are most often limited to.

use std::path::PathBuf;

use serde_json::json;

use crate::failure::Failure;

const IMM_PROJECT: &str = "imm-project";
const OSS_READ: &str = "oss-read";
/// OSS's limit of an object's name, in bytes.
const LONGEST_KEY: usize = 1_023;

/// The value of `--policy`.
#[derive(Clone, Debug)]
pub(crate) enum Policy {
    Preset(String),
    File(PathBuf),
}

impl Policy {
    /// Reads `PRESET:VALUE`; anything else names a file.
    pub(crate) fn parse(argument: &str) -> Result<Self, String> {
        match argument.split_once(':') {
            Some((IMM_PROJECT, project)) => imm_project(project).map(Self::Preset),
            Some((OSS_READ, place)) => oss_read(place).map(Self::Preset),
            _ if [IMM_PROJECT, OSS_READ].contains(&argument) => {
                Err(format!("a preset needs a name, as {argument}:NAME; a file of that name is ./{argument}"))
            }
            _ => Ok(Self::File(argument.into())),
        }
    }

    /// The policy in JSON.
    pub(crate) fn json(&self) -> Result<String, Failure> {
        match self {
            Self::Preset(json) => Ok(json.clone()),
            Self::File(file) => std::fs::read_to_string(file).map_err(|error| Failure::unreadable(file, &error)),
        }
    }
}

/// <https://www.alibabacloud.com/help/en/imm/developer-reference/api-imm-2020-09-30-ram> has the resources.
fn imm_project(project: &str) -> Result<String, String> {
    let fits = !project.is_empty() && project.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte));
    if !fits {
        return Err("a project's name has letters, digits, - and _".to_owned());
    }
    let resource = format!("acs:imm:*:*:project/{project}");
    Ok(allow(&[json!({
        "Effect": "Allow",
        "Action": "imm:*",
        "Resource": [resource, format!("{resource}/*")],
    })]))
}

/// Listing is a permission on the bucket, with the prefix as a condition; reading is one on the objects.
fn oss_read(place: &str) -> Result<String, String> {
    let (bucket, prefix) = place.split_once('/').unwrap_or((place, ""));
    let of_bucket = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    if !(3..=63).contains(&bucket.len()) || !bucket.bytes().all(of_bucket) {
        return Err("a bucket's name has 3 to 63 lowercase letters, digits and -".to_owned());
    }
    // In a policy these stand for other characters, and `${` starts a variable.
    if prefix.contains(['*', '?', '$']) || prefix.chars().any(char::is_control) || prefix.len() > LONGEST_KEY {
        return Err("a prefix has at most 1,023 bytes and none of *, ?, $ and control characters".to_owned());
    }
    let mut list = json!({
        "Effect": "Allow",
        "Action": "oss:ListObjects",
        "Resource": format!("acs:oss:*:*:{bucket}"),
    });
    if !prefix.is_empty() {
        list["Condition"] = json!({ "StringLike": { "oss:Prefix": format!("{prefix}*") } });
    }
    let read = json!({
        "Effect": "Allow",
        "Action": "oss:GetObject",
        "Resource": format!("acs:oss:*:*:{bucket}/{prefix}*"),
    });
    Ok(allow(&[list, read]))
}

fn allow(statements: &[serde_json::Value]) -> String {
    json!({ "Version": "1", "Statement": statements }).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn json(argument: &str) -> Result<String, String> {
        Policy::parse(argument).map(|policy| policy.json().unwrap())
    }

    #[test]
    fn a_preset_is_a_policy_on_one_thing() {
        let imm = r#"{"Statement":[{"Action":"imm:*","Effect":"Allow","Resource":["acs:imm:*:*:project/media","acs:imm:*:*:project/media/*"]}],"Version":"1"}"#;
        assert_eq!(json("imm-project:media").unwrap(), imm);
        let prefix = json("oss-read:my-bucket/in/2026/").unwrap();
        assert!(prefix.contains(r#""Resource":"acs:oss:*:*:my-bucket/in/2026/*""#), "{prefix}");
        assert!(prefix.contains(r#""Condition":{"StringLike":{"oss:Prefix":"in/2026/*"}}"#), "{prefix}");
        let bucket = json("oss-read:my-bucket").unwrap();
        assert!(bucket.contains(r#""Resource":"acs:oss:*:*:my-bucket/*""#) && !bucket.contains("Condition"));
        let longest = json(&format!("oss-read:my-bucket/{}", "x".repeat(800))).unwrap();
        assert!(longest.len() <= 2_048);
    }

    #[test]
    fn a_value_that_would_mean_more_than_it_says_is_refused() {
        for argument in [
            "imm-project",
            "imm-project:",
            "imm-project:*",
            "imm-project:a/b",
            "oss-read:",
            "oss-read:*",
            "oss-read:Bucket",
            "oss-read:bucket/a*",
            "oss-read:bucket/a?",
            "oss-read:bucket/${acs:name}",
            "oss-read:bucket/\u{7}",
        ] {
            assert!(Policy::parse(argument).is_err(), "{argument}");
        }
        assert!(matches!(Policy::parse("./imm-project"), Ok(Policy::File(_))));
        assert!(matches!(Policy::parse("C:\\policy.json"), Ok(Policy::File(_))));
    }
}
