//! RRSA against the emulator: token rotation, expiry, and what each refusal says.

use std::cell::Cell;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use alibabacloud_credentials::{
    AssumeRole, BoxFuture, Context, DefaultCredentialChain, ErrorKind, GitHubActionsToken, HttpError, HttpSend,
    OidcRoleProvider, OidcToken, OidcTokenVariable, Refresher, SendOptions, TestClock, oidc_token_fn,
};
use bytes::Bytes;

use alibabacloud_emulator::account::{self, TokenOptions};
use alibabacloud_emulator::{Emulator, Fault};
use tokio::task::JoinSet;

use crate::support::drive::{drive, drive_once};

const ROLE: &str = "acs:ram::1234567890123456:role/imm-role";

/// A directory that is gone when the test is.
struct Directory(PathBuf);

impl Directory {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("alibabacloud-{name}-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&path);
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// An emulator and a client's clock that stand still together.
struct World {
    emulator: Emulator,
    clock: TestClock,
    directory: Directory,
    refreshes: Arc<Mutex<JoinSet<()>>>,
}

impl World {
    async fn new(name: &str) -> Self {
        let emulator = Emulator::builder().start().await.unwrap();
        emulator.freeze_clock_at(emulator.now());
        let clock = TestClock::new(emulator.now());
        Self { emulator, clock, directory: Directory::new(name), refreshes: Arc::default() }
    }

    fn token(&self, edit: impl FnOnce(TokenOptions) -> TokenOptions) -> String {
        account::oidc_token(&edit(TokenOptions::default().issued_at(self.emulator.now()))).unwrap()
    }

    /// Writes the token as the kubelet does: a new directory, and a link that is swapped to it.
    fn rotate(&self, round: usize, token: &str) -> PathBuf {
        let root = &self.directory.0;
        let version = root.join(format!("..{round}"));
        std::fs::create_dir_all(&version).unwrap();
        std::fs::write(version.join("token"), format!("{token}\n")).unwrap();
        let (data, next) = (root.join("..data"), root.join("..data_tmp"));
        std::os::unix::fs::symlink(&version, &next).unwrap();
        std::fs::rename(&next, &data).unwrap();
        data.join("token")
    }

    fn context(&self, file: &Path) -> Context {
        let refreshes = Arc::clone(&self.refreshes);
        Context::builder()
            .clock(self.clock.clone())
            .spawn(move |refresh| drop(refreshes.lock().unwrap().spawn(refresh)))
            .env([
                ("ALIBABA_CLOUD_ROLE_ARN", ROLE),
                ("ALIBABA_CLOUD_OIDC_PROVIDER_ARN", account::OIDC_PROVIDER_ARN),
                ("ALIBABA_CLOUD_OIDC_TOKEN_FILE", file.to_str().unwrap()),
                ("ALIBABA_CLOUD_STS_ENDPOINT", &self.emulator.endpoint()),
            ])
            .build()
    }

    fn chain(&self, file: &Path) -> DefaultCredentialChain {
        DefaultCredentialChain::builder().context(self.context(file)).build()
    }

    /// Time passes once no refresh is under way, so that none reads its token in one age and sends it in another.
    async fn advance(&self, by: Duration) {
        let refreshes = std::mem::take(&mut *self.refreshes.lock().unwrap());
        refreshes.join_all().await;
        self.clock.advance(by);
        self.emulator.advance_clock(by);
    }
}

#[tokio::test]
async fn sessions_are_renewed_through_token_rotations_with_a_link_swap_each() {
    let world = World::new("rotation").await;
    let file = world.rotate(0, &world.token(|token| token));
    let chain = world.chain(&file);
    let mut generations = std::collections::BTreeSet::new();
    for round in 1..=10 {
        // A token lives 40 minutes and is swapped every 30, a session an hour: each exchange needs the newest token.
        world.rotate(round, &world.token(|token| token.ttl(Duration::from_secs(2400))));
        for _ in 0..3 {
            let found = chain.credentials().await.unwrap();
            assert_eq!(found.provider_name(), "default/oidc_role_arn");
            generations.insert(found.generation());
            world.advance(Duration::from_secs(600)).await;
        }
    }
    assert!(generations.len() >= 5, "{generations:?}");
    let seen = world.emulator.summary();
    assert_eq!(seen.rejected, 0, "{seen:?}");
    for call in world.emulator.calls() {
        assert!(!call.path_and_query.contains("eyJ"), "a token in a URL");
        assert_eq!(call.access_key_id, None, "unsigned");
    }
}

#[tokio::test]
async fn an_expired_token_says_so_and_sts_is_not_asked_again_once_the_time_is_known() {
    let world = World::new("expired").await;
    let file = world.rotate(0, &world.token(|token| token.ttl(Duration::from_secs(600))));
    let chain = world.chain(&file);
    chain.credentials().await.unwrap();
    // Past the session's hour, too.
    world.advance(Duration::from_secs(3780)).await;
    let error = chain.credentials().await.unwrap_err();
    assert_eq!((error.kind(), error.code()), (ErrorKind::Failed, Some("OidcTokenExpired")));
    assert!(error.message().contains("expired 3180 s ago") && error.message().contains("..data/token"), "{error}");
    assert_eq!(world.emulator.calls().len(), 1);
}

#[tokio::test]
async fn a_clock_that_is_ahead_of_a_tokens_life_does_not_keep_it_from_sts() {
    let world = World::new("ahead").await;
    let file = world.rotate(0, &world.token(|token| token.ttl(Duration::from_secs(600))));
    world.clock.step(7200);
    let chain = world.chain(&file);
    assert_eq!(chain.credentials().await.unwrap().provider_name(), "default/oidc_role_arn");

    // The answer told the time: what is rotated later is judged by it, and still sent.
    world.rotate(1, &world.token(|token| token.issued_at(world.emulator.now() + Duration::from_secs(3700))));
    world.advance(Duration::from_secs(3780)).await;
    assert!(chain.credentials().await.is_ok());
    let seen = world.emulator.summary();
    assert_eq!((seen.sessions_granted, seen.rejected), (2, 1), "the first time stamp alone is refused: {seen:?}");
}

#[tokio::test]
async fn a_token_that_sts_calls_expired_says_where_it_came_from_and_is_not_sent_again() {
    let world = World::new("stale").await;
    let file = world.rotate(0, &world.token(|token| token.ttl(Duration::from_secs(60))));
    world.advance(Duration::from_secs(240)).await;
    let chain = world.chain(&file);
    let error = chain.credentials().await.unwrap_err();
    assert_eq!((error.kind(), error.code()), (ErrorKind::Refused, Some("AuthenticationFail.OIDCToken.Expired")));
    let remedy = error.remedy().unwrap();
    assert!(remedy.contains("..data/token was not renewed in time") && remedy.contains("the kubelet"), "{remedy}");

    world.advance(Duration::from_secs(10)).await;
    let error = chain.credentials().await.unwrap_err();
    assert_eq!(error.code(), Some("OidcTokenExpired"));
    assert!(error.message().contains("expired 190 s ago"), "{error}");
    assert_eq!(world.emulator.calls().len(), 1);
}

#[tokio::test]
async fn a_refusal_prints_the_claims_beside_the_condition_to_write() {
    let world = World::new("refused").await;
    let cases = [
        (world.token(|token| token.subject("system:serviceaccount:default:other")), "AuthenticationFail.NoPermission"),
        (world.token(|token| token.audience("other-audience")), "AuthenticationFail.OIDCToken.AudienceNotMatch"),
    ];
    for (at, (token, code)) in cases.iter().enumerate() {
        let error = world.chain(&world.rotate(at, token)).credentials().await.unwrap_err();
        assert_eq!(error.code(), Some(*code));
        let remedy = error.remedy().unwrap();
        assert!(remedy.contains("oidc:sub system:serviceaccount:default:") && remedy.contains("oidc:aud"), "{remedy}");
        assert!(!format!("{error:#} {error:?}").contains(token.as_str()));
    }
}

#[tokio::test]
async fn a_file_that_is_gone_for_an_instant_is_waited_for_and_one_that_stays_away_is_named() {
    let world = World::new("gone").await;
    let file = world.directory.0.join("token");
    let chain = world.chain(&file);
    let ask = tokio::spawn({
        let chain = chain.clone();
        async move { chain.credentials().await }
    });
    // The Executor thread sleeps by the clock between two tries; the file comes back in the meantime.
    while world.clock.next_wake().is_none_or(|wake| wake > Duration::from_millis(75)) {
        tokio::task::yield_now().await;
    }
    std::fs::write(&file, world.token(|token| token)).unwrap();
    world.clock.advance(Duration::from_millis(75));
    assert!(ask.await.unwrap().is_ok());

    std::fs::remove_file(&file).unwrap();
    let chain = world.chain(&file);
    let ask = tokio::spawn(async move { chain.credentials().await });
    while !ask.is_finished() {
        if world.clock.next_wake().is_some_and(|wake| wake <= Duration::from_millis(75)) {
            world.clock.advance(Duration::from_millis(75));
        }
        tokio::task::yield_now().await;
    }
    let error = ask.await.unwrap().unwrap_err();
    assert_eq!(error.code(), Some("OidcTokenMissing"));
    assert!(error.message().contains(file.to_str().unwrap()), "{error}");
}

#[tokio::test]
async fn other_token_sources_work_alike() {
    let world = World::new("sources").await;
    let (token, endpoint) = (world.token(|token| token), world.emulator.endpoint());
    let provider = || {
        OidcRoleProvider::new()
            .provider_arn(account::OIDC_PROVIDER_ARN)
            .role(AssumeRole::new(ROLE).session_name("ci-job"))
            .sts_endpoint(&endpoint)
    };
    let closure = {
        let token = token.clone();
        oidc_token_fn("spiffe", move || {
            let token = OidcToken::new(&token);
            async move { Ok(token) }
        })
    };
    let context = Context::builder().env([("CI_TOKEN", token.as_str())]).clock(world.clock.clone()).build();
    for provider in [provider().token(closure), provider().token(OidcTokenVariable::new("CI_TOKEN"))] {
        let shown = format!("{provider:?}");
        assert!(!shown.contains(&token), "{shown}");
        let refresher = Refresher::builder(provider.context(context.clone())).context(context.clone()).build();
        assert_eq!(refresher.credentials().await.unwrap().provider_name(), "oidc_role_arn");
    }
    assert_eq!(world.emulator.summary().sessions_granted, 2);
    let unset = provider().token(OidcTokenVariable::new("NO_SUCH_TOKEN")).context(context.clone());
    let error = Refresher::builder(unset).context(context).build().credentials().await.unwrap_err();
    assert!(error.message().contains("NO_SUCH_TOKEN is unset"), "{error}");
}

#[tokio::test]
async fn a_token_by_value_is_used_where_no_file_is_named() {
    let world = World::new("by-value").await;
    let (token, endpoint) = (world.token(|token| token), world.emulator.endpoint());
    let by_value = ("ALIBABA_CLOUD_OIDC_TOKEN", token.as_str());
    let rest = [
        ("ALIBABA_CLOUD_ROLE_ARN", ROLE),
        ("ALIBABA_CLOUD_OIDC_PROVIDER_ARN", account::OIDC_PROVIDER_ARN),
        ("ALIBABA_CLOUD_STS_ENDPOINT", endpoint.as_str()),
    ];
    let ask = |env: Vec<(&str, &str)>| {
        let context = Context::builder().env(env).clock(world.clock.clone()).build();
        let provider = OidcRoleProvider::new().context(context.clone());
        Refresher::builder(provider).context(context).build()
    };
    let session = ask([&[by_value][..], &rest].concat()).credentials().await.unwrap();
    assert_eq!(session.provider_name(), "oidc_role_arn");
    let error = ask(vec![by_value, rest[0]]).credentials().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotConfigured, "by itself it asks for nothing: {error}");
    assert!(!format!("{error:#} {error:?}").contains(&token));
    // A file that is named goes first, there or not.
    let (file, both) =
        (world.rotate(0, &world.token(|token| token.subject("other"))), [&[by_value][..], &rest].concat());
    let file = ("ALIBABA_CLOUD_OIDC_TOKEN_FILE", file.to_str().unwrap());
    let error = ask([&both[..], &[file]].concat()).credentials().await.unwrap_err();
    assert_eq!(error.code(), Some("AuthenticationFail.NoPermission"));
}

#[tokio::test]
async fn what_the_exchange_has_no_place_for_is_refused_and_never_left_out() {
    let world = World::new("no-place").await;
    let file = world.rotate(0, &world.token(|token| token));
    let role = || AssumeRole::new(ROLE);
    for (role, code) in [
        (role().external_id("partner-42"), "InvalidParameter.ExternalId"),
        (role().source_identity("alice"), "InvalidParameter.SourceIdentity"),
    ] {
        let context = world.context(&file);
        let provider = OidcRoleProvider::new().role(role).context(context.clone());
        let error = Refresher::builder(provider).context(context).build().credentials().await.unwrap_err();
        assert_eq!((error.kind(), error.code()), (ErrorKind::InvalidInput, Some(code)));
        assert!(error.message().contains("AssumeRoleWithOIDC takes no"), "{error}");
    }
    assert!(world.emulator.calls().is_empty());
}

/// GitHub's token endpoint, and STS behind it, by script.
struct GitHub(std::sync::Mutex<Vec<String>>, String);

impl HttpSend for GitHub {
    fn send(
        &self,
        request: http::Request<Bytes>,
        _options: SendOptions,
    ) -> BoxFuture<'_, Result<http::Response<Bytes>, HttpError>> {
        let bearer = request.headers().get("authorization").and_then(|value| value.to_str().ok()).unwrap_or_default();
        self.0.lock().unwrap().push(format!("{} {bearer}", request.uri()));
        let body = match request.uri().host() {
            Some("actions.example") => format!(r#"{{"value":"{}"}}"#, self.1),
            _ => r#"{"Credentials":{"AccessKeyId":"STS.x","AccessKeySecret":"fake-secret","SecurityToken":"fake-token",
                     "Expiration":"2099-01-01T00:00:00Z"}}"#
                .to_owned(),
        };
        Box::pin(async move { Ok(http::Response::new(Bytes::from(body))) })
    }
}

