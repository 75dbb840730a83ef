//! `ecs_ram_role`: the RAM role of the instance, from its metadata service.

mod firmware;
mod service;
#[cfg(test)]
mod tests;

use std::borrow::Cow;
use std::fmt;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http::{Response, StatusCode};

use self::service::{Effort, HOST, Service};
use crate::context::Context;
use crate::credentials::Credentials;
use crate::endpoint::check_region;
use crate::error::{Error, ErrorKind};
use crate::provenance::{InstanceRole, Provenance};
use crate::provider::{BoxFuture, ProvideCredentials, SourceStatus};
use crate::session_json::{self, Code, Origin};

const ROLES: &str = "/latest/meta-data/ram/security-credentials/";
const REGION: &str = "/latest/meta-data/region-id";
const DISABLED: &str = "ALIBABA_CLOUD_ECS_METADATA_DISABLED";
const ROLE_NAME: &str = "ALIBABA_CLOUD_ECS_METADATA";
/// For how long a look that found nothing is remembered.
const REMEMBERED: Duration = Duration::from_secs(60);

/// Gives the session of the RAM role that is attached to this ECS instance.
///
/// The role's name is the one given here, else `ALIBABA_CLOUD_ECS_METADATA`, else the one that the instance has. The
/// service is asked by version 2, with a token that is kept and shared by all requests; without a token only where the
/// service does not know tokens (HTTP 404 or 405) and `ALIBABA_CLOUD_IMDSV1_DISABLED` is not `true`. No proxy, no redirect,
/// one second for a request.
///
/// A role that is named, or [`required`](Self::required), is asked for, and whatever goes wrong is a failure. Otherwise a
/// service that never answered, or knows no role, is [`NotConfigured`](ErrorKind::NotConfigured), and where the machine's
/// firmware does not say "Alibaba Cloud" either, all that is tried is one connection of a quarter of a second, once a
/// minute. `ALIBABA_CLOUD_ECS_METADATA_DISABLED=true` turns this source off.
///
/// ```
/// use alibabacloud_credentials::{EcsMetadataProvider, Refresher};
///
/// let credentials = Refresher::new(EcsMetadataProvider::new().role_name("media-worker"));
/// ```
pub struct EcsMetadataProvider {
    role_name: Option<String>,
    required: bool,
    v1_disabled: bool,
    service: Service,
    /// The name that was discovered and worked.
    discovered: Mutex<Option<String>>,
}

impl fmt::Debug for EcsMetadataProvider {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EcsMetadataProvider")
            .field("role_name", &self.role_name)
            .field("required", &self.required)
            .field("v1_disabled", &self.v1_disabled)
            .finish_non_exhaustive()
    }
}

impl Default for EcsMetadataProvider {
    fn default() -> Self {
        Self::new()
    }
}

/// The way in which the service is asked this time.
struct Plan {
    /// Given by code or variable.
    role: Option<String>,
    /// Somebody asked for metadata by name.
    asked: bool,
    effort: Effort,
    v1: bool,
}

impl EcsMetadataProvider {
    /// Creates a provider for the role that the environment names, or else the one that the instance has.
    pub fn new() -> Self {
        Self {
            role_name: None,
            required: false,
            v1_disabled: false,
            service: Service::new(Context::default()),
            discovered: Mutex::default(),
        }
    }

    /// Sets the name of the role: at most 64 letters, digits and `_ . @ -`. A blank one counts as none.
    #[must_use]
    pub fn role_name(mut self, name: impl Into<String>) -> Self {
        let name: String = name.into();
        self.role_name = Some(name.trim().to_owned()).filter(|name| !name.is_empty());
        self
    }

    /// Makes the absence of metadata or of a role a failure, whichever role the instance has.
    #[must_use]
    pub fn required(mut self) -> Self {
        self.required = true;
        self
    }

    /// Never asks without a token. `ALIBABA_CLOUD_IMDSV1_DISABLED=true` does the same.
    #[must_use]
    pub fn disable_imds_v1(mut self, disable: bool) -> Self {
        self.v1_disabled = disable;
        self
    }

    /// Sets the outside world. The default is the real one.
    #[must_use]
    pub fn context(mut self, context: Context) -> Self {
        self.service = Service::new(context);
        self
    }

    /// The instance's region, as `cn-hangzhou`. Answers and costs what the credentials do.
    pub(crate) async fn region_id(&self) -> Result<String, Error> {
        let region = async {
            let plan = self.plan().await?;
            let region = text(&self.get(REGION, &plan).await?, REGION)?;
            let unusable =
                Error::new(ErrorKind::InvalidResponse, format!("{HOST} answered GET {REGION} with no region"));
            check_region(&region).map_err(|_| unusable.with_code("InvalidResponse"))?;
            Ok(region)
        };
        region.await.map_err(|error: Error| error.in_provider("ecs_ram_role"))
    }

    async fn plan(&self) -> Result<Plan, Error> {
        let context = &self.service.context;
        if context.switch(DISABLED)? {
            return Err(if self.required || self.role_name.is_some() {
                Error::failed(format!("metadata is asked for by name, and {DISABLED} is true"))
                    .with_code("MetadataDisabled")
                    .with_remedy(format!("unset {DISABLED}"))
                    .permanent()
            } else {
                Error::not_configured(format!("{DISABLED} is true"))
            });
        }
        let role = match &self.role_name {
            Some(name) => Some(name.clone()),
            None => context.env(ROLE_NAME)?,
        };
        if role.as_deref().is_some_and(|role| !is_role_name(role)) {
            let what = "a role's name is 1 to 64 letters, digits and _ . @ -";
            return Err(match self.role_name {
                Some(_) => Error::invalid_input(what),
                None => Error::failed(format!("{ROLE_NAME}: {what}")).permanent(),
            }
            .with_code("InvalidRoleName"));
        }
        let asked = self.required || role.is_some();
        let sure = asked || self.service.answered() || firmware::says_alibaba_cloud(context).await;
        let v1 = !self.v1_disabled && !context.switch("ALIBABA_CLOUD_IMDSV1_DISABLED")?;
        Ok(Plan { role, asked, effort: if sure { Effort::Full } else { Effort::Probe }, v1 })
    }

