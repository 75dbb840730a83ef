//! The quickstart's output against the seed's sample, and what happens to those who freeze a session.

#[allow(dead_code)]
#[path = "../examples/quickstart.rs"]
mod example;

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use alibabacloud_credentials::{AssumeRole, Context, DefaultCredentialChain, OpenApiClient, TestClock};
use alibabacloud_emulator::{Emulator, account};

const PAUSE: Duration = Duration::from_millis(100);

fn start() -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(1_800_000_000)
}

/// An emulator and a client's clock that stand still until the test moves both.
async fn frozen() -> (Emulator, TestClock) {
    let emulator = Emulator::builder().session_seconds(4).start().await.unwrap();
    emulator.freeze_clock_at(start());
    (emulator, TestClock::new(start()))
}

/// The sample of the guide with every value that changes from call to call masked.
const SAMPLE: &str = r#"{
    "headers": {
        "date": "*",
        "content-type": "application/json;charset=utf-8",
        "content-length": "602",
        "connection": "keep-alive",
        "keep-alive": "timeout=25",
        "access-control-allow-origin": "*",
        "access-control-expose-headers": "*",
        "x-acs-request-id": "*",
        "x-acs-trace-id": "*",
        "etag": "*"
    },
    "statusCode": 200,
    "body": {
        "Project": {
            "CreateTime": "*",
            "DatasetCount": 0,
            "DatasetMaxBindCount": 10,
            "DatasetMaxEntityCount": 10000000000,
            "DatasetMaxFileCount": 100000000,
            "DatasetMaxRelationCount": 100000000000,
            "DatasetMaxTotalFileSize": 90000000000000000,
            "Description": "",
            "EngineConcurrency": 200,
            "FileCount": 0,
            "ProjectMaxDatasetCount": 1000000000,
            "ProjectName": "testproject",
            "ProjectQueriesPerSecond": 200,
            "ServiceRole": "AliyunIMMDefaultRole",
            "TemplateId": "Official:DefaultEmptyId",
            "TotalFileSize": 0,
            "UpdateTime": "*"
        },
        "RequestId": "*"
    }
}
"#;

fn masked(json: &str) -> String {
    let volatile = ["date", "x-acs-request-id", "x-acs-trace-id", "etag", "CreateTime", "UpdateTime", "RequestId"];
    let line = |line: &str| {
        let name = line.trim().strip_prefix('"').and_then(|rest| rest.split_once('"')).map(|(name, _)| name);
        match (name.filter(|name| volatile.contains(name)), line.split_once(": ")) {
            (Some(_), Some((head, tail))) => format!("{head}: \"*\"{}\n", if tail.ends_with(',') { "," } else { "" }),
            _ => format!("{line}\n"),
        }
    };
    json.lines().map(line).collect()
}

#[tokio::test]
async fn the_quickstart_prints_the_guides_sample_and_lives_through_sessions() {
    let (emulator, clock) = frozen().await;
    let pause = || {
        clock.advance(PAUSE);
        emulator.advance_clock(PAUSE);
        std::future::ready(())
    };
    let (mut out, mut err) = (Vec::new(), Vec::new());
    let world = Context::builder().clock(clock.clone());
    example::against_the_emulator(&emulator, world, pause, &mut out, &mut err).await.unwrap();

    assert_eq!(masked(&String::from_utf8(out).unwrap()), SAMPLE);
    let seen = emulator.summary();
    assert!(seen.sessions_used >= 3 && seen.rejected == 0, "{seen:?}");
    let closing = String::from_utf8(err).unwrap();
    assert!(closing.contains(&format!("{} IMM calls, {} sessions, 0 rejected", seen.imm.calls, seen.sessions_used)));
    let secrets = [account::RAM_USER.secret, "CAIS"];
    for call in emulator.calls() {
        assert!(secrets.iter().all(|secret| !call.path_and_query.contains(secret)), "a secret in a URL");
    }
}

#[tokio::test]
async fn the_same_stream_with_a_frozen_session_is_rejected() {
    let (emulator, clock) = frozen().await;
    let context = Context::builder()
        .clock(clock.clone())
        .env([
            ("ALIBABA_CLOUD_ACCESS_KEY_ID", account::RAM_USER.id.to_owned()),
            ("ALIBABA_CLOUD_ACCESS_KEY_SECRET", account::RAM_USER.secret.to_owned()),
            ("ALIBABA_CLOUD_STS_ENDPOINT", emulator.endpoint()),
        ])
        .build();
    let role = AssumeRole::new("acs:ram::1234567890123456:role/imm-role");
    let chain = DefaultCredentialChain::builder().context(context).assume_role(role).build();
    let session = chain.credentials().await.unwrap();

    // What the guide's reader has: three values in variables, refreshed by hand or not at all.
    let frozen_env = Context::builder()
        .clock(clock.clone())
        .env([
            ("IMM_ACCESS_KEY_ID", session.access_key_id()),
            ("IMM_ACCESS_KEY_SECRET", session.access_key_secret()),
            ("IMM_SESSION_TOKEN", session.security_token().unwrap()),
        ])
        .build();
    let frozen = DefaultCredentialChain::builder().context(frozen_env).build();
    let imm = OpenApiClient::new(emulator.endpoint(), "2020-09-30", frozen);
    let mut answered = 0;
    let error = loop {
        match imm.call("ListProjects", []).await {
            Ok(_) => answered += 1,
            Err(error) => break error,
        }
        clock.advance(PAUSE);
        emulator.advance_clock(PAUSE);
    };
    assert!((35..=45).contains(&answered), "{answered} calls in 4 s");
    assert_eq!(error.code(), Some("InvalidSecurityToken.Expired"));
    let remedy = error.remedy().unwrap();
    assert!(remedy.contains("IMM_SESSION_TOKEN cannot be renewed") && remedy.contains("AssumeRole"), "{remedy}");
    let rejected = emulator.summary().rejected;
    assert_eq!(rejected, 1, "no loop of retries");
}
