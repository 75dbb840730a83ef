//! What a call says when a server refuses its session and no other one can be had: the reason, by facts and not by names.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, UNIX_EPOCH};

use alibabacloud_credentials::{
    AssumeRole, AssumeRoleProvider, Context, Credentials, DefaultCredentialChain, Error, OpenApiClient, Refresher,
    TestClock, provider_fn,
};
use alibabacloud_emulator::{Emulator, Fault, account};

use crate::support::drive::drive;

const ROLE: &str = "acs:ram::1234567890123456:role/imm-role";
const REFUSED: &str = "InvalidSecurityToken.Expired";

async fn world(variables: &[(&str, &str)]) -> (Emulator, TestClock, Context) {
    let now = UNIX_EPOCH + Duration::from_secs(1_800_000_000);
    let (clock, emulator) = (TestClock::new(now), Emulator::builder().start().await.unwrap());
    emulator.freeze_clock_at(now);
    let endpoint = emulator.endpoint();
    let sts = [("ALIBABA_CLOUD_STS_ENDPOINT", endpoint.as_str())];
    let variables = sts.into_iter().chain(variables.iter().copied());
    let context = Context::builder().clock(clock.clone()).env(variables).build();
    (emulator, clock, context)
}

/// A call whose session is refused, while STS answers what `sts` says.
async fn refused(emulator: &Emulator, clock: &TestClock, credentials: impl Into<Refresher>, sts: Fault) -> Error {
    let imm = OpenApiClient::new(emulator.endpoint(), "2020-09-30", credentials);
    drive(clock, imm.call("ListProjects", [])).await.unwrap();
    emulator.fail_next("imm/ListProjects", Fault::new(400, REFUSED));
    emulator.fail_next("sts/AssumeRole", sts.times(9));
    drive(clock, imm.call("ListProjects", [])).await.unwrap_err()
}

#[tokio::test]
async fn a_roles_session_that_was_refused_while_sts_is_down_says_that_sts_is_down() {
    let key = [
        ("ALIBABA_CLOUD_ACCESS_KEY_ID", account::RAM_USER.id),
        ("ALIBABA_CLOUD_ACCESS_KEY_SECRET", account::RAM_USER.secret),
    ];
    let (emulator, clock, context) = world(&key).await;
    let chain = DefaultCredentialChain::builder().context(context).assume_role(AssumeRole::new(ROLE)).build();
    let error = refused(&emulator, &clock, &chain, Fault::new(503, "ServiceUnavailable")).await;
    assert_eq!((error.code(), error.http_status()), (Some(REFUSED), Some(400)), "{error}");
    let text = error.to_string();
    assert!(text.contains("503") && text.contains("ServiceUnavailable") && text.contains(ROLE), "{text}");
    assert!(!text.contains("cannot be renewed") && !text.contains("use a source"), "{text}");
    assert_eq!((error.causes().len(), error.causes()[0].http_status()), (1, Some(503)), "{error:#}");
    assert!(!text.contains(account::RAM_USER.secret));
}

#[tokio::test]
async fn the_source_of_a_role_says_why_it_has_no_other_session() {
    let (emulator, clock, context) = world(&[]).await;
    let asked = AtomicUsize::new(0);
    let source = provider_fn("vault", move || {
        let first = asked.fetch_add(1, Ordering::SeqCst) == 0;
        let key = Credentials::new(account::RAM_USER.id, account::RAM_USER.secret).with_security_token("fake-token");
        std::future::ready(if first { Ok(key) } else { Err(Error::failed("it is sealed").with_remedy("unseal it")) })
    });
    let session = AssumeRoleProvider::new(source, AssumeRole::new(ROLE).session_name("job-7")).context(context.clone());
    let session = Refresher::builder(session).context(context).build();
    emulator.fail_next("sts/AssumeRole", Fault::new(400, REFUSED));
    let error = drive(&clock, session.credentials()).await.unwrap_err();
    assert_eq!((error.code(), error.remedy()), (Some(REFUSED), Some("unseal it")), "{error}");
    let text = error.to_string();
    assert!(text.contains(&format!("session job-7 of {ROLE}")) && text.contains("vault: it is sealed"), "{text}");
    assert_eq!(error.causes()[0].provider_name(), Some("vault"));
}

