//! Signature V4 of Object Storage on the head of a request.

use std::sync::Arc;

use http::{HeaderName, HeaderValue, header, request};

use super::{SignedRequest, already_signed, borrowed, checked_query, headers, query, without};
use crate::context::Context;
use crate::credentials::Credentials;
use crate::error::Error;
use crate::key_characters::checked_headers;
use crate::rpc::insert;
use crate::sign::oss4;

static DATE: HeaderName = HeaderName::from_static("x-oss-date");
static CONTENT_SHA256: HeaderName = HeaderName::from_static("x-oss-content-sha256");
static TOKEN: HeaderName = HeaderName::from_static("x-oss-security-token");

/// Headers of the signature itself: whatever the request has of them is replaced.
static OURS: [&HeaderName; 3] = [&DATE, &CONTENT_SHA256, &TOKEN];

/// What a presigned URL holds, of any version.
const IN_SIGNED_URLS: [&str; 6] =
    ["x-oss-signature", "x-oss-credential", "x-oss-security-token", "OSSAccessKeyId", "Signature", "security-token"];

pub(super) struct Signable {
    region: Arc<str>,
    bucket: String,
    /// The decoded path, and where in it the key begins.
    path: String,
    key: usize,
}

pub(super) fn prepare(
    head: &request::Parts,
    host: &str,
    region: &Arc<str>,
    bucket: Option<&str>,
) -> Result<Signable, Error> {
    let host = oss4::check_signing_region(region, host)?;
    let path = percent_encoding::percent_decode_str(head.uri.path()).decode_utf8();
    let path = path.map_err(|_| Error::invalid_input("the path is not UTF-8").with_code("InvalidPath"))?.into_owned();
    let root = usize::from(path.starts_with('/'));
    let (bucket, key) = match bucket.or_else(|| host?.bucket) {
        Some(bucket) => (bucket, root),
        None => match path[root..].split_once('/') {
            Some((bucket, _)) => (bucket, root + bucket.len() + 1),
            None => (&path[root..], path.len()),
        },
    };
    signed_headers(head).try_for_each(|header| header.map(drop))?;
    if let Some((name, _)) = query(head)?.find(|(name, _)| IN_SIGNED_URLS.contains(&&**name)) {
        return Err(already_signed(&name));
    }
    Ok(Signable { region: Arc::clone(region), bucket: bucket.to_owned(), path, key })
}

/// The request's own headers that are signed.
fn signed_headers(head: &request::Parts) -> impl Iterator<Item = Result<(&str, &str), Error>> {
    headers(head, |name| oss4::is_always_signed(name.as_str()) && !OURS.contains(&name))
}

impl Signable {
    fn key(&self) -> &str {
        &self.path[self.key..]
    }

    pub(super) fn sign(
        &self,
        head: &request::Parts,
        context: &Context,
        credentials: &Credentials,
    ) -> Result<SignedRequest, Error> {
        let key = checked_headers(credentials)?;
        let date = oss4::date(context.signing_time());
        let token = credentials.security_token();
        let mut to_sign = Vec::with_capacity(6);
        to_sign.extend([(DATE.as_str(), date.as_str()), (CONTENT_SHA256.as_str(), oss4::UNSIGNED_PAYLOAD)]);
        to_sign.extend(token.map(|token| (TOKEN.as_str(), token)));
        for header in signed_headers(head) {
            to_sign.push(header?);
        }
        let query: Vec<_> = checked_query(head).collect();
        let request = oss4::Request {
            method: head.method.as_str(),
            bucket: &self.bucket,
            key: self.key(),
            region: &self.region,
            query: &borrowed(&query),
            headers: &to_sign,
            additional_headers: &[],
        };
        let authorization = request.authorization(credentials.access_key_id(), credentials.access_key_secret());
        let mut signed = without(&OURS, head, OURS.len() + 1);
        let fields = &mut signed.headers;
        if let Some(token) = &key.security_token {
            fields.insert(&TOKEN, token.clone());
        }
        insert(fields, &DATE, date)?;
        fields.insert(&CONTENT_SHA256, HeaderValue::from_static(oss4::UNSIGNED_PAYLOAD));
        insert(fields, &header::AUTHORIZATION, authorization)?;
        Ok(SignedRequest { head: signed, body: None })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bucket_is_in_the_host_or_in_the_path() {
        for (uri, given, bucket, key) in [
            ("https://media.oss-cn-hangzhou.aliyuncs.com/a/b%20c", None, "media", "a/b c"),
            ("https://media.oss-cn-hangzhou-internal.aliyuncs.com/", None, "media", ""),
            ("https://media.cn-hangzhou.oss.aliyuncs.com/k", None, "media", "k"),
            ("https://media.oss-cn-hangzhou.aliyuncs.com:8443/k", None, "media", "k"),
            ("https://media.vpc100-oss-cn-hangzhou.aliyuncs.com/k", None, "media", "k"),
            ("https://media.oss-accelerate.aliyuncs.com/k", None, "media", "k"),
            ("https://cn-hangzhou.oss.aliyuncs.com/media/k", None, "media", "k"),
            ("https://oss-cn-hangzhou.aliyuncs.com/media/a/b", None, "media", "a/b"),
            ("https://oss-cn-hangzhou.aliyuncs.com/", None, "", ""),
            ("http://127.0.0.1:3000/media/k", None, "media", "k"),
            ("https://files.oss-gateway.example.com/media/k", None, "media", "k"),
            ("http://127.0.0.1:3000/media", None, "media", ""),
            ("https://films.example.com/a/b", Some("media"), "media", "a/b"),
        ] {
            let (head, ()) = http::Request::get(uri).body(()).unwrap().into_parts();
            let host = head.uri.authority().unwrap().as_str().to_owned();
            let signable = prepare(&head, &host, &"cn-hangzhou".into(), given).unwrap();
            assert_eq!((signable.bucket.as_str(), signable.key()), (bucket, key), "{uri}");
        }
    }
}
