//! OIDC tokens (JWT, RS256): signed as a cluster's issuer does, and verified as STS does.

use std::io;
use std::time::{Duration, SystemTime};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::{DateTime, Utc};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::account::oidc_provider::{OIDC_AUDIENCE, OIDC_ISSUER, OIDC_SUBJECT};
use crate::response::{ApiError, ApiResult};
use crate::{clock, key};

const KEY_ID: &str = "emulator-rs256-1";

/// The claims of an OIDC token. By default they are what the role `imm-role` trusts, for one hour from now.
///
/// ```
/// use std::time::Duration;
/// use alibabacloud_emulator::account::{TokenOptions, oidc_token};
///
/// let expired = oidc_token(&TokenOptions::default().ttl(Duration::ZERO))?;
/// assert_eq!(expired.split('.').count(), 3);
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use]
pub struct TokenOptions {
    issuer: String,
    audience: String,
    subject: String,
    issued_at: SystemTime,
    ttl: Duration,
}

impl Default for TokenOptions {
    fn default() -> Self {
        Self {
            issuer: OIDC_ISSUER.to_owned(),
            audience: OIDC_AUDIENCE.to_owned(),
            subject: OIDC_SUBJECT.to_owned(),
            issued_at: clock::Clock::default().system_time(),
            ttl: Duration::from_secs(3_600),
        }
    }
}

impl TokenOptions {
    /// Sets the issuer, claim `iss`.
    pub fn issuer(mut self, issuer: impl Into<String>) -> Self {
        self.issuer = issuer.into();
        self
    }

    /// Sets the audience, claim `aud`.
    pub fn audience(mut self, audience: impl Into<String>) -> Self {
        self.audience = audience.into();
        self
    }

    /// Sets the subject, claim `sub`.
    pub fn subject(mut self, subject: impl Into<String>) -> Self {
        self.subject = subject.into();
        self
    }

    /// Sets the time of issue, claims `iat` and `nbf`, in whole seconds. If the emulator's clock was changed, pass
    /// [`Emulator::now`](crate::Emulator::now).
    pub fn issued_at(mut self, instant: SystemTime) -> Self {
        self.issued_at = instant;
        self
    }

    /// Sets the lifetime in whole seconds, which determines claim `exp`. Zero makes a token that has already expired.
    pub fn ttl(mut self, ttl: Duration) -> Self {
        self.ttl = ttl;
        self
    }
}

/// Creates a token, signed with the key of the emulated OIDC provider.
///
/// # Errors
///
/// Fails if the system has no randomness.
pub fn oidc_token(options: &TokenOptions) -> io::Result<String> {
    let issued = clock::unix_seconds(options.issued_at);
    let ttl = i64::try_from(options.ttl.as_secs()).unwrap_or(i64::MAX);
    let mut claims = json!({
        "iss": options.issuer,
        "aud": [options.audience],
        "sub": options.subject,
        "iat": issued,
        "nbf": issued,
        "exp": issued.saturating_add(ttl),
    });
    // The claim that kubelet puts into projected tokens.
    if let Some((namespace, name)) =
        options.subject.strip_prefix("system:serviceaccount:").and_then(|rest| rest.split_once(':'))
    {
        claims["kubernetes.io"] = json!({ "namespace": namespace, "serviceaccount": { "name": name } });
    }
    let header = json!({ "alg": "RS256", "kid": KEY_ID });
    sign(&header, &claims).ok_or_else(|| io::Error::other("the token could not be signed: no randomness"))
}

fn sign(header: &Value, claims: &Value) -> Option<String> {
    let mut token =
        format!("{}.{}", URL_SAFE_NO_PAD.encode(header.to_string()), URL_SAFE_NO_PAD.encode(claims.to_string()));
    let signature = key::sign(token.as_bytes())?;
    token.push('.');
    token.push_str(&URL_SAFE_NO_PAD.encode(signature));
    Some(token)
}

/// The claims that STS reads.
pub(crate) struct Claims {
    pub(crate) issuer: String,
    pub(crate) subject: String,
    pub(crate) audiences: Vec<String>,
    pub(crate) issued: DateTime<Utc>,
    pub(crate) expires: DateTime<Utc>,
}

/// A parsed token. Its signature is not verified yet.
pub(crate) struct Token<'a> {
    signed: &'a str,
    signature: Vec<u8>,
    key_id: Option<String>,
    claims: Vec<u8>,
}

#[derive(Deserialize)]
struct Header {
    alg: String,
    kid: Option<String>,
}

/// The claim `aud`, a string or a list.
#[derive(Deserialize)]
#[serde(untagged)]
enum Audience {
    One(String),
    Many(Vec<String>),
}

#[derive(Deserialize)]
struct RawClaims {
    iss: String,
    sub: String,
    aud: Audience,
    iat: i64,
    exp: i64,
    nbf: Option<i64>,
}

impl<'a> Token<'a> {
    pub(crate) fn parse(text: &'a str) -> ApiResult<Self> {
        // Documented limits.
        if !(4..=20_000).contains(&text.len()) {
            return Err(invalid("The length of the OIDC token must be between 4 and 20000."));
        }
        let parts: Vec<&str> = text.split('.').collect();
        let [header, claims, signature] = parts[..] else {
            return Err(invalid("The number of Jwt field should be divided into 3 parts with '.' ."));
        };
        let decode =
            |part: &str| URL_SAFE_NO_PAD.decode(part).map_err(|_| invalid("The OIDC token is not base64url encoded."));
        let parsed: Header = serde_json::from_slice(&decode(header)?).map_err(|_| unreadable())?;
        if parsed.alg != "RS256" {
            let shown: String = parsed.alg.chars().take(32).collect();
            return Err(invalid(format!("The algorithm {shown} that be specified in Jwt header is unknown.")));
        }
        Ok(Self {
            signed: &text[..header.len() + 1 + claims.len()],
            signature: decode(signature)?,
            key_id: parsed.kid,
            claims: decode(claims)?,
        })
    }

