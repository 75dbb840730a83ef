//! What a user of the public names relies on: that they are there, and how they behave before anything has happened.

use std::error::Error as _;
use std::panic::{RefUnwindSafe, UnwindSafe};
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use alibabacloud_credentials::{
    AssumeRole, AssumeRoleProvider, BoxFuture, Context, Credentials, DefaultCredentialChain, EnvironmentProvider,
    Error, Health, HttpError, HttpErrorKind, HttpSend, OidcRoleProvider, OidcToken, ProvideCredentials, Refresher,
    SendOptions, oidc_token_fn,
};
use bytes::Bytes;
use http::{Request, Response};

#[test]
fn an_errors_source_is_one_that_was_given_and_no_provider_that_was_passed_over() {
    let passed_over = Error::not_configured("A is unset");
    let error = Error::failed("nothing").with_causes([passed_over]);
    assert!(error.source().is_none() && error.causes().len() == 1);
    let error = error.with_source(std::io::Error::other("the disk is full"));
    assert_eq!(error.source().unwrap().to_string(), "the disk is full");
}

#[test]
fn an_error_may_pass_where_a_panic_is_caught() {
    fn may_pass<T: UnwindSafe + RefUnwindSafe + Send + Sync + 'static>() {}
    may_pass::<Error>();
    let error = Error::failed("x").with_source("y");
    assert_eq!(std::panic::catch_unwind(|| error.to_string()).unwrap(), "x");
}

#[test]
fn every_public_enum_may_grow() {
    fn visit(directory: &Path, closed: &mut Vec<String>, found: &mut usize) {
        for entry in std::fs::read_dir(directory).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                visit(&path, closed, found);
                continue;
            }
            let source = std::fs::read_to_string(&path).unwrap();
            for (before, name) in source.match_indices("\npub enum ").map(|(at, _)| source.split_at(at)) {
                *found += 1;
                let attributes = before.rsplit("\n\n").next().unwrap();
                if !attributes.contains("#[non_exhaustive]") {
                    closed.push(format!("{}: {}", path.display(), name.lines().nth(1).unwrap()));
                }
            }
        }
    }
    let (mut closed, mut found) = (Vec::new(), 0);
    visit(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), &mut closed, &mut found);
    assert!(found > 9 && closed.is_empty(), "{found} enums, of which closed: {closed:?}");
}

#[tokio::test]
async fn whatever_gives_credentials_becomes_a_refresher() {
    async fn id(credentials: impl Into<Refresher>) -> String {
        credentials.into().credentials().await.unwrap().access_key_id().to_owned()
    }
    let key = || Credentials::new("an-id", "fake-secret");
    let boxed: Box<dyn ProvideCredentials> = Box::new(key());
    let shared: Arc<dyn ProvideCredentials> = Arc::new(key());
    let refresher = Refresher::from(key());
    for id in [id(key()).await, id(boxed).await, id(shared).await, id(&refresher).await, id(refresher).await] {
        assert_eq!(id, "an-id");
    }
}

fn in_environment(variables: &[(&str, &str)]) -> DefaultCredentialChain {
    let context = Context::builder().env(variables.iter().copied()).build();
    DefaultCredentialChain::builder().context(context).build()
}

const KEY: [(&str, &str); 2] =
    [("ALIBABA_CLOUD_ACCESS_KEY_ID", "an-id"), ("ALIBABA_CLOUD_ACCESS_KEY_SECRET", "fake-secret")];

#[tokio::test]
async fn the_chain_has_the_verbs_that_people_reach_for_first() {
    let chain = in_environment(&KEY);
    assert!(matches!(chain.health(), Health::Empty) && chain.generation() == 0);
    let mut told = chain.subscribe();
    let used = chain.credentials_valid_for(Duration::from_secs(3600)).await.unwrap();
    assert_eq!(chain.with(|c| c.access_key_id().to_owned()).as_deref(), Some("an-id"));
    assert_eq!(chain.cached().unwrap().generation(), chain.generation());
    assert!(told.wait_for(|generation| *generation == used.generation()).await.is_ok());
    assert!(matches!(chain.health(), Health::Fresh { .. }));
    chain.keep_fresh(std::future::ready(()));
    assert!(chain.invalidate(&used), "it was the current one");
    assert!(!chain.invalidate(&Credentials::new("another", "fake-secret")));
}

#[tokio::test]
async fn a_prefix_is_read_by_one_rule_wherever_it_is_given() {
    for (prefix, is_one) in
        [("OSS", true), ("MY_APP2", true), ("OSS-X", false), ("", false), ("OSS ", false), ("A=", false)]
    {
        let context = || Context::builder().env([("OSS_ACCESS_KEY_ID_", "x")]).build();
        let by_chain =
            DefaultCredentialChain::builder().context(context()).ecs_metadata(false).env_prefix(prefix).build();
        let answers = [
            EnvironmentProvider::prefixed(prefix).context(context()).provide_credentials().await,
            EnvironmentProvider::new().and_prefix(prefix).context(context()).provide_credentials().await,
            by_chain.credentials().await,
        ];
        for answer in answers {
            let error = answer.unwrap_err();
            assert_eq!(error.code() == Some("InvalidParameter.EnvPrefix"), !is_one, "{prefix:?}: {error}");
        }
    }
}

/// Keeps the hosts that are asked, and makes no connection.
#[derive(Clone, Default)]
struct Nobody(Arc<Mutex<Vec<String>>>);

impl HttpSend for Nobody {
    fn send(&self, request: Request<Bytes>, _: SendOptions) -> BoxFuture<'_, Result<Response<Bytes>, HttpError>> {
        let uri = request.uri();
        self.0.lock().unwrap().push(format!("{}://{}", uri.scheme_str().unwrap(), uri.host().unwrap()));
        Box::pin(std::future::ready(Err(HttpError::new(HttpErrorKind::Tls, "nobody is there"))))
    }
}

#[tokio::test]
async fn plain_http_and_vpc_hosts_can_be_said_of_single_providers_too() {
    let nobody = Nobody::default();
    let context = Context::builder().env([("X", "y")]).http(nobody.clone()).build();
    let key = || Credentials::new("an-id", "fake-secret");
    let role = || AssumeRole::new("acs:ram::100:role/media");
    let token = "eyJhbGciOiJub25lIn0.eyJpc3MiOiJ4Iiwic3ViIjoieSIsImF1ZCI6InoifQ.c2ln";
    let assume = || AssumeRoleProvider::new(key(), role()).context(context.clone()).sts_endpoint("http://sts.test");
    let oidc = || {
        let provider = OidcRoleProvider::new().context(context.clone()).role(role());
        let provider = provider.token(oidc_token_fn("t", move || async move { Ok(OidcToken::new(token)) }));
        provider.provider_arn("acs:ram::100:oidc-provider/p")
    };
    let oidc_there = || oidc().sts_endpoint("http://sts.test");
    let (a, b) = (assume().provide_credentials().await, oidc_there().provide_credentials().await);
    for refused in [a, b] {
        assert_eq!(refused.unwrap_err().code(), Some("PlainHttp"));
    }
    assert!(nobody.0.lock().unwrap().is_empty());
    let _ = assume().allow_plain_http().provide_credentials().await;
    let _ = oidc_there().allow_plain_http().provide_credentials().await;
    let _ = oidc().region("cn-beijing").vpc_endpoint(true).provide_credentials().await;
    let asked = nobody.0.lock().unwrap();
    assert_eq!(*asked, ["http://sts.test", "http://sts.test", "https://sts-vpc.cn-beijing.aliyuncs.com"]);
}
