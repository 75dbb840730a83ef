//! The modes of a profile: how the CLI writes them, and which one it sees where none is written.

use super::Profile;
use crate::error::Error;
use crate::redact::shown;

macro_rules! modes {
    ($($mode:ident: $name:literal,)+) => {
        /// Says how a profile gives credentials.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(super) enum Mode {
            $($mode,)+
        }

        /// The modes by their names, which are case-sensitive.
        const MODES: &[(&str, Mode)] = &[$(($name, Mode::$mode),)+];
    };
}

modes! {
    Ak: "AK",
    StsToken: "StsToken",
    RamRoleArn: "RamRoleArn",
    ChainableRamRoleArn: "ChainableRamRoleArn",
    EcsRamRole: "EcsRamRole",
    RamRoleArnWithRoleName: "RamRoleArnWithRoleName",
    Oidc: "OIDC",
    CredentialsUri: "CredentialsURI",
    External: "External",
    CloudSso: "CloudSSO",
    OAuth: "OAuth",
    RsaKeyPair: "RsaKeyPair",
    BearerToken: "BearerToken",
    Anonymous: "Anonymous",
}

impl Mode {
    pub(super) fn name(self) -> &'static str {
        MODES.iter().find(|(_, mode)| *mode == self).map_or("", |(name, _)| name)
    }

    fn read(text: &str) -> Result<Self, Error> {
        if let Some((_, mode)) = MODES.iter().find(|(name, _)| *name == text) {
            return Ok(*mode);
        }
        let bare = text.trim_matches(['"', '\'', ' ']);
        let meant = MODES.iter().find(|(name, _)| name.eq_ignore_ascii_case(bare));
        let remedy = match meant {
            Some((name, _)) => format!("write {name}, if that is meant: modes are case-sensitive"),
            None => "correct the mode, as AK, StsToken, RamRoleArn, EcsRamRole, OIDC or CredentialsURI".to_owned(),
        };
        let error = Error::failed(format!("has mode {}, which there is none of", shown(text)));
        Err(error.with_code("UnsupportedMode").with_remedy(remedy).permanent())
    }

    /// The error for a mode that gives no key.
    pub(super) fn unsupported(self) -> Error {
        let name = self.name();
        match self {
            Self::BearerToken => {
                let what =
                    "whose token goes into a header of calls that nobody signs: it is for services that take one";
                Error::failed(format!("has mode {name}, {what}, and gives no AccessKey pair"))
                    .with_code("UnsupportedMode")
            }
            Self::Anonymous => {
                let what = "which is for calls that need no credentials, and gives no AccessKey pair";
                Error::failed(format!("has mode {name}, {what}")).with_code("UnsupportedMode")
            }
            _ => Error::failed(format!("has mode {name}, which gives no AccessKey pair")).with_code("UnsupportedMode"),
        }
        .with_remedy("use a mode with keys or a role: name another profile by ALIBABA_CLOUD_PROFILE")
        .permanent()
    }
}

impl Profile {
    /// The mode, or where none is written the one that the CLI would see (its `AutoModeRecognition`); `None` where it sees
    /// none.
    pub(super) fn mode(&self) -> Result<Option<Mode>, Error> {
        if let Some(mode) = &self.mode {
            return Mode::read(mode).map(Some);
        }
        let oidc = [&self.oidc_provider_arn, &self.oidc_token_file, &self.ram_role_arn];
        Ok(Some(if self.access_key_id.is_some() && self.access_key_secret.is_some() {
            if self.sts_token.is_some() {
                Mode::StsToken
            } else if self.ram_role_arn.is_some() {
                Mode::RamRoleArn
            } else {
                Mode::Ak
            }
        } else if self.private_key.is_some() && self.key_pair_name.is_some() {
            Mode::RsaKeyPair
        } else if self.ram_role_name.is_some() {
            Mode::EcsRamRole
        } else if self.process_command.is_some() {
            Mode::External
        } else if oidc.iter().all(|member| member.is_some()) {
            Mode::Oidc
        } else if self.cloud_sso_sign_in_url.is_some() {
            Mode::CloudSso
        } else if self.bearer_token {
            Mode::BearerToken
        } else {
            return Ok(None);
        }))
    }
}
