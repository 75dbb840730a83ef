//! The same from synchronous code: the calling thread waits, the crate's own thread does the work.
//!
//! There is no second implementation here. A refresh runs on a thread of its own for every caller, so all that synchronous
//! code needs is a way to wait for it: the smallest executor there is, which parks.

use std::future::Future;
use std::pin::pin;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use http::{HeaderMap, StatusCode};

use crate::context::Executor;
use crate::credentials::Credentials;
use crate::default_chain::DefaultCredentialChain;
use crate::error::{Error, ErrorKind};
use crate::explain::Explanation;
use crate::refresh::Refresher;
use crate::sign::oss4::{self, PresignedUrl};
use crate::signer::{PreparedRequest, RetryDecision, SignedRequest};
use crate::sts::CallerIdentity;

/// For synchronous code (feature `blocking`). These block the calling thread until they have an answer, with or without
/// a runtime around: inside one they block the worker, so `async` code awaits the methods without `_blocking`.
///
/// A provider that calls one would wait for itself: it gets [`ErrorKind::Failed`] with the code `WouldDeadlock`. Where
/// [`ContextBuilder::spawn`](crate::ContextBuilder::spawn) runs refreshes on the very runtime whose only thread is
/// blocked, nothing can end the wait.
impl Refresher {
    /// Returns what [`credentials`](Self::credentials) does, for synchronous code. A warm read does not wait.
    ///
    /// # Errors
    ///
    /// As there, and `WouldDeadlock` inside a provider.
    pub fn credentials_blocking(&self) -> Result<Credentials, Error> {
        may_block()?;
        block_on(self.credentials())
    }

    /// Returns what [`credentials_valid_for`](Self::credentials_valid_for) does, for synchronous code.
    ///
    /// # Errors
    ///
    /// As there, and `WouldDeadlock` inside a provider.
    pub fn credentials_valid_for_blocking(&self, lifetime: Duration) -> Result<Credentials, Error> {
        may_block()?;
        block_on(self.credentials_valid_for(lifetime))
    }

    /// [`presigned_oss_url`](Self::presigned_oss_url), for synchronous code.
    ///
    /// # Errors
    ///
    /// As there, and `WouldDeadlock` inside a provider.
    pub fn presigned_oss_url_blocking(
        &self,
        host: &str,
        lifetime: Duration,
        request: &oss4::Request<'_>,
    ) -> Result<PresignedUrl, Error> {
        may_block()?;
        block_on(self.presigned_oss_url(host, lifetime, request))
    }
}

/// For synchronous code (feature `blocking`): see [`Refresher::credentials_blocking`] for what it does inside a runtime.
///
/// ```no_run
/// use alibabacloud_credentials::DefaultCredentialChain;
///
/// fn main() -> Result<(), alibabacloud_credentials::Error> {
///     let credentials = DefaultCredentialChain::shared().credentials_blocking()?;
///     println!("{credentials:?}");
///     Ok(())
/// }
/// ```
impl DefaultCredentialChain {
    /// Returns what [`credentials`](Self::credentials) does, for synchronous code. A warm read does not wait.
    ///
    /// # Errors
    ///
    /// As there, and `WouldDeadlock` inside a provider.
    pub fn credentials_blocking(&self) -> Result<Credentials, Error> {
        self.refresher().credentials_blocking()
    }

    /// Returns what [`Refresher::credentials_valid_for`] does, for synchronous code.
    ///
    /// # Errors
    ///
    /// As there, and `WouldDeadlock` inside a provider.
    pub fn credentials_valid_for_blocking(&self, lifetime: Duration) -> Result<Credentials, Error> {
        self.refresher().credentials_valid_for_blocking(lifetime)
    }

    /// Returns what [`explain`](Self::explain) does, for synchronous code. Inside a provider it does not wait, and reports what is
    /// known.
    pub fn explain_blocking(&self) -> Explanation {
        match may_block() {
            Ok(()) => block_on(self.explain()),
            Err(error) => self.explain_known(&self.refresher().known().unwrap_or(Err(error))),
        }
    }

    /// Returns what [`caller_identity`](Self::caller_identity) does, for synchronous code.
    ///
    /// # Errors
    ///
    /// As there, and `WouldDeadlock` inside a provider.
    pub fn caller_identity_blocking(&self) -> Result<CallerIdentity, Error> {
        let chain = self.clone();
        on_executor(async move { chain.caller_identity().await })
    }
}

/// For synchronous code (feature `blocking`). The call runs on the crate's own thread, which has the runtime that the HTTP
/// client needs; all blocking calls of a process share it.
#[cfg(feature = "openapi")]
impl crate::openapi::OpenApiClient {
    /// Makes the call of [`call`](Self::call), for synchronous code.
    ///
    /// # Errors
    ///
    /// As there, and `WouldDeadlock` inside a provider.
    pub fn call_blocking<'a>(
        &self,
        action: &str,
        parameters: impl IntoIterator<Item = (&'a str, &'a str)>,
    ) -> Result<crate::openapi::ApiResponse, Error> {
        let (client, action) = (self.clone(), action.to_owned());
        let parameters: Vec<(String, String)> =
            parameters.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
        on_executor(async move {
            let parameters: Vec<_> = parameters.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
            client.call(&action, parameters).await
        })
    }

    /// Makes the call of [`call_json`](Self::call_json), for synchronous code.
    ///
    /// # Errors
    ///
    /// As there, and `WouldDeadlock` inside a provider.
    pub fn call_json_blocking<P: serde::Serialize + ?Sized>(
        &self,
        action: &str,
        parameters: &P,
    ) -> Result<crate::openapi::ApiResponse, Error> {
        let texts = self.texts(action, parameters)?;
        self.call_blocking(action, texts.iter().map(|(name, text)| (name.as_str(), text.as_str())))
    }
}

