//! The request as received: decoded query, headers as one text each, and the parameters merged from query and form.

use std::collections::BTreeMap;

use bytes::Bytes;
use http::request::Parts;
use http::{HeaderMap, Method, Version, header};

use crate::response::{ApiError, ApiResult};

pub(crate) struct Request {
    pub(crate) method: Method,
    pub(crate) path: String,
    pub(crate) query: Vec<(String, String)>,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
    /// Empty too when the query or the form can't be decoded; then the checks below say so.
    form: Vec<(String, String)>,
    query_is_broken: bool,
    form_is_broken: bool,
}

/// Where a request says what it wants, and where its signature is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Style {
    /// Version 3: `x-acs-action` and `Authorization`.
    Headers,
    /// Version 1: `Action` and `Signature`, in query or form. Such a signature covers no header, so none is acted on.
    Parameters,
}

impl Request {
    pub(crate) fn new(parts: &Parts, body: Bytes) -> Self {
        let query = decode_pairs(parts.uri.query().unwrap_or_default().as_bytes());
        let content_type = header_text(&parts.headers, header::CONTENT_TYPE.as_str()).unwrap_or_default();
        let form = if content_type.to_ascii_lowercase().starts_with("application/x-www-form-urlencoded") {
            decode_pairs(&body)
        } else {
            Some(Vec::new())
        };
        Self {
            method: parts.method.clone(),
            path: parts.uri.path().to_owned(),
            query_is_broken: query.is_none(),
            query: query.unwrap_or_default(),
            headers: parts.headers.clone(),
            body,
            form_is_broken: form.is_none(),
            form: form.unwrap_or_default(),
        }
    }

    pub(crate) fn check_query(&self) -> ApiResult<()> {
        if self.query_is_broken {
            return Err(ApiError::new(400, "InvalidParameter.Format", "The query is not percent-encoded UTF-8."));
        }
        Ok(())
    }

    pub(crate) fn header(&self, name: &str) -> Option<String> {
        header_text(&self.headers, name)
    }

    /// A parameter as sent, with nothing checked: the first of that name in the query, else in the form.
    pub(crate) fn first(&self, name: &str) -> Option<&str> {
        let mut pairs = self.query.iter().chain(&self.form);
        pairs.find(|(other, _)| other == name).map(|(_, value)| value.as_str())
    }

    /// An unsigned call may name its action in both ways, as the official STS clients do.
    pub(crate) fn style(&self) -> Style {
        let named = || ["x-acs-action", "x-acs-version"].iter().any(|name| self.headers.contains_key(*name));
        let headers = self.header("authorization").is_some() || (self.first("Signature").is_none() && named());
        if headers { Style::Headers } else { Style::Parameters }
    }

    /// Query and form together, as RPC gateways read them. A name that has two different values is refused.
    pub(crate) fn parameters(&self) -> ApiResult<Parameters> {
        if self.form_is_broken {
            return Err(ApiError::new(400, "InvalidParameter.Format", "The form is not percent-encoded UTF-8."));
        }
        let mut merged = BTreeMap::new();
        for (name, value) in self.query.iter().chain(&self.form).cloned() {
            match merged.get(&name) {
                Some(other) if *other != value => {
                    return Err(ApiError::new(
                        400,
                        "InvalidParameter",
                        format!("Specified parameter {name} is given twice with different values."),
                    ));
                }
                _ => drop(merged.insert(name, value)),
            }
        }
        Ok(Parameters(merged))
    }

    /// STS's own rule for bodies.
    pub(crate) fn check_content_type(&self) -> ApiResult<()> {
        let content_type = self.header(header::CONTENT_TYPE.as_str()).unwrap_or_default().to_ascii_lowercase();
        let known = ["application/json", "application/x-www-form-urlencoded"];
        if self.body.is_empty() || known.iter().any(|known| content_type.starts_with(known)) {
            return Ok(());
        }
        Err(ApiError::new(
            400,
            "InvalidParameter.ContentType",
            "The ContentType request header must be either \"application/json\" or \"application/x-www-form-urlencoded\".",
        ))
    }
}

/// The merged parameters. An empty value counts as not given.
pub(crate) struct Parameters(BTreeMap<String, String>);

impl Parameters {
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str).filter(|value| !value.is_empty())
    }

    /// Whether it was sent, if only with an empty value.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.0.contains_key(name)
    }

    /// All of them, sorted by name in byte order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }
}

/// One text per header name: values trimmed, several values sorted and joined by a comma, as the signature has them.
/// Everything reads headers through this, so what is acted on is what was signed.
pub(crate) fn header_text(headers: &HeaderMap, name: &str) -> Option<String> {
    let mut values: Vec<String> =
        headers.get_all(name).iter().map(|value| String::from_utf8_lossy(value.as_bytes()).trim().to_owned()).collect();
    values.sort();
    (!values.is_empty()).then(|| values.join(","))
}

/// Whether the client wants the connection closed after this answer.
pub(crate) fn wants_close(parts: &Parts) -> bool {
    let connection = header_text(&parts.headers, "connection").unwrap_or_default().to_ascii_lowercase();
    let has = |option: &str| connection.split(',').any(|part| part.trim() == option);
    has("close") || (parts.version < Version::HTTP_11 && !has("keep-alive"))
}

/// `a=1&b=x+y` decoded; `+` and `%20` are both a space, for the official Python client writes `+`.
/// `None` when an escape is broken or the text is not UTF-8.
pub(crate) fn decode_pairs(text: &[u8]) -> Option<Vec<(String, String)>> {
    text.split(|byte| *byte == b'&')
        .filter(|pair| !pair.is_empty())
        .map(|pair| {
            let split = pair.iter().position(|byte| *byte == b'=').unwrap_or(pair.len());
            let value = pair.get(split + 1..).unwrap_or_default();
            Some((decode(&pair[..split], true)?, decode(value, true)?))
        })
        .collect()
}

/// `None` when an escape is broken or the text is not UTF-8. `plus` says whether `+` is a space.
pub(crate) fn decode(text: &[u8], plus: bool) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.iter();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'+' if plus => b' ',
            b'%' => digit(*rest.next()?)? << 4 | digit(*rest.next()?)?,
            other => *other,
        });
    }
    String::from_utf8(bytes).ok()
}

fn digit(byte: u8) -> Option<u8> {
    char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_spellings_of_a_space_and_raw_marks_decode_alike() {
        let python = decode_pairs(b"a=x+y%2B&b=%2A%27%28%29%21").unwrap();
        let node = decode_pairs(b"a=x%20y%2b&b=*'()!").unwrap();
        assert_eq!(python, node);
        assert_eq!(python[0].1, "x y+");
    }

    #[test]
    fn broken_escapes_are_refused_and_missing_values_are_empty() {
        for text in ["a=%", "a=%2", "a=%zz", "%ff=1"] {
            assert!(decode_pairs(text.as_bytes()).is_none(), "{text}");
        }
        assert_eq!(decode_pairs(b"a&&b=").unwrap(), [("a".into(), String::new()), ("b".into(), String::new())]);
    }
}
