//! The default chain's rules, as cases: each folder of `chain_cases/cases` is a whole outside world and what has to come
//! of it.
//!
//! - `env.json`: the entire environment (optional).
//! - `fs/`: mounted as `/` (optional).
//! - `http.json`: the traffic (optional): every exchange must take place, in this order, and no other.
//! - `case.json`: what the builder is told, the secrets, and the steps. A step lets time pass, changes files, asks for
//!   credentials and then for the explanation, and says what has to come: the credential or the error, the report of
//!   every provider, and how many requests are made.
//!
//! `chain_cases/case.rs` has every member. Each case runs under a clock that stands still, on a runtime of one thread,
//! with scripted traffic: no network, no waiting, no process environment. And whatever a case shows to anyone (errors and
//! all beneath them, `Debug`, explanations, URLs, the log at TRACE) is searched for the secrets of the case.
//!
//! To add a case: add the folder, its name in `chain_cases/list.rs`, and what it covers in `covers`.
mod case;
mod coverage;
mod declared;
mod list;
mod planted;
mod run;
mod script;
mod wanted;
mod world;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use case::Folder;
use run::{Verdict, run};

fn folder_of(kind: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/chain_cases").join(kind)
}

fn names(kind: &str) -> BTreeSet<String> {
    let entries = std::fs::read_dir(folder_of(kind)).expect("the folder of the cases");
    entries.map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned()).collect()
}

fn read(kind: &str, name: &str) -> Folder {
    Folder::read(&folder_of(kind).join(name)).unwrap_or_else(|problem| panic!("{name}: {problem}"))
}

/// Runs the case of this name; a case that is ignored is run too, and its verdict only printed.
fn holds(name: &str) {
    let folder = read("cases", name);
    let ignored = folder.case.ignored.clone();
    match (run(name, folder), ignored) {
        (Verdict::Holds, None) => {}
        (Verdict::Holds, Some(why)) => println!("{name} holds, and need not be ignored any more ({why})"),
        (Verdict::Skipped(why), _) => println!("{name} was not tried: {why}"),
        (Verdict::Fails(problems), Some(why)) => println!("{name} is ignored ({why}):\n  {}", problems.join("\n  ")),
        (Verdict::Fails(problems), None) => panic!("{name}:\n  {}", problems.join("\n  ")),
    }
}

#[test]
fn every_folder_is_in_the_list() {
    let listed: BTreeSet<String> = list::CASES.iter().map(|name| (*name).to_owned()).collect();
    let unlisted: Vec<_> = names("cases").into_iter().filter(|name| !listed.contains(name)).collect();
    assert!(unlisted.is_empty(), "folders that chain_cases/list.rs lacks: {unlisted:?}");
}

/// The runner has teeth: these cases are wrong, each in one way, and it says in which.
#[test]
fn a_wrong_case_is_found_out() {
    for name in names("must_fail") {
        let folder = read("must_fail", &name);
        let wanted = folder.case.must_fail_with.clone().expect("must_fail_with");
        let Verdict::Fails(problems) = run(&format!("must_fail-{name}"), folder) else {
            panic!("{name} was not found out");
        };
        assert!(problems.iter().all(|problem| problem.contains(&wanted)), "{name}: {problems:#?}");
    }
}
