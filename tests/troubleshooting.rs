//! Every code that the crate can give has a row in TROUBLESHOOTING.md.

use std::collections::BTreeSet;
use std::path::Path;

/// The texts between quotes that follow `before` in `source`.
fn quoted<'a>(source: &'a str, before: &str) -> Vec<&'a str> {
    source.split(before).skip(1).filter_map(|rest| rest.split('"').next()).collect()
}

fn visit(directory: &Path, codes: &mut BTreeSet<String>) {
    for entry in std::fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            visit(&path, codes);
        } else {
            let source = std::fs::read_to_string(&path).unwrap();
            codes.extend(quoted(&source, "with_code(\"").into_iter().map(str::to_owned));
            // The arms of the table of advice, and the codes of a request without an answer.
            if let Some(table) = source.split("fn advice(").nth(1) {
                let arms = table.split("\n}\n").next().unwrap().lines();
                for line in arms {
                    let pattern = line.split("=>").next().unwrap_or_default();
                    let looks_like_a_code = |text: &&str| text.starts_with(char::is_uppercase) && !text.contains(' ');
                    codes.extend(pattern.split('"').skip(1).step_by(2).filter(looks_like_a_code).map(str::to_owned));
                }
            }
            for kind in ["(ErrorKind::Unreachable, \"", "(ErrorKind::Failed, \""] {
                codes.extend(quoted(&source, kind).into_iter().map(str::to_owned));
            }
        }
    }
}

#[test]
fn every_code_has_a_row() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut codes = BTreeSet::new();
    visit(&root.join("src"), &mut codes);
    assert!(codes.len() > 60, "the search finds {} codes", codes.len());
    let page = std::fs::read_to_string(root.join("TROUBLESHOOTING.md")).unwrap();
    let rows: BTreeSet<&str> = page
        .lines()
        .filter(|line| line.starts_with("| `"))
        .flat_map(|line| line.split('|').nth(1).unwrap_or_default().split('`').skip(1).step_by(2))
        .collect();
    let missing: Vec<&String> = codes.iter().filter(|code| !rows.contains(code.as_str())).collect();
    assert!(missing.is_empty(), "without a row: {missing:?}");
    let gone: Vec<&&str> = rows.iter().filter(|row| !row.contains('*') && !codes.contains(**row)).collect();
    assert!(gone.is_empty(), "a row for what nobody gives: {gone:?}");
}
