//! `serve`: a credentials URI, or the metadata service's face, on loopback for other programs.

mod answer;
mod audit;
mod listener;
mod metadata;

use std::future::Future;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use serde_json::json;

pub(crate) use self::answer::Face;
use self::audit::Audit;
use self::listener::Server;
use crate::export::Exported;
use crate::failure::Failure;
use crate::global::Global;
use crate::session::{self, Session, SessionArguments};
use crate::{child, exit, export, output, variables};

pub(crate) const EXAMPLES: &str = "\
Examples:
  alicred serve --role acs:ram::1234567890123456:role/media > uri &
  ALIBABA_CLOUD_CREDENTIALS_URI=$(cat uri) ./program-in-any-language
  alicred serve --metadata --listen 100.100.100.200:80    for programs that know instance metadata alone
It ends with the program that started it. Each answer is a line on standard error.";

/// The address of the metadata service on an instance; it can be given to the loopback interface.
const METADATA_ADDRESS: Ipv4Addr = Ipv4Addr::new(100, 100, 100, 200);
/// The pause between two looks whether the parent is still there.
const PARENT_INTERVAL: Duration = Duration::from_millis(500);

#[derive(Debug, Args)]
pub(crate) struct ServeArguments {
    /// Address to listen on: loopback, or 100.100.100.200; port 0 takes a free one.
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:0")]
    listen: SocketAddr,
    /// Answer like the instance metadata service, version 2, instead of at a secret URL: everyone on this machine can ask.
    #[arg(long)]
    metadata: bool,
    /// Print the URL even if standard output is a terminal. Whoever knows it gets the credentials.
    #[arg(long)]
    show_secrets: bool,
    #[command(flatten)]
    session: SessionArguments,
}

pub(crate) async fn serve(global: &Global, arguments: ServeArguments) -> Result<(), Failure> {
    if output::is_terminal() && !arguments.show_secrets && !arguments.metadata {
        let failure =
            Failure::usage("the URL gives the credentials to whoever knows it, so it is not printed on a terminal");
        return Err(failure.remedy("send it where it is needed (see --help), or add --show-secrets"));
    }
    // Before anything is printed: what is done on reading it is not missed.
    let end = child::end_signal()?;
    let orphaned = orphaned();
    let session = session::open(global, &arguments.session)?;
    let face = if arguments.metadata { Face::metadata(session.chain.region())? } else { Face::uri()? };
    let server = start(&session, arguments.listen, face, if global.json { Audit::Json } else { Audit::Text }).await?;
    let url = server.url();
    let line = match global.json {
        true => format!("{}\n", json!({ "url": url })),
        false => format!("{url}\n"),
    };
    output::print_raw(line.as_bytes())?;
    tokio::select! {
        () = end => {}
        () = orphaned => {}
        () = server.run() => {}
    }
    Ok(())
}

/// A server for a session that exists and can be handed on. It is renewed from now on, whether or not anyone asks.
async fn start(session: &Session, address: SocketAddr, face: Face, audit: Audit) -> Result<Server, Failure> {
    let credentials = session.refresher.credentials().await?;
    export::uri(&Exported::new(&credentials, None))?;
    session.refresher.keep_fresh(std::future::pending());
    check_address(address)?;
    Server::bind(address, Arc::new(answer::Service::new(face, session.refresher.clone(), audit))).await
}

fn check_address(address: SocketAddr) -> Result<(), Failure> {
    let ip = address.ip();
    if ip.is_loopback() || ip == IpAddr::V4(METADATA_ADDRESS) {
        return Ok(());
    }
    Err(Failure::new(exit::USAGE, format!("{ip} can be reached from other machines"))
        .remedy("listen on 127.0.0.1, [::1] or 100.100.100.200"))
}

/// A credentials URI for one command.
pub(crate) async fn for_command(session: &Session) -> Result<(Server, [(&'static str, String); 4]), Failure> {
    let server = start(session, (Ipv4Addr::LOCALHOST, 0).into(), Face::uri()?, Audit::Off).await?;
    // The chain asks files and the instance before a URI: the command is to have this session and no other.
    let on = || "true".to_owned();
    let variables = [
        (variables::CREDENTIALS_URI, server.url()),
        ("ALIBABA_CLOUD_IGNORE_PROFILE", on()),
        ("ALIBABA_CLOUD_CLI_PROFILE_DISABLED", on()),
        ("ALIBABA_CLOUD_ECS_METADATA_DISABLED", on()),
    ];
    Ok((server, variables))
}

/// Resolves when the process that is the parent now has ended: its children are given another one then.
#[cfg(unix)]
fn orphaned() -> impl Future<Output = ()> {
    let parent = rustix::process::getppid();
    async move {
        let mut interval = tokio::time::interval(PARENT_INTERVAL);
        while rustix::process::getppid() == parent {
            interval.tick().await;
        }
    }
}

/// There is no such thing as a new parent here.
#[cfg(not(unix))]
fn orphaned() -> impl Future<Output = ()> {
    std::future::pending()
}