    /// Verifies the signature, then the times.
    pub(crate) fn verify(&self, now: DateTime<Utc>) -> ApiResult<Claims> {
        if self.key_id.as_deref() != Some(KEY_ID) || !key::is_signed(self.signed.as_bytes(), &self.signature) {
            return Err(ApiError::new(
                401,
                "AuthenticationFail.OIDCToken.InvalidSignature",
                "OIDC token validate failed: invalid signature.",
            ));
        }
        let raw: RawClaims = serde_json::from_slice(&self.claims).map_err(|_| unreadable())?;
        let time = |seconds| DateTime::from_timestamp(seconds, 0).ok_or_else(unreadable);
        let expires = time(raw.exp)?;
        if expires <= now {
            return Err(ApiError::new(401, "AuthenticationFail.OIDCToken.Expired", "This JsonWebToken is expired."));
        }
        if raw.nbf.map(time).transpose()?.is_some_and(|start| start > now) {
            return Err(invalid("This JsonWebToken is not valid yet."));
        }
        Ok(Claims {
            issuer: raw.iss,
            subject: raw.sub,
            audiences: match raw.aud {
                Audience::One(audience) => vec![audience],
                Audience::Many(audiences) => audiences,
            },
            issued: time(raw.iat)?,
            expires,
        })
    }
}

pub(crate) fn invalid(message: impl Into<std::borrow::Cow<'static, str>>) -> ApiError {
    ApiError::new(401, "AuthenticationFail.OIDCToken.Invalid", message)
}

fn unreadable() -> ApiError {
    invalid("The content of the OIDC token is unreadable.")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(token: &str, now: i64) -> ApiResult<Claims> {
        Token::parse(token)?.verify(DateTime::from_timestamp(now, 0).unwrap())
    }

    #[test]
    fn what_is_minted_is_read_again() {
        let at = SystemTime::UNIX_EPOCH + Duration::from_millis(1_000_500);
        let token = oidc_token(&TokenOptions::default().issued_at(at).ttl(Duration::from_secs(60))).unwrap();
        let claims = check(&token, 1_059).ok().unwrap();
        assert_eq!((claims.issuer.as_str(), claims.subject.as_str()), (OIDC_ISSUER, OIDC_SUBJECT));
        assert_eq!(claims.audiences, [OIDC_AUDIENCE]);
        assert_eq!((claims.issued.timestamp(), claims.expires.timestamp()), (1_000, 1_060));
        assert_eq!(check(&token, 1_060).err().unwrap().code, "AuthenticationFail.OIDCToken.Expired");
        assert_eq!(check(&token, 999).err().unwrap().code, "AuthenticationFail.OIDCToken.Invalid");
        let end_of_time = SystemTime::UNIX_EPOCH + Duration::from_secs(1 << 62);
        assert!(oidc_token(&TokenOptions::default().issued_at(end_of_time)).is_ok());
        let later = oidc_token(&TokenOptions::default().issued_at(at).ttl(Duration::MAX)).unwrap();
        assert!(check(&later, 1_059).is_err());
    }

    #[test]
    fn tokens_that_another_made_are_refused() {
        let claims = json!({ "iss": "i", "sub": "s", "aud": "a", "iat": 1, "exp": 9 });
        let good = json!({ "alg": "RS256", "kid": KEY_ID });
        let made = |header: &Value, claims: &Value| sign(header, claims).unwrap();
        assert_eq!(check(&made(&good, &claims), 2).ok().unwrap().audiences, ["a"]);
        let swapped = {
            let (one, other) = (made(&good, &claims), made(&good, &json!({ "iss": "other" })));
            format!("{}.{}", one.rsplit_once('.').unwrap().0, other.rsplit_once('.').unwrap().1)
        };
        for (token, code, message) in [
            (swapped, "InvalidSignature", "invalid signature"),
            (made(&json!({ "alg": "RS256", "kid": "x" }), &claims), "InvalidSignature", "invalid signature"),
            (made(&json!({ "alg": "HS256" }), &claims), "Invalid", "The algorithm HS256 that be specified"),
            (made(&json!({ "alg": "none" }), &claims), "Invalid", "The algorithm none"),
            (made(&json!([]), &claims), "Invalid", "unreadable"),
            (made(&good, &json!({ "iss": "i" })), "Invalid", "unreadable"),
            (made(&good, &json!({ "iss": "i", "sub": "s", "aud": "a", "iat": 1, "exp": i64::MAX })), "Invalid", "un"),
            ("aa.b".into(), "Invalid", "divided into 3 parts"),
            ("a.b.c.d".into(), "Invalid", "divided into 3 parts"),
            ("?.b.c".into(), "Invalid", "base64url"),
            ("x".repeat(20_001), "Invalid", "length"),
            (made(&good, &claims) + "\n", "Invalid", "base64url"),
        ] {
            let error = check(&token, 2).err().unwrap();
            assert_eq!(error.code, format!("AuthenticationFail.OIDCToken.{code}"), "{token}");
            assert!(error.message.contains(message), "{}", error.message);
            assert_eq!(error.status, 401);
        }
    }
}
