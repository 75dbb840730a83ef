//! Which profile and which provider a chain keeps, that it keeps none that gave nothing usable, and what it reads.

mod world;

use std::time::Duration;

use alibabacloud_credentials::{
    AssumeRole, AssumeRoleProvider, BoxFuture, CliProfileProvider, Context, DefaultCredentialChain, ErrorKind,
    HttpError, HttpSend, OnFailure, Refresher, SendOptions, StsSignature,
};
use bytes::Bytes;
use serde_json::json;

use crate::support::log::Log;
use world::{CONFIG, World, config, pair};

const WITH_URI: (&str, &str) = ("ALIBABA_CLOUD_CREDENTIALS_URI", "http://127.0.0.1:9/");
const METADATA_OFF: (&str, &str) = ("ALIBABA_CLOUD_ECS_METADATA_DISABLED", "true");

#[tokio::test]
async fn a_changed_current_switches_nobodys_identity_and_the_kept_profile_may_change() {
    let world = World::new("current", &[]);
    world.write(&config("staging", "id-staging-1"));
    let chain = world.builder().build();
    let alone = Refresher::builder(CliProfileProvider::new().context(world.context.clone()));
    let alone = alone.context(world.context.clone()).build();
    for source in [chain.refresher(), &alone] {
        assert_eq!(world.key(source).await, "id-staging-1");
    }
    world.write(&config("prod", "id-staging-1"));
    for source in [chain.refresher(), &alone] {
        assert_eq!(world.key(source).await, "id-staging-1");
    }
    let explanation = chain.explain().await;
    let report = explanation.providers[2].detail.as_deref().unwrap();
    assert!(
        report.contains("profile `staging` of /home/me/.aliyun/config.json (`prod` is chosen there now"),
        "{report}"
    );
    world.write(&config("prod", "id-staging-2"));
    for source in [chain.refresher(), &alone] {
        assert_eq!(world.key(source).await, "id-staging-2");
    }
    assert_eq!(world.builder().build().credentials().await.unwrap().access_key_id(), "id-prod", "a new chain chooses");
}

#[tokio::test]
async fn a_kept_profile_that_is_gone_is_named_and_not_replaced_by_the_current_one() {
    let world = World::new("gone", &[]);
    world.write(&json!({"current": "staging", "profiles": [{
        "name": "staging", "mode": "StsToken", "access_key_id": "STS.a", "access_key_secret": "fake-secret",
        "sts_token": "fake-token", "sts_expiration": 1_800_000_600
    }]}));
    let chain = world.builder().build();
    assert!(chain.credentials().await.is_ok());
    world.write(&json!({"current": "prod", "profiles": [pair("prod", "id-prod")]}));
    world.clock.advance(Duration::from_secs(600));
    let error = world.error_later(&chain).await;
    assert_eq!((error.kind(), error.code()), (ErrorKind::Failed, Some("ProfileNotFound")), "{error}");
    assert!(error.message().contains("has no profile `staging`; it has the profiles prod"), "{error}");
}

