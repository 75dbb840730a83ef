//! OpenDAL on the chain: one operator that writes, lists, reads and deletes, over a renewal of the session.
//!
//! `cargo run --example opendal_oss --features opendal`

mod cloud;

use alibabacloud_credentials::RequestSigner;
use alibabacloud_credentials_adapters::oss_operator;
use alibabacloud_emulator::account;
use cloud::{Outcome, cloud, environment, expect, let_it_be_renewed, sessions, succeeded};
use opendal::services::OssConfig;
use opendal::{ErrorKind, HttpTransporter, OperationContext};
use opendal_http_transport_reqwest::ReqwestTransport;

#[tokio::main]
async fn main() -> Outcome {
    let (emulator, clock) = cloud().await?;
    let chain = sessions(environment(&emulator, &clock).build());

    let mut config = OssConfig::default();
    config.bucket = account::BUCKET.to_owned();
    config.endpoint = Some(emulator.endpoint());
    config.addressing_style = Some("path".to_owned());
    // With OpenDAL's default features there is a transport for the whole process.
    let transport = HttpTransporter::new(ReqwestTransport::default());
    let operator = oss_operator(config, RequestSigner::oss4(account::BUCKET_REGION, &chain))?
        .with_context(OperationContext::new().with_http_transport(transport));

    operator.write("films/first light.txt", "by one session").await?;
    let before = chain.refresher().generation();
    let_it_be_renewed(&clock, chain.refresher()).await?;
    operator.write("films/second.txt", "by the next").await?;
    let names: Vec<String> = operator.list("films/").await?.iter().map(|entry| entry.path().to_owned()).collect();
    let first = operator.read("films/first light.txt").await?.to_vec();
    println!("{names:?}; the first says {:?}", String::from_utf8_lossy(&first));
    operator.delete("films/first light.txt").await?;
    let gone = operator.stat("films/first light.txt").await;
    expect(gone.is_err_and(|error| error.kind() == ErrorKind::NotFound), "the first is gone")?;

    let (after, sts) = (chain.refresher().generation(), succeeded(&emulator, "AssumeRole"));
    println!("the same operator by generations {before} and {after}, {sts} sessions of STS");
    expect(first == b"by one session" && names.len() == 2 && after > before && sts == 2, "two objects, two sessions")
}
