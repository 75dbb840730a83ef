//! The default chain's rules as cases: each folder below `chain_cases/cases` describes a whole outside world and the expected
//! result. `chain_cases/README.md` documents the format, the groups and how to add a case.
//!
//! Each case runs under a clock that stands still, on a runtime of one thread, with scripted traffic: no network, no waiting,
//! no process environment. Everything that a case shows to anyone (errors with their causes, `Debug`, explanations, URLs, the
//! log at TRACE) is searched for the secrets of the case.
mod case;
mod coverage;
mod declared;
mod list;
mod planted;
mod run;
mod script;
mod wanted;
mod world;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use case::Folder;
use run::{Verdict, run};

fn folder_of(kind: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/chain_cases").join(kind)
}

/// The folders of the cases of a kind, by name. A folder without `case.json` is a group of cases.
fn paths(kind: &str) -> BTreeMap<String, PathBuf> {
    let (mut folders, mut found) = (vec![folder_of(kind)], BTreeMap::new());
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).expect("the folder of the cases") {
            let path = entry.expect("an entry").path();
            if path.join("case.json").is_file() {
                let name = path.file_name().expect("a name").to_string_lossy().into_owned();
                assert!(found.insert(name.clone(), path).is_none(), "two cases are called {name}");
            } else if path.is_dir() {
                folders.push(path);
            }
        }
    }
    found
}

fn names(kind: &str) -> BTreeSet<String> {
    paths(kind).into_keys().collect()
}

fn read(kind: &str, name: &str) -> Folder {
    let path = paths(kind).remove(name).unwrap_or_else(|| panic!("{name}: there is no such folder with a case.json"));
    Folder::read(&path).unwrap_or_else(|problem| panic!("{name}: {problem}"))
}

/// The group of a case: the provider of the first cell that it covers and that has one, else `chain`.
fn group(covers: &[String]) -> &str {
    let of_cell = |cell: &String| match cell.split('/').next()? {
        "env" => Some("env"),
        "env_role" | "assume_role" => Some("ram_role_arn"),
        "oidc_role_arn" => Some("oidc_role_arn"),
        "cli_profile" => Some("cli_profile"),
        "profile" => Some("profile"),
        "ecs_ram_role" => Some("ecs_ram_role"),
        "credentials_uri" => Some("credentials_uri"),
        _ => None,
    };
    covers.iter().find_map(of_cell).unwrap_or("chain")
}

/// The names of all cases, each of which is a test.
pub(crate) fn case_names() -> impl Iterator<Item = String> {
    list::CASES.iter().map(|name| (*name).to_owned())
}

#[test]
fn every_case_lies_in_the_group_of_its_provider() {
    let root = folder_of("cases");
    let mut moves = Vec::new();
    for (name, path) in paths("cases") {
        let case = Folder::read(&path).unwrap_or_else(|problem| panic!("{name}: {problem}")).case;
        let wanted = root.join(group(&case.covers)).join(&name);
        if path != wanted {
            moves.push(format!("git mv {} {}", path.display(), wanted.display()));
        }
    }
    assert!(moves.is_empty(), "{}", moves.join("\n"));
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
    let listed: BTreeSet<String> = case_names().collect();
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
