//! The target of a request, read before any check. The log, the faults and the format of errors depend on it.

use http::header;

use crate::instance::{METADATA_PREFIX, URI_PATH};
use crate::request::{Request, Style};
use crate::route::Product;
use crate::signature::Authorization;
use crate::{login, metadata, oss, sls};

/// Maximum length of a name in the log, in bytes.
const MAX_NAME_LENGTH: usize = 256;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Service {
    OpenApi(Option<Product>),
    Oss,
    Sls,
    Metadata,
    CredentialsUri,
    Login(login::Path),
}

pub(crate) struct Target {
    pub(crate) service: Service,
    pub(crate) action: String,
    pub(crate) version: String,
    pub(crate) access_key_id: Option<String>,
    /// Whether errors are sent as XML: `Format=XML`, or an `accept` header that asks for it.
    pub(crate) xml: bool,
}

impl Target {
    /// Reads the target of a request. `for_oss` says that it is for OSS.
    pub(crate) fn of(request: &Request, for_oss: bool) -> Self {
        if for_oss {
            let (action, version, access_key_id) = oss::summary(request);
            return Self {
                service: Service::Oss,
                action: action.to_owned(),
                version: version.to_owned(),
                access_key_id: access_key_id.map(truncated),
                xml: true,
            };
        }
        let local = |service, action: &str| Self {
            service,
            action: action.to_owned(),
            version: String::new(),
            access_key_id: None,
            xml: false,
        };
        if sls::matches(request) {
            let (action, access_key_id) = sls::summary(request);
            return Self { access_key_id: access_key_id.map(truncated), ..local(Service::Sls, action) };
        }
        if request.path == URI_PATH {
            return local(Service::CredentialsUri, "credentials");
        }
        if let Some(path) = login::Path::of(&request.path) {
            return local(Service::Login(path), path.names().1);
        }
        if request.path.starts_with(METADATA_PREFIX) {
            return local(Service::Metadata, metadata::Item::of(&request.path).name());
        }
        let parameter = |name: &str| request.first(name).map(str::to_owned);
        let (action, version, access_key_id) = match request.style() {
            Style::Headers => {
                let authorization = request.header("authorization");
                let authorization = authorization.and_then(|text| Authorization::parse(&text).ok());
                let key = authorization.map(|authorization| authorization.access_key_id);
                (request.header("x-acs-action"), request.header("x-acs-version"), key)
            }
            Style::Parameters => (parameter("Action"), parameter("Version"), parameter("AccessKeyId")),
        };
        let version = truncated(version.unwrap_or_default());
        Self {
            service: Service::OpenApi(Product::of_version(&version)),
            action: truncated(action.unwrap_or_default()),
            version,
            access_key_id: access_key_id.map(truncated),
            xml: wants_xml(request),
        }
    }

    /// Returns the first part of a fault's route, which is also the product in a [`Call`](crate::Call).
    pub(crate) fn product(&self) -> &'static str {
        match self.service {
            Service::OpenApi(Some(Product::Sts)) => "sts",
            Service::OpenApi(Some(Product::Imm)) => "imm",
            Service::OpenApi(None) => "",
            Service::Oss => "oss",
            Service::Sls => "sls",
            Service::Metadata => "metadata",
            Service::CredentialsUri => "uri",
            Service::Login(path) => path.names().0,
        }
    }
}

fn truncated(mut text: String) -> String {
    if text.len() > MAX_NAME_LENGTH {
        let end = (0..=MAX_NAME_LENGTH).rev().find(|end| text.is_char_boundary(*end)).unwrap_or(0);
        text.truncate(end);
    }
    text
}

fn wants_xml(request: &Request) -> bool {
    match request.first("Format") {
        Some(format) if !format.is_empty() => format.eq_ignore_ascii_case("xml"),
        _ => {
            let accept = request.header(header::ACCEPT.as_str()).unwrap_or_default().to_ascii_lowercase();
            accept.starts_with("application/xml") || accept.starts_with("text/xml")
        }
    }
}
