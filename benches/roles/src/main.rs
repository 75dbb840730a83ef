//! The cost of ten thousand roles: a `RolePool` against the emulator in a process of its own, which refuses what is above its
//! rate as STS does. Prints a row of a table for each run, and draws them into an SVG:
//!
//! ```text
//! cargo run --release -- cold callers denied short impossible outage --svg ../../docs/roles.svg
//! ```

#![allow(clippy::expect_used, clippy::disallowed_methods)] // it measures the real world

mod emulator;
mod machine;
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
            lexopt::Arg::Value(name) => match RUNS.iter().find(|run| name == run.name) {
                Some(run) => runs.push(run.clone()),
                None => {
                    eprintln!("runs: {}", RUNS.map(|run| run.name).join(" "));
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
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let mut outcomes = Vec::new();
    println!("{}", runs::HEADER);
    for mut run in runs {
        run.roles = roles.unwrap_or(run.roles);
        let outcome = runtime.block_on(runs::run(run));
        println!("{}", outcome.row());
        outcomes.push(outcome);
    }
    outcomes.iter().filter_map(|outcome| outcome.hit()).for_each(|hit| println!("\n{hit}"));
    if let Some(path) = svg {
        std::fs::write(path, svg::draw(&outcomes)).expect("the drawing is written");
    }
    ExitCode::SUCCESS
}
