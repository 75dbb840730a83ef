//! The log of calls, which shows tests what was sent, and counts of them.

use std::collections::{HashSet, VecDeque};
use std::sync::Mutex;
use std::time::SystemTime;

use crate::lock::lock;

/// Maximum number of calls. Older ones are removed; the summary still counts them.
const MAX_CALLS: usize = 100_000;

/// Maximum bytes of text, as a URL may have 64 KiB. This is enough for 100,000 calls with ordinary URLs. Long URLs are
/// kept whole, as a test may look for a secret at the end of one.
const MAX_BYTES: usize = 64 << 20;

/// One request, with nothing redacted, so that a test can look for secrets in its URL.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Call {
    /// The HTTP method.
    pub method: String,
    /// The product: `sts`, `imm`, `oss`, `sls`, `metadata` or `uri`. Empty if the request named none of them.
    pub product: &'static str,
    /// The operation: `x-acs-action`, or parameter `Action` in signature version 1; empty if neither was sent. For the
    /// metadata service it is `token`, `role`, `credentials` or `item`, for the credentials URI `credentials`, and for
    /// OSS the name of the operation such as `PutObject`, or empty if it is not supported.
    pub action: String,
    /// The API version: `x-acs-version`, or parameter `Version` in signature version 1; empty if neither was sent. For
    /// OSS it is the version of the signature, `V4` or `V1`.
    pub version: String,
    /// The AccessKey id in the Authorization header or in the parameters, whether verified or not.
    pub access_key_id: Option<String>,
    /// The role session name, if the call was authenticated as one of a session.
    pub session: Option<String>,
    /// The Host header.
    pub host: String,
    /// The path and query, as received.
    pub path_and_query: String,
    /// The HTTP status of the response. 0 while there is none: the call is in flight, or its client disconnected.
    pub status: u16,
    /// The `Code` of an error response.
    pub code: Option<String>,
    /// The time of arrival, by the emulator's clock.
    pub at: SystemTime,
}

impl Call {
    /// Returns the size of its texts in bytes.
    fn bytes(&self) -> usize {
        let optional = [&self.access_key_id, &self.session, &self.code].into_iter().flatten();
        let texts = [&self.method, &self.action, &self.version, &self.host, &self.path_and_query];
        texts.into_iter().chain(optional).map(String::len).sum()
    }
}

/// Counts of calls. A call that is neither accepted nor rejected got no response.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Tally {
    /// Requests that arrived.
    pub calls: u64,
    /// Requests with a successful response.
    pub accepted: u64,
    /// Requests with an error response, including those of injected faults.
    pub rejected: u64,
}

/// Counts of all calls since the emulator started.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Summary {
    /// All requests, including those that named no known product.
    pub calls: u64,
    /// Requests with a successful response.
    pub accepted: u64,
    /// Requests with an error response, including those of injected faults.
    pub rejected: u64,
    /// Sessions granted by AssumeRole and AssumeRoleWithOIDC.
    pub sessions_granted: u64,
    /// Distinct sessions that made at least one accepted call.
    pub sessions_used: u64,
    /// Requests to STS (version 2015-04-01).
    pub sts: Tally,
    /// Requests to IMM (version 2020-09-30).
    pub imm: Tally,
    /// Requests to OSS.
    pub oss: Tally,
    /// Requests to SLS.
    pub sls: Tally,
    /// Requests to the metadata service.
    pub metadata: Tally,
    /// Requests to the credentials URI.
    pub uri: Tally,
}

#[derive(Default)]
pub(crate) struct Log {
    inner: Mutex<Inner>,
}

#[derive(Default)]
struct Inner {
    evicted: usize,
    calls: VecDeque<Call>,
    /// The size of the texts of `calls` in bytes.
    bytes: usize,
    all: Tally,
    sts: Tally,
    imm: Tally,
    oss: Tally,
    sls: Tally,
    metadata: Tally,
    uri: Tally,
    sessions_granted: u64,
    sessions_used: HashSet<String>,
}

/// A call's position in the log.
#[derive(Clone, Copy)]
pub(crate) struct Slot(usize);

impl Log {
    /// Records a request before it is handled, so that calls are in the order of arrival and one whose client
    /// disconnects is logged too.
    pub(crate) fn begin(&self, call: Call) -> Slot {
        let mut inner = lock(&self.inner);
        inner.tally(call.product, |tally| tally.calls += 1);
        inner.bytes += call.bytes();
        inner.calls.push_back(call);
        let slot = Slot(inner.evicted + inner.calls.len() - 1);
        inner.evict_oldest();
        slot
    }

