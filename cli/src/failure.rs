//! Errors as a person or a program reads them: one line, its cause, its remedy, and the exit code.

use std::io;
use std::path::Path;

use alibabacloud_credentials::Error;
use serde_json::{Map, Value, json};

use crate::exit;

/// The reason why a command ends without its result.
#[derive(Debug)]
pub(crate) struct Failure {
    code: u8,
    message: String,
    causes: Vec<String>,
    remedy: Option<String>,
    /// Further members of the JSON form.
    facts: Map<String, Value>,
    /// Nothing is printed: the reader of the output has gone.
    quiet: bool,
}

impl Failure {
    pub(crate) fn new(code: u8, message: impl Into<String>) -> Self {
        let (causes, facts) = (Vec::new(), Map::new());
        Self { code, message: message.into(), causes, remedy: None, facts, quiet: false }
    }

    /// A wrong argument.
    pub(crate) fn usage(message: impl Into<String>) -> Self {
        Self::new(exit::USAGE, message)
    }

    pub(crate) fn remedy(mut self, remedy: impl Into<String>) -> Self {
        self.remedy = Some(remedy.into());
        self
    }

    /// Puts another sentence before what is wrong.
    pub(crate) fn because(mut self, what: impl Into<String>) -> Self {
        self.message = format!("{}: {}", what.into(), self.message);
        self
    }

    /// Ends with `code` and prints nothing.
    pub(crate) fn silent(code: u8) -> Self {
        Self { quiet: true, ..Self::new(code, "") }
    }

    /// A file that was named and cannot be read.
    pub(crate) fn unreadable(path: &Path, error: &io::Error) -> Self {
        let failure = Self::new(exit::NO_INPUT, format!("{} cannot be read", path.display()));
        Self { causes: vec![error.to_string()], ..failure }
    }

    /// Standard output that cannot be written. That its reader has gone is no news to anyone.
    pub(crate) fn of_output(error: &io::Error) -> Self {
        let failure = Self::new(exit::IO, "standard output cannot be written");
        let quiet = error.kind() == io::ErrorKind::BrokenPipe;
        Self { causes: vec![error.to_string()], quiet, ..failure }
    }

    pub(crate) fn code(&self) -> u8 {
        self.code
    }

    /// The text for standard error: empty, lines, or one line of JSON.
    pub(crate) fn text(&self, json: bool) -> String {
        if self.quiet {
            return String::new();
        }
        if json {
            return format!("{}\n", self.to_json());
        }
        let mut text = format!("alicred: {}\n", one_line(&self.message));
        for cause in &self.causes {
            text.push_str(&format!("  cause: {}\n", one_line(cause)));
        }
        if let Some(remedy) = &self.remedy {
            text.push_str(&format!("  remedy: {}\n", one_line(remedy)));
        }
        text
    }

    fn to_json(&self) -> Value {
        let mut error = Map::new();
        error.insert("message".to_owned(), json!(self.message));
        error.insert("exit_code".to_owned(), json!(self.code));
        if !self.causes.is_empty() {
            error.insert("causes".to_owned(), json!(self.causes));
        }
        if let Some(remedy) = &self.remedy {
            error.insert("remedy".to_owned(), json!(remedy));
        }
        error.extend(self.facts.clone());
        json!({ "error": error })
    }
}

fn one_line(text: &str) -> String {
    text.split(char::is_control).filter(|part| !part.is_empty()).collect::<Vec<_>>().join(" ")
}

/// The library's code for a chain in which nothing is configured.
const NO_CREDENTIALS: &str = "NoCredentials";

/// The message with where and what, as `Display` has it, but without the remedy, which has a line of its own.
impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        let nothing = error.code() == Some(NO_CREDENTIALS);
        // The library's message quotes all causes, which have lines of their own here.
        let mut message = if nothing { "no credentials" } else { error.message() }.to_owned();
        if let Some(provider) = error.provider_name() {
            message = format!("{provider}: {message}");
        }
        let status = error.http_status().map(|status| format!("HTTP {status}"));
        let request = error.request_id().map(|id| format!("RequestId {id}"));
        let parts: Vec<String> = [status, error.code().map(str::to_owned), request].into_iter().flatten().collect();
        if !parts.is_empty() {
            message = format!("{message} ({})", parts.join(", "));
        }
        let mut facts = Map::new();
        facts.insert("kind".to_owned(), json!(error.kind().to_string()));
        for (name, value) in
            [("provider", error.provider_name()), ("code", error.code()), ("request_id", error.request_id())]
        {
            facts.extend(value.map(|value| (name.to_owned(), json!(value))));
        }
        facts.extend(error.http_status().map(|status| ("http_status".to_owned(), json!(status))));
        Self {
            code: exit::of(&error),
            // What the message has said already is not said again.
            causes: error.causes().iter().map(ToString::to_string).filter(|cause| !message.contains(cause)).collect(),
            message,
            remedy: match error.remedy() {
                None if nothing => Some("`alicred explain` shows where credentials can come from".to_owned()),
                remedy => remedy.map(str::to_owned),
            },
            facts,
            quiet: false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_is_one_line_with_its_causes_and_its_remedy_below() {
        let cause = Error::failed("the file\nhas a hole");
        let error =
            Error::failed("the vault is sealed").with_code("Sealed").with_remedy("unseal it").with_causes([cause]);
        let failure = Failure::from(error);
        let expected = "alicred: the vault is sealed (Sealed)\n  cause: the file has a hole\n  remedy: unseal it\n";
        assert_eq!(failure.text(false), expected);
        let json: Value = serde_json::from_str(&failure.text(true)).unwrap();
        assert_eq!(json["error"]["exit_code"], 78);
        assert_eq!(json["error"]["code"], "Sealed");
    }

    #[test]
    fn a_reader_that_has_gone_hears_nothing() {
        let failure = Failure::of_output(&io::Error::from(io::ErrorKind::BrokenPipe));
        assert_eq!((failure.code(), failure.text(false).as_str()), (74, ""));
    }
}
