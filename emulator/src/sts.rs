//! STS 2015-04-01: the signed operations AssumeRole, GenerateSessionAccessKey and GetCallerIdentity.

use serde::Serialize;

use crate::account::{ACCOUNT_ID, Role, Trust, find_role, parse_role_arn};
use crate::authenticate::Caller;
use crate::grant::{AssumeRoleResponse, SessionOptions, grant, is_well_formed, malformed};
use crate::invocation::Invocation;
use crate::key_pair;
use crate::response::{ApiError, ApiResult, json};
use crate::sessions::Session;

pub(crate) const VERSION: &str = "2015-04-01";
/// The operations that are authenticated by a token and not signed. See [`crate::oidc`] and [`crate::saml`].
pub(crate) const WITH_OIDC: &str = "AssumeRoleWithOIDC";
pub(crate) const WITH_SAML: &str = "AssumeRoleWithSAML";
/// The operation that is signed with a key pair. See [`crate::key_pair`].
pub(crate) const BY_KEY_PAIR: &str = "GenerateSessionAccessKey";
pub(crate) const ACTIONS: [&str; 5] = ["AssumeRole", WITH_OIDC, WITH_SAML, BY_KEY_PAIR, "GetCallerIdentity"];

pub(crate) fn invoke(call: &Invocation<'_>, action: &str) -> ApiResult<String> {
    match action {
        "AssumeRole" => assume_role(call),
        BY_KEY_PAIR => key_pair::generate(call),
        _ => Ok(get_caller_identity(call)),
    }
}

fn assume_role(call: &Invocation<'_>) -> ApiResult<String> {
    let arn = call.parameters.get("RoleArn");
    authorize(call, arn.unwrap_or_default())?;
    let role = arn.and_then(parse_role_arn).filter(|(account, _)| *account == ACCOUNT_ID);
    let role = role.and_then(|(_, name)| find_role(name));
    if role.as_ref().is_some_and(|role| !trusts(role, call)) {
        return Err(ApiError::new(
            403,
            "NoPermission",
            "No permission perform sts:AssumeRole on this Role. Maybe you are not authorized to perform sts:AssumeRole \
             or the specified role does not trust you",
        ));
    }
    let session = read_parameters(call, arn, role)?;
    let body = json(&AssumeRoleResponse::of(&session, call.request_id));
    call.state.sessions.add(session, call.now);
    Ok(body)
}

/// Checks the caller's permission to assume the role.
fn authorize(call: &Invocation<'_>, arn: &str) -> ApiResult<()> {
    if call.caller.is_root() {
        return Err(ApiError::new(403, "NoPermission", "Roles may not be assumed by root accounts."));
    }
    let error = ApiError::new(
        403,
        "NoPermission",
        "You are not authorized to do this action. You should be authorized by RAM.",
    );
    call.authorize("sts:AssumeRole".to_owned(), arn, error)
}

/// Returns whether the role's trust policy allows the caller.
fn trusts(role: &Role, call: &Invocation<'_>) -> bool {
    match role.trust {
        Trust::Account => true,
        Trust::OnlyRole(name) => call.caller.session().is_some_and(|session| session.role.name == name),
        Trust::WithExternalId(id) => call.parameters.get("ExternalId") == Some(id),
        Trust::Nobody => false,
    }
}

fn read_parameters(call: &Invocation<'_>, arn: Option<&str>, role: Option<Role>) -> ApiResult<Session> {
    let arn = arn.ok_or_else(|| ApiError::missing("RoleArn"))?;
    parse_role_arn(arn).ok_or_else(|| malformed("RoleArn"))?;
    // The cloud has this space before the full stop.
    let role = role.ok_or_else(|| ApiError::new(404, "EntityNotExist.Role", "The specified Role not exists ."))?;
    let options = SessionOptions::read(call.parameters, &role)?;
    if call.parameters.get("ExternalId").is_some_and(|id| !is_well_formed(id, 2..=1224, "_+=,.@:/-")) {
        return Err(malformed("ExternalId"));
    }
    let source_identity = source_identity(call).ok_or_else(|| malformed("SourceIdentity"))?;
    let session = grant(&call.state.random, call.state.settings.session_seconds, role, options, call.now);
    Ok(Session { source_identity, ..session })
}

/// Returns the source identity of the new session, or `None` if the requested one is not allowed. A session keeps its
/// source identity when it assumes another role and cannot take a different one.
fn source_identity(call: &Invocation<'_>) -> Option<Option<String>> {
    let kept = call.caller.session().and_then(|session| session.source_identity.clone());
    let Some(requested) = call.parameters.get("SourceIdentity") else { return Some(kept) };
    let reserved = ["acs:", "aliyun:", "alibabacloud:"].iter().any(|prefix| requested.starts_with(prefix));
    if reserved
        || !is_well_formed(requested, 2..=64, "_+=,.@-")
        || kept.as_deref().is_some_and(|kept| kept != requested)
    {
        return None;
    }
    Some(Some(requested.to_owned()))
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct CallerIdentityResponse<'a> {
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

/// Returns the caller's identity. It needs no permission.
fn get_caller_identity(call: &Invocation<'_>) -> String {
    let (identity_type, path, principal_id, user_id, role_id) = match call.caller {
        Caller::Key(key) | Caller::SessionKey(_, key) => match &key.user {
            Some(user) => ("RAMUser", format!("user/{}", user.name), user.id.to_owned(), Some(user.id), None),
            None => ("Account", "root".to_owned(), ACCOUNT_ID.to_owned(), Some(ACCOUNT_ID), None),
        },
        Caller::Session(session) => {
            let id = session.role.id();
            let path = format!("assumed-role/{}/{}", session.role.name, session.name);
            ("AssumedRoleUser", path, format!("{id}:{}", session.name), None, Some(id))
        }
    };
    json(&CallerIdentityResponse {
        account_id: ACCOUNT_ID,
        arn: format!("acs:ram::{ACCOUNT_ID}:{path}"),
        identity_type,
        principal_id,
        user_id,
        role_id,
        request_id: call.request_id,
    })
}
