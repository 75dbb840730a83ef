//! Responds to requests. A request has to show that it was meant for this server: by its `Host`, by coming from no
//! web page, and by the secret path or a metadata token.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use alibabacloud_credentials::{Credentials, Refresher};
use bytes::Bytes;
use http::header::{CACHE_CONTROL, CONTENT_TYPE, HOST, ORIGIN, REFERER};
use http::request::Parts;
use http::{HeaderMap, HeaderName, Method, Response, StatusCode};
use http_body_util::Full;
use subtle::ConstantTimeEq as _;
use zeroize::Zeroizing;

use super::audit::{Audit, Line};
use super::metadata;
use crate::exit;
use crate::export::{self, Exported};
use crate::failure::Failure;

/// The time within which an answer is given.
const ANSWER_LIMIT: Duration = Duration::from_secs(30);
/// Headers that browsers send of their own accord, and proxies that pass on another's request.
const OF_OTHERS: [HeaderName; 5] = [
    ORIGIN,
    REFERER,
    HeaderName::from_static("sec-fetch-site"),
    HeaderName::from_static("x-forwarded-for"),
    HeaderName::from_static("forwarded"),
];

/// The service that a server looks like from outside.
pub(crate) enum Face {
    /// A credentials URI at a path that is a secret.
    Uri(Zeroizing<String>),
    Metadata(metadata::Metadata),
}

impl Face {
    /// A path of 256 random bits.
    pub(crate) fn uri() -> Result<Self, Failure> {
        Ok(Self::Uri(Zeroizing::new(format!("/{}", *random_hex()?))))
    }

    pub(crate) fn metadata(region: Option<String>) -> Result<Self, Failure> {
        Ok(Self::Metadata(metadata::Metadata::new(region)))
    }

    pub(super) fn path(&self) -> &str {
        match self {
            Self::Uri(path) => path,
            Self::Metadata(_) => "/",
        }
    }
}

pub(super) fn random_hex() -> Result<Zeroizing<String>, Failure> {
    let mut bytes = Zeroizing::new([0_u8; 32]);
    getrandom::fill(&mut *bytes).map_err(|_| Failure::new(exit::SOFTWARE, "the system has no randomness"))?;
    Ok(Zeroizing::new(bytes.iter().map(|byte| format!("{byte:02x}")).collect()))
}

/// Compares in a time that does not depend on where the texts differ.
pub(super) fn is_same(a: &str, b: &str) -> bool {
    a.as_bytes().ct_eq(b.as_bytes()).into()
}

/// An answer before it is written.
pub(super) struct Answer {
    pub(super) status: StatusCode,
    /// Zeroized with its last copy.
    pub(super) body: Bytes,
    /// For the audit line.
    pub(super) what: &'static str,
}

impl Answer {
    pub(super) fn new(status: StatusCode, what: &'static str, body: impl Into<String>) -> Self {
        Self { status, body: zeroizing(body.into()), what }
    }

    fn refused(status: StatusCode, what: &'static str) -> Self {
        Self::new(status, what, format!("{{\"Code\":\"Refused\",\"Message\":\"{what}\"}}"))
    }
}

fn zeroizing(body: String) -> Bytes {
    Bytes::from_owner(Zeroizing::new(body))
}

pub(super) struct Service {
    face: Face,
    session: Session,
    audit: Audit,
}

impl Service {
    pub(super) fn new(face: Face, refresher: Refresher, audit: Audit) -> Self {
        Self { face, session: Session { refresher, last: Mutex::default() }, audit }
    }

    pub(super) fn face(&self) -> &Face {
        &self.face
    }

    pub(super) async fn respond(
        &self,
        hosts: &[String],
        peer: std::net::SocketAddr,
        request: &Parts,
    ) -> Response<Full<Bytes>> {
        let answer = self.answer(hosts, request).await;
        self.audit.write(&Line { status: answer.status, what: answer.what, peer });
        let kind = if answer.body.starts_with(b"{") { "application/json" } else { "text/plain" };
        let mut response = Response::new(Full::new(answer.body));
        *response.status_mut() = answer.status;
        response.headers_mut().insert(CONTENT_TYPE, http::HeaderValue::from_static(kind));
        response.headers_mut().insert(CACHE_CONTROL, http::HeaderValue::from_static("no-store"));
        response
    }

    async fn answer(&self, hosts: &[String], request: &Parts) -> Answer {
        if let Some(refused) = refused(hosts, &request.headers) {
            return refused;
        }
        match &self.face {
            Face::Metadata(metadata) => metadata.answer(request, &self.session).await,
            Face::Uri(path) => match (is_same(request.uri.path(), path), &request.method) {
                (false, _) => Answer::refused(StatusCode::NOT_FOUND, "another path"),
                (true, &Method::GET) => self.session.answer().await,
                (true, _) => Answer::refused(StatusCode::METHOD_NOT_ALLOWED, "another method than GET"),
            },
        }
    }
}

/// Refuses a request that no program meant for this server: by a name that was made to lead here (DNS rebinding), or from a web page.
fn refused(hosts: &[String], headers: &HeaderMap) -> Option<Answer> {
    let mut given = headers.get_all(HOST).iter();
    let host = given.next().and_then(|host| host.to_str().ok());
    let is_ours = host.is_some_and(|host| hosts.iter().any(|ours| ours.eq_ignore_ascii_case(host)));
    if !is_ours || given.next().is_some() {
        return Some(Answer::refused(StatusCode::MISDIRECTED_REQUEST, "another Host"));
    }
    let from_elsewhere = OF_OTHERS.iter().any(|name| headers.contains_key(name));
    from_elsewhere.then(|| Answer::refused(StatusCode::FORBIDDEN, "a browser or proxy"))
}

/// The session as clients read it. It is written as JSON once, and not for every request.
pub(super) struct Session {
    refresher: Refresher,
    last: Mutex<Option<(Credentials, Bytes)>>,
}

impl Session {
    pub(super) async fn answer(&self) -> Answer {
        match self.json().await {
            Ok(body) => Answer { status: StatusCode::OK, what: "credentials", body },
            Err(code) => {
                let body = serde_json::json!({ "Code": code, "Message": "alicred has no session to give" });
                Answer::new(StatusCode::SERVICE_UNAVAILABLE, "no credentials", body.to_string())
            }
        }
    }

    /// The JSON, or the code of what is wrong.
    async fn json(&self) -> Result<Bytes, String> {
        let code = |code: Option<&str>| code.unwrap_or("Failed").to_owned();
        let credentials = match tokio::time::timeout(ANSWER_LIMIT, self.refresher.credentials()).await {
            Ok(Ok(credentials)) => credentials,
            Ok(Err(error)) => return Err(code(error.code())),
            Err(_) => return Err("TimedOut".to_owned()),
        };
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((of, json)) = &*last
            && is_same_session(of, &credentials)
        {
            return Ok(json.clone());
        }
        let json = export::uri(&Exported::new(&credentials, None)).map_err(|_| code(Some("NoSession")))?;
        let json = zeroizing(json.to_string());
        *last = Some((credentials, json.clone()));
        Ok(json)
    }
}

/// No two sessions have the same token.
fn is_same_session(a: &Credentials, b: &Credentials) -> bool {
    a.access_key_id() == b.access_key_id() && a.security_token() == b.security_token()
}
