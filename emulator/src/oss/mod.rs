//! Object Storage Service: one bucket, with its objects in memory.

mod address;
mod authenticate;
mod error;
mod list;
pub(crate) mod objects;
mod response;
mod signature;

use axum::response::Response;
use chrono::{DateTime, Utc};
use http::Method;

pub(crate) use self::address::matches;
use self::address::{Address, Operation, has_unsupported_header};
use self::authenticate::Signed;
use self::error::{OssError, OssResult};
use self::response::{OssResponse, ResponseContext};
use crate::account::{ACCOUNT_ID, BUCKET, BUCKET_REGION};
use crate::log::Slot;
use crate::policy::Decision;
use crate::request::Request;
use crate::response::ApiError;
use crate::state::State;

/// Maximum size of an object in bytes.
pub(crate) const LARGEST: usize = 16 * 1024 * 1024;

/// Returns the error for a request body that could not be read.
pub(crate) fn too_large() -> ApiError {
    ApiError::new(400, "EntityTooLarge", "The request body is larger than 16 MiB, or it broke off.")
}

/// Returns the operation, the version of the signature and the AccessKey id of a request, for log and faults. Nothing
/// is verified.
pub(crate) fn summary(request: &Request) -> (&'static str, &'static str, Option<String>) {
    let operation = Address::of(request).and_then(|address| Operation::of(request, &address));
    let signed = Signed::read(request).ok().flatten();
    let version = signed.as_ref().map_or("", Signed::version);
    (operation.map_or("", Operation::name), version, signed.map(|signed| signed.access_key_id))
}

pub(crate) fn handle(state: &State, request: &Request, slot: Slot, error: Option<ApiError>, close: bool) -> Response {
    let now = state.clock.now();
    let request_id = state.random.hex(24).to_uppercase();
    let host = request.header("host").unwrap_or_default();
    let context =
        ResponseContext { now, request_id: &request_id, host: &host, head: request.method == Method::HEAD, close };
    let result = match error {
        Some(error) => Err(OssError::from(error)),
        None => serve(state, request, slot, now),
    };
    let (response, code) = match result {
        Ok(response) => (response.respond(&context), None),
        Err(error) => (error.respond(&context), Some(error.code)),
    };
    state.log.finish(slot, response.status().as_u16(), code.as_deref());
    response
}

fn serve(state: &State, request: &Request, slot: Slot, now: DateTime<Utc>) -> OssResult<OssResponse> {
    let unreadable = || OssError::new(400, "InvalidURI", error::UNDOCUMENTED, "Couldn't parse the specified URI.");
    request.check_query().map_err(|_| unreadable())?;
    let address = Address::of(request).ok_or_else(unreadable)?;
    let Some(signed) = Signed::read(request)? else { return Err(denied(&address)) };
    let caller = signed.authenticate(state, request, &address, now)?;
    if let Some(session) = caller.session() {
        state.log.authenticated(slot, &session.name);
    }
    let operation = Operation::of(request, &address).ok_or_else(OssError::not_implemented)?;
    let resource = match operation {
        Operation::ListObjectsV2 => format!("acs:oss:oss-{BUCKET_REGION}:{ACCOUNT_ID}:{}", address.bucket),
        _ => format!("acs:oss:oss-{BUCKET_REGION}:{ACCOUNT_ID}:{}/{}", address.bucket, address.key),
    };
    let asked = ["prefix", "delimiter"].map(|name| request.first(name));
    let facts: Vec<_> =
        ["oss:Prefix", "oss:Delimiter"].into_iter().zip(asked).filter_map(|(key, value)| Some((key, value?))).collect();
    if caller.decide(operation.permission(), &resource, &facts).0 != Decision::Allow {
        return Err(denied(&address));
    }
    if address.bucket != BUCKET {
        return Err(OssError::new(404, "NoSuchBucket", "0015-00000101", "The specified bucket does not exist.")
            .with("BucketName", address.bucket));
    }
    if has_unsupported_header(request) {
        return Err(OssError::not_implemented());
    }
    match operation {
        Operation::PutObject => state.objects.put(request, &address.key, now),
        Operation::GetObject => state.objects.get(request, &address.key),
        Operation::HeadObject => state.objects.head(&address.key),
        Operation::DeleteObject => state.objects.delete(&address.key),
        Operation::ListObjectsV2 => list::list(state, request),
    }
}

/// Returns the error for a caller without permission or without a signature.
fn denied(address: &Address) -> OssError {
    let message = if address.key.is_empty() {
        "You have no right to access this bucket because of bucket acl."
    } else {
        "You have no right to access this object because of bucket acl."
    };
    OssError::new(403, "AccessDenied", "0003-00000001", message)
}
