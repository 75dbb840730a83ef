//! SAML assertions: made as the account's identity provider does, and read and verified as STS does.

mod canonical;
mod signature;

use std::io;
use std::time::{Duration, SystemTime};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use chrono::{DateTime, Utc};
use roxmltree::{Document, Node, ParsingOptions};
use sha2::{Digest, Sha256};

use self::canonical::{Place, escape};
use crate::account::saml_provider::{SAML_AUDIENCE, SAML_ISSUER, SAML_PROVIDER_ARN, SAML_RECIPIENT};
use crate::clock::{Clock, unix_seconds, utc};
use crate::response::{ApiError, ApiResult};

const ASSERTION: &str = "urn:oasis:names:tc:SAML:2.0:assertion";
const PROTOCOL: &str = "urn:oasis:names:tc:SAML:2.0:protocol";
const SUCCESS: &str = "urn:oasis:names:tc:SAML:2.0:status:Success";
const PERSISTENT: &str = "urn:oasis:names:tc:SAML:2.0:nameid-format:persistent";
const BEARER: &str = "urn:oasis:names:tc:SAML:2.0:cm:bearer";
const ROLE: &str = "https://www.aliyun.com/SAML-Role/Attributes/Role";
const ROLE_SESSION_NAME: &str = "https://www.aliyun.com/SAML-Role/Attributes/RoleSessionName";

/// An assertion is bounded by its text; this bounds what it unfolds to.
const NODES: u32 = 10_000;

/// The content of a SAML response with one assertion. By default it is what `imm-role` trusts, for five minutes from now.
///
/// ```
/// use std::time::Duration;
/// use alibabacloud_emulator::account::{AssertionOptions, saml_assertion};
///
/// let expired = saml_assertion(&AssertionOptions::default().ttl(Duration::ZERO))?;
/// assert!(expired.len() > 4);
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use]
pub struct AssertionOptions {
    issuer: String,
    audience: String,
    recipient: String,
    subject: String,
    role_arn: String,
    provider_arn: String,
    session_name: String,
    issued_at: SystemTime,
    ttl: Duration,
}

impl Default for AssertionOptions {
    fn default() -> Self {
        Self {
            issuer: SAML_ISSUER.to_owned(),
            audience: SAML_AUDIENCE.to_owned(),
            recipient: SAML_RECIPIENT.to_owned(),
            subject: "alice".to_owned(),
            role_arn: "acs:ram::1234567890123456:role/imm-role".to_owned(),
            provider_arn: SAML_PROVIDER_ARN.to_owned(),
            session_name: "alice".to_owned(),
            issued_at: Clock::default().system_time(),
            ttl: Duration::from_secs(300),
        }
    }
}

impl AssertionOptions {
    /// Sets the issuer, which must be the identity provider's entity ID.
    pub fn issuer(mut self, issuer: impl Into<String>) -> Self {
        self.issuer = issuer.into();
        self
    }

    /// Sets the audience.
    pub fn audience(mut self, audience: impl Into<String>) -> Self {
        self.audience = audience.into();
        self
    }

    /// Sets the recipient of the subject's confirmation.
    pub fn recipient(mut self, recipient: impl Into<String>) -> Self {
        self.recipient = recipient.into();
        self
    }

    /// Sets the subject, element `NameID`.
    pub fn subject(mut self, subject: impl Into<String>) -> Self {
        self.subject = subject.into();
        self
    }

    /// Sets the role that the subject may assume, attribute `Role`.
    pub fn role_arn(mut self, arn: impl Into<String>) -> Self {
        self.role_arn = arn.into();
        self
    }

    /// Sets the identity provider that stands beside the role in the attribute `Role`.
    pub fn provider_arn(mut self, arn: impl Into<String>) -> Self {
        self.provider_arn = arn.into();
        self
    }

    /// Sets the name of the session, attribute `RoleSessionName`.
    pub fn session_name(mut self, name: impl Into<String>) -> Self {
        self.session_name = name.into();
        self
    }

    /// Sets the time of issue in whole seconds, before which the assertion is not valid. If the emulator's clock was changed,
    /// pass [`Emulator::now`](crate::Emulator::now).
    pub fn issued_at(mut self, instant: SystemTime) -> Self {
        self.issued_at = instant;
        self
    }

