//! Logins that a person makes, against the emulator: what is written, what is refused, and what nobody gets to see.

#![allow(clippy::disallowed_methods)] // a listener on loopback and a browser share the machine's own clock

use std::fs;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::time::Duration;

use alibabacloud_credentials::login::{CloudSsoLogin, LoggedIn, OAuthLogin, Page, PendingOAuthLogin, Site};
use alibabacloud_credentials::{ConfigFile, Context, DefaultCredentialChain, Error, ErrorKind, NewProfile, TestClock};
use alibabacloud_emulator::{Emulator, Fault, LoginDecision};
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::Mutex;

use crate::support::drive::drive;
use crate::support::leaks::Exposed;
use crate::support::plain_http;
use crate::support::redirect::Redirect;

const SIGN_IN_URL: &str = "https://signin-xx.example/tenant/login";
const ACCOUNT: &str = "1234567890123456";

/// The ports are the same for all logins of a machine.
static PORTS: Mutex<()> = Mutex::const_new(());

struct World {
    emulator: Emulator,
    home: PathBuf,
}

impl World {
    async fn new(name: &str) -> Self {
        // Not ten seconds even when it is told to slow down: those are a request's own limit.
        let emulator = Emulator::builder().device_interval(4).start().await.unwrap();
        let folder = format!("interactive-login-{}-{name}", std::process::id());
        let home = Path::new(env!("CARGO_TARGET_TMPDIR")).join(folder);
        let _ = fs::remove_dir_all(&home);
        fs::create_dir_all(&home).unwrap();
        Self { emulator, home }
    }

    fn context(&self) -> Context {
        let env = [("HOME", self.home.to_str().unwrap())];
        Context::builder().env(env).http(Redirect::to(self.emulator.http_addr())).build()
    }

    /// A context whose clock stands still until [`Self::drive`] moves it, with the emulator's.
    fn slow_context(&self) -> (Context, TestClock) {
        let clock = TestClock::new(self.emulator.now());
        self.emulator.freeze_clock_at(self.emulator.now());
        let env = [("HOME", self.home.to_str().unwrap())];
        let sender = Redirect::to(self.emulator.http_addr());
        (Context::builder().env(env).http(sender).clock(clock.clone()).build(), clock)
    }

    /// Drives `call` to its end; pauses pass at once, for the emulator too.
    async fn drive<T>(&self, clock: &TestClock, call: impl Future<Output = T>) -> T {
        let mut call = std::pin::pin!(call);
        loop {
            let polled = std::future::poll_fn(|cx| std::task::Poll::Ready(call.as_mut().poll(cx))).await;
            if let std::task::Poll::Ready(value) = polled {
                return value;
            }
            // The limits of a request are not waited for.
            if let Some(pause) = clock.next_wake().filter(|pause| *pause != Duration::from_secs(10)) {
                clock.advance(pause);
                self.emulator.advance_clock(pause);
            }
            tokio::task::yield_now().await;
        }
    }

    fn oauth(&self, site: Site) -> OAuthLogin {
        OAuthLogin::new(site).profile("dev").context(self.context())
    }

    fn cloud_sso(&self, context: Context) -> CloudSsoLogin {
        CloudSsoLogin::new(SIGN_IN_URL).profile("dev").context(context)
    }

    fn file(&self) -> PathBuf {
        self.home.join(".aliyun/config.json")
    }

    fn write(&self, text: &str) {
        fs::create_dir_all(self.file().parent().unwrap()).unwrap();
        fs::write(self.file(), text).unwrap();
    }

    fn text(&self) -> String {
        fs::read_to_string(self.file()).unwrap_or_default()
    }

    fn profile(&self, name: &str) -> Value {
        let config: Value = serde_json::from_str(&self.text()).unwrap();
        config["profiles"].as_array().unwrap().iter().find(|profile| profile["name"] == name).unwrap().clone()
    }

