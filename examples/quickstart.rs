//! The main job, end to end: find a key, exchange it for an STS session, call Intelligent Media Management with it, and
//! keep the session fresh while sessions expire.
//!
//! `cargo run --example quickstart` needs nothing: it starts the emulator inside the process. With `--real [--region
//! cn-hangzhou]` the same runs against the cloud, with whatever credentials the default chain finds here; the project
//! that it creates gets a random name and is deleted at the end.

// A program has the real clock and the real environment.
#![allow(clippy::disallowed_methods)]

use std::future::Future;
use std::io::{self, Write};
use std::process::ExitCode;
use std::time::Duration;

use alibabacloud_credentials::{AssumeRole, Context, DefaultCredentialChain, Error, OpenApiClient};
use alibabacloud_emulator::{Emulator, account};
use lexopt::ValueExt as _;
use serde::Serialize;
use serde_json::ser::{PrettyFormatter, Serializer};

/// The cloud's shortest session is 15 minutes; here they last seconds, so that several fit into a short run.
const SESSION_SECONDS: u32 = 4;
const SESSIONS: u64 = 4;
const PAUSE: Duration = Duration::from_millis(100);

type Failure = Box<dyn std::error::Error>;

fn main() -> ExitCode {
    let outcome = arguments().and_then(|real| {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        runtime.block_on(async {
            let (out, err) = (&mut io::stdout(), &mut io::stderr());
            match real {
                Some(region) => against_the_cloud(&region, out, err).await,
                None => {
                    let emulator = Emulator::builder().session_seconds(SESSION_SECONDS).start().await?;
                    against_the_emulator(&emulator, Context::builder(), || tokio::time::sleep(PAUSE), out, err).await
                }
            }
        })
    });
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("quickstart: {error}");
            ExitCode::FAILURE
        }
    }
}

/// The region to really run in, if that was asked for.
fn arguments() -> Result<Option<String>, Failure> {
    let (mut real, mut region) = (false, None);
    let mut arguments = lexopt::Parser::from_env();
    while let Some(argument) = arguments.next()? {
        match argument {
            lexopt::Arg::Long("real") => real = true,
            lexopt::Arg::Long("region") => region = Some(arguments.value()?.string()?),
            other => {
                return Err(format!("{}; usage: quickstart [--real [--region cn-hangzhou]]", other.unexpected()).into());
            }
        }
    }
    if region.is_some() && !real {
        return Err("--region goes with --real".into());
    }
    Ok(real.then(|| region.unwrap_or_else(|| "cn-hangzhou".to_owned())))
}

/// Plays the tutorial against an emulator, through several sessions. `pause` lets time pass between two calls.
pub(crate) async fn against_the_emulator<P: Future<Output = ()>>(
    emulator: &Emulator,
    world: alibabacloud_credentials::ContextBuilder,
    pause: impl Fn() -> P,
    out: &mut dyn Write,
    err: &mut dyn Write,
) -> Result<(), Failure> {
    writeln!(err, "Nothing here leaves this machine: an emulator plays STS and IMM at {}.", emulator.endpoint())?;
    // An environment of its own, so that a user's variables and files don't reach it.
    let context = world
        .env([
            ("ALIBABA_CLOUD_ACCESS_KEY_ID", account::RAM_USER.id.to_owned()),
            ("ALIBABA_CLOUD_ACCESS_KEY_SECRET", account::RAM_USER.secret.to_owned()),
            ("ALIBABA_CLOUD_STS_ENDPOINT", emulator.endpoint()),
        ])
        .build();
    let role = AssumeRole::new("acs:ram::1234567890123456:role/imm-role").session_name("quickstart");
    let chain = DefaultCredentialChain::builder().context(context).assume_role(role).build();
    let imm = OpenApiClient::new(emulator.endpoint(), "2020-09-30", &chain);

    session(&chain, err).await?;
    create_project(&imm, "testproject", out, err).await?;

    writeln!(err, "Calling on while sessions of {SESSION_SECONDS} s expire and are renewed …")?;
    while emulator.summary().sessions_used < SESSIONS {
        imm.call("GetProject", [("ProjectName", "testproject")]).await?;
        pause().await;
    }
    let seen = emulator.summary();
    writeln!(
        err,
        "The emulator's log: {} IMM calls, {} sessions, {} rejected.",
        seen.imm.calls, seen.sessions_used, seen.rejected
    )?;
    Ok(())
}

async fn against_the_cloud(region: &str, out: &mut dyn Write, err: &mut dyn Write) -> Result<(), Failure> {
    let chain = DefaultCredentialChain::builder().region(region).build();
    let imm = OpenApiClient::imm(region, &chain);
    session(&chain, err).await?;
    let mut suffix = [0_u8; 6];
    getrandom::fill(&mut suffix)?;
    let name = suffix.iter().fold("quickstart-".to_owned(), |name, byte| format!("{name}{byte:02x}"));
    create_project(&imm, &name, out, err).await?;

    let mut calls = 0;
    let stream = async {
        while calls < 20 {
            imm.call("GetProject", [("ProjectName", name.as_str())]).await?;
            calls += 1;
            tokio::time::sleep(PAUSE).await;
        }
        Ok::<_, Error>(())
    };
    let streamed = stream.await;
    imm.call("DeleteProject", [("ProjectName", name.as_str())]).await?;
    streamed?;
    writeln!(err, "{calls} calls answered; project {name} is deleted.")?;
    if let Some(end) = chain.credentials().await?.expiration() {
        let left = end.duration_since(std::time::SystemTime::now()).unwrap_or_default();
        writeln!(err, "The session ends in {} minutes; a service would not notice.", left.as_secs() / 60)?;
    }
    Ok(())
}

async fn session(chain: &DefaultCredentialChain, err: &mut dyn Write) -> Result<(), Failure> {
    let credentials = chain.credentials().await?;
    let identity = chain.caller_identity().await?;
    writeln!(err, "Credentials from {}: {}", credentials.provider_name(), identity.arn)?;
    Ok(())
}

async fn create_project(
    imm: &OpenApiClient,
    name: &str,
    out: &mut dyn Write,
    err: &mut dyn Write,
) -> Result<(), Failure> {
    writeln!(err, "CreateProject {name}:")?;
    let answer = imm.call("CreateProject", [("ProjectName", name)]).await?;
    answer.serialize(&mut Serializer::with_formatter(&mut *out, PrettyFormatter::with_indent(b"    ")))?;
    writeln!(out)?;
    Ok(())
}
