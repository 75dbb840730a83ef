//! A session as JSON: `{AccessKeyId, AccessKeySecret, SecurityToken, Expiration}`, for every service that hands one out. The only reader.

use bytes::Bytes;
use http::{HeaderMap, Response, StatusCode};
use serde_json::Value;

use crate::context::{Context, Transit, retry_after, server_time};
use crate::credentials::Credentials;
use crate::error::{Error, ErrorKind};
use crate::key_characters::check;
use crate::rpc;
use crate::time;
use crate::validity::{self, Arrival, Issuer};

/// The host and the request of a response, as errors name them.
#[derive(Clone, Copy)]
pub(crate) struct Origin<'a> {
    pub(crate) host: &'a str,
    /// `AssumeRole`, or `GET /latest/…`.
    pub(crate) asked: &'a str,
    /// The object that holds the members, with its dot: `Credentials.`, or nothing.
    pub(crate) within: &'a str,
}

impl Origin<'_> {
    /// An answer that lacks something. It is named, and nothing else is.
    pub(crate) fn without(&self, what: &str) -> Error {
        Error::new(ErrorKind::InvalidResponse, format!("{} answered {} without {what}", self.host, self.asked))
            .with_code("InvalidResponse")
    }

    /// An answer whose status is not the one that was hoped for. Nothing of its body is kept.
    pub(crate) fn refused(&self, status: StatusCode, headers: &HeaderMap) -> Error {
        let (kind, what) = match status.as_u16() {
            300..400 => (ErrorKind::InvalidResponse, "by a redirect, which is not followed"),
            400.. => (ErrorKind::Refused, "by a refusal"),
            _ => (ErrorKind::InvalidResponse, "by something else than a document"),
        };
        let error = Error::new(kind, format!("{} answered {} {what}", self.host, self.asked))
            .with_code("UnexpectedStatus")
            .with_http_status(status.as_u16())
            .with_retry_after(retry_after(headers));
        // An invalid token, a timeout and a throttle pass; what else the client is told is its own fault stays.
        if status.is_client_error() && ![401, 408, 429].contains(&status.as_u16()) { error.permanent() } else { error }
    }
}

/// The rule for `Code`: a document must say `Success`, or must only not say anything else.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Code {
    Required,
    Optional,
}

/// A session that is the whole document of an answer with status 200. What is wrong with it is named, never shown.
pub(crate) fn document(
    response: Response<Bytes>,
    origin: Origin<'_>,
    code: Code,
    context: &Context,
) -> Result<Credentials, Error> {
    let (parts, bytes) = response.into_parts();
    if parts.status != StatusCode::OK {
        return Err(origin.refused(parts.status, &parts.headers));
    }
    if let Some(encoding) = rpc::encoding(&parts.headers) {
        let message = format!(
            "{} answered {} with a compressed body ({encoding}), which was not asked for",
            origin.host, origin.asked
        );
        return Err(Error::new(ErrorKind::InvalidResponse, message).with_code("InvalidResponse"));
    }
    let body = serde_json::from_slice::<Value>(rpc::without_bom(&bytes)).map_err(|error| {
        let what = match error.classify() {
            serde_json::error::Category::Eof => "JSON that breaks off",
            _ => "something that is not JSON",
        };
        let place = format!("at line {} column {}", error.line(), error.column());
        let message = format!("{} answered {} with {what} {place}", origin.host, origin.asked);
        Error::new(ErrorKind::InvalidResponse, message).with_code("InvalidResponse")
    })?;
    if !body.is_object() {
        return Err(origin.without("a JSON object"));
    }
    match body.get("Code").filter(|code| !code.is_null()) {
        Some(Value::String(code)) if code == "Success" => {}
        None if code == Code::Optional => {}
        None => return Err(origin.without("Code")),
        Some(other) => {
            // A code is words and dots. Anything else may be what is not to be shown.
            let word = |code: &&str| code.len() <= 64 && code.bytes().all(|b| b.is_ascii_alphabetic() || b == b'.');
            let named = other.as_str().filter(word).map(|code| format!(" ({code})")).unwrap_or_default();
            let message = format!("{} answered {} with another Code than Success{named}", origin.host, origin.asked);
            return Err(Error::new(ErrorKind::Refused, message).with_code("NotSuccess"));
        }
    }
    let transit = parts.extensions.get().copied();
    read(Some(&body), &parts.headers, transit, origin, Issuer::Relay, context)
}

