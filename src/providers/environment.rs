//! `env`: an AccessKey pair, perhaps with a security token, from environment variables.

use std::borrow::Cow;

use crate::context::Context;
use crate::credentials::Credentials;
use crate::error::{Error, ErrorKind};
use crate::key_characters;
use crate::provenance::Provenance;
use crate::provider::{BoxFuture, Private, ProvideCredentials, SourceStatus};

/// Reads families of variables, the first that is set whole. All values come from one family: an id from one and a secret
/// from another would be a mixed pair.
///
/// | family | variables |
/// |---|---|
/// | default | `ALIBABA_CLOUD_ACCESS_KEY_ID`, `ALIBABA_CLOUD_ACCESS_KEY_SECRET`, `ALIBABA_CLOUD_SECURITY_TOKEN` |
/// | the IMM guide's | `IMM_ACCESS_KEY_ID`, `IMM_ACCESS_KEY_SECRET`, `IMM_SESSION_TOKEN` |
/// | [`prefixed`](Self::prefixed) | `<P>_ACCESS_KEY_ID`, `<P>_ACCESS_KEY_SECRET`, `<P>_SECURITY_TOKEN` or `<P>_SESSION_TOKEN` |
///
/// Blank values count as unset. A family that is half set has failed, even if the next one is whole; so has an id that
/// begins with `STS.` without a token.
///
/// ```
/// use alibabacloud_credentials::{EnvironmentProvider, Refresher};
///
/// let credentials = Refresher::new(EnvironmentProvider::prefixed("OSS"));
/// ```
#[derive(Clone, Debug)]
pub struct EnvironmentProvider {
    pub(super) context: Context,
    families: Vec<Family>,
}

/// Variables that belong together.
#[derive(Clone, Debug)]
struct Family {
    id: String,
    secret: String,
    tokens: Vec<String>,
    /// The prefix, where code gave it.
    given: Option<String>,
}

impl Family {
    fn of_prefix(prefix: &str) -> Self {
        let tokens = match prefix {
            "ALIBABA_CLOUD" | "ALIBABACLOUD" | "ALICLOUD" => vec![format!("{prefix}_SECURITY_TOKEN")],
            "IMM" => vec!["IMM_SESSION_TOKEN".to_owned()],
            _ => vec![format!("{prefix}_SECURITY_TOKEN"), format!("{prefix}_SESSION_TOKEN")],
        };
        Self {
            id: format!("{prefix}_ACCESS_KEY_ID"),
            secret: format!("{prefix}_ACCESS_KEY_SECRET"),
            tokens,
            given: None,
        }
    }

    /// A family of a prefix that code gave.
    fn given(prefix: String) -> Self {
        Self { given: Some(prefix.clone()), ..Self::of_prefix(&prefix) }
    }

    /// Terraform's, whose token another family has too: it means something with a key of this one alone.
    fn of_terraform() -> Self {
        let tokens = vec!["ALICLOUD_SECURITY_TOKEN".to_owned()];
        Self { id: "ALICLOUD_ACCESS_KEY".to_owned(), secret: "ALICLOUD_SECRET_KEY".to_owned(), tokens, given: None }
    }

    /// The family's values; `None` where none of them is set.
    fn read(&self, context: &Context) -> Result<Option<Credentials>, Error> {
        let mut tokens = Vec::new();
        for name in &self.tokens {
            tokens.extend(context.env(name)?.map(|token| (name, token)));
        }
        if tokens.windows(2).any(|pair| pair[0].1 != pair[1].1) {
            return Err(half_set(format!("{} hold different tokens", self.tokens.join(" and "))));
        }
        let token = tokens.pop();
        let (id, secret) = (context.env(&self.id)?, context.env(&self.secret)?);
        let named = [(&self.id, &id), (&self.secret, &secret)];
        for (name, value) in named.into_iter().filter_map(|(name, value)| Some((name, value.as_ref()?))) {
            key_characters::check(name, value)?;
        }
        if let Some((name, value)) = &token {
            key_characters::check(name, value)?;
        }
        match (id, secret, token) {
            (None, None, None) => Ok(None),
            (Some(id), Some(_), None) if id.starts_with("STS.") => Err(half_set(format!(
                "{} is a temporary one (STS.…) and {} is unset",
                self.id,
                self.tokens.join(" or ")
            ))),
            (Some(id), Some(secret), token) => {
                let keys = Credentials::new(id, secret);
                let written_down = token.as_ref().map(|(name, _)| (*name).clone());
                let keys = token.into_iter().fold(keys, |keys, (_, token)| keys.with_security_token(token));
                Ok(Some(Provenance::edit(keys, |known| {
                    known.place = Some(self.id.clone());
                    known.environment = true;
                    known.written_down = written_down;
                })))
            }
            (id, secret, token) => {
                let (mut set, mut unset) = (Vec::new(), Vec::new());
                for (name, is_set) in [(&self.id, id.is_some()), (&self.secret, secret.is_some())] {
                    if is_set { set.push(name.as_str()) } else { unset.push(name.as_str()) }
                }
                set.extend(token.map(|(name, _)| name.as_str()));
                Err(half_set(format!("{} set without {}", set.join(" and "), unset.join(" and "))))
            }
        }
    }
}

