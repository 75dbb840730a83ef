//! A signed RPC call to any product, IMM first.

mod builder;
mod operations;
mod pages;
mod parameters;
mod placement;
mod response;
mod retry;

use std::fmt;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use http::{HeaderValue, header};
use serde::Serialize;
use tokio::sync::Semaphore;

pub use self::builder::{NestedParameters, OpenApiClientBuilder};
pub use self::pages::Pages;
pub use self::response::ApiResponse;
use self::retry::{Next, Retries};
use crate::call_settings::CallSettings;
use crate::context::{self, CallerSender, Context, Repeat, SendOptions};
use crate::credentials::Credentials;
use crate::endpoint::{Endpoint, check_region};
use crate::error::{Error, ErrorKind};
use crate::provenance::Provenance;
use crate::refresh::Refresher;
use crate::rpc::{self, Call};

/// The API version of Intelligent Media Management.
const IMM_VERSION: &str = "2020-09-30";
/// The number of attempts of a call, unless code or a profile sets another.
const ATTEMPTS: u32 = 3;
/// The parameter by which products recognize a call that they have carried out already.
const CLIENT_TOKEN: &str = "ClientToken";

/// Calls a product's RPC operations, each signed by ACS3 with a credential that is valid at that moment. Cloning is one
/// reference count. A call runs on its caller's tokio runtime.
///
/// What is repeated, with a fresh nonce and date each time, three attempts in all unless
/// [`attempts`](OpenApiClientBuilder::attempts) says otherwise: a connection that could not be made, throttling,
/// `ServiceUnavailable`. So is a call whose answer was lost, if it only reads (`List…`, `Get…`, `Describe…` and so on) or
/// has a `ClientToken` among its parameters, by which the product knows that it has carried the call out already. Once
/// each: a date that had expired (with the clock that the server's own answer corrects), and, for those same calls alone, a
/// nonce that was used. When the server says that the security token is invalid (`InvalidSecurityToken.*`), the credential
/// is invalidated and the call made once more, if there is another credential.
///
/// A kept connection turns out to be closed only when it is used. The very same request then goes out once more on a new
/// one; its nonce keeps the server from carrying it out twice. Connections are kept for 5 s at most, or as long as the
/// server says if that is less, and no more than 4 of them; [`max_connections`](OpenApiClientBuilder::max_connections)
/// bounds how many there are at all.
///
/// Parameters go to the URL's query. A client of version 2020-09-30 knows IMM's 105 operations: it puts the parameters of
/// 14 into a form in the body, splits those of 6, and [`call_json`](Self::call_json) knows which ones are whole numbers
/// and which ones are plain values. An operation or a parameter that it doesn't know is called all the same.
///
/// ```no_run
/// # async fn example() -> Result<(), alibabacloud_credentials::Error> {
/// use alibabacloud_credentials::{DefaultCredentialChain, OpenApiClient};
///
/// let imm = OpenApiClient::imm("cn-hangzhou", DefaultCredentialChain::new());
/// let answer = imm.call("CreateProject", [("ProjectName", "testproject")]).await?;
/// println!("{}", answer.body()["Project"]["CreateTime"]);
/// # Ok(()) }
/// ```
#[derive(Clone)]
pub struct OpenApiClient(Arc<Inner>);

struct Inner {
    /// The endpoint, and a user agent of the caller's.
    setup: Result<(Endpoint, Option<HeaderValue>), Error>,
    version: String,
    credentials: Refresher,
    options: SendOptions,
    /// The setting in code; it goes before the profile that the credentials came from.
    attempts: Option<u32>,
    connect_timeout: Option<Duration>,
    attempt_timeout: Option<Duration>,
    timeout: Duration,
    nested: NestedParameters,
    /// Bounds the calls in flight.
    turns: Option<Semaphore>,
    sender: OnceLock<CallerSender>,
}

impl Inner {
    /// By the version alone: the endpoint may be a VPC's, a proxy's or an emulator's.
    fn is_imm(&self) -> bool {
        self.version == IMM_VERSION
    }

    /// The options of an attempt by credentials whose profile says `settings`, with `remaining` left of the call's time.
    fn options(&self, settings: CallSettings, remaining: Duration) -> SendOptions {
        let mut options = settings.limit(self.options);
        options.connect_timeout = self.connect_timeout.unwrap_or(options.connect_timeout);
        options.timeout = self.attempt_timeout.unwrap_or(options.timeout).min(remaining);
        options
    }
}

impl fmt::Debug for OpenApiClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OpenApiClient")
            .field("endpoint", &self.0.setup.as_ref().map(|(endpoint, _)| endpoint))
            .field("version", &self.0.version)
            .field("credentials", &self.0.credentials)
            .finish_non_exhaustive()
    }
}

impl OpenApiClient {
    /// Intelligent Media Management in a region, as `cn-hangzhou`: `imm.<region>.aliyuncs.com`.
    ///
    /// A region that is none is an error of the first call (`InvalidRegion`).
    pub fn imm(region: &str, credentials: impl Into<Refresher>) -> Self {
        Self::imm_at("imm", region, credentials.into())
    }

