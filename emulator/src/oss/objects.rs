//! The objects of the bucket and the operations on one of them.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use chrono::{DateTime, Utc};
use http::{HeaderName, HeaderValue, header};

use super::address::RESPONSE_OVERRIDES;
use super::error::{OssError, OssResult, UNDOCUMENTED};
use super::response::OssResponse;
use crate::clock::http_date;
use crate::lock::lock;
use crate::request::Request;
use crate::signature::sha256_hex;

/// Maximum size of all objects together, in bytes.
const TOTAL_LIMIT: usize = 64 * 1024 * 1024;
/// Bytes that an object counts besides its body, key and headers, so that the number of empty objects is limited too.
const OBJECT_OVERHEAD: usize = 512;
/// Documented maximum length of a key.
const MAX_KEY_LENGTH: usize = 1_023;

/// Headers of PutObject that GetObject returns, besides user metadata.
const STORED_HEADERS: [HeaderName; 6] = [
    header::CONTENT_TYPE,
    header::CACHE_CONTROL,
    header::CONTENT_DISPOSITION,
    header::CONTENT_ENCODING,
    header::CONTENT_LANGUAGE,
    header::EXPIRES,
];

pub(super) struct Object {
    body: Bytes,
    headers: Vec<(HeaderName, HeaderValue)>,
    pub(super) etag: String,
    pub(super) modified: DateTime<Utc>,
}

impl Object {
    fn new(request: &Request, now: DateTime<Utc>) -> Self {
        let kept = |name: &HeaderName| STORED_HEADERS.contains(name) || name.as_str().starts_with("x-oss-meta-");
        let headers = request.headers.iter().filter(|(name, _)| kept(name));
        // Clients treat the ETag as opaque. OSS uses the MD5 of the body, which would need another dependency.
        let etag = format!("\"{}\"", sha256_hex(&request.body)[..32].to_uppercase());
        Self {
            headers: headers.map(|(name, value)| (name.clone(), value.clone())).collect(),
            body: request.body.clone(),
            etag,
            modified: now,
        }
    }

    pub(super) fn size(&self) -> usize {
        self.body.len()
    }

    fn cost(&self, key: &str) -> usize {
        let headers = self.headers.iter().map(|(name, value)| name.as_str().len() + value.len()).sum::<usize>();
        OBJECT_OVERHEAD + key.len() + self.body.len() + headers
    }

    fn response(&self, status: u16, body: Bytes) -> OssResponse {
        let mut response = OssResponse::new(status, body);
        response.push("content-type", "application/octet-stream");
        self.headers.iter().for_each(|(name, value)| response.set(name.clone(), value.clone()));
        response.push("accept-ranges", "bytes");
        response.push("etag", &self.etag);
        response.push("last-modified", &http_date(self.modified));
        response.push("x-oss-object-type", "Normal");
        response.push("x-oss-storage-class", "Standard");
        response
    }
}

#[derive(Default)]
pub(crate) struct Objects {
    inner: Mutex<Inner>,
}

#[derive(Default)]
struct Inner {
    by_key: BTreeMap<String, Arc<Object>>,
    cost: usize,
}

impl Objects {
    pub(super) fn put(&self, request: &Request, key: &str, now: DateTime<Utc>) -> OssResult<OssResponse> {
        check_key(key)?;
        let object = Object::new(request, now);
        let mut inner = lock(&self.inner);
        let old = inner.by_key.get(key).map_or(0, |old| old.cost(key));
        let forbidden =
            request.header("x-oss-forbid-overwrite").is_some_and(|value| value.eq_ignore_ascii_case("true"));
        if forbidden && old > 0 {
            let message = "The object you specified already exists and can not be overwritten.";
            return Err(OssError::new(409, "FileAlreadyExists", UNDOCUMENTED, message));
        }
        let cost = inner.cost - old + object.cost(key);
        if cost > TOTAL_LIMIT {
            return Err(OssError::new(
                400,
                "EntityTooLarge",
                UNDOCUMENTED,
                "The emulator keeps 64 MiB of objects in all; delete some.",
            ));
        }
        let mut response = OssResponse::new(200, Bytes::new());
        response.push("etag", &object.etag);
        inner.cost = cost;
        inner.by_key.insert(key.to_owned(), Arc::new(object));
        Ok(response)
    }

    pub(super) fn get(&self, request: &Request, key: &str) -> OssResult<OssResponse> {
        let object = self.find(key)?;
        let range = request.header("range").and_then(|text| Range::parse(&text));
        let strict = request.header("x-oss-range-behavior").is_some_and(|value| value == "standard");
        let mut response = match range.map(|range| range.resolve(object.size(), strict)) {
            Some(ResolvedRange::Part(first, last)) => {
                let part = object.body.slice(first..=last);
                let mut response = object.response(206, part);
                response.push("content-range", &format!("bytes {first}-{last}/{}", object.size()));
                response
            }
            Some(ResolvedRange::Unsatisfiable) => {
                let message = "The requested range cannot be satisfied.";
                return Err(OssError::new(416, "InvalidRange", UNDOCUMENTED, message)
                    .with("ActualObjectSize", object.size().to_string())
                    .with("RangeRequested", request.header("range").unwrap_or_default()));
            }
            Some(ResolvedRange::Whole) | None => object.response(200, object.body.clone()),
        };
        for name in RESPONSE_OVERRIDES {
            let Some(value) = request.first(name) else { continue };
            let (Some(header), Ok(header_value)) = (name.strip_prefix("response-"), HeaderValue::from_str(value))
            else {
                return Err(OssError::argument(UNDOCUMENTED, "The value can not stand in a header.", name, value));
            };
            response.set(HeaderName::from_static(header), header_value);
        }
        Ok(response)
    }

