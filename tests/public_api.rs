//! Types of other crates in the public API: an allow-list, so that none becomes part of our promise unnoticed.
//!
//! Run by `.ci/run`, which first writes the API's description:
//! `RUSTC_BOOTSTRAP=1 cargo rustdoc --lib -- -Z unstable-options --output-format json`.

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

#[test]
#[ignore = "needs the API's description in target/doc"]
fn the_public_api_names_only_the_crates_on_the_list() {
    let target = std::env::var("CARGO_TARGET_DIR").unwrap_or_else(|_| "target".to_owned());
    let path = format!("{target}/doc/alibabacloud_credentials.json");
    let api: Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
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
