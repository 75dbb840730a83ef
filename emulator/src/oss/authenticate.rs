//! Authentication of requests to OSS, by a signature in a header or in the URL.
//!
//! The checks run in this order: signature and its parts, time, key, token, signature. The first failure is returned.

use chrono::{DateTime, Duration, NaiveDateTime, Utc};
use subtle::ConstantTimeEq;

use super::address::Address;
use super::error::{OssError, OssResult, UNDOCUMENTED};
use super::signature::{TERMINATOR, UNSIGNED_PAYLOAD, V4, canonical_request, sign, string_to_sign, string_to_sign_v1};
use crate::account::{BUCKET_REGION, find_key};
use crate::authenticate::Caller;
use crate::request::Request;
use crate::signature_v1::hmac_sha1;
use crate::state::State;

/// Maximum difference between a signed header's date and the clock, in either direction. Documented.
const WINDOW: Duration = Duration::minutes(15);

/// Maximum lifetime of a presigned URL of version 4: seven days. Documented.
const MAX_URL_SECONDS: i64 = 604_800;

/// The parts of a request's signature. Nothing is verified yet.
pub(super) struct Signed {
    pub(super) access_key_id: String,
    token: Option<String>,
    signature: String,
    version: Version,
    validity: Validity,
}

enum Version {
    /// `date` is the text that stands for the date in the string to sign.
    V1 {
        date: String,
    },
    V4 {
        date: String,
        scope: String,
        additional: Vec<String>,
    },
}

/// The time during which a signature is valid.
enum Validity {
    Around(DateTime<Utc>),
    Between(DateTime<Utc>, DateTime<Utc>),
    Until(DateTime<Utc>),
}

impl Signed {
    /// Reads the signature. Returns `None` for an anonymous request.
    pub(super) fn read(request: &Request) -> OssResult<Option<Self>> {
        if let Some(header) = request.header("authorization") {
            let (scheme, rest) = header.split_once(' ').unwrap_or((header.as_str(), ""));
            return match scheme {
                V4 => Self::v4_header(request, rest).map(Some),
                "OSS" => Self::v1_header(request, rest).map(Some),
                // Version 2 is not supported.
                _ => Err(bad_authorization(&header)),
            };
        }
        let has = |name: &str| request.first(name).is_some();
        if has("x-oss-signature-version") || has("x-oss-credential") || has("x-oss-signature") {
            return Self::v4_url(request).map(Some);
        }
        if has("OSSAccessKeyId") || has("Signature") {
            return Self::v1_url(request).map(Some);
        }
        Ok(None)
    }

