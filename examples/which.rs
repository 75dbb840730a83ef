//! Which provider answers here, and what the others said. Prints no secret. `--json` for programs.

use std::process::ExitCode;

use alibabacloud_credentials::DefaultCredentialChain;

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let explanation = DefaultCredentialChain::new().explain().await;
    if std::env::args().any(|argument| argument == "--json") {
        match serde_json::to_string_pretty(&explanation) {
            Ok(json) => println!("{json}"),
            Err(error) => eprintln!("which: {error}"),
        }
    } else {
        println!("{explanation}");
    }
    if explanation.credentials.is_some() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
