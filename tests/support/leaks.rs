//! Whether a secret got out: everything that a case showed to anyone, searched for every secret of the case.

use std::error::Error as StdError;
use std::fmt::Debug;

use alibabacloud_credentials::{Credentials, Error, Explanation};

/// Texts that came out, each with the place it came out at.
#[derive(Default)]
pub(crate) struct Exposed(Vec<(String, String)>);

impl Exposed {
    pub(crate) fn text(&mut self, place: &str, text: impl Into<String>) {
        self.0.push((place.to_owned(), text.into()));
    }

    pub(crate) fn debug(&mut self, place: &str, value: &dyn Debug) {
        self.text(&format!("Debug of {place}"), format!("{value:?}"));
        self.text(&format!("{{:#?}} of {place}"), format!("{value:#?}"));
    }

    /// Every way to print an error, and all that lies beneath it.
    pub(crate) fn error(&mut self, error: &Error) {
        self.text("{} of the error", error.to_string());
        self.text("{:#} of the error", format!("{error:#}"));
        self.debug("the error", error);
        for part in [error.provider_name(), error.code(), error.request_id(), error.remedy()].into_iter().flatten() {
            self.text("a part of the error", part);
        }
        let mut source: Option<&(dyn StdError + 'static)> = error.source();
        while let Some(inner) = source {
            self.text("a source of the error", format!("{inner} {inner:#} {inner:?}"));
            source = inner.source();
        }
        for cause in error.causes() {
            self.error(cause);
        }
    }

    pub(crate) fn result(&mut self, result: &Result<Credentials, Error>) {
        match result {
            Ok(credentials) => self.debug("the credentials", credentials),
            Err(error) => self.error(error),
        }
    }

    pub(crate) fn explanation(&mut self, explanation: &Explanation) {
        self.text("the explanation", explanation.to_string());
        self.debug("the explanation", explanation);
        self.text("the explanation's JSON", serde_json::to_string(explanation).unwrap_or_else(|e| e.to_string()));
    }

    /// Where each secret got out: raw, or percent-encoded once or twice, as URLs and strings to sign hold it.
    pub(crate) fn leaks(&self, secrets: &[String]) -> Vec<String> {
        let mut leaks = Vec::new();
        for (at, secret) in secrets.iter().enumerate() {
            let once = encode(secret);
            let twice = encode(&once);
            for (place, text) in &self.0 {
                if [secret, &once, &twice].iter().any(|needle| text.contains(needle.as_str())) {
                    leaks.push(format!("secret {at} leaks into {place}: {text}"));
                }
            }
        }
        leaks
    }
}

fn encode(text: &str) -> String {
    text.bytes()
        .map(|byte| match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => char::from(byte).to_string(),
            _ => format!("%{byte:02X}"),
        })
        .collect()
}
