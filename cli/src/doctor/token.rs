//! The OIDC token of a pod (RRSA): what a role's trust policy has to match, and until when it can be used.

use std::io::Read as _;
use std::time::{Duration, SystemTime};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::Value;

use super::{Check, State};
use crate::{time, world};

const FILE: &str = "ALIBABA_CLOUD_OIDC_TOKEN_FILE";
/// STS takes no longer token.
const LONGEST: u64 = 20_000;
const CHECK: &str = "oidc_token";

/// Nothing where no token is configured.
pub(super) fn check() -> Option<Check> {
    let path = world::variable(FILE)?;
    let mut text = String::new();
    let read = std::fs::File::open(&path).and_then(|file| file.take(LONGEST + 1).read_to_string(&mut text));
    Some(match read {
        Ok(_) => of_claims(text.trim(), world::wall_clock()),
        Err(error) => Check::bad(
            CHECK,
            format!("{path} cannot be read: {error}"),
            "ls -l \"$(dirname \"$ALIBABA_CLOUD_OIDC_TOKEN_FILE\")\"",
        ),
    })
}

/// The claims are in the token's second part. The signature is STS's to check.
fn of_claims(token: &str, now: SystemTime) -> Check {
    let payload = token.split('.').nth(1).and_then(|part| URL_SAFE_NO_PAD.decode(part.trim_end_matches('=')).ok());
    let Some(claims) = payload.and_then(|bytes| serde_json::from_slice::<Value>(&bytes).ok()).filter(Value::is_object)
    else {
        return Check::bad(CHECK, "the file holds no JWT", "kubectl get pod -o yaml | grep -A3 serviceAccountToken");
    };
    let text = |name: &str| match &claims[name] {
        Value::String(text) => shown(text),
        Value::Array(texts) => texts.iter().filter_map(Value::as_str).map(shown).collect::<Vec<_>>().join(", "),
        _ => "none".to_owned(),
    };
    let end = claims["exp"].as_f64().and_then(|end| Duration::try_from_secs_f64(end).ok());
    let left = end.and_then(|end| SystemTime::UNIX_EPOCH.checked_add(end)).map(|end| end.duration_since(now));
    let claims = format!("iss {}, aud {}, sub {}", text("iss"), text("aud"), text("sub"));
    match left {
        Some(Ok(left)) => Check::new(CHECK, State::Good, format!("{claims}; expires in {}", time::spoken(left))),
        Some(Err(past)) => {
            let detail = format!("{claims}; expired {} ago", time::spoken(past.duration()));
            Check::bad(CHECK, detail, "kubectl rollout restart deployment NAME, if the kubelet has stopped renewing it")
        }
        None => Check::new(CHECK, State::Good, claims),
    }
}

fn shown(claim: &str) -> String {
    claim.chars().filter(|c| !c.is_control()).take(200).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn claims_and_end_are_shown_and_the_token_is_not() {
        let token = |claims: &str| format!("head.{}.signature", URL_SAFE_NO_PAD.encode(claims));
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000);
        let claims = r#"{"iss":"https://issuer","aud":["sts.aliyuncs.com"],"sub":"system:serviceaccount:a:b","exp":"#;
        let good = of_claims(&token(&format!("{claims}1090}}")), now);
        let shown = "iss https://issuer, aud sts.aliyuncs.com, sub system:serviceaccount:a:b; expires in 1m 30s";
        assert_eq!((good.state, good.detail.as_str()), (State::Good, shown));
        let expired = of_claims(&token(&format!("{claims}940}}")), now);
        assert!(expired.state == State::Bad && expired.detail.ends_with("; expired 1m ago"), "{}", expired.detail);
        for text in ["", "no token", "a.b.c", &token("[]"), &token("{")] {
            assert_eq!(of_claims(text, now).state, State::Bad, "{text}");
        }
        for end in ["1e300", "-1", "null", "\"soon\""] {
            assert_eq!(of_claims(&token(&format!("{claims}{end}}}")), now).state, State::Good, "{end}");
        }
    }
}