/// For synchronous code (feature `blocking`).
#[cfg(feature = "openapi")]
impl crate::openapi::Pages {
    /// [`next`](Self::next), for synchronous code.
    ///
    /// # Errors
    ///
    /// As there, and `WouldDeadlock` inside a provider.
    pub fn next_blocking(&mut self) -> Option<Result<crate::openapi::ApiResponse, Error>> {
        let mut pages = self.clone();
        let work = async move {
            let page = pages.next().await;
            Ok((pages, page))
        };
        match on_executor(work) {
            Ok((pages, page)) => {
                *self = pages;
                page
            }
            Err(error) => Some(Err(error)),
        }
    }
}

/// For synchronous code (feature `blocking`): the request is sent by a blocking HTTP client.
///
/// ```no_run
/// # fn example(mut prepared: alibabacloud_credentials::PreparedRequest,
/// #     send: impl Fn(http::Request<bytes::Bytes>) -> http::Response<bytes::Bytes>,
/// # ) -> Result<http::Response<bytes::Bytes>, alibabacloud_credentials::Error> {
/// use alibabacloud_credentials::RetryDecision;
///
/// loop {
///     let answer = send(prepared.sign_blocking()?.with_body(bytes::Bytes::new()));
///     let decision = prepared.review_blocking(answer.status(), answer.headers(), answer.body());
///     if decision == RetryDecision::Done {
///         return Ok(answer);
///     }
/// }
/// # }
/// ```
impl PreparedRequest {
    /// [`sign`](Self::sign), for synchronous code. With a warm credential it does not wait.
    ///
    /// # Errors
    ///
    /// As there, and `WouldDeadlock` inside a provider.
    pub fn sign_blocking(&mut self) -> Result<SignedRequest, Error> {
        may_block()?;
        block_on(self.sign())
    }

    /// [`review`](Self::review), for synchronous code. Inside a provider, where it cannot wait for another credential,
    /// every decision is [`RetryDecision::Done`].
    pub fn review_blocking(&mut self, status: StatusCode, headers: &HeaderMap, body: &[u8]) -> RetryDecision {
        match may_block() {
            Ok(()) => block_on(self.review(status, headers, body)),
            Err(_) => RetryDecision::Done,
        }
    }
}

/// Checks that this thread may wait for a refresh: it must not be one that runs them.
fn may_block() -> Result<(), Error> {
    if !Executor::is_refreshing() {
        return Ok(());
    }
    let message = "a blocking call on the thread that refreshes credentials would wait for itself";
    let error = Error::new(ErrorKind::Failed, message).with_code("WouldDeadlock").permanent();
    Err(error.with_remedy("in a provider, await the method without `_blocking`"))
}

/// Runs `work` where there is a runtime for its requests, and waits for it.
fn on_executor<T: Send + 'static>(work: impl Future<Output = Result<T, Error>> + Send + 'static) -> Result<T, Error> {
    may_block()?;
    block_on(Executor::run(work)).unwrap_or_else(|_| {
        let message = "the call was dropped before it ended: it panicked, or its thread could not be started";
        Err(Error::new(ErrorKind::Failed, message).with_code("CallDropped"))
    })
}

/// One wait's own signal. Not `thread::park`: its token can be taken by whatever else parks this thread meanwhile.
#[derive(Default)]
struct Signal {
    woken: Mutex<bool>,
    changed: Condvar,
}

impl Wake for Signal {
    fn wake(self: Arc<Self>) {
        *self.woken.lock().unwrap_or_else(PoisonError::into_inner) = true;
        self.changed.notify_one();
    }
}

impl Signal {
    fn wait(&self) {
        let woken = self.woken.lock().unwrap_or_else(PoisonError::into_inner);
        let mut woken = self.changed.wait_while(woken, |woken| !*woken).unwrap_or_else(PoisonError::into_inner);
        *woken = false;
    }
}

fn block_on<F: Future>(future: F) -> F::Output {
    // A task that has used up its budget is told "not yet" by tokio's channels until it yields, which this never does.
    let mut future = pin!(tokio::task::coop::unconstrained(future));
    // A warm read is ready at once, and costs no signal.
    if let Poll::Ready(value) = future.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
        return value;
    }
    let signal = Arc::new(Signal::default());
    let waker = Waker::from(Arc::clone(&signal));
    let mut cx = Context::from_waker(&waker);
    loop {
        match future.as_mut().poll(&mut cx) {
            Poll::Ready(value) => return value,
            Poll::Pending => signal.wait(),
        }
    }
}
