//! The refresher's behaviour as data: each file of `refresh_scenarios/` holds scenarios on one subject, run under a virtual
//! clock with a scripted source. No sleeps, no real time, no network.
//!
//! A step lets something happen and says what has to come of it: what the callers get, whether and how long they wait,
//! how often the source is contacted. `refresh_scenarios/format.rs` has every member; `README.md` beside it has the
//! table of what differs from the AWS SDKs' common suite.
//!
//! Every scenario is run with several seeds, since what is drawn at random (the instant of a refresh, the length of a
//! back-off) must not matter; where it has to, a step says between which bounds it lies, and the runner sees to it that
//! the draws fill them.
mod callers;
mod compare;
mod format;
mod home;
mod run;
mod source;
mod world;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use format::File;

macro_rules! files {
    ($($name:ident)*) => {
        const FILES: &[&str] = &[$(stringify!($name)),*];
        $(
            #[test]
            fn $name() {
                holds(stringify!($name));
            }
        )*
    };
}

files! {
    aws_errors
    aws_invalidate
    aws_windows
    back_off
    borrowed
    callers_at_once
    clocks
    homes
    rejections
    retry_after
    sessions
    sources
    static_keys
    valid_for
    with_no_traffic
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/refresh_scenarios")
}

fn read(path: &Path) -> File {
    File::read(path).unwrap_or_else(|problem| panic!("{problem}"))
}

fn json_in(folder: &Path) -> BTreeSet<String> {
    let entries = std::fs::read_dir(folder).expect("the folder of the scenarios");
    let names = entries.map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned());
    names.filter_map(|name| name.strip_suffix(".json").map(str::to_owned)).collect()
}

fn holds(name: &str) {
    let file = read(&folder().join(name).with_extension("json"));
    let problems: Vec<String> = file
        .scenarios
        .iter()
        .filter_map(|scenario| run::run(scenario).err().map(|problem| (scenario, problem)))
        .map(|(scenario, problem)| format!("{name}.json, \"{}\", {problem}", scenario.name))
        .collect();
    assert!(problems.is_empty(), "\n{}", problems.join("\n"));
}

#[test]
fn every_file_is_in_the_list() {
    let listed: BTreeSet<String> = FILES.iter().map(|name| (*name).to_owned()).collect();
    assert_eq!(json_in(&folder()), listed);
}

#[test]
fn names_are_unique_and_the_aws_suite_is_restated_whole() {
    let mut names = BTreeSet::new();
    let mut restated = BTreeSet::new();
    for file in FILES {
        for scenario in read(&folder().join(file).with_extension("json")).scenarios {
            assert!(names.insert(scenario.name.clone()), "{file}: two scenarios are called \"{}\"", scenario.name);
            if let Some(number) = scenario.restates_aws {
                assert!(restated.insert(number), "{file}: AWS scenario {number} is restated twice");
            }
        }
    }
    assert_eq!(restated, (1..=24).collect(), "the AWS scenarios that are restated");
}

/// The runner has teeth: these are wrong, each in one way, and it says in which.
#[test]
fn a_wrong_expectation_is_found_out() {
    let folder = folder().join("must_fail");
    for name in json_in(&folder) {
        let path = folder.join(&name).with_extension("json");
        let (problem, wanted) = match File::read(&path) {
            // A file that is refused cannot say what with.
            Err(problem) if name == "unknown_member" => (problem, "unknown field `contact`".to_owned()),
            Err(problem) => (problem, "does not say how often the source is contacted".to_owned()),
            Ok(file) => {
                let [scenario] = file.scenarios.as_slice() else { panic!("{name}: one scenario a file") };
                let problem = run::run(scenario).expect_err(&format!("{name} was not found out"));
                (problem, scenario.must_fail_with.clone().expect("must_fail_with"))
            }
        };
        assert!(problem.contains(&wanted), "{name}: {problem}");
    }
}
