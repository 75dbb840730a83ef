//! What a response's body may be besides plain JSON: JSON behind a byte order mark, compressed, or an error in XML.

use http::{HeaderMap, header};
use serde_json::{Map, Value};

/// Where an error in XML has to end: none of this cloud is longer.
const LONGEST: usize = 4096;

/// Returns `bytes` without a UTF-8 byte order mark, which some servers write and no JSON parser takes.
pub(crate) fn without_bom(bytes: &[u8]) -> &[u8] {
    bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes)
}

/// Returns the compression of a body, in words of ours: this crate asks for none, so it reads none.
pub(crate) fn encoding(headers: &HeaderMap) -> Option<&'static str> {
    let given = headers.get(header::CONTENT_ENCODING)?.as_bytes().trim_ascii();
    let known = ["gzip", "deflate", "br", "zstd"];
    match known.into_iter().find(|known| given.eq_ignore_ascii_case(known.as_bytes())) {
        None if given.is_empty() || given.eq_ignore_ascii_case(b"identity") => None,
        None => Some("an unknown encoding"),
        found => found,
    }
}

/// Returns the members of an error in XML (`<Error><Code>…`), under the names that they have in JSON.
///
/// These documents are flat, so the first element of a name is it. OSS's repeats the token that was sent; only the members
/// that are named here are read.
pub(crate) fn xml_error(document: &[u8]) -> Option<Map<String, Value>> {
    let head = without_bom(document.get(..document.len().min(LONGEST))?);
    let text = match std::str::from_utf8(head) {
        Ok(text) => text,
        Err(error) => std::str::from_utf8(head.get(..error.valid_up_to())?).ok()?,
    };
    let (_, text) = text.split_once("<Error>")?;
    let element = |name: &str| {
        let (_, rest) = text.split_once(&format!("<{name}>"))?;
        Some(unescaped(rest.split_once(&format!("</{name}>"))?.0.trim()))
    };
    let mut members = Map::new();
    members.insert("Code".to_owned(), Value::String(element("Code")?));
    for name in ["Message", "RequestId"] {
        members.extend(element(name).map(|value| (name.to_owned(), Value::String(value))));
    }
    Some(members)
}

/// Text without XML's five entities.
fn unescaped(text: &str) -> String {
    if !text.contains('&') {
        return text.to_owned();
    }
    let text = text.replace("&lt;", "<").replace("&gt;", ">").replace("&quot;", "\"").replace("&apos;", "'");
    text.replace("&amp;", "&")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_in_xml_has_the_members_that_it_would_have_in_json() {
        let text = "\u{feff}<?xml version='1.0' encoding='UTF-8'?>\n<Error><RequestId>R-1</RequestId><HostId>h</HostId>\
                    <Code> NoPermission </Code><Message>a &lt;b&gt; &amp;amp; \u{4e2d}</Message></Error>";
        let members = Value::Object(xml_error(text.as_bytes()).unwrap());
        let expected = serde_json::json!({"Code": "NoPermission", "Message": "a <b> &amp; 中", "RequestId": "R-1"});
        assert_eq!(members, expected);
        for other in ["", "<html><Code>A</Code></html>", "<Error><Message>m</Message></Error>", "<Error><Code>A"] {
            assert!(xml_error(other.as_bytes()).is_none(), "{other}");
        }
    }
}
