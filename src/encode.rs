//! Percent-encoding and hexadecimal, as signatures, forms and URLs of this cloud have them.

use std::borrow::Cow;

const UPPER_HEX: &[u8; 16] = b"0123456789ABCDEF";
pub(crate) const LOWER_HEX: &[u8; 16] = b"0123456789abcdef";

/// Appends `text` to `out`, percent-encoded as every signature of this cloud asks: UTF-8, unreserved characters
/// (`A–Z a–z 0–9 - _ . ~`) as they are, everything else `%XX` in upper case, so a space is `%20`.
///
/// ```
/// let mut out = String::new();
/// alibabacloud_credentials::sign::percent_encode("a b*~/中", &mut out);
/// assert_eq!(out, "a%20b%2A~%2F%E4%B8%AD");
/// ```
pub fn percent_encode(text: &str, out: &mut String) {
    percent_encode_with(text, &mut |run| out.push_str(run));
}

/// Hands the percent-encoded form of `text` to `sink`, unreserved runs whole.
pub(crate) fn percent_encode_with(text: &str, sink: &mut dyn FnMut(&str)) {
    let bytes = text.as_bytes();
    let mut start = 0;
    for (at, &byte) in bytes.iter().enumerate() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b'~') {
            continue;
        }
        // Runs are cut at ASCII or at encoded bytes, never inside a kept character.
        if let Some(run) = text.get(start..at).filter(|run| !run.is_empty()) {
            sink(run);
        }
        let hex = [b'%', UPPER_HEX[usize::from(byte >> 4)], UPPER_HEX[usize::from(byte & 15)]];
        if let Ok(hex) = std::str::from_utf8(&hex) {
            sink(hex);
        }
        start = at + 1;
    }
    if let Some(run) = text.get(start..).filter(|run| !run.is_empty()) {
        sink(run);
    }
}

/// `text` in lower case; owned only where it was written otherwise.
pub(crate) fn in_lower_case(text: &str) -> Cow<'_, str> {
    if text.bytes().any(|byte| byte.is_ascii_uppercase()) { text.to_ascii_lowercase().into() } else { text.into() }
}

/// Appends `bytes` to `out` in lower-case hexadecimal.
pub(crate) fn push_hex(bytes: &[u8], out: &mut String) {
    for &byte in bytes {
        out.push(char::from(LOWER_HEX[usize::from(byte >> 4)]));
        out.push(char::from(LOWER_HEX[usize::from(byte & 15)]));
    }
}
