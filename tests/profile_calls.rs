//! `connect_timeout`, `read_timeout` and `retry_count` of a profile: of the calls for its credentials, and of those by them.

use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use alibabacloud_credentials::{
    BoxFuture, Context, DefaultCredentialChain, HttpError, HttpErrorKind, HttpSend, OpenApiClient,
    OpenApiClientBuilder, SendOptions, TestClock,
};
use bytes::Bytes;
use http::{Request, Response};

/// Gives a session, refuses every product by a lost connection, and keeps the limits in seconds.
#[derive(Clone, Default)]
struct Limits(Arc<Mutex<Vec<(u64, u64)>>>);

impl HttpSend for Limits {
    fn send(&self, request: Request<Bytes>, options: SendOptions) -> BoxFuture<'_, Result<Response<Bytes>, HttpError>> {
        self.0.lock().unwrap().push((options.connect_timeout.as_secs(), options.timeout.as_secs()));
        let session = r#"{"Credentials":{"AccessKeyId":"STS.x","AccessKeySecret":"fake-secret","SecurityToken":"fake-token",
            "Expiration":"2099-01-01T00:00:00Z"}}"#;
        let answer = match request.uri().host() {
            Some(host) if host.starts_with("sts.") => Ok(Response::new(Bytes::from_static(session.as_bytes()))),
            _ => Err(HttpError::new(HttpErrorKind::Connect, "nobody listens")),
        };
        Box::pin(std::future::ready(answer))
    }
}

/// The limits of the request for a session, and of each attempt of a call, by a profile with these members.
async fn limits(members: &str, with: impl FnOnce(OpenApiClientBuilder) -> OpenApiClientBuilder) -> Vec<(u64, u64)> {
    let home = tempdir(members);
    std::fs::write(
        home.join(".aliyun/config.json"),
        format!(
            r#"{{"current":"dev","profiles":[{{"name":"dev","mode":"RamRoleArn","access_key_id":"LTAI-dev-key-0001",
                "access_key_secret":"fake-secret","ram_role_arn":"acs:ram::100:role/media"{members}}}]}}"#
        ),
    )
    .unwrap();
    let (sender, clock) =
        (Limits::default(), TestClock::new(std::time::UNIX_EPOCH + Duration::from_secs(1_767_225_600)));
    let env = [("HOME", home.to_str().unwrap()), ("ALIBABA_CLOUD_ECS_METADATA_DISABLED", "true")];
    let context = Context::builder().env(env).clock(clock.clone()).http(sender.clone()).build();
    let chain = DefaultCredentialChain::builder().context(context).build();
    let client = with(OpenApiClient::builder("imm.cn-hangzhou.aliyuncs.com", "2020-09-30", &chain)).build();
    let call = tokio::spawn(async move { client.call("ListProjects", []).await });
    while !call.is_finished() {
        if let Some(wake) = clock.next_wake().filter(|wake| *wake < Duration::from_secs(2)) {
            clock.advance(wake);
        }
        tokio::task::yield_now().await;
    }
    assert!(call.await.unwrap().is_err());
    let _ = std::fs::remove_dir_all(&home);
    sender.0.lock().unwrap().clone()
}

fn tempdir(members: &str) -> std::path::PathBuf {
    let name: String = members.chars().filter(char::is_ascii_alphanumeric).collect();
    let home = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("profile-calls-{name}-{}", std::process::id()));
    std::fs::create_dir_all(home.join(".aliyun")).unwrap();
    home
}

#[tokio::test]
async fn a_profiles_limits_are_those_of_its_calls_unless_code_says_otherwise() {
    let same = |client| client;
    assert_eq!(limits("", same).await, [(5, 10); 4]);
    let all = r#","connect_timeout":3,"read_timeout":20,"retry_count":1"#;
    assert_eq!(limits(all, same).await, [(3, 23); 3]);
    // The CLI's older name, and the newer one before it.
    assert_eq!(limits(r#","retry_timeout":30"#, same).await, [(5, 35); 4]);
    assert_eq!(limits(r#","retry_timeout":30,"read_timeout":20"#, same).await[0], (5, 25));
    let in_code = |client: OpenApiClientBuilder| {
        client.attempts(1).connect_timeout(Duration::from_secs(1)).attempt_timeout(Duration::from_secs(2))
    };
    let all = r#","connect_timeout":4,"read_timeout":20,"retry_count":5"#;
    assert_eq!(limits(all, in_code).await, [(4, 24), (1, 2)]);
}

#[tokio::test]
async fn a_setting_that_is_no_count_counts_for_nothing() {
    for members in [
        r#","connect_timeout":0,"read_timeout":0,"retry_count":0"#,
        r#","connect_timeout":"ten","read_timeout":-1,"retry_count":null"#,
        r#","connect_timeout":1.5,"read_timeout":[],"retry_count":{}"#,
    ] {
        assert_eq!(limits(members, |client| client).await, [(5, 10); 4], "{members}");
    }
}
