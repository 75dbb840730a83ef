//! The value that a provider gives: an AccessKey pair, for temporary credentials with a security token and an end.

use std::any::Any;
use std::fmt;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use http::HeaderValue;
use zeroize::Zeroizing;

use crate::redact::{shorten, shown};
use crate::time;

/// The clock that counts suspend, by itself: what remains of a credential is an instant on it.
pub(crate) trait BootClock: Send + Sync {
    fn boot(&self) -> Duration;
}

/// No session lasts longer than this. It keeps all arithmetic on times far from its ends.
const LONGEST: Duration = Duration::from_secs(100 * 365 * 24 * 3600);

/// The end of a credential, settled where its response arrived.
#[derive(Clone)]
struct End {
    clock: Arc<dyn BootClock>,
    at: Duration,
    /// The lifetime of the session when it arrived.
    whole: Duration,
    /// The wall clock may end it earlier, and is read at every look: its response had no date.
    by_wall: bool,
}

/// The remaining time of a credential that ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Left {
    pub(crate) left: Duration,
    /// The lifetime of its session when it arrived, as far as that is known.
    pub(crate) whole: Duration,
    /// Set where the wall clock alone decides and is read again when it is stepped: the most that can then be left.
    pub(crate) by_wall: Option<Duration>,
}

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
    end: Option<End>,
    provider: Option<String>,
    arn: Option<String>,
    /// Facts about its source for upper layers of the crate: see `provenance`.
    facts: Option<Arc<dyn Any + Send + Sync>>,
    generation: u64,
    key_headers: OnceLock<Box<KeyHeaders>>,
}

/// The parts of a credential that requests carry in headers.
#[derive(Clone)]
pub(crate) struct KeyHeaders {
    pub(crate) access_key_id: HeaderValue,
    /// Sensitive, and zeroized when the credential and the last request that carries it are dropped.
    pub(crate) security_token: Option<HeaderValue>,
    /// The provider's name, with `_` for what no header can carry: users name their own as they like.
    pub(crate) provider: HeaderValue,
}

impl KeyHeaders {
    /// An id and a token that no header can carry become empty, which every server refuses.
    fn of(credentials: &Inner, provider: &str) -> Self {
        let empty = |_| HeaderValue::from_static("");
        let provider: String = provider.chars().map(|c| if c.is_ascii_graphic() { c } else { '_' }).collect();
        let token = |token: &Zeroizing<String>| {
            let bytes = Bytes::from_owner(Zeroizing::new(token.as_bytes().to_vec()));
            let mut value = HeaderValue::from_maybe_shared(bytes).unwrap_or_else(empty);
            value.set_sensitive(true);
            value
        };
        Self {
            access_key_id: HeaderValue::from_str(&credentials.access_key_id).unwrap_or_else(empty),
            security_token: credentials.security_token.as_ref().map(token),
            provider: HeaderValue::try_from(provider).unwrap_or_else(empty),
        }
    }
}

impl Credentials {
    /// Creates a long-term AccessKey pair.
    pub fn new(access_key_id: impl Into<String>, access_key_secret: impl Into<String>) -> Self {
        Self(Arc::new(Inner {
            access_key_id: Zeroizing::new(access_key_id.into()),
            access_key_secret: Zeroizing::new(access_key_secret.into()),
            security_token: None,
            expiration: None,
            end: None,
            provider: None,
            arn: None,
            facts: None,
            generation: 0,
            key_headers: OnceLock::new(),
        }))
    }

    fn edit(mut self, edit: impl FnOnce(&mut Inner)) -> Self {
        let inner = Arc::make_mut(&mut self.0);
        edit(inner);
        inner.key_headers = OnceLock::new();
        self
    }

    /// Adds the security token of a temporary pair.
    #[must_use]
    pub fn with_security_token(self, token: impl Into<String>) -> Self {
        let token = Zeroizing::new(token.into());
        self.edit(|inner| inner.security_token = Some(token))
    }

    /// Sets the time at which the pair stops working, by the wall clock. Without it the pair never expires.
    ///
    /// A [`Refresher`](crate::Refresher) judges it by its own wall clock when it receives the pair, and anew when that clock is
    /// set. Sessions that the crate fetches itself carry what remains of them, measured when the response arrived; this
    /// setting replaces that.
    #[must_use]
    pub fn with_expiration(self, at: SystemTime) -> Self {
        self.edit(|inner| (inner.expiration, inner.end) = (Some(at), None))
    }

    /// Settles what remains: `left` from now on, by `clock`. It travels with the credential, so every holder sees the same
    /// age. With `by_wall` it is an upper limit, and the wall clock decides.
    pub(crate) fn with_left(self, clock: Arc<dyn BootClock>, left: Duration, by_wall: bool) -> Self {
        let left = left.min(LONGEST);
        let at = clock.boot().saturating_add(left);
        self.edit(|inner| inner.end = Some(End { clock, at, whole: left, by_wall }))
    }

