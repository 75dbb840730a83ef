//! Servers that misbehave, in every way that is known, towards everything that asks a server: a typed error each, in
//! bounded time and memory, with nothing shown of what was sent; and whoever has a session already notices nothing.
//!
//! The table is `misbehaviours.rs` by `sources.rs`, and every cell is tried: a new line in either is tried with all of the
//! other. A program of its own, since it listens to all that its process logs.

#![allow(clippy::unwrap_used)]

mod misbehaviours;
mod sources;
mod stage;
#[allow(dead_code)] // the other program needs more of it
#[path = "../support/mod.rs"]
mod support;

use std::collections::BTreeSet;
use std::future::Future;
use std::io;
use std::sync::{Mutex, MutexGuard};
use std::time::Duration;

use alibabacloud_credentials::{Error, ErrorKind, Health};
use misbehaviours::{MARKER, Misbehaviour, Wanted, exceptions, misbehaviours};
use sources::{Client, Renewal, SOURCES, Source};
use stage::{LIFETIME, SECRETS, Seen, Stage, TOKEN};
use support::leaks::Exposed;
use tracing::level_filters::LevelFilter;

/// More than the system's buffers hold, and less than what is sent by a server that is not stopped.
const MOST: usize = 8 << 20;

/// Everything that was logged, at every level, on every thread.
static LOG: Mutex<Vec<u8>> = Mutex::new(Vec::new());

struct Log;

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        log().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn log() -> MutexGuard<'static, Vec<u8>> {
    LOG.lock().unwrap()
}

/// One cell: what the server does, and who asks.
struct Cell<'a> {
    source: &'a Source,
    row: &'a Misbehaviour,
    exposed: Exposed,
    logged: usize,
}

impl Cell<'_> {
    fn name(&self) -> String {
        format!("{}, when the server {}", self.source.name, self.row.name)
    }

    /// Runs `work` with a bound of the test's own.
    async fn patiently<T>(&self, work: impl Future<Output = T>) -> T {
        let done = tokio::time::timeout(Duration::from_secs(60), work).await;
        done.unwrap_or_else(|_| panic!("{}: it hangs", self.name()))
    }

    /// What came of it is what has to.
    fn holds(&mut self, result: &Result<String, Error>) {
        let name = self.name();
        match (self.row.wanted(self.source), result) {
            (Wanted::Served, Ok(shown)) => self.exposed.text("Debug of the answer", shown),
            (Wanted::Error(kind, code, status), Err(error)) => {
                assert_eq!((error.kind(), error.code()), (kind, Some(code)), "{name}: {error}");
                assert_eq!(error.http_status().filter(|status| *status != 200), status, "{name}: {error}");
                assert_eq!(error.provider_name(), self.source.provider, "{name}: {error}");
                assert!(kind != ErrorKind::Unreachable || error.remedy().is_some(), "{name}: no remedy: {error}");
                self.exposed.error(error);
            }
            (wanted, result) => panic!("{name}: {wanted:?} was wanted, and this came: {result:?}"),
        }
    }

    /// It cost what it may: with nothing to fall back on, what may pass is tried three times.
    fn is_bounded(&self, seen: &Seen, is_cold: bool) {
        let again = is_cold && self.source.repeats && self.row.may_pass(self.source);
        let tries = match (self.row.is_silence() && self.source.tries > 1, again) {
            (true, _) => self.source.tries,
            (false, true) => 3,
            (false, false) => 1,
        };
        let time = if self.row.takes_all_the_time() { self.source.limit * tries as u32 } else { Duration::ZERO };
        let pauses = if again { Duration::from_millis(600) } else { Duration::ZERO };
        assert_eq!(seen.misbehaved, tries, "{}: {seen:?}", self.name());
        assert!((time..=time + pauses).contains(&seen.elapsed), "{}: {seen:?}", self.name());
        assert!(seen.sent < MOST, "{}: {seen:?}", self.name());
    }

    /// Nothing of what the server sent, and no secret, got out.
    fn leaks_nothing(mut self, stage: &mut Stage, client: &Client) {
        assert!(stage.elsewhere.is_quiet(), "{}: the redirect was followed", self.name());
        self.exposed.debug("the refresher", &client.refresher);
        self.exposed.debug("the health", &client.refresher.health());
        self.exposed.debug("the chain", &client.chain);
        self.exposed.text("the log", String::from_utf8_lossy(&log()[self.logged..]));
        let secrets: Vec<String> = SECRETS.iter().chain([&MARKER, &TOKEN.as_str()]).map(|s| (*s).to_owned()).collect();
        let leaks = self.exposed.leaks(&secrets);
        assert!(leaks.is_empty(), "{}: {leaks:#?}", self.name());
    }
}

