//! A synchronous tool: no runtime, no `async`. Lists the IMM projects of a region, or behind an endpoint, and shows whose
//! key it used.
//!
//! `cargo run --example sync -- cn-hangzhou`

use std::process::ExitCode;

use alibabacloud_credentials::{DefaultCredentialChain, Error, OpenApiClient};

fn main() -> ExitCode {
    let place = std::env::args().nth(1).unwrap_or_else(|| "cn-hangzhou".to_owned());
    let chain = DefaultCredentialChain::shared();
    match list(&chain, &place) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("sync: {error}\n\n{}", chain.explain_blocking());
            ExitCode::FAILURE
        }
    }
}

fn list(chain: &DefaultCredentialChain, place: &str) -> Result<(), Error> {
    println!("{}", chain.caller_identity_blocking()?.arn);
    // A region's name has no dots and no scheme.
    let imm = match place.contains(['.', ':']) {
        true => OpenApiClient::new(place, "2020-09-30", chain),
        false => OpenApiClient::imm(place, chain),
    };
    let answer = imm.call_blocking("ListProjects", [("MaxResults", "100")])?;
    for project in answer.body()["Projects"].as_array().into_iter().flatten() {
        println!("{}", project["ProjectName"].as_str().unwrap_or_default());
    }
    Ok(())
}