    /// Returns the version of the signature, `V4` or `V1`.
    pub(super) fn version(&self) -> &'static str {
        match self.version {
            Version::V1 { .. } => "V1",
            Version::V4 { .. } => "V4",
        }
    }

    /// Parses `Credential=…,AdditionalHeaders=…,Signature=…`. Spaces after the commas and an empty list of headers are
    /// accepted, as some clients send them.
    fn v4_header(request: &Request, text: &str) -> OssResult<Self> {
        let (mut credential, mut additional, mut signature) = (None, None, None);
        for part in text.split(',') {
            let slot = match part.trim().split_once('=') {
                Some(("Credential", value)) => (&mut credential, value),
                Some(("AdditionalHeaders", value)) => (&mut additional, value),
                Some(("Signature", value)) => (&mut signature, value),
                _ => return Err(bad_authorization(text)),
            };
            if slot.0.replace(slot.1).is_some() {
                return Err(bad_authorization(text));
            }
        }
        let (Some(credential), Some(signature)) = (credential, signature) else {
            return Err(bad_authorization(text));
        };
        let date = request.header("x-oss-date").unwrap_or_default();
        let at = parse_date(&date).ok_or_else(|| no_date(&date))?;
        if request.header("x-oss-content-sha256").as_deref() != Some(UNSIGNED_PAYLOAD) {
            let given = request.header("x-oss-content-sha256").unwrap_or_default();
            return Err(OssError::argument(
                "0002-00000214",
                "The value of x-oss-content-sha256 is invalid.",
                "x-oss-content-sha256",
                &given,
            ));
        }
        let (access_key_id, scope) = credential_of(credential, &date, &HEADER_ERRORS)?;
        Ok(Self {
            access_key_id,
            token: non_empty(request.header("x-oss-security-token")),
            signature: signature.to_owned(),
            version: Version::V4 { date, scope, additional: names(additional.unwrap_or_default()) },
            validity: Validity::Around(at),
        })
    }

    fn v4_url(request: &Request) -> OssResult<Self> {
        let get = |name: &str| request.first(name).unwrap_or_default();
        let wrong = |name: &'static str, ec| {
            Err(OssError::argument(ec, "A parameter of the signature is invalid.", name, get(name)))
        };
        if get("x-oss-signature-version") != V4 {
            return wrong("x-oss-signature-version", UNDOCUMENTED);
        }
        let date = get("x-oss-date").to_owned();
        let Some(at) = parse_date(&date) else { return wrong("x-oss-date", UNDOCUMENTED) };
        let seconds = match get("x-oss-expires").parse::<i64>() {
            Ok(seconds) if (1..=MAX_URL_SECONDS).contains(&seconds) => seconds,
            Ok(_) => return wrong("x-oss-expires", "0002-00000232"),
            Err(_) if get("x-oss-expires").is_empty() => return wrong("x-oss-expires", "0002-00000215"),
            Err(_) => return wrong("x-oss-expires", UNDOCUMENTED),
        };
        if get("x-oss-signature").is_empty() {
            return wrong("x-oss-signature", "0002-00000219");
        }
        let (access_key_id, scope) = credential_of(get("x-oss-credential"), &date, &URL_ERRORS)?;
        Ok(Self {
            access_key_id,
            token: non_empty(request.first("x-oss-security-token").map(str::to_owned)),
            signature: get("x-oss-signature").to_owned(),
            version: Version::V4 { date, scope, additional: names(get("x-oss-additional-headers")) },
            validity: Validity::Between(at - WINDOW, at + Duration::seconds(seconds)),
        })
    }

    fn v1_header(request: &Request, text: &str) -> OssResult<Self> {
        let (access_key_id, signature) = text.trim().split_once(':').ok_or_else(|| bad_authorization(text))?;
        let date = request.header("date").unwrap_or_default();
        let at =
            NaiveDateTime::parse_from_str(&date, "%a, %d %b %Y %H:%M:%S GMT").map_err(|_| no_date(&date))?.and_utc();
        Ok(Self {
            access_key_id: access_key_id.to_owned(),
            token: non_empty(request.header("x-oss-security-token")),
            signature: signature.to_owned(),
            version: Version::V1 { date },
            validity: Validity::Around(at),
        })
    }

    fn v1_url(request: &Request) -> OssResult<Self> {
        let get = |name: &str| request.first(name).unwrap_or_default().to_owned();
        let end = get("Expires");
        let wrong = |ec| OssError::argument(ec, "The value of Expires is invalid.", "Expires", &end);
        let seconds: i64 = match end.as_str() {
            "" if request.first("Expires").is_none() => return Err(wrong("0002-00000067")),
            "" => return Err(wrong("0002-00000068")),
            text => text.parse().map_err(|_| wrong("0002-00000070"))?,
        };
        let at = DateTime::from_timestamp(seconds, 0).ok_or_else(|| wrong("0002-00000070"))?;
        Ok(Self {
            access_key_id: get("OSSAccessKeyId"),
            token: non_empty(Some(get("security-token"))),
            signature: get("Signature"),
            version: Version::V1 { date: end },
            validity: Validity::Until(at),
        })
    }

    /// Verifies the request and returns its caller.
    pub(super) fn authenticate(
        &self,
        state: &State,
        request: &Request,
        address: &Address,
        now: DateTime<Utc>,
    ) -> OssResult<Caller> {
        self.check_validity(now)?;
        let caller = self.find(state, now)?;
        self.verify(request, address, caller.secret())?;
        Ok(caller)
    }

    fn check_validity(&self, now: DateTime<Utc>) -> OssResult<()> {
        match self.validity {
            Validity::Around(at) if (now - at).abs() > WINDOW => Err(too_skewed(at, now)),
            Validity::Between(start, _) if now < start => Err(too_skewed(start + WINDOW, now)),
            Validity::Between(_, end) if now > end => Err(url_expired("0002-00000236", end, now)),
            Validity::Until(end) if now > end => Err(url_expired("0002-00000069", end, now)),
            _ => Ok(()),
        }
    }

    /// Finds the holder of the AccessKey and checks the token. A request with a token is one of a session, whatever its
    /// key.
    fn find(&self, state: &State, now: DateTime<Utc>) -> OssResult<Caller> {
        let Some(token) = &self.token else {
            return match find_key(&self.access_key_id) {
                Some(key) if key.active => Ok(Caller::Key(key)),
                Some(_) => Err(self.invalid_key("0002-00000903", "The OSS Access Key Id you provided is disabled.")),
                None if self.access_key_id.starts_with("STS.") => Err(self.invalid_key(
                    "0002-00000003",
                    "The OSS Access Key Id you provided does not exist in our records. The Security Token may be lost \
                     to specify that it is a STS Access Id.",
                )),
                None => Err(self.unknown_key("0002-00000902")),
            };
        };
        let session = state.sessions.by_key(&self.access_key_id).ok_or_else(|| self.unknown_key("0002-00000002"))?;
        if !bool::from(token.as_bytes().ct_eq(session.token.as_bytes())) {
            return Err(match state.sessions.key_of_token(token) {
                Some(_) => OssError::new(
                    403,
                    "AccessKeyIdAndSecurityTokenNotMatch",
                    "0002-00000004",
                    "The OSS access key id and security token you provided does not match.",
                ),
                None => OssError::new(
                    403,
                    "InvalidSecurityToken",
                    "0002-00000006",
                    "The security token you provided is invalid.",
                ),
            });
        }
        if session.expires <= now {
            // OSS returns the token in this error.
            let message = "The security token you provided has expired.";
            return Err(OssError::new(403, "SecurityTokenExpired", "0002-00000007", message)
                .with("SecurityToken", token.as_str()));
        }
        Ok(Caller::Session(session))
    }

    fn unknown_key(&self, ec: &'static str) -> OssError {
        self.invalid_key(ec, "The OSS Access Key Id you provided does not exist in our records.")
    }

    fn invalid_key(&self, ec: &'static str, message: &'static str) -> OssError {
        OssError::new(403, "InvalidAccessKeyId", ec, message).with("OSSAccessKeyId", self.access_key_id.as_str())
    }

    fn verify(&self, request: &Request, address: &Address, secret: &str) -> OssResult<()> {
        let mut first_mismatch = None;
        for resource in address.resources() {
            let (expected, to_sign, canonical) = match &self.version {
                Version::V1 { date } => {
                    let to_sign = string_to_sign_v1(request, &resource, date);
                    (hmac_sha1(secret, &to_sign), to_sign, None)
                }
                Version::V4 { date, scope, additional } => {
                    let canonical = canonical_request(request, &resource, additional);
                    let to_sign = string_to_sign(date, scope, &canonical);
                    (sign(secret, scope, &to_sign), to_sign, Some(canonical))
                }
            };
            if bool::from(expected.as_bytes().ct_eq(self.signature.as_bytes())) {
                return Ok(());
            }
            first_mismatch.get_or_insert((to_sign, canonical));
        }
        let (to_sign, canonical) = first_mismatch.unwrap_or_default();
        Err(self.mismatch(&to_sign, canonical))
    }

    /// The error contains the whole string to sign, as in OSS, so it may contain the session's token.
    fn mismatch(&self, to_sign: &str, canonical: Option<String>) -> OssError {
        let ec = if canonical.is_some() { "0002-00000201" } else { "0002-00000040" };
        let bytes: Vec<String> = to_sign.bytes().map(|byte| format!("{byte:02X}")).collect();
        let error = OssError::new(
            403,
            "SignatureDoesNotMatch",
            ec,
            "The request signature we calculated does not match the signature you provided. Check your key and signing \
             method.",
        )
        .with("OSSAccessKeyId", self.access_key_id.as_str())
        .with("SignatureProvided", self.signature.as_str())
        .with("StringToSign", to_sign)
        .with("StringToSignBytes", bytes.join(" "));
        match canonical {
            Some(canonical) => error.with("CanonicalRequest", canonical),
            None => error,
        }
    }
}

