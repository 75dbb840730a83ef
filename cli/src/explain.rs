//! `explain`: what every source says. `which`: the one in use, in a line.

use alibabacloud_credentials::{CredentialsSummary, Explanation, ProviderOutcome};
use serde_json::json;

use crate::failure::Failure;
use crate::global::Global;
use crate::{chain, output};

pub(crate) const EXPLAIN_EXAMPLES: &str = "\
Examples:
  alicred explain                     the tree; the exit code is 0 if there are credentials or none
  alicred explain --profile prod      of one profile
  alicred explain --json | jq -r .credentials.arn";

pub(crate) const WHICH_EXAMPLES: &str = "\
Examples:
  alicred which                       default/env LTAI…Id01 from ALIBABA_CLOUD_ACCESS_KEY_ID
  alicred which >/dev/null || echo none    the exit code says whether there are credentials
  alicred which --json | jq -r .provider_name";

/// The first steps where nothing is configured: the place, and the command or the step.
const BEGINNINGS: [(&str, &str); 5] = [
    ("on your own machine", "alicred login, or aliyun configure"),
    ("in a script", "export ALIBABA_CLOUD_ACCESS_KEY_ID='…' ALIBABA_CLOUD_ACCESS_KEY_SECRET='…'"),
    ("on an ECS instance", "attach a RAM role to the instance"),
    ("in Kubernetes (ACK)", "give the service account a RAM role (RRSA)"),
    ("without an account", "alicred emulator --exec alicred explain"),
];

/// Prints the explanation. That there are no credentials is a result and no failure.
pub(crate) async fn explain(global: &Global) -> Result<(), Failure> {
    let explanation = chain::build(global).explain().await;
    let begin = is_nothing_configured(&explanation);
    if global.json {
        let mut value = json!(explanation);
        if begin {
            value["how_to_begin"] =
                BEGINNINGS.iter().map(|(place, step)| json!({"where": place, "do": step})).collect();
        }
        return output::print_json(&value);
    }
    let columns = output::columns();
    let mut text = format!("{:columns$}\n", explanation.colored());
    if begin {
        text.push_str("\nHow to begin:\n");
        BEGINNINGS.iter().for_each(|(place, step)| text.push_str(&format!("  {place}\n    {step}\n")));
    }
    output::print(&text)
}

fn is_nothing_configured(explanation: &Explanation) -> bool {
    let absent = |outcome| outcome == ProviderOutcome::NotConfigured;
    explanation.credentials.is_none() && explanation.providers.iter().all(|report| absent(report.outcome))
}

/// Prints the provider in use; fails where there is none.
pub(crate) async fn which(global: &Global) -> Result<(), Failure> {
    let chain = chain::build(global);
    chain.credentials().await?;
    let Some(used) = chain.explain().await.credentials else {
        // It ended between the two lines above.
        return Err(chain
            .credentials()
            .await
            .err()
            .map_or_else(|| Failure::silent(crate::exit::CONFIG), Failure::from));
    };
    if global.json { output::print_json(&used) } else { output::print(&format!("{}\n", line(&used))) }
}

fn line(used: &CredentialsSummary) -> String {
    let mut line = format!("{} {}", used.provider_name, used.access_key_id);
    if let Some(source) = &used.source {
        line.push_str(&format!(" from {source}"));
    }
    if let Some(end) = &used.expiration {
        line.push_str(&format!(" until {end}"));
    }
    line
}
