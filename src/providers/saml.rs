//! `saml_role_arn`: a role's session for a SAML assertion.

use std::borrow::Cow;
use std::fmt;
use std::future::Future;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

use super::sts_settings::sts_settings;
use crate::credentials::Credentials;
use crate::error::Error;
use crate::provenance::{Provenance, RoleSession};
use crate::provider::{BoxFuture, ProvideCredentials, SourceStatus};
use crate::saml::{AssertionSource, SamlAssertion, expired_for};
use crate::sts::{AssumeRole, Sts};

/// Exchanges a SAML assertion for a role's session, by AssumeRoleWithSAML. No AccessKey is needed.
///
/// The assertion comes from a file, a variable or a closure, and is read again for every exchange: identity providers give
/// them minutes. Its `NotOnOrAfter` is looked at first, and one that has expired is not sent. An exchange needs a new one, so
/// credentials are renewed only as long as something provides assertions.
///
/// The name of the session is the assertion's attribute `RoleSessionName`, and the role and its identity provider have to stand
/// in the attribute `Role`. No official SDK has this provider; the chain does not look for assertions by itself.
///
/// ```
/// use alibabacloud_credentials::{AssumeRole, Refresher, SamlProvider};
///
/// let provider = SamlProvider::new(
///     "acs:ram::1234567890123456:saml-provider/company",
///     AssumeRole::new("acs:ram::1234567890123456:role/media"),
/// )
/// .assertion_file("~/.company/saml-response");
/// let credentials = Refresher::new(provider);
/// ```
#[derive(Clone)]
pub struct SamlProvider {
    sts: Sts,
    provider_arn: String,
    role: AssumeRole,
    source: Option<AssertionSource>,
    /// A digest of the last assertion that was refused by a clock that nobody had confirmed.
    refused: Arc<Mutex<Option<u64>>>,
}

impl fmt::Debug for SamlProvider {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SamlProvider")
            .field("provider_arn", &self.provider_arn)
            .field("role", &self.role)
            .field("assertion", &self.source.as_ref().map(AssertionSource::describe))
            .finish_non_exhaustive()
    }
}

const NEW: &str = "get a new one from the identity provider: assertions live for minutes";

impl SamlProvider {
    /// Creates a provider for a role and the identity provider in RAM,
    /// `acs:ram::<account id>:saml-provider/<name>`. AssumeRoleWithSAML has no session name, ExternalId or SourceIdentity: a
    /// role with one of them is [`ErrorKind::InvalidInput`](crate::ErrorKind::InvalidInput).
    pub fn new(provider_arn: impl Into<String>, role: AssumeRole) -> Self {
        let provider_arn = provider_arn.into();
        Self { sts: Sts::default(), provider_arn, role, source: None, refused: Arc::default() }
    }

    /// Takes the assertion from a file, in base64 or as XML. A leading `~` is the home directory.
    #[must_use]
    pub fn assertion_file(mut self, path: impl Into<PathBuf>) -> Self {
        self.source = Some(AssertionSource::File(path.into()));
        self
    }

    /// Takes the assertion from an environment variable. It cannot be changed from outside while the process runs, so the
    /// session is not renewed beyond the assertion's end.
    #[must_use]
    pub fn assertion_variable(mut self, name: impl Into<String>) -> Self {
        self.source = Some(AssertionSource::Variable(name.into()));
        self
    }

    /// Takes the assertion from a closure. Errors call it `name`.
    ///
    /// ```
    /// use alibabacloud_credentials::{AssumeRole, SamlAssertion, SamlProvider};
    ///
    /// # async fn log_in() -> Result<String, alibabacloud_credentials::Error> { Ok(String::new()) }
    /// let role = AssumeRole::new("acs:ram::1234567890123456:role/media");
    /// let provider = SamlProvider::new("acs:ram::1234567890123456:saml-provider/company", role)
    ///     .assertion_fn("the company's identity provider", || async { Ok(SamlAssertion::new(log_in().await?)) });
    /// ```
    #[must_use]
    pub fn assertion_fn<F, Fut>(mut self, name: impl Into<String>, ask: F) -> Self
    where
        F: Fn() -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<SamlAssertion, Error>> + Send + 'static,
    {
        self.source = Some(AssertionSource::Closure(name.into(), Arc::new(move || Box::pin(ask()))));
        self
    }

