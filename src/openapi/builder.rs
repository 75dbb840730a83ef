//! The choices of an `OpenApiClient`.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use http::HeaderValue;
use tokio::sync::Semaphore;

use super::{Inner, OpenApiClient};
use crate::context::SendOptions;
use crate::endpoint::Endpoint;
use crate::error::Error;
use crate::refresh::Refresher;
use crate::rpc;

const MAX_BODY: usize = 16 * 1024 * 1024;

/// How [`call_json`](OpenApiClient::call_json) writes a list or an object.
///
/// ```
/// use alibabacloud_credentials::{Credentials, NestedParameters, OpenApiClient};
///
/// let key = Credentials::new("LTAI5tExampleKeyId01", "fake-secret");
/// let client = OpenApiClient::builder("ecs.cn-hangzhou.aliyuncs.com", "2014-05-26", key)
///     .nested_parameters(NestedParameters::Repeated) // `["i-1"]` under InstanceId is InstanceId.1=i-1
///     .build();
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum NestedParameters {
    /// As one parameter that holds compact JSON: `Tag=[{"Key":"stage"}]`. IMM and most products of recent years take it.
    #[default]
    Json,
    /// As one parameter for each plain value, lists counted from 1: `Tag.1.Key=stage`. ECS, RDS, SLB and other products that
    /// call it a repeated list take it.
    Repeated,
}

/// Builds an [`OpenApiClient`].
///
/// ```
/// use std::time::Duration;
/// use alibabacloud_credentials::{DefaultCredentialChain, NestedParameters, OpenApiClient};
///
/// let ecs = OpenApiClient::builder("ecs.cn-hangzhou.aliyuncs.com", "2014-05-26", DefaultCredentialChain::new())
///     .attempts(5)
///     .timeout(Duration::from_secs(30))
///     .nested_parameters(NestedParameters::Repeated)
///     .user_agent("media-service/1.4")
///     .build();
/// ```
#[derive(Debug)]
pub struct OpenApiClientBuilder {
    endpoint: Result<String, Error>,
    version: String,
    credentials: Refresher,
    options: SendOptions,
    allow_plain_http: bool,
    attempts: Option<u32>,
    connect_timeout: Option<Duration>,
    attempt_timeout: Option<Duration>,
    timeout: Duration,
    nested: NestedParameters,
    user_agent: Option<String>,
    max_connections: Option<usize>,
}

impl OpenApiClientBuilder {
    pub(super) fn new(endpoint: Result<String, Error>, version: String, credentials: Refresher) -> Self {
        Self {
            endpoint,
            version,
            credentials,
            options: SendOptions { max_body: MAX_BODY, ..SendOptions::default() },
            allow_plain_http: false,
            attempts: None,
            connect_timeout: None,
            attempt_timeout: None,
            timeout: Duration::from_secs(60),
            nested: NestedParameters::default(),
            user_agent: None,
            max_connections: None,
        }
    }

    /// Sets the largest response in bytes. Default 16 MiB.
    #[must_use]
    pub fn max_body(mut self, bytes: usize) -> Self {
        self.options.max_body = bytes;
        self
    }

    /// Sets how often a call is attempted at most where a repetition is safe; 1 repeats nothing. The default
    /// is one more than the `retry_count` of the profile of config.json that gave the credentials, or else 3.
    #[must_use]
    pub fn attempts(mut self, attempts: u32) -> Self {
        self.attempts = Some(attempts);
        self
    }

    /// Sets the limit of a call, with its wait for credentials, its attempts and the pauses between them. A pause that
    /// would end after it is not begun: the error is returned at once, and [`Error::retry_after`] has what the server asked
    /// for. Default 60 s.
    #[must_use]
    pub fn timeout(mut self, limit: Duration) -> Self {
        self.timeout = limit;
        self
    }

    /// Sets the limit of one attempt, to the last byte of its response. The default is the `read_timeout` of the profile
    /// of config.json that gave the credentials, with the time to connect, or else 10 s.
    #[must_use]
    pub fn attempt_timeout(mut self, limit: Duration) -> Self {
        self.attempt_timeout = Some(limit);
        self
    }

    /// Sets the limit of one connection, TLS included. The default is the `connect_timeout` of the profile of config.json that
    /// gave the credentials, or else 5 s.
    #[must_use]
    pub fn connect_timeout(mut self, limit: Duration) -> Self {
        self.connect_timeout = Some(limit);
        self
    }

    /// Sets how many calls are in flight at once, and so how many connections the client and its clones open. Further calls
    /// wait their turn within their [`timeout`](Self::timeout). Default: no bound. 0 counts as 1.
    #[must_use]
    pub fn max_connections(mut self, most: usize) -> Self {
        self.max_connections = Some(most.clamp(1, Semaphore::MAX_PERMITS));
        self
    }

    /// Adds the name of a program or library, as `media-service/1.4`, to the header `User-Agent`.
    #[must_use]
    pub fn user_agent(mut self, name: impl Into<String>) -> Self {
        self.user_agent = Some(name.into());
        self
    }

    /// Sets how [`call_json`](OpenApiClient::call_json) writes lists and objects. Default: as compact JSON.
    #[must_use]
    pub fn nested_parameters(mut self, style: NestedParameters) -> Self {
        self.nested = style;
        self
    }

    /// Lets the endpoint be plain `http://` beyond loopback. Tokens then travel in the clear.
    #[must_use]
    pub fn allow_plain_http(mut self) -> Self {
        self.allow_plain_http = true;
        self
    }

    /// Builds the client. What is wrong with the choices shows as an error of the first call.
    pub fn build(self) -> OpenApiClient {
        let endpoint = self.endpoint.and_then(|endpoint| Endpoint::parse(&endpoint, self.allow_plain_http));
        let user_agent = self.user_agent.map(|name| user_agent(&name)).transpose();
        OpenApiClient(Arc::new(Inner {
            setup: user_agent.and_then(|user_agent| Ok((endpoint?, user_agent))),
            version: self.version,
            credentials: self.credentials,
            options: self.options,
            attempts: self.attempts,
            connect_timeout: self.connect_timeout,
            attempt_timeout: self.attempt_timeout,
            timeout: self.timeout,
            nested: self.nested,
            turns: self.max_connections.map(Semaphore::new),
            sender: OnceLock::new(),
        }))
    }
}

fn user_agent(name: &str) -> Result<HeaderValue, Error> {
    let is_visible = !name.trim().is_empty() && name.bytes().all(|byte| (b' '..=b'~').contains(&byte));
    let value = HeaderValue::from_str(&format!("{} {}", rpc::USER_AGENT, name.trim())).ok().filter(|_| is_visible);
    value.ok_or_else(|| {
        let error = Error::invalid_input("a user agent is visible ASCII").with_code("InvalidHeader");
        error.with_remedy("name it in letters, digits and slashes, as media-service/1.4")
    })
}
