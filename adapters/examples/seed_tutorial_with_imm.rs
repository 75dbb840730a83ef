//! The steps of the guide "IMM API integration", by the crate alibabacloud-imm on the chain.
//!
//! `cargo run --example seed_tutorial_with_imm --features imm`

mod cloud;

use alibabacloud_credentials::{Context, DefaultCredentialChain};
use alibabacloud_credentials_adapters::ImmCredentials;
use alibabacloud_emulator::account;
use alibabacloud_imm::ops::{
    CreateProjectOps, CreateProjectQuery, DeleteProjectOps, DeleteProjectQuery, ListProjectsOps, ListProjectsQuery,
};
use alibabacloud_imm::{Client, Error};
use cloud::{Outcome, cloud, environment, expect, let_it_be_renewed, sessions, succeeded};

#[tokio::main]
async fn main() -> Outcome {
    let (emulator, clock) = cloud().await?;
    let client = |chain: &DefaultCredentialChain| {
        Client::builder().endpoint(emulator.endpoint()).credentials_provider(ImmCredentials::new(chain)).build()
    };

    println!("1. A long-term AccessKey pair of a RAM user, from ALIBABA_CLOUD_ACCESS_KEY_ID and _SECRET:");
    let long_term = DefaultCredentialChain::builder().context(environment(&emulator, &clock).build()).build();
    create(&client(&long_term)?, "testproject").await?;
    println!("   signed with what {} found", long_term.credentials().await?.provider_name());

    println!("2. Temporary credentials: AssumeRole as that RAM user, and nothing to refresh by hand:");
    let temporary = sessions(environment(&emulator, &clock).build());
    let imm = client(&temporary)?;
    create(&imm, "by-a-session").await?;
    let_it_be_renewed(&clock, temporary.refresher()).await?;
    let projects = imm.list_projects(ListProjectsQuery::default()).await?.projects;
    println!("   an hour later, by another session: {}", serde_json::to_string_pretty(&projects[1])?);
    println!("   (the guide's fields; of its headers and statusCode this crate hands nothing out)");
    expect(projects.len() == 2 && succeeded(&emulator, "AssumeRole") == 2, "two projects, two sessions")?;

    println!("3. An account's own key cannot call AssumeRole:");
    let root = environment(&emulator, &clock).env([
        ("ALIBABA_CLOUD_ACCESS_KEY_ID", account::ROOT.id.to_owned()),
        ("ALIBABA_CLOUD_ACCESS_KEY_SECRET", account::ROOT.secret.to_owned()),
        ("ALIBABA_CLOUD_STS_ENDPOINT", emulator.endpoint()),
    ]);
    let refused = client(&sessions(root.build()))?.list_projects(ListProjectsQuery::default()).await;
    let Err(Error::Other(text)) = refused else { return Err("the root account was given a session".into()) };
    println!("   {text}");

    println!("4. The guide's own variables, IMM_ACCESS_KEY_ID, IMM_ACCESS_KEY_SECRET and IMM_SESSION_TOKEN:");
    let session = temporary.credentials().await?;
    let by_hand = Context::builder().clock(clock.clone()).env([
        ("IMM_ACCESS_KEY_ID", session.access_key_id().to_owned()),
        ("IMM_ACCESS_KEY_SECRET", session.access_key_secret().to_owned()),
        ("IMM_SESSION_TOKEN", session.security_token().unwrap_or_default().to_owned()),
    ]);
    let by_hand = client(&DefaultCredentialChain::builder().context(by_hand.build()).build())?;
    for project_name in ["testproject", "by-a-session"] {
        by_hand.delete_project(DeleteProjectQuery { project_name: project_name.to_owned() }).await?;
    }
    println!("   both projects deleted");
    expect(emulator.summary().imm.rejected == 0, "IMM refused nothing")
}

/// alibabacloud-imm 0.1 takes the answer's `Project` for a string. IMM sends an object, as the guide shows, so the project
/// is created and the answer cannot be read; GetProject and UpdateProject are the same. ListProjects can be.
async fn create(imm: &Client, name: &str) -> Outcome {
    let query = CreateProjectQuery { project_name: name.to_owned(), ..Default::default() };
    match imm.create_project(query).await {
        Ok(answer) => println!("   {name}: {:?}", answer.project),
        Err(Error::InvalidJson(error)) => println!("   {name} was created; its answer the crate cannot read: {error}"),
        Err(error) => return Err(error.into()),
    }
    Ok(())
}
