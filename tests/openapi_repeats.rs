//! What `OpenApiClient` repeats, when, and how often; lists page by page; what a caller can set.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::{Duration, UNIX_EPOCH};

use alibabacloud_credentials::{
    BoxFuture, Clock, Context, Credentials, Error, ErrorKind, HttpError, HttpErrorKind, HttpSend, NestedParameters,
    OpenApiClient, OpenApiClientBuilder, Refresher, SendOptions, TestClock, provider_fn,
};
use bytes::Bytes;
use http::{Request, Response};

use crate::support::drive::drive;

type Answer = Result<Response<Bytes>, HttpError>;

/// Answers by a script, and keeps what was asked. Behind the script's end everything succeeds.
#[derive(Clone, Default)]
struct Script {
    answers: Arc<Mutex<VecDeque<Answer>>>,
    asked: Arc<Mutex<Vec<Request<Bytes>>>>,
}

impl Script {
    fn of(answers: impl IntoIterator<Item = Answer>) -> Self {
        Self { answers: Arc::new(Mutex::new(answers.into_iter().collect())), asked: Arc::default() }
    }

    fn asked(&self) -> Vec<Request<Bytes>> {
        std::mem::take(&mut self.asked.lock().unwrap())
    }
}

impl HttpSend for Script {
    fn send(&self, request: Request<Bytes>, _: SendOptions) -> BoxFuture<'_, Answer> {
        self.asked.lock().unwrap().push(request);
        let answer =
            self.answers.lock().unwrap().pop_front().unwrap_or_else(|| answer(200, &[], "{\"RequestId\":\"r\"}"));
        Box::pin(std::future::ready(answer))
    }
}

fn answer(status: u16, headers: &[(&str, &str)], body: &str) -> Answer {
    let mut response = Response::builder().status(status);
    for (name, value) in headers {
        response = response.header(*name, *value);
    }
    Ok(response.body(Bytes::from(body.to_owned())).unwrap())
}

