//! The credentials URI against a scripted server and scripted names.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use super::*;
use crate::context::TestClock;
use crate::error::ErrorKind;
use crate::providers::scripted_http::{Answered, ScriptedHttp, answer, broken, drive, session};
use crate::time;

/// Names and addresses; each lookup of a name takes the next of its lists, and keeps the last.
type Names = BTreeMap<&'static str, Vec<Vec<&'static str>>>;

struct World {
    http: ScriptedHttp,
    clock: TestClock,
    names: Arc<Mutex<Names>>,
    lookups: Arc<Mutex<usize>>,
}

impl World {
    fn new(names: Names, rule: impl Fn(&Request<Bytes>) -> Answered + Send + Sync + 'static) -> Self {
        // Four minutes before the session's end.
        let clock = TestClock::new(time::parse_iso("2026-01-02T03:00:00Z").unwrap());
        Self { http: ScriptedHttp::new(rule), clock, names: Arc::new(Mutex::new(names)), lookups: Arc::default() }
    }

    fn serving() -> Self {
        let names = [
            ("localhost", vec![vec!["::1", "127.0.0.1"]]),
            ("sidecar.internal", vec![vec!["169.254.1.1"]]),
            ("elsewhere.example", vec![vec!["203.0.113.7"]]),
            ("half.example", vec![vec!["127.0.0.1", "203.0.113.7"]]),
            ("rebinding.example", vec![vec!["127.0.0.1"], vec!["203.0.113.7"]]),
        ];
        Self::new(names.into(), |_| answer(200, session("STS.of-uri")))
    }

    fn provider(&self, env: &[(&str, &str)]) -> CredentialsUriProvider {
        let (names, lookups) = (Arc::clone(&self.names), Arc::clone(&self.lookups));
        let look_up = move |host: &str| {
            *lookups.lock().unwrap() += 1;
            let mut names = names.lock().unwrap();
            let Some(lists) = names.get_mut(host) else { return Vec::new() };
            let found = if lists.len() > 1 { lists.remove(0) } else { lists[0].clone() };
            found.into_iter().map(|address| address.parse().unwrap()).collect()
        };
        let context = Context::builder().env(env.iter().copied()).http(self.http.clone()).resolver(look_up);
        CredentialsUriProvider::new().context(context.clock(self.clock.clone()).build())
    }

    /// Returns where requests went: the pinned address, and whether a proxy was allowed.
    fn went(&self) -> Vec<(String, bool)> {
        let to = |options: &SendOptions| options.address.map_or("-".to_owned(), |address| address.to_string());
        self.http.seen().iter().map(|(_, options)| (to(options), options.proxy)).collect()
    }
}

async fn error(world: &World, provider: &CredentialsUriProvider) -> Error {
    let error = drive(&world.clock, provider.provide_credentials()).await.unwrap_err();
    let shown = format!("{error:#} {error:?} {provider:?}");
    assert!(!shown.contains("fake"), "{shown}");
    assert_eq!(error.provider_name(), Some("credentials_uri"));
    error
}

#[tokio::test]
async fn without_the_variable_nothing_is_asked_and_no_name_looked_up() {
    let world = World::serving();
    for env in [&[][..], &[("ALIBABA_CLOUD_CREDENTIALS_URI", " ")]] {
        let error = error(&world, &world.provider(env).uri(" ")).await;
        assert_eq!(error.kind(), ErrorKind::NotConfigured);
        assert!(error.message().contains("ALIBABA_CLOUD_CREDENTIALS_URI is unset"));
    }
    assert_eq!((world.http.seen().len(), *world.lookups.lock().unwrap()), (0, 0));
}

