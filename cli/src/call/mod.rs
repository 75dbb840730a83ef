//! `call`: any operation of any RPC product, signed.

mod dry_run;
mod operations;
mod parameters;
mod product;

use std::path::PathBuf;

use alibabacloud_credentials::{ApiResponse, OpenApiClient};
use clap::Args;
use serde::Serialize as _;
use serde_json::ser::{PrettyFormatter, Serializer};

use self::parameters::Parameters;
use self::product::Product;
use crate::failure::Failure;
use crate::global::Global;
use crate::{chain, exit, output};

pub(crate) const EXAMPLES: &str = "\
Examples:
  alicred call imm CreateProject ProjectName=testproject --region cn-hangzhou
  alicred call imm ListProjects MaxResults=100 --all | jq -c '.Projects[]'
  alicred call imm CreateBatch --body-file batch.json --dry-run
  alicred call sts AssumeRole RoleArn=ARN RoleSessionName=me Policy=@policy.json
  alicred call ecs DescribeRegions --api-version 2014-05-26 --region cn-hangzhou
A value that begins with @ names a file (@- is standard input); @@ stands for an @ that is meant.";

#[derive(Debug, Args)]
pub(crate) struct CallArguments {
    /// Product: imm, sts, or any other with --api-version.
    product: String,
    /// Operation, as CreateProject.
    action: String,
    /// Parameters. @FILE takes the value from a file, @- from standard input.
    #[arg(value_name = "KEY=VALUE")]
    parameters: Vec<String>,
    /// JSON object with further parameters; - is standard input.
    #[arg(long, value_name = "FILE", conflicts_with = "all")]
    body_file: Option<PathBuf>,
    /// API version of a product that is not imm or sts, as 2014-05-26.
    #[arg(long, value_name = "DATE")]
    api_version: Option<String>,
    /// Host of the product; by default ALIBABA_CLOUD_ENDPOINT, else PRODUCT.REGION.aliyuncs.com.
    #[arg(long, value_name = "HOST")]
    endpoint: Option<String>,
    /// Follow NextToken to the last page; print the body of each page as one line of JSON.
    #[arg(long)]
    all: bool,
    /// Print the signed request with its secrets masked, and send nothing to the product.
    #[arg(long, conflicts_with = "all")]
    dry_run: bool,
    /// Send operations and parameters that alicred does not know, too.
    #[arg(long)]
    unchecked: bool,
}

pub(crate) async fn call(global: &Global, arguments: CallArguments) -> Result<(), Failure> {
    let product = Product::new(&arguments.product, arguments.api_version.as_deref())?;
    let parameters = Parameters::read(&arguments.parameters, arguments.body_file.as_deref())?;
    if !arguments.unchecked {
        operations::check(&product, &arguments.action, parameters.names())?;
    }
    let chain = chain::build(global);
    // The source of the credentials may name the region.
    let credentials = chain.credentials().await?;
    let endpoint = product.endpoint(&chain, arguments.endpoint.as_deref())?;
    if arguments.dry_run {
        let request = dry_run::request(&endpoint, &product, credentials, &arguments.action, &parameters).await?;
        return if global.json { output::print_json(&request) } else { output::print(&request.text()) };
    }
    let client = OpenApiClient::builder(&endpoint, product.version(), &chain)
        .user_agent(concat!("alicred/", env!("CARGO_PKG_VERSION")))
        .build();
    if arguments.all {
        let mut pages = client.pages(&arguments.action, parameters.pairs());
        while let Some(page) = pages.next().await {
            output::print_raw(format!("{}\n", page?.body()).as_bytes())?;
        }
        return Ok(());
    }
    let response = parameters.call(&client, &arguments.action).await?;
    output::print_raw(&written(&response, global.json)?)
}

/// In the form of the IMM guide's sample; on one line where a program reads it.
fn written(response: &ApiResponse, compact: bool) -> Result<Vec<u8>, Failure> {
    let mut text = Vec::new();
    let written = match compact {
        true => response.serialize(&mut Serializer::new(&mut text)),
        false => response.serialize(&mut Serializer::with_formatter(&mut text, PrettyFormatter::with_indent(b"    "))),
    };
    written.map_err(|_| Failure::new(exit::SOFTWARE, "the response cannot be written as JSON"))?;
    text.push(b'\n');
    Ok(text)
}
