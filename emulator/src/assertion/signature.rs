//! The signature of an assertion: enveloped, RSA with SHA-256, over exclusive canonical XML without comments.
//!
//! This is what identity providers make by default. Of XML signatures nothing else is understood: no other algorithm, no
//! other transform, no reference to anything but the assertion that holds the signature. The key is the registered one,
//! whatever `KeyInfo` says.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use roxmltree::Node;
use sha2::{Digest, Sha256};

use super::canonical::canonical;
use crate::key;

pub(super) const NAMESPACE: &str = "http://www.w3.org/2000/09/xmldsig#";
const CANONICAL: &str = "http://www.w3.org/2001/10/xml-exc-c14n#";
const ENVELOPED: &str = "http://www.w3.org/2000/09/xmldsig#enveloped-signature";
const RSA_SHA256: &str = "http://www.w3.org/2001/04/xmldsig-more#rsa-sha256";
const SHA256: &str = "http://www.w3.org/2001/04/xmlenc#sha256";

/// Returns why the element is not signed by the registered key, or `None` if it is.
pub(super) fn flaw(assertion: Node<'_, '_>) -> Option<&'static str> {
    let Some(signature) = only(assertion, "Signature") else { return Some("it has not one signature of its own") };
    let Some(info) = only(signature, "SignedInfo") else { return Some("its signature has no SignedInfo") };
    let Some(reference) = only(info, "Reference") else { return Some("its signature has not one reference") };
    let id = assertion.attribute("ID").filter(|id| !id.is_empty());
    if id.is_none() || reference.attribute("URI").and_then(|uri| uri.strip_prefix('#')) != id {
        return Some("its signature is over something else");
    }
    let transforms: Vec<_> = only(reference, "Transforms")
        .into_iter()
        .flat_map(|transforms| transforms.children())
        .filter(Node::is_element)
        .map(|transform| named(transform, "Transform"))
        .collect();
    if algorithm(info, "CanonicalizationMethod") != Some(CANONICAL)
        || algorithm(info, "SignatureMethod") != Some(RSA_SHA256)
        || algorithm(reference, "DigestMethod") != Some(SHA256)
        || transforms != [Some(ENVELOPED), Some(CANONICAL)]
    {
        return Some("its signature is made by an algorithm that is not supported");
    }
    let digest = canonical(assertion, Some(signature.id())).map(|text| Sha256::digest(text).to_vec());
    if digest.is_none() || base64_of(reference, "DigestValue") != digest {
        return Some("its digest does not match");
    }
    let is_signed = canonical(info, None)
        .zip(base64_of(signature, "SignatureValue"))
        .is_some_and(|(info, value)| key::is_signed(info.as_bytes(), &value));
    (!is_signed).then_some("its signature does not match")
}

/// Returns the signature of an assertion whose canonical form is given, in canonical form itself.
pub(super) fn make(assertion: &str, id: &str) -> Option<String> {
    let digest = STANDARD.encode(Sha256::digest(assertion));
    let info = format!(
        "<ds:SignedInfo xmlns:ds=\"{NAMESPACE}\"><ds:CanonicalizationMethod Algorithm=\"{CANONICAL}\">\
         </ds:CanonicalizationMethod><ds:SignatureMethod Algorithm=\"{RSA_SHA256}\"></ds:SignatureMethod>\
         <ds:Reference URI=\"#{id}\"><ds:Transforms><ds:Transform Algorithm=\"{ENVELOPED}\"></ds:Transform>\
         <ds:Transform Algorithm=\"{CANONICAL}\"></ds:Transform></ds:Transforms>\
         <ds:DigestMethod Algorithm=\"{SHA256}\"></ds:DigestMethod><ds:DigestValue>{digest}</ds:DigestValue>\
         </ds:Reference></ds:SignedInfo>"
    );
    let value = STANDARD.encode(key::sign(info.as_bytes())?);
    Some(format!(
        "<ds:Signature xmlns:ds=\"{NAMESPACE}\">{info}<ds:SignatureValue>{value}</ds:SignatureValue></ds:Signature>"
    ))
}

/// Returns the one child of this name in the namespace of signatures.
fn only<'a, 'input>(node: Node<'a, 'input>, name: &str) -> Option<Node<'a, 'input>> {
    let mut found = node.children().filter(|child| child.has_tag_name((NAMESPACE, name)));
    found.next().filter(|_| found.next().is_none())
}

fn algorithm<'a>(node: Node<'a, '_>, name: &str) -> Option<&'a str> {
    named(only(node, name)?, name)
}

/// Returns the algorithm that an element names, unless it has parameters.
fn named<'a>(node: Node<'a, '_>, name: &str) -> Option<&'a str> {
    let plain = node.has_tag_name((NAMESPACE, name)) && !node.children().any(|child| child.is_element());
    node.attribute("Algorithm").filter(|_| plain)
}

fn base64_of(node: Node<'_, '_>, name: &str) -> Option<Vec<u8>> {
    let text: String = only(node, name)?.text()?.split_ascii_whitespace().collect();
    STANDARD.decode(text).ok()
}