/// Error numbers that the documents assign differently for a header and for a URL.
struct CredentialErrors {
    name: &'static str,
    form: &'static str,
    date: &'static str,
    region: &'static str,
}

const HEADER_ERRORS: CredentialErrors =
    CredentialErrors { name: "Authorization", form: "0002-00000213", date: "0002-00000212", region: "0002-00000228" };
const URL_ERRORS: CredentialErrors = CredentialErrors {
    name: "x-oss-credential",
    form: "0002-00000224",
    date: "0002-00000223",
    region: "0002-00000226",
};

/// Parses `<key id>/<day>/<region>/oss/aliyun_v4_request` into the key id and the scope.
fn credential_of(text: &str, date: &str, errors: &CredentialErrors) -> OssResult<(String, String)> {
    let wrong = |ec, message| OssError::argument(ec, message, errors.name, text);
    let malformed = || wrong(errors.form, "The credential of the signature is invalid.");
    let (access_key_id, scope) = text.split_once('/').ok_or_else(malformed)?;
    let [day, region, "oss", TERMINATOR] = scope.split('/').collect::<Vec<_>>()[..] else { return Err(malformed()) };
    if access_key_id.is_empty() {
        return Err(malformed());
    }
    if date.get(..8) != Some(day) {
        return Err(wrong(errors.date, "The signing date of the signature is invalid."));
    }
    if region != BUCKET_REGION {
        return Err(wrong(errors.region, "The signing region of the signature is invalid."));
    }
    Ok((access_key_id.to_owned(), scope.to_owned()))
}