    /// Sets the lifetime in whole seconds, which determines `NotOnOrAfter`. Zero makes an assertion that has already
    /// expired.
    pub fn ttl(mut self, ttl: Duration) -> Self {
        self.ttl = ttl;
        self
    }
}

/// Creates a SAML response in base64, as the parameter `SAMLAssertion` takes it. Its assertion is signed with the key of the
/// emulated identity provider.
///
/// # Errors
///
/// Fails if the system has no randomness.
pub fn saml_assertion(options: &AssertionOptions) -> io::Result<String> {
    let issued = clamped(options.issued_at);
    let ttl = chrono::Duration::from_std(options.ttl).unwrap_or(chrono::Duration::MAX);
    let end = utc(issued.checked_add_signed(ttl).unwrap_or(LAST).min(LAST));
    let issued = utc(issued);
    let value = |text: &str| escaped(text, Place::Attribute);
    let text = |text: &str| escaped(text, Place::Text);
    let attribute = |name: &str, of: String| {
        format!(
            "<saml:Attribute Name=\"{name}\"><saml:AttributeValue>{}</saml:AttributeValue></saml:Attribute>",
            text(&of)
        )
    };
    let issuer = format!("<saml:Issuer>{}</saml:Issuer>", text(&options.issuer));
    let rest = format!(
        "<saml:Subject><saml:NameID Format=\"{PERSISTENT}\">{}</saml:NameID>\
         <saml:SubjectConfirmation Method=\"{BEARER}\">\
         <saml:SubjectConfirmationData NotOnOrAfter=\"{end}\" Recipient=\"{}\"></saml:SubjectConfirmationData>\
         </saml:SubjectConfirmation></saml:Subject>\
         <saml:Conditions NotBefore=\"{issued}\" NotOnOrAfter=\"{end}\"><saml:AudienceRestriction>\
         <saml:Audience>{}</saml:Audience></saml:AudienceRestriction></saml:Conditions>\
         <saml:AttributeStatement>{}{}</saml:AttributeStatement></saml:Assertion>",
        text(&options.subject),
        value(&options.recipient),
        text(&options.audience),
        attribute(ROLE, format!("{},{}", options.role_arn, options.provider_arn)),
        attribute(ROLE_SESSION_NAME, options.session_name.clone()),
    );
    let id = Sha256::digest(format!("{issued}{issuer}{rest}"));
    let id: String = id.iter().take(16).map(|byte| format!("{byte:02x}")).collect();
    let start = format!(
        "<saml:Assertion xmlns:saml=\"{ASSERTION}\" ID=\"_{id}\" IssueInstant=\"{issued}\" Version=\"2.0\">{issuer}"
    );
    // Written in canonical form, so that it need not be made canonical.
    let signature = signature::make(&format!("{start}{rest}"), &format!("_{id}"))
        .ok_or_else(|| io::Error::other("the assertion could not be signed: no randomness"))?;
    Ok(STANDARD.encode(format!(
        "<samlp:Response xmlns:samlp=\"{PROTOCOL}\" ID=\"_r{id}\" IssueInstant=\"{issued}\" Version=\"2.0\">\
         <samlp:Status><samlp:StatusCode Value=\"{SUCCESS}\"/></samlp:Status>{start}{signature}{rest}</samlp:Response>"
    )))
}

/// The last second that dates are written for.
const LAST: DateTime<Utc> = match DateTime::from_timestamp(253_402_300_799, 0) {
    Some(last) => last,
    None => DateTime::UNIX_EPOCH,
};

fn clamped(instant: SystemTime) -> DateTime<Utc> {
    DateTime::from_timestamp(unix_seconds(instant), 0).unwrap_or(LAST).min(LAST)
}

fn escaped(text: &str, place: Place) -> String {
    let mut out = String::new();
    escape(text, place, &mut out);
    out
}

/// The parts of a verified assertion that STS reads.
#[derive(Debug)]
pub(crate) struct Assertion {
    pub(crate) issuer: String,
    pub(crate) subject: String,
    pub(crate) subject_type: String,
    pub(crate) recipient: String,
    pub(crate) audiences: Vec<String>,
    /// Pairs of a role and its identity provider, in either order.
    pub(crate) roles: Vec<String>,
    pub(crate) session_name: String,
}

