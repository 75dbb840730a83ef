//! Everything that asks an HTTP server for something. A line here is tried with every misbehaviour.

use std::sync::Arc;
use std::time::Duration;

use alibabacloud_credentials::{
    AssumeRole, BoxFuture, Context, DefaultCredentialChain, DefaultCredentialChainBuilder, Error, GitHubActionsToken,
    OidcRoleProvider, OpenApiClient, Refresher, StsSignature,
};

use serde_json::json;

use super::stage::Stage;
use crate::support::redirect::Redirect;

pub(crate) struct Source {
    pub(crate) name: &'static str,
    /// Whether it calls an operation, or reads a document.
    pub(crate) is_operation: bool,
    /// Which of its requests goes wrong.
    pub(crate) step: fn(&str) -> Step,
    /// What a request may take, and how often it is tried where there was no answer.
    pub(crate) limit: Duration,
    pub(crate) tries: usize,
    /// Whether what may pass is tried again where nothing valid is held.
    pub(crate) repeats: bool,
    /// The provider that an error names.
    pub(crate) provider: Option<&'static str>,
    pub(crate) renewal: Renewal,
    pub(crate) client: fn(&Stage) -> Client,
}

/// What a request is answered with while the server misbehaves.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Step {
    Misbehave,
    Well,
    /// With this status, so that the client goes back to the step that goes wrong.
    Status(u16),
}

/// What happens when it is asked again.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Renewal {
    /// The session is renewed, by the request that goes wrong.
    Refresh,
    /// The session is renewed, without that request: its answer is kept.
    Kept,
    /// There is no session: each call is one of its own.
    Call,
}

/// Someone who asks.
pub(crate) struct Client {
    pub(crate) refresher: Refresher,
    /// Where there is one, it can explain.
    pub(crate) chain: Option<DefaultCredentialChain>,
    call: Option<Call>,
}

/// Makes a call, and shows its answer as `Debug` does.
type Call = Arc<dyn Fn() -> BoxFuture<'static, Result<String, Error>>>;

impl Client {
    /// Asks for what the source is for.
    pub(crate) async fn ask(&self) -> Result<String, Error> {
        match &self.call {
            Some(call) => call().await,
            None => self.refresher.credentials().await.map(|credentials| format!("{credentials:?}")),
        }
    }
}

const ROLE: &str = "acs:ram::100:role/media";
const OIDC_PROVIDER: &str = "acs:ram::100:oidc-provider/ci";
const ROLES: &str = "/latest/meta-data/ram/security-credentials/";
const REGION: &str = "/latest/meta-data/region-id";

fn when(it: bool) -> Step {
    if it { Step::Misbehave } else { Step::Well }
}

/// What most have in common.
const STS: Source = Source {
    name: "AssumeRole by signature V3",
    is_operation: true,
    step: |head| when(head.contains("x-acs-action: AssumeRole\r\n")),
    limit: Duration::from_secs(10),
    tries: 1,
    repeats: true,
    provider: Some("default/ram_role_arn"),
    renewal: Renewal::Refresh,
    client: |stage| chain(stage, &key(), |chain| chain.assume_role(role())),
};

const METADATA: Source = Source {
    name: "the credentials of instance metadata",
    is_operation: false,
    step: |head| when(head.starts_with(&format!("GET {ROLES}media "))),
    limit: Duration::from_secs(1),
    tries: 2,
    provider: Some("default/ecs_ram_role"),
    client: |stage| chain(stage, &[], |chain| chain.context(redirected(stage)).ecs_metadata(true)),
    ..STS
};

