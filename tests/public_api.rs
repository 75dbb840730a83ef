//! Types of other crates in the public API: an allow-list, so that none becomes part of our promise unnoticed.
//!
//! And every public item has an example in its documentation.
//!
//! Run by `.ci/run`, which first writes the API's description:
//! `RUSTC_BOOTSTRAP=1 cargo rustdoc --lib --all-features -- -Z unstable-options --output-format json`.

#![allow(clippy::disallowed_methods)]

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

/// What may be named. `serde` for its two traits; `tracing`, `chrono`, `reqwest` and other 0.x crates never.
const ALLOWED: [&str; 11] = [
    "std",
    "core",
    "alloc",
    "http",
    "bytes",
    "serde_json::value::Value",
    "serde_core::ser",
    "serde::ser",
    "serde_core::de",
    "serde::de",
    "tokio::sync::watch",
];

/// The API as rustdoc describes it.
fn description() -> Value {
    let target = std::env::var("CARGO_TARGET_DIR").unwrap_or_else(|_| "target".to_owned());
    let path = format!("{target}/doc/alibabacloud_credentials.json");
    serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap()
}

#[test]
#[ignore = "needs the API's description in target/doc"]
fn the_public_api_names_only_the_crates_on_the_list() {
    let api = description();
    let paths = api["paths"].as_object().unwrap();
    let mut used = BTreeSet::new();
    // Every item that the description holds is public, or a public one's part; bodies are not in it.
    let items = api["index"].as_object().unwrap().values().filter(|item| item["crate_id"] == 0);
    items.for_each(|item| collect(item, &mut used));
    let mut foreign: BTreeMap<String, String> = BTreeMap::new();
    for id in used {
        let Some(item) = paths.get(&id) else { continue };
        if item["crate_id"] == 0 {
            continue;
        }
        let name = item["path"].as_array().unwrap().iter().filter_map(Value::as_str).collect::<Vec<_>>().join("::");
        let allowed = ALLOWED.iter().any(|allowed| name == *allowed || name.starts_with(&format!("{allowed}::")));
        if !allowed {
            foreign.insert(name, id);
        }
    }
    assert!(foreign.is_empty(), "not on the list: {:?}", foreign.keys().collect::<Vec<_>>());
}

/// The ids of all paths that signatures, fields, bounds and implementations name.
fn collect(value: &Value, used: &mut BTreeSet<String>) {
    match value {
        Value::Object(fields) => {
            // Blanket implementations of other crates' traits are not ours.
            if fields.get("blanket_impl").is_some_and(|blanket| !blanket.is_null()) {
                return;
            }
            if let (Some(id), Some(Value::String(_))) = (fields.get("id"), fields.get("path")) {
                used.insert(id.to_string());
            }
            fields.values().for_each(|inner| collect(inner, used));
        }
        Value::Array(items) => items.iter().for_each(|inner| collect(inner, used)),
        _ => {}
    }
}

/// Types, traits, functions, constants and modules; what belongs to one of them may share its example.
#[test]
#[ignore = "needs the API's description in target/doc"]
fn every_public_item_has_an_example() {
    const KINDS: [&str; 8] = ["module", "struct", "enum", "union", "trait", "function", "type_alias", "constant"];
    let api = description();
    let index = api["index"].as_object().unwrap();
    let (mut modules, mut without, mut count) = (vec![api["root"].to_string()], BTreeSet::new(), 0);
    while let Some(module) = modules.pop() {
        for id in index[&module]["inner"]["module"]["items"].as_array().unwrap() {
            let Some(item) = index.get(&id.to_string()) else { continue };
            let used = &item["inner"]["use"]["id"];
            let Some((id, item)) =
                (if used.is_null() { Some((id, item)) } else { index.get(&used.to_string()).map(|item| (used, item)) })
            else {
                continue;
            };
            let name = item["name"].as_str().unwrap_or_default();
            let Some(kind) = KINDS.iter().find(|kind| !item["inner"][**kind].is_null()) else { continue };
            if name == "_docs" {
                continue;
            }
            if *kind == "module" {
                modules.push(id.to_string());
            }
            count += 1;
            if !item["docs"].as_str().is_some_and(|docs| docs.contains("```")) {
                without.insert(format!("{kind} {name}"));
            }
        }
    }
    assert!(count > 60, "the search finds {count} items");
    assert!(without.is_empty(), "without an example: {without:#?}");
}
