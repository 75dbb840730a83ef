//! Exclusive canonical XML 1.0 without comments, the form of an element that XML signatures are made over.
//!
//! A namespace is declared where an element or attribute uses its prefix and no ancestor in the output has declared the
//! same. A list of inclusive prefixes is not supported.

use std::collections::BTreeMap;

use roxmltree::{Attribute, Node, NodeId, NodeType};

/// Deeper elements are not what a signature is made over.
const DEPTH: usize = 64;

/// Prefixes with their namespaces, as declared in the output. The empty prefix is the default namespace.
type Declared<'a> = BTreeMap<&'a str, &'a str>;

/// Returns the canonical form of an element without the descendant `without`, or `None` if it nests too deep.
pub(super) fn canonical(element: Node<'_, '_>, without: Option<NodeId>) -> Option<String> {
    let mut out = String::new();
    write(element, without, &Declared::new(), DEPTH, &mut out)?;
    Some(out)
}

fn write<'a>(
    node: Node<'a, '_>,
    without: Option<NodeId>,
    declared: &Declared<'a>,
    depth: usize,
    out: &mut String,
) -> Option<()> {
    if Some(node.id()) == without {
        return Some(());
    }
    match node.node_type() {
        NodeType::Element => element(node, without, declared, depth.checked_sub(1)?, out)?,
        NodeType::Text => escape(node.text().unwrap_or_default(), Place::Text, out),
        NodeType::PI => {
            let instruction = node.pi()?;
            let value = instruction.value.map(|value| format!(" {value}")).unwrap_or_default();
            out.push_str(&format!("<?{}{value}?>", instruction.target));
        }
        NodeType::Comment | NodeType::Root => {}
    }
    Some(())
}

fn element<'a>(
    node: Node<'a, '_>,
    without: Option<NodeId>,
    declared: &Declared<'a>,
    depth: usize,
    out: &mut String,
) -> Option<()> {
    let source = node.document().input_text();
    // The parser resolves prefixes, and the output needs them as they were written.
    let name = source.get(node.range().start + 1..)?;
    let name = &name[..name.find(|c: char| c.is_ascii_whitespace() || c == '/' || c == '>')?];
    let mut attributes: Vec<(Attribute<'a, '_>, &str)> = Vec::new();
    for attribute in node.attributes() {
        attributes.push((attribute, source.get(attribute.range_qname())?));
    }
    attributes.sort_by_key(|(attribute, _)| (attribute.namespace().unwrap_or_default(), attribute.name()));

    let mut used: BTreeMap<&str, &str> = BTreeMap::new();
    let names = attributes.iter().map(|(_, name)| *name).filter(|name| name.contains(':'));
    for prefix in names.chain([name]).map(prefix).filter(|prefix| *prefix != "xml") {
        let namespace = node.lookup_namespace_uri(Some(prefix).filter(|prefix| !prefix.is_empty()));
        used.insert(prefix, namespace.unwrap_or_default());
    }
    let mut declared = declared.clone();
    out.push_str(&format!("<{name}"));
    for (prefix, namespace) in used {
        if declared.get(prefix).copied().unwrap_or_default() == namespace {
            continue;
        }
        out.push_str(if prefix.is_empty() { " xmlns" } else { " xmlns:" });
        out.push_str(&format!("{prefix}=\""));
        escape(namespace, Place::Attribute, out);
        out.push('"');
        declared.insert(prefix, namespace);
    }
    for (attribute, name) in attributes {
        out.push_str(&format!(" {name}=\""));
        escape(attribute.value(), Place::Attribute, out);
        out.push('"');
    }
    out.push('>');
    for child in node.children() {
        write(child, without, &declared, depth, out)?;
    }
    out.push_str(&format!("</{name}>"));
    Some(())
}

fn prefix(name: &str) -> &str {
    name.split_once(':').map_or("", |(prefix, _)| prefix)
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    Text,
    Attribute,
}

/// Writes text or a value as canonical XML has it.
pub(super) fn escape(text: &str, place: Place, out: &mut String) {
    for c in text.chars() {
        match (c, place) {
            ('&', _) => out.push_str("&amp;"),
            ('<', _) => out.push_str("&lt;"),
            ('\r', _) => out.push_str("&#xD;"),
            ('>', Place::Text) => out.push_str("&gt;"),
            ('"', Place::Attribute) => out.push_str("&quot;"),
            ('\t', Place::Attribute) => out.push_str("&#x9;"),
            ('\n', Place::Attribute) => out.push_str("&#xA;"),
            _ => out.push(c),
        }
    }
}
