//! Parameters from the command line, files and standard input.

use std::io::Read as _;
use std::path::Path;

use alibabacloud_credentials::{ApiResponse, Error, OpenApiClient};
use serde_json::{Map, Value};

use crate::exit;
use crate::failure::Failure;

const STDIN: &str = "-";
/// More than any product takes.
const LONGEST: u64 = 16 * 1024 * 1024;

#[derive(Debug)]
pub(super) struct Parameters {
    pairs: Vec<(String, String)>,
    body: Option<Map<String, Value>>,
}

impl Parameters {
    pub(super) fn read(words: &[String], body: Option<&Path>) -> Result<Self, Failure> {
        let mut stdin = Stdin { used: false };
        let body = body.map(|path| stdin.text(path).and_then(|text| object(path, &text))).transpose()?;
        let mut pairs: Vec<(String, String)> = Vec::new();
        for word in words {
            let (name, value) = pair(word, &mut stdin)?;
            if pairs.iter().any(|(other, _)| *other == name)
                || body.as_ref().is_some_and(|body| body.contains_key(&name))
            {
                return Err(Failure::usage(format!("{name} is given twice")));
            }
            pairs.push((name, value));
        }
        Ok(Self { pairs, body })
    }

    pub(super) fn pairs(&self) -> impl Iterator<Item = (&str, &str)> {
        self.pairs.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }

    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.pairs.iter().map(|(name, _)| name).chain(self.body.iter().flat_map(Map::keys)).map(String::as_str)
    }

    pub(super) async fn call(&self, client: &OpenApiClient, action: &str) -> Result<ApiResponse, Error> {
        let Some(body) = &self.body else { return client.call(action, self.pairs()).await };
        let mut all = body.clone();
        all.extend(self.pairs().map(|(name, value)| (name.to_owned(), Value::from(value))));
        client.call_json(action, &all).await
    }
}

/// `Key=Value`, where the value may name a file.
fn pair(word: &str, stdin: &mut Stdin) -> Result<(String, String), Failure> {
    let Some((name, value)) = word.split_once('=').filter(|(name, _)| !name.is_empty()) else {
        let failure = Failure::usage(format!("`{}` is no parameter", shown(word)));
        return Err(failure.remedy("write Key=Value, or Key=@FILE for a value from a file"));
    };
    let value = match value.strip_prefix('@') {
        None => value.to_owned(),
        Some(rest) if rest.starts_with('@') => rest.to_owned(),
        Some(file) => {
            let text = stdin.text(Path::new(file))?;
            // Editors end a file by a line break, which is no part of the value.
            let text = text.strip_suffix('\n').unwrap_or(&text);
            text.strip_suffix('\r').unwrap_or(text).to_owned()
        }
    };
    Ok((name.to_owned(), value))
}

/// Shortens a word of the command line: it may be a secret that slipped there.
fn shown(word: &str) -> String {
    let start: String = word.chars().take(8).filter(|c| !c.is_control()).collect();
    if word.chars().count() > 8 { start + "…" } else { start }
}

fn object(path: &Path, text: &str) -> Result<Map<String, Value>, Failure> {
    let wrong = |what: String| Failure::new(exit::DATA, format!("{}: {what}", path.display()));
    match serde_json::from_str(text) {
        Ok(Value::Object(members)) => Ok(members),
        Ok(_) => Err(wrong("the JSON is no object of parameters".to_owned())),
        Err(error) => Err(wrong(format!("no JSON at line {} column {}", error.line(), error.column()))),
    }
}

/// Standard input can be read once.
struct Stdin {
    used: bool,
}

impl Stdin {
    /// The content of a file, or of standard input.
    fn text(&mut self, path: &Path) -> Result<String, Failure> {
        let mut text = String::new();
        let read = if path == Path::new(STDIN) {
            if std::mem::replace(&mut self.used, true) {
                return Err(Failure::usage("standard input is read twice"));
            }
            std::io::stdin().lock().take(LONGEST).read_to_string(&mut text)
        } else {
            std::fs::File::open(path).and_then(|file| file.take(LONGEST).read_to_string(&mut text))
        };
        read.map_err(|error| Failure::unreadable(path, &error))?;
        Ok(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(words: &[&str]) -> Result<Vec<(String, String)>, Failure> {
        let words: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
        Parameters::read(&words, None).map(|parameters| parameters.pairs)
    }

    #[test]
    fn a_value_is_everything_behind_the_first_equals_sign() {
        let pairs = read(&["Tag=[{\"Key\":\"a=b\"}]", "Empty=", "Mail=@@me"]).unwrap();
        let pairs: Vec<(&str, &str)> = pairs.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        assert_eq!(pairs, [("Tag", "[{\"Key\":\"a=b\"}]"), ("Empty", ""), ("Mail", "@me")]);
    }

    #[test]
    fn what_is_no_parameter_is_refused_without_being_repeated_in_full() {
        let text = read(&["a-very-long-secret-without-a-name"]).unwrap_err().text(false);
        assert!(text.contains("`a-very-l…` is no parameter") && !text.contains("secret"), "{text}");
        assert!(read(&["=x"]).is_err() && read(&["A=1", "A=2"]).is_err());
        assert_eq!(read(&["A=@/nonexistent/file"]).unwrap_err().code(), exit::NO_INPUT);
    }
}
