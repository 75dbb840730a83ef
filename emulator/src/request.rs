//! A received request: its decoded query, its headers as text, and the parameters merged from query and form.

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
    /// Also empty if the form cannot be decoded; `form_is_broken` tells the difference.
    form: Vec<(String, String)>,
    query_is_broken: bool,
    form_is_broken: bool,
}

/// Where a request names its operation and carries its signature.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Style {
    /// Version 3: `x-acs-action` and `Authorization`.
    Headers,
    /// Version 1: `Action` and `Signature`, in query or form. This signature covers no headers, so headers are not
    /// used.
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

    /// Returns a parameter without any checks: the first one with this name in the query, else in the form.
    pub(crate) fn first(&self, name: &str) -> Option<&str> {
        let mut pairs = self.query.iter().chain(&self.form);
        pairs.find(|(other, _)| other == name).map(|(_, value)| value.as_str())
    }

    /// Returns the style of the request. An unsigned call may name its action in both ways, as the official STS clients
    /// do.
    pub(crate) fn style(&self) -> Style {
        let named = || ["x-acs-action", "x-acs-version"].iter().any(|name| self.headers.contains_key(*name));
        let headers = self.header("authorization").is_some() || (self.first("Signature").is_none() && named());
        if headers { Style::Headers } else { Style::Parameters }
    }

    /// Merges query and form, as RPC gateways do. A name with two different values is rejected.
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

    /// Checks the content type of a body, which STS requires.
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

/// The merged parameters. An empty value counts as absent.
pub(crate) struct Parameters(BTreeMap<String, String>);

impl Parameters {
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str).filter(|value| !value.is_empty())
    }

    /// Returns whether the parameter was sent, even with an empty value.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.0.contains_key(name)
    }

    /// Returns all parameters, sorted by name in byte order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }
}

/// Returns the value of a header: several values are trimmed, sorted and joined by commas, as the signature has them.
///
/// All code reads headers through this function, so that it acts on what was signed.
pub(crate) fn header_text(headers: &HeaderMap, name: &str) -> Option<String> {
    let mut values: Vec<String> =
        headers.get_all(name).iter().map(|value| String::from_utf8_lossy(value.as_bytes()).trim().to_owned()).collect();
    values.sort();
    (!values.is_empty()).then(|| values.join(","))
}

/// Returns whether the client wants the connection closed after the response.
pub(crate) fn wants_close(parts: &Parts) -> bool {
    let connection = header_text(&parts.headers, "connection").unwrap_or_default().to_ascii_lowercase();
    let has = |option: &str| connection.split(',').any(|part| part.trim() == option);
    has("close") || (parts.version < Version::HTTP_11 && !has("keep-alive"))
}

/// Decodes pairs such as `a=1&b=x+y`. Both `+` and `%20` are a space, as the official Python client sends `+`. Returns
/// `None` if an escape is malformed or the text is not UTF-8.
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

/// Decodes percent-encoded text. `plus` makes `+` a space. Returns `None` if an escape is malformed or the text is not
/// UTF-8.
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
