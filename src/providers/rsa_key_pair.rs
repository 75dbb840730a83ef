//! `rsa_key_pair`: a session key for an RSA key pair, by GenerateSessionAccessKey. Key pairs exist on the site of Japan alone.

use std::borrow::Cow;

use crate::credentials::Credentials;
use crate::error::Error;
use crate::profile::{KeyPair, PrivateKey};
use crate::provenance::Provenance;
use crate::provider::{BoxFuture, ProvideCredentials};
use crate::redact::{shorten, shown_path};
use crate::rsa_key::RsaKey;
use crate::secret_file::{self, Fault};
use crate::sts::Sts;

/// Asks for session keys with the key pair of a profile. A file with the private key is read again for each of them.
pub(super) struct RsaKeyPairProvider {
    sts: Sts,
    pair: KeyPair,
}

impl RsaKeyPairProvider {
    pub(super) fn new(sts: Sts, pair: KeyPair) -> Self {
        Self { sts, pair }
    }

    async fn private_key(&self) -> Result<RsaKey, Error> {
        const LIMIT: u64 = 64 * 1024;
        let at = |place: String| move |error: Error| error.map_message(|message| format!("{place} {message}"));
        match &self.pair.private_key {
            PrivateKey::Here(pem) => RsaKey::from_pem(pem).map_err(at("private_key".to_owned())),
            PrivateKey::File(path) => {
                let text = secret_file::read(&self.sts.context, path, LIMIT, "the private key in PEM").await;
                let text = text.map_err(|fault| match fault {
                    Fault::Missing(error) => error.with_code("PrivateKeyMissing"),
                    Fault::Malformed(error) => error.with_code("PrivateKeyMalformed"),
                    Fault::Unreadable(error) => error,
                })?;
                RsaKey::from_pem(&text).map_err(at(shown_path(path)))
            }
        }
    }

    async fn ask(&self) -> Result<Credentials, Error> {
        let key = self.private_key().await?;
        let (key_id, place) = (&self.pair.key_id, format!("key pair {}", shorten(&self.pair.key_id)));
        let found = self.sts.generate_session_access_key(key_id, &key, self.pair.duration).await;
        let found = found.map_err(|error| {
            let remedy = match error.code() {
                Some("SignatureDoesNotMatch") => "the private key is not the one of this key pair",
                Some("InvalidAccessKeyId.NotFound") => "this key pair does not exist, or was deleted",
                Some("InvalidAction.NotFound") => {
                    "key pairs are a feature of the site of Japan: ask sts.ap-northeast-1.aliyuncs.com, the default"
                }
                _ => return error,
            };
            error.with_remedy(remedy)
        });
        let found = found.map_err(|error| error.map_message(|message| format!("{place}: {message}")))?;
        Ok(Provenance::edit(found, |known| known.place = Some(place)))
    }
}

impl ProvideCredentials for RsaKeyPairProvider {
    fn provider_name(&self) -> Cow<'_, str> {
        Cow::Borrowed("rsa_key_pair")
    }

    fn provide_credentials(&self) -> BoxFuture<'_, Result<Credentials, Error>> {
        Box::pin(async move {
            match self.ask().await {
                Ok(found) => Ok(found.with_provider_name("rsa_key_pair")),
                Err(error) => Err(error.in_provider("rsa_key_pair")),
            }
        })
    }
}
