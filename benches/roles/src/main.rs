//! The cost of ten thousand roles: a `RolePool` against the emulator in a process of its own, which refuses what is above its
//! rate as STS does. Prints a row of a table for each run, and draws them into an SVG:
//!
//! ```text
//! cargo run --release -- cold callers denied short impossible outage --svg ../../docs/roles.svg
//! cargo run --release -- outage-long
//! cargo run --release -- files    # 64 processes that share a FileStore, and a killed one
//! cargo run --release -- redis    # three processes that share a RedisStore, whose server is killed on the way
//! ```

#![allow(clippy::expect_used, clippy::disallowed_methods)] // it measures the real world

mod emulator;
mod files;
mod machine;
mod replicas;
mod runs;
mod svg;

use std::alloc::System;
use std::process::ExitCode;

use cap::Cap;

use crate::runs::RUNS;

#[global_allocator]
static HEAP: Cap<System> = Cap::new(System, usize::MAX);

fn main() -> ExitCode {
    let (mut runs, mut svg, mut roles) = (Vec::new(), None, None);
    let mut arguments = lexopt::Parser::from_env();
    while let Some(argument) = arguments.next().expect("arguments") {
        match argument {
            lexopt::Arg::Value(name) if name == "emulator" => {
                emulator::serve(&mut arguments);
                return ExitCode::SUCCESS;
            }
            lexopt::Arg::Value(name) if name == "worker" => {
                files::work(&mut arguments);
                return ExitCode::SUCCESS;
            }
            lexopt::Arg::Value(name) if name == "replica" => {
                replicas::work(&mut arguments);
                return ExitCode::SUCCESS;
            }
            lexopt::Arg::Value(name) if name == "files" => {
                files::run();
                return ExitCode::SUCCESS;
            }
            lexopt::Arg::Value(name) if name == "redis" => {
                replicas::run(roles.unwrap_or(10_000));
                return ExitCode::SUCCESS;
            }
            lexopt::Arg::Value(name) => match RUNS.iter().find(|run| name == run.name) {
                Some(run) => runs.push(run.clone()),
                None => {
                    eprintln!("runs: {} files redis", RUNS.map(|run| run.name).join(" "));
                    return ExitCode::FAILURE;
                }
            },
            lexopt::Arg::Long("svg") => svg = Some(arguments.value().expect("a path")),
            lexopt::Arg::Long("roles") => {
                let value = arguments.value().expect("a number").into_string().expect("a number");
                roles = Some(value.parse().expect("a number"));
            }
            other => panic!("{other:?}"),
        }
    }
    tracing_subscriber::fmt().with_max_level(tracing_subscriber::filter::LevelFilter::WARN).with_writer(Said).init();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let mut outcomes = Vec::new();
    println!("{}", runs::HEADER);
    for mut run in runs {
        run.roles = roles.unwrap_or(run.roles);
        let outcome = runtime.block_on(runs::run(run));
        println!("{}", outcome.row());
        outcomes.push(outcome);
    }
    for outcome in &outcomes {
        outcome.notes().iter().for_each(|note| println!("\n{}: {note}", outcome.run.what));
    }
    if let Some(path) = svg {
        std::fs::write(path, svg::draw(&outcomes)).expect("the drawing is written");
    }
    ExitCode::SUCCESS
}

/// Shows of all warnings the one about the quota. Failures of single roles are counted in the table.
struct Said;

impl tracing_subscriber::fmt::MakeWriter<'_> for Said {
    type Writer = Said;

    fn make_writer(&self) -> Said {
        Said
    }
}

impl std::io::Write for Said {
    fn write(&mut self, line: &[u8]) -> std::io::Result<usize> {
        let text = String::from_utf8_lossy(line);
        if text.contains("calls to STS a second") {
            eprint!("{text}");
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}