    /// Opens an address of a service, as a browser does: the status, and the address that it is sent on to.
    async fn open(&self, url: &str) -> (u16, Option<String>) {
        let uri: http::Uri = url.parse().unwrap();
        let path = uri.path_and_query().unwrap();
        let url = format!("http://{}{path}", self.emulator.http_addr());
        let answer = plain_http::client().build().unwrap().get(url).send().await.unwrap();
        let location = answer.headers().get("location").map(|location| location.to_str().unwrap().to_owned());
        (answer.status().as_u16(), location)
    }

    /// The address that the browser of a person who approves is sent to.
    async fn approved(&self, page: &Page) -> String {
        let (status, location) = self.open(page.url()).await;
        assert_eq!(status, 302);
        location.unwrap()
    }

    /// Waits for a login, while a browser does `visits` one after the other.
    async fn wait(&self, pending: &PendingOAuthLogin, visits: &[&str]) -> (Result<LoggedIn, Error>, Vec<String>) {
        let browser = async {
            let mut answers = Vec::new();
            for visit in visits {
                answers.push(visit_loopback(visit, "GET", None).await);
            }
            answers
        };
        tokio::join!(pending.wait(), browser)
    }

    async fn session(&self, name: &str) -> Result<String, Error> {
        let chain = DefaultCredentialChain::builder().context(self.context()).profile(name).build();
        chain.credentials().await.map(|session| session.provider_name().to_owned())
    }
}

impl Drop for World {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.home);
    }
}

