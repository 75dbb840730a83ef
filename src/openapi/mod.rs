//! A signed RPC call to any product, IMM first.

mod operations;
mod parameters;
mod placement;
mod response;

use std::fmt;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use http::StatusCode;
use serde::Serialize;

pub use self::response::ApiResponse;
use crate::context::{CallerSender, Context, SendOptions};
use crate::credentials::Credentials;
use crate::endpoint::{Endpoint, check_region};
use crate::error::{Error, ErrorKind};
use crate::error_codes::{Product, SigningRetries, SigningRetry};
use crate::refresh::Refresher;
use crate::rpc::{self, Call};

/// The API version of Intelligent Media Management.
const IMM_VERSION: &str = "2020-09-30";
const MAX_BODY: usize = 16 * 1024 * 1024;
/// Attempts in all, where a repetition is safe.
const ATTEMPTS: u32 = 3;
/// The longest pause that a server may ask for between two attempts.
const LONGEST_PAUSE: Duration = Duration::from_secs(60);

/// Calls a product's RPC operations, each signed by ACS3 with a credential that is valid at that moment. Cloning is one
/// reference count. A call runs on its caller's tokio runtime.
///
/// What is repeated, with a fresh nonce and date each time, three attempts in all: a connection that could not be made,
/// throttling, `ServiceUnavailable`. Once each: a nonce that was used, and a date that had expired (with the clock that the
/// server's own answer corrects). When the server says that the security token is invalid (`InvalidSecurityToken.*`), the
/// credential is invalidated and the call made once more, if there is another credential.
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
    endpoint: Result<Endpoint, Error>,
    version: String,
    credentials: Refresher,
    options: SendOptions,
    sender: OnceLock<CallerSender>,
}

impl Inner {
    /// By the version alone: the endpoint may be a VPC's, a proxy's or an emulator's.
    fn is_imm(&self) -> bool {
        self.version == IMM_VERSION
    }
}

impl fmt::Debug for OpenApiClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OpenApiClient")
            .field("endpoint", &self.0.endpoint)
            .field("version", &self.0.version)
            .field("credentials", &self.0.credentials)
            .finish_non_exhaustive()
    }
}

/// Builds an [`OpenApiClient`].
///
/// ```
/// use std::time::Duration;
/// use alibabacloud_credentials::{DefaultCredentialChain, OpenApiClient};
///
/// let chain = DefaultCredentialChain::new();
/// let imm = OpenApiClient::builder("imm.cn-hangzhou.aliyuncs.com", "2020-09-30", &chain)
///     .timeout(Duration::from_secs(30))
///     .max_body(1024 * 1024)
///     .build();
/// ```
#[derive(Debug)]
pub struct OpenApiClientBuilder {
    endpoint: String,
    version: String,
    credentials: Refresher,
    options: SendOptions,
    allow_plain_http: bool,
}

impl OpenApiClientBuilder {
    /// The largest answer in bytes. Default 16 MiB.
    #[must_use]
    pub fn max_body(mut self, bytes: usize) -> Self {
        self.options.max_body = bytes;
        self
    }

    /// The limit of one attempt, to the last byte of its answer. Default 10 s.
    #[must_use]
    pub fn timeout(mut self, limit: Duration) -> Self {
        self.options.timeout = limit;
        self
    }

    /// The limit of one connection, TLS included. Default 5 s.
    #[must_use]
    pub fn connect_timeout(mut self, limit: Duration) -> Self {
        self.options.connect_timeout = limit;
        self
    }

    /// Lets the endpoint be plain `http://` beyond loopback. Tokens then travel in the clear.
    #[must_use]
    pub fn allow_plain_http(mut self) -> Self {
        self.allow_plain_http = true;
        self
    }

    /// The client. An endpoint that is none shows as an error of the first call.
    pub fn build(self) -> OpenApiClient {
        OpenApiClient(Arc::new(Inner {
            endpoint: Endpoint::parse(&self.endpoint, self.allow_plain_http),
            version: self.version,
            credentials: self.credentials,
            options: self.options,
            sender: OnceLock::new(),
        }))
    }
}

impl OpenApiClient {
    /// Intelligent Media Management in a region, as `cn-hangzhou`: `imm.<region>.aliyuncs.com`.
    pub fn imm(region: &str, credentials: impl Into<Refresher>) -> Self {
        let mut builder = Self::builder(format!("imm.{region}.aliyuncs.com"), IMM_VERSION, credentials);
        if check_region(region).is_err() {
            builder.endpoint = String::new();
        }
        builder.build()
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
        OpenApiClientBuilder {
            endpoint: endpoint.into(),
            version: version.into(),
            credentials: credentials.into(),
            options: SendOptions { max_body: MAX_BODY, ..SendOptions::default() },
            allow_plain_http: false,
        }
    }