#[tokio::test]
async fn a_profile_that_never_gave_a_usable_credential_is_not_kept() {
    let expired = |id: &str, mode: &str| {
        json!({"current": "a", "profiles": [{"name": "a", "mode": mode, "access_key_id": id, "sts_token": "fake-token",
            "access_key_secret": "fake-secret", "sts_expiration": 1000, "ram_role_arn": "acs:ram::100:role/media"}]})
    };
    let wrong_account = json!({"current": "a", "profiles": [pair("a", "id-of-100")]});
    for (name, config, account, code, remedy) in [
        ("expired", expired("STS.a", "StsToken"), "", "ExpiredCredential", "write a new session"),
        (
            "left-over",
            expired("LTAI-good", "RamRoleArn"),
            "",
            "ExpiredCredential",
            "delete sts_token and sts_expiration",
        ),
        ("account", wrong_account, "200", "IdentityMismatch", "look at which source answered"),
    ] {
        let world = World::new(name, &[WITH_URI, ("ALIBABA_CLOUD_ECS_METADATA_DISABLED", "true")]);
        let builder = |on_failure| match account {
            "" => world.builder().on_failure(on_failure),
            account => world.builder().on_failure(on_failure).expect_account(account),
        };
        world.write(&config);
        let chain = builder(OnFailure::Stop).build();
        let error = chain.credentials().await.unwrap_err();
        assert_eq!(error.code(), Some(code), "{error}");
        assert!(error.message().contains("profile `a` of /home/me/.aliyun/config.json"), "{error}");
        assert!(error.message().contains("AccessKey ID ") && error.remedy().unwrap().contains(remedy), "{error}");
        assert_eq!(chain.explain().await.providers[2].code.as_deref(), Some(code));
        if account.is_empty() {
            let next = builder(OnFailure::TryNext).build().credentials().await.unwrap();
            assert_eq!(next.access_key_id(), "STS.from-uri", "{name}: passed over");
        }
        std::fs::remove_file(world.root.join(CONFIG)).unwrap();
        world.clock.advance(Duration::from_secs(60));
        match (account, chain.credentials().await) {
            ("", found) => assert_eq!(found.unwrap().access_key_id(), "STS.from-uri", "{name}: nothing was kept"),
            (_, found) => {
                let error = found.unwrap_err();
                assert!(
                    error.message().contains("http://127.0.0.1:9: AccessKey ID"),
                    "{error}: the next one was asked"
                );
            }
        }
    }
}

#[tokio::test]
async fn a_wrong_accounts_profile_is_left_for_the_one_that_current_names_then() {
    let world = World::new("switch", &[]);
    world.write(&json!({"current": "a", "profiles": [pair("a", "id-a")]}));
    let chain = world.builder().expect_account("200").build();
    assert_eq!(chain.credentials().await.unwrap_err().kind(), ErrorKind::IdentityMismatch);
    world.write(&json!({"current": "b", "profiles": [pair("a", "id-a"), pair("b", "id-b")]}));
    let error = world.error_later(&chain).await;
    assert!(error.message().contains("profile `b` of"), "{error}");
}

#[tokio::test]
async fn bad_arguments_are_told_before_anyone_is_asked() {
    let world = World::new("arguments", &[WITH_URI]);
    let role = "acs:ram::100:role/media";
    for (builder, code) in [
        (world.builder().expect_role("garbage"), "InvalidParameter.RoleArn"),
        (world.builder().expect_role("acs:ram::100:role/media/session-7"), "InvalidParameter.RoleArn"),
        (world.builder().expect_account("not a number"), "InvalidParameter.AccountId"),
        (world.builder().expect_account(""), "InvalidParameter.AccountId"),
        (world.builder().expect_account("200").expect_role(role), "InvalidParameter.AccountId"),
        (world.builder().sts_endpoint("user:fake-password@sts.internal"), "InvalidEndpoint"),
        (world.builder().sts_endpoint("http://sts.internal"), "PlainHttp"),
        (world.builder().region("a.b"), "InvalidRegion"),
        (world.builder().env_prefix("OSS "), "InvalidParameter.EnvPrefix"),
        (world.builder().env_prefix(""), "InvalidParameter.EnvPrefix"),
    ] {
        assert!(!format!("{builder:?}").contains("fake-password"));
        let error = builder.build().credentials().await.unwrap_err();
        assert_eq!((error.kind(), error.code()), (ErrorKind::InvalidInput, Some(code)), "{error}");
        assert!(!format!("{error:?}").contains("fake-password"));
    }
    assert!(world.asked().is_empty());
    assert_eq!(world.builder().region("evil.example/#").build().region(), None);
    let world = World::new("region-variable", &[("ALIBABA_CLOUD_REGION_ID", "evil.example/#")]);
    assert_eq!(world.builder().build().region(), None);
}

#[tokio::test]
async fn metadata_that_is_turned_off_is_asked_for_no_profile_either() {
    let world = World::new("metadata", &[]);
    for mode in ["EcsRamRole", "RamRoleArnWithRoleName"] {
        world.write(&json!({"current": "a", "profiles": [
            {"name": "a", "mode": mode, "ram_role_name": "media", "ram_role_arn": "acs:ram::100:role/media"}
        ]}));
        let error = world.builder().ecs_metadata(false).build().credentials().await.unwrap_err();
        assert_eq!((error.kind(), error.code()), (ErrorKind::Failed, Some("MetadataDisabled")), "{error}");
        assert!(error.message().starts_with("profile `a` of /home/me/.aliyun/config.json: "), "{error}");
        assert!(world.asked().is_empty());
        assert!(world.builder().build().credentials().await.is_ok());
        world.asked();
    }
}

