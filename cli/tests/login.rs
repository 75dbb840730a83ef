//! `login`: by pipes and on a terminal, with a browser on this machine and on another.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError};

use alibabacloud_emulator::LoginDecision;
use serde_json::Value;

use crate::support::oauth::OAuth;
#[cfg(unix)]
use crate::support::terminal::{Terminal, without_colors};
use crate::support::{Ran, run};

/// The ports are the same for all logins of a machine.
static PORTS: Mutex<()> = Mutex::new(());

fn ports() -> MutexGuard<'static, ()> {
    PORTS.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A login under way, with its page.
struct Login {
    child: Child,
    input: Option<ChildStdin>,
    output: BufReader<ChildStdout>,
    page: Value,
}

impl Login {
    fn start(mut command: Command) -> Self {
        let streams = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = streams.spawn().unwrap();
        let (input, mut output) = (child.stdin.take(), BufReader::new(child.stdout.take().unwrap()));
        let mut line = String::new();
        if output.read_line(&mut line).unwrap() == 0 {
            panic!("{:?}", child.wait_with_output().unwrap());
        }
        Self { child, input, output, page: serde_json::from_str(&line).unwrap() }
    }

    fn url(&self) -> String {
        self.page["open"].as_str().unwrap().to_owned()
    }

    fn paste(&mut self, text: &str) {
        writeln!(self.input.as_mut().unwrap(), "{text}").unwrap();
    }

    fn end(mut self) -> Ran {
        let (mut out, mut err) = (String::new(), String::new());
        self.output.read_to_string(&mut out).unwrap();
        self.child.stderr.take().unwrap().read_to_string(&mut err).unwrap();
        Ran { code: self.child.wait().unwrap().code().unwrap_or(-1), out, err }
    }
}

fn assert_shows_none(ran: &Ran, secrets: &[String]) {
    assert!(!secrets.is_empty());
    for secret in secrets {
        assert!(!ran.out.contains(secret) && !ran.err.contains(secret), "{ran:?}");
    }
}

#[test]
fn a_browser_on_this_machine_logs_in_at_both_sites() {
    let _ports = ports();
    let world = OAuth::new("login-oauth");
    for (site, host) in [("cn", "signin.aliyun.com"), ("intl", "signin.alibabacloud.com")] {
        let arguments =
            ["login", "--profile", site, "--site", site, "--no-browser", "--json", "--region", "cn-shanghai"];
        let login = Login::start(world.alicred(&arguments));
        let url = login.url();
        assert!(url.starts_with(&format!("https://{host}/oauth2/v1/auth?")), "{url}");
        assert!(world.browse(&url).starts_with("HTTP/1.1 200 OK\r\n"));
        let ran = login.end();
        assert_eq!(ran.code, 0, "{ran:?}");
        assert_eq!((ran.json()["profile"].as_str(), ran.err.as_str()), (Some(site), ""));
        assert_eq!(ran.json()["provider_name"], "default/cli_profile/oauth");
        assert_shows_none(&ran, &world.secrets());
        let which = run(&mut world.alicred(&["which", "--profile", site])).clean();
        assert!(which.out.starts_with("default/cli_profile/oauth STS.…"), "{which:?}");
    }
    let listed = run(&mut world.alicred(&["profiles"])).clean();
    assert_eq!(listed.out, "* cn    OAuth  cn-shanghai\n  intl  OAuth  cn-shanghai\n");
    // Once more, as the current profile says.
    let login = Login::start(world.alicred(&["login", "--no-browser", "--json"]));
    assert!(login.url().contains("signin.aliyun.com"));
    world.browse(&login.url());
    assert_eq!(login.end().json()["profile"], "cn");
}

#[test]
fn what_the_browser_of_another_machine_ends_at_is_pasted() {
    let _ports = ports();
    let world = OAuth::new("login-pasted");
    let arguments = ["login", "--site", "cn", "--no-browser", "--json"];
    let mut login = Login::start(world.alicred(&arguments));
    let back = world.open(&login.url()).unwrap();
    for wrong in ["what?", "", &back.replace("state=", "state=0")] {
        login.paste(wrong);
    }
    login.paste(&back);
    let ran = login.end();
    assert_eq!((ran.code, ran.json()["profile"].as_str()), (0, Some("default")), "{ran:?}");
    assert!(ran.err.contains("LoginPasteInvalid") && ran.err.contains("LoginStateMismatch"), "{ran:?}");
    let code = back.split_once("code=").unwrap().1.split('&').next().unwrap().to_owned();
    assert_shows_none(&ran, &[world.secrets(), vec![code]].concat());
    // No port is free, so there is nothing but the paste.
    let busy: Vec<_> =
        (12_345..=12_349).map(|port| std::net::TcpListener::bind(("127.0.0.1", port)).unwrap()).collect();
    let refused = run(&mut world.alicred(&["login", "--json"]));
    assert!(refused.code == 78 && refused.err.contains("LoginPortBusy"), "{refused:?}");
    let mut login = Login::start(world.alicred(&arguments));
    let back = world.open(&login.url()).unwrap();
    login.paste(&back);
    assert_eq!(login.end().code, 0);
    let mut login = Login::start(world.alicred(&arguments));
    drop(login.input.take());
    let ran = login.end();
    assert!(ran.code == 64 && ran.err.contains("nothing was pasted"), "{ran:?}");
    drop(busy);
}