    /// Calls `action` with parameters that are text already.
    ///
    /// # Errors
    ///
    /// Those of the credentials; [`ErrorKind::Refused`] with the server's code, status and request id;
    /// [`ErrorKind::Unreachable`] or [`ErrorKind::InvalidResponse`] when there is no answer to read. Parameters that
    /// make a URL of more than 65,534 bytes are [`ErrorKind::InvalidInput`] with the code `TooLong`; no request is made.
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
    /// and objects as compact JSON, which is how IMM takes them. Fields that are `null` are left out.
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
        parameters::texts(self.0.is_imm(), action, parameters)
    }

    async fn attempts(
        &self,
        action: &str,
        query: &[(&str, &str)],
        form: &[(&str, &str)],
    ) -> Result<ApiResponse, Error> {
        let inner = &*self.0;
        let context = inner.credentials.context();
        let endpoint = inner.endpoint.as_ref().map_err(Clone::clone)?;
        let call = Call { endpoint, version: &inner.version, action, query, form };
        let mut retries = SigningRetries::default();
        let mut attempt = 1;
        loop {
            let credentials = inner.credentials.credentials().await?;
            let error = match self.attempt(context, call, &credentials).await {
                Ok(answer) => return Ok(answer),
                Err(error) => error,
            };
            match self.next_step(&error, &credentials, &mut retries, attempt) {
                Next::Repeat => {}
                Next::RepeatAfter(pause) => {
                    attempt += 1;
                    context.sleep(pause).await;
                }
                Next::Replace => {
                    inner.credentials.invalidate(&credentials);
                    match inner.credentials.credentials().await {
                        Ok(fresh) if fresh.generation() != credentials.generation() => {}
                        Ok(_) => return Err(not_renewable(context, &credentials, error)),
                        Err(cause) => return Err(error.with_causes([cause])),
                    }
                }
                Next::GiveUp => return Err(error),
            }
            tracing::debug!(%error, action, "calling again");
        }
    }

    async fn attempt(
        &self,
        context: &Context,
        call: Call<'_>,
        credentials: &Credentials,
    ) -> Result<ApiResponse, Error> {
        let sender = match self.0.sender.get() {
            Some(sender) => sender,
            None => {
                let made = context.caller_sender()?;
                self.0.sender.get_or_init(|| made)
            }
        };
        let request = rpc::signed(context, call, credentials)?;
        match sender.send(context, request, self.0.options).await {
            Ok(response) => rpc::read(call, response, &credentials.secrets()).map(ApiResponse),
            Err(error) => {
                // Only a connection that was never made leaves no doubt whether the call was carried out.
                let never_sent = error.kind().is_unconnected();
                let error = rpc::unreachable(call, &error);
                Err(if never_sent { error } else { error.permanent() })
            }
        }
    }

    fn next_step(&self, error: &Error, used: &Credentials, retries: &mut SigningRetries, attempt: u32) -> Next {
        let code = error.code().unwrap_or_default();
        let status = error.http_status().and_then(|status| StatusCode::from_u16(status).ok());
        let refused = error.kind() == ErrorKind::Refused;
        if refused {
            match retries.after(Product::OpenApi, code, used) {
                Some(SigningRetry::Replace) => return Next::Replace,
                Some(SigningRetry::SignAgain) => return Next::Repeat,
                None => {}
            }
        }
        let passing = match error.kind() {
            ErrorKind::Refused => {
                code == "ServiceUnavailable" || status.is_some_and(|status| rpc::is_throttling(code, status))
            }
            // A gateway that is overloaded need not answer in JSON.
            ErrorKind::InvalidResponse => {
                matches!(status, Some(StatusCode::SERVICE_UNAVAILABLE | StatusCode::TOO_MANY_REQUESTS))
            }
            ErrorKind::Unreachable => !error.is_permanent(),
            _ => false,
        };
        if !passing || attempt >= ATTEMPTS {
            return Next::GiveUp;
        }
        let most = Duration::from_millis(200) * 2_u32.pow(attempt);
        let drawn = self.0.credentials.context().random() as f64 / u64::MAX as f64;
        let pause = most / 2 + (most / 2).mul_f64(drawn);
        Next::RepeatAfter(pause.max(error.retry_after().unwrap_or_default().min(LONGEST_PAUSE)))
    }
}

enum Next {
    Repeat,
    RepeatAfter(Duration),
    /// With another credential, if there is one.
    Replace,
    GiveUp,
}

/// The server calls the token invalid, and the source has no other: it says which source that is, and which ones renew.
fn not_renewable(context: &Context, used: &Credentials, error: Error) -> Error {
    const SOURCES: &str = "use a source that renews its sessions: AssumeRole, RRSA or instance metadata";
    let innermost = used.provider_name().rsplit('/').next().unwrap_or_default();
    let place = match innermost {
        "env" => {
            let names = ["ALIBABA_CLOUD_SECURITY_TOKEN", "IMM_SESSION_TOKEN"];
            let holds = |name: &&&str| context.env(name).is_ok_and(|token| token.as_deref() == used.security_token());
            names.iter().find(holds).map_or("a token from the environment", |name| *name)
        }
        "static_sts" => "a token that is written down",
        _ => return error,
    };
    error.with_remedy(format!("{place} cannot be renewed; {SOURCES}"))
}
