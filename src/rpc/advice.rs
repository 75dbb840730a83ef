//! What to do about a refusal, code by code.

/// What to do about a refusal, where the documents or experience tell.
pub(super) fn advice(code: &str, message: &str) -> Option<&'static str> {
    Some(match code {
        "NoPermission" if message.contains("root account") => {
            "an account's own key cannot assume a role: create a RAM user, and use its AccessKey pair"
        }
        "NoPermission" if message.contains("does not trust you") || message.contains("on this Role") => {
            "let the role's trust policy name the caller as Principal, and give the ExternalId that its condition asks for, if any"
        }
        "NoPermission" => {
            "attach a policy that allows this action to the RAM user or role that calls: for AssumeRole, AliyunSTSAssumeRoleAccess"
        }
        "EntityNotExist.Role" | "EntityNotExist.RoleArn" => {
            "check the role ARN: acs:ram::<account id>:role/<role name>, names are case-sensitive"
        }
        "InvalidParameter.RoleArn" => "a role ARN is acs:ram::<account id>:role/<role name>",
        "InvalidParameter.RoleSessionName" => "a session name has 2 to 64 characters of A-Z a-z 0-9 . @ _ -",
        "InvalidParameter.DurationSeconds" => {
            "ask for at most the role's MaxSessionDuration, or raise that in the RAM console (3600 to 43200 s)"
        }
        "InvalidParameter.PolicyGrammar" => "the session policy is JSON with Version and Statement",
        "InvalidParameter.PolicySize" => "a session policy has at most 2048 characters",
        "InvalidParameter.ExternalId" => "an ExternalId has 2 to 1224 characters of A-Z a-z 0-9 + = , . @ : / _ -",
        "AuthenticationFail.NoPermission" => {
            "check that the OIDC provider exists, and that the role's trust policy names it and the token's iss, aud and sub"
        }
        "AuthenticationFail.OIDCToken.Expired" => {
            "the token file was not rotated: look at the kubelet and the projected volume"
        }
        "AuthenticationFail.OIDCToken.AudienceNotMatch" => {
            "the token's audience has to be one of the OIDC provider's client ids (sts.aliyuncs.com for RRSA)"
        }
        "AuthenticationFail.OIDCToken.IssuerNotMatch" => "the token comes from another issuer than the OIDC provider's",
        "AuthenticationFail.OIDCToken.Invalid" => "the token file has to hold one signed JWT and nothing else",
        "AuthenticationFail.OIDCToken.InvalidSignature" => "the token was not signed by the OIDC provider's keys",
        "AuthenticationFail.OIDCToken.PublicKeyFingerprintMismatch"
        | "AuthenticationFail.OIDCToken.IssuerConfigurationBroken"
        | "AuthenticationFail.OIDCToken.HttpsUrlInvalid" => {
            "check the OIDC provider's issuer URL and certificate fingerprint in the RAM console"
        }
        "AuthenticationFail.SAMLAssertion.Expired" => {
            "get a new assertion from the identity provider: assertions live for minutes"
        }
        "AuthenticationFail.SAMLAssertion.Invalid" => {
            "the assertion has to be the identity provider's own, signed, for Alibaba Cloud as recipient and audience"
        }
        "AuthenticationFail.IDPMetadata.Invalid" => "upload the identity provider's metadata again in the RAM console",
        "EntityNotExist.SAMLProvider" => {
            "check the identity provider's ARN: acs:ram::<account id>:saml-provider/<name>, names are case-sensitive"
        }
        "InvalidAccessKeyId.NotFound" => {
            "this AccessKey does not exist: it was deleted, or belongs to another cloud or site"
        }
        "InvalidAccessKeyId.Inactive" | "Forbidden.AccessKeyDisabled" => {
            "enable the AccessKey in the RAM console, or use another"
        }
        "SignatureDoesNotMatch" => "the AccessKey secret is not the one of this AccessKey ID",
        "IncompleteSignature" => "the server did not read the whole signature: look for a proxy that changes headers",
        "InvalidTimeStamp.Expired" | "IllegalTimestamp" => {
            "this machine's clock is off by more than 15 minutes: set it"
        }
        "SignatureNonceUsed" => {
            "the first copy arrived and may have been carried out: check before you call again, and look for a proxy that repeats requests"
        }
        "InvalidSecurityToken.Expired" => "the session has ended: use a source that renews it",
        "InvalidSecurityToken.Malformed" => "the security token is not whole, or not from this cloud",
        "InvalidSecurityToken.MismatchWithAccessKey" => {
            "AccessKey pair and security token come from different sessions: take all three from one"
        }
        "MissingSecurityToken" => "an AccessKey ID that begins with STS. needs its security token",
        "Throttling" | "Throttling.User" | "Throttling.Api" => {
            "too many calls: share one chain, or ask for a higher quota"
        }
        "Forbidden.RAM" | "Forbidden" => "attach a policy that allows this action, for IMM AliyunIMMFullAccess",
        "ResourceNotFound" => "check the name and the region: projects live in one region",
        "InvalidAction.NotFound" | "InvalidVersion" => {
            "check the action's spelling, the version, and that the endpoint is this product's"
        }
        "InternalError" | "ServiceUnavailable" => {
            "it passes; if it does not, give the RequestId to the cloud's support"
        }
        _ => return None,
    })
}
