//! Profiles of mode `OAuth` and `CloudSSO` against the emulator: what is spent, what is written, and when somebody has to log in
//! again.

#![allow(clippy::disallowed_methods)] // a process that a test starts is told where the emulator is

use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use alibabacloud_credentials::{Context, Credentials, DefaultCredentialChain, Error, ErrorKind, TestClock};
use alibabacloud_emulator::{Emulator, Fault};
use serde_json::{Value, json};

use crate::support::drive::drive;
use crate::support::leaks::Exposed;
use crate::support::redirect::Redirect;

const CONFIG: &str = ".aliyun/config.json";

fn seconds(time: SystemTime) -> u64 {
    time.duration_since(UNIX_EPOCH).unwrap().as_secs()
}

/// An emulator, a clock, and a home directory with config.json.
struct World {
    emulator: Emulator,
    clock: TestClock,
    home: PathBuf,
}

impl World {
    async fn new(name: &str) -> Self {
        let emulator = Emulator::builder().start().await.unwrap();
        emulator.freeze_clock_at(UNIX_EPOCH + Duration::from_secs(1_800_000_000));
        let home = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("login-{}-{name}", std::process::id()));
        let _ = fs::remove_dir_all(&home);
        fs::create_dir_all(home.join(".aliyun")).unwrap();
        Self { clock: TestClock::new(emulator.now()), emulator, home }
    }

    /// The profile `dev` of mode OAuth, as the CLI writes it. The access token ends in so many seconds.
    fn oauth(&self, site: &str, left: i64) -> Value {
        let login = self.emulator.oauth_login(site).unwrap();
        json!({
            "name": "dev", "mode": "OAuth", "region_id": "cn-hangzhou", "language": "zh", "output_format": "json",
            "oauth_site_type": site, "oauth_access_token": login.access_token, "oauth_refresh_token": login.refresh_token,
            "oauth_access_token_expire": seconds(self.emulator.now()) as i64 + left,
        })
    }

    fn cloud_sso(&self) -> Value {
        let login = self.emulator.cloud_sso_login();
        json!({
            "name": "dev", "mode": "CloudSSO", "cloud_sso_sign_in_url": "https://signin-xx.example/tenant/login",
            "cloud_sso_account_id": "1234567890123456", "cloud_sso_access_config": "ac-emulator",
            "access_token": login.access_token, "cloud_sso_access_token_expire": seconds(login.expires),
        })
    }

    /// Writes config.json with tabs, as the CLI does.
    fn write(&self, profiles: &[Value]) {
        let config = json!({ "current": "dev", "profiles": profiles, "meta_path": "", "unknown": { "n": 1 } });
        fs::write(self.home.join(CONFIG), tabbed(&config)).unwrap();
    }

    fn text(&self) -> String {
        fs::read_to_string(self.home.join(CONFIG)).unwrap()
    }

    /// The profile of that name in config.json.
    fn profile(&self, name: &str) -> Value {
        let config: Value = serde_json::from_str(&self.text()).unwrap();
        config["profiles"].as_array().unwrap().iter().find(|profile| profile["name"] == name).unwrap().clone()
    }

    fn context(&self) -> Context {
        Context::builder()
            .env([("HOME", self.home.to_str().unwrap())])
            .http(Redirect::to(self.emulator.http_addr()))
            .clock(self.clock.clone())
            .build()
    }

    /// A chain as another process would have it.
    fn chain(&self) -> DefaultCredentialChain {
        DefaultCredentialChain::builder().context(self.context()).ecs_metadata(false).build()
    }

    async fn ask(&self) -> Result<Credentials, Error> {
        drive(&self.clock, self.chain().credentials()).await
    }

    fn advance(&self, by: Duration) {
        self.clock.advance(by);
        self.emulator.advance_clock(by);
    }

    /// Counts the renewals of tokens, and the sessions handed out or refused.
    fn calls(&self) -> (usize, usize) {
        let calls = self.emulator.calls();
        let of = |action: &str| calls.iter().filter(|call| call.action == action).count();
        (of("token"), of("exchange") + of("credentials"))
    }
}

impl Drop for World {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.home);
    }
}

