//! Imports run one way. A module of the library imports only from layers below its own, so there is no circle, and a
//! reader of one module need know only what is below it.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// The top-level modules, from the bottom to the top. Modules of one layer do not import each other.
const LAYERS: &[&[&str]] = &[
    // Of the standard library and of well-kept crates alone. An explanation is data and its drawing: errors carry one.
    &["encode", "explain", "time", "validity"],
    &["redact"],
    &["credentials", "error"],
    &["error_codes", "key_characters", "provider", "rsa_key"],
    &["context"],
    &["call_settings", "endpoint", "paths"],
    &["sign"],
    // One call and the responses to it.
    &["rpc"],
    &["secret_file", "session_json", "session_store"],
    &["oidc", "saml"],
    &["sts"],
    &["provenance"],
    &["identity", "profile", "refresh"],
    // What the providers of logins and the logins themselves ask.
    &["login_service"],
    &["config_file"],
    &["login", "providers", "signer"],
    &["chain"],
    &["default_chain"],
    &["openapi", "role_pool"],
    &["blocking"],
    // Pages of the documentation: they name everything, in comments.
    &["_docs"],
];

/// A module's path, as `["signer", "oss4"]`, from its file beneath `src`.
fn module_path(file: &Path) -> Vec<String> {
    let mut path: Vec<String> = file.iter().map(|part| part.to_str().unwrap().to_owned()).collect();
    let last = path.pop().unwrap();
    path.extend(last.strip_suffix(".rs").filter(|name| *name != "mod").map(str::to_owned));
    path
}

/// The code of a file without comments and without its tests, which stand at its end and may import anything.
fn code(text: &str) -> impl Iterator<Item = &str> {
    let end = text.find("#[cfg(test)]\nmod tests {").unwrap_or(text.len());
    text[..end].lines().filter(|line| !line.trim_start().starts_with("//"))
}

/// The top-level modules that a file names, by `crate::…` or by `super::…`; an opening brace, or a name that `lib.rs`
/// exports, is given as it stands.
fn imports(module: &[String], text: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for line in code(text) {
        for (at, _) in line.match_indices("crate::") {
            let is_path = !line[..at].ends_with(|c: char| c.is_alphanumeric() || c == '_');
            found.extend(is_path.then(|| first_name(&line[at + "crate::".len()..])));
        }
        for (at, _) in line.match_indices("super::") {
            // Of `super::super::x` only the first `super` counts, with those that follow it.
            if line[..at].ends_with("super::") {
                continue;
            }
            let mut rest = &line[at..];
            let mut above = module;
            while let Some(inner) = rest.strip_prefix("super::") {
                rest = inner;
                above = &above[..above.len().saturating_sub(1)];
            }
            found.insert(above.first().cloned().unwrap_or_else(|| first_name(rest)));
        }
    }
    found
}

fn first_name(path: &str) -> String {
    let end = path.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(path.len());
    path[..end.max(1)].to_owned()
}

fn layer(module: &str) -> Option<usize> {
    LAYERS.iter().position(|layer| layer.contains(&module))
}

/// What is wrong with the imports of one file.
fn wrong_imports(file: &Path, text: &str) -> Vec<String> {
    let module = module_path(file);
    let Some(own) = layer(&module[0]) else {
        return vec![format!("{}: this test has no layer for it", file.display())];
    };
    let imported = imports(&module, text).into_iter().filter(|imported| *imported != module[0]);
    let wrong = imported.filter_map(|imported| match layer(&imported) {
        Some(layer) if layer < own => None,
        Some(_) => Some(format!("{}: imports {imported}, which is not below it", file.display())),
        None => Some(format!("{}: imports {imported}, and no single module by its own path", file.display())),
    });
    wrong.collect()
}

/// All files of the library but its root and those that are compiled for tests alone, by their paths beneath `src`.
fn files() -> BTreeMap<PathBuf, String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let (mut folders, mut files) = (vec![root.clone()], BTreeMap::new());
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let text = std::fs::read_to_string(&path).unwrap();
                files.insert(path.strip_prefix(&root).unwrap().to_owned(), text);
            }
        }
    }
    files.remove(Path::new("lib.rs")).unwrap();
    let test_only: BTreeSet<Vec<String>> = files.iter().flat_map(|(file, text)| test_modules(file, text)).collect();
    files.retain(|file, _| {
        let module = module_path(file);
        !(1..=module.len()).any(|length| test_only.contains(&module[..length]))
    });
    files
}

/// The modules that a file declares for tests alone, by `#[cfg(test)] mod name;`.
fn test_modules(file: &Path, text: &str) -> Vec<Vec<String>> {
    let declared = text.split("#[cfg(test)]\nmod ").skip(1).filter_map(|rest| rest.lines().next()?.strip_suffix(';'));
    declared.map(|name| module_path(file).into_iter().chain([name.to_owned()]).collect()).collect()
}

#[test]
fn imports_run_from_the_upper_layers_to_the_lower_ones() {
    let wrong: Vec<String> = files().iter().flat_map(|(file, text)| wrong_imports(file, text)).collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn every_layer_names_modules_that_there_are_and_each_once() {
    let modules: BTreeSet<String> = files().keys().map(|file| module_path(file)[0].clone()).collect();
    let named: Vec<String> = LAYERS.concat().into_iter().map(str::to_owned).collect();
    assert_eq!(named.len(), modules.len());
    assert_eq!(named.into_iter().collect::<BTreeSet<_>>(), modules);
}

#[test]
fn an_import_that_runs_upwards_or_aside_is_found_however_it_is_written() {
    for (file, text, wrong) in [
        ("credentials.rs", "use crate::provider::ProvideCredentials;", 1),
        ("credentials.rs", "pub(crate) use crate::error::Error;", 1),
        ("endpoint.rs", "use super::sts::Sts;", 1),
        ("sign/oss4/mod.rs", "use super::super::super::sts::Sts;\nuse super::super::super::time;", 1),
        ("sign/oss4/presigned.rs", "    let at = crate::refresh::now();", 1),
        ("sts/mod.rs", "use crate::{rpc, time};", 1),
        ("sts/mod.rs", "use crate::Error;", 1),
        ("role_book.rs", "", 1),
        ("sts/mod.rs", "use self::endpoint::Hosts;\nuse crate::rpc::Call;\nuse super::rpc;", 0),
        ("sts/endpoint.rs", "use super::AssumeRole;\n/// See [`Refresher`](crate::Refresher).", 0),
        ("time.rs", "#[cfg(test)]\nmod tests {\n    use crate::sts::Sts;\n}", 0),
    ] {
        let found = wrong_imports(Path::new(file), text);
        assert_eq!(found.len(), wrong, "{file}: {text}: {found:?}");
    }
}
