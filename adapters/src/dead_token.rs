//! Refusals that say that the credential itself is dead.

use alibabacloud_credentials::{Credentials, Refresher};

/// Whether a refusal with this `Code` means that `used` is dead. A lack of permission never does.
pub(crate) fn is_dead(code: &str, used: &Credentials) -> bool {
    // RPC and ROA products.
    code.starts_with("InvalidSecurityToken.")
        // OSS.
        || matches!(code, "SecurityTokenExpired" | "InvalidSecurityToken")
        // OSS no longer knows the temporary key of a session that is over. A long-term key it should know: that is no
        // matter of renewal.
        || (code == "InvalidAccessKeyId" && used.security_token().is_some())
}

/// Invalidates `used`, and says whether there is another credential now: only then may a call be repeated.
pub(crate) async fn another(refresher: &Refresher, used: &Credentials) -> bool {
    refresher.invalidate(used);
    refresher.credentials().await.is_ok_and(|fresh| fresh.generation() != used.generation())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dead_token_is_told_from_a_lack_of_permission_and_from_a_wrong_key() {
        let key = Credentials::new("an-id", "fake-secret");
        let session = key.clone().with_security_token("fake-token");
        for code in ["InvalidSecurityToken.Expired", "InvalidSecurityToken.Malformed", "SecurityTokenExpired"] {
            assert!(is_dead(code, &session), "{code}");
        }
        for code in
            ["NoPermission", "Forbidden.RAM", "AccessDenied", "SignatureDoesNotMatch", "InvalidAccessKeyId.Inactive"]
        {
            assert!(!is_dead(code, &session), "{code}");
        }
        assert!(is_dead("InvalidAccessKeyId", &session));
        assert!(!is_dead("InvalidAccessKeyId", &key));
    }
}
