//! Whether a case declares every secret that it holds: one that it does not would not be looked for.

use std::path::Path;

use serde_json::Value;

use super::case::{File, Folder};

const ENDS: [&str; 6] =
    ["ACCESS_KEY_SECRET", "SECURITY_TOKEN", "SESSION_TOKEN", "ACCESSKEYSECRET", "SECURITYTOKEN", "PRIVATE_KEY"];

fn is_secret(name: &str) -> bool {
    name == "sts_token" || ENDS.iter().any(|end| name.to_ascii_uppercase().ends_with(end))
}

/// The secrets of the folder that its `case.json` lacks.
pub(crate) fn undeclared_secrets(folder: &Folder) -> Vec<String> {
    let mut found: Vec<String> = Vec::new();
    found.extend(folder.env.iter().filter(|(name, _)| is_secret(name)).map(|(_, value)| value.clone()));
    for exchange in &folder.http {
        if let Some(answer) = &exchange.answer {
            members(&answer.body, &mut found);
        }
    }
    for file in folder.case.steps.iter().flat_map(|step| step.files.values()) {
        match file {
            File::Json(value) => members(value, &mut found),
            File::Text(text) => lines(text, &mut found),
            _ => {}
        }
    }
    files(&folder.path.join("fs"), &mut found);
    let declared = |value: &String| folder.case.secrets.iter().any(|secret| secret == value.trim());
    found.retain(|value| !value.trim().is_empty() && !declared(value));
    found
}

fn files(path: &Path, found: &mut Vec<String>) {
    for entry in std::fs::read_dir(path).into_iter().flatten().flatten() {
        if entry.path().is_dir() {
            files(&entry.path(), found);
            continue;
        }
        let bytes = std::fs::read(entry.path()).unwrap_or_default();
        match serde_json::from_slice::<Value>(&bytes) {
            Ok(document) => members(&document, found),
            Err(_) => lines(&String::from_utf8_lossy(&bytes), found),
        }
    }
}

fn members(value: &Value, found: &mut Vec<String>) {
    match value {
        Value::Array(items) => items.iter().for_each(|item| members(item, found)),
        Value::Object(object) => {
            for (name, member) in object {
                match member {
                    Value::String(text) if is_secret(name) => found.push(text.clone()),
                    other => members(other, found),
                }
            }
        }
        _ => {}
    }
}

/// An ini file's values, and a file that is a JWT and nothing else.
fn lines(text: &str, found: &mut Vec<String>) {
    for line in text.lines() {
        match line.split_once('=') {
            Some((name, value)) if is_secret(name.trim()) => {
                // What follows is a comment, in the dialect of all SDKs.
                let value = value.split(" #").next().unwrap_or_default().split(" ;").next().unwrap_or_default();
                found.push(value.trim().to_owned());
            }
            _ if line.starts_with("eyJ") || line.starts_with("e30.") => found.push(line.trim().to_owned()),
            _ => {}
        }
    }
}