impl Assertion {
    /// Reads the parameter `SAMLAssertion`: form, signature and times are verified.
    pub(crate) fn verify(parameter: &str, now: DateTime<Utc>) -> ApiResult<Self> {
        // Documented limits.
        if !(4..=100_000).contains(&parameter.len()) {
            return Err(invalid("The length of the SAML assertion must be between 4 and 100000."));
        }
        let xml = STANDARD.decode(parameter).map_err(|_| invalid("The SAML assertion is not base64 encoded."))?;
        let xml = String::from_utf8(xml).map_err(|_| unreadable())?;
        let options = ParsingOptions { allow_dtd: false, nodes_limit: NODES, ..ParsingOptions::default() };
        let document = Document::parse_with_options(&xml, options).map_err(|_| unreadable())?;
        let assertion = find(&document)?;
        if let Some(flaw) = signature::flaw(assertion) {
            return Err(invalid(format!("The SAML assertion is not signed by the identity provider: {flaw}.")));
        }
        read(assertion, now)
    }
}

/// Returns the document's one assertion, alone or within a successful response.
fn find<'a, 'input>(document: &'a Document<'input>) -> ApiResult<Node<'a, 'input>> {
    let is_assertion = |node: &Node<'_, '_>| node.has_tag_name((ASSERTION, "Assertion"));
    let root = document.root_element();
    let mut all = document.descendants().filter(is_assertion);
    let assertion = all.next().filter(|found| *found == root || found.parent() == Some(root)).ok_or_else(unreadable)?;
    if all.next().is_some() {
        return Err(invalid("The SAML response must have exactly one assertion."));
    }
    if assertion != root {
        let status = child(root, PROTOCOL, "Status").and_then(|status| child(status, PROTOCOL, "StatusCode"));
        let succeeded = status.is_some_and(|status| status.attribute("Value") == Some(SUCCESS));
        if !root.has_tag_name((PROTOCOL, "Response")) || !succeeded {
            return Err(invalid("The SAML response is not a success."));
        }
    }
    Ok(assertion)
}

/// Reads the elements that STS requires, all of them children of the verified assertion.
fn read(assertion: Node<'_, '_>, now: DateTime<Utc>) -> ApiResult<Assertion> {
    let lacks = |what: &str| invalid(format!("The SAML assertion has no {what}."));
    let of = |node, name: &str| child(node, ASSERTION, name).ok_or_else(|| lacks(name));
    let subject = of(assertion, "Subject")?;
    let name_id = of(subject, "NameID")?;
    let confirmation = of(of(subject, "SubjectConfirmation")?, "SubjectConfirmationData")?;
    let conditions = of(assertion, "Conditions")?;
    let end = time(confirmation, "NotOnOrAfter")?.ok_or_else(|| lacks("NotOnOrAfter"))?;
    let ends = [Some(end), time(conditions, "NotOnOrAfter")?];
    if ends.into_iter().flatten().any(|end| end <= now) {
        return Err(ApiError::new(401, "AuthenticationFail.SAMLAssertion.Expired", "The SAML assertion is expired."));
    }
    if time(conditions, "NotBefore")?.is_some_and(|start| start > now) {
        return Err(invalid("The SAML assertion is not valid yet."));
    }
    let values = |name: &str| -> Vec<String> {
        children(assertion, "AttributeStatement")
            .flat_map(|statement| children(statement, "Attribute"))
            .filter(|attribute| attribute.attribute("Name") == Some(name))
            .flat_map(|attribute| children(attribute, "AttributeValue"))
            .map(text)
            .collect()
    };
    let mut names = values(ROLE_SESSION_NAME);
    let (Some(session_name), true) = (names.pop(), names.is_empty()) else {
        return Err(lacks("single attribute RoleSessionName"));
    };
    let roles = values(ROLE);
    if roles.is_empty() {
        return Err(lacks("attribute Role"));
    }
    Ok(Assertion {
        issuer: text(of(assertion, "Issuer")?),
        subject: text(name_id),
        subject_type: name_id.attribute("Format").unwrap_or_default().rsplit(':').next().unwrap_or_default().to_owned(),
        recipient: confirmation.attribute("Recipient").unwrap_or_default().to_owned(),
        audiences: children(conditions, "AudienceRestriction")
            .flat_map(|restriction| children(restriction, "Audience"))
            .map(text)
            .collect(),
        roles,
        session_name,
    })
}

