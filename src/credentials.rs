//! What a provider gives: an AccessKey pair, perhaps a security token, perhaps an end.

use std::any::Any;
use std::fmt;
use std::sync::Arc;
use std::time::SystemTime;

use zeroize::Zeroizing;

use crate::redact::{shorten, shown};

/// An AccessKey pair, with a security token and an expiration where it is temporary.
///
/// Cloning is one reference count. The strings are zeroized when the last clone is dropped; `Debug` shows a shortened
/// key id and no secret. A value is a provider too, so a literal can stand wherever a source is asked for.
///
/// ```
/// use alibabacloud_credentials::Credentials;
///
/// let key = Credentials::new("LTAI5tExampleKeyId01", "a secret");
/// assert_eq!(key.provider_name(), "static_ak");
/// assert_eq!(format!("{key:?}"), r#"Credentials { access_key_id: "LTAI…Id01", provider: "static_ak", generation: 0, .. }"#);
/// ```
#[derive(Clone)]
pub struct Credentials(Arc<Inner>);

#[derive(Clone)]
struct Inner {
    access_key_id: Zeroizing<String>,
    access_key_secret: Zeroizing<String>,
    security_token: Option<Zeroizing<String>>,
    expiration: Option<SystemTime>,
    issued_at: Option<SystemTime>,
    provider: Option<String>,
    arn: Option<String>,
    /// What upper layers of the crate know of its source: see `provenance`.
    facts: Option<Arc<dyn Any + Send + Sync>>,
    generation: u64,
}

impl Credentials {
    /// A long-term AccessKey pair.
    pub fn new(access_key_id: impl Into<String>, access_key_secret: impl Into<String>) -> Self {
        Self(Arc::new(Inner {
            access_key_id: Zeroizing::new(access_key_id.into()),
            access_key_secret: Zeroizing::new(access_key_secret.into()),
            security_token: None,
            expiration: None,
            issued_at: None,
            provider: None,
            arn: None,
            facts: None,
            generation: 0,
        }))
    }

    fn edit(mut self, edit: impl FnOnce(&mut Inner)) -> Self {
        edit(Arc::make_mut(&mut self.0));
        self
    }

    /// Adds the security token of a temporary pair.
    #[must_use]
    pub fn with_security_token(self, token: impl Into<String>) -> Self {
        let token = Zeroizing::new(token.into());
        self.edit(|inner| inner.security_token = Some(token))
    }

    /// Says when the pair stops working. Without it the pair is taken to last for ever.
    #[must_use]
    pub fn with_expiration(self, at: SystemTime) -> Self {
        self.edit(|inner| inner.expiration = Some(at))
    }

    /// Says what the issuer's own clock showed when it issued the pair (the `Date` of its answer), so that a wrong local
    /// clock neither shortens nor lengthens the life of the credential. Without it the local wall clock judges.
    #[must_use]
    pub fn with_issued_at(self, at: SystemTime) -> Self {
        self.edit(|inner| inner.issued_at = Some(at))
    }

    /// Names the source, as [`provider_name`](Self::provider_name) will say it.
    #[must_use]
    pub fn with_provider_name(self, name: impl Into<String>) -> Self {
        let name = name.into();
        self.edit(|inner| inner.provider = Some(name))
    }

    pub(crate) fn with_arn(self, arn: &str) -> Self {
        self.edit(|inner| inner.arn = Some(arn.to_owned()))
    }

    pub(crate) fn with_facts(self, facts: Arc<dyn Any + Send + Sync>) -> Self {
        self.edit(|inner| inner.facts = Some(facts))
    }

    pub(crate) fn facts<T: 'static>(&self) -> Option<&T> {
        self.0.facts.as_ref()?.downcast_ref()
    }

    /// Whose it is, where the issuer said so.
    pub(crate) fn arn(&self) -> Option<&str> {
        self.0.arn.as_deref()
    }

    pub(crate) fn with_generation(self, generation: u64) -> Self {
        self.edit(|inner| inner.generation = generation)
    }

    /// Names the source where nobody has yet.
    pub(crate) fn or_provider_name(self, name: &str) -> Self {
        if self.0.provider.is_some() { self } else { self.with_provider_name(name) }
    }

    /// Puts `name` in front of the source's path: `default` before `env` gives `default/env`.
    pub(crate) fn in_provider(self, name: &str) -> Self {
        if name.is_empty() {
            return self;
        }
        let path = format!("{name}/{}", self.provider_name());
        self.with_provider_name(path)
    }

    /// The AccessKey ID.
    pub fn access_key_id(&self) -> &str {
        &self.0.access_key_id
    }

    /// The AccessKey secret.
    pub fn access_key_secret(&self) -> &str {
        &self.0.access_key_secret
    }

    /// The security token, for temporary credentials.
    pub fn security_token(&self) -> Option<&str> {
        self.0.security_token.as_ref().map(|token| token.as_str())
    }

    /// When the credential stops working, by its issuer's clock.
    pub fn expiration(&self) -> Option<SystemTime> {
        self.0.expiration
    }

    /// What the issuer's clock showed when it answered, where that is known.
    pub fn issued_at(&self) -> Option<SystemTime> {
        self.0.issued_at
    }

    /// Where the credential came from, outermost first: `default/env`, `default/cli_profile/ram_role_arn/static_ak`.
    pub fn provider_name(&self) -> &str {
        match (&self.0.provider, &self.0.security_token) {
            (Some(name), _) => name,
            (None, Some(_)) => "static_sts",
            (None, None) => "static_ak",
        }
    }

    /// A number that grows with every new credential of a [`Refresher`](crate::Refresher): 0 when it never passed one.
    pub fn generation(&self) -> u64 {
        self.0.generation
    }

    /// Whether both would sign the same way.
    pub(crate) fn same_keys(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
            || (self.0.access_key_id == other.0.access_key_id
                && self.0.access_key_secret == other.0.access_key_secret
                && self.0.security_token == other.0.security_token)
    }

    /// What must not be repeated in a text that others wrote.
    pub(crate) fn secrets(&self) -> Vec<&str> {
        [Some(self.access_key_secret()), self.security_token()].into_iter().flatten().collect()
    }
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut out = f.debug_struct("Credentials");
        out.field("access_key_id", &shorten(self.access_key_id())).field("provider", &self.provider_name());
        if let Some(at) = self.expiration() {
            out.field("expiration", &at);
        }
        if let Some(arn) = self.arn() {
            out.field("arn", &shown(arn));
        }
        out.field("generation", &self.generation()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_shows_no_secret_and_survives_any_text() {
        for id in ["", "a", "中文", "emulator-ram-user", "🔑🔑🔑🔑🔑🔑🔑🔑🔑🔑🔑🔑🔑"] {
            let shown = format!("{:?}", Credentials::new(id, "s3cr3t").with_security_token("t0k3n"));
            assert!(!shown.contains("s3cr3t") && !shown.contains("t0k3n"), "{shown}");
            assert!(id.len() < 2 || !shown.contains(id), "{shown}");
        }
    }

    #[test]
    fn a_path_grows_outwards() {
        let c = Credentials::new("i", "s").or_provider_name("env").in_provider("ram_role_arn").in_provider("default");
        assert_eq!(c.provider_name(), "default/ram_role_arn/env");
    }
}
