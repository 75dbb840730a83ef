//! STS AssumeRoleWithSAML: authenticated by an assertion of the account's identity provider instead of a signature.

use chrono::{DateTime, Utc};
use serde::Serialize;

use crate::account::saml_provider::{SAML_AUDIENCE, SAML_ISSUER, SAML_RECIPIENT};
use crate::account::{ACCOUNT_ID, find_role, parse_role_arn};
use crate::assertion::{Assertion, invalid};
use crate::grant::{AssumeRoleResponse, SessionOptions, grant, is_well_formed, malformed};
use crate::request::Parameters;
use crate::response::{ApiError, ApiResult, json};
use crate::state::State;

/// The identity provider that works, and one whose metadata cannot be read.
const PROVIDERS: [(&str, bool); 2] = [("emulator-idp", true), ("broken-metadata", false)];

pub(crate) fn assume_role(
    state: &State,
    parameters: &Parameters,
    now: DateTime<Utc>,
    request_id: &str,
) -> ApiResult<String> {
    let (assertion, provider) = verify_assertion(parameters, now)?;
    let arn = parameters.get("RoleArn").ok_or_else(|| missing("RoleArn"))?;
    let (account, name) = parse_role_arn(arn).ok_or_else(|| malformed("RoleArn"))?;
    // The cloud has this space before the full stop.
    let role = Some(name).filter(|_| account == ACCOUNT_ID).and_then(find_role);
    let role = role.ok_or_else(|| ApiError::new(404, "EntityNotExist.Role", "The specified Role not exists ."))?;
    // What the assertion allows, and the role's trust policy.
    let pairs = [format!("{arn},{provider}"), format!("{provider},{arn}")];
    if !role.trusts_saml || !assertion.roles.iter().any(|pair| pairs.contains(pair)) {
        return Err(ApiError::new(401, "AuthenticationFail.NoPermission", "There is no permission"));
    }
    // The documented form of the attribute, which differs from that of the parameter.
    if !is_well_formed(&assertion.session_name, 2..=32, "-_.@=,+") {
        return Err(invalid("The attribute RoleSessionName is wrongly formed."));
    }
    let options = SessionOptions::named(&assertion.session_name, parameters, &role)?;
    let session = grant(&state.random, state.settings.session_seconds, role, options, now);
    let body = json(&AssumeRoleWithSamlResponse {
        assume_role: AssumeRoleResponse::of(&session, request_id),
        saml_assertion_info: AssertionInfo {
            subject_type: &assertion.subject_type,
            subject: &assertion.subject,
            recipient: &assertion.recipient,
            issuer: &assertion.issuer,
        },
    });
    state.sessions.add(session, now);
    Ok(body)
}

/// Checks that the identity provider is registered, and verifies that the assertion is its own and for this cloud. Returns it
/// with the provider's ARN.
fn verify_assertion(parameters: &Parameters, now: DateTime<Utc>) -> ApiResult<(Assertion, &str)> {
    let arn = parameters.get("SAMLProviderArn").ok_or_else(|| missing("SAMLProviderArn"))?;
    let text = parameters.get("SAMLAssertion").ok_or_else(|| missing("SAMLAssertion"))?;
    let name = arn.strip_prefix(&format!("acs:ram::{ACCOUNT_ID}:saml-provider/"));
    let (_, is_readable) = PROVIDERS.into_iter().find(|(known, _)| Some(*known) == name).ok_or_else(|| {
        ApiError::new(404, "EntityNotExist.SAMLProvider", "The specified SAML provider does not exist.")
    })?;
    if !is_readable {
        let message = "The metadata of the identity provider is invalid.";
        return Err(ApiError::new(401, "AuthenticationFail.IDPMetadata.Invalid", message));
    }
    let assertion = Assertion::verify(text, now)?;
    for (is_right, what) in [
        (assertion.issuer == SAML_ISSUER, "The issuer of the SAML assertion is not the identity provider."),
        (assertion.recipient == SAML_RECIPIENT, "The recipient of the SAML assertion is invalid."),
        (assertion.audiences.iter().any(|one| one == SAML_AUDIENCE), "The audience of the SAML assertion is invalid."),
    ] {
        if !is_right {
            return Err(invalid(what));
        }
    }
    Ok((assertion, arn))
}

/// The operation's own code for a parameter that is not there.
fn missing(name: &str) -> ApiError {
    ApiError::new(400, format!("MissingParameter.{name}"), format!("The parameter {name} is mandatory."))
}

#[derive(Serialize)]
struct AssumeRoleWithSamlResponse<'a> {
    #[serde(flatten)]
    assume_role: AssumeRoleResponse<'a>,
    #[serde(rename = "SAMLAssertionInfo")]
    saml_assertion_info: AssertionInfo<'a>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct AssertionInfo<'a> {
    subject_type: &'a str,
    subject: &'a str,
    recipient: &'a str,
    issuer: &'a str,
}