#[tokio::test]
async fn a_region_is_looked_up_only_of_an_instances_own_key_and_as_the_key_was() {
    use alibabacloud_credentials::{Credentials, EcsMetadataProvider};
    let world = World::new("region", &[]);
    let role = || AssumeRole::new("acs:ram::100:role/media");
    let over = |source: Refresher| AssumeRoleProvider::new(source, role()).context(world.context.clone());
    let metadata = |v1_disabled| {
        let provider = EcsMetadataProvider::new().role_name("media").disable_imds_v1(v1_disabled);
        Refresher::builder(provider.context(world.context.clone())).context(world.context.clone()).build()
    };
    let sessions = |provider| Refresher::builder(provider).context(world.context.clone()).build();
    sessions(over(metadata(false))).credentials().await.unwrap();
    assert!(world.asked().contains(&"region v1".to_owned()));
    // This service grants no tokens.
    assert!(sessions(over(metadata(true))).credentials().await.is_err());
    assert!(!world.asked().iter().any(|asked| asked.ends_with(" v1")));
    // A name is a text that anyone may choose.
    let named = Credentials::new("an-id", "fake-secret").with_provider_name("ecs_ram_role");
    sessions(over(Refresher::from(named))).credentials().await.unwrap();
    assert_eq!(world.asked(), ["AssumeRole sts.aliyuncs.com"]);
}

#[tokio::test]
async fn a_refused_role_and_its_session_are_named() {
    let world = World::new("refused", &[]);
    let refused = Context::builder().env([("HOME", "/none")]).http(Refusing).clock(world.clock.clone());
    let refused = refused.spawn(|task| drop(tokio::spawn(task))).build();
    let key = alibabacloud_credentials::Credentials::new("an-id", "fake-secret");
    let tenant = |n: u32| AssumeRole::new(format!("acs:ram::{n}:role/tenant")).session_name(format!("job-{n}"));
    for n in [7, 8] {
        let provider = AssumeRoleProvider::new(key.clone(), tenant(n)).context(refused.clone());
        let error = Refresher::builder(provider).context(refused.clone()).build().credentials().await.unwrap_err();
        let named = format!("session job-{n} of acs:ram::{n}:role/tenant: sts.aliyuncs.com refused AssumeRole");
        assert!(error.message().starts_with(&named), "{error}");
    }
}

/// Refuses everybody.
struct Refusing;

impl HttpSend for Refusing {
    fn send(&self, _: http::Request<Bytes>, _: SendOptions) -> BoxFuture<'_, Result<http::Response<Bytes>, HttpError>> {
        let body = Bytes::from_static(br#"{"Code":"NoPermission","Message":"No.","RequestId":"R"}"#);
        Box::pin(std::future::ready(Ok(http::Response::builder().status(403).body(body).unwrap())))
    }
}

#[tokio::test]
async fn a_secret_given_in_code_that_ends_in_a_line_feed_is_told_and_never_signed_with() {
    use alibabacloud_credentials::{Credentials, OpenApiClient};
    let world = World::new("line-feed", &[]);
    let key = || Credentials::new("an-id", "fake-secret\n");
    let role = AssumeRole::new("acs:ram::100:role/media");
    let provider = AssumeRoleProvider::new(key(), role).context(world.context.clone());
    let session = Refresher::builder(provider).context(world.context.clone()).build().credentials().await;
    let refresher = Refresher::builder(key()).context(world.context.clone()).build();
    let call = OpenApiClient::imm("cn-hangzhou", refresher).call("ListProjects", [("MaxResults", "1")]).await;
    for error in [session.unwrap_err(), call.unwrap_err()] {
        assert_eq!(error.code(), Some("InvalidKeyCharacter"), "{error}");
        assert!(error.message().contains("the AccessKey secret holds a line break (character 12)"), "{error}");
    }
    assert!(world.asked().is_empty());
}