    pub(super) fn head(&self, key: &str) -> OssResult<OssResponse> {
        let object = self.find(key)?;
        Ok(object.response(200, object.body.clone()))
    }

    /// Deletes an object. Succeeds also if there is none.
    pub(super) fn delete(&self, key: &str) -> OssResult<OssResponse> {
        check_key(key)?;
        let mut inner = lock(&self.inner);
        if let Some(old) = inner.by_key.remove(key) {
            inner.cost -= old.cost(key);
        }
        Ok(OssResponse::new(204, Bytes::new()))
    }

    /// Returns the objects whose keys begin with `prefix` and come after `start`, in order.
    pub(super) fn after(&self, start: &str, prefix: &str) -> Vec<(String, Arc<Object>)> {
        let inner = lock(&self.inner);
        let keys = inner.by_key.range(start.max(prefix).to_owned()..);
        let keys = keys.skip_while(|(key, _)| !start.is_empty() && key.as_str() == start);
        keys.take_while(|(key, _)| key.starts_with(prefix)).map(|(key, it)| (key.clone(), Arc::clone(it))).collect()
    }

    fn find(&self, key: &str) -> OssResult<Arc<Object>> {
        check_key(key)?;
        lock(&self.inner).by_key.get(key).cloned().ok_or_else(|| {
            OssError::new(404, "NoSuchKey", "0026-00000001", "The specified key does not exist.").with("Key", key)
        })
    }
}

fn check_key(key: &str) -> OssResult<()> {
    if key.len() <= MAX_KEY_LENGTH && !key.starts_with(['/', '\\']) {
        return Ok(());
    }
    Err(OssError::new(400, "InvalidObjectName", UNDOCUMENTED, "The specified object is not valid."))
}

/// A range: `bytes=a-b`, `bytes=a-` or `bytes=-n`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Range {
    From(usize, Option<usize>),
    Last(usize),
}

#[derive(Debug, PartialEq, Eq)]
enum ResolvedRange {
    Part(usize, usize),
    Whole,
    Unsatisfiable,
}

impl Range {
    /// Parses a single range. Returns `None` for anything else, including several ranges, which is then ignored.
    fn parse(text: &str) -> Option<Self> {
        let (first, last) = text.strip_prefix("bytes=")?.split_once('-')?;
        let number = |text: &str| if text.bytes().all(|byte| byte.is_ascii_digit()) { text.parse().ok() } else { None };
        match (first, last) {
            ("", last) => number(last).map(Self::Last),
            (first, "") => number(first).map(|first| Self::From(first, None)),
            (first, last) => {
                let (first, last) = (number(first)?, number(last)?);
                (first <= last).then_some(Self::From(first, Some(last)))
            }
        }
    }

    /// Resolves the range for an object. A range beyond the end is cut or unsatisfiable if the client asks for the
    /// standard's behavior, and ignored otherwise. Documented.
    fn resolve(self, size: usize, strict: bool) -> ResolvedRange {
        let end = size.saturating_sub(1);
        match self {
            Self::From(first, _) if first >= size => {
                if strict {
                    ResolvedRange::Unsatisfiable
                } else {
                    ResolvedRange::Whole
                }
            }
            Self::From(_, Some(last)) if last > end && !strict => ResolvedRange::Whole,
            Self::From(first, last) => ResolvedRange::Part(first, last.unwrap_or(end).min(end)),
            Self::Last(0) => {
                if strict {
                    ResolvedRange::Unsatisfiable
                } else {
                    ResolvedRange::Whole
                }
            }
            Self::Last(_) if size == 0 => {
                if strict {
                    ResolvedRange::Unsatisfiable
                } else {
                    ResolvedRange::Whole
                }
            }
            Self::Last(count) if count > size && !strict => ResolvedRange::Whole,
            Self::Last(count) => ResolvedRange::Part(size.saturating_sub(count), end),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_cut_or_ignored_as_documented() {
        use ResolvedRange::{Part, Unsatisfiable, Whole};
        for (text, lax, strict) in [
            ("bytes=0-9", Part(0, 9), Part(0, 9)),
            ("bytes=500-2000", Whole, Part(500, 999)),
            ("bytes=1000-2000", Whole, Unsatisfiable),
            ("bytes=500-", Part(500, 999), Part(500, 999)),
            ("bytes=-1", Part(999, 999), Part(999, 999)),
            ("bytes=-2000", Whole, Part(0, 999)),
            ("bytes=-0", Whole, Unsatisfiable),
        ] {
            let range = Range::parse(text).unwrap();
            assert_eq!((range.resolve(1_000, false), range.resolve(1_000, true)), (lax, strict), "{text}");
        }
        assert_eq!(Range::parse("bytes=0-0").unwrap().resolve(0, true), Unsatisfiable);
        assert_eq!(Range::parse("bytes=-1").unwrap().resolve(0, true), Unsatisfiable);
    }

    #[test]
    fn what_is_no_single_range_is_ignored() {
        for text in [
            "",
            "bytes",
            "bytes=",
            "bytes=-",
            "bytes=9-0",
            "bytes=0-1,3-4",
            "bytes=+1-2",
            "chars=0-1",
            "bytes=0-99999999999999999999999",
        ] {
            assert!(Range::parse(text).is_none(), "{text}");
        }
    }
}
