//! One call to STS on its way: through the gate, signed, sent, perhaps to another host or sent again.

use std::sync::atomic::Ordering;
use std::time::Duration;

use super::endpoint::{self, Hosts};
use super::{Sts, StsSignature, VERSION};
use crate::context::{self, Dates, Passage, Repeat, Retries, SendOptions};
use crate::credentials::Credentials;
use crate::endpoint::Endpoint;
use crate::error::Error;
use crate::error_codes::{Product, SigningRetries};
use crate::rpc::{self, Accepted, Call};
#[cfg(feature = "rsa-key-pair")]
use crate::rsa_key::RsaKey;
#[cfg(feature = "shared-sessions")]
use crate::session_store;

/// The proof of a call's caller.
#[derive(Clone, Copy)]
pub(super) enum Proof<'a> {
    Key(&'a Credentials),
    Token {
        form: &'a [(&'a str, &'a str)],
        token: &'a str,
    },
    #[cfg(feature = "rsa-key-pair")]
    KeyPair {
        key_id: &'a str,
        key: &'a RsaKey,
        form: &'a [(&'a str, &'a str)],
    },
}

impl<'a> Proof<'a> {
    fn form(&self) -> &'a [(&'a str, &'a str)] {
        match self {
            Self::Key(_) => &[],
            Self::Token { form, .. } => form,
            #[cfg(feature = "rsa-key-pair")]
            Self::KeyPair { form, .. } => form,
        }
    }

    fn secrets(&self) -> Vec<&str> {
        match self {
            Self::Key(credentials) => credentials.secrets(),
            Self::Token { token, .. } => vec![token],
            // The private key is not sent.
            #[cfg(feature = "rsa-key-pair")]
            Self::KeyPair { .. } => Vec::new(),
        }
    }

    /// Set if the global host takes it, too.
    fn is_known_globally(&self) -> bool {
        match self {
            Self::Key(_) | Self::Token { .. } => true,
            #[cfg(feature = "rsa-key-pair")]
            Self::KeyPair { .. } => false,
        }
    }
}

/// A call to the host of choice; where that was made up from a region and cannot be connected to, to the global one.
pub(super) struct Exchange<'a> {
    sts: &'a Sts,
    action: &'a str,
    query: &'a [(&'a str, &'a str)],
    proof: Proof<'a>,
    options: SendOptions,
    host: Endpoint,
    other: Option<Endpoint>,
    /// There were two hosts at the beginning.
    has_choice: bool,
    entered: Option<Passage>,
    signing: SigningRetries,
    retries: Retries<'a>,
}

impl<'a> Exchange<'a> {
    pub(super) fn new(
        sts: &'a Sts,
        action: &'a str,
        query: &'a [(&'a str, &'a str)],
        inferred_region: Option<&str>,
        proof: Proof<'a>,
        entered: Option<Passage>,
    ) -> Result<Self, Error> {
        let Hosts { first, then } = sts.endpoint.resolve(&sts.context, inferred_region)?;
        // The one that answered last comes first.
        let (host, other) = match then.filter(|_| proof.is_known_globally()) {
            Some(global) if sts.global.load(Ordering::Relaxed) => (global, Some(first)),
            then => (first, then),
        };
        let profile = sts.endpoint.profile.as_ref();
        let options = profile.map_or_else(SendOptions::default, |profile| profile.calls.limit(SendOptions::default()));
        Ok(Self {
            sts,
            action,
            query,
            proof,
            options,
            has_choice: other.is_some(),
            host,
            other,
            entered,
            signing: SigningRetries::default(),
            retries: Retries::new(&sts.context),
        })
    }
}

impl Repeat for Exchange<'_> {
    type Answer = (Accepted, String);
    type Failure = Error;

    async fn attempt(&mut self) -> Result<Self::Answer, Error> {
        let context = &self.sts.context;
        // Before it is signed, since it may take a while.
        let passage = match self.entered.take() {
            Some(passage) => passage,
            None => self.sts.enter(&self.host).await,
        };
        #[cfg(feature = "shared-sessions")]
        if let Some(sharing) = session_store::current() {
            sharing.store.turn(context).await;
        }
        self.retries.sent();
        let (action, query, form) = (self.action, self.query, self.proof.form());
        let call = Call { endpoint: &self.host, version: VERSION, action, query, form };
        let request = match (self.proof, self.sts.signature) {
            (Proof::Key(credentials), StsSignature::V3) => rpc::signed(context, call, credentials)?,
            (Proof::Key(credentials), StsSignature::V1) => rpc::signed_v1(context, call, credentials)?,
            (Proof::Token { .. }, _) => rpc::unsigned(context, call)?,
            #[cfg(feature = "rsa-key-pair")]
            (Proof::KeyPair { key_id, key, .. }, _) => rpc::signed_by_key_pair(context, call, key_id, key)?,
        };
        let sent = context.send(request, self.options, Dates::Trusted).await;
        let response = sent.map_err(|error| rpc::unreachable(call, &error))?;
        if self.has_choice {
            self.sts.global.store(endpoint::is_global(&self.host), Ordering::Relaxed);
        }
        let answer = rpc::read(call, response, &self.proof.secrets());
        match &answer {
            Err(error) if rpc::is_throttled(error) => passage.refused(context, error.retry_after()),
            _ => passage.passed(),
        }
        answer.map(|answer| (answer, self.host.authority().to_owned()))
    }

    async fn pause_after(&mut self, error: Error) -> Result<Duration, Error> {
        if let Some(lost) = rpc::lost(&error) {
            // Nothing was sent, so nobody has seen the key or the token.
            if let Some(next) = self.other.take().filter(|_| lost.is_unconnected()) {
                tracing::warn!(%error, next = %next, "trying the other host of STS");
                self.host = next;
                return Ok(Duration::ZERO);
            }
            let pause = if lost.is_passing() { self.retries.pause(None) } else { None };
            return pause.ok_or(error);
        }
        // The refusal's own `Date` has set the clock right by now; the nonce is new each time.
        if self.signing.by_signing_again(Product::OpenApi, error.code().unwrap_or_default()) {
            return Ok(Duration::ZERO);
        }
        let is_throttled = rpc::is_throttled(&error);
        let pause = if is_throttled && self.sts.quota.is_some() {
            self.retries.pause_after_throttling(error.retry_after())
        } else if is_throttled || rpc::status(&error).is_some_and(context::is_passing) {
            self.retries.pause(error.retry_after())
        } else {
            None
        };
        pause.ok_or(error)
    }
}