#[tokio::test]
async fn a_malformed_url_fails_and_is_not_repeated() {
    let world = World::serving();
    for text in ["fake-secret", "ftp://h/fake-secret", "https://u:fake-secret@h/", "http://h:port/fake-secret", "/x"] {
        let variable = error(&world, &world.provider(&[("ALIBABA_CLOUD_CREDENTIALS_URI", text)])).await;
        assert_eq!((variable.kind(), variable.code()), (ErrorKind::Failed, Some("InvalidCredentialsUri")));
        assert!(variable.message().contains("ALIBABA_CLOUD_CREDENTIALS_URI"));
        let given = error(&world, &world.provider(&[]).uri(text)).await;
        assert_eq!((given.kind(), given.code()), (ErrorKind::InvalidInput, Some("InvalidCredentialsUri")));
    }
    assert!(world.http.seen().is_empty());
}

#[tokio::test]
async fn plain_http_stays_on_this_machine_and_its_link_and_uses_no_proxy() {
    let world = World::serving();
    for (uri, address) in [
        ("http://127.0.0.1:1/c?key=fake-secret", "127.0.0.1"),
        ("http://[::1]:1/c", "::1"),
        ("http://[fe80::1]/c", "fe80::1"),
        ("http://169.254.1.1/c", "169.254.1.1"),
        ("http://100.100.100.200/c", "100.100.100.200"),
        ("http://LOCALHOST:1/c", "127.0.0.1"),
        ("http://sidecar.internal/c", "169.254.1.1"),
    ] {
        let before = world.http.seen().len();
        let found = world.provider(&[]).uri(uri).provide_credentials().await.unwrap();
        assert_eq!((found.access_key_id(), found.provider_name()), ("STS.of-uri", "credentials_uri"));
        assert_eq!(world.went()[before..], [(address.to_owned(), false)], "{uri}");
    }
    let (request, options) = &world.http.seen()[0];
    assert_eq!(request.uri(), "http://127.0.0.1:1/c?key=fake-secret");
    assert_eq!((options.connect_timeout, options.timeout), (Duration::from_secs(5), Duration::from_secs(10)));
    assert_eq!(options.max_body, 64 * 1024);
}

#[tokio::test]
async fn plain_http_to_anywhere_else_is_refused_before_anything_is_sent() {
    let world = World::serving();
    for host in ["elsewhere.example", "half.example", "203.0.113.7", "10.0.0.1", "[2001:db8::1]", "0.0.0.0"] {
        let error = error(&world, &world.provider(&[]).uri(format!("http://{host}:8080/fake-secret"))).await;
        assert_eq!(error.code(), Some("PlainHttp"));
        assert!(error.message().contains(&format!("http://{host}:8080 ")), "{error}");
    }
    let nowhere = error(&world, &world.provider(&[]).uri("http://no-such.example/fake-secret")).await;
    assert_eq!((nowhere.kind(), nowhere.code()), (ErrorKind::Unreachable, Some("ConnectFailed")));
    assert!(world.http.seen().is_empty());
}

#[tokio::test]
async fn a_name_that_changes_its_address_leads_plain_http_nowhere_else() {
    let world = World::serving();
    let provider = world.provider(&[]).uri("http://rebinding.example/c");
    assert!(provider.provide_credentials().await.is_ok());
    assert_eq!(world.went(), [("127.0.0.1".to_owned(), false)], "the address that was checked is the one used");
    assert_eq!(*world.lookups.lock().unwrap(), 1, "resolved once");
    assert_eq!(error(&world, &provider).await.code(), Some("PlainHttp"));
    assert_eq!(world.http.seen().len(), 1);
}