/// The four members, none of them blank, and what remains of the session from now on.
pub(crate) fn read(
    members: Option<&Value>,
    headers: &HeaderMap,
    transit: Option<Transit>,
    origin: Origin<'_>,
    issuer: Issuer,
    context: &Context,
) -> Result<Credentials, Error> {
    let key = |name: &str| key(members, name, origin);
    let credentials =
        Credentials::new(key("AccessKeyId")?, key("AccessKeySecret")?).with_security_token(key("SecurityToken")?);
    until(member(members, "Expiration", origin)?, credentials, headers, transit, origin, issuer, context)
}

/// The three members of a session key, which has no token.
#[cfg(feature = "rsa-key-pair")]
pub(crate) fn read_session_key(
    members: Option<&Value>,
    headers: &HeaderMap,
    transit: Option<Transit>,
    origin: Origin<'_>,
    issuer: Issuer,
    context: &Context,
) -> Result<Credentials, Error> {
    let key = |name: &str| key(members, name, origin);
    let credentials = Credentials::new(key("SessionAccessKeyId")?, key("SessionAccessKeySecret")?);
    until(member(members, "Expiration", origin)?, credentials, headers, transit, origin, issuer, context)
}

/// A member of the document that is not blank.
fn member<'a>(members: Option<&'a Value>, name: &str, origin: Origin<'_>) -> Result<&'a str, Error> {
    let value = members.and_then(|members| spelled(members, name)).and_then(Value::as_str);
    let value = value.filter(|value| !value.trim().is_empty());
    value.ok_or_else(|| origin.without(&format!("{}{name}", origin.within)))
}

/// A member that is an id, a secret or a token.
fn key<'a>(members: Option<&'a Value>, name: &str, origin: Origin<'_>) -> Result<&'a str, Error> {
    let value = member(members, name, origin)?;
    let place = format!("the {}{name} that {} gave", origin.within, origin.host);
    check(&place, value).map(|()| value).map_err(|error| error.with_remedy("have that service give the bare value"))
}

/// The credentials with their end, and what remains until then.
fn until(
    expiration: &str,
    credentials: Credentials,
    headers: &HeaderMap,
    transit: Option<Transit>,
    origin: Origin<'_>,
    issuer: Issuer,
    context: &Context,
) -> Result<Credentials, Error> {
    let expiration =
        time::parse_iso(expiration).ok_or_else(|| origin.without("an Expiration that is a time of RFC 3339"))?;
    let (now, boot) = (context.now(), context.boot());
    let arrival = Arrival {
        expiration,
        date: server_time(headers),
        sent: transit.map_or(now, |transit| transit.sent).system_time(),
        now: now.system_time(),
        took: transit.map(|transit| boot.saturating_sub(transit.sent_boot)).unwrap_or_default(),
    };
    let Some(settled) = validity::settle(issuer, arrival) else {
        let message = format!("{} granted a session that had ended already", origin.host);
        let error = Error::new(ErrorKind::Expired, message).with_code("ExpiredCredential");
        return Err(error.with_remedy("check the clocks of that server and of this machine"));
    };
    if settled.disputed {
        tracing::warn!(
            host = origin.host,
            expiration = time::to_iso(expiration),
            server_clock = arrival.date.map(time::to_iso),
            local_clock = time::to_iso(arrival.now),
            "one of two clocks says that a session has ended: it is used for 15 minutes at most"
        );
    }
    let credentials = credentials.with_expiration(expiration);
    Ok(credentials.with_left(context.boot_clock(), settled.left, settled.by_wall))
}