fn children<'a, 'input>(node: Node<'a, 'input>, name: &'static str) -> impl Iterator<Item = Node<'a, 'input>> {
    node.children().filter(move |child| child.has_tag_name((ASSERTION, name)))
}

/// Returns the one child of this name.
fn child<'a, 'input>(node: Node<'a, 'input>, namespace: &str, name: &str) -> Option<Node<'a, 'input>> {
    let mut found = node.children().filter(|child| child.has_tag_name((namespace, name)));
    found.next().filter(|_| found.next().is_none())
}

/// Returns all text of an element. A comment within it, which the signature does not cover, changes nothing.
fn text(node: Node<'_, '_>) -> String {
    let text: String = node.children().filter(Node::is_text).filter_map(|node| node.text()).collect();
    text.trim().to_owned()
}

fn time(node: Node<'_, '_>, name: &str) -> ApiResult<Option<DateTime<Utc>>> {
    let parse = |text: &str| DateTime::parse_from_rfc3339(text).map_err(|_| unreadable());
    Ok(node.attribute(name).map(parse).transpose()?.map(|time| time.to_utc()))
}

pub(crate) fn invalid(message: impl Into<std::borrow::Cow<'static, str>>) -> ApiError {
    ApiError::new(401, "AuthenticationFail.SAMLAssertion.Invalid", message)
}

