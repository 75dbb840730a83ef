//! Error codes that say that a credential is invalid, product by product.

use crate::credentials::Credentials;

/// The family of products whose error codes are read: each has its own codes for the same thing.
///
/// | what a refusal says | [`OpenApi`](Self::OpenApi) | [`Oss`](Self::Oss) |
/// |---|---|---|
/// | this credential is invalid | `InvalidSecurityToken.*` | `SecurityTokenExpired`, `InvalidSecurityToken`, `AccessKeyIdAndSecurityTokenNotMatch`; `InvalidAccessKeyId`, if it was signed with a security token |
/// | the date is too far off | `InvalidTimeStamp.Expired`, `IllegalTimestamp` | `RequestTimeTooSkewed` |
/// | the nonce was used before | `SignatureNonceUsed` | |
///
/// `AccessDenied`, `NoPermission` and similar codes are in no row: another token of the same identity has the same permissions. OSS says
/// `InvalidAccessKeyId` of the key id of a session that has ended as well as of one that never was (its error
/// 0002-00000002).
///
/// ```
/// use alibabacloud_credentials::{Credentials, Product};
///
/// let used = Credentials::new("STS.an-id", "a secret").with_security_token("a token");
/// assert!(Product::OpenApi.is_invalid_token("InvalidSecurityToken.Expired", &used));
/// assert!(!Product::OpenApi.is_invalid_token("NoPermission", &used));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Product {
    /// IMM, STS and every other product behind the RPC and ROA gateways.
    OpenApi,
    /// Object Storage.
    Oss,
}

impl Product {
    /// Returns whether a refusal with this code says that the credential `used` is invalid. Only then is it right to
    /// [`invalidate`](crate::Refresher::invalidate) it.
    ///
    /// ```
    /// use alibabacloud_credentials::{Credentials, Product};
    ///
    /// let used = Credentials::new("STS.an-id", "a secret").with_security_token("a token");
    /// assert!(Product::Oss.is_invalid_token("SecurityTokenExpired", &used));
    /// assert!(!Product::Oss.is_invalid_token("AccessDenied", &used));
    /// ```
    pub fn is_invalid_token(self, code: &str, used: &Credentials) -> bool {
        match self {
            Self::OpenApi => code.starts_with("InvalidSecurityToken."),
            Self::Oss => match code {
                "SecurityTokenExpired" | "InvalidSecurityToken" | "AccessKeyIdAndSecurityTokenNotMatch" => true,
                "InvalidAccessKeyId" => used.security_token().is_some(),
                _ => false,
            },
        }
    }

    pub(crate) fn is_wrong_date(self, code: &str) -> bool {
        match self {
            Self::OpenApi => matches!(code, "InvalidTimeStamp.Expired" | "IllegalTimestamp"),
            Self::Oss => code == "RequestTimeTooSkewed",
        }
    }

    pub(crate) fn is_used_nonce(self, code: &str) -> bool {
        self == Self::OpenApi && code == "SignatureNonceUsed"
    }
}

/// Returns what a refusal means. ECS and some others say of an expired token that the *parameter* `SecurityToken.Expired` is
/// not valid: that is `InvalidSecurityToken.Expired` in other words.
pub(crate) fn effective_code<'a>(code: &'a str, message: &str) -> &'a str {
    if code != "InvalidParameter" {
        return code;
    }
    let reasons = [
        ("SecurityToken.Expired", "InvalidSecurityToken.Expired"),
        ("SecurityToken.Malformed", "InvalidSecurityToken.Malformed"),
        ("SecurityToken.MismatchWithAccessKey", "InvalidSecurityToken.MismatchWithAccessKey"),
    ];
    reasons.iter().find(|(reason, _)| message.contains(reason)).map_or(code, |(_, meant)| *meant)
}

/// The retries of one call that a refusal asks for, each at most once.
#[derive(Debug, Default)]
pub(crate) struct SigningRetries {
    replaced: bool,
    redated: bool,
    renonced: bool,
}

/// The way in which a refused call may succeed after all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SigningRetry {
    /// With another credential, if there is one.
    Replace,
    /// As it is, signed anew: by then the clock's error is known, and the nonce another.
    SignAgain,
}