/// The table.
pub(crate) const SOURCES: [Source; 15] = [
    STS,
    Source {
        name: "AssumeRole by signature V1",
        step: |head| when(head.contains("Action=AssumeRole&")),
        client: |stage| chain(stage, &key(), |chain| chain.assume_role(role()).sts_signature(StsSignature::V1)),
        ..STS
    },
    Source {
        name: "AssumeRole for the environment's role",
        provider: Some("default/ram_role_arn/env"),
        client: |stage| {
            chain(stage, &[key(), vec![("ALIBABA_CLOUD_ROLE_ARN", ROLE.to_owned())]].concat(), |chain| chain)
        },
        ..STS
    },
    Source {
        name: "AssumeRoleWithOIDC",
        step: |head| when(head.contains("Action=AssumeRoleWithOIDC&")),
        provider: Some("default/oidc_role_arn"),
        client: |stage| {
            let env = [
                ("ALIBABA_CLOUD_ROLE_ARN", ROLE),
                ("ALIBABA_CLOUD_OIDC_PROVIDER_ARN", OIDC_PROVIDER),
                ("ALIBABA_CLOUD_OIDC_TOKEN_FILE", "/token"),
            ];
            chain(stage, &env.map(|(name, value)| (name, value.to_owned())), |chain| chain)
        },
        ..STS
    },
    Source {
        name: "the token of GitHub Actions",
        is_operation: false,
        step: |head| when(head.starts_with("GET /github?")),
        provider: Some("oidc_role_arn"),
        client: github,
        ..STS
    },
    Source {
        name: "GetCallerIdentity for the account that is expected",
        step: |head| when(head.contains("x-acs-action: GetCallerIdentity\r\n")),
        provider: Some("default/credentials_uri"),
        client: |stage| chain(stage, &[uri(stage)], |chain| chain.expect_account("100")),
        ..STS
    },
    Source {
        name: "GetCallerIdentity for who asks",
        step: |head| when(head.contains("x-acs-action: GetCallerIdentity\r\n")),
        provider: None,
        renewal: Renewal::Call,
        client: |stage| {
            let Client { refresher, chain, .. } = chain(stage, &key(), |chain| chain);
            let asked = chain.clone();
            let call: Call = Arc::new(move || {
                let chain = asked.clone();
                Box::pin(async move { Ok(format!("{:?}", chain.unwrap().caller_identity().await?)) })
            });
            Client { refresher, chain, call: Some(call) }
        },
        ..STS
    },
    Source {
        name: "a call of OpenApiClient",
        step: |head| when(head.contains("x-acs-action: ListProjects\r\n")),
        provider: None,
        repeats: false,
        renewal: Renewal::Call,
        client: |stage| {
            let Client { refresher, chain, .. } = chain(stage, &key(), |chain| chain);
            let client = OpenApiClient::builder(stage.endpoint(), "2020-09-30", refresher.clone());
            // What is repeated is the subject of another test.
            let client = client.max_body(64 * 1024).attempts(1).build();
            let call: Call = Arc::new(move || {
                let client = client.clone();
                Box::pin(async move { Ok(format!("{:?}", client.call("ListProjects", []).await?)) })
            });
            Client { refresher, chain, call: Some(call) }
        },
        ..STS
    },
    Source {
        name: "the credentials URI",
        is_operation: false,
        step: |head| when(head.starts_with("GET /credentials")),
        provider: Some("default/credentials_uri"),
        client: |stage| chain(stage, &[uri(stage)], |chain| chain),
        ..STS
    },
    Source {
        name: "the session of CloudSSO",
        is_operation: false,
        step: |head| when(head.starts_with("POST /cloud-credentials ")),
        provider: Some("default/cli_profile/cloud_sso"),
        client: |stage| {
            let path = stage.config(&json!({
                "name": "default", "mode": "CloudSSO", "cloud_sso_sign_in_url": format!("{}/t/login", stage.endpoint()),
                "cloud_sso_account_id": "100", "cloud_sso_access_config": "ac-1", "access_token": "fake-bearer",
                "cloud_sso_access_token_expire": 9_999_999_999_u64,
            }));
            chain(stage, &[("ALIBABA_CLOUD_CONFIG_FILE", path)], |chain| chain)
        },
        ..STS
    },
    Source {
        name: "the session of an OAuth login",
        is_operation: false,
        step: |head| when(head.starts_with("POST /v1/exchange ")),
        provider: Some("default/cli_profile/oauth"),
        client: |stage| {
            let path = stage.config(&json!({
                "name": "default", "mode": "OAuth", "oauth_site_type": "CN", "oauth_access_token": "fake-bearer",
                "oauth_access_token_expire": 9_999_999_999_u64,
            }));
            let world = stage.world().env([("ALIBABA_CLOUD_CONFIG_FILE", path)]);
            let context = world.http(Redirect::to(stage.server.address)).build();
            chain(stage, &[], |chain| chain.context(context))
        },
        ..STS
    },
    METADATA,
    Source {
        name: "the role's name of instance metadata",
        // The name that was discovered is kept until the service does not know it any more.
        step: |head| match head {
            head if head.starts_with(&format!("GET {ROLES} ")) => Step::Misbehave,
            head if head.starts_with(&format!("GET {ROLES}media ")) => Step::Status(404),
            _ => Step::Well,
        },
        ..METADATA
    },
    Source {
        name: "the token of instance metadata",
        // A token is kept for hours, or until it is refused.
        step: |head| match head {
            head if head.starts_with("PUT /latest/api/token ") => Step::Misbehave,
            head if head.starts_with(&format!("GET {ROLES}media ")) => Step::Status(401),
            _ => Step::Well,
        },
        ..METADATA
    },
    Source {
        name: "the region of an instance",
        step: |head| when(head.starts_with(&format!("GET {REGION} "))),
        renewal: Renewal::Kept,
        client: |stage| {
            chain(stage, &[], |chain| chain.context(redirected(stage)).ecs_metadata(true).assume_role(role()))
        },
        ..METADATA
    },
];

