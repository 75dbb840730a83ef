//! Shows what `exec` would ask STS for and what it would run.

use serde_json::{Value, json};

use super::ExecArguments;
use crate::failure::Failure;
use crate::global::Global;
use crate::output;

/// A fact of the run, with its text and its JSON.
type Row = (&'static str, String, Value);

pub(super) fn print(global: &Global, arguments: &ExecArguments) -> Result<(), Failure> {
    let rows = rows(arguments)?;
    if global.json {
        let members: serde_json::Map<_, _> =
            rows.into_iter().map(|(name, _, value)| (name.to_owned(), value)).collect();
        return output::print_json(&members);
    }
    let lines = rows.iter().map(|(name, text, _)| format!("{name:<16} {text}\n"));
    output::print(&lines.collect::<String>())
}

fn rows(arguments: &ExecArguments) -> Result<Vec<Row>, Failure> {
    let session = &arguments.session;
    let mut rows = vec![];
    if !session.role.is_empty() {
        rows.push(("roles", session.role.join(", then "), json!(session.role)));
    }
    if let Some(name) = &session.session_name {
        rows.push(("session_name", name.clone(), json!(name)));
    }
    // Half a secret.
    if session.external_id.is_some() {
        rows.push(("external_id", "***".to_owned(), json!("***")));
    }
    if let Some(duration) = session.duration {
        rows.push(("duration_seconds", duration.as_secs().to_string(), json!(duration.as_secs())));
    }
    if let Some(policy) = &session.policy {
        let policy = policy.json()?;
        // What is no JSON is refused by the library later, and shown as it is here.
        let value = serde_json::from_str(&policy).unwrap_or_else(|_| json!(policy));
        rows.push(("policy", policy, value));
    }
    let words: Vec<_> = arguments.command.iter().map(|word| word.to_string_lossy()).collect();
    rows.push(("command", words.join(" "), json!(words)));
    Ok(rows)
}