impl SigningRetries {
    /// Returns what to do about this refusal of a call signed with `used`, unless it was done already. A nonce that was used before
    /// says that a first copy of the request arrived: only a call that `may_repeat` is signed again then.
    pub(crate) fn after(
        &mut self,
        product: Product,
        code: &str,
        used: &Credentials,
        may_repeat: bool,
    ) -> Option<SigningRetry> {
        if product.is_invalid_token(code, used) {
            return first_time(&mut self.replaced).then_some(SigningRetry::Replace);
        }
        if product.is_used_nonce(code) && !may_repeat {
            return None;
        }
        self.by_signing_again(product, code).then_some(SigningRetry::SignAgain)
    }

    /// Returns whether the same credential may succeed with another date and nonce.
    pub(crate) fn by_signing_again(&mut self, product: Product, code: &str) -> bool {
        (product.is_wrong_date(code) && first_time(&mut self.redated))
            || (product.is_used_nonce(code) && first_time(&mut self.renonced))
    }
}

fn first_time(done: &mut bool) -> bool {
    !std::mem::replace(done, true)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_product_has_its_own_words_for_an_invalid_token_and_a_lack_of_permission_is_none() {
        let key = Credentials::new("an-id", "a secret");
        let session = key.clone().with_security_token("a token");
        for (product, code, of_a_session, of_a_key) in [
            (Product::OpenApi, "InvalidSecurityToken.Expired", true, true),
            (Product::OpenApi, "InvalidSecurityToken.MismatchWithAccessKey", true, true),
            (Product::OpenApi, "InvalidAccessKeyId.NotFound", false, false),
            (Product::OpenApi, "NoPermission", false, false),
            (Product::OpenApi, "SecurityTokenExpired", false, false),
            (Product::Oss, "SecurityTokenExpired", true, true),
            (Product::Oss, "InvalidSecurityToken", true, true),
            (Product::Oss, "AccessKeyIdAndSecurityTokenNotMatch", true, true),
            (Product::Oss, "InvalidAccessKeyId", true, false),
            (Product::Oss, "AccessDenied", false, false),
            (Product::Oss, "SignatureDoesNotMatch", false, false),
        ] {
            assert_eq!(product.is_invalid_token(code, &session), of_a_session, "{product:?} {code}");
            assert_eq!(product.is_invalid_token(code, &key), of_a_key, "{product:?} {code}");
        }
    }

    #[test]
    fn each_retry_is_made_once_in_a_call() {
        let used = Credentials::new("an-id", "a secret").with_security_token("a token");
        let mut retries = SigningRetries::default();
        let mut after = |code| retries.after(Product::OpenApi, code, &used, true);
        assert_eq!(after("InvalidTimeStamp.Expired"), Some(SigningRetry::SignAgain));
        assert_eq!(after("InvalidTimeStamp.Expired"), None);
        assert_eq!(after("SignatureNonceUsed"), Some(SigningRetry::SignAgain));
        assert_eq!(after("InvalidSecurityToken.Expired"), Some(SigningRetry::Replace));
        assert_eq!(after("InvalidSecurityToken.Malformed"), None);
        assert_eq!(after("NoPermission"), None);
        let mut retries = SigningRetries::default();
        let mut after = |code| retries.after(Product::OpenApi, code, &used, false);
        assert_eq!(after("SignatureNonceUsed"), None, "the first copy may have been carried out");
        assert_eq!(after("IllegalTimestamp"), Some(SigningRetry::SignAgain), "nothing has been carried out");
    }

    #[test]
    fn a_parameter_that_is_an_expired_token_is_an_expired_token() {
        let ecs = "The specified parameter \"SecurityToken.Expired\" is not valid.";
        assert_eq!(effective_code("InvalidParameter", ecs), "InvalidSecurityToken.Expired");
        assert_eq!(
            effective_code("InvalidParameter", "The specified parameter \"Name\" is not valid."),
            "InvalidParameter"
        );
        assert_eq!(effective_code("NoPermission", ecs), "NoPermission");
    }
}
