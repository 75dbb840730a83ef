//! Signature V4 of Object Storage on the head of a request.

use http::request;

use super::{Pairs, SignedRequest, already_signed, borrowed, headers, query};
use crate::context::Context;
use crate::credentials::Credentials;
use crate::error::Error;
use crate::rpc::insert_headers;
use crate::sign::oss4::{self, OssHost};

const DATE: &str = "x-oss-date";
const CONTENT_SHA256: &str = "x-oss-content-sha256";
const TOKEN: &str = "x-oss-security-token";

/// What a presigned URL holds, of any version.
const IN_SIGNED_URLS: [&str; 6] =
    ["x-oss-signature", "x-oss-credential", "x-oss-security-token", "OSSAccessKeyId", "Signature", "security-token"];

pub(super) struct Signable {
    region: String,
    bucket: String,
    key: String,
    query: Pairs,
}

pub(super) fn prepare(
    head: &request::Parts,
    host: &str,
    region: &str,
    bucket: Option<&str>,
) -> Result<Signable, Error> {
    oss4::check_signing_region(region, host)?;
    let path = percent_encoding::percent_decode_str(head.uri.path()).decode_utf8();
    let path = path.map_err(|_| Error::invalid_input("the path is not UTF-8").with_code("InvalidPath"))?;
    let path = path.strip_prefix('/').unwrap_or(&path);
    let (bucket, key) = match bucket.or_else(|| OssHost::read(host)?.bucket) {
        Some(bucket) => (bucket, path),
        None => path.split_once('/').unwrap_or((path, "")),
    };
    signed_headers(head)?;
    let query = query(head)?;
    if let Some((name, _)) = query.iter().find(|(name, _)| IN_SIGNED_URLS.contains(&name.as_str())) {
        return Err(already_signed(name));
    }
    Ok(Signable { region: region.to_owned(), bucket: bucket.to_owned(), key: key.to_owned(), query })
}

/// The request's own headers that are signed.
fn signed_headers(head: &request::Parts) -> Result<Vec<(&str, &str)>, Error> {
    headers(head, |name| oss4::is_always_signed(name) && ![DATE, CONTENT_SHA256, TOKEN].contains(&name))
}

impl Signable {
    pub(super) fn sign(
        &self,
        head: &request::Parts,
        context: &Context,
        credentials: &Credentials,
    ) -> Result<SignedRequest, Error> {
        let date = oss4::date(context.signing_time());
        let mut added = vec![(DATE, date.as_str()), (CONTENT_SHA256, oss4::UNSIGNED_PAYLOAD)];
        added.extend(credentials.security_token().map(|token| (TOKEN, token)));
        let mut to_sign = signed_headers(head)?;
        to_sign.extend(&added);
        let query = borrowed(&self.query);
        let request = oss4::Request {
            method: head.method.as_str(),
            bucket: &self.bucket,
            key: &self.key,
            region: &self.region,
            query: &query,
            headers: &to_sign,
            additional_headers: &[],
        };
        let authorization = request.authorization(credentials.access_key_id(), credentials.access_key_secret());
        let mut signed = head.clone();
        signed.headers.remove(TOKEN);
        insert_headers(&mut signed.headers, added.into_iter(), &authorization)?;
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
            let signable = prepare(&head, &host, "cn-hangzhou", given).unwrap();
            assert_eq!((signable.bucket.as_str(), signable.key.as_str()), (bucket, key), "{uri}");
        }
    }
}