    /// Intelligent Media Management in a region, by its endpoint inside VPCs: `imm-vpc.<region>.aliyuncs.com`. It can be
    /// reached from that region's VPCs alone.
    ///
    /// ```
    /// use alibabacloud_credentials::{DefaultCredentialChain, OpenApiClient};
    ///
    /// let imm = OpenApiClient::imm_vpc("cn-hangzhou", DefaultCredentialChain::new());
    /// ```
    pub fn imm_vpc(region: &str, credentials: impl Into<Refresher>) -> Self {
        Self::imm_at("imm-vpc", region, credentials.into())
    }

    fn imm_at(product: &str, region: &str, credentials: Refresher) -> Self {
        let region = region.trim();
        let endpoint = check_region(region).map(|()| format!("{product}.{region}.aliyuncs.com"));
        OpenApiClientBuilder::new(endpoint, IMM_VERSION.to_owned(), credentials).build()
    }

    /// A product by its endpoint (`host[:port]`, HTTPS; `http://` for loopback) and API version.
    pub fn new(endpoint: impl Into<String>, version: impl Into<String>, credentials: impl Into<Refresher>) -> Self {
        Self::builder(endpoint, version, credentials).build()
    }

    /// The same, with choices.
    pub fn builder(
        endpoint: impl Into<String>,
        version: impl Into<String>,
        credentials: impl Into<Refresher>,
    ) -> OpenApiClientBuilder {
        OpenApiClientBuilder::new(Ok(endpoint.into()), version.into(), credentials.into())
    }

    /// Calls `action` with parameters that are text already.
    ///
    /// # Errors
    ///
    /// Those of the credentials; [`ErrorKind::Refused`] with the server's code, status and request id;
    /// [`ErrorKind::Unreachable`] or [`ErrorKind::InvalidResponse`] when there is no answer to read;
    /// [`ErrorKind::TimedOut`] with the code `CallTimeout` when the call's time was over before the first attempt.
    /// Parameters that make a URL of more than 65,534 bytes are [`ErrorKind::InvalidInput`] with the code `TooLong`, an
    /// action that is no name is one with the code `InvalidAction`; no request is made.
    pub async fn call<'a>(
        &self,
        action: &str,
        parameters: impl IntoIterator<Item = (&'a str, &'a str)>,
    ) -> Result<ApiResponse, Error> {
        let (query, form) = placement::place(self.0.is_imm(), action, parameters);
        // Boxed, so that a caller's future stays small.
        Box::pin(self.attempts(action, &query, &form)).await
    }

    /// Calls `action` with the fields of a structure or map: text as it is, numbers and booleans in JSON's spelling, lists
    /// and objects as compact JSON, which is how IMM takes them, or as
    /// [`nested_parameters`](OpenApiClientBuilder::nested_parameters) says. Fields that are `null` are left out.
    ///
    /// ```no_run
    /// # async fn example(imm: alibabacloud_credentials::OpenApiClient) -> Result<(), alibabacloud_credentials::Error> {
    /// #[derive(serde::Serialize)]
    /// #[serde(rename_all = "PascalCase")]
    /// struct CreateProject<'a> { project_name: &'a str, dataset_max_bind_count: i64 }
    ///
    /// imm.call_json("CreateProject", &CreateProject { project_name: "testproject", dataset_max_bind_count: 10 }).await?;
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    ///
    /// As [`call`](Self::call), and [`ErrorKind::InvalidInput`], with no request made, for anything but a structure or
    /// map. So too, for IMM's operations, for a count that is not a whole number of 64 bits (a float may have lost some
    /// of it already), and for a list or object in place of a plain value; the code is `InvalidParameter.<name>`.
    pub async fn call_json<P: Serialize + ?Sized>(&self, action: &str, parameters: &P) -> Result<ApiResponse, Error> {
        let texts = self.texts(action, parameters)?;
        self.call(action, texts.iter().map(|(name, text)| (name.as_str(), text.as_str()))).await
    }

    /// The fields as the texts that are sent.
    pub(crate) fn texts<P: Serialize + ?Sized>(
        &self,
        action: &str,
        parameters: &P,
    ) -> Result<Vec<(String, String)>, Error> {
        parameters::texts(self.0.is_imm(), self.0.nested, action, parameters)
    }

    async fn attempts(
        &self,
        action: &str,
        query: &[(&str, &str)],
        form: &[(&str, &str)],
    ) -> Result<ApiResponse, Error> {
        let inner = &*self.0;
        let context = inner.credentials.context();
        let began = context.now().monotonic;
        let (endpoint, user_agent) = inner.setup.as_ref().map_err(Clone::clone)?;
        check_action(action)?;
        let call = Call { endpoint, version: &inner.version, action, query, form };
        let user_agent = user_agent.as_ref();
        let sending = Sending { client: self, call, user_agent, began, used: None, retries: None };
        let _turn = match &inner.turns {
            Some(turns) => self.within(sending.remaining(), turns.acquire()).await?.ok(),
            None => None,
        };
        context::repeat(context, sending).await
    }

    /// The result of `work`, within what is left of the call's time. What is ready at once costs no timer.
    async fn within<T>(&self, remaining: Duration, work: impl Future<Output = T>) -> Result<T, Error> {
        let context = self.0.credentials.context();
        let done = context::first(work, async { context.sleep(remaining).await }).await;
        done.ok_or_else(|| {
            let message =
                format!("the call's limit of {} s was over before it could be made", self.0.timeout.as_secs_f64());
            let error = Error::new(ErrorKind::TimedOut, message).with_code("CallTimeout");
            error.with_remedy("look at what credentials and other calls wait for, or set a longer .timeout()")
        })
    }
}

