//! The same service in a pod: RRSA's three variables, and a token file that the kubelet replaces while it runs.
//!
//! `cargo run --example rrsa_service --features imm`

mod cloud;
mod service;

use std::path::Path;

use alibabacloud_credentials::{Context, DefaultCredentialChain};
use alibabacloud_emulator::account::{self, TokenOptions};
use cloud::{Outcome, cloud, expect, let_it_be_renewed, succeeded};
use service::{Service, load};

#[tokio::main]
async fn main() -> Outcome {
    let (emulator, clock) = cloud().await?;
    let pod = tempfile::tempdir()?;
    let file = pod.path().join("token");
    project_token(&file)?;

    let context = Context::builder().clock(clock.clone()).env([
        ("ALIBABA_CLOUD_ROLE_ARN", "acs:ram::1234567890123456:role/imm-role".to_owned()),
        ("ALIBABA_CLOUD_OIDC_PROVIDER_ARN", account::OIDC_PROVIDER_ARN.to_owned()),
        ("ALIBABA_CLOUD_OIDC_TOKEN_FILE", file.display().to_string()),
        ("ALIBABA_CLOUD_STS_ENDPOINT", emulator.endpoint()),
    ]);
    let chain = DefaultCredentialChain::builder().context(context.build()).build();
    let service = Service::start(chain.clone(), &emulator.endpoint()).await?;
    println!("a service on {}, by {}", service.url, chain.credentials().await?.provider_name());

    let mut well = load(&service, 1, 40).await?;
    // The old token is worth nothing any more when the session is due.
    project_token(&file)?;
    let_it_be_renewed(&clock, chain.refresher()).await?;
    well += load(&service, 2, 40).await?;
    service.shut_down().await?;

    let (imm, sts) = (emulator.summary().imm, succeeded(&emulator, "AssumeRoleWithOIDC"));
    println!("{well} of 80 requests answered; {} calls of IMM, {sts} sessions of STS", imm.accepted);
    expect(well == 80 && imm.accepted == 80 && sts == 2, "every request answered, one session for each token")
}

/// As the kubelet does it: written beside, then moved over the old one, so that nobody reads half a token.
fn project_token(file: &Path) -> Outcome {
    let beside = file.with_extension("new");
    std::fs::write(&beside, account::oidc_token(&TokenOptions::default())?)?;
    std::fs::rename(beside, file)?;
    Ok(())
}
