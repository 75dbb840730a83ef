//! SAML assertions: where they come from, and until when they are good.

use std::borrow::Cow;
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use zeroize::Zeroizing;

use crate::context::Context;
use crate::error::Error;
use crate::provider::BoxFuture;
use crate::redact::shown_path;
use crate::secret_file::{self, Fault};
use crate::time;

/// STS takes no longer one.
const LONGEST: usize = 100_000;

/// A SAML response with a signed assertion, in base64. It is zeroized when dropped, and `Debug` does not show it.
///
/// ```
/// use alibabacloud_credentials::SamlAssertion;
///
/// let assertion = SamlAssertion::new("PHNhbWxwOlJlc3Bv\nbnNlLz4=\n");
/// assert_eq!(assertion.as_str(), "PHNhbWxwOlJlc3BvbnNlLz4=");
/// assert_eq!(format!("{assertion:?}"), "SamlAssertion(…)");
/// ```
#[derive(Clone)]
pub struct SamlAssertion(Zeroizing<String>);

impl SamlAssertion {
    /// Creates an assertion from the text that the identity provider posts to the browser as `SAMLResponse`, or from the XML
    /// itself. White space within base64 is dropped, and so is a byte order mark.
    pub fn new(assertion: impl AsRef<str>) -> Self {
        let text = assertion.as_ref();
        let text = text.strip_prefix('\u{feff}').unwrap_or(text).trim();
        Self(Zeroizing::new(match text.starts_with('<') {
            true => STANDARD.encode(text),
            false => text.split_whitespace().collect(),
        }))
    }

    /// Returns the assertion in base64, as STS takes it.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Returns the end of its life by its own words, if it has one. Errors never repeat any of it.
    pub(crate) fn end(&self) -> Result<Option<SystemTime>, Error> {
        let wrong = |what: String| {
            let error = Error::failed(format!("holds no SAML assertion: {what}")).with_code("SamlAssertionMalformed");
            error.with_remedy("it has to hold the identity provider's SAMLResponse in base64 and nothing else")
        };
        let text = self.as_str();
        if text.is_empty() {
            return Err(wrong("it is empty".to_owned()));
        }
        if text.len() > LONGEST {
            return Err(wrong(format!("it has {} characters, and STS takes {LONGEST}", text.len())));
        }
        let is_of_base64 = |byte: u8| byte.is_ascii_alphanumeric() || b"+/=".contains(&byte);
        if let Some(at) = text.bytes().position(|byte| !is_of_base64(byte)) {
            let what = match text.as_bytes()[at] {
                b'%' => "is percent-encoded, as it is in a browser's request",
                b'"' | b'\'' => "has a quotation mark",
                b'-' | b'_' => "is in the base64 of URLs",
                _ => "has a character that base64 does not have",
            };
            return Err(wrong(format!("it {what} (byte {})", at + 1)));
        }
        let xml = STANDARD.decode(text).map(Zeroizing::new);
        let xml = xml.map_err(|_| wrong("it is not base64".to_owned()))?;
        let xml = std::str::from_utf8(&xml).ok().map(str::trim_start).filter(|xml| xml.starts_with('<'));
        Ok(end(xml.ok_or_else(|| wrong("it is the base64 of something that is not XML".to_owned()))?))
    }
}

impl fmt::Debug for SamlAssertion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SamlAssertion(…)")
    }
}

/// Returns how long ago `end` was, by a clock that shows `now`.
pub(crate) fn expired_for(end: Option<SystemTime>, now: SystemTime) -> Option<Duration> {
    now.duration_since(end?).ok()
}

/// The end of an assertion: that of its conditions, or of the last of its subject's confirmations, whichever is sooner.
///
/// Nothing is verified here: the server does that. An encrypted assertion shows no end, and neither does broken XML.
fn end(xml: &str) -> Option<SystemTime> {
    let document = roxmltree::Document::parse(xml).ok()?;
    let (mut conditions, mut confirmation) = (None, None);
    for element in document.descendants() {
        let end = || time::parse_iso(element.attribute("NotOnOrAfter")?);
        match element.tag_name().name() {
            "Conditions" => conditions = sooner(conditions, end()),
            "SubjectConfirmationData" => confirmation = confirmation.max(end()),
            _ => {}
        }
    }
    sooner(conditions, confirmation)
}

fn sooner(one: Option<SystemTime>, other: Option<SystemTime>) -> Option<SystemTime> {
    one.into_iter().chain(other).min()
}

type Ask = dyn Fn() -> BoxFuture<'static, Result<SamlAssertion, Error>> + Send + Sync;

/// A source of assertions. It is asked again for every exchange, since they live for minutes.
#[derive(Clone)]
pub(crate) enum AssertionSource {
    File(PathBuf),
    Variable(String),
    Closure(String, Arc<Ask>),
}