fn tabbed(value: &Value) -> String {
    // Two blanks are what serde_json indents by, and no value of these tests begins with any.
    let text = serde_json::to_string_pretty(value).unwrap();
    let line = |line: &str| {
        let blanks = line.len() - line.trim_start().len();
        format!("{}{}\n", "\t".repeat(blanks / 2), line.trim_start())
    };
    text.lines().map(line).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_access_token_that_lasts_is_exchanged_and_only_the_sessions_members_are_written() {
    for site in ["CN", "INTL"] {
        let world = World::new(&format!("exchange-{site}")).await;
        world.write(&[world.oauth(site, 3600), json!({"name": "other", "mode": "AK"})]);
        let before = world.text();
        let session = world.ask().await.unwrap();
        assert_eq!(session.provider_name(), "default/cli_profile/oauth");
        assert_eq!(session.expiration(), Some(world.emulator.now() + Duration::from_secs(3600)));
        assert_eq!(world.calls(), (0, 1));
        let written = world.profile("dev");
        assert_eq!(written["access_key_id"], session.access_key_id());
        assert_eq!(written["access_key_secret"], session.access_key_secret());
        assert_eq!(written["sts_token"], session.security_token().unwrap());
        assert_eq!(written["sts_expiration"], seconds(session.expiration().unwrap()));
        let members = ["access_key_id", "access_key_secret", "sts_token", "sts_expiration"];
        let is_new = |line: &&str| members.iter().any(|member| line.trim_start().starts_with(&format!("\"{member}\"")));
        let others: Vec<String> = world.text().lines().filter(|line| !is_new(line)).map(str::to_owned).collect();
        // The line that was the last one of its object has got a comma.
        let same = |text: &str| text.replace(",\n", "\n");
        assert_eq!(same(&(others.join("\n") + "\n")), same(&before));
        // Another process uses what this one has written.
        assert_eq!(world.ask().await.unwrap().access_key_id(), session.access_key_id());
        assert_eq!(world.calls(), (0, 1));
    }
}

/// A profile of every mode with every member that version 3.4.11 of the CLI or an SDK knows, laid out as the CLI does.
const EVERY_MODE: &str = include_str!("login/every_mode.json");

#[tokio::test(flavor = "multi_thread")]
async fn of_a_file_of_the_newest_cli_with_every_mode_the_renewed_values_change_and_no_other_byte() {
    let world = World::new("every-mode").await;
    let (oauth, sso) = (world.oauth("CN", 0), world.cloud_sso());
    let text = EVERY_MODE
        .replace("oauth-access-token", oauth["oauth_access_token"].as_str().unwrap())
        .replace("oauth-refresh-token", oauth["oauth_refresh_token"].as_str().unwrap())
        .replace("sso-access-token", sso["access_token"].as_str().unwrap());
    fs::write(world.home.join(CONFIG), text).unwrap();
    let session = ["access_key_id", "access_key_secret", "sts_token", "sts_expiration"];
    let tokens = ["oauth_access_token", "oauth_refresh_token", "oauth_access_token_expire"];
    for (name, changed) in [("oauth", [&session[..], &tokens].concat()), ("sso", session.to_vec())] {
        let (mut expected, before) = (world.text(), world.profile(name));
        let chain = DefaultCredentialChain::builder().context(world.context()).profile(name).build();
        let given = drive(&world.clock, chain.credentials()).await.unwrap();
        let after = world.profile(name);
        assert_eq!(after["access_key_id"], given.access_key_id());
        for member in changed {
            let (old, new) = (before[member].to_string(), after[member].to_string());
            assert_eq!((expected.matches(&old).count(), old != new), (1, true), "{member}");
            expected = expected.replace(&old, &new);
        }
        assert_eq!(world.text(), expected, "{name}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_login_is_renewed_over_hours_and_each_refresh_token_is_spent_once() {
    let world = World::new("hours").await;
    world.write(&[world.oauth("CN", 3600)]);
    let mut ids = Vec::new();
    for hours in 0..4 {
        let session = world.ask().await.unwrap();
        assert!(!ids.contains(&session.access_key_id().to_owned()));
        ids.push(session.access_key_id().to_owned());
        assert_eq!(world.calls(), (hours, hours + 1));
        world.advance(Duration::from_secs(3600));
    }
    assert_eq!(world.emulator.summary().rejected, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn new_tokens_are_on_the_disk_before_they_are_used() {
    let world = World::new("before").await;
    world.write(&[world.oauth("CN", 0)]);
    let spent = world.profile("dev")["oauth_refresh_token"].clone();
    world.emulator.fail_next("oauth/exchange", Fault::new(503, "ServiceUnavailable").times(3));
    let error = world.ask().await.unwrap_err();
    assert_eq!(error.http_status(), Some(503));
    let written = world.profile("dev");
    assert_ne!(written["oauth_refresh_token"], spent);
    assert_eq!(written["oauth_access_token_expire"], seconds(world.emulator.now()) + 3600);
    let (renewed, _) = world.calls();
    assert!(world.ask().await.is_ok());
    assert_eq!((renewed, world.calls().0), (1, 1), "the new access token will do");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_service_that_fails_does_not_matter_while_the_access_token_will_do() {
    let world = World::new("outage").await;
    world.write(&[world.oauth("CN", 1100)]);
    world.emulator.fail_next("oauth/token", Fault::new(503, "ServiceUnavailable").times(9));
    assert!(world.ask().await.is_ok());
    assert_eq!(world.calls(), (1, 1), "a refresh token is not sent twice");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stored_session_is_used_when_it_cannot_be_renewed() {
    let world = World::new("stored").await;
    world.write(&[world.oauth("CN", 3600)]);
    let session = world.ask().await.unwrap();
    world.advance(Duration::from_secs(3000));
    world.emulator.revoke_logins();
    assert_eq!(world.ask().await.unwrap().access_key_id(), session.access_key_id());
    world.advance(Duration::from_secs(600));
    let error = world.ask().await.unwrap_err();
    assert_eq!(error.code(), Some("LoginExpired"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_login_that_is_over_says_how_to_log_in_again_and_shows_no_token() {
    let world = World::new("over").await;
    let spent = |mut profile: Value| {
        profile["oauth_refresh_token"] = json!("spent-fake-token");
        profile
    };
    let without = |mut profile: Value, member: &str| {
        profile.as_object_mut().unwrap().remove(member);
        profile
    };
    let past = |mut profile: Value| {
        profile["cloud_sso_access_token_expire"] = json!(1_799_999_999);
        profile
    };
    let revoked = |mut profile: Value, member: &str| {
        profile[member] = json!("revoked-fake-token");
        profile
    };
    for (profile, told, requests) in [
        (spent(world.oauth("CN", 0)), "oauth.aliyun.com refused the login (invalid_grant)", 1),
        (spent(world.oauth("INTL", 0)), "oauth.alibabacloud.com refused the login (invalid_grant)", 1),
        (without(world.oauth("CN", 0), "oauth_refresh_token"), "has an access token that has expired", 0),
        (past(world.cloud_sso()), "has an access token that has expired", 0),
        (revoked(world.cloud_sso(), "access_token"), "signin-xx.example refused the login (InvalidAccessToken)", 1),
    ] {
        world.write(std::slice::from_ref(&profile));
        let (before, calls) = (world.text(), world.emulator.calls().len());
        let error = world.ask().await.unwrap_err();
        assert_eq!(error.code(), Some("LoginExpired"), "{error}");
        assert!(error.message().contains("profile `dev` of") && error.message().contains(told), "{error}");
        let mode = profile["mode"].as_str().unwrap();
        let command =
            format!("log in again: alicred login --profile dev (or aliyun configure --mode {mode} --profile dev)");
        assert_eq!(error.remedy(), Some(command.as_str()));
        assert_eq!(world.emulator.calls().len() - calls, requests, "{told}");
        assert_eq!(world.text(), before);
        let mut exposed = Exposed::default();
        exposed.error(&error);
        let tokens = ["oauth_access_token", "oauth_refresh_token", "access_token"];
        let secrets: Vec<String> =
            tokens.iter().filter_map(|token| profile[*token].as_str()).map(str::to_owned).collect();
        assert_eq!(exposed.leaks(&secrets), Vec::<String>::new());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_access_token_that_was_revoked_before_its_time_is_renewed_once() {
    let world = World::new("revoked").await;
    let mut profile = world.oauth("CN", 3600);
    profile["oauth_access_token"] = json!("revoked-fake-token");
    world.write(&[profile]);
    assert!(world.ask().await.is_ok());
    assert_eq!(world.calls(), (1, 2));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stored_session_that_a_server_refused_or_that_is_too_short_is_replaced() {
    let world = World::new("refused").await;
    world.write(&[world.oauth("CN", 3600)]);
    let first = world.ask().await.unwrap();
    let chain = world.chain();
    let stored = drive(&world.clock, chain.credentials()).await.unwrap();
    assert_eq!((stored.access_key_id(), world.calls()), (first.access_key_id(), (0, 1)));
    assert!(chain.refresher().invalidate(&stored));
    let second = drive(&world.clock, chain.credentials()).await.unwrap();
    assert_eq!((second.access_key_id() == first.access_key_id(), world.calls()), (false, (0, 2)));
    // 40 minutes are left, which is enough for most, and not for this.
    world.advance(Duration::from_secs(1200));
    assert_eq!(world.ask().await.unwrap().access_key_id(), second.access_key_id());
    let chain = world.chain();
    let longer = drive(&world.clock, chain.credentials_valid_for(Duration::from_secs(3000))).await.unwrap();
    assert_eq!((longer.access_key_id() == second.access_key_id(), world.calls()), (false, (0, 3)));
}

#[tokio::test(flavor = "multi_thread")]
async fn cloud_sso_gives_a_session_for_the_account_and_the_access_configuration() {
    let world = World::new("sso").await;
    world.write(&[world.cloud_sso()]);
    let session = world.ask().await.unwrap();
    assert_eq!(session.provider_name(), "default/cli_profile/cloud_sso");
    let written = world.profile("dev");
    assert_eq!(written["access_key_id"], session.access_key_id());
    assert_eq!(written["sts_expiration"], seconds(session.expiration().unwrap()) - 5, "as the CLI stores it");
    assert_eq!(world.ask().await.unwrap().access_key_id(), session.access_key_id());
    assert_eq!(world.calls(), (0, 1));
    let mut foreign = world.cloud_sso();
    foreign["cloud_sso_access_config"] = json!("ac-other");
    world.write(&[foreign]);
    let error = world.ask().await.unwrap_err();
    assert_eq!(
        (error.kind(), error.code(), error.http_status()),
        (ErrorKind::Refused, Some("LoginRefused"), Some(403))
    );
    assert!(error.message().contains("(AccessDenied)"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_role_over_a_login_writes_into_the_logins_own_profile() {
    let world = World::new("chained").await;
    let mut login = world.oauth("CN", 3600);
    login["name"] = json!("login");
    let role = json!({
        "name": "dev", "mode": "ChainableRamRoleArn", "source_profile": "login",
        "ram_role_arn": "acs:ram::1234567890123456:role/tenant-7", "ram_session_name": "n7",
    });
    world.write(&[role.clone(), login]);
    let session = world.ask().await.unwrap();
    assert_eq!(session.provider_name(), "default/cli_profile/ram_role_arn/oauth");
    assert_eq!(world.profile("dev"), role);
    assert!(world.profile("login")["sts_token"].is_string());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_cannot_be_written_is_no_reason_to_have_no_session() {
    // For any user, also one whom no mode of a file holds up.
    type Bar = fn(&Path);
    let barred: [(&str, Bar); 3] = [
        ("lock", |folder| fs::create_dir(folder.join(".config.json.lock")).unwrap()),
        ("new", |folder| fs::create_dir(folder.join(".config.json.new")).unwrap()),
        ("twice", |folder| {
            let file = folder.join("config.json");
            let text = fs::read_to_string(&file).unwrap();
            fs::write(&file, text.replace("\"unknown\": {", "\"unknown\": {\n\t\t\"n\": 1,")).unwrap();
        }),
    ];
    for (name, bar) in barred {
        let world = World::new(&format!("barred-{name}")).await;
        world.write(&[world.oauth("CN", 0)]);
        bar(&world.home.join(".aliyun"));
        let before = world.text();
        let chain = world.chain();
        let session = drive(&world.clock, chain.credentials()).await.unwrap();
        assert_eq!(session.provider_name(), "default/cli_profile/oauth");
        assert_eq!((world.text(), world.calls()), (before, (1, 1)), "{name}");
        // The refresh token that could not be written is not forgotten while the process lives.
        world.advance(Duration::from_secs(3601));
        let next = drive(&world.clock, chain.credentials()).await.unwrap();
        assert_ne!(next.access_key_id(), session.access_key_id());
        assert_eq!(world.calls(), (2, 2), "{name}");
    }
}

/// The part of a test that runs in a process of its own: asks for the session of config.json.
#[test]
#[ignore = "started by other tests"]
fn asks_for_the_session_of_a_login() {
    let Ok(address) = std::env::var("LOGIN_TEST_EMULATOR") else { return };
    let address: SocketAddr = address.parse().unwrap();
    let home = std::env::var("LOGIN_TEST_HOME").unwrap();
    let context = Context::builder().env([("HOME", home)]).http(Redirect::to(address)).build();
    let chain = DefaultCredentialChain::builder().context(context).ecs_metadata(false).build();
    println!("ready");
    std::io::stdin().read_line(&mut String::new()).unwrap();
    let session = crate::support::block_on(chain.credentials()).unwrap();
    println!("session={}", session.access_key_id());
}

/// A real clock, since several processes take part.
async fn in_real_time(name: &str, profile: impl Fn(&World) -> Value) -> World {
    let world = World::new(name).await;
    world.emulator.freeze_clock_at(SystemTime::now());
    world.write(&[profile(&world)]);
    world
}

fn start(world: &World) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "login::asks_for_the_session_of_a_login", "--ignored", "--nocapture"])
        .env("LOGIN_TEST_EMULATOR", world.emulator.http_addr().to_string())
        .env("LOGIN_TEST_HOME", &world.home)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

/// Waits until the process is about to ask, and lets it go on when the result is dropped.
fn ready(child: &mut Child) -> (ChildStdin, BufReader<ChildStdout>) {
    let mut output = BufReader::new(child.stdout.take().unwrap());
    let mut line = String::new();
    while !line.ends_with("ready\n") {
        assert!(output.read_line(&mut line).unwrap() > 0, "{line}");
    }
    (child.stdin.take().unwrap(), output)
}

fn session_of(mut child: Child, mut output: BufReader<ChildStdout>) -> String {
    let mut text = String::new();
    output.read_to_string(&mut text).unwrap();
    assert!(child.wait().unwrap().success(), "{text}");
    text.split("session=").nth(1).and_then(|rest| rest.lines().next()).unwrap().to_owned()
}

/// Reads the file over and over, and is told what it finds wrong.
struct Reader {
    stop: Arc<AtomicBool>,
    wrong: Arc<Mutex<Vec<String>>>,
    thread: Option<std::thread::JoinHandle<u64>>,
}

impl Reader {
    fn of(world: &World) -> Self {
        let (stop, wrong) = (Arc::new(AtomicBool::new(false)), Arc::new(Mutex::new(Vec::new())));
        let (file, stopped, found) = (world.home.join(CONFIG), Arc::clone(&stop), Arc::clone(&wrong));
        let thread = std::thread::spawn(move || {
            let mut looks = 0;
            while !stopped.load(Ordering::Acquire) {
                looks += 1;
                let text = fs::read_to_string(&file).unwrap_or_default();
                let config = serde_json::from_str::<Value>(&text).unwrap_or_default();
                let is_whole = config["unknown"]["n"] == 1 && config["profiles"][0]["oauth_refresh_token"].is_string();
                if !is_whole {
                    found.lock().unwrap().push(text);
                }
                std::thread::yield_now();
            }
            looks
        });
        Self { stop, wrong, thread: Some(thread) }
    }

    fn ended(mut self) {
        self.stop.store(true, Ordering::Release);
        assert!(self.thread.take().unwrap().join().unwrap() > 0);
        assert_eq!(*self.wrong.lock().unwrap(), Vec::<String>::new());
    }
}

/// The sessions that so many processes get that ask at once.
fn ask_at_once(world: &World, processes: usize) -> Vec<String> {
    let mut children: Vec<Child> = (0..processes).map(|_| start(world)).collect();
    let (go, outputs): (Vec<_>, Vec<_>) = children.iter_mut().map(ready).unzip();
    drop(go);
    children.into_iter().zip(outputs).map(|(child, output)| session_of(child, output)).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn processes_that_share_a_login_by_cloud_sso_ask_for_one_session() {
    let world = in_real_time("sso-shared", World::cloud_sso).await;
    world.emulator.fail_next("cloudsso/credentials", Fault::delayed(Duration::from_millis(500)));
    let sessions = ask_at_once(&world, 4);
    assert!(sessions.iter().all(|session| *session == sessions[0]), "{sessions:?}");
    assert_eq!(world.calls(), (0, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn sixteen_processes_spend_one_refresh_token_and_all_are_served() {
    let world = in_real_time("sixteen", |world| world.oauth("CN", 0)).await;
    let reader = Reader::of(&world);
    // All of them ask while the first one waits for its tokens.
    world.emulator.fail_next("oauth/token", Fault::delayed(Duration::from_millis(500)));
    let sessions = ask_at_once(&world, 16);
    reader.ended();
    assert!(sessions.iter().all(|session| *session == sessions[0]), "{sessions:?}");
    assert_eq!(world.calls(), (1, 1));
    assert_eq!(world.profile("dev")["access_key_id"], sessions[0].as_str());
}

/// Replaces a file as a whole.
fn replace(file: &Path, text: &str) {
    let beside = file.with_extension("test");
    fs::write(&beside, text).unwrap();
    fs::rename(&beside, file).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_process_that_is_killed_at_any_moment_leaves_a_whole_file_and_no_lock() {
    let world = in_real_time("killed", |world| world.oauth("CN", 3600)).await;
    let reader = Reader::of(&world);
    let (mut state, mut written) = (7_u64, [0, 0]);
    for round in 0..100 {
        // In every other round the tokens are renewed, too: by a login of its own, since a killed process may have spent one.
        let left = if round % 2 == 0 { 3600 } else { 0 };
        let config = json!({ "current": "dev", "profiles": [world.oauth("CN", left)], "unknown": { "n": 1 } });
        replace(&world.home.join(CONFIG), &tabbed(&config));
        let before = world.profile("dev");
        let mut children: Vec<Child> = (0..2).map(|_| start(&world)).collect();
        children.iter_mut().for_each(|child| drop(child.stdin.take()));
        // The moment moves on with what the child does, not with a clock: when it has made the lock, and then some.
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let calls = world.emulator.calls().len();
        while world.emulator.calls().len() == calls && children[0].try_wait().unwrap().is_none() {
            std::thread::yield_now();
        }
        (0..(state >> 33) % 200_000).for_each(|_| std::hint::spin_loop());
        for child in &mut children {
            let _ = child.kill();
            child.wait().unwrap();
        }
        let after = world.profile("dev");
        let is_new = |member: &str| after[member] != before[member];
        assert_eq!(is_new("oauth_access_token"), is_new("oauth_refresh_token"), "{after}");
        assert!(left == 0 || !is_new("oauth_refresh_token"), "{after}");
        written[0] += usize::from(is_new("oauth_refresh_token"));
        written[1] += usize::from(is_new("access_key_id"));
    }
    println!("of 50 rounds with tokens {} wrote them, of all 100 {} wrote a session", written[0], written[1]);
    let config = json!({ "current": "dev", "profiles": [world.oauth("CN", 0)], "unknown": { "n": 1 } });
    replace(&world.home.join(CONFIG), &tabbed(&config));
    let mut last = start(&world);
    let (go, output) = ready(&mut last);
    drop(go);
    let session = session_of(last, output);
    reader.ended();
    assert_eq!(world.profile("dev")["access_key_id"], session.as_str());
    let files = fs::read_dir(world.home.join(".aliyun")).unwrap().map(|entry| entry.unwrap().file_name());
    let mut files: Vec<_> = files.collect();
    files.sort();
    assert_eq!(files, [".config.json.lock", "config.json"]);
}