#[test]
fn a_login_that_nobody_makes_has_a_code_and_writes_nothing() {
    let _ports = ports();
    let world = OAuth::new("login-refused");
    world.cloud.emulator.decide_logins(LoginDecision::Deny);
    let login = Login::start(world.alicred(&["login", "--site", "cn", "--no-browser", "--json"]));
    world.browse(&login.url());
    let ran = login.end();
    assert_eq!(ran.code, 77, "{ran:?}");
    assert!(ran.err.contains("\"code\":\"LoginDenied\""), "{ran:?}");
    let ran = run(&mut world.alicred(&["login", "--site", "cn", "--no-browser", "--timeout", "0"]));
    assert_eq!(ran.code, 69, "{ran:?}");
    assert!(ran.err.contains("LoginTimedOut") && ran.err.contains("https://signin.aliyun.com/oauth2/"), "{ran:?}");
    // A profile with a key is not replaced.
    let config = r#"{"profiles":[{"name":"default","mode":"AK","access_key_id":"i","access_key_secret":"s"}]}"#;
    world.home.file(".aliyun/config.json", config);
    let ran = run(&mut world.alicred(&["login", "--site", "cn", "--no-browser"]));
    assert!(ran.code == 64 && ran.err.contains("ProfileExists"), "{ran:?}");
    assert_eq!(world.config(), config);
}

fn sign_in_url(world: &OAuth) -> String {
    format!("{}/tenant/login", world.cloud.emulator.endpoint())
}

#[test]
fn cloud_sso_takes_an_account_and_an_access_configuration() {
    let world = OAuth::new("login-sso");
    let url = sign_in_url(&world);
    let login = |more: &[&str]| {
        let arguments = [&["login", "--no-browser", "--json", "--profile", "sso"], more].concat();
        let login = Login::start(world.alicred(&arguments));
        assert_eq!(login.page["user_code"].as_str().map(str::len), Some(9));
        world.open(&login.url());
        login.end()
    };
    let ran = login(&["--sign-in-url", &url]);
    assert!(ran.code == 64 && ran.err.contains("emulated (1234567890123456), emulated and empty"), "{ran:?}");
    let ran = login(&["--sign-in-url", &url, "--account", "1234567890123457"]);
    assert!(ran.code == 77 && ran.err.contains("no access configuration"), "{ran:?}");
    let ran = login(&["--sign-in-url", &url, "--account", "1234567890123456", "--access-config", "ac-x"]);
    assert!(ran.code == 77 && ran.err.contains("is written, and gives no session"), "{ran:?}");
    let ran = login(&["--sign-in-url", &url, "--account", "1234567890123456"]);
    assert_eq!((ran.code, ran.json()["provider_name"].as_str()), (0, Some("default/cli_profile/cloud_sso")), "{ran:?}");
    let ran = login(&[]);
    assert_eq!(ran.code, 0, "{ran:?}");
    assert_shows_none(&ran, &world.secrets());
}

#[cfg(unix)]
#[test]
fn on_a_terminal_the_browser_opens_and_a_person_chooses() {
    let world = OAuth::new("login-terminal");
    let pipe = world.home.0.join("opened");
    assert!(Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    let script = format!("#!/bin/sh\nprintf '%s\\n' \"$1\" >'{}'\n", pipe.display());
    let browser = world.home.file("browser", &script);
    std::fs::set_permissions(&browser, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    let mut command = world.alicred(&["login", "--profile", "sso", "--sign-in-url", &sign_in_url(&world)]);
    command.env("BROWSER", &browser);
    let mut terminal = Terminal::start(command, 100);
    let opened = std::fs::read_to_string(&pipe).unwrap();
    let shown = terminal.read_until("It has to show the code");
    assert!(without_colors(&shown).contains(opened.trim()), "{shown}");
    world.open(opened.trim());
    terminal.read_until("emulated and empty");
    terminal.send("\r");
    let (out, code) = terminal.end();
    assert_eq!(code, Some(0), "{out}");
    assert!(out.contains("logged in: profile sso of "), "{out}");
    for secret in world.secrets() {
        assert!(!out.contains(&secret), "{out}");
    }
}