/// Parses header names separated by `;` into lower case, sorted and without duplicates.
fn names(text: &str) -> Vec<String> {
    let mut names: Vec<String> =
        text.split(';').map(str::trim).filter(|name| !name.is_empty()).map(str::to_ascii_lowercase).collect();
    names.sort();
    names.dedup();
    names
}

fn non_empty(token: Option<String>) -> Option<String> {
    token.filter(|token| !token.is_empty())
}

/// Parses `20231216T162057Z` and no other form.
fn parse_date(text: &str) -> Option<DateTime<Utc>> {
    if text.len() != 16 {
        return None;
    }
    NaiveDateTime::parse_from_str(text, "%Y%m%dT%H%M%SZ").ok().map(|naive| naive.and_utc())
}

fn bad_authorization(text: &str) -> OssError {
    OssError::argument(UNDOCUMENTED, "The Authorization header is invalid.", "Authorization", text)
}

/// Returns the error for a missing or malformed date, which have different numbers in the documents.
fn no_date(date: &str) -> OssError {
    let ec = if date.is_empty() { "0002-00000503" } else { "0002-00000502" };
    OssError::new(403, "AccessDenied", ec, "OSS authentication requires a valid Date.")
}

fn too_skewed(at: DateTime<Utc>, now: DateTime<Utc>) -> OssError {
    let message = "The difference between the request time and the current time is too large.";
    OssError::new(403, "RequestTimeTooSkewed", "0002-00000504", message)
        .with("MaxAllowedSkewMilliseconds", WINDOW.num_milliseconds().to_string())
        .with("RequestTime", millis(at))
        .with("ServerTime", millis(now))
}

fn url_expired(ec: &'static str, end: DateTime<Utc>, now: DateTime<Utc>) -> OssError {
    OssError::new(403, "AccessDenied", ec, "Request has expired.")
        .with("Expires", millis(end))
        .with("ServerTime", millis(now))
}

/// Formats a time as in OSS's XML: `2019-03-30T13:18:53.000Z`.
pub(super) fn millis(at: DateTime<Utc>) -> String {
    at.format("%Y-%m-%dT%H:%M:%S.000Z").to_string()
}
