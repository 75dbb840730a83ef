//! STS 2015-04-01: AssumeRole and GetCallerIdentity.

use chrono::{DateTime, Duration, SubsecRound, Utc};
use serde::Serialize;

use crate::account::{ACCOUNT_ID, Role, Trust, find_role, parse_role_arn};
use crate::answer::{Outcome, Refusal, json};
use crate::authenticate::Caller;
use crate::call::Invocation;
use crate::clock::utc;
use crate::policy::Policy;
use crate::sessions::Session;

pub(crate) const VERSION: &str = "2015-04-01";
pub(crate) const ACTIONS: [&str; 2] = ["AssumeRole", "GetCallerIdentity"];

const MIN_SECONDS: u32 = 900;
const DEFAULT_SECONDS: u32 = 3_600;
const POLICY_CHARACTERS: usize = 2_048;

pub(crate) fn invoke(call: &Invocation<'_>, action: &str) -> Outcome<String> {
    match action {
        "AssumeRole" => assume_role(call),
        _ => Ok(get_caller_identity(call)),
    }
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct AssumeRoleAnswer<'a> {
    request_id: &'a str,
    assumed_role_user: AssumedRoleUser,
    credentials: CredentialsAnswer<'a>,
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
struct CredentialsAnswer<'a> {
    access_key_id: &'a str,
    access_key_secret: &'a str,
    security_token: &'a str,
    expiration: String,
}

fn assume_role(call: &Invocation<'_>) -> Outcome<String> {
    let arn = call.parameters.get("RoleArn");
    authorise(call, arn.unwrap_or_default())?;
    let role = arn.and_then(parse_role_arn).filter(|(account, _)| *account == ACCOUNT_ID);
    let role = role.and_then(|(_, name)| find_role(name));
    if role.as_ref().is_some_and(|role| !trusts(role, call)) {
        return Err(Refusal::new(
            403,
            "NoPermission",
            "No permission perform sts:AssumeRole on this Role. Maybe you are not authorized to perform sts:AssumeRole \
             or the specified role does not trust you",
        ));
    }
    let session = read_parameters(call, arn, role)?;
    let answer = json(&AssumeRoleAnswer {
        request_id: call.request_id,
        assumed_role_user: AssumedRoleUser {
            assumed_role_id: format!("{}:{}", session.role.id(), session.name),
            // The reference page's spelling; GetCallerIdentity says `assumed-role/`.
            arn: format!("{}/{}", session.role.arn(), session.name),
        },
        credentials: CredentialsAnswer {
            access_key_id: &session.access_key_id,
            access_key_secret: &session.secret,
            security_token: &session.token,
            expiration: utc(session.expires),
        },
        source_identity: session.source_identity.as_deref(),
    });
    call.state.sessions.add(session, call.now);
    Ok(answer)
}

/// The caller's side of the permission.
fn authorise(call: &Invocation<'_>, arn: &str) -> Outcome<()> {
    if call.caller.is_root() {
        return Err(Refusal::new(403, "NoPermission", "Roles may not be assumed by root accounts."));
    }
    let refusal =
        Refusal::new(403, "NoPermission", "You are not authorized to do this action. You should be authorized by RAM.");
    call.authorise("sts:AssumeRole".to_owned(), arn, refusal)
}

/// The role's side of the permission: its trust policy.
fn trusts(role: &Role, call: &Invocation<'_>) -> bool {
    match role.trust {
        Trust::Account => true,
        Trust::OnlyRole(name) => call.caller.session().is_some_and(|session| session.role.name == name),
        Trust::WithExternalId(id) => call.parameters.get("ExternalId") == Some(id),
        Trust::Nobody => false,
    }
}

fn read_parameters(call: &Invocation<'_>, arn: Option<&str>, role: Option<Role>) -> Outcome<Session> {
    let parameters = call.parameters;
    let wrong = |name: &str| {
        Refusal::new(400, format!("InvalidParameter.{name}"), format!("The parameter {name} is wrongly formed."))
    };
    let arn = arn.ok_or_else(|| Refusal::missing("RoleArn"))?;
    parse_role_arn(arn).ok_or_else(|| wrong("RoleArn"))?;
    // The space before the full stop is the cloud's.
    let role = role.ok_or_else(|| Refusal::new(404, "EntityNotExist.Role", "The specified Role not exists ."))?;
    let name = parameters.get("RoleSessionName").ok_or_else(|| Refusal::missing("RoleSessionName"))?;
    if !fits(name, 2..=64, ".@_-") {
        return Err(wrong("RoleSessionName"));
    }
    let seconds = duration(parameters.get("DurationSeconds"), role.max_seconds)?;
    let policy = parameters.get("Policy").map(policy).transpose()?;
    if parameters.get("ExternalId").is_some_and(|id| !fits(id, 2..=1224, "_+=,.@:/-")) {
        return Err(wrong("ExternalId"));
    }
    let source_identity = source_identity(call).ok_or_else(|| wrong("SourceIdentity"))?;
    let granted = call.state.session_seconds.map_or(seconds, |cap| cap.min(seconds));
    let random = &call.state.random;
    Ok(Session {
        access_key_id: format!("STS.{}", random.alphanumeric(24)),
        secret: random.alphanumeric(44),
        token: format!("CAIS{}", random.base64(400)),
        name: name.to_owned(),
        expires: round_up(call.now) + Duration::seconds(i64::from(granted)),
        policy,
        source_identity,
        role,
    })
}

