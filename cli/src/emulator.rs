//! `emulator`: an emulated cloud on this machine, and a command that uses it.

use std::ffi::OsString;
use std::net::SocketAddr;

use alibabacloud_emulator::{Emulator, Options, account};
use clap::Args;
use serde_json::{Map, Value, json};

use crate::exec::{command, remove_credentials};
use crate::failure::Failure;
use crate::global::Global;
use crate::{child, exit, output, variables};

pub(crate) const EXAMPLES: &str = "\
Examples:
  alicred emulator --exec alicred call imm CreateProject ProjectName=testproject
  alicred emulator --session-seconds 5 --exec ./my-tests.sh
  alicred emulator                     runs until Ctrl-C and prints the variables to set
The emulator plays STS, IMM, OSS and instance metadata on loopback, with a fixed account: no account of yours is needed.";

#[derive(Debug, Args)]
pub(crate) struct EmulatorArguments {
    /// Address to listen on; port 0 takes a free one.
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:0")]
    http: SocketAddr,
    #[command(flatten)]
    options: Options,
    /// Run a command that uses the emulator, and end with its exit code. Takes all that follows.
    #[arg(long, value_name = "COMMAND", num_args = 1.., allow_hyphen_values = true)]
    exec: Vec<OsString>,
}

pub(crate) async fn emulator(global: &Global, arguments: EmulatorArguments) -> Result<u8, Failure> {
    let emulator = start(&arguments).await?;
    let environment = environment(&emulator);
    if arguments.exec.is_empty() {
        // Installed before anything is printed, so that a signal sent on reading it is not missed.
        let end = child::end_signal()?;
        announce(global, &emulator, &environment)?;
        end.await;
        return Ok(0);
    }
    let mut command = command(&arguments.exec)?;
    remove_credentials(&mut command);
    command.envs(environment);
    child::run(command).await
}

async fn start(arguments: &EmulatorArguments) -> Result<Emulator, Failure> {
    let address = arguments.http;
    let emulator = arguments.options.builder().http(address).start().await;
    let emulator =
        emulator.map_err(|error| Failure::new(exit::UNAVAILABLE, format!("cannot listen on {address}: {error}")))?;
    if let Some(file) = arguments.options.faults() {
        let faults = std::fs::read_to_string(file).map_err(|error| Failure::unreadable(file, &error))?;
        let added = emulator.add_faults(&faults);
        added.map_err(|error| Failure::new(exit::DATA, format!("{}: {error}", file.display())))?;
    }
    Ok(emulator)
}

/// The variables by which the SDKs, the aliyun CLI and this program find the emulator. Its keys are published.
fn environment(emulator: &Emulator) -> [(&'static str, String); 5] {
    [
        (variables::ID, account::RAM_USER.id.to_owned()),
        (variables::SECRET, account::RAM_USER.secret.to_owned()),
        (variables::REGION, "cn-hangzhou".to_owned()),
        ("ALIBABA_CLOUD_STS_ENDPOINT", emulator.endpoint()),
        ("ALIBABA_CLOUD_ENDPOINT", emulator.endpoint()),
    ]
}

fn announce(global: &Global, emulator: &Emulator, environment: &[(&'static str, String)]) -> Result<(), Failure> {
    if global.json {
        let variables: Map<String, Value> =
            environment.iter().map(|(name, value)| ((*name).to_owned(), json!(value))).collect();
        let line = json!({ "http": emulator.http_addr().to_string(), "environment": variables });
        return output::print_raw(format!("{line}\n").as_bytes());
    }
    let mut text = format!("# STS, IMM, OSS and instance metadata at {}, until Ctrl-C\n", emulator.endpoint());
    environment.iter().for_each(|(name, value)| text.push_str(&format!("export {name}='{value}'\n")));
    output::print(&text)
}