    pub(crate) fn authenticated(&self, slot: Slot, session: &str) {
        lock(&self.inner).change(slot, |call| call.session = Some(session.to_owned()));
    }

    pub(crate) fn finish(&self, slot: Slot, status: u16, code: Option<&str>) {
        let mut inner = lock(&self.inner);
        let changed = inner.change(slot, |call| {
            call.status = status;
            call.code = code.map(str::to_owned);
            call.clone()
        });
        let Some(call) = changed else { return };
        let accepted = code.is_none() && status < 400;
        inner.tally(call.product, |tally| {
            tally.accepted += u64::from(accepted);
            tally.rejected += u64::from(!accepted);
        });
        let grants = call.action.starts_with("AssumeRole") || call.action == "GenerateSessionAccessKey";
        if accepted && call.product == "sts" && grants {
            inner.sessions_granted += 1;
        }
        if let (true, Some(_), Some(key)) = (accepted, call.session, call.access_key_id) {
            inner.sessions_used.insert(key);
        }
    }

    pub(crate) fn calls(&self) -> Vec<Call> {
        lock(&self.inner).calls.iter().cloned().collect()
    }

    pub(crate) fn summary(&self) -> Summary {
        let inner = lock(&self.inner);
        Summary {
            calls: inner.all.calls,
            accepted: inner.all.accepted,
            rejected: inner.all.rejected,
            sessions_granted: inner.sessions_granted,
            sessions_used: inner.sessions_used.len() as u64,
            sts: inner.sts,
            imm: inner.imm,
            oss: inner.oss,
            sls: inner.sls,
            metadata: inner.metadata,
            uri: inner.uri,
        }
    }
}

impl Inner {
    /// Changes a call. Returns `None` if the call was evicted.
    fn change<T>(&mut self, slot: Slot, change: impl FnOnce(&mut Call) -> T) -> Option<T> {
        let index = slot.0.checked_sub(self.evicted)?;
        let call = self.calls.get_mut(index)?;
        self.bytes -= call.bytes();
        let result = change(call);
        self.bytes += call.bytes();
        self.evict_oldest();
        Some(result)
    }

    fn evict_oldest(&mut self) {
        while self.calls.len() > MAX_CALLS || self.bytes > MAX_BYTES {
            let Some(oldest) = self.calls.pop_front() else { return };
            self.bytes -= oldest.bytes();
            self.evicted += 1;
        }
    }

    fn tally(&mut self, product: &str, change: impl Fn(&mut Tally)) {
        change(&mut self.all);
        match product {
            "sts" => change(&mut self.sts),
            "imm" => change(&mut self.imm),
            "oss" => change(&mut self.oss),
            "sls" => change(&mut self.sls),
            "metadata" => change(&mut self.metadata),
            "uri" => change(&mut self.uri),
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn call(path_and_query: String) -> Call {
        Call {
            method: "GET".to_owned(),
            product: "imm",
            action: String::new(),
            version: String::new(),
            access_key_id: None,
            session: None,
            host: "x".to_owned(),
            path_and_query,
            status: 0,
            code: None,
            at: SystemTime::UNIX_EPOCH,
        }
    }

    #[test]
    fn calls_with_long_urls_take_no_more_room_than_ordinary_ones_the_oldest_go_first_and_all_are_counted() {
        let log = Log::default();
        let first = log.begin(call("first".to_owned()));
        let slots: Vec<Slot> = (0..1_500).map(|number| log.begin(call(format!("{number:065535}")))).collect();
        log.finish(first, 200, None);
        log.finish(slots[1_499], 400, Some("InvalidParameter"));
        let calls = log.calls();
        assert_eq!(calls.len(), 1_023);
        assert!(calls.iter().all(|call| call.path_and_query.len() == 65_535));
        assert!(calls[1_022].path_and_query.ends_with("01499") && calls[1_022].status == 400);
        let summary = log.summary();
        assert_eq!((summary.calls, summary.rejected), (1_501, 1));
    }

    #[test]
    fn a_long_code_takes_its_room_too() {
        let log = Log::default();
        let code = "x".repeat(1 << 20);
        for _ in 0..100 {
            let slot = log.begin(call(String::new()));
            log.finish(slot, 503, Some(&code));
        }
        assert_eq!((log.calls().len(), log.summary().rejected), (63, 100));
    }
}
