//! Faults in JSON, as the option `--faults` and the control path take them.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Deserialize;

use crate::fault::Fault;

const PRODUCTS: [&str; 8] = ["sts", "imm", "oss", "sls", "metadata", "uri", "oauth", "cloudsso"];

/// One entry. It must have a `route` and at least one member that changes the response.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    route: String,
    times: Option<u32>,
    status: Option<u16>,
    code: Option<String>,
    message: Option<String>,
    headers: Option<BTreeMap<String, String>>,
    delay_ms: Option<u64>,
    reset: Option<bool>,
    truncate: Option<usize>,
    body: Option<String>,
}

/// Parses the list. The error says which entry is invalid and why.
pub(crate) fn parse(json: &[u8]) -> Result<Vec<(String, Fault)>, String> {
    let entries: Vec<Entry> = serde_json::from_slice(json).map_err(|error| format!("not a list of faults: {error}"))?;
    entries.into_iter().map(Entry::fault).collect()
}

impl Entry {
    fn fault(self) -> Result<(String, Fault), String> {
        let product = self.route.split_once('/').map(|(product, _)| product.to_ascii_lowercase());
        if !product.is_some_and(|product| PRODUCTS.contains(&product.as_str())) {
            return Err(format!(
                "no such route: {:?}; it is sts/…, imm/…, oss/…, sls/…, metadata/…, uri/…, oauth/… or cloudsso/…",
                self.route
            ));
        }
        let status = self.status.unwrap_or(0);
        if status != 0 && !(200..=599).contains(&status) {
            return Err(format!("{}: status {status} is not one that answers a request", self.route));
        }
        let mut fault = match status {
            0 => Fault::answered(),
            status => Fault::new(status, self.code.unwrap_or_else(|| usual_code(status).to_owned())),
        };
        fault.times = self.times.unwrap_or(1);
        fault.delay = Duration::from_millis(self.delay_ms.unwrap_or(0));
        fault.reset = self.reset.unwrap_or(false);
        fault.truncate = self.truncate;
        fault.body = self.body;
        fault.headers = self.headers.unwrap_or_default().into_iter().collect();
        if let Some(message) = self.message {
            fault.message = message;
        }
        if status == 0 && fault.delay.is_zero() && fault.headers.is_empty() && !fault.corrupts_response() {
            return Err(format!(
                "{}: nothing goes wrong; give a status, headers, delay_ms, reset, truncate or body",
                self.route
            ));
        }
        Ok((self.route, fault))
    }
}

/// Returns the usual `Code` for a status.
fn usual_code(status: u16) -> &'static str {
    match status {
        400 => "InvalidParameter",
        401 => "AuthenticationFail.NoPermission",
        403 => "NoPermission",
        404 => "InvalidAction.NotFound",
        429 => "Throttling.User",
        500 => "InternalError",
        503 => "ServiceUnavailable",
        _ => "EmulatedFault",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_documented_form_is_read() {
        let list = br#"[{"route":"sts/AssumeRole","times":3,"status":503,"delay_ms":0,"reset":false,"truncate":null,"body":null},
            {"route":"Metadata/*","reset":true},
            {"route":"imm/GetProject","status":429,"headers":{"x-acs-retry-after":"2000"},"delay_ms":5,"message":"slow"}]"#;
        let faults = parse(list).unwrap();
        assert_eq!(faults[0], ("sts/AssumeRole".into(), Fault::new(503, "ServiceUnavailable").times(3)));
        assert_eq!(faults[1], ("Metadata/*".into(), Fault::answered().reset()));
        let throttled = Fault::new(429, "Throttling.User")
            .header("x-acs-retry-after", "2000")
            .delay(Duration::from_millis(5))
            .message("slow");
        assert_eq!(faults[2].1, throttled);
        assert!(parse(b"[]").unwrap().is_empty());
    }

    #[test]
    fn what_would_do_nothing_is_refused_with_the_reason() {
        for (json, reason) in [
            ("{}", "not a list of faults"),
            ("[{}]", "missing field `route`"),
            (r#"[{"route":"sts"}]"#, "no such route"),
            (r#"[{"route":"ecs/*","status":500}]"#, "no such route"),
            (r#"[{"route":"sts/*"}]"#, "nothing goes wrong"),
            (r#"[{"route":"sts/*","status":100}]"#, "status 100"),
            (r#"[{"route":"sts/*","status":503,"time":3}]"#, "unknown field"),
        ] {
            let error = parse(json.as_bytes()).unwrap_err();
            assert!(error.contains(reason), "{error}");
        }
    }
}
