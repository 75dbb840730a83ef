//! `exec`: runs a command with the session in its environment.

mod dry_run;

use std::ffi::OsString;
use std::path::Path;
use std::process::Command;

use clap::Args;

use crate::export::Exported;
use crate::failure::Failure;
use crate::global::Global;
use crate::session::{self, SessionArguments};
use crate::{child, exit, serve, variables, world};

pub(crate) const EXAMPLES: &str = "\
Examples:
  alicred exec -- aliyun imm ListProjects
  alicred exec --role acs:ram::1234567890123456:role/media --duration 15m -- ./deploy.sh
  alicred exec --role ARN --policy read-only.json -- sh     a shell with less power
  alicred exec --role ARN --policy oss-read:bucket/in/ --dry-run -- sh
  alicred exec --serve --role ARN -- ./runs-for-days        the session is renewed behind a credentials URI
Presets for --policy; --dry-run shows them:
  imm-project:PROJECT         all operations on one project of Intelligent Media Management
  oss-read:BUCKET[/PREFIX]    list and read the objects of a bucket whose names start with PREFIX
The command's exit code is that of alicred; 126 and 127 say that it cannot be run or does not exist.";

#[derive(Debug, Args)]
pub(crate) struct ExecArguments {
    #[command(flatten)]
    session: SessionArguments,
    /// Give the command ALIBABA_CLOUD_CREDENTIALS_URI, whose session is renewed for as long as the command runs.
    #[arg(long)]
    serve: bool,
    /// Show the roles, the policy and the command; ask nothing and run nothing.
    #[arg(long)]
    dry_run: bool,
    /// Command and its arguments.
    #[arg(last = true, required = true, value_name = "COMMAND")]
    command: Vec<OsString>,
}

/// Becomes the command, where the system can do that; otherwise returns its exit code.
pub(crate) async fn exec(global: &Global, arguments: ExecArguments) -> Result<u8, Failure> {
    if arguments.dry_run {
        dry_run::print(global, &arguments)?;
        return Ok(0);
    }
    let session = session::open(global, &arguments.session)?;
    let mut command = command(&arguments.command)?;
    remove_credentials(&mut command);
    if arguments.serve {
        let (server, variables) = serve::for_command(&session).await?;
        command.envs(variables);
        if let Some(region) = session.chain.region() {
            command.env(variables::REGION, region);
        }
        return tokio::select! {
            ended = child::run(command) => ended,
            () = server.run() => Err(Failure::silent(exit::SOFTWARE)),
        };
    }
    let credentials = session.refresher.credentials().await?;
    let exported = Exported::new(&credentials, session.chain.region());
    command.envs(exported.variables());
    if let Some(region) = &exported.region {
        command.env(variables::REGION, region);
    }
    run(command)
}

/// The command of the arguments. `alicred` is this very program, wherever it was installed.
pub(crate) fn command(words: &[OsString]) -> Result<Command, Failure> {
    let Some((program, arguments)) = words.split_first() else {
        return Err(Failure::usage("there is no command to run"));
    };
    let own = (program == "alicred").then(|| std::env::current_exe().ok()).flatten();
    let mut command = Command::new(own.as_deref().unwrap_or(Path::new(program)));
    command.args(arguments);
    Ok(command)
}

/// Keeps all variables from the command that hold credentials or choose them.
pub(crate) fn remove_credentials(command: &mut Command) {
    for name in world::variable_names() {
        if name.to_str().is_some_and(variables::is_about_credentials) {
            command.env_remove(name);
        }
    }
}

/// Nothing is left to do for this program, so the command takes its place: signals, terminal and exit code are its own.
#[cfg(unix)]
fn run(mut command: Command) -> Result<u8, Failure> {
    use std::os::unix::process::CommandExt as _;
    let error = command.exec();
    Err(child::not_started(&command, &error))
}

#[cfg(not(unix))]
fn run(mut command: Command) -> Result<u8, Failure> {
    let status = command.status().map_err(|error| child::not_started(&command, &error))?;
    Ok(status.code().and_then(|code| u8::try_from(code).ok()).unwrap_or(1))
}
