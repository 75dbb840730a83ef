//! The pages say what is true: tests that they name exist, both READMEs agree, and links lead somewhere.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn page(name: &str) -> String {
    std::fs::read_to_string(root().join(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

/// All Rust files beneath `folder`.
fn rust_files(folder: &str) -> Vec<PathBuf> {
    let (mut folders, mut files) = (vec![root().join(folder)], Vec::new());
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                files.push(path);
            }
        }
    }
    files
}

/// The names of all tests: functions below a test attribute, chain cases, stress rows, files of scenarios.
fn tests() -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    for file in ["src", "tests", "cli/src", "cli/tests"].into_iter().flat_map(rust_files) {
        let text = std::fs::read_to_string(&file).unwrap();
        let is_row = file.parent().is_some_and(|folder| folder.ends_with("tests/stress"));
        let mut is_test = is_row;
        for line in text.lines().map(str::trim) {
            is_test |= line == "#[test]" || line.starts_with("#[tokio::test");
            let Some((_, rest)) = line.split_once("fn ").filter(|(before, _)| !before.contains("//")) else { continue };
            if is_test && let Some(name) = rest.split(['(', '<']).next() {
                names.insert(name.to_owned());
                is_test = is_row;
            }
        }
    }
    names.extend(crate::chain_cases::case_names());
    for entry in std::fs::read_dir(root().join("tests/refresh_scenarios")).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        names.extend(name.ends_with(".json").then_some(name));
    }
    names
}

/// The texts between backquotes.
fn code_spans(text: &str) -> impl Iterator<Item = &str> {
    text.split('`').skip(1).step_by(2)
}

/// The rows of all tables of `text`, as their cells.
fn rows(text: &str) -> impl Iterator<Item = Vec<&str>> {
    let is_row = |line: &&str| line.starts_with("| ") && line.ends_with(" |");
    text.lines().filter(is_row).map(|line| line.trim_matches('|').split(" | ").map(str::trim).collect())
}

#[test]
fn every_rule_names_tests_that_exist() {
    let page = page("docs/rules.md");
    let tests = tests();
    let (by_tests, by_scripts) = page.split_once("## Kept by a script").unwrap();
    let (mut missing, mut count) = (Vec::new(), 0);
    for cells in rows(by_tests).filter(|cells| cells[0] != "rule") {
        let named: Vec<&str> = code_spans(cells[1]).collect();
        assert!(cells.len() == 2 && !named.is_empty(), "a row without a test: {cells:?}");
        count += 1;
        missing.extend(named.into_iter().filter(|name| !tests.contains(*name)));
    }
    assert!(count > 60, "{count} rows were found");
    assert!(missing.is_empty(), "docs/rules.md names tests that do not exist: {missing:#?}");
    for cells in rows(by_scripts).filter(|cells| cells[0] != "rule") {
        let gone: Vec<&str> = code_spans(cells[1]).filter(|path| !root().join(path).is_file()).collect();
        assert!(gone.is_empty(), "docs/rules.md names files that do not exist: {gone:?}");
    }
}

/// A page's code blocks, the code spans and the number of cells of each table row, and its heading levels: all that a
/// translation has to keep.
fn skeleton(text: &str) -> Vec<String> {
    let mut parts = Vec::new();
    let mut block: Option<Vec<&str>> = None;
    for line in text.lines() {
        if line.starts_with("```") {
            match block.take() {
                Some(lines) => parts.push(format!("code {}", lines.join("\n"))),
                None => block = Some(vec![line]),
            }
        } else if let Some(lines) = &mut block {
            lines.push(line);
        } else if line.starts_with("| ") {
            let spans: Vec<&str> = code_spans(line).collect();
            parts.push(format!("row of {} cells: {}", line.split(" | ").count(), spans.join(", ")));
        } else if line.starts_with('#') {
            parts.push(format!("heading {}", line.chars().take_while(|c| *c == '#').count()));
        }
    }
    assert!(block.is_none(), "a code block without end");
    parts
}

