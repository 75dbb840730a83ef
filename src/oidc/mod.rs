//! OIDC tokens: where they come from, and what they claim.

mod claims;
mod sources;

use std::borrow::Cow;
use std::fmt;

use zeroize::Zeroizing;

pub(crate) use self::claims::Claims;
pub use self::sources::{GitHubActionsToken, OidcTokenFile, OidcTokenFn, OidcTokenVariable, oidc_token_fn};
use crate::context::Context;
use crate::error::Error;
use crate::provider::BoxFuture;

/// An OIDC token: a signed JWT. It is zeroized when dropped, and `Debug` does not show it.
///
/// ```
/// use alibabacloud_credentials::OidcToken;
///
/// let token = OidcToken::new("a.signed.jwt\n");
/// assert_eq!(token.as_str(), "a.signed.jwt");
/// assert_eq!(format!("{token:?}"), "OidcToken(…)");
/// ```
#[derive(Clone)]
pub struct OidcToken(Zeroizing<String>);

impl OidcToken {
    /// Creates a token. White space around it is dropped, since files end in a line feed, and so is a byte order mark.
    pub fn new(token: impl AsRef<str>) -> Self {
        let token = token.as_ref();
        Self(Zeroizing::new(token.strip_prefix('\u{feff}').unwrap_or(token).trim().to_owned()))
    }

    /// Returns the token itself.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for OidcToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("OidcToken(…)")
    }
}

/// A source of OIDC tokens. It is asked again for every exchange, since tokens are short-lived and rotate.
///
/// The crate has a file ([`OidcTokenFile`]), a variable ([`OidcTokenVariable`]), GitHub Actions
/// ([`GitHubActionsToken`]) and a closure ([`oidc_token_fn`]).
///
/// ```
/// use std::borrow::Cow;
/// use alibabacloud_credentials::{BoxFuture, Context, Error, OidcRoleProvider, OidcToken, ProvideOidcToken};
///
/// struct Spiffe;
///
/// impl ProvideOidcToken for Spiffe {
///     fn describe(&self) -> Cow<'_, str> {
///         "the SPIFFE workload API".into()
///     }
///
///     fn token<'a>(&'a self, _context: &'a Context) -> BoxFuture<'a, Result<OidcToken, Error>> {
///         Box::pin(async { Ok(OidcToken::new("a.signed.jwt")) })
///     }
/// }
///
/// let provider = OidcRoleProvider::new().token(Spiffe);
/// ```
pub trait ProvideOidcToken: Send + Sync + 'static {
    /// Returns the name that errors use: `file /var/run/…`, `variable CI_TOKEN`.
    fn describe(&self) -> Cow<'_, str>;

    /// Returns the token for an exchange that happens now, in the world of `context`.
    fn token<'a>(&'a self, context: &'a Context) -> BoxFuture<'a, Result<OidcToken, Error>>;
}