#[tokio::test]
async fn a_workflow_of_github_fetches_a_token_anew_for_every_exchange() {
    let world = World::new("github").await;
    let sender = std::sync::Arc::new(GitHub(std::sync::Mutex::default(), world.token(|token| token)));
    struct Shared(std::sync::Arc<GitHub>);
    impl HttpSend for Shared {
        fn send(
            &self,
            request: http::Request<Bytes>,
            options: SendOptions,
        ) -> BoxFuture<'_, Result<http::Response<Bytes>, HttpError>> {
            self.0.send(request, options)
        }
    }
    let refresher = |env: &[(&str, &str)]| {
        let context =
            Context::builder().env(env.iter().copied()).clock(world.clock.clone()).http(Shared(sender.clone())).build();
        let provider = OidcRoleProvider::new()
            .provider_arn(account::OIDC_PROVIDER_ARN)
            .role(AssumeRole::new(ROLE))
            .token(GitHubActionsToken::default())
            .context(context.clone());
        Refresher::builder(provider).context(context).build()
    };
    let url = ("ACTIONS_ID_TOKEN_REQUEST_URL", "https://actions.example/token?v=1");
    let bearer = ("ACTIONS_ID_TOKEN_REQUEST_TOKEN", "fake-bearer");
    let refresher_with_both = refresher(&[url, bearer]);
    let first = refresher_with_both.credentials().await.unwrap();
    refresher_with_both.invalidate(&first);
    assert!(refresher_with_both.credentials().await.is_ok());
    let asked = sender.0.lock().unwrap().clone();
    let wanted = "https://actions.example/token?v=1&audience=sts.aliyuncs.com Bearer fake-bearer";
    assert_eq!(asked.iter().filter(|line| *line == wanted).count(), 2, "{asked:?}");

    for (env, text) in [
        (vec![url], "ACTIONS_ID_TOKEN_REQUEST_TOKEN is unset"),
        (vec![("ACTIONS_ID_TOKEN_REQUEST_URL", "http://actions.example/"), bearer], "is not HTTPS"),
    ] {
        let error = refresher(&env).credentials().await.unwrap_err();
        assert!(error.code() == Some("OidcTokenMissing") && error.message().contains(text), "{error}");
        assert!(!format!("{error:#} {error:?}").contains("fake-bearer"));
    }
}