#[tokio::test]
async fn the_variables_of_the_cli_and_terraform_are_read_where_that_is_asked_for() {
    let terraform = [("ALICLOUD_ACCESS_KEY", "id-terraform"), ("ALICLOUD_SECRET_KEY", "fake-secret")];
    let of_cli = [("ALIBABACLOUD_ACCESS_KEY_ID", "id-cli"), ("ALIBABACLOUD_ACCESS_KEY_SECRET", "fake-secret")];
    let both = [("ALICLOUD_ACCESS_KEY_ID", "id-old"), ("ALICLOUD_ACCESS_KEY_SECRET", "fake-secret")];
    for (name, env, id) in
        [("terraform", terraform, "id-terraform"), ("cli", of_cli, "id-cli"), ("old", both, "id-old")]
    {
        let world = World::new(name, &[&env[..], &[("ALIBABA_CLOUD_ECS_METADATA_DISABLED", "true")]].concat());
        assert!(world.builder().build().credentials().await.is_err(), "{name}");
        let found = world.builder().legacy_variables(true).build().credentials().await.unwrap();
        assert_eq!((found.access_key_id(), found.provider_name()), (id, "default/env"));
    }
    for variable in ["ALIBABACLOUD_PROFILE", "ALICLOUD_PROFILE"] {
        let world = World::new(variable, &[(variable, "prod")]);
        world.write(&config("staging", "id-staging"));
        assert_eq!(world.builder().build().credentials().await.unwrap().access_key_id(), "id-staging");
        let found = world.builder().legacy_variables(true).build().credentials().await.unwrap();
        assert_eq!(found.access_key_id(), "id-prod");
        world.write(&json!({"current": "staging", "profiles": [pair("staging", "id-staging")]}));
        let error = world.builder().legacy_variables(true).build().credentials().await.unwrap_err();
        assert!(error.message().contains(&format!("profile `prod` was asked for by {variable}, and")), "{error}");
    }
}

#[tokio::test]
async fn a_host_that_the_builder_allows_is_asked_over_plain_http_by_variable_and_by_profile() {
    let uri = "http://10.0.0.7/credentials";
    let variable = World::new("allowed-variable", &[("ALIBABA_CLOUD_CREDENTIALS_URI", uri), METADATA_OFF]);
    let profile = World::new("allowed-profile", &[METADATA_OFF]);
    profile.write(&json!({"profiles": [{"name": "default", "mode": "CredentialsURI", "credentials_uri": uri}]}));
    for world in [variable, profile] {
        let error = world.builder().build().credentials().await.unwrap_err();
        assert_eq!(error.code(), Some("PlainHttp"), "{error}");
        assert!(error.remedy().unwrap().contains(".allow_host(…)") && world.asked().is_empty(), "{error}");
        let error = world.builder().allow_host("10.0.0.8").build().credentials().await.unwrap_err();
        assert_eq!(error.code(), Some("PlainHttp"), "{error}");
        let found = world.builder().allow_host("10.0.0.7").build().credentials().await.unwrap();
        assert_eq!((found.access_key_id(), world.asked()), ("STS.from-uri", vec!["URI".to_owned()]));
    }
}

#[tokio::test]
async fn events_and_debug_name_the_role_and_the_session() {
    let world = World::new("attributed", &[]);
    let source = alibabacloud_credentials::Credentials::new("an-id", "fake-secret");
    let provider = AssumeRoleProvider::new(source, AssumeRole::new("acs:ram::100:role/media"));
    let sessions = Refresher::builder(provider.context(world.context.clone())).context(world.context.clone()).build();
    let log = Log::default();
    let writer = log.clone();
    let subscriber = tracing_subscriber::fmt().with_max_level(tracing::Level::DEBUG).with_ansi(false);
    let guard = tracing::subscriber::set_default(subscriber.with_writer(move || writer.clone()).finish());
    let used = sessions.credentials().await.unwrap();
    assert!(sessions.invalidate(&used));
    drop(guard);
    let log = log.text();
    for what in ["credential refreshed", "credential rejected"] {
        let is_named = |line: &str| line.contains(what) && line.contains("acs:ram::100:role/media/s");
        assert!(log.lines().any(is_named), "{what}: {log}");
    }
    for debug in [format!("{sessions:?}"), format!("{used:?}")] {
        assert!(debug.contains("acs:ram::100:role/media/s"), "{debug}");
    }
}

