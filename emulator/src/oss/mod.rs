//! Object Storage Service: one bucket, the operations on its objects, and their list. State is in memory.

mod authenticate;
mod error;
mod list;
mod objects;
mod place;
mod respond;
mod signature;

use axum::response::Response;
use chrono::{DateTime, Utc};
use http::Method;

use self::authenticate::Signed;
use self::error::{OssError, Outcome};
pub(crate) use self::objects::Objects;
pub(crate) use self::place::is_meant;
use self::place::{Operation, Place, asks_for_more};
use self::respond::{Answer, Responding};
use crate::account::{ACCOUNT_ID, BUCKET, BUCKET_REGION};
use crate::answer::Refusal;
use crate::log::Slot;
use crate::policy::Decision;
use crate::request::Request;
use crate::state::State;

/// The largest object, in bytes.
pub(crate) const LARGEST: usize = 16 * 1024 * 1024;

/// The answer to a request that cannot be read to its end.
pub(crate) fn too_large() -> Refusal {
    Refusal::new(400, "EntityTooLarge", "The request body is larger than 16 MiB, or it broke off.")
}

/// What a request is for, for log and faults: the operation, the signature's version and the key id. Nothing is checked.
pub(crate) fn summary(request: &Request) -> (&'static str, &'static str, Option<String>) {
    let operation = Place::of(request).and_then(|place| Operation::of(request, &place));
    let signed = Signed::read(request).ok().flatten();
    let version = signed.as_ref().map_or("", Signed::version);
    (operation.map_or("", Operation::name), version, signed.map(|signed| signed.access_key_id))
}

pub(crate) fn answer(state: &State, request: &Request, slot: Slot, refusal: Option<Refusal>, close: bool) -> Response {
    let now = state.clock.now();
    let request_id = state.random.hex(24).to_uppercase();
    let host = request.header("host").unwrap_or_default();
    let responding =
        Responding { now, request_id: &request_id, host: &host, head: request.method == Method::HEAD, close };
    let result = match refusal {
        Some(refusal) => Err(OssError::from(refusal)),
        None => serve(state, request, slot, now),
    };
    let (response, code) = match result {
        Ok(answer) => (answer.respond(&responding), None),
        Err(error) => (error.respond(&responding), Some(error.code)),
    };
    state.log.answered(slot, response.status().as_u16(), code.as_deref());
    response
}

fn serve(state: &State, request: &Request, slot: Slot, now: DateTime<Utc>) -> Outcome<Answer> {
    let unreadable = || OssError::new(400, "InvalidURI", error::UNDOCUMENTED, "Couldn't parse the specified URI.");
    request.check_query().map_err(|_| unreadable())?;
    let place = Place::of(request).ok_or_else(unreadable)?;
    let Some(signed) = Signed::read(request)? else { return Err(denied(&place)) };
    let caller = signed.prove(state, request, &place, now)?;
    if let Some(session) = caller.session() {
        state.log.proven(slot, &session.name);
    }
    let operation = Operation::of(request, &place).ok_or_else(OssError::not_implemented)?;
    let resource = match operation {
        Operation::ListObjectsV2 => format!("acs:oss:oss-{BUCKET_REGION}:{ACCOUNT_ID}:{}", place.bucket),
        _ => format!("acs:oss:oss-{BUCKET_REGION}:{ACCOUNT_ID}:{}/{}", place.bucket, place.key),
    };
    if caller.decide(operation.permission(), &resource).0 != Decision::Allow {
        return Err(denied(&place));
    }
    if place.bucket != BUCKET {
        return Err(OssError::new(404, "NoSuchBucket", "0015-00000101", "The specified bucket does not exist.")
            .with("BucketName", place.bucket));
    }
    if asks_for_more(request) {
        return Err(OssError::not_implemented());
    }
    match operation {
        Operation::PutObject => state.objects.put(request, &place.key, now),
        Operation::GetObject => state.objects.get(request, &place.key),
        Operation::HeadObject => state.objects.head(&place.key),
        Operation::DeleteObject => state.objects.delete(&place.key),
        Operation::ListObjectsV2 => list::list(state, request),
    }
}

/// Told to a caller without the permission, and to one without a signature.
fn denied(place: &Place) -> OssError {
    let message = if place.key.is_empty() {
        "You have no right to access this bucket because of bucket acl."
    } else {
        "You have no right to access this object because of bucket acl."
    };
    OssError::new(403, "AccessDenied", "0003-00000001", message)
}