/// A call on its way: signed, sent, perhaps sent again.
struct Sending<'a> {
    client: &'a OpenApiClient,
    call: Call<'a>,
    user_agent: Option<&'a HeaderValue>,
    /// On the monotonic clock.
    began: Duration,
    /// The credential of the attempt under way.
    used: Option<Credentials>,
    /// Set by the first attempt: the profile of its credential may say how many there are.
    retries: Option<Retries>,
}

impl<'a> Sending<'a> {
    fn context(&self) -> &'a Context {
        self.client.0.credentials.context()
    }

    /// The rest of the call's time.
    fn remaining(&self) -> Duration {
        self.client.0.timeout.saturating_sub(self.context().now().monotonic.saturating_sub(self.began))
    }

    async fn credentials(&self) -> Result<Credentials, Error> {
        self.client.within(self.remaining(), self.client.0.credentials.credentials()).await?
    }

    /// Returns whether the call changes nothing when it is carried out twice.
    fn may_repeat(&self) -> bool {
        let mut parameters = self.call.query.iter().chain(self.call.form);
        rpc::is_read_only(self.call.action)
            || parameters.any(|(name, value)| *name == CLIENT_TOKEN && !value.is_empty())
    }
}

impl Repeat for Sending<'_> {
    type Answer = ApiResponse;
    type Failure = Error;

    async fn attempt(&mut self) -> Result<ApiResponse, Error> {
        let (inner, context) = (&self.client.0, self.context());
        let credentials = self.credentials().await?;
        let settings = Provenance::call_settings(&credentials);
        let options = inner.options(settings, self.remaining());
        if self.retries.is_none() {
            let attempts = inner.attempts.or(settings.attempts()).unwrap_or(ATTEMPTS);
            self.retries = Some(Retries::new(attempts, self.may_repeat()));
        }
        let credentials = self.used.insert(credentials);
        let mut request = rpc::signed(context, self.call, credentials)?;
        if let Some(name) = self.user_agent {
            request.headers_mut().insert(header::USER_AGENT, name.clone());
        }
        let sender = inner.sender.get_or_init(|| context.caller_sender());
        match sender.send(context, request, options).await {
            Ok(response) => rpc::read(self.call, response, &credentials.secrets()).map(ApiResponse),
            Err(error) => Err(rpc::unreachable(self.call, &error)),
        }
    }

    async fn pause_after(&mut self, error: Error) -> Result<Duration, Error> {
        let (random, remaining) = (self.context().random(), self.remaining());
        // Where there was no credential, its source has made its own attempts.
        let (Some(used), Some(retries)) = (self.used.take(), &mut self.retries) else { return Err(error) };
        let pause = match retries.after(&error, &used, random, remaining) {
            Next::Repeat => Duration::ZERO,
            Next::RepeatAfter(pause) => pause,
            Next::Replace => {
                let source = &self.client.0.credentials;
                source.invalidate(&used);
                match self.credentials().await {
                    Ok(fresh) if fresh.generation() != used.generation() => Duration::ZERO,
                    Ok(_) => return Err(not_replaced(source, &used, error)),
                    Err(why) => return Err(error.not_replaced(why)),
                }
            }
            Next::GiveUp => return Err(error),
        };
        tracing::debug!(%error, action = self.call.action, "calling again");
        Ok(pause)
    }
}

/// An action becomes a header, so it has to be a name.
fn check_action(action: &str) -> Result<(), Error> {
    let is_name = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.');
    if !action.is_empty() && action.bytes().all(is_name) {
        return Ok(());
    }
    let error = Error::invalid_input("an action is a name in letters and digits, as ListProjects");
    Err(error.with_code("InvalidAction"))
}

/// Says why a source has no other credential than the one that the server refused: it failed, or its session is one that
/// somebody wrote down.
fn not_replaced(source: &Refresher, used: &Credentials, error: Error) -> Error {
    if let Some(why) = source.health().last_failure() {
        return error.not_replaced(why);
    }
    match Provenance::of(used).written_down {
        Some(place) => error.with_remedy(format!(
            "{place} cannot be renewed; use a source that renews its sessions: AssumeRole, RRSA or instance metadata"
        )),
        None => error,
    }
}