    /// Asks the service, and tells one that is not there from one that failed.
    async fn get(&self, path: &str, plan: &Plan) -> Result<Response<Bytes>, Error> {
        let context = &self.service.context;
        let probe = plan.effort == Effort::Probe;
        if probe && let Some(ago) = context.since_no_metadata().filter(|ago| *ago < REMEMBERED) {
            let message = format!("{HOST} gave no answer {} s ago, and is asked once a minute", ago.as_secs());
            return Err(Error::not_configured(message));
        }
        let error = match self.service.get(path, plan.effort, plan.v1).await {
            Ok(answer) => return Ok(answer),
            Err(error) => error,
        };
        if plan.asked || error.kind() != ErrorKind::Unreachable || self.service.answered() {
            return Err(error);
        }
        if !probe {
            return Err(error.with_kind(ErrorKind::NotConfigured));
        }
        context.found_no_metadata();
        let remedy = format!("set {ROLE_NAME} to the role's name if this is an ECS instance");
        let error = error.map_message(|message| format!("the firmware does not say Alibaba Cloud, and {message}"));
        Err(if error.code() == Some("HopLimit") { error } else { error.with_remedy(remedy) }
            .with_kind(ErrorKind::NotConfigured))
    }

    async fn discover(&self, plan: &Plan) -> Result<String, Error> {
        let answer = self.get(ROLES, plan).await?;
        if answer.status() == StatusCode::NOT_FOUND {
            let message = format!("{HOST} knows no RAM role of this instance");
            return Err(if plan.asked { Error::failed(message).permanent() } else { Error::not_configured(message) }
                .with_code("NoRamRole")
                .with_http_status(404)
                .with_remedy("attach a RAM role to the instance"));
        }
        let name = text(&answer, ROLES)?;
        if is_role_name(&name) {
            return Ok(name);
        }
        let message = format!("{HOST} answered GET {ROLES} with something that is no role's name");
        Err(Error::new(ErrorKind::InvalidResponse, message).with_code("InvalidResponse"))
    }

    async fn ask(&self) -> Result<Credentials, Error> {
        let plan = self.plan().await?;
        let discovered = || self.discovered.lock().unwrap_or_else(PoisonError::into_inner);
        let mut known = plan.role.clone().or_else(|| discovered().clone());
        // Another role may have been attached, once.
        let mut again = plan.role.is_none();
        loop {
            let role = match known.take() {
                Some(role) => role,
                None => self.discover(&plan).await?,
            };
            let path = format!("{ROLES}{role}");
            let answer = self.get(&path, &plan).await?;
            if answer.status() == StatusCode::NOT_FOUND {
                *discovered() = None;
                if again {
                    again = false;
                    continue;
                }
                return Err(Error::failed(format!("{HOST} knows no RAM role `{role}` of this instance"))
                    .with_code("NoRamRole")
                    .with_http_status(404)
                    .with_remedy("attach that role to the instance, or leave its name out to use the attached one")
                    .permanent());
            }
            let asked = format!("GET {path}");
            let origin = Origin { host: HOST, asked: &asked, within: "" };
            let found = session_json::document(answer, origin, Code::Required, &self.service.context)?;
            let found = Provenance::edit(found, |known| {
                known.place = Some(format!("RAM role `{role}` of this instance"));
                known.instance = Some(InstanceRole { v1_disabled: self.v1_disabled });
            });
            if plan.role.is_none() {
                *discovered() = Some(role);
            }
            return Ok(found.with_provider_name("ecs_ram_role"));
        }
    }
}

/// A role's name is part of a path, so nothing else may be in it.
fn is_role_name(name: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"_.@-".contains(&byte);
    (1..=64).contains(&name.len()) && name.bytes().all(allowed) && !name.bytes().all(|byte| byte == b'.')
}

/// An item that is a line of text.
fn text(answer: &Response<Bytes>, path: &str) -> Result<String, Error> {
    if answer.status() != StatusCode::OK {
        let asked = format!("GET {path}");
        return Err(Origin { host: HOST, asked: &asked, within: "" }.refused(answer.status(), answer.headers()));
    }
    Ok(std::str::from_utf8(answer.body()).unwrap_or_default().trim().to_owned())
}

impl ProvideCredentials for EcsMetadataProvider {
    fn provider_name(&self) -> Cow<'_, str> {
        Cow::Borrowed("ecs_ram_role")
    }

    fn provide_credentials(&self) -> BoxFuture<'_, Result<Credentials, Error>> {
        Box::pin(async move { self.ask().await.map_err(|error| error.in_provider("ecs_ram_role")) })
    }

    fn source_status(&self) -> Option<SourceStatus> {
        let set = |name: &str| self.service.context.env(name).ok().flatten();
        Some(if set(DISABLED).is_some_and(|value| value.eq_ignore_ascii_case("true")) {
            SourceStatus::not_configured(format!("{DISABLED} is true"))
        } else if set(ROLE_NAME).is_some() {
            SourceStatus::configured(format!("{ROLE_NAME} is set"))
        } else {
            SourceStatus::not_configured(format!("{ROLE_NAME} is unset, and the service was not looked for"))
        })
    }
}