/// Asks the listener, and reads its whole answer.
async fn visit_loopback(url: &str, method: &str, host: Option<&str>) -> String {
    let rest = url.strip_prefix("http://").unwrap();
    let (authority, path) = rest.split_once('/').unwrap();
    let mut stream = TcpStream::connect(authority).await.unwrap();
    let host = host.unwrap_or(authority);
    let request = format!("{method} /{path} HTTP/1.1\r\nHost: {host}\r\nAccept: text/html\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    let _ = stream.read_to_string(&mut answer).await;
    answer
}

fn query_of<'a>(url: &'a str, name: &str) -> &'a str {
    let rest = url.split_once(&format!("{name}=")).unwrap().1;
    rest.split('&').next().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_browser_logs_in_at_both_sites_and_the_chain_uses_the_profile() {
    let _ports = PORTS.lock().await;
    for (site, name, host) in
        [(Site::China, "CN", "signin.aliyun.com"), (Site::International, "INTL", "signin.alibabacloud.com")]
    {
        let world = World::new(&format!("oauth-{name}")).await;
        let pending = world.oauth(site).region("cn-shanghai").start().await.unwrap();
        let url = pending.page().url().to_owned();
        assert!(url.starts_with(&format!("https://{host}/oauth2/v1/auth?response_type=code&client_id=")), "{url}");
        assert!(!world.file().exists(), "nothing is written before the person has logged in");
        let back = world.approved(pending.page()).await;
        let (logged_in, answers) = world.wait(&pending, &[&back]).await;
        let logged_in = logged_in.unwrap();
        assert_eq!((logged_in.profile(), logged_in.config_file()), ("dev", world.file().as_path()));
        let left = logged_in.access_token_expiration().duration_since(world.emulator.now()).unwrap();
        assert!(left > Duration::from_secs(3500) && left <= Duration::from_secs(3600));
        assert!(answers[0].starts_with("HTTP/1.1 200 OK\r\n"), "{}", answers[0]);
        for header in ["Cache-Control: no-store", "Referrer-Policy: no-referrer", "default-src 'none'"] {
            assert!(answers[0].contains(header), "{}", answers[0]);
        }
        let code = query_of(&back, "code").to_owned();
        assert!(!answers[0].contains(&code) && !answers[0].contains(query_of(&back, "state")));
        let profile = world.profile("dev");
        assert_eq!(
            (profile["mode"].as_str(), profile["oauth_site_type"].as_str(), profile["region_id"].as_str()),
            (Some("OAuth"), Some(name), Some("cn-shanghai"))
        );
        assert!(
            world.text().starts_with("{\n\t\"current\": \"dev\",\n\t\"profiles\": [\n\t\t{\n\t\t\t\"name\": \"dev\"")
        );
        assert_eq!(world.session("dev").await.unwrap(), "default/cli_profile/oauth");
        #[cfg(unix)]
        for (path, mode) in [(world.file(), 0o600), (world.home.join(".aliyun"), 0o700)] {
            let found = std::os::unix::fs::PermissionsExt::mode(&fs::metadata(path).unwrap().permissions());
            assert_eq!(found & 0o777, mode);
        }
        // A second login renews the first one, and the session that may be another person's is gone.
        let before = world.text();
        let other =
            before.replace("\"meta_path\"", "\"x\"").replace("\t\t}\n\t]", "\t\t}\n\t],\n\t\"meta_path\": \"\"");
        world.write(&other);
        let pending = world.oauth(site).start().await.unwrap();
        let back = world.approved(pending.page()).await;
        world.wait(&pending, &[&back]).await.0.unwrap();
        let renewed = world.profile("dev");
        assert_ne!(renewed["oauth_refresh_token"], profile["oauth_refresh_token"]);
        assert_eq!((renewed["sts_token"].as_str(), renewed["sts_expiration"].as_i64()), (Some(""), Some(0)));
        assert_eq!(renewed["region_id"], "cn-shanghai");
        assert!(world.text().ends_with("\t],\n\t\"meta_path\": \"\"\n}\n"));
        assert_eq!(world.session("dev").await.unwrap(), "default/cli_profile/oauth");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_does_not_belong_to_the_login_is_refused_and_does_not_end_it() {
    let _ports = PORTS.lock().await;
    let world = World::new("strangers").await;
    let pending = world.oauth(Site::China).start().await.unwrap();
    let back = world.approved(pending.page()).await;
    let wrong_state = back.replace("state=", "state=0");
    let stranger = async {
        let mut statuses = Vec::new();
        for (url, method, host) in [
            (wrong_state.as_str(), "GET", None),
            (&back.replace("state=", "x="), "GET", None),
            (&back.replace("code=", "x="), "GET", None),
            (&back, "POST", None),
            (&back.replace("/cli/callback", "/favicon.ico"), "GET", None),
            (&back, "GET", Some("evil.example")),
            (&back, "GET", Some("localhost:12345")),
            (&back.replace("/cli", &format!("/{}", "x".repeat(40_000))), "GET", None),
        ] {
            let answer = visit_loopback(url, method, host).await;
            assert!(!answer.contains(query_of(&back, "code")));
            statuses.push(answer.get(9..12).unwrap_or_default().to_owned());
        }
        // Twenty who say nothing do not keep the browser away for longer than they may.
        let authority = back.strip_prefix("http://").unwrap().split('/').next().unwrap();
        let mut silent = Vec::new();
        for _ in 0..15 {
            silent.push(TcpStream::connect(authority).await.unwrap());
        }
        visit_loopback(&back, "GET", None).await;
        statuses
    };
    let (logged_in, statuses) = tokio::join!(pending.wait(), stranger);
    assert_eq!(statuses, ["400", "400", "400", "405", "404", "421", "421", ""]);
    assert_eq!(logged_in.unwrap().profile(), "dev");
    assert_eq!(world.emulator.calls().iter().filter(|call| call.action == "token").count(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_code_that_was_pasted_does_as_well() {
    let world = World::new("pasted").await;
    let login = || world.oauth(Site::China).listen(false);
    let pending = login().start().await.unwrap();
    let back = world.approved(pending.page()).await;
    for (pasted, code) in [
        ("what?", "LoginPasteInvalid"),
        (&back.replace("state=", "state=0"), "LoginStateMismatch"),
        (&back.replace("state=", "x="), "LoginPasteInvalid"),
    ] {
        let error = pending.finish_with(pasted).await.unwrap_err();
        assert_eq!(error.code(), Some(code));
        assert!(!format!("{error:#} {error:?}").contains(query_of(&back, "code")));
    }
    assert_eq!(pending.wait().await.unwrap_err().code(), Some("LoginNotListening"));
    pending.finish_with(&format!(" {back}\n")).await.unwrap();
    assert_eq!(world.session("dev").await.unwrap(), "default/cli_profile/oauth");
    let pending = login().start().await.unwrap();
    let back = world.approved(pending.page()).await;
    pending.finish_with(query_of(&back, "code")).await.unwrap();
    // It was spent.
    let error = pending.finish_with(query_of(&back, "code")).await.unwrap_err();
    assert_eq!((error.code(), error.http_status()), (Some("LoginRefused"), Some(400)));
    assert_eq!(error.remedy(), Some("begin the login again"));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_code_of_another_login_is_refused_by_its_verifier_and_nothing_is_written() {
    let world = World::new("verifier").await;
    let login = || world.oauth(Site::China).listen(false).start();
    let (mine, other) = (login().await.unwrap(), login().await.unwrap());
    let back = world.approved(other.page()).await;
    let code = query_of(&back, "code");
    let error = mine.finish_with(code).await.unwrap_err();
    assert_eq!((error.kind(), error.code()), (ErrorKind::Refused, Some("LoginRefused")));
    assert!(error.message().contains("oauth.aliyun.com") && error.message().contains("(invalid_grant)"), "{error}");
    assert!(!world.file().exists());
    let mut exposed = Exposed::default();
    exposed.error(&error);
    exposed.debug("the login", &mine);
    exposed.debug("its page", mine.page());
    let secrets = [code, query_of(mine.page().url(), "state"), query_of(&back, "state")].map(str::to_owned);
    assert_eq!(exposed.leaks(&secrets), Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_login_that_is_refused_left_or_given_up_writes_nothing() {
    let _ports = PORTS.lock().await;
    let world = World::new("nothing").await;
    world.emulator.decide_logins(LoginDecision::Deny);
    let pending = world.oauth(Site::China).start().await.unwrap();
    let back = world.approved(pending.page()).await;
    let (result, answers) = world.wait(&pending, &[&back]).await;
    let error = result.unwrap_err();
    assert_eq!((error.kind(), error.code()), (ErrorKind::Refused, Some("LoginDenied")));
    assert!(error.message().ends_with("(access_denied)") && answers[0].starts_with("HTTP/1.1 200"), "{error}");
    drop(pending);
    // Nobody comes.
    let (context, clock) = world.slow_context();
    let pending = world.oauth(Site::China).context(context).timeout(Duration::from_secs(60)).start().await.unwrap();
    let error = world.drive(&clock, pending.wait()).await.unwrap_err();
    assert_eq!((error.kind(), error.code()), (ErrorKind::TimedOut, Some("LoginTimedOut")));
    assert_eq!(pending.finish_with("code").await.unwrap_err().code(), Some("LoginTimedOut"));
    drop(pending);
    // Given up: the port is free again.
    for _ in 0..2 {
        let pending = world.oauth(Site::China).start().await.unwrap();
        let back = world.approved(pending.page()).await;
        assert!(back.is_empty() || query_of(pending.page().url(), "redirect_uri").contains("12345"));
        let mut wait = Box::pin(pending.wait());
        assert!(std::future::poll_fn(|cx| std::task::Poll::Ready(wait.as_mut().poll(cx))).await.is_pending());
    }
    assert!(!world.file().exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_port_that_is_busy_is_passed_over_and_five_are_an_error() {
    let _ports = PORTS.lock().await;
    let world = World::new("ports").await;
    let busy = TcpListener::bind("127.0.0.1:12345").unwrap();
    let pending = world.oauth(Site::China).start().await.unwrap();
    let back = world.approved(pending.page()).await;
    assert!(back.starts_with("http://127.0.0.1:12346/cli/callback?"), "{back}");
    world.wait(&pending, &[&back]).await.0.unwrap();
    drop(pending);
    let others: Vec<_> = (12_346..=12_349).map(|port| TcpListener::bind(("127.0.0.1", port)).unwrap()).collect();
    let error = world.oauth(Site::China).start().await.unwrap_err();
    assert_eq!(error.code(), Some("LoginPortBusy"));
    assert!(world.oauth(Site::China).listen(false).start().await.is_ok());
    drop((busy, others));
}

#[tokio::test(flavor = "multi_thread")]
async fn before_anyone_logs_in_it_is_clear_that_the_profile_can_be_written() {
    let world = World::new("before").await;
    let start = || world.oauth(Site::China).listen(false).start();
    let code = |error: Error| (error.code().unwrap().to_owned(), error.to_string());
    let ak =
        r#"{"current":"dev","profiles":[{"name":"dev","mode":"AK","access_key_id":"i","access_key_secret":"canary"}]}"#;
    for (text, wanted, told) in [
        (ak, "ProfileExists", "has mode AK"),
        (
            r#"{"profiles":[{"name":"dev","access_key_id":"i","access_key_secret":"canary"}]}"#,
            "ProfileExists",
            "mode AK",
        ),
        (r#"{"profiles":[{"name":"dev","mode":"Canary2"}]}"#, "ProfileExists", "mode Canary2"),
        (r#"{"profiles":[{"name":"dev""#, "ConfigMalformed", "ends too early"),
        (r#"{"profiles":[{"name":"dev","name":"x"}]}"#, "ConfigMalformed", "has a key twice"),
    ] {
        world.write(text);
        let (found, message) = code(start().await.unwrap_err());
        assert_eq!(found, wanted, "{message}");
        assert!(message.contains(told) && !message.contains("canary"), "{message}");
        assert_eq!(world.text(), text);
        let sso = world.cloud_sso(world.context()).start().await.unwrap_err();
        assert_eq!(sso.code(), Some(wanted));
    }
    fs::create_dir(world.home.join(".aliyun/.config.json.new")).unwrap();
    world.write("{}");
    assert_eq!(code(start().await.unwrap_err()).0, "ConfigNotWritten");
    for (login, wanted) in [
        (world.oauth(Site::China).profile(""), "InvalidParameter.ProfileName"),
        (world.oauth(Site::China).region("cn x"), "InvalidRegion"),
        (world.oauth(Site::China).config_file("/dev/null/x/config.json"), "ConfigNotWritten"),
    ] {
        assert_eq!(code(login.listen(false).start().await.unwrap_err()).0, wanted);
    }
    assert_eq!(world.emulator.calls().len(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_turns_bad_while_the_person_logs_in_is_left_as_it_is() {
    let world = World::new("meanwhile").await;
    for (text, wanted) in [
        ("{\"profiles\": [] /* mine */}", "ConfigMalformed"),
        (r#"{"profiles":[{"name":"dev","mode":"AK","access_key_id":"i","access_key_secret":"s"}]}"#, "ProfileExists"),
        (r#"{"x":1,"x":2,"profiles":[]}"#, "ConfigNotWritten"),
    ] {
        world.write("{}");
        let pending = world.oauth(Site::China).listen(false).start().await.unwrap();
        let back = world.approved(pending.page()).await;
        world.write(text);
        let error = pending.finish_with(&back).await.unwrap_err();
        assert_eq!((error.code(), world.text().as_str()), (Some(wanted), text), "{error}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_person_logs_in_to_cloud_sso_on_another_device() {
    let world = World::new("sso").await;
    let (context, clock) = world.slow_context();
    let pending = world.cloud_sso(context.clone()).region("cn-shanghai").start().await.unwrap();
    let page = pending.page().clone();
    let code = page.user_code().unwrap();
    assert!(page.url().ends_with(&format!("/device?user_code={code}")), "{}", page.url());
    // Three polls before the person comes; one fails.
    world.emulator.fail_next("cloudsso/token", Fault::answered());
    world.emulator.fail_next("cloudsso/token", Fault::new(503, "ServiceUnavailable"));
    let person = async {
        let polls = || world.emulator.calls().iter().filter(|call| call.action == "token").count();
        while polls() < 3 {
            tokio::task::yield_now().await;
        }
        assert_eq!(world.open(page.url()).await.0, 200);
    };
    let (user, ()) = world.drive(&clock, async { tokio::join!(pending.wait(), person) }).await;
    let user = user.unwrap();
    assert!(!world.file().exists(), "nothing is written before something is chosen");
    let accounts = world.drive(&clock, user.accounts()).await.unwrap();
    assert_eq!(accounts.iter().map(ToString::to_string).collect::<Vec<_>>()[0], format!("emulated ({ACCOUNT})"));
    let configurations = world.drive(&clock, user.access_configurations(ACCOUNT)).await.unwrap();
    assert_eq!((configurations.len(), configurations[0].id.as_str()), (1, "ac-emulator"));
    assert_eq!(user.choose("a b", "ac-emulator").await.unwrap_err().code(), Some("LoginIdInvalid"));
    let logged_in = user.choose(ACCOUNT, "ac-emulator").await.unwrap();
    assert_eq!(logged_in.profile(), "dev");
    let profile = world.profile("dev");
    for (member, value) in [
        ("mode", "CloudSSO"),
        ("cloud_sso_sign_in_url", SIGN_IN_URL),
        ("cloud_sso_account_id", ACCOUNT),
        ("cloud_sso_access_config", "ac-emulator"),
        ("region_id", "cn-shanghai"),
    ] {
        assert_eq!(profile[member], value);
    }
    let chain = DefaultCredentialChain::builder().context(context).profile("dev").build();
    let session = drive(&clock, chain.credentials()).await.unwrap();
    assert_eq!(session.provider_name(), "default/cli_profile/cloud_sso");
    let mut exposed = Exposed::default();
    exposed.debug("the user", &user);
    exposed.debug("the pending login", &pending);
    exposed.debug("the result", &logged_in);
    assert_eq!(exposed.leaks(&[profile["access_token"].as_str().unwrap().to_owned()]), Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn lists_are_read_page_by_page_and_one_that_is_to_be_chosen_from_is_listed() {
    let world = World::new("pages").await;
    let (context, clock) = world.slow_context();
    let first = r#"{"Accounts":[{"AccountId":"1","DisplayName":"one"}],"IsTruncated":true,"NextToken":"1"}"#;
    world.emulator.fail_next("cloudsso/accounts", Fault::answered().body(first));
    let login = || world.cloud_sso(context.clone());
    let run = |login: CloudSsoLogin| async {
        let pending = login.clone().start().await.unwrap();
        drop(pending);
        let (sender, receiver) = tokio::sync::oneshot::channel();
        let person = async {
            let url: String = receiver.await.unwrap();
            world.open(&url).await;
        };
        let login = login.run(|page| drop(sender.send(page.url().to_owned())));
        world.drive(&clock, async { tokio::join!(login, person).0 }).await
    };
    let error = run(login()).await.unwrap_err();
    assert_eq!(error.code(), Some("LoginAmbiguous"));
    assert!(error.message().contains("one (1), emulated and empty (1234567890123457)"), "{error}");
    let error = run(login().account("1234567890123457")).await.unwrap_err();
    assert_eq!(error.code(), Some("NoAssignment"));
    let error = run(login().account("5")).await.unwrap_err();
    assert_eq!((error.code(), error.http_status()), (Some("LoginRefused"), Some(403)));
    assert!(!world.file().exists());
    run(login().account(ACCOUNT)).await.unwrap();
    assert_eq!(world.profile("dev")["cloud_sso_access_config"], "ac-emulator");
    let queries: Vec<_> = world.emulator.calls().iter().map(|call| call.path_and_query.clone()).collect();
    assert!(queries.contains(&"/access-assignments/accounts?MaxResults=100&NextToken=1".to_owned()), "{queries:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_device_that_is_refused_or_forgotten_says_so() {
    let world = World::new("device").await;
    let (context, clock) = world.slow_context();
    let start = || world.cloud_sso(context.clone()).start();
    world.emulator.decide_logins(LoginDecision::Deny);
    let pending = start().await.unwrap();
    world.open(pending.page().url()).await;
    let error = world.drive(&clock, pending.wait()).await.unwrap_err();
    assert_eq!((error.kind(), error.code()), (ErrorKind::Refused, Some("LoginDenied")));
    world.emulator.decide_logins(LoginDecision::Leave);
    // The service forgets the code before the limit, or the limit comes first.
    for limit in [3600, 100] {
        let pending = world.cloud_sso(context.clone()).timeout(Duration::from_secs(limit)).start().await.unwrap();
        let calls = world.emulator.calls().len();
        let error = world.drive(&clock, pending.wait()).await.unwrap_err();
        assert_eq!((error.kind(), error.code()), (ErrorKind::TimedOut, Some("LoginTimedOut")));
        let polls = world.emulator.calls().len() - calls;
        assert!(polls <= 151, "{polls} polls");
    }
    // Told to slow down, it does.
    let pending = start().await.unwrap();
    let body = r#"{"ErrorCode":"SlowDown","ErrorMessage":"x","RequestId":"R-1"}"#;
    world.emulator.fail_next("cloudsso/token", Fault::new(400, "SlowDown").body(body));
    let (began, calls) = (world.emulator.now(), world.emulator.calls().len());
    let mut wait = Box::pin(pending.wait());
    loop {
        let polled = std::future::poll_fn(|cx| std::task::Poll::Ready(wait.as_mut().poll(cx))).await;
        assert!(polled.is_pending());
        if world.emulator.calls().len() >= calls + 2 {
            break;
        }
        if let Some(pause) = clock.next_wake().filter(|pause| *pause != Duration::from_secs(10)) {
            clock.advance(pause);
            world.emulator.advance_clock(pause);
        }
        tokio::task::yield_now().await;
    }
    assert_eq!(world.emulator.now().duration_since(began).unwrap(), Duration::from_secs(4 + 9));
    drop(wait);
    // What is no refusal that is known ends it, and holds nothing of the body.
    let pending = start().await.unwrap();
    world
        .emulator
        .fail_next("cloudsso/token", Fault::new(400, "X").body(r#"{"ErrorCode":"InvalidGrant","x":"canary"}"#));
    let error = world.drive(&clock, pending.wait()).await.unwrap_err();
    assert_eq!((error.code(), error.remedy()), (Some("LoginRefused"), Some("begin the login again")));
    assert!(!format!("{error:?}").contains("canary"));
    assert!(!world.file().exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_that_answers_nonsense_starts_no_login() {
    let world = World::new("nonsense").await;
    let good =
        r#"{"DeviceCode":"canary","UserCode":"A-1","VerificationUriComplete":"https://x.example/d","Interval":5}"#;
    for (body, told) in [
        ("<html>", "without a JSON object"),
        ("{}", "without DeviceCode"),
        (&good.replace("canary", "can ary"), "without DeviceCode"),
        (&good.replace("https://x.example/d", "file:///canary"), "without a VerificationUri over HTTPS"),
        (&good.replace("https://x.example/d", "http://x.example/canary"), "without a VerificationUri over HTTPS"),
    ] {
        world.emulator.fail_next("cloudsso/device-authorization", Fault::answered().body(body));
        let error = world.cloud_sso(world.context()).start().await.unwrap_err();
        assert!(error.message().contains(told), "{body}: {error}");
        assert!(!format!("{error:#} {error:?}").contains("canary"), "{error:?}");
    }
    for url in ["http://sso.example/x", "ftp://sso.example", "https://user:canary@sso.example/"] {
        let error = CloudSsoLogin::new(url).context(world.context()).start().await.unwrap_err();
        assert!(!format!("{error:#} {error:?}").contains("canary"), "{error:?}");
    }
    world.emulator.fail_next("oauth/token", Fault::answered().body(r#"{"access_token":"canary"}"#));
    let pending = world.oauth(Site::China).listen(false).start().await.unwrap();
    let back = world.approved(pending.page()).await;
    let error = pending.finish_with(&back).await.unwrap_err();
    assert!(error.message().contains("without refresh_token") && !format!("{error:?}").contains("canary"), "{error}");
    assert!(!world.file().exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn profiles_are_listed_added_and_switched_without_loss() {
    let world = World::new("profiles").await;
    let file = ConfigFile::new().context(world.context());
    assert_eq!(file.profiles().await.unwrap(), []);
    let key = |name: &str| {
        let profile = NewProfile::new(name, "AK").set("access_key_id", "LTAI5tExampleKeyId01");
        profile.set("access_key_secret", "a-fake-canary").set("region_id", "cn-hangzhou")
    };
    file.add(key("a")).await.unwrap();
    let role = NewProfile::new("b", "ChainableRamRoleArn").set("source_profile", "a").set("expired_seconds", "900");
    file.add(role.clone().set("ram_role_arn", "acs:ram::1234567890123456:role/media")).await.unwrap();
    let before = world.text();
    for (profile, code) in [
        (key("a"), "ProfileExists"),
        (role.clone(), "ProfileExists"),
        (NewProfile::new("c", "AK").set("access_key_id", "i"), "HalfSet"),
        (NewProfile::new("c", "Ak").set("access_key_id", "i"), "UnsupportedMode"),
        (key("c").set("access_key_secret", "a canary"), "InvalidKeyCharacter"),
        (key("c").set("acess_key_id", "i"), "InvalidParameter.ProfileMember"),
        (key("c").set("expired_seconds", "soon"), "InvalidParameter.ProfileMember"),
        (NewProfile::new("c", "OAuth").set("oauth_site_type", "CN"), "InvalidParameter.ProfileMode"),
        (
            NewProfile::new("c", "ChainableRamRoleArn")
                .set("source_profile", "d")
                .set("ram_role_arn", "acs:ram::1:role/x"),
            "ProfileNotFound",
        ),
        (key(" "), "InvalidParameter.ProfileName"),
    ] {
        let error = file.add(profile).await.unwrap_err();
        assert_eq!(error.code(), Some(code), "{error}");
        assert!(!format!("{error:?}").contains("canary"), "{error:?}");
    }
    assert_eq!(world.text(), before);
    file.switch("b").await.unwrap();
    assert_eq!(world.text(), before.replace("\"current\": \"a\"", "\"current\": \"b\""));
    assert_eq!(file.switch("c").await.unwrap_err().code(), Some("ProfileNotFound"));
    let profiles = file.profiles().await.unwrap();
    assert_eq!(
        profiles.iter().map(|profile| (profile.name.as_str(), profile.is_current)).collect::<Vec<_>>(),
        [("a", false), ("b", true)]
    );
    assert_eq!(profiles[1].members["expired_seconds"], 900);
    assert!(!format!("{profiles:?}").contains("canary"));
    assert_eq!(file.clear_session("a").await.unwrap_err().code(), Some("InvalidParameter.ProfileMode"));
    assert_eq!(file.clear_session("c").await.unwrap_err().code(), Some("ProfileNotFound"));
    let missing = ConfigFile::at(world.home.join("none.json")).context(world.context());
    assert_eq!(missing.switch("a").await.unwrap_err().code(), Some("ProfileNotFound"));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_session_of_a_login_is_cleared_and_its_tokens_stay() {
    let world = World::new("cleared").await;
    let pending = world.oauth(Site::China).listen(false).start().await.unwrap();
    let back = world.approved(pending.page()).await;
    pending.finish_with(&back).await.unwrap();
    world.session("dev").await.unwrap();
    let before = world.profile("dev");
    assert!(before["sts_expiration"].as_i64().unwrap() > 0);
    let file = ConfigFile::new().context(world.context());
    assert!(file.clear_session("dev").await.unwrap());
    assert!(!file.clear_session("dev").await.unwrap());
    let after = world.profile("dev");
    assert_eq!(
        (after["sts_token"].as_str(), after["oauth_refresh_token"].clone()),
        (Some(""), before["oauth_refresh_token"].clone())
    );
    world.session("dev").await.unwrap();
    assert_ne!(world.profile("dev")["access_key_id"], before["access_key_id"]);
}