#[tokio::test]
async fn all_files_are_ignored_where_the_variable_says_so() {
    let world = World::new(
        "ignored",
        &[
            ("ALIBABA_CLOUD_IGNORE_PROFILE", "TRUE"),
            ("ALIBABA_CLOUD_PROFILE", "prod"),
            WITH_URI,
            ("ALIBABA_CLOUD_ECS_METADATA_DISABLED", "true"),
        ],
    );
    world.write(&config("staging", "id-staging"));
    std::fs::write(world.root.join("home/me/.alibabacloud/credentials"), "broken").unwrap();
    let chain = world.builder().build();
    assert_eq!(chain.credentials().await.unwrap().access_key_id(), "STS.from-uri");
    for report in &chain.explain().await.providers[2..4] {
        assert_eq!(report.detail.as_deref(), Some("ALIBABA_CLOUD_IGNORE_PROFILE is true"));
    }
    let error = world.builder().profile("prod").build().credentials().await.unwrap_err();
    assert_eq!(error.code(), Some("ProfileNotFound"));
    assert!(error.message().contains("asked for in code, and ALIBABA_CLOUD_IGNORE_PROFILE is true"), "{error}");
}

#[tokio::test]
async fn a_leading_tilde_is_the_home_directory_and_what_is_not_expanded_is_named() {
    let variable = "ALIBABA_CLOUD_CONFIG_FILE";
    let world = World::new("tilde", &[(variable, "~/.aliyun/config.json")]);
    world.write(&config("staging", "id-staging"));
    assert_eq!(world.builder().build().credentials().await.unwrap().access_key_id(), "id-staging");
    for (path, what) in [("$HOME/config.json", "variables in it"), ("~you/config.json", "`~` of another user")] {
        let world = World::new("not-expanded", &[(variable, path)]);
        let error = world.builder().build().credentials().await.unwrap_err();
        assert_eq!(error.code(), Some("ConfigMissing"));
        assert!(error.message().contains(path) && error.remedy().unwrap().contains(what), "{error}");
    }
    let world = World::new("token", &[]);
    world.write(&json!({"current": "a", "profiles": [{"name": "a", "mode": "OIDC", "oidc_token_file": "~/token",
        "ram_role_arn": "acs:ram::100:role/media", "oidc_provider_arn": "acs:ram::100:oidc-provider/x"}]}));
    let chain = world.builder().build();
    let asked = tokio::spawn(async move { chain.credentials().await });
    // The file is looked for three times.
    while !asked.is_finished() {
        world.clock.advance(Duration::from_millis(100));
        tokio::task::yield_now().await;
    }
    let error = asked.await.unwrap().unwrap_err();
    assert!(error.message().contains("there is no /home/me/token"), "{error}");
    assert!(!error.remedy().unwrap().contains("pod"), "{error}");
    std::fs::write(world.root.join("home/me/token"), "\u{feff}e30.e30.c2ln\n").unwrap();
    world.clock.advance(Duration::from_secs(60));
    assert!(world.builder().build().credentials().await.is_ok());
}

/// A permission that is missing stops nobody who may read everything.
#[cfg(unix)]
#[tokio::test]
async fn a_home_directory_that_may_not_be_entered_is_passed_over_unless_somebody_named_it() {
    use std::os::unix::fs::PermissionsExt;
    let env = [WITH_URI, ("ALIBABA_CLOUD_ECS_METADATA_DISABLED", "true")];
    let world = World::new("barred", &env);
    let home = world.root.join("home/me");
    let allow = |mode| std::fs::set_permissions(&home, std::fs::Permissions::from_mode(mode)).unwrap();
    allow(0o000);
    if std::fs::read_dir(&home).is_ok() {
        allow(0o755);
        return;
    }
    let chain = world.builder().build();
    let (found, explanation) = (chain.credentials().await, chain.explain().await);
    let named = world.builder().profile("prod").build().credentials().await;
    allow(0o755);
    assert_eq!(found.unwrap().access_key_id(), "STS.from-uri");
    for report in &explanation.providers[2..4] {
        assert!(report.detail.as_deref().unwrap().contains("may not be looked for: permission denied"), "{report:?}");
    }
    let error = named.unwrap_err();
    assert_eq!(error.code(), Some("ProfileNotFound"));
    assert!(error.message().contains("permission denied on a directory of it"), "{error}");
}