fn duration(text: Option<&str>, max: u32) -> Outcome<u32> {
    let seconds = text.map_or(Ok(DEFAULT_SECONDS), str::parse);
    seconds.ok().filter(|seconds| (MIN_SECONDS..=max).contains(seconds)).ok_or_else(|| {
        Refusal::new(
            400,
            "InvalidParameter.DurationSeconds",
            format!("The Min/Max value of DurationSeconds is 15min/{}hr.", max / 3_600),
        )
    })
}

fn policy(text: &str) -> Outcome<Policy> {
    if text.chars().count() > POLICY_CHARACTERS {
        return Err(Refusal::new(
            400,
            "InvalidParameter.PolicySize",
            "The size of Policy must be smaller than 2048 bytes.",
        ));
    }
    Policy::parse(text).ok_or_else(|| {
        Refusal::new(400, "InvalidParameter.PolicyGrammar", "The parameter Policy has not passed grammar check.")
    })
}

/// A session keeps its source identity when it assumes another role, and cannot take a different one.
/// `None` when what was asked for is not allowed.
fn source_identity(call: &Invocation<'_>) -> Option<Option<String>> {
    let kept = call.caller.session().and_then(|session| session.source_identity.clone());
    let Some(asked) = call.parameters.get("SourceIdentity") else { return Some(kept) };
    let reserved = ["acs:", "aliyun:", "alibabacloud:"].iter().any(|prefix| asked.starts_with(prefix));
    if reserved || !fits(asked, 2..=64, "_+=,.@-") || kept.as_deref().is_some_and(|kept| kept != asked) {
        return None;
    }
    Some(Some(asked.to_owned()))
}

/// Letters, digits and the given marks, within a length.
fn fits(text: &str, length: std::ops::RangeInclusive<usize>, marks: &str) -> bool {
    length.contains(&text.len()) && text.chars().all(|each| each.is_ascii_alphanumeric() || marks.contains(each))
}

/// `Expiration` has whole seconds. Rounding up keeps it from ending a session before what was granted.
fn round_up(instant: DateTime<Utc>) -> DateTime<Utc> {
    let whole = instant.trunc_subsecs(0);
    if whole < instant { whole + Duration::seconds(1) } else { whole }
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct CallerIdentityAnswer<'a> {
    account_id: &'a str,
    arn: String,
    identity_type: &'a str,
    principal_id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    user_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    role_id: Option<String>,
    request_id: &'a str,
}

/// Needs no permission.
fn get_caller_identity(call: &Invocation<'_>) -> String {
    let (identity_type, path, principal_id, user_id, role_id) = match call.caller {
        Caller::Key(key) => match &key.user {
            Some(user) => ("RAMUser", format!("user/{}", user.name), user.id.to_owned(), Some(user.id), None),
            None => ("Account", "root".to_owned(), ACCOUNT_ID.to_owned(), Some(ACCOUNT_ID), None),
        },
        Caller::Session(session) => {
            let id = session.role.id();
            let path = format!("assumed-role/{}/{}", session.role.name, session.name);
            ("AssumedRoleUser", path, format!("{id}:{}", session.name), None, Some(id))
        }
    };
    json(&CallerIdentityAnswer {
        account_id: ACCOUNT_ID,
        arn: format!("acs:ram::{ACCOUNT_ID}:{path}"),
        identity_type,
        principal_id,
        user_id,
        role_id,
        request_id: call.request_id,
    })
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
        assert!(matches!(duration(None, 3_600), Ok(3_600)));
        assert!(matches!(duration(Some("900"), 3_600), Ok(900)));
        for text in ["899", "3601", "-1", "x", "1e3", "99999999999999999999"] {
            let refusal = duration(Some(text), 3_600).err().unwrap();
            assert_eq!(refusal.code, "InvalidParameter.DurationSeconds");
            assert_eq!(refusal.message, "The Min/Max value of DurationSeconds is 15min/1hr.");
        }
        assert_eq!(duration(Some("43201"), 43_200).err().unwrap().message.split('/').next_back(), Some("12hr."));
    }
}