#[tokio::test]
async fn hosts_that_the_user_allows_and_https_go_anywhere_by_the_proxy_that_is_set() {
    let world = World::serving();
    for (uri, allowed, went) in [
        ("http://elsewhere.example:1/c", "ELSEWHERE.example.", ("-", true)),
        ("http://no-such.example/c", "no-such.example", ("-", true)),
        ("http://203.0.113.7/c", "203.0.113.7", ("-", true)),
        ("http://[2001:db8::1]/c", "2001:db8::1", ("-", true)),
        ("http://sidecar.internal/c", "sidecar.internal", ("169.254.1.1", false)),
        ("https://elsewhere.example/c", "", ("-", true)),
        ("https://localhost/c", "", ("-", false)),
        ("https://169.254.1.1/c", "", ("-", false)),
    ] {
        let before = world.http.seen().len();
        world.provider(&[]).uri(uri).allow_host(allowed).provide_credentials().await.unwrap();
        assert_eq!(world.went()[before..], [(went.0.to_owned(), went.1)], "{uri}");
    }
    let other = world.provider(&[]).uri("http://elsewhere.example/").allow_host("example");
    assert_eq!(error(&world, &other).await.code(), Some("PlainHttp"), "a host, not what it ends with");
}

#[tokio::test]
async fn where_one_kind_of_address_cannot_connect_the_other_is_tried() {
    let world = World::new([("localhost", vec![vec!["::1", "127.0.0.1"]])].into(), |_| broken(HttpErrorKind::Connect));
    let provider = world.provider(&[]).uri("http://localhost:1/");
    let failed = error(&world, &provider).await;
    assert_eq!((failed.kind(), failed.code()), (ErrorKind::Unreachable, Some("ConnectFailed")));
    let both = [("127.0.0.1".to_owned(), false), ("::1".to_owned(), false)];
    assert_eq!(world.went(), [both.clone(), both.clone(), both].concat(), "three times each");
    // What took too long is not sent twice.
    let world = World::new([("localhost", vec![vec!["::1", "127.0.0.1"]])].into(), |_| broken(HttpErrorKind::Timeout));
    assert_eq!(error(&world, &world.provider(&[]).uri("http://localhost:1/")).await.code(), Some("Timeout"));
    assert_eq!(world.http.seen().len(), 1);
}

#[tokio::test]
async fn code_may_be_missing_and_the_four_members_may_not() {
    let ask = async |body: String| {
        let world = World::new(Names::new(), move |_| answer(200, body.clone()));
        world.provider(&[]).uri("http://127.0.0.1/fake-path").provide_credentials().await
    };
    let whole = session("STS.fake");
    assert!(ask(whole.clone()).await.is_ok());
    assert!(ask(whole.replace("\"Code\"", "\"Other\"")).await.is_ok());
    for (from, to, what) in [
        ("Success", "Failure", "Failure"),
        ("\"Expiration\"", "\"Other\"", "Expiration"),
        ("2026-01-02T03:04:05Z", "1767323045", "RFC 3339"),
        ("\"fake-secret\"", "\"\"", "AccessKeySecret"),
        ("\"fake-token\"", "null", "SecurityToken"),
        ("\"STS.fake\"", "7", "AccessKeyId"),
        ("}", "", "breaks off"),
    ] {
        let error = ask(whole.replace(from, to)).await.unwrap_err();
        assert!(error.message().contains(what), "{error}");
        assert!(!format!("{error:#} {error:?}").contains("fake"), "{error}");
    }
}

#[tokio::test]
async fn only_200_is_success_and_redirects_are_not_followed() {
    for status in [201, 204, 302, 400, 403, 404, 500] {
        let world = World::new(Names::new(), move |_| answer(status, session("STS.fake")));
        let error = error(&world, &world.provider(&[]).uri("http://127.0.0.1/fake-path")).await;
        assert_eq!(error.http_status(), Some(status));
        assert_eq!(world.http.seen().len(), if status == 500 { 3 } else { 1 }, "{status}");
    }
}

#[tokio::test]
async fn an_answer_that_is_too_large_is_cut_off() {
    let world = World::new(Names::new(), |_| answer(200, "x".repeat(64 * 1024 + 1)));
    assert_eq!(error(&world, &world.provider(&[]).uri("http://127.0.0.1/")).await.kind(), ErrorKind::InvalidResponse);
}