#[tokio::test]
async fn a_role_over_a_chain_is_assumed_as_the_chain_calls_sts() {
    let world = World::new("inherits", &[]);
    let mut profile = pair("a", "id-a");
    profile["sts_region"] = json!("cn-beijing");
    world.write(&json!({"current": "a", "profiles": [profile]}));
    let role = || AssumeRole::new("acs:ram::100:role/media").session_name("job-7");
    let chain = world.builder().build();
    let tenant = chain.assume(role());
    assert_eq!(tenant.credentials().await.unwrap().provider_name(), "ram_role_arn/default/cli_profile/static_ak");
    assert_eq!(world.asked(), ["AssumeRole sts.cn-beijing.aliyuncs.com"]);
    let session = Refresher::new(AssumeRoleProvider::new(chain.clone(), role())).credentials().await.unwrap();
    assert_eq!(world.asked(), ["AssumeRole sts.cn-beijing.aliyuncs.com"]);
    assert!(format!("{session:?}").contains("acs:ram::100:role/media/s"), "{session:?}");
    let elsewhere = AssumeRoleProvider::new(chain.clone(), role()).region("cn-shanghai");
    Refresher::new(elsewhere).credentials().await.unwrap();
    let by_v1 = world.builder().sts_endpoint("sts.example.internal").sts_signature(StsSignature::V1).build();
    Refresher::new(AssumeRoleProvider::new(by_v1.refresher().clone(), role())).credentials().await.unwrap();
    by_v1.assume(role()).credentials().await.unwrap();
    assert_eq!(
        world.asked(),
        [
            "AssumeRole sts.cn-shanghai.aliyuncs.com",
            "AssumeRole by V1 sts.example.internal",
            "AssumeRole by V1 sts.example.internal"
        ]
    );
    let role_chain = world.builder().assume_role(role()).build();
    let explanation = role_chain.explain().await;
    let used = explanation.credentials.unwrap();
    assert_eq!(used.source.as_deref(), Some("profile `a` of /home/me/.aliyun/config.json"));
    assert_eq!(used.roles, ["session job-7 of acs:ram::100:role/media"]);
    assert_eq!(used.arn.as_deref(), Some("acs:ram::100:role/media/s"));
    world.asked();
    let bad = chain.assume(AssumeRole::new("no-arn")).credentials().await.unwrap_err();
    assert_eq!((bad.kind(), world.asked().len()), (ErrorKind::InvalidInput, 0));
}

/// A path is not text. The variables of a process are its own, so the test starts itself again under other ones.
#[cfg(unix)]
#[tokio::test]
#[allow(clippy::disallowed_methods)] // the child looks at its own variables
async fn a_home_directory_whose_name_is_not_utf_8_is_one() {
    use std::os::unix::ffi::OsStrExt;
    const CHILD: &str = "CHILD_OF_A_TEST";
    if std::env::var_os(CHILD).is_some() {
        let error = DefaultCredentialChain::new().credentials().await.unwrap_err();
        assert_eq!((error.kind(), error.code()), (ErrorKind::NotConfigured, Some("NoCredentials")), "{error}");
        assert!(error.message().contains("there is no /none/j\u{fffd}rg/.aliyun/config.json"), "{error}");
        return;
    }
    let name = "kept_profile::a_home_directory_whose_name_is_not_utf_8_is_one";
    let child = std::process::Command::new(std::env::current_exe().unwrap())
        .args(["--exact", name])
        .env_clear()
        .env(CHILD, "1")
        .env("ALIBABA_CLOUD_ECS_METADATA_DISABLED", "true")
        .env("HOME", std::ffi::OsStr::from_bytes(b"/none/j\xf6rg"))
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&child.stdout);
    assert!(child.status.success() && said.contains("1 passed"), "{said}{}", String::from_utf8_lossy(&child.stderr));
}
