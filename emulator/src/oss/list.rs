//! ListObjectsV2: keys in order, grouped at a delimiter, in pages.

use std::sync::Arc;

use super::authenticate::millis;
use super::error::{OssError, OssResult, UNDOCUMENTED};
use super::objects::Object;
use super::response::OssResponse;
use crate::account::{ACCOUNT_ID, BUCKET};
use crate::random::{Random, hex};
use crate::request::Request;
use crate::response::write_members;
use crate::signature::percent_encode;
use crate::state::State;

/// Default page size. Documented.
const DEFAULT_MAX_KEYS: usize = 100;
const MAX_KEYS_LIMIT: usize = 1_000;

/// One entry of a page: an object, or the common prefix of a group.
enum Entry {
    Object(String, Arc<Object>),
    Group(String),
}

impl Entry {
    fn name(&self) -> &str {
        match self {
            Self::Object(name, _) | Self::Group(name) => name,
        }
    }
}

pub(super) fn list(state: &State, request: &Request) -> OssResult<OssResponse> {
    let get = |name: &str| request.first(name).unwrap_or_default();
    let max_keys =
        match get("max-keys") {
            "" => DEFAULT_MAX_KEYS,
            text => text.parse().ok().filter(|max_keys| (1..=MAX_KEYS_LIMIT).contains(max_keys)).ok_or_else(|| {
                OssError::argument(UNDOCUMENTED, "The value of max-keys is invalid.", "max-keys", text)
            })?,
        };
    let encode: fn(&str) -> String = match get("encoding-type") {
        "" => str::to_owned,
        "url" => percent_encode,
        other => {
            let message = "The value of encoding-type is invalid.";
            return Err(OssError::argument(UNDOCUMENTED, message, "encoding-type", other));
        }
    };
    let (prefix, delimiter) = (get("prefix"), get("delimiter"));
    let start = match get("continuation-token") {
        "" => get("start-after").to_owned(),
        token => read_token(&state.random, token).ok_or_else(|| {
            let message = "The continuation token provided is incorrect.";
            OssError::argument(UNDOCUMENTED, message, "continuation-token", token)
        })?,
    };
    let mut entries = entries(state.objects.after(&start, prefix), prefix, delimiter, &start);
    let truncated = entries.len() > max_keys;
    entries.truncate(max_keys);
    let next = entries.last().filter(|_| truncated).map(|last| write_token(&state.random, last.name()));

    let (max_keys, truncated, count) = (max_keys.to_string(), truncated.to_string(), entries.len().to_string());
    let (shown_prefix, shown_delimiter, start_after) = (encode(prefix), encode(delimiter), encode(get("start-after")));
    let mut members: Vec<(&str, &str)> = vec![("Name", BUCKET), ("Prefix", &shown_prefix), ("MaxKeys", &max_keys)];
    let mut echo = |name, from: &str, value| {
        if request.first(from).is_some() {
            members.push((name, value));
        }
    };
    echo("Delimiter", "delimiter", &shown_delimiter);
    echo("StartAfter", "start-after", &start_after);
    echo("EncodingType", "encoding-type", get("encoding-type"));
    echo("ContinuationToken", "continuation-token", get("continuation-token"));
    members.extend([("IsTruncated", truncated.as_str()), ("KeyCount", count.as_str())]);
    members.extend(next.as_deref().map(|next| ("NextContinuationToken", next)));

    let mut xml = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<ListBucketResult>");
    write_members(&mut xml, &members);
    for entry in &entries {
        write_entry(&mut xml, entry, encode, get("fetch-owner") == "true");
    }
    xml.push_str("</ListBucketResult>\n");
    Ok(OssResponse::xml(200, xml))
}

fn entries(keys: Vec<(String, Arc<Object>)>, prefix: &str, delimiter: &str, start: &str) -> Vec<Entry> {
    let mut entries: Vec<Entry> = Vec::new();
    for (key, object) in keys {
        let rest = key.get(prefix.len()..).unwrap_or_default();
        match rest.find(delimiter).filter(|_| !delimiter.is_empty()) {
            Some(at) => {
                let group = &key[..prefix.len() + at + delimiter.len()];
                // A page that ended with a group continues after the whole group.
                if group != start && entries.last().is_none_or(|last| last.name() != group) {
                    entries.push(Entry::Group(group.to_owned()));
                }
            }
            None => entries.push(Entry::Object(key, object)),
        }
    }
    entries
}

fn write_entry(xml: &mut String, entry: &Entry, encode: fn(&str) -> String, with_owner: bool) {
    match entry {
        Entry::Group(name) => {
            xml.push_str("<CommonPrefixes>");
            write_members(xml, &[("Prefix", &encode(name))]);
            xml.push_str("</CommonPrefixes>");
        }
        Entry::Object(key, object) => {
            xml.push_str("<Contents>");
            write_members(
                xml,
                &[
                    ("Key", &encode(key)),
                    ("LastModified", &millis(object.modified)),
                    ("ETag", &object.etag),
                    ("Type", "Normal"),
                    ("Size", &object.size().to_string()),
                    ("StorageClass", "Standard"),
                ],
            );
            if with_owner {
                xml.push_str("<Owner>");
                write_members(xml, &[("ID", ACCOUNT_ID), ("DisplayName", ACCOUNT_ID)]);
                xml.push_str("</Owner>");
            }
            xml.push_str("</Contents>");
        }
    }
}

/// Encodes a page token: a MAC, then the name at which the page ended. Clients treat it as opaque.
fn write_token(random: &Random, name: &str) -> String {
    format!("{}{}", random.short_mac(&format!("oss/{name}")), hex(name.as_bytes()))
}

fn read_token(random: &Random, token: &str) -> Option<String> {
    let digits = token.get(16..)?.as_bytes().chunks(2);
    let bytes: Option<Vec<u8>> =
        digits.map(|pair| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()).collect();
    String::from_utf8(bytes?).ok().filter(|name| write_token(random, name) == token)
}
