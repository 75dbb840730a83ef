//! An axum service on one chain: forty requests at once, a renewal, forty more, and a graceful end.
//!
//! `cargo run --example axum_service --features imm`

mod cloud;
mod service;

use cloud::{Outcome, cloud, environment, expect, let_it_be_renewed, sessions, succeeded};
use service::{Service, load};

#[tokio::main]
async fn main() -> Outcome {
    let (emulator, clock) = cloud().await?;
    let chain = sessions(environment(&emulator, &clock).build());
    let service = Service::start(chain.clone(), &emulator.endpoint()).await?;
    println!("a service on {}, the cloud on {}", service.url, emulator.endpoint());

    let mut well = load(&service, 1, 40).await?;
    let_it_be_renewed(&clock, chain.refresher()).await?;
    well += load(&service, 2, 40).await?;
    service.shut_down().await?;

    let (imm, sts) = (emulator.summary().imm, succeeded(&emulator, "AssumeRole"));
    println!("{well} of 80 requests answered; {} calls of IMM, {sts} sessions of STS", imm.accepted);
    expect(well == 80 && imm.accepted == 80 && sts == 2, "every request answered, one session for each half")
}
