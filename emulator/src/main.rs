//! The emulator's program. `serve` runs the emulator until it is interrupted, `account` prints the fixed account, and
//! `token` creates an OIDC token of the account's provider.

use std::ffi::OsString;
use std::io::{self, Write};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;
use std::{fs, process};

use alibabacloud_emulator::Options;
use alibabacloud_emulator::account::{self, TokenOptions, oidc_token};
use clap::{Args, Parser, Subcommand};

/// A strict offline stand-in for Alibaba Cloud's STS and Intelligent Media Management, for tests.
#[derive(Debug, Parser)]
#[command(version)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Serve until interrupted. Prints one line of JSON with the bound addresses when ready.
    Serve(Serve),
    /// Print the fixed account as JSON: key ids, secrets, roles, OIDC provider.
    Account,
    /// Create an OIDC token of the account's provider, as a pod finds it in its token file.
    Token(Token),
}

#[derive(Debug, Args)]
struct Serve {
    /// Address to listen on; port 0 takes a free one.
    #[arg(long, value_name = "ADDR")]
    http: SocketAddr,
    /// Second address to listen on, with TLS.
    #[cfg(feature = "tls")]
    #[arg(long, value_name = "ADDR", requires = "cert", requires = "key")]
    https: Option<SocketAddr>,
    /// Certificate chain for --https in PEM, the server's certificate first.
    #[cfg(feature = "tls")]
    #[arg(long, value_name = "FILE", requires = "https")]
    cert: Option<PathBuf>,
    /// Private key for --https in PEM.
    #[cfg(feature = "tls")]
    #[arg(long, value_name = "FILE", requires = "https")]
    key: Option<PathBuf>,
    #[command(flatten)]
    options: Options,
}

#[derive(Debug, Args)]
struct Token {
    /// Subject; by default the service account that imm-role trusts.
    #[arg(long, value_name = "S")]
    sub: Option<String>,
    /// Audience.
    #[arg(long, value_name = "A", default_value = account::OIDC_AUDIENCE)]
    aud: String,
    /// Lifetime from now; 0 makes a token that has already expired.
    #[arg(long, value_name = "SECONDS", default_value_t = 3_600)]
    ttl: u64,
    /// Write the token to this file in one step instead of standard output.
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

#[tokio::main]
async fn main() -> io::Result<()> {
    match Arguments::parse().command {
        Command::Serve(options) => serve(options).await,
        Command::Account => print_line(&account::to_json()),
        Command::Token(options) => token(options),
    }
}

async fn serve(serve: Serve) -> io::Result<()> {
    #[cfg_attr(not(feature = "tls"), allow(unused_mut))]
    let mut builder = serve.options.builder().http(serve.http);
    #[cfg(feature = "tls")]
    if let (Some(address), Some(cert), Some(key)) = (serve.https, &serve.cert, &serve.key) {
        builder = builder.https(address, read(cert)?, read(key)?);
    }
    let faults = serve.options.faults().map(read).transpose()?;
    // Installed before the line is printed, so that a signal sent on reading it is not missed.
    let shutdown = ShutdownSignal::listen()?;
    let emulator = builder.start().await?;
    if let Some(faults) = faults {
        emulator.add_faults(&String::from_utf8_lossy(&faults))?;
    }
    let https = emulator.https_addr().map_or_else(|| "null".to_owned(), |address| format!("\"{address}\""));
    print_line(&format!(r#"{{"http":"{}","https":{https}}}"#, emulator.http_addr()))?;
    shutdown.wait().await
}

fn token(options: Token) -> io::Result<()> {
    let mut token_options = TokenOptions::default().audience(options.aud).ttl(Duration::from_secs(options.ttl));
    if let Some(subject) = options.sub {
        token_options = token_options.subject(subject);
    }
    let token = oidc_token(&token_options)?;
    match options.out {
        Some(path) => write_atomically(&path, &token),
        None => print_line(&token),
    }
}

/// Replaces a file in one step, as kubelet does: a reader finds the old token or the new one, never a part.
fn write_atomically(path: &Path, content: &str) -> io::Result<()> {
    let mut name = path.file_name().map_or_else(OsString::new, OsString::from);
    name.push(format!(".{}.tmp", process::id()));
    let temporary = path.with_file_name(name);
    fs::write(&temporary, content).and_then(|()| fs::rename(&temporary, path)).inspect_err(|_| {
        let _ = fs::remove_file(&temporary);
    })
}

fn read(path: &Path) -> io::Result<Vec<u8>> {
    fs::read(path).map_err(|error| io::Error::new(error.kind(), format!("{}: {error}", path.display())))
}

fn print_line(line: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    writeln!(out, "{line}")?;
    out.flush()
}

/// SIGINT or SIGTERM, or Ctrl-C where there are no signals.
struct ShutdownSignal {
    #[cfg(unix)]
    signals: [tokio::signal::unix::Signal; 2],
}

impl ShutdownSignal {
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