impl AssertionSource {
    /// Returns the name that errors use.
    pub(crate) fn describe(&self) -> Cow<'_, str> {
        match self {
            Self::File(path) => format!("file {}", shown_path(path)).into(),
            Self::Variable(name) => format!("variable {name}").into(),
            Self::Closure(name, _) => Cow::Borrowed(name),
        }
    }

    pub(crate) async fn assertion(&self, context: &Context) -> Result<SamlAssertion, Error> {
        // An assertion as XML, or with line breaks, is a third longer or shorter than what STS takes.
        const LIMIT: u64 = 256 * 1024;
        match self {
            Self::File(path) => {
                let text = secret_file::read(context, path, LIMIT, "one SAMLResponse in base64").await;
                text.map(|text| SamlAssertion::new(&*text)).map_err(|fault| match fault {
                    Fault::Missing(error) => error.with_code("SamlAssertionMissing"),
                    Fault::Malformed(error) => error.with_code("SamlAssertionMalformed"),
                    Fault::Unreadable(error) => error,
                })
            }
            Self::Variable(name) => {
                let value = context.env(name)?.map(Zeroizing::new);
                let missing = || Error::failed(format!("{name} is unset")).with_code("SamlAssertionMissing");
                value.map(|value| SamlAssertion::new(&*value)).ok_or_else(missing)
            }
            Self::Closure(_, ask) => ask().await,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> SystemTime {
        time::parse_iso(text).unwrap()
    }

    #[test]
    fn the_end_is_that_of_the_conditions_or_of_the_last_confirmation() {
        let one = r#"<a:SubjectConfirmationData xmlns:a="urn:a" Recipient='x="y" NotOnOrAfter="2020-01-01T00:00:00Z"' NotOnOrAfter="2026-01-02T03:09:05.123Z"/>"#;
        let other = "<SubjectConfirmationData\n  NotOnOrAfter = '2026-01-02T03:10:05Z'></SubjectConfirmationData>";
        let conditions = r#"<Conditions NotBefore="2020-01-01T00:00:00Z" NotOnOrAfter="2026-01-02T03:09:30+00:00"/>"#;
        let session =
            r#"<AuthnStatement SessionNotOnOrAfter="2020-01-01T00:00:00Z" NotOnOrAfter="2020-01-01T00:00:00Z"/>"#;
        let hidden = format!("<!-- {conditions} --><?x {one}?><![CDATA[{one}]]>").replace("2026", "2020");
        for (content, expected) in [
            (one.to_owned(), Some("2026-01-02T03:09:05.123Z")),
            (format!("{one}{other}"), Some("2026-01-02T03:10:05Z")),
            (format!("{one}{other}{conditions}"), Some("2026-01-02T03:09:30Z")),
            (format!("{conditions}{session}"), Some("2026-01-02T03:09:30Z")),
            (format!("{hidden}{other}"), Some("2026-01-02T03:10:05Z")),
            (session.to_owned(), None),
            ("<Conditions NotOnOrAfter=\"soon\"/>".to_owned(), None),
            ("<Conditions NotOnOrAfter=\"2026".to_owned(), None),
            ("<Conditions NotOnOrAfter/>".to_owned(), None),
            ("<EncryptedAssertion/>".to_owned(), None),
            ("<!--".to_owned(), None),
            ("<a>".repeat(20_000), None),
        ] {
            let xml = format!("<Response>{content}</Response>");
            assert_eq!(SamlAssertion::new(&xml).end().unwrap(), expected.map(at), "{content}");
        }
    }

    #[test]
    fn what_is_no_assertion_is_said_without_its_text() {
        let s3cr3t = STANDARD.encode("<s3cr3t>");
        for (text, what) in [
            (String::new(), "it is empty"),
            (format!("{s3cr3t}%3D"), "percent-encoded"),
            (format!("\"{s3cr3t}\""), "a quotation mark (byte 1)"),
            (format!("{s3cr3t}-"), "base64 of URLs"),
            (format!("{s3cr3t}!"), "base64 does not have"),
            (format!("{s3cr3t}A"), "not base64"),
            (STANDARD.encode("s3cr3t"), "not XML"),
            (STANDARD.encode(b"\xff\xfe"), "not XML"),
            ("A".repeat(100_001), "100001 characters"),
        ] {
            let error = SamlAssertion::new(&text).end().unwrap_err();
            assert_eq!(error.code(), Some("SamlAssertionMalformed"));
            assert!(error.message().contains(what), "{error}");
            assert!(!error.to_string().contains("s3cr3t") && !error.to_string().contains(&s3cr3t), "{error}");
        }
    }
}
