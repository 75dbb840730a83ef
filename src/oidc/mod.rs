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
#[derive(Clone)]
pub struct OidcToken(Zeroizing<String>);

impl OidcToken {
    /// A token; white space around it is dropped, since files end in a line feed, and a byte order mark before it.
    pub fn new(token: impl AsRef<str>) -> Self {
        let token = token.as_ref();
        Self(Zeroizing::new(token.strip_prefix('\u{feff}').unwrap_or(token).trim().to_owned()))
    }

    /// The token itself.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for OidcToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("OidcToken(…)")
    }
}

/// A source of OIDC tokens. It is asked anew for every exchange: tokens are short-lived and rotate.
///
/// The crate has a file ([`OidcTokenFile`]), a variable ([`OidcTokenVariable`]), GitHub Actions
/// ([`GitHubActionsToken`]) and a closure ([`oidc_token_fn`]).
pub trait ProvideOidcToken: Send + Sync + 'static {
    /// What errors call it: `file /var/run/…`, `variable CI_TOKEN`.
    fn describe(&self) -> Cow<'_, str>;

    /// The token, for an exchange that happens now in `context`'s world.
    fn token<'a>(&'a self, context: &'a Context) -> BoxFuture<'a, Result<OidcToken, Error>>;
}
