//! The bucket and the object that a request addresses, and its operation.

use http::Method;
use http::request::Parts;

use crate::account::BUCKET;
use crate::request::{Request, decode, header_text};

/// Query parameters that override response headers of the supported operations. Version 1 signs them.
pub(super) const RESPONSE_OVERRIDES: [&str; 6] = [
    "response-cache-control",
    "response-content-disposition",
    "response-content-encoding",
    "response-content-language",
    "response-content-type",
    "response-expires",
];

/// Query parameters that select an operation which is not supported. Version 1 signs them too. The names come from the
/// documents on subresources.
pub(super) const UNSUPPORTED_SUBRESOURCES: [&str; 69] = [
    "accessPoint",
    "accessPointPolicy",
    "accessmonitor",
    "acl",
    "append",
    "asyncFetch",
    "bucketInfo",
    "callback",
    "callback-var",
    "cname",
    "comp",
    "cors",
    "delete",
    "encryption",
    "endTime",
    "httpsConfig",
    "img",
    "inventory",
    "inventoryId",
    "lifecycle",
    "live",
    "location",
    "logging",
    "metaQuery",
    "objectInfo",
    "objectMeta",
    "partNumber",
    "policy",
    "policyStatus",
    "position",
    "publicAccessBlock",
    "qos",
    "qosInfo",
    "referer",
    "regions",
    "rename",
    "replication",
    "replicationLocation",
    "replicationProgress",
    "requestPayment",
    "resourceGroup",
    "restore",
    "rtc",
    "sequential",
    "startTime",
    "stat",
    "status",
    "style",
    "styleName",
    "symlink",
    "tagging",
    "transferAcceleration",
    "udf",
    "udfApplication",
    "udfApplicationLog",
    "udfId",
    "udfImage",
    "udfImageDesc",
    "udfName",
    "uploadId",
    "uploads",
    "versionId",
    "versioning",
    "versions",
    "vod",
    "website",
    "worm",
    "wormExtend",
    "wormId",
];

/// Prefixes of further query parameters that select an unsupported operation, such as image processing.
const UNSUPPORTED_PREFIXES: [&str; 2] = ["x-oss-process", "x-oss-async-process"];

/// Conditional headers of GetObject and HeadObject, which are not supported.
const CONDITIONAL_HEADERS: [&str; 4] = ["if-match", "if-none-match", "if-modified-since", "if-unmodified-since"];

/// The supported `x-oss-` headers, besides user metadata. Any other asks for something that is not supported.
const SUPPORTED_HEADERS: [&str; 5] =
    ["x-oss-date", "x-oss-content-sha256", "x-oss-security-token", "x-oss-forbid-overwrite", "x-oss-range-behavior"];

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Operation {
    PutObject,
    GetObject,
    HeadObject,
    DeleteObject,
    ListObjectsV2,
}

impl Operation {
    /// Returns the operation of a request, or `None` if it is not supported.
    pub(super) fn of(request: &Request, address: &Address) -> Option<Self> {
        let other = |name: &str| {
            UNSUPPORTED_SUBRESOURCES.contains(&name)
                || UNSUPPORTED_PREFIXES.iter().any(|prefix| name.starts_with(prefix))
        };
        if request.query.iter().any(|(name, _)| other(name)) {
            return None;
        }
        match (&request.method, address.bucket.is_empty(), address.key.is_empty()) {
            (&Method::PUT, false, false) => Some(Self::PutObject),
            (&Method::GET, false, false) => Some(Self::GetObject),
            (&Method::HEAD, false, false) => Some(Self::HeadObject),
            (&Method::DELETE, false, false) => Some(Self::DeleteObject),
            (&Method::GET, false, true) if request.first("list-type") == Some("2") => Some(Self::ListObjectsV2),
            _ => None,
        }
    }

    /// Returns the second part of a fault's route, which is also the action in a [`Call`](crate::Call).
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::PutObject => "PutObject",
            Self::GetObject => "GetObject",
            Self::HeadObject => "HeadObject",
            Self::DeleteObject => "DeleteObject",
            Self::ListObjectsV2 => "ListObjectsV2",
        }
    }

    /// Returns the documented RAM action that the operation needs.
    pub(super) fn permission(self) -> &'static str {
        match self {
            Self::PutObject => "oss:PutObject",
            Self::GetObject | Self::HeadObject => "oss:GetObject",
            Self::DeleteObject => "oss:DeleteObject",
            Self::ListObjectsV2 => "oss:ListObjects",
        }
    }
}

/// Returns whether a header asks for something that is not supported.
pub(super) fn has_unsupported_header(request: &Request) -> bool {
    request.headers.keys().map(http::HeaderName::as_str).any(|name| {
        CONDITIONAL_HEADERS.contains(&name)
            || (name.starts_with("x-oss-") && !name.starts_with("x-oss-meta-") && !SUPPORTED_HEADERS.contains(&name))
    })
}