impl Default for EnvironmentProvider {
    fn default() -> Self {
        let families = ["ALIBABA_CLOUD", "IMM"].map(Family::of_prefix).to_vec();
        Self { context: Context::default(), families }
    }
}

impl EnvironmentProvider {
    /// Creates a provider for the two documented families.
    pub fn new() -> Self {
        Self::default()
    }

    /// Creates a provider for one family: the prefix `OSS` reads `OSS_ACCESS_KEY_ID`, `OSS_ACCESS_KEY_SECRET`, and `OSS_SECURITY_TOKEN` or
    /// `OSS_SESSION_TOKEN`. A prefix is letters, digits and `_`; another one is an error (`InvalidParameter.EnvPrefix`).
    ///
    /// ```
    /// use alibabacloud_credentials::EnvironmentProvider;
    ///
    /// let oss_alone = EnvironmentProvider::prefixed("OSS");
    /// let oss_last = EnvironmentProvider::new().and_prefix("OSS");
    /// ```
    pub fn prefixed(prefix: impl Into<String>) -> Self {
        let families = vec![Family::given(prefix.into())];
        Self { context: Context::default(), families }
    }

    /// Adds a family behind the others; the prefix is as in [`prefixed`](Self::prefixed).
    #[must_use]
    pub fn and_prefix(mut self, prefix: impl Into<String>) -> Self {
        self.families.push(Family::given(prefix.into()));
        self
    }

    /// Adds the families that only the CLI and Terraform read, behind the others.
    pub(crate) fn legacy_variables(mut self, read: bool) -> Self {
        if read {
            let families = [Family::of_prefix("ALIBABACLOUD"), Family::of_prefix("ALICLOUD"), Family::of_terraform()];
            self.families.extend(families);
        }
        self
    }

    /// Sets the outside world. The default is the real one.
    #[must_use]
    pub fn context(mut self, context: Context) -> Self {
        self.context = context;
        self
    }

    /// Checks a prefix that was given in code.
    pub(crate) fn check_prefix(prefix: &str) -> Result<(), Error> {
        if !prefix.is_empty() && prefix.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_') {
            return Ok(());
        }
        let what = "the prefix of variables given in code is not letters, digits and _, as OSS for OSS_ACCESS_KEY_ID";
        Err(Error::invalid_input(what).with_code("InvalidParameter.EnvPrefix"))
    }

    pub(super) fn read(&self) -> Result<Credentials, Error> {
        self.families.iter().filter_map(|family| family.given.as_deref()).try_for_each(Self::check_prefix)?;
        for family in &self.families {
            if let Some(found) = family.read(&self.context)? {
                return Ok(found.with_provider_name("env"));
            }
        }
        let ids: Vec<&str> = self.families.iter().map(|family| family.id.as_str()).collect();
        let verb = if ids.len() == 1 { "is" } else { "are" };
        let blank: Vec<&str> = ids.iter().copied().filter(|name| self.context.is_blank(name)).collect();
        let blank = if blank.is_empty() { String::new() } else { format!(" ({} there, and blank)", blank.join(", ")) };
        Err(Error::not_configured(format!("{} {verb} unset{blank}", ids.join(", "))))
    }
}

fn half_set(message: String) -> Error {
    let error = Error::failed(message).with_code("HalfSet").permanent();
    error.with_remedy("set all of the family, or none of it")
}