    /// Returns what remains, by the credential's own clock, or by the reading `wall` of the wall clock if its response had no
    /// date; `None` if it never ends.
    pub(crate) fn left(&self, wall: Duration) -> Option<Left> {
        let by_wall = || {
            let left = self.0.expiration?.duration_since(time::from_epoch(wall)).unwrap_or_default();
            Some(left.min(LONGEST))
        };
        let Some(end) = &self.0.end else {
            return by_wall().map(|left| Left { left, whole: left, by_wall: Some(LONGEST) });
        };
        let most = end.at.saturating_sub(end.clock.boot());
        Some(if end.by_wall {
            let left = most.min(by_wall().unwrap_or(LONGEST));
            Left { left, whole: end.whole.min(left), by_wall: Some(most) }
        } else {
            Left { left: most, whole: end.whole, by_wall: None }
        })
    }

    /// Takes `by` off what remains, where that is settled.
    pub(crate) fn shortened(self, by: Duration) -> Self {
        if by.is_zero() {
            return self;
        }
        self.edit(|inner| {
            if let Some(end) = &mut inner.end {
                end.at = end.at.saturating_sub(by);
            }
        })
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

    /// Returns the ARN of its owner, if the issuer gave it.
    pub(crate) fn arn(&self) -> Option<&str> {
        self.0.arn.as_deref()
    }

    pub(crate) fn with_generation(self, generation: u64) -> Self {
        self.edit(|inner| inner.generation = generation)
    }

    /// Sets the name of the source unless it has one.
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

    /// Returns the AccessKey ID.
    pub fn access_key_id(&self) -> &str {
        &self.0.access_key_id
    }

    /// Returns the AccessKey secret.
    pub fn access_key_secret(&self) -> &str {
        &self.0.access_key_secret
    }

    /// Returns the security token of temporary credentials.
    pub fn security_token(&self) -> Option<&str> {
        self.0.security_token.as_ref().map(|token| token.as_str())
    }

    /// Returns the time at which the credential stops working, by its issuer's clock; `None` if it never does. What remains
    /// of it is measured when the response arrives, and not computed from this.
    pub fn expiration(&self) -> Option<SystemTime> {
        self.0.expiration
    }

    /// Returns the path of providers that it came from, outermost first: `default/env`,
    /// `default/cli_profile/ram_role_arn/static_ak`.
    pub fn provider_name(&self) -> &str {
        match (&self.0.provider, &self.0.security_token) {
            (Some(name), _) => name,
            (None, Some(_)) => "static_sts",
            (None, None) => "static_ak",
        }
    }

    /// Returns a number that grows with every new credential of a [`Refresher`](crate::Refresher); 0 if it never passed
    /// through one.
    pub fn generation(&self) -> u64 {
        self.0.generation
    }

    /// Returns whether both sign alike.
    pub(crate) fn same_keys(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
            || (self.0.access_key_id == other.0.access_key_id
                && self.0.access_key_secret == other.0.access_key_secret
                && self.0.security_token == other.0.security_token)
    }

    /// Returns what requests carry of it in headers: made once, after `check` has let it pass.
    pub(crate) fn key_headers<E>(&self, check: impl FnOnce() -> Result<(), E>) -> Result<&KeyHeaders, E> {
        if let Some(headers) = self.0.key_headers.get() {
            return Ok(headers);
        }
        check()?;
        Ok(self.0.key_headers.get_or_init(|| Box::new(KeyHeaders::of(&self.0, self.provider_name()))))
    }

    /// Returns the texts that must not be repeated from what a server wrote.
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
    fn what_requests_carry_is_made_once_and_anew_where_the_credential_is_another() {
        let session = Credentials::new("id", "s").with_security_token("t").with_provider_name("my vault/é");
        let no_check = || Ok::<(), ()>(());
        assert_eq!(session.key_headers(|| Err("checked")).err(), Some("checked"));
        let headers = session.key_headers(no_check).unwrap();
        let token = headers.security_token.as_ref().unwrap();
        assert_eq!((headers.access_key_id.as_bytes(), token.as_bytes()), (&b"id"[..], &b"t"[..]));
        assert_eq!((headers.provider.as_bytes(), token.is_sensitive()), (&b"my_vault/_"[..], true));
        assert!(std::ptr::eq(headers, session.clone().key_headers(|| Err("checked again")).unwrap()));
        let renamed = session.clone().in_provider("default").with_security_token("t2");
        let other = renamed.key_headers(no_check).unwrap();
        assert_eq!(
            (other.provider.as_bytes(), other.security_token.as_ref().unwrap().as_bytes()),
            (&b"default/my_vault/_"[..], &b"t2"[..])
        );
    }

    #[test]
    fn a_path_grows_outwards() {
        let c = Credentials::new("i", "s").or_provider_name("env").in_provider("ram_role_arn").in_provider("default");
        assert_eq!(c.provider_name(), "default/ram_role_arn/env");
    }
}