/// The decoded bucket and key. Either may be empty.
pub(super) struct Address {
    pub(super) bucket: String,
    pub(super) key: String,
    /// Whether the path is `/bucket` and not `/bucket/`, as OpenDAL sends it to list a bucket.
    without_trailing_slash: bool,
}

impl Address {
    /// Reads the address. Returns `None` if the path is not percent-encoded UTF-8.
    pub(super) fn of(request: &Request) -> Option<Self> {
        let path = request.path.strip_prefix('/').unwrap_or(&request.path);
        let host = Host::parse(&request.header("host").unwrap_or_default());
        let (bucket, key, without_trailing_slash) = match host {
            Host::Bucket(bucket) => (bucket, path, false),
            Host::Service | Host::Other => match path.split_once('/') {
                Some((bucket, key)) => (bucket.to_owned(), key, false),
                None => (path.to_owned(), "", true),
            },
        };
        Some(Self {
            bucket: decode(bucket.as_bytes(), false)?,
            key: decode(key.as_bytes(), false)?,
            without_trailing_slash,
        })
    }

    /// Returns the resources that a signature may name: `/bucket/key`, and the form without the trailing slash if the
    /// request used it.
    pub(super) fn resources(&self) -> Vec<String> {
        if self.bucket.is_empty() {
            return vec!["/".to_owned()];
        }
        let mut resources = vec![format!("/{}/{}", self.bucket, self.key)];
        if self.without_trailing_slash {
            resources.push(format!("/{}", self.bucket));
        }
        resources
    }
}

/// Returns whether a request is for OSS: by its signature, by a header or query parameter that only OSS has, by its
/// host, or by the bucket in its path. No other product's requests have any of these.
pub(crate) fn matches(parts: &Parts) -> bool {
    let authorization = header_text(&parts.headers, "authorization").unwrap_or_default();
    let query = parts.uri.query().unwrap_or_default();
    let path = parts.uri.path().strip_prefix('/').unwrap_or_default();
    ["OSS4-", "OSS2 ", "OSS "].iter().any(|scheme| authorization.starts_with(scheme))
        || parts.headers.keys().any(|name| name.as_str().starts_with("x-oss-"))
        || query.split('&').any(|pair| pair.starts_with("x-oss-") || pair.starts_with("OSSAccessKeyId="))
        || Host::parse(&header_text(&parts.headers, "host").unwrap_or_default()) != Host::Other
        || path.strip_prefix(BUCKET).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// The meaning of a Host header for OSS.
#[derive(Debug, PartialEq, Eq)]
enum Host {
    /// `<bucket>.oss-<region>.aliyuncs.com`, or the fixed bucket in front of any other name.
    Bucket(String),
    /// `oss-<region>.aliyuncs.com`. The bucket is in the path.
    Service,
    Other,
}

impl Host {
    fn parse(header: &str) -> Self {
        let host = header.to_ascii_lowercase();
        let host = host.split(':').next().unwrap_or_default();
        let (first, rest) = host.split_once('.').unwrap_or((host, ""));
        let endpoint = |name: &str| name.starts_with("oss-") && name.ends_with(".aliyuncs.com");
        match first {
            _ if endpoint(host) => Self::Service,
            BUCKET if !rest.is_empty() => Self::Bucket(first.to_owned()),
            _ if endpoint(rest) => Self::Bucket(first.to_owned()),
            _ => Self::Other,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_name_buckets() {
        let bucket = |name: &str| Host::Bucket(name.to_owned());
        for (header, expected) in [
            ("127.0.0.1:8080", Host::Other),
            ("localhost", Host::Other),
            ("[::1]:80", Host::Other),
            ("", Host::Other),
            ("emulator-bucket", Host::Other),
            ("imm.cn-hangzhou.aliyuncs.com", Host::Other),
            ("emulator-bucket.localhost:8080", bucket("emulator-bucket")),
            ("emulator-bucket.127.0.0.1:8080", bucket("emulator-bucket")),
            ("other.localhost:8080", Host::Other),
            ("oss-cn-hangzhou.aliyuncs.com", Host::Service),
            ("Other.oss-cn-hangzhou-internal.aliyuncs.com:443", bucket("other")),
        ] {
            assert_eq!(Host::parse(header), expected, "{header}");
        }
    }

    #[test]
    fn the_names_of_other_operations_are_in_order_and_apart() {
        assert!(UNSUPPORTED_SUBRESOURCES.is_sorted());
        assert!(RESPONSE_OVERRIDES.iter().all(|name| !UNSUPPORTED_SUBRESOURCES.contains(name)));
    }
}
