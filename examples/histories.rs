//! Random histories of a refresher, as many as are asked for: `cargo run --release --example histories -- 100000`, or one
//! with all that happens in it: `-- --seed 7`. See `tests/histories`.

#![allow(clippy::unwrap_used, clippy::expect_used)]

#[path = "../tests/histories/mod.rs"]
mod histories;

use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use histories::{Figures, History};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    use lexopt::prelude::*;
    let (mut many, mut first, mut one) = (10_000, 0, None);
    let mut arguments = lexopt::Parser::from_env();
    while let Some(argument) = arguments.next()? {
        match argument {
            Long("seed") => one = Some(arguments.value()?.parse()?),
            Long("from") => first = arguments.value()?.parse()?,
            Value(value) => many = value.parse()?,
            other => return Err(other.unexpected().into()),
        }
    }
    if let Some(seed) = one {
        match History::run(seed, true) {
            Ok(figures) => println!("{figures:?}"),
            Err(problem) => println!("{problem}"),
        }
        return Ok(());
    }
    let (next, sum, problems) = (AtomicU64::new(first), Mutex::new(Figures::default()), Mutex::new(Vec::new()));
    std::thread::scope(|scope| {
        for _ in 0..std::thread::available_parallelism().map_or(1, usize::from) {
            scope.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= first + many {
                        return;
                    }
                    match History::run(seed, false) {
                        Ok(figures) => sum.lock().unwrap().add(figures),
                        Err(problem) => problems.lock().unwrap().push(problem),
                    }
                }
            });
        }
    });
    let (sum, problems) = (sum.into_inner()?, problems.into_inner()?);
    problems.iter().take(10).for_each(|problem| println!("{problem}"));
    let Figures { events, callers, source_calls } = sum;
    println!(
        "{many} histories: {events} events, {callers} callers, {source_calls} source calls, {} faults",
        problems.len()
    );
    if problems.is_empty() { Ok(()) } else { Err("faults were found".into()) }
}