fn role() -> AssumeRole {
    AssumeRole::new(ROLE)
}

fn key() -> Vec<(&'static str, String)> {
    let pair = [("ALIBABA_CLOUD_ACCESS_KEY_ID", "an-id"), ("ALIBABA_CLOUD_ACCESS_KEY_SECRET", "fake-secret")];
    pair.map(|(name, value)| (name, value.to_owned())).into()
}

fn uri(stage: &Stage) -> (&'static str, String) {
    ("ALIBABA_CLOUD_CREDENTIALS_URI", format!("{}/credentials?key=fake-key", stage.endpoint()))
}

/// The chain over a world in which these variables are set, and the STS host is the server.
fn chain(
    stage: &Stage,
    env: &[(&str, String)],
    choose: impl FnOnce(DefaultCredentialChainBuilder) -> DefaultCredentialChainBuilder,
) -> Client {
    let env = env.iter().map(|(name, value)| (*name, value.clone()));
    let env = env.chain([("ALIBABA_CLOUD_STS_ENDPOINT", stage.endpoint())]);
    let builder = DefaultCredentialChain::builder().context(stage.world().env(env).build()).ecs_metadata(false);
    let chain = choose(builder).build();
    Client { refresher: chain.refresher().clone(), chain: Some(chain), call: None }
}

/// A world in which the metadata service, and the STS of the cloud, are the server.
fn redirected(stage: &Stage) -> Context {
    let nothing: [(&str, &str); 0] = [];
    stage.world().env(nothing).http(Redirect::to(stage.server.address)).build()
}

fn github(stage: &Stage) -> Client {
    let env = [
        ("ACTIONS_ID_TOKEN_REQUEST_URL", format!("{}/github", stage.endpoint())),
        ("ACTIONS_ID_TOKEN_REQUEST_TOKEN", "fake-bearer".to_owned()),
    ];
    let context = stage.world().env(env).build();
    let provider = OidcRoleProvider::new()
        .provider_arn(OIDC_PROVIDER)
        .role(role())
        .token(GitHubActionsToken::default())
        .sts_endpoint(stage.endpoint())
        .context(context.clone());
    Client { refresher: Refresher::builder(provider).context(context).build(), chain: None, call: None }
}
