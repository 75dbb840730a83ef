//! The error code in a server's answer, whatever form it has there.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::HeaderMap;
use serde_json::Value;

use crate::error_codes::effective_code;
use crate::rpc;

/// Where OSS says what is wrong when an answer has no body: the same XML, in Base64.
const OSS_ERROR: &str = "x-oss-err";

/// No code of this cloud is longer.
const LONGEST: usize = 128;

/// What an error document says: JSON's `Code` or `code`, XML's `<Code>`, read with the message beside it.
pub(super) fn read(headers: &HeaderMap, body: &[u8]) -> Option<String> {
    let document = if body.is_empty() {
        Value::from(rpc::xml_error(&STANDARD.decode(headers.get(OSS_ERROR)?.as_bytes()).ok()?)?)
    } else {
        serde_json::from_slice(rpc::without_bom(body)).ok().or_else(|| rpc::xml_error(body).map(Value::from))?
    };
    let member = |names: [&str; 2]| names.iter().find_map(|name| document.get(name)?.as_str());
    let code = effective_code(member(["Code", "code"])?, member(["Message", "message"]).unwrap_or_default());
    // What is not of this form is no code, and is not to be logged as one.
    let looks_right = code.len() <= LONGEST && code.bytes().all(|b| b.is_ascii_alphanumeric() || b".-_".contains(&b));
    (looks_right && !code.is_empty()).then(|| code.to_owned())
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
        let ecs = r#"{"Code":"InvalidParameter","Message":"The specified parameter \"SecurityToken.Expired\" is not valid."}"#;
        assert_eq!(of(ecs).unwrap(), "InvalidSecurityToken.Expired");
        let mut headers = HeaderMap::new();
        headers.insert(OSS_ERROR, STANDARD.encode(xml).parse().unwrap());
        assert_eq!(read(&headers, b"").unwrap(), "SecurityTokenExpired");
    }

    #[test]
    fn what_is_no_error_document_has_no_code() {
        for body in [
            "",
            "[]",
            "{}",
            "null",
            r#"{"Code":7}"#,
            r#"{"Code":""}"#,
            "<Error><Code>",
            "<Error><Code>a b</Code>",
            "<p>",
        ] {
            assert_eq!(of(body), None, "{body}");
        }
        assert_eq!(of(&format!("<Error><Code>{}</Code>", "x".repeat(200))), None);
        assert_eq!(read(&HeaderMap::new(), b"\xff<Error><Code>A</Code>"), None);
        let mut headers = HeaderMap::new();
        headers.insert(OSS_ERROR, "not base64!".parse().unwrap());
        assert_eq!(read(&headers, b""), None);
    }
}