fn unreadable() -> ApiError {
    invalid("The content of the SAML assertion is unreadable.")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn signed(options: AssertionOptions) -> String {
        let xml = STANDARD.decode(saml_assertion(&options.issued_at(at(1_000))).unwrap()).unwrap();
        String::from_utf8(xml).unwrap()
    }

    fn at(seconds: u64) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(seconds)
    }

    fn check(xml: &str, now: i64) -> ApiResult<Assertion> {
        Assertion::verify(&STANDARD.encode(xml), DateTime::from_timestamp(now, 0).unwrap())
    }

    #[test]
    fn what_is_made_is_read_again() {
        let xml = signed(AssertionOptions::default().subject("a <b> & \"c\"").session_name("alice@example.com"));
        let read = check(&xml, 1_299).unwrap_or_else(|error| panic!("{}", error.message));
        assert_eq!((read.issuer.as_str(), read.subject.as_str()), (SAML_ISSUER, "a <b> & \"c\""));
        assert_eq!((read.subject_type.as_str(), read.recipient.as_str()), ("persistent", SAML_RECIPIENT));
        assert_eq!(
            (read.audiences, read.session_name),
            (vec![SAML_AUDIENCE.to_owned()], "alice@example.com".to_owned())
        );
        assert_eq!(read.roles, [format!("acs:ram::1234567890123456:role/imm-role,{SAML_PROVIDER_ARN}")]);
        assert_eq!(check(&xml, 1_300).err().unwrap().code, "AuthenticationFail.SAMLAssertion.Expired");
        assert!(check(&xml, 999).err().unwrap().message.contains("not valid yet"));
        for ttl in [Duration::MAX, Duration::from_secs(1 << 40)] {
            assert!(check(&signed(AssertionOptions::default().ttl(ttl)), 1_000).is_ok());
        }
        assert!(saml_assertion(&AssertionOptions::default().issued_at(at(1 << 60))).is_ok());
        // Without the response around it, and with a comment and a declaration that the signature does not cover.
        let (start, end) = (xml.find("<saml:Assertion").unwrap(), xml.find("</samlp:Response>").unwrap());
        assert!(check(&xml[start..end], 1_000).is_ok());
        let commented =
            xml.replace("alice@example.com", "alice@<!-- -->example.com").replace("<saml:Sub", "<!----><saml:Sub");
        assert_eq!(check(&commented, 1_000).ok().unwrap().session_name, "alice@example.com");
        assert!(check(&xml.replace("<samlp:Response ", "<samlp:Response xmlns:unused=\"u\" "), 1_000).is_ok());
    }

    #[test]
    fn another_signers_assertion_is_read_too() {
        let vector = include_str!("../../tests/vectors/saml-signxml.b64");
        let read = Assertion::verify(vector.trim(), DateTime::from_timestamp(1_767_323_045, 0).unwrap());
        let read = read.unwrap_or_else(|error| panic!("{}", error.message));
        assert_eq!((read.issuer.as_str(), read.session_name.as_str()), (SAML_ISSUER, "bob+tag@example.com"));
        let tampered = STANDARD.decode(vector.trim()).unwrap();
        let tampered = String::from_utf8(tampered).unwrap().replace("bob+tag", "eve+tag");
        assert!(check(&tampered, 1_767_323_045).err().unwrap().message.contains("its digest does not match"));
    }

    #[test]
    fn whatever_is_changed_is_refused_with_the_reason() {
        let xml = signed(AssertionOptions::default());
        let id = xml.split(" ID=\"").nth(2).unwrap().split('"').next().unwrap().to_owned();
        let signature = {
            let (start, end) = (xml.find("<ds:Signature ").unwrap(), xml.find("</ds:Signature>").unwrap() + 15);
            xml[start..end].to_owned()
        };
        let assertion = {
            let (start, end) = (xml.find("<saml:Assertion").unwrap(), xml.find("</samlp:Response>").unwrap());
            xml[start..end].to_owned()
        };
        let forged = assertion.replace(&signature, "").replace("alice", "mallory").replace(&id, "_evil");
        let value = xml.split("SignatureValue>").nth(1).unwrap().to_owned();
        let deep = format!("{}{}", "<a>".repeat(9_900), "</a>".repeat(9_900));
        for (changed, reason) in [
            (xml.replace("alice", "mallory"), "its digest does not match"),
            (xml.replace("role/imm-role", "role/other"), "its digest does not match"),
            (xml.replace("<saml:Subject>", "<saml:Subject> "), "its digest does not match"),
            (xml.replace(&signature, ""), "it has not one signature"),
            (xml.replace(&signature, &signature.repeat(2)), "it has not one signature"),
            (xml.replace(&value[..8], "AAAAAAAA"), "its signature does not match"),
            (xml.replace(&format!("URI=\"#{id}\""), "URI=\"\""), "its signature is over something else"),
            (xml.replace(&format!(" ID=\"{id}\""), " ID=\"_other\""), "its signature is over something else"),
            (xml.replace("rsa-sha256", "rsa-sha1"), "an algorithm that is not supported"),
            (xml.replace("xmlenc#sha256", "xmldsig#sha1"), "an algorithm that is not supported"),
            (xml.replace("#enveloped-signature", "#base64"), "an algorithm that is not supported"),
            (
                xml.replace("xml-exc-c14n#\"></ds:Transform>", "xml-exc-c14n#\"><x/></ds:Transform>"),
                "an algorithm that is not supported",
            ),
            // The signed assertion moved aside, and another one in its place.
            (xml.replace(&assertion, &format!("{forged}<x>{assertion}</x>")), "exactly one assertion"),
            (xml.replace(&assertion, &format!("<x>{assertion}</x>")), "unreadable"),
            (xml.replace("status:Success", "status:Requester"), "not a success"),
            (format!("<!DOCTYPE a [<!ENTITY e \"x\">]>{xml}"), "unreadable"),
            (xml.replace("</samlp:Response>", ""), "unreadable"),
            (deep.clone(), "unreadable"),
            (xml.replace("<saml:Subject>", &format!("{deep}<saml:Subject>")), "digest does not match"),
            (
                xml.replace("<saml:Subject>", &format!("{}{}<saml:Subject>", "<a>".repeat(80), "</a>".repeat(80))),
                "digest",
            ),
            ("{}".to_owned(), "unreadable"),
        ] {
            let error = check(&changed, 1_000).err().unwrap_or_else(|| panic!("{reason}: {changed}"));
            assert_eq!((error.status, error.code.as_ref()), (401, "AuthenticationFail.SAMLAssertion.Invalid"));
            assert!(error.message.contains(reason), "{reason}: {}", error.message);
        }
        for (parameter, reason) in [("", "length"), ("????", "base64"), ("/////w==", "unreadable")] {
            let error = Assertion::verify(parameter, DateTime::UNIX_EPOCH).err().unwrap();
            assert!(error.message.contains(reason), "{}", error.message);
        }
        assert!(
            Assertion::verify(&"A".repeat(100_004), DateTime::UNIX_EPOCH).err().unwrap().message.contains("length")
        );
    }
}