#[tokio::test]
async fn an_outage_of_sts_is_a_failure_and_never_another_identity() {
    let world = World::new("outage").await;
    let file = world.rotate(0, &world.token(|token| token));
    world.emulator.fail_next("sts/AssumeRoleWithOIDC", Fault::new(503, "ServiceUnavailable").times(3));
    let chain = world.chain(&file);
    let error = drive(&world.clock, chain.credentials()).await.unwrap_err();
    assert_eq!((error.code(), error.provider_name()), (Some("ServiceUnavailable"), Some("default/oidc_role_arn")));
}

#[tokio::test]
async fn a_token_that_is_gone_for_an_instant_is_looked_for_three_times() {
    for (written_after, served) in [(2, true), (3, false)] {
        let world = World::new(&format!("gone-{written_after}")).await;
        let file = world.directory.0.join("..data/token");
        let chain = world.chain(&file);
        let pauses = Cell::new(0);
        let may_pass = || {
            pauses.set(pauses.get() + 1);
            if pauses.get() == written_after {
                world.rotate(0, &world.token(|token| token));
            }
            true
        };
        let answer = drive_once(&world.clock, Duration::from_millis(75), may_pass, chain.credentials()).await;
        assert_eq!((answer.is_ok(), pauses.get()), (served, 2), "{answer:?}");
    }
}
