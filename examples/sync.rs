//! A synchronous tool: no runtime, no `async`. Lists the IMM projects of a region, and shows whose key it used.
//!
//! `cargo run --example sync -- cn-hangzhou`

use std::process::ExitCode;

use alibabacloud_credentials::{DefaultCredentialChain, Error, OpenApiClient};

fn main() -> ExitCode {
    let region = std::env::args().nth(1).unwrap_or_else(|| "cn-hangzhou".to_owned());
    let chain = DefaultCredentialChain::shared();
    match list(&chain, &region) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("sync: {error}\n\n{}", chain.explain_blocking());
            ExitCode::FAILURE
        }
    }
}

fn list(chain: &DefaultCredentialChain, region: &str) -> Result<(), Error> {
    println!("{}", chain.caller_identity_blocking()?.arn);
    let imm = OpenApiClient::imm(region, chain);
    let answer = imm.call_blocking("ListProjects", [("MaxResults", "100")])?;
    for project in answer.body()["Projects"].as_array().into_iter().flatten() {
        println!("{}", project["ProjectName"].as_str().unwrap_or_default());
    }
    Ok(())
}