#[tokio::test]
async fn only_a_session_that_was_written_down_is_said_to_be_one_whatever_providers_are_called() {
    let (emulator, clock, context) = world(&[]).await;
    let key = Credentials::new(account::RAM_USER.id, account::RAM_USER.secret);
    let role = AssumeRoleProvider::new(key, AssumeRole::new(ROLE)).context(context.clone());
    let session = drive(&clock, Refresher::builder(role).context(context.clone()).build().credentials()).await.unwrap();
    let token = session.security_token().unwrap();
    let variables = |prefix: &str| {
        [
            ("ACCESS_KEY_ID", session.access_key_id()),
            ("ACCESS_KEY_SECRET", session.access_key_secret()),
            ("SECURITY_TOKEN", token),
        ]
        .map(|(name, value)| (format!("{prefix}_{name}"), value.to_owned()))
    };
    let config = format!(
        r#"{{"current":"p","profiles":[{{"name":"p","mode":"StsToken","access_key_id":"{}","access_key_secret":"{}","sts_token":"{token}"}}]}}"#,
        session.access_key_id(),
        session.access_key_secret()
    );
    let root = std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join("renewal_errors");
    std::fs::create_dir_all(root.join("h/.aliyun")).unwrap();
    std::fs::write(root.join("h/.aliyun/config.json"), config).unwrap();

    let in_env = |prefix: &str| {
        let context = Context::builder().clock(clock.clone()).env(variables(prefix)).build();
        DefaultCredentialChain::builder().context(context).env_prefix("OSS").build().into()
    };
    let in_file = Context::builder().clock(clock.clone()).env([("HOME", "/h")]).root(&root).build();
    let in_file = DefaultCredentialChain::builder().context(in_file).build().into();
    let given = session.clone();
    let impostor = provider_fn("x", move || {
        let given = given.clone();
        async move {
            let (id, secret) = (given.access_key_id(), given.access_key_secret());
            let same = Credentials::new(id, secret).with_security_token(given.security_token().unwrap());
            Ok(same.with_provider_name("vault/env"))
        }
    });
    let impostor = Refresher::builder(impostor).context(context).build();
    let cases: [(Refresher, Option<&str>); 4] = [
        (in_env("ALIBABA_CLOUD"), Some("ALIBABA_CLOUD_SECURITY_TOKEN cannot be renewed")),
        (in_env("OSS"), Some("OSS_SECURITY_TOKEN cannot be renewed")),
        (in_file, Some("profile `p` of /h/.aliyun/config.json cannot be renewed")),
        (impostor, None),
    ];
    for (credentials, expected) in cases {
        let error = refused(&emulator, &clock, credentials, Fault::default()).await;
        let remedy = error.remedy().unwrap_or_default();
        match expected {
            Some(expected) => {
                assert!(remedy.contains(expected) && remedy.contains("AssumeRole"), "{expected}: {error}")
            }
            None => assert!(!remedy.contains("cannot be renewed"), "{error}"),
        }
        assert!(!error.to_string().contains(token));
    }
}

/// Names of providers are texts that anyone may choose: they are shown, sent and joined, and nothing is decided by them.
#[test]
fn nothing_in_the_library_is_decided_by_the_text_of_a_providers_name() {
    fn visit(directory: &std::path::Path, found: &mut Vec<String>) {
        for entry in std::fs::read_dir(directory).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                visit(&path, found);
                continue;
            }
            let source = std::fs::read_to_string(&path).unwrap();
            let code = source.split("#[cfg(test)]").next().unwrap();
            for rest in code.split("provider_name()").skip(1) {
                let next = rest.trim_start();
                let decides = [" ==", "==", "!=", ".rsplit", ".split", ".ends_with", ".starts_with", ".contains", "{"];
                if decides.iter().any(|text| next.starts_with(text)) {
                    found.push(format!("{}: {}", path.display(), next.lines().next().unwrap()));
                }
            }
        }
    }
    let mut found = Vec::new();
    visit(&std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), &mut found);
    assert!(found.is_empty(), "{found:?}");
}
