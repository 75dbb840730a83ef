//! The claims of a JWT. Nothing is verified here: the server does that.

use std::time::{Duration, SystemTime};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Deserialize;

use super::OidcToken;
use crate::error::Error;
use crate::redact::shown;

/// STS takes no longer one.
const LONGEST: usize = 20_000;

/// The registered claims that trust policies look at.
#[derive(Debug, Deserialize)]
pub(crate) struct Claims {
    #[serde(default)]
    iss: String,
    #[serde(default)]
    sub: String,
    #[serde(default)]
    aud: Audience,
    exp: Option<f64>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(untagged)]
enum Audience {
    One(String),
    Many(Vec<String>),
    #[default]
    None,
}

impl Claims {
    /// Reads the second part of the token. Errors never repeat any of it.
    pub(crate) fn of(token: &OidcToken) -> Result<Self, Error> {
        let wrong = |what: String| {
            let error = Error::failed(format!("holds no OIDC token: {what}")).with_code("OidcTokenMalformed");
            error.with_remedy("it has to hold one signed JWT and nothing else")
        };
        let text = token.as_str();
        if text.is_empty() {
            return Err(wrong("it is empty".to_owned()));
        }
        if text.len() > LONGEST {
            return Err(wrong(format!("it has {} characters, and STS takes {LONGEST}", text.len())));
        }
        if text.len() >= 7 && text.as_bytes()[..7].eq_ignore_ascii_case(b"bearer ") {
            return Err(wrong("it begins with `Bearer `, which belongs to a header".to_owned()));
        }
        let is_of_jwt = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.=".contains(&byte);
        if let Some(at) = text.bytes().position(|byte| !is_of_jwt(byte)) {
            let what = match text.as_bytes()[at] {
                b'"' | b'\'' => "a quotation mark",
                byte if byte.is_ascii_whitespace() => "white space",
                _ => "a character that no JWT has",
            };
            return Err(wrong(format!("it has {what} (byte {})", at + 1)));
        }
        let parts: Vec<&str> = text.split('.').collect();
        let [_, payload, _] = parts[..] else {
            return Err(wrong(format!("a JWT has 3 parts, this has {}", parts.len())));
        };
        let bytes = URL_SAFE_NO_PAD
            .decode(payload.trim_end_matches('='))
            .map_err(|_| wrong("its second part is not base64".to_owned()))?;
        // A structure would be read from a list, too.
        let claims = serde_json::from_slice(&bytes).ok().filter(serde_json::Value::is_object);
        let claims = claims.and_then(|claims| serde_json::from_value(claims).ok());
        claims.ok_or_else(|| wrong("its second part is not a JSON object of claims".to_owned()))
    }

    /// Returns how long ago it expired, by a clock that shows `now`.
    pub(crate) fn expired_for(&self, now: SystemTime) -> Option<Duration> {
        // An end beyond all clocks is none.
        let end = SystemTime::UNIX_EPOCH.checked_add(Duration::try_from_secs_f64(self.exp?).ok()?)?;
        now.duration_since(end).ok()
    }

    /// The condition that a trust policy needs for this token.
    pub(crate) fn condition(&self) -> String {
        let audience = match &self.aud {
            Audience::One(one) => shown(one),
            Audience::Many(many) => many.iter().map(|one| shown(one)).collect::<Vec<_>>().join(", "),
            Audience::None => String::new(),
        };
        format!("oidc:iss {}, oidc:aud {audience}, oidc:sub {}", shown(&self.iss), shown(&self.sub))
    }

    /// The region that ACK writes into a cluster's issuer:
    /// `https://oidc-ack-<region>.oss-<region>.aliyuncs.com/<cluster>`.
    pub(crate) fn region(&self) -> Option<&str> {
        let host = self.iss.strip_prefix("https://oidc-ack-")?;
        let (region, rest) = host.split_once(".oss-")?;
        let valid = !region.is_empty() && region.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
        (valid && rest.starts_with(region)).then_some(region)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn token(claims: &str) -> OidcToken {
        OidcToken::new(format!("e30.{}.c2ln\n", URL_SAFE_NO_PAD.encode(claims)))
    }

    #[test]
    fn claims_are_read_whatever_shape_the_audience_has() {
        let claims = Claims::of(&token(
            r#"{"iss":"https://oidc-ack-cn-hangzhou.oss-cn-hangzhou.aliyuncs.com/c1","aud":["sts.aliyuncs.com"],
                "sub":"system:serviceaccount:default:app","exp":1000,"kubernetes.io":{}}"#,
        ))
        .unwrap();
        assert_eq!(claims.region(), Some("cn-hangzhou"));
        assert!(claims.condition().ends_with("oidc:aud sts.aliyuncs.com, oidc:sub system:serviceaccount:default:app"));
        let at = |seconds| SystemTime::UNIX_EPOCH + Duration::from_secs(seconds);
        assert_eq!(claims.expired_for(at(999)), None);
        assert_eq!(claims.expired_for(at(1180)), Some(Duration::from_secs(180)));
        assert!(Claims::of(&token(r#"{"aud":"one"}"#)).unwrap().condition().contains("oidc:aud one"));
    }

    #[test]
    fn an_end_beyond_all_clocks_is_none() {
        for exp in ["1e12", "1e19", "1e300", "-1", "18446744073709551615"] {
            let claims = Claims::of(&token(&format!(r#"{{"exp":{exp}}}"#))).unwrap();
            assert_eq!(claims.expired_for(SystemTime::UNIX_EPOCH), None, "{exp}");
        }
    }

    #[test]
    fn only_acks_own_issuers_name_a_region() {
        for issuer in ["https://token.example.com", "https://oidc-ack-a/b.oss-a/b.x", "https://oidc-ack-.oss-.x", ""] {
            let claims = Claims::of(&token(&format!(r#"{{"iss":"{issuer}"}}"#))).unwrap();
            assert_eq!(claims.region(), None, "{issuer}");
        }
    }

    #[test]
    fn what_is_no_token_is_said_without_its_text() {
        let list = format!("e30.{}.c2ln", URL_SAFE_NO_PAD.encode(r#"["https://s3cr3t","a","b",1]"#));
        let quoted = format!("\"{}\"", token("{}").as_str());
        let bearer = format!("Bearer {}", token("{}").as_str());
        for (text, what) in
            [(&list, "not a JSON object"), (&quoted, "a quotation mark (byte 1)"), (&bearer, "`Bearer `")]
        {
            let error = Claims::of(&OidcToken::new(text)).unwrap_err();
            assert!(error.message().contains(what), "{error}");
        }
        for text in ["", "s3cr3t", "a.b", "a.s3cr3t!.c", "a.czNjcjN0.c", &"x".repeat(20_001), &list, &quoted, &bearer] {
            let error = Claims::of(&OidcToken::new(text)).unwrap_err();
            assert_eq!(error.code(), Some("OidcTokenMalformed"));
            assert!(!error.to_string().contains("s3cr3t"), "{error}");
        }
    }
}
