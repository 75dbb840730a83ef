//! Which provider answers here, and what the others said. Prints no secret. `--json` for programs.

use std::process::ExitCode;

use alibabacloud_credentials::DefaultCredentialChain;

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if let Some(unknown) = arguments.iter().find(|argument| *argument != "--json") {
        eprintln!("which: `{unknown}` is no argument of mine; usage: which [--json]");
        return ExitCode::from(2);
    }
    let explanation = DefaultCredentialChain::new().explain().await;
    if !arguments.is_empty() {
        match serde_json::to_string_pretty(&explanation) {
            Ok(json) => println!("{json}"),
            Err(error) => eprintln!("which: {error}"),
        }
    } else {
        println!("{explanation}");
    }
    if explanation.credentials.is_some() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