impl ProvideCredentials for EnvironmentProvider {
    fn provider_name(&self) -> Cow<'_, str> {
        Cow::Borrowed("env")
    }

    fn provide_credentials(&self) -> BoxFuture<'_, Result<Credentials, Error>> {
        Box::pin(std::future::ready(self.read()))
    }

    fn source_status(&self) -> Option<SourceStatus> {
        Some(match self.read() {
            Ok(_) => SourceStatus::configured("an AccessKey pair is set"),
            Err(error) if error.kind() == ErrorKind::NotConfigured => SourceStatus::not_configured(error.message()),
            Err(error) => SourceStatus::configured(error.message()),
        })
    }

    fn is_current(&self, credentials: &Credentials) -> bool {
        // A broken environment keeps what was good.
        self.read().map_or(true, |now| now.same_keys(credentials))
    }

    fn checks_inline(&self, _: Private) -> bool {
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(provider: EnvironmentProvider, env: &[(&str, &str)]) -> Result<Credentials, Error> {
        provider.context(Context::builder().env(env.iter().copied()).build()).read()
    }

    const ID: (&str, &str) = ("ALIBABA_CLOUD_ACCESS_KEY_ID", "id-1");
    const SECRET: (&str, &str) = ("ALIBABA_CLOUD_ACCESS_KEY_SECRET", "secret-1");
    const IMM: [(&str, &str); 3] =
        [("IMM_ACCESS_KEY_ID", "STS.2"), ("IMM_ACCESS_KEY_SECRET", "secret-2"), ("IMM_SESSION_TOKEN", "token-2")];

    #[test]
    fn the_first_whole_family_is_taken_and_families_never_mix() {
        let both = [&[ID, SECRET][..], &IMM].concat();
        assert_eq!(read(EnvironmentProvider::new(), &both).unwrap().access_key_id(), "id-1");
        let imm = read(EnvironmentProvider::new(), &IMM).unwrap();
        assert_eq!((imm.access_key_id(), imm.security_token()), ("STS.2", Some("token-2")));
        let half = [&[ID][..], &IMM].concat();
        let error = read(EnvironmentProvider::new(), &half).unwrap_err();
        assert_eq!(error.message(), "ALIBABA_CLOUD_ACCESS_KEY_ID set without ALIBABA_CLOUD_ACCESS_KEY_SECRET");
        assert_eq!(error.kind(), crate::ErrorKind::Failed);
    }

    #[test]
    fn blank_is_unset_and_white_space_around_a_value_is_dropped() {
        let blank = [("ALIBABA_CLOUD_ACCESS_KEY_ID", " "), ("ALIBABA_CLOUD_ACCESS_KEY_SECRET", "")];
        assert_eq!(read(EnvironmentProvider::new(), &blank).unwrap_err().kind(), crate::ErrorKind::NotConfigured);
        let pasted = [("ALIBABA_CLOUD_ACCESS_KEY_ID", "id-1\n"), ("ALIBABA_CLOUD_ACCESS_KEY_SECRET", " secret-1 ")];
        let found = read(EnvironmentProvider::new(), &pasted).unwrap();
        assert_eq!((found.access_key_id(), found.access_key_secret()), ("id-1", "secret-1"));
    }

    #[test]
    fn a_temporary_id_needs_its_token() {
        let error = read(EnvironmentProvider::new(), &IMM[..2]).unwrap_err();
        assert!(error.message().contains("IMM_SESSION_TOKEN is unset"), "{error}");
        assert!(!format!("{error:?}").contains("secret-2"));
        let error = read(EnvironmentProvider::new(), &IMM[2..]).unwrap_err();
        assert!(error.message().contains("IMM_SESSION_TOKEN set without IMM_ACCESS_KEY_ID and IMM_ACCESS_KEY_SECRET"));
    }

    #[test]
    fn any_prefix_will_do_and_either_name_of_its_token() {
        let mut env = vec![("OSS_ACCESS_KEY_ID", "STS.3"), ("OSS_ACCESS_KEY_SECRET", "s"), ("OSS_SESSION_TOKEN", "t")];
        assert_eq!(read(EnvironmentProvider::prefixed("OSS"), &env).unwrap().security_token(), Some("t"));
        env.push(("OSS_SECURITY_TOKEN", "other"));
        assert!(read(EnvironmentProvider::prefixed("OSS"), &env).unwrap_err().message().contains("different tokens"));
        assert_eq!(
            read(EnvironmentProvider::prefixed("OSS"), &[ID, SECRET]).unwrap_err().kind(),
            crate::ErrorKind::NotConfigured
        );
    }
}