#[test]
fn both_readmes_have_the_same_code_tables_and_headings() {
    let (english, chinese) = (skeleton(&page("README.md")), skeleton(&page("README.zh-CN.md")));
    for (at, (english, chinese)) in english.iter().zip(&chinese).enumerate() {
        assert_eq!(english, chinese, "part {at} of README.md and README.zh-CN.md");
    }
    assert_eq!(english.len(), chinese.len());
}

/// A script writes that page's transcript, so what the first screen shows is what the program prints.
#[test]
fn the_readme_shows_the_explanation_of_the_transcript() {
    let (readme, cli) = (page("README.md"), page("cli/README.md"));
    let explained = &cli[cli.find("$ alicred explain\n").unwrap()..];
    let explained = explained.split("\n\n").next().unwrap();
    assert!(
        readme.lines().take(20).any(|line| line == "$ alicred explain") && readme.contains(explained),
        "{explained}"
    );
}

/// The targets of `[text](target)` outside code blocks.
fn links(text: &str) -> Vec<&str> {
    let outside = text.split("```").step_by(2);
    outside.flat_map(|part| part.split("](").skip(1).filter_map(|rest| rest.split(')').next())).collect()
}

/// The pages that are read on a registry page or as part of the documentation.
const PACKAGED: [&str; 9] = [
    "README.md",
    "README.zh-CN.md",
    "CHANGELOG.md",
    "TROUBLESHOOTING.md",
    "docs/differences.md",
    "adapters/README.md",
    "adapters/redis/README.md",
    "emulator/README.md",
    "cli/README.md",
];

/// The pages for contributors: they are read in the repository.
const OF_THE_REPOSITORY: [&str; 10] = [
    "CONTRIBUTING.md",
    "RELEASING.md",
    "SECURITY.md",
    "docs/architecture.md",
    "docs/mutants.md",
    "docs/rules.md",
    "tests/README.md",
    "tests/chain_cases/README.md",
    "tests/refresh_scenarios/README.md",
    "emulator/README.md",
];

#[test]
fn packaged_pages_have_no_relative_links() {
    for name in PACKAGED {
        let text = page(name);
        let relative: Vec<&str> =
            links(&text).into_iter().filter(|link| !link.starts_with("https://") && !link.starts_with('#')).collect();
        assert!(relative.is_empty(), "{name}: {relative:?}");
    }
}

#[test]
fn links_of_repository_pages_lead_to_files() {
    for name in OF_THE_REPOSITORY {
        let text = page(name);
        let folder = root().join(name);
        let folder = folder.parent().unwrap();
        for link in links(&text).into_iter().filter(|link| !link.starts_with("https://")) {
            let target = link.split('#').next().unwrap();
            assert!(target.is_empty() || folder.join(target).exists(), "{name}: {link}");
        }
    }
}

/// `docs.rs` addresses a page of the documentation by its module.
#[test]
fn links_to_doc_pages_name_modules_that_exist() {
    let pages = std::fs::read_to_string(root().join("src/_docs/mod.rs")).unwrap();
    for name in PACKAGED {
        let text = page(name);
        for link in links(&text).into_iter().filter(|link| link.contains("/_docs/")) {
            let module = link.split("/_docs/").nth(1).unwrap().split('/').next().unwrap();
            assert!(pages.contains(&format!("pub mod {module}")), "{name}: {link}");
        }
    }
}

/// Paths in code spans of pages for contributors lead to files of the repository.
#[test]
fn files_that_pages_name_exist() {
    for name in OF_THE_REPOSITORY {
        let text = page(name);
        let text: String = text.split("```").step_by(2).collect();
        for span in code_spans(&text) {
            let is_path = [
                "src/",
                "tests/",
                "docs/",
                "adapters/",
                "emulator/",
                "cli/",
                "benches/",
                "scripts/",
                "examples/",
                ".ci/",
            ]
            .iter()
            .any(|start| span.starts_with(start));
            if is_path && !span.contains(['<', '…', ' ', '*']) {
                let beside = root().join(name).with_file_name(span);
                assert!(beside.exists() || root().join(span).exists(), "{name}: {span}");
            }
        }
    }
}
