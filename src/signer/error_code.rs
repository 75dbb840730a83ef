//! The error code in a server's answer, whatever form it has there.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::HeaderMap;
use serde_json::Value;

/// Where OSS says what is wrong when an answer has no body: the same XML, in Base64.
const OSS_ERROR: &str = "x-oss-err";

/// No code of this cloud is longer.
const LONGEST: usize = 128;

/// The code in an error document: JSON's `Code` or `code`, XML's `<Code>`.
pub(super) fn read(headers: &HeaderMap, body: &[u8]) -> Option<String> {
    let code = if body.is_empty() {
        let document = STANDARD.decode(headers.get(OSS_ERROR)?.as_bytes()).ok()?;
        in_xml(&document)?.to_owned()
    } else if let Ok(document) = serde_json::from_slice::<Value>(body) {
        ["Code", "code"].iter().find_map(|name| document.get(name)?.as_str())?.to_owned()
    } else {
        in_xml(body)?.to_owned()
    };
    // What is not of this form is no code, and is not to be logged as one.
    let looks_right = code.len() <= LONGEST && code.bytes().all(|b| b.is_ascii_alphanumeric() || b".-_".contains(&b));
    (looks_right && !code.is_empty()).then_some(code)
}

/// OSS's error document is flat and its code has no entities, so the first element of this name is it. What follows is
/// not looked at: it repeats the token that was sent.
fn in_xml(document: &[u8]) -> Option<&str> {
    let head = document.get(..document.len().min(4096))?;
    let text = match std::str::from_utf8(head) {
        Ok(text) => text,
        Err(error) => std::str::from_utf8(head.get(..error.valid_up_to())?).ok()?,
    };
    let (_, rest) = text.split_once("<Code>")?;
    Some(rest.split_once("</Code>")?.0.trim())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(body: &str) -> Option<String> {
        read(&HeaderMap::new(), body.as_bytes())
    }

    #[test]
    fn the_code_is_found_in_json_in_xml_and_in_the_header_of_an_answer_without_a_body() {
        assert_eq!(of(r#"{"Code":"A.B","Message":"m"}"#).unwrap(), "A.B");
        assert_eq!(of(r#"{"code":"C"}"#).unwrap(), "C");
        let xml = "<?xml version=\"1.0\"?>\n<Error>\n  <Code>SecurityTokenExpired</Code>\n  <Message>中</Message>";
        assert_eq!(of(xml).unwrap(), "SecurityTokenExpired");
        let mut headers = HeaderMap::new();
        headers.insert(OSS_ERROR, STANDARD.encode(xml).parse().unwrap());
        assert_eq!(read(&headers, b"").unwrap(), "SecurityTokenExpired");
    }

    #[test]
    fn what_is_no_error_document_has_no_code() {
        for body in ["", "[]", "{}", "null", r#"{"Code":7}"#, r#"{"Code":""}"#, "<Code>", "<Code>a b</Code>", "<p>"] {
            assert_eq!(of(body), None, "{body}");
        }
        assert_eq!(of(&format!("<Code>{}</Code>", "x".repeat(200))), None);
        assert_eq!(read(&HeaderMap::new(), b"\xff<Code>A</Code>"), None);
        let mut headers = HeaderMap::new();
        headers.insert(OSS_ERROR, "not base64!".parse().unwrap());
        assert_eq!(read(&headers, b""), None);
    }
}
