//! The chain in a service of one's own: `ALIBABA_CLOUD_…` variables, `~/.aliyun/config.json`, and never a stale session.

use alibabacloud_credentials::{DefaultCredentialChain, OpenApiClient};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), alibabacloud_credentials::Error> {
    let imm = OpenApiClient::imm("cn-hangzhou", DefaultCredentialChain::shared());
    let answer = imm.call("ListProjects", [("MaxResults", "10")]).await?;
    println!("{}", answer.body()["Projects"]);
    Ok(())
}
