//! The emulator as a program: `serve` runs it until it is interrupted, `account` prints the fixed account.

use std::io::{self, Write};
use std::net::SocketAddr;

use alibabacloud_emulator::{Emulator, account};
use clap::{Parser, Subcommand};

/// A strict offline stand-in for Alibaba Cloud's STS and Intelligent Media Management, for tests.
#[derive(Debug, Parser)]
#[command(version)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Serve until interrupted. Prints one line of JSON with the bound address when ready.
    Serve {
        /// The address to listen on; port 0 takes a free one.
        #[arg(long, value_name = "ADDR")]
        http: SocketAddr,
        /// Cap what AssumeRole grants, whatever valid duration was asked for.
        #[arg(long, value_name = "SECONDS")]
        session_seconds: Option<u32>,
        /// Set the emulator's clock ahead of the machine's; behind it, if negative.
        #[arg(long, value_name = "SECONDS", default_value_t = 0, allow_negative_numbers = true)]
        clock_offset: i64,
    },
    /// Print the fixed account as JSON: key ids, secrets, roles.
    Account,
}

#[tokio::main]
async fn main() -> io::Result<()> {
    match Arguments::parse().command {
        Command::Serve { http, session_seconds, clock_offset } => {
            let mut builder = Emulator::builder().http(http).clock_offset(clock_offset);
            if let Some(seconds) = session_seconds {
                builder = builder.session_seconds(seconds);
            }
            // Asked for before the line is printed, so that a signal sent on reading it is not missed.
            let interrupted = Interrupted::listen()?;
            let emulator = builder.start().await?;
            print_line(&format!(r#"{{"http":"{}"}}"#, emulator.http_addr()))?;
            interrupted.wait().await
        }
        Command::Account => print_line(&account::to_json()),
    }
}

fn print_line(line: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    writeln!(out, "{line}")?;
    out.flush()
}

/// SIGINT or SIGTERM, or Ctrl-C where there are no signals.
struct Interrupted {
    #[cfg(unix)]
    signals: [tokio::signal::unix::Signal; 2],
}

impl Interrupted {
    #[cfg(unix)]
    fn listen() -> io::Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        Ok(Self { signals: [signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?] })
    }

    #[cfg(unix)]
    async fn wait(mut self) -> io::Result<()> {
        let [interrupt, terminate] = &mut self.signals;
        tokio::select! {
            _ = interrupt.recv() => Ok(()),
            _ = terminate.recv() => Ok(()),
        }
    }

    #[cfg(not(unix))]
    fn listen() -> io::Result<Self> {
        Ok(Self {})
    }

    #[cfg(not(unix))]
    async fn wait(self) -> io::Result<()> {
        tokio::signal::ctrl_c().await
    }
}