/// A runtime that looks at its sockets at every turn, since whoever watches a cell takes one after the other.
fn run(work: impl Future<Output = ()>) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().event_interval(1).build().unwrap();
    runtime.block_on(work);
}

/// Every cell, in order, on a stage of its own.
async fn every_cell(play: impl AsyncFn(Cell<'_>, Stage)) {
    let subscriber = tracing_subscriber::fmt().with_max_level(LevelFilter::TRACE).with_ansi(false).with_writer(|| Log);
    // The first test of the process installs it, and the other one finds it there.
    let _ = subscriber.try_init();
    for source in &SOURCES {
        let nowhere = Stage::new(source).await.elsewhere.address;
        for at in 0..misbehaviours(nowhere).len() {
            let stage = Stage::new(source).await;
            let row = &misbehaviours(stage.elsewhere.address)[at];
            let cell = Cell { source, row, exposed: Exposed::default(), logged: log().len() };
            stage.misbehave(Some(row));
            play(cell, stage).await;
        }
    }
}

#[test]
fn who_has_nothing_yet_gets_a_typed_error_in_bounded_time_and_memory_that_shows_nothing_of_the_answer() {
    run(every_cell(async |mut cell, mut stage| {
        let client = (cell.source.client)(&stage);
        let (result, seen) = cell.patiently(stage.watch(client.ask())).await;
        cell.holds(&result);
        cell.is_bounded(&seen, true);
        if let Some(chain) = &client.chain {
            let explanation = cell.patiently(chain.explain()).await;
            cell.exposed.explanation(&explanation);
        }
        cell.leaks_nothing(&mut stage, &client);
    }));
    assert!(String::from_utf8_lossy(&log()).contains("refresh failed"), "what the crate logs is looked at");
}

#[test]
fn who_has_a_session_keeps_it_until_the_server_is_good_again() {
    run(every_cell(async |mut cell, mut stage| {
        let name = cell.name();
        stage.misbehave(None);
        let client = (cell.source.client)(&stage);
        cell.patiently(stage.watch(client.ask())).await.0.unwrap();
        let first = client.refresher.generation();
        // Past the instant, drawn from the advisory window's first fifth, at which the first caller starts a refresh.
        stage.clock.advance(LIFETIME - Duration::from_secs(690));
        stage.misbehave(Some(cell.row));
        match cell.source.renewal {
            Renewal::Call => {
                let (result, seen) = cell.patiently(stage.watch(client.ask())).await;
                cell.holds(&result);
                cell.is_bounded(&seen, true);
                assert!(client.refresher.cached().is_some(), "{name}: the credential is not to blame");
            }
            Renewal::Kept => {
                let (result, seen) = cell.patiently(stage.watch(client.ask())).await;
                assert!(result.is_ok() && seen.misbehaved == 0, "{name}: {result:?} {seen:?}");
            }
            Renewal::Refresh => {
                let (_, seen) = cell
                    .patiently(stage.watch(async {
                        assert!(client.ask().await.is_ok(), "{name}: a caller noticed");
                        while !matches!(client.refresher.health(), Health::Degraded { .. }) {
                            tokio::task::yield_now().await;
                        }
                    }))
                    .await;
                cell.is_bounded(&seen, false);
                if let Health::Degraded { error, .. } = client.refresher.health() {
                    cell.holds(&Err(error));
                }
                let held = client.refresher.credentials().await.unwrap();
                assert_eq!(held.generation(), first, "{name}: the old session is served");
                // The server means well again, and the longest back-off has passed.
                stage.misbehave(None);
                stage.clock.advance(Duration::from_secs(150));
                let renewed = async {
                    client.ask().await.unwrap();
                    client.refresher.subscribe().wait_for(|generation| *generation > first).await.unwrap();
                };
                cell.patiently(stage.watch(renewed)).await;
                assert!(matches!(client.refresher.health(), Health::Fresh { .. }), "{name}: all is well again");
            }
        }
        stage.misbehave(None);
        cell.patiently(stage.watch(client.ask())).await.0.unwrap();
        cell.leaks_nothing(&mut stage, &client);
    }));
}

#[test]
fn every_row_and_every_source_has_a_name_of_its_own_and_every_exception_a_cell() {
    let rows = misbehaviours("127.0.0.1:1".parse().unwrap());
    let names: BTreeSet<&str> =
        rows.iter().map(|row| row.name).chain(SOURCES.iter().map(|source| source.name)).collect();
    assert_eq!(names.len(), rows.len() + SOURCES.len());
    for (is, why) in exceptions() {
        let met = SOURCES.iter().any(|source| rows.iter().any(|row| is(source.name, row)));
        assert!(met, "no cell is an exception because {why}");
    }
}
