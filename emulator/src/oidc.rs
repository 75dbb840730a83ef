//! STS AssumeRoleWithOIDC: authenticated by a token of the account's OIDC provider instead of a signature.

use chrono::{DateTime, Utc};
use serde::Serialize;

use crate::account::{ACCOUNT_ID, OIDC_AUDIENCE, OIDC_ISSUER, OIDC_SUBJECT, find_role, parse_role_arn};
use crate::clock::utc;
use crate::grant::{AssumeRoleResponse, SessionOptions, grant, malformed};
use crate::jwt::{Claims, Token, invalid};
use crate::request::Parameters;
use crate::response::{ApiError, ApiResult, json};
use crate::state::State;

/// An OIDC provider registered in the account.
struct Provider {
    name: &'static str,
    /// The error code and message if the issuer's public keys cannot be loaded.
    issuer_error: Option<(&'static str, &'static str)>,
}

/// One provider that works, and one for each documented error of an issuer.
const PROVIDERS: [Provider; 4] = [
    Provider { name: "ack-rrsa-test", issuer_error: None },
    Provider {
        name: "broken-issuer",
        issuer_error: Some(("IssuerConfigurationBroken", "Get public keys from OIDC Provider failed, the issuer is ")),
    },
    Provider {
        name: "wrong-fingerprint",
        issuer_error: Some((
            "PublicKeyFingerprintMismatch",
            "The fingerprint of the issuer's certificate doesn't match the OIDC Provider registered, the issuer is ",
        )),
    },
    Provider {
        name: "plain-http-issuer",
        issuer_error: Some(("HttpsUrlInvalid", "The url of the issuer must begin with https, the issuer is ")),
    },
];

pub(crate) fn assume_role(
    state: &State,
    parameters: &Parameters,
    now: DateTime<Utc>,
    request_id: &str,
) -> ApiResult<String> {
    let claims = verify_token(parameters, now)?;
    let arn = parameters.get("RoleArn").ok_or_else(|| ApiError::missing("RoleArn"))?;
    let (account, name) = parse_role_arn(arn).ok_or_else(|| malformed("RoleArn"))?;
    let role = Some(name).filter(|_| account == ACCOUNT_ID).and_then(find_role).ok_or_else(|| {
        ApiError::new(404, "EntityNotExist.Role", format!("The role not exists: acs:ram::{account}:role/{name}"))
    })?;
    // The role's trust policy. Its condition on `oidc:sub` is the only one that is still to be checked.
    if !role.trusts_oidc || claims.subject != OIDC_SUBJECT {
        return Err(ApiError::new(401, "AuthenticationFail.NoPermission", "There is no permission"));
    }
    let options = SessionOptions::read(parameters, &role)?;
    let session = grant(&state.random, state.settings.session_seconds, role, options, now);
    let body = json(&AssumeRoleWithOidcResponse {
        assume_role: AssumeRoleResponse::of(&session, request_id),
        oidc_token_info: TokenInfo {
            subject: &claims.subject,
            issuer: &claims.issuer,
            client_ids: claims.audiences.join(","),
            issuance_time: utc(claims.issued),
            expiration_time: utc(claims.expires),
            verification_info: "Success",
        },
    });
    state.sessions.add(session, now);
    Ok(body)
}

/// Checks that the provider is registered, and verifies that the token comes from its issuer for its client.
fn verify_token(parameters: &Parameters, now: DateTime<Utc>) -> ApiResult<Claims> {
    let provider = parameters.get("OIDCProviderArn").ok_or_else(|| ApiError::missing("OIDCProviderArn"))?;
    let token = match parameters.get("OIDCToken") {
        Some(token) => token,
        None if parameters.has("OIDCToken") => return Err(invalid("The OIDC token is empty.")),
        None => return Err(ApiError::missing("OIDCToken")),
    };
    let name = provider.strip_prefix(&format!("acs:ram::{ACCOUNT_ID}:oidc-provider/"));
    let provider = PROVIDERS
        .iter()
        .find(|provider| Some(provider.name) == name)
        .ok_or_else(|| ApiError::new(401, "AuthenticationFail.NoPermission", "No such OIDC Provider registered."))?;
    let token = Token::parse(token)?;
    if let Some((code, message)) = provider.issuer_error {
        let code = format!("AuthenticationFail.OIDCToken.{code}");
        return Err(ApiError::new(401, code, format!("{message}{OIDC_ISSUER}")));
    }
    let claims = token.verify(now)?;
    if claims.issuer != OIDC_ISSUER {
        return Err(ApiError::new(
            401,
            "AuthenticationFail.OIDCToken.IssuerNotMatch",
            "The issuer in the OIDC Token doesn't match the OIDC Provider registered.",
        ));
    }
    if !claims.audiences.iter().any(|audience| audience == OIDC_AUDIENCE) {
        return Err(ApiError::new(401, "AuthenticationFail.OIDCToken.AudienceNotMatch", "Invalid audience."));
    }
    Ok(claims)
}

#[derive(Serialize)]
struct AssumeRoleWithOidcResponse<'a> {
    #[serde(flatten)]
    assume_role: AssumeRoleResponse<'a>,
    #[serde(rename = "OIDCTokenInfo")]
    oidc_token_info: TokenInfo<'a>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct TokenInfo<'a> {
    subject: &'a str,
    issuer: &'a str,
    client_ids: String,
    issuance_time: String,
    expiration_time: String,
    verification_info: &'static str,
}