fn refusal(code: &str) -> Answer {
    answer(400, &[], &format!(r#"{{"Code":"{code}","Message":"m","RequestId":"r"}}"#))
}

fn lost() -> Answer {
    Err(HttpError::new(HttpErrorKind::Other, "the connection broke"))
}

struct World {
    script: Script,
    clock: TestClock,
    builder: OpenApiClientBuilder,
}

fn world(answers: impl IntoIterator<Item = Answer>) -> World {
    let (script, clock) = (Script::of(answers), TestClock::new(UNIX_EPOCH + Duration::from_secs(1_800_000_000)));
    let context = Context::builder().clock(clock.clone()).http(script.clone()).seed(7).build();
    let key = Refresher::builder(Credentials::new("an-id", "fake-secret")).context(context).build();
    World { script, clock, builder: OpenApiClient::builder("imm.cn-hangzhou.aliyuncs.com", "2020-09-30", key) }
}

impl World {
    /// Makes one call; gives its result, how often it was attempted, and how long it took.
    async fn call(self, action: &str, parameters: &[(&str, &str)]) -> (Result<(), Error>, usize, Duration) {
        let began = self.clock.now().monotonic;
        let client = self.builder.build();
        let result = drive(&self.clock, client.call(action, parameters.iter().copied())).await;
        (result.map(drop), self.script.asked().len(), self.clock.now().monotonic - began)
    }
}

const TOKEN: (&str, &str) = ("ClientToken", "order-7");

#[tokio::test]
async fn a_nonce_that_was_used_is_signed_again_only_for_what_may_be_carried_out_twice() {
    for (action, parameters, attempts) in [
        ("ListProjects", &[][..], 2),
        ("CreateProject", &[("ProjectName", "p")][..], 1),
        ("CreateProject", &[TOKEN][..], 2),
        ("CreateProject", &[("ClientToken", "")][..], 1),
        ("AnOperationOfNextYear", &[][..], 1),
    ] {
        let (result, made, _) = world([refusal("SignatureNonceUsed")]).call(action, parameters).await;
        assert_eq!(made, attempts, "{action} {parameters:?}");
        match result {
            Ok(()) => assert_eq!(attempts, 2),
            Err(error) => {
                assert_eq!(error.code(), Some("SignatureNonceUsed"));
                assert!(error.remedy().unwrap().contains("may have been carried out"), "{error}");
            }
        }
    }
}

#[tokio::test]
async fn an_answer_that_was_lost_is_asked_for_again_only_where_that_does_no_harm() {
    for (action, parameters, attempts) in
        [("GetTask", &[][..], 3), ("CreateProject", &[][..], 1), ("CreateProject", &[TOKEN][..], 3)]
    {
        let (result, made, _) = world([lost(), lost(), lost()]).call(action, parameters).await;
        let error = result.unwrap_err();
        assert_eq!((error.code(), made), (Some("ConnectionBroken"), attempts), "{action} {parameters:?}");
        assert!(error.is_transient(), "the same may work later; whether it may be repeated is the caller's to know");
    }
}

#[tokio::test]
async fn a_server_that_asks_for_more_patience_than_a_call_has_is_not_waited_for() {
    let throttled =
        |headers: &[(&str, &str)]| answer(429, headers, r#"{"Code":"Throttling.User","Message":"m","RequestId":"r"}"#);
    for headers in [
        &[("retry-after", "3600")][..],
        &[("x-acs-retry-after", "3600000")][..],
        &[("retry-after", "Wed, 21 Oct 2026 08:28:00 GMT"), ("date", "Wed, 21 Oct 2026 07:28:00 GMT")][..],
    ] {
        let (result, made, took) = world([throttled(headers)]).call("ListProjects", &[]).await;
        let error = result.unwrap_err();
        assert_eq!((made, took), (1, Duration::ZERO), "{headers:?}");
        assert_eq!(error.retry_after(), Some(Duration::from_secs(3600)));
        assert!(error.is_transient());
    }
    let dated = [("retry-after", "Wed, 21 Oct 2026 07:28:01 GMT"), ("date", "Wed, 21 Oct 2026 07:28:00 GMT")];
    let (result, made, took) = world([throttled(&dated)]).call("ListProjects", &[]).await;
    assert!(result.is_ok() && made == 2 && took == Duration::from_secs(1), "{made} {took:?}");
}

#[tokio::test]
async fn attempts_and_the_time_of_a_call_are_the_callers_to_set() {
    let busy = || (0..10).map(|_| refusal("Throttling.User"));
    for attempts in [1, 2, 3] {
        let mut world = world(busy());
        world.builder = world.builder.attempts(attempts);
        let (result, made, _) = world.call("ListProjects", &[]).await;
        assert_eq!((result.unwrap_err().code(), made), (Some("Throttling.User"), attempts as usize));
    }
    let mut world = world(busy());
    world.builder = world.builder.attempts(10).timeout(Duration::from_millis(1500));
    let (result, made, took) = world.call("ListProjects", &[]).await;
    assert_eq!(result.unwrap_err().code(), Some("Throttling.User"), "what the server said last");
    assert!(made < 5 && took < Duration::from_millis(1500), "{made} {took:?}");
}

#[tokio::test]
async fn a_call_does_not_wait_for_credentials_longer_than_it_may_take() {
    let clock = TestClock::new(UNIX_EPOCH + Duration::from_secs(1_800_000_000));
    let context = Context::builder().clock(clock.clone()).http(Script::default()).build();
    let source = provider_fn("vault", std::future::pending::<Result<Credentials, Error>>);
    let credentials = Refresher::builder(source).context(context).build();
    let limit = Duration::from_millis(900);
    let client =
        OpenApiClient::builder("imm.cn-hangzhou.aliyuncs.com", "2020-09-30", credentials).timeout(limit).build();
    let error = drive(&clock, client.call("ListProjects", [])).await.unwrap_err();
    assert_eq!((error.kind(), error.code()), (ErrorKind::TimedOut, Some("CallTimeout")));
    assert!(error.message().contains("0.9 s"), "{error}");
}

#[tokio::test]
async fn other_words_for_an_expired_token_and_a_wrong_date_are_understood() {
    let asked = Arc::new(Mutex::new(0));
    let counted = Arc::clone(&asked);
    let source = provider_fn("vault", move || {
        *counted.lock().unwrap() += 1;
        let n = *counted.lock().unwrap();
        async move { Ok(Credentials::new("STS.an-id", "fake-secret").with_security_token(format!("token-{n}"))) }
    });
    let body =
        r#"{"Code":"InvalidParameter","Message":"The specified parameter \"SecurityToken.Expired\" is not valid."}"#;
    let script = Script::of([answer(400, &[], body), refusal("IllegalTimestamp")]);
    let credentials = Refresher::builder(source).context(Context::builder().http(script.clone()).build()).build();
    let client = OpenApiClient::new("ecs.cn-hangzhou.aliyuncs.com", "2014-05-26", credentials);
    client.call("RunInstances", []).await.unwrap();
    assert_eq!((*asked.lock().unwrap(), script.asked().len()), (2, 3));
}

// ---- pages

fn page(projects: &str, next: &str) -> Answer {
    answer(200, &[], &format!(r#"{{"Projects":[{projects}],"NextToken":"{next}"}}"#))
}

#[tokio::test]
async fn a_list_is_read_page_by_page_to_its_end() {
    let World { script, builder, .. } = world([page("1", "a b"), page("2", "c"), page("3", "")]);
    let mut pages = builder.build().pages("ListProjects", [("MaxResults", "1")]);
    assert!(script.asked().is_empty(), "nothing is asked before the first page is");
    let mut seen = Vec::new();
    while let Some(page) = pages.next().await {
        seen.push(page.unwrap().into_body()["Projects"][0].as_i64().unwrap());
    }
    assert_eq!(seen, [1, 2, 3]);
    let queries: Vec<String> = script.asked().iter().map(|asked| asked.uri().query().unwrap().to_owned()).collect();
    assert_eq!(queries, ["MaxResults=1", "MaxResults=1&NextToken=a%20b", "MaxResults=1&NextToken=c"]);
    assert!(pages.next().await.is_none());
}

#[tokio::test]
async fn a_page_that_failed_is_asked_for_again_and_a_list_without_end_is_an_error() {
    let World { builder, .. } = world([page("1", "a"), refusal("Forbidden"), page("2", "a")]);
    let mut pages = builder.build().pages("ListProjects", [("NextToken", "from-here")]);
    assert!(pages.next().await.unwrap().is_ok());
    assert_eq!(pages.next().await.unwrap().unwrap_err().code(), Some("Forbidden"));
    assert_eq!(pages.next().await.unwrap().unwrap_err().code(), Some("PagesDoNotEnd"), "the same token again");
    assert!(pages.next().await.is_none());

    let World { builder, .. } = world((0..9).map(|n| page("1", &format!("t{n}"))));
    let mut pages = builder.build().pages("ListProjects", []).limit(2);
    assert!(pages.next().await.unwrap().is_ok() && pages.next().await.unwrap().is_ok());
    assert_eq!(pages.next().await.unwrap().unwrap_err().code(), Some("PagesDoNotEnd"));
}

// ---- what is sent, and read

#[tokio::test]
async fn a_user_agent_is_added_and_lists_are_repeated_where_the_caller_says_so() {
    let World { script, builder, .. } = world([]);
    let client = builder.user_agent("media-service/1.4").nested_parameters(NestedParameters::Repeated).build();
    let tags = serde_json::json!({"Tag": [{"Key": "stage", "Value": "test"}]});
    client.call_json("AnOperationOfNextYear", &tags).await.unwrap();
    let asked = script.asked().remove(0);
    let agent = asked.headers()["user-agent"].to_str().unwrap();
    assert!(agent.starts_with("AlibabaCloud (Rust)") && agent.ends_with(" media-service/1.4"), "{agent}");
    assert_eq!(asked.uri().query(), Some("Tag.1.Key=stage&Tag.1.Value=test"));
    let World { script, builder, .. } = world([]);
    let error = builder.user_agent("line\r\nfeed").build().call("ListProjects", []).await.unwrap_err();
    assert_eq!((error.code(), script.asked().len()), (Some("InvalidHeader"), 0));
}

#[tokio::test]
async fn a_response_is_read_as_a_type_and_an_error_does_not_quote_it() {
    #[derive(Debug, serde::Deserialize)]
    struct Project {
        #[serde(rename = "ProjectName")]
        name: String,
    }
    let World { builder, .. } = world([answer(200, &[], r#"{"ProjectName":"fake-name","RequestId":"r-1"}"#)]);
    let response = builder.build().call("GetProject", []).await.unwrap().clone();
    assert_eq!(response.json::<Project>().unwrap().name, "fake-name");
    let error = response.json::<Vec<String>>().unwrap_err();
    assert_eq!((error.kind(), error.code()), (ErrorKind::InvalidResponse, Some("UnexpectedShape")));
    assert_eq!(error.request_id(), Some("r-1"));
    assert!(!format!("{error} {error:?}").contains("fake-name"), "{error}");
    assert_eq!(response.into_body()["ProjectName"], "fake-name");
}

#[test]
fn imm_is_reached_inside_a_vpc_by_an_endpoint_of_its_own() {
    let client = OpenApiClient::imm_vpc("cn-hangzhou", Credentials::new("an-id", "fake-secret"));
    assert!(format!("{client:?}").contains("imm-vpc.cn-hangzhou.aliyuncs.com"), "{client:?}");
}