    sts_settings!(
        "use alibabacloud_credentials::{AssumeRole, SamlProvider};\n\
         # let (arn, role) = (\"acs:ram::1234567890123456:saml-provider/company\", AssumeRole::new(\"acs:ram::1234567890123456:role/media\"));",
        "SamlProvider::new(arn, role)",
        "Sets the region whose STS host is used. The default is that of the variables."
    );

    async fn ask(&self) -> Result<Credentials, Error> {
        let Some(source) = &self.source else {
            let error = Error::failed("no assertion was named in code").with_code("HalfSet").permanent();
            return Err(error.with_remedy("name one by assertion_file, assertion_variable or assertion_fn"));
        };
        self.role.check_for_saml(&self.provider_arn)?;
        let assertion = source.assertion(&self.sts.context).await?;
        let named = source.describe();
        let end = assertion.end().map_err(|error| error.map_message(|message| format!("{named} {message}")))?;
        self.refuse_expired(&assertion, end, &named)?;
        let asked_for = RoleSession { role_arn: self.role.role_arn().to_owned(), session_name: None };
        let session = self.sts.assume_role_with_saml(&self.provider_arn, &assertion, &self.role).await;
        let session = session.map_err(|error| {
            let error = error.map_message(|message| format!("{asked_for}: {message}"));
            match error.code() {
                Some("AuthenticationFail.NoPermission") => error.with_remedy(format!(
                    "let the role's trust policy name {0}, and the assertion's attribute Role hold the role's ARN and {0}",
                    self.provider_arn
                )),
                Some("AuthenticationFail.SAMLAssertion.Expired") => {
                    error.with_remedy(format!("the assertion of {named} was not renewed in time: {NEW}"))
                }
                _ => error,
            }
        })?;
        Ok(Provenance::edit(session, |known| {
            known.place = Some(format!("assertion of {named}"));
            known.roles.push(asked_for);
        }))
    }

    /// Refuses an assertion that has expired, by the clock of the servers once one of them has told the time, else by this
    /// machine's.
    ///
    /// The latter may be ahead, and would then refuse every assertion for ever. So it refuses one and its like; where the
    /// next one has expired on arrival, too, that is sent, and the response tells the time.
    fn refuse_expired(&self, assertion: &SamlAssertion, end: Option<SystemTime>, named: &str) -> Result<(), Error> {
        let context = &self.sts.context;
        let measured = context.measured_time();
        let Some(ago) = expired_for(end, measured.unwrap_or_else(|| context.now().system_time())) else {
            return Ok(());
        };
        let mut by = "";
        if measured.is_none() {
            let mut hasher = DefaultHasher::new();
            assertion.as_str().hash(&mut hasher);
            let digest = hasher.finish();
            let mut refused = self.refused.lock().unwrap_or_else(PoisonError::into_inner);
            if refused.is_some_and(|refused| refused != digest) {
                tracing::warn!(
                    source = named,
                    "two assertions had expired on arrival: this machine's clock may be ahead"
                );
                return Ok(());
            }
            *refused = Some(digest);
            by = " by this machine's clock";
        }
        let message = format!("the assertion of {named} expired {} s ago{by}", ago.as_secs());
        Err(Error::failed(message).with_code("SamlAssertionExpired").with_remedy(NEW))
    }
}

impl ProvideCredentials for SamlProvider {
    fn provider_name(&self) -> Cow<'_, str> {
        Cow::Borrowed("saml_role_arn")
    }

    fn provide_credentials(&self) -> BoxFuture<'_, Result<Credentials, Error>> {
        Box::pin(async move {
            match self.ask().await {
                Ok(session) => Ok(session.with_provider_name("saml_role_arn")),
                Err(error) => Err(error.in_provider("saml_role_arn")),
            }
        })
    }

    fn source_status(&self) -> Option<SourceStatus> {
        Some(SourceStatus::configured(match &self.source {
            Some(source) => format!("an assertion of {} is exchanged", source.describe()),
            None => "no assertion was named in code".to_owned(),
        }))
    }
}
