//! New sessions: the parameters that the operations of AssumeRole share, and their response.

use std::ops::RangeInclusive;

use chrono::{DateTime, Duration, SubsecRound, Utc};
use serde::Serialize;

use crate::account::Role;
use crate::clock::utc;
use crate::policy::Policy;
use crate::random::Random;
use crate::request::Parameters;
use crate::response::{ApiError, ApiResult};
use crate::sessions::Session;

const MIN_SECONDS: u32 = 900;
const DEFAULT_SECONDS: u32 = 3_600;
const POLICY_CHARACTERS: usize = 2_048;

/// The validated parameters of a new session.
pub(crate) struct SessionOptions {
    pub(crate) name: String,
    pub(crate) seconds: u32,
    pub(crate) policy: Option<Policy>,
}

impl SessionOptions {
    pub(crate) fn read(parameters: &Parameters, role: &Role) -> ApiResult<Self> {
        let name = parameters.get("RoleSessionName").ok_or_else(|| ApiError::missing("RoleSessionName"))?;
        if !is_well_formed(name, 2..=64, ".@_-") {
            return Err(malformed("RoleSessionName"));
        }
        Self::named(name, parameters, role)
    }

    /// Reads the parameters of a session whose name is not one of them.
    pub(crate) fn named(name: &str, parameters: &Parameters, role: &Role) -> ApiResult<Self> {
        Ok(Self {
            name: name.to_owned(),
            seconds: duration(parameters, role.max_seconds)?,
            policy: parameters.get("Policy").map(policy).transpose()?,
        })
    }
}

/// Creates a session. It is not stored yet. `max_seconds` caps its lifetime.
pub(crate) fn grant(
    random: &Random,
    max_seconds: Option<u32>,
    role: Role,
    options: SessionOptions,
    now: DateTime<Utc>,
) -> Session {
    let seconds = max_seconds.map_or(options.seconds, |max| max.min(options.seconds));
    Session {
        access_key_id: format!("STS.{}", random.alphanumeric(24)),
        secret: random.alphanumeric(44),
        token: format!("CAIS{}", random.base64(400)),
        name: options.name,
        expires: round_up(now) + Duration::seconds(i64::from(seconds)),
        policy: options.policy,
        source_identity: None,
        role,
    }
}

/// The members that the responses of AssumeRole, AssumeRoleWithOIDC and AssumeRoleWithSAML share.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct AssumeRoleResponse<'a> {
    request_id: &'a str,
    assumed_role_user: AssumedRoleUser,
    credentials: SessionCredentials<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    source_identity: Option<&'a str>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct AssumedRoleUser {
    assumed_role_id: String,
    arn: String,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct SessionCredentials<'a> {
    access_key_id: &'a str,
    access_key_secret: &'a str,
    security_token: &'a str,
    expiration: String,
}

impl<'a> AssumeRoleResponse<'a> {
    pub(crate) fn of(session: &'a Session, request_id: &'a str) -> Self {
        Self {
            request_id,
            assumed_role_user: AssumedRoleUser {
                assumed_role_id: format!("{}:{}", session.role.id(), session.name),
                // The spelling of the reference page. GetCallerIdentity returns `assumed-role/`.
                arn: format!("{}/{}", session.role.arn(), session.name),
            },
            credentials: SessionCredentials {
                access_key_id: &session.access_key_id,
                access_key_secret: &session.secret,
                security_token: &session.token,
                expiration: utc(session.expires),
            },
            source_identity: session.source_identity.as_deref(),
        }
    }
}

pub(crate) fn malformed(name: &str) -> ApiError {
    ApiError::new(400, format!("InvalidParameter.{name}"), format!("The parameter {name} is wrongly formed."))
}

/// Reads the parameter `DurationSeconds`.
pub(crate) fn duration(parameters: &Parameters, max: u32) -> ApiResult<u32> {
    seconds(parameters.get("DurationSeconds"), max)
}

fn seconds(text: Option<&str>, max: u32) -> ApiResult<u32> {
    let seconds = text.map_or(Ok(DEFAULT_SECONDS), str::parse);
    seconds.ok().filter(|seconds| (MIN_SECONDS..=max).contains(seconds)).ok_or_else(|| {
        ApiError::new(
            400,
            "InvalidParameter.DurationSeconds",
            format!("The Min/Max value of DurationSeconds is 15min/{}hr.", max / 3_600),
        )
    })
}

fn policy(text: &str) -> ApiResult<Policy> {
    if text.chars().count() > POLICY_CHARACTERS {
        return Err(ApiError::new(
            400,
            "InvalidParameter.PolicySize",
            "The size of Policy must be smaller than 2048 bytes.",
        ));
    }
    Policy::parse(text).ok_or_else(|| {
        ApiError::new(400, "InvalidParameter.PolicyGrammar", "The parameter Policy has not passed grammar check.")
    })
}

/// Returns whether `text` has an allowed length and consists of letters, digits and `marks`.
pub(crate) fn is_well_formed(text: &str, length: RangeInclusive<usize>, marks: &str) -> bool {
    length.contains(&text.len()) && text.chars().all(|each| each.is_ascii_alphanumeric() || marks.contains(each))
}

/// Rounds up to a whole second, as `Expiration` has no fraction. Rounding down would end a session too early.
pub(crate) fn round_up(instant: DateTime<Utc>) -> DateTime<Utc> {
    let whole = instant.trunc_subsecs(0);
    if whole < instant { whole + Duration::seconds(1) } else { whole }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn expiration_rounds_up_to_a_whole_second() {
        let whole = DateTime::from_timestamp(1_000, 0).unwrap();
        assert_eq!(round_up(whole), whole);
        assert_eq!(round_up(whole + Duration::nanoseconds(1)), whole + Duration::seconds(1));
        assert_eq!(round_up(whole + Duration::milliseconds(999)), whole + Duration::seconds(1));
    }

    #[test]
    fn durations_lie_between_900_and_the_roles_maximum() {
        assert!(matches!(seconds(None, 3_600), Ok(3_600)));
        assert!(matches!(seconds(Some("900"), 3_600), Ok(900)));
        for text in ["899", "3601", "-1", "x", "1e3", "99999999999999999999"] {
            let error = seconds(Some(text), 3_600).err().unwrap();
            assert_eq!(error.code, "InvalidParameter.DurationSeconds");
            assert_eq!(error.message, "The Min/Max value of DurationSeconds is 15min/1hr.");
        }
        assert_eq!(seconds(Some("43201"), 43_200).err().unwrap().message.split('/').next_back(), Some("12hr."));
    }
}