/// A member in the spelling of the documents, or in camel case (`accessKeyId`), as the cloud's own OAuth service spells it.
fn spelled<'a>(members: &'a Value, name: &str) -> Option<&'a Value> {
    let camel = || members.get(format!("{}{}", name.get(..1)?.to_ascii_lowercase(), name.get(1..)?));
    members.get(name).or_else(camel)
}

#[cfg(test)]
mod tests {
    use super::*;

    const WHOLE: &str = r#"{"AccessKeyId":"STS.fake","AccessKeySecret":"fake-secret","SecurityToken":"fake-token",
        "Expiration":"2026-01-02T03:04:05Z","Code":"Success"}"#;

    /// 245 s before the end of that session.
    fn context() -> Context {
        let now = time::parse_iso("2026-01-02T03:00:00Z").unwrap();
        Context::builder().clock(crate::context::TestClock::new(now)).build()
    }

    fn read_text(status: u16, body: &str, code: Code) -> Result<Credentials, Error> {
        let response = Response::builder().status(status).body(Bytes::from(body.to_owned())).unwrap();
        document(response, Origin { host: "a-host", asked: "GET /", within: "" }, code, &context())
    }

    #[test]
    fn what_is_missing_is_named_and_what_is_there_is_not_shown() {
        assert!(read_text(200, WHOLE, Code::Required).is_ok());
        for name in ["AccessKeyId", "AccessKeySecret", "SecurityToken", "Expiration", "Code"] {
            let renamed = WHOLE.replace(&format!("\"{name}\""), "\"Other\"");
            let blank = format!("{}\": \" \", \"Other", name);
            let blank = WHOLE.replace(name, &blank);
            for body in [renamed, blank] {
                let error = read_text(200, &body, Code::Required).unwrap_err();
                assert!(error.message().contains(name), "{error}");
                assert!(!format!("{error:#} {error:?}").contains("fake"), "{error}");
            }
        }
    }

    #[test]
    fn what_no_key_has_is_told_where_it_is_read() {
        for (name, value) in
            [("AccessKeyId", "STS.fake"), ("AccessKeySecret", "fake-secret"), ("SecurityToken", "fake-token")]
        {
            for awkward in ["{}\\n", " {}", "\\\"{}\\\"", "{}\u{200b}"] {
                let error =
                    read_text(200, &WHOLE.replace(value, &awkward.replace("{}", value)), Code::Required).unwrap_err();
                assert_eq!(error.code(), Some("InvalidKeyCharacter"), "{awkward}: {error}");
                assert!(error.message().starts_with(&format!("the {name} that a-host gave holds a ")), "{error}");
                assert!(!format!("{error:#} {error:?}").contains("fake"), "{error}");
            }
        }
    }

    #[test]
    fn a_byte_order_mark_camel_case_and_an_offset_without_colon_are_read_and_an_epoch_is_not() {
        let offset = WHOLE.replace("03:04:05Z", "11:04:05+0800");
        let same = read_text(200, &offset, Code::Required).unwrap();
        assert_eq!(same.expiration(), read_text(200, WHOLE, Code::Required).unwrap().expiration());
        let camel = WHOLE.replace("\"AccessKey", "\"accessKey").replace("\"Sec", "\"sec").replace("\"Exp", "\"exp");
        assert!(read_text(200, &format!("\u{feff}{camel}"), Code::Required).is_ok());
        for epoch in ["1767323045", "\"1767323045\""] {
            let body = WHOLE.replace("\"2026-01-02T03:04:05Z\"", epoch);
            assert!(read_text(200, &body, Code::Required).unwrap_err().message().contains("Expiration"));
        }
        let compressed = Response::builder().header("content-encoding", "gzip").body(Bytes::from_static(b"\x1f\x8b"));
        let error = document(
            compressed.unwrap(),
            Origin { host: "a-host", asked: "GET /", within: "" },
            Code::Optional,
            &context(),
        );
        assert!(error.unwrap_err().message().contains("compressed body (gzip)"));
    }

    #[test]
    fn code_may_be_left_out_where_it_is_optional_and_is_never_anything_else() {
        let without = WHOLE.replace("\"Code\"", "\"Other\"");
        assert!(read_text(200, &without, Code::Optional).is_ok());
        for (code, shown) in [
            ("\"Failed\"", true),
            ("\"success\"", true),
            ("\"fake-s3cr3t\"", false),
            ("200", false),
            ("{}", false),
            ("\"\"", true),
        ] {
            let body = WHOLE.replace("\"Success\"", code);
            for rule in [Code::Required, Code::Optional] {
                let error = read_text(200, &body, rule).unwrap_err();
                assert_eq!((error.kind(), error.code()), (ErrorKind::Refused, Some("NotSuccess")));
                assert_eq!(error.message().contains(code.trim_matches('"')), shown, "{error}");
            }
        }
    }

    #[test]
    fn broken_json_is_told_by_its_place_alone() {
        for (body, what) in [
            (&WHOLE[..60], "breaks off at line 1"),
            ("", "breaks off"),
            ("fake-token", "is not JSON at line 1"),
            ("[]", "without a JSON object"),
            ("{\"AccessKeyId\":\"a\",}", "is not JSON at line 1 column 20"),
        ] {
            let error = read_text(200, body, Code::Optional).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidResponse);
            assert!(error.message().contains(what), "{error}");
            assert!(!format!("{error} {error:?}").contains("fake"), "{error}");
        }
    }

    #[test]
    fn a_document_cut_anywhere_is_an_error_that_shows_nothing_of_it() {
        for end in 0..WHOLE.len() {
            let error = read_text(200, &WHOLE[..end], Code::Optional).unwrap_err();
            assert!(!format!("{error:#} {error:?}").contains("fake"), "{error}");
        }
    }

    #[test]
    fn only_status_200_is_success() {
        for (status, kind, permanent) in [
            (201, ErrorKind::InvalidResponse, false),
            (204, ErrorKind::InvalidResponse, false),
            (302, ErrorKind::InvalidResponse, false),
            (401, ErrorKind::Refused, false),
            (403, ErrorKind::Refused, true),
            (429, ErrorKind::Refused, false),
            (503, ErrorKind::Refused, false),
        ] {
            let error = read_text(status, WHOLE, Code::Optional).unwrap_err();
            assert_eq!((error.kind(), error.is_permanent()), (kind, permanent), "{error}");
            assert_eq!(error.http_status(), Some(status));
        }
    }

    #[test]
    fn a_session_is_dated_by_its_answer_unless_a_cache_gave_it() {
        let context = context();
        let left = |headers: &[(&str, &str)]| {
            let mut response = Response::builder();
            for (name, value) in headers {
                response = response.header(*name, *value);
            }
            let response = response.body(Bytes::from(WHOLE)).unwrap();
            let origin = Origin { host: "a-host", asked: "GET /", within: "" };
            let session = document(response, origin, Code::Required, &context)?;
            Ok::<_, Error>(
                session
                    .left(context.now().wall)
                    .map(|left| (left.left.as_secs(), left.by_wall.map(|most| most.as_secs() == 12 * 3600))),
            )
        };
        let date = ("date", "Fri, 02 Jan 2026 03:00:00 GMT");
        assert_eq!(left(&[date]).unwrap(), Some((245, None)));
        assert_eq!(left(&[date, ("age", "1800")]).unwrap(), Some((245, Some(true))));
        assert_eq!(left(&[]).unwrap(), Some((245, Some(true))));
        let over = ("date", "Fri, 02 Jan 2026 03:04:05 GMT");
        assert_eq!(left(&[over]).unwrap(), Some((245, None)), "one clock against the other");
    }
}
