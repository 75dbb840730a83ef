//! The command line, as clap reads it.

use clap::{Parser, Subcommand};

use crate::call::{self, CallArguments};
use crate::doctor::{self, DoctorArguments};
use crate::emulator::{self, EmulatorArguments};
use crate::exec::{self, ExecArguments};
use crate::export::{self, ExportArguments};
use crate::global::Global;
use crate::login::{self, LoginArguments};
use crate::manual::{self, CompletionsArguments, ManArguments};
use crate::profiles::{self, ProfilesArguments};
use crate::serve::{self, ServeArguments};
use crate::session_clear::{self, SessionClearArguments};
use crate::{explain, whoami};

/// Alibaba Cloud credentials for shells, scripts and other languages: which ones are found, why, and whose they are.
///
/// A community project, not affiliated with Alibaba Cloud.
#[derive(Debug, Parser)]
#[command(name = "alicred", version, max_term_width = 100, arg_required_else_help = true)]
#[command(
    after_help = "Exit codes are those of sysexits.h: 64 wrong arguments, 69 unreachable, 75 try again later, 77 refused, \
                        78 no credentials. README.md has them all."
)]
pub(crate) struct Arguments {
    #[command(flatten)]
    pub(crate) global: Global,
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Show which source gives the credentials, and what every other source says.
    #[command(after_help = explain::EXPLAIN_EXAMPLES)]
    Explain,
    /// Print one line: the provider in use, its key and its source.
    #[command(after_help = explain::WHICH_EXAMPLES)]
    Which,
    /// Ask STS whose credentials these are; show what remains of them, the STS host, the clock error and the latency.
    #[command(after_help = whoami::EXAMPLES)]
    Whoami,
    /// Log in by a browser (OAuth or CloudSSO), into a profile.
    #[command(after_help = login::EXAMPLES)]
    Login(LoginArguments),
    /// List the profiles of ~/.aliyun/config.json; show, add, or choose one.
    #[command(after_help = profiles::EXAMPLES)]
    Profiles(ProfilesArguments),
    /// Forget the sessions that this machine keeps.
    #[command(after_help = session_clear::EXAMPLES)]
    Session(SessionClearArguments),
    /// Write the credentials as commands for a shell, as a file or as JSON.
    #[command(after_help = export::EXAMPLES)]
    Export(ExportArguments),
    /// Run a command with the credentials in its environment.
    #[command(after_help = exec::EXAMPLES)]
    Exec(ExecArguments),
    /// Call any operation of any RPC product, signed with the credentials.
    #[command(after_help = call::EXAMPLES)]
    Call(CallArguments),
    /// Serve the credentials to other programs on this machine, renewed for as long as they run.
    #[command(after_help = serve::EXAMPLES)]
    Serve(ServeArguments),
    /// Run an emulated cloud on this machine: everything can be tried without an account.
    #[command(after_help = emulator::EXAMPLES)]
    Emulator(EmulatorArguments),
    /// Look at all that credentials depend on here; say what mends each fault.
    #[command(after_help = doctor::EXAMPLES)]
    Doctor(DoctorArguments),
    /// Write the completions of a shell.
    #[command(after_help = manual::COMPLETIONS_EXAMPLES)]
    Completions(CompletionsArguments),
    /// Write the manual page.
    #[command(after_help = manual::MAN_EXAMPLES)]
    Man(ManArguments),
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    const README: &str = include_str!("../README.md");

    #[test]
    fn the_definition_is_sound() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn every_command_has_help_with_examples() {
        for command in Arguments::command().get_subcommands() {
            let help = command.get_after_help().map(ToString::to_string).unwrap_or_default();
            let name = command.get_name();
            assert!(README.contains(&format!("| `alicred {name}")), "{name} is in the README");
            assert!(help.contains("Examples:") && help.contains("alicred "), "{name}");
        }
    }
}
