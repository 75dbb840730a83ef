//! The request that would be sent, signed and with its secrets masked.

use std::sync::{Arc, Mutex, PoisonError};

use alibabacloud_credentials::{
    BoxFuture, Context, Credentials, HttpError, HttpErrorKind, HttpSend, OpenApiClient, Refresher, SendOptions,
};
use bytes::Bytes;
use http::{Request, Response};
use serde::Serialize;
use serde_json::{Map, Value};

use super::parameters::Parameters;
use super::product::Product;
use crate::exit;
use crate::failure::Failure;

const MASK: &str = "***";

/// A request as it is shown.
#[derive(Debug, Serialize)]
pub(super) struct Shown {
    method: String,
    url: String,
    headers: Map<String, Value>,
    #[serde(skip_serializing_if = "String::is_empty")]
    body: String,
}

impl Shown {
    pub(super) fn text(&self) -> String {
        let mut text = format!("{} {}\n", self.method, self.url);
        for (name, value) in &self.headers {
            text.push_str(&format!("{name}: {}\n", value.as_str().unwrap_or_default()));
        }
        if !self.body.is_empty() {
            text.push_str(&format!("\n{}\n", self.body));
        }
        text
    }
}

/// Keeps a request instead of sending it.
#[derive(Clone, Default)]
struct Capture(Arc<Mutex<Option<Request<Bytes>>>>);

impl HttpSend for Capture {
    fn send(&self, request: Request<Bytes>, _: SendOptions) -> BoxFuture<'_, Result<Response<Bytes>, HttpError>> {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(request);
        // Of a kind that is never tried again.
        Box::pin(async { Err(HttpError::new(HttpErrorKind::Setup, "a dry run sends nothing")) })
    }
}

/// The library makes and signs the request as it would for the call itself.
pub(super) async fn request(
    endpoint: &str,
    product: &Product,
    credentials: Credentials,
    action: &str,
    parameters: &Parameters,
) -> Result<Shown, Failure> {
    let capture = Capture::default();
    let context = Context::builder().http(capture.clone()).build();
    let source = Refresher::builder(credentials.clone()).context(context).build();
    let client = OpenApiClient::builder(endpoint, product.version(), source).attempts(1).build();
    let result = parameters.call(&client, action).await;
    let captured = capture.0.lock().unwrap_or_else(PoisonError::into_inner).take();
    match (captured, result) {
        (Some(request), _) => Ok(shown(&request, &credentials)),
        (None, Err(error)) => Err(error.into()),
        (None, Ok(_)) => Err(Failure::new(exit::SOFTWARE, "the dry run made no request")),
    }
}

fn shown(request: &Request<Bytes>, credentials: &Credentials) -> Shown {
    let url = request.uri().to_string();
    let url = match url.split_once('?') {
        Some((start, query)) => format!("{start}?{}", masked_pairs(query)),
        None => url,
    };
    let mut headers = Map::new();
    for name in request.headers().keys() {
        let values = request.headers().get_all(name).iter();
        let value: Vec<_> = values.map(|value| String::from_utf8_lossy(value.as_bytes())).collect();
        headers.insert(name.to_string(), masked_header(name.as_str(), &value.join(", "), credentials).into());
    }
    let body = masked_pairs(&String::from_utf8_lossy(request.body()));
    Shown { method: request.method().to_string(), url, headers, body }
}

fn masked_header(name: &str, value: &str, credentials: &Credentials) -> String {
    if is_secret_name(name) {
        return MASK.to_owned();
    }
    let value = match value.split_once("Signature=") {
        Some((rest, _)) => format!("{rest}Signature={MASK}"),
        None => value.to_owned(),
    };
    value.replace(credentials.access_key_id(), &shortened(credentials.access_key_id()))
}

/// Enough of a key id to recognize it.
fn shortened(id: &str) -> String {
    let (start, end): (String, Vec<char>) = (id.chars().take(4).collect(), id.chars().rev().take(4).collect());
    if id.chars().count() < 12 {
        MASK.to_owned()
    } else {
        format!("{start}…{}", end.iter().rev().collect::<String>())
    }
}

/// `a=b&c=d` with the values masked that are secrets by their names.
fn masked_pairs(text: &str) -> String {
    let mask = |pair: &str| match pair.split_once('=') {
        Some((name, _)) if is_secret_name(name) => format!("{name}={MASK}"),
        _ => pair.to_owned(),
    };
    text.split('&').map(mask).collect::<Vec<_>>().join("&")
}

/// By the words in it. Two kinds of tokens are none: a page's, and the one that makes a call idempotent.
fn is_secret_name(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    let words = ["token", "secret", "password", "assertion", "privatekey"];
    !["nexttoken", "clienttoken"].contains(&name.as_str()) && words.iter().any(|word| name.contains(word))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_known_by_their_names() {
        assert_eq!(
            masked_pairs("OIDCToken=a&NextToken=b&RoleArn=c&Password=d"),
            "OIDCToken=***&NextToken=b&RoleArn=c&Password=***"
        );
        assert_eq!(masked_pairs(""), "");
        let credentials = Credentials::new("LTAI5tExampleKeyId01", "s");
        let header = masked_header("authorization", "ACS3 Credential=LTAI5tExampleKeyId01,Signature=abc", &credentials);
        assert_eq!(header, "ACS3 Credential=LTAI…Id01,Signature=***");
        assert_eq!(masked_header("x-acs-security-token", "abc", &credentials), "***");
    }
}
