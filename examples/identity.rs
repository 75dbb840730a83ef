//! Who the default chain is here: the provider that answered and the caller's ARN as STS says it, or the error's kind and
//! code. One line of JSON, no secret in it.

use std::process::ExitCode;

use alibabacloud_credentials::{DefaultCredentialChain, Error};
use serde_json::{Value, json};

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let (answer, code) = match ask().await {
        Ok(answer) => (answer, ExitCode::SUCCESS),
        Err(error) => {
            let answer = json!({
                "kind": format!("{:?}", error.kind()),
                "code": error.code(),
                "provider": error.provider_name(),
                "message": error.message(),
            });
            (answer, ExitCode::FAILURE)
        }
    };
    println!("{answer}");
    code
}

async fn ask() -> Result<Value, Error> {
    let chain = DefaultCredentialChain::new();
    let credentials = chain.credentials().await?;
    let identity = chain.caller_identity().await?;
    Ok(json!({ "provider": credentials.provider_name(), "arn": identity.arn }))
}
