//! Logins that a person makes, against the emulator: what is written, what is refused, and what nobody gets to see.

#![allow(clippy::disallowed_methods)] // a listener on loopback and a browser share the machine's own clock

mod cloud_sso;
mod config_file;
mod oauth;

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

    /// The names of all that is in the home directory.
    fn left(&self) -> Vec<String> {
        fn list(folder: &Path) -> Vec<String> {
            let mut names = Vec::new();
            for entry in fs::read_dir(folder).unwrap().map(Result::unwrap) {
                names.push(entry.file_name().into_string().unwrap());
                if entry.file_type().unwrap().is_dir() {
                    names.extend(list(&entry.path()));
                }
            }
            names
        }
        let mut names = list(&self.home);
        names.sort();
        names
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
