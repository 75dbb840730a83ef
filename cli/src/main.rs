//! `alicred`: the credential chain for Alibaba Cloud on the command line. It has no rule of its own about credentials: the
//! library `alibabacloud-credentials` finds, renews and explains them.

mod arguments;
mod call;
mod chain;
mod child;
mod doctor;
mod emulator;
mod exec;
mod exit;
mod explain;
mod export;
mod failure;
mod global;
mod login;
mod manual;
mod output;
mod policy;
mod profiles;
mod prompt;
mod serve;
mod session;
mod session_clear;
mod time;
mod variables;
mod whoami;
mod world;

use std::io::Write as _;
use std::process::ExitCode;

use clap::{ColorChoice, CommandFactory as _, FromArgMatches as _};

use crate::arguments::{Arguments, Command};
use crate::failure::Failure;

fn main() -> ExitCode {
    let arguments = match parse() {
        Ok(arguments) => arguments,
        Err(code) => return code,
    };
    let json = arguments.global.json;
    match run(arguments) {
        Ok(code) => ExitCode::from(code),
        Err(failure) => {
            // Nothing is left to do about a standard error that is closed.
            let _ = anstream::stderr().write_all(failure.text(json).as_bytes());
            ExitCode::from(failure.code())
        }
    }
}

/// Reads the command line. Help and version are printed here, and what is wrong with it too.
fn parse() -> Result<Arguments, ExitCode> {
    let words: Vec<_> = std::env::args_os().collect();
    let mut command = Arguments::command();
    // clap prints its own errors before the flags are known. What follows `--` is another program's.
    if words.iter().take_while(|word| *word != "--").any(|word| word == "--no-color") {
        anstream::ColorChoice::Never.write_global();
        command = command.color(ColorChoice::Never);
    }
    let parsed = command.try_get_matches_from(words).and_then(|matches| Arguments::from_arg_matches(&matches));
    parsed.map_err(|error| {
        let _ = error.print();
        ExitCode::from(if error.use_stderr() { exit::USAGE } else { 0 })
    })
}

/// Carries out the command; the exit code is that of a command it ran, or 0.
fn run(arguments: Arguments) -> Result<u8, Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| Failure::new(exit::SOFTWARE, format!("no runtime: {error}")))?;
    let global = &arguments.global;
    runtime.block_on(async {
        match arguments.command {
            Command::Explain => explain::explain(global).await?,
            Command::Which => explain::which(global).await?,
            Command::Whoami => whoami::whoami(global).await?,
            Command::Login(arguments) => login::login(global, arguments).await?,
            Command::Profiles(arguments) => profiles::profiles(global, arguments).await?,
            Command::Session(arguments) => session_clear::session(global, arguments).await?,
            Command::Export(arguments) => export::export(global, arguments).await?,
            Command::Exec(arguments) => return exec::exec(global, arguments).await,
            Command::Call(arguments) => call::call(global, arguments).await?,
            Command::Serve(arguments) => serve::serve(global, arguments).await?,
            Command::Doctor(arguments) => return doctor::doctor(global, &arguments).await,
            Command::Completions(arguments) => manual::completions(&arguments)?,
            Command::Man(arguments) => manual::man(&arguments)?,
            Command::Emulator(arguments) => return emulator::emulator(global, arguments).await,
        }
        Ok(0)
    })
}
