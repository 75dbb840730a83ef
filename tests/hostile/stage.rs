//! Where a cell of the table is played: a server, a clock that stands still, and someone who watches both.

use std::future::Future;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, LazyLock, Mutex};
use std::time::{Duration, UNIX_EPOCH};

use alibabacloud_credentials::{Clock, Context, ContextBuilder, TestClock};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::{DateTime, SecondsFormat, Utc};
use serde_json::json;

use super::misbehaviours::Misbehaviour;
use super::sources::{Source, Step};
use crate::support::server::{Event, Server, Then, close};

/// How long a good session lasts.
pub(crate) const LIFETIME: Duration = Duration::from_secs(3600);
/// Everything that is secret in the requests and in the good answers.
pub(crate) const SECRETS: [&str; 6] =
    ["fake-secret", "fake-bearer", "fake-key", "good-secret", "good-token", "good-word"];

/// An OIDC token that never ends.
pub(crate) static TOKEN: LazyLock<String> = LazyLock::new(|| {
    let claims =
        json!({"iss": "https://ci.example", "aud": "sts.aliyuncs.com", "sub": "job", "exp": 9_999_999_999_u64});
    let [header, claims] = [json!({"alg": "RS256"}), claims].map(|part| URL_SAFE_NO_PAD.encode(part.to_string()));
    format!("{header}.{claims}.fake")
});

/// A root directory with the token's file.
static ROOT: LazyLock<PathBuf> = LazyLock::new(|| {
    let root = Path::new(env!("CARGO_TARGET_TMPDIR")).join("hostile");
    std::fs::create_dir_all(&root).unwrap();
    std::fs::write(root.join("token"), TOKEN.as_str()).unwrap();
    root
});

pub(crate) struct Stage {
    pub(crate) clock: TestClock,
    pub(crate) server: Server,
    /// Where a redirect leads.
    pub(crate) elsewhere: Server,
    step: fn(&str) -> Step,
    limit: Duration,
    wrong: Arc<Mutex<Option<Wrong>>>,
}

/// What the server does, and whether time ends it.
#[derive(Clone)]
struct Wrong {
    then: Then,
    takes_time: bool,
}

/// What was seen while something ran.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    /// Requests that the server misbehaved on.
    pub(crate) misbehaved: usize,
    pub(crate) elapsed: Duration,
    /// The bytes that could be sent on one connection, at most.
    pub(crate) sent: usize,
}

impl Stage {
    pub(crate) async fn new(source: &Source) -> Self {
        let clock = TestClock::new(UNIX_EPOCH + Duration::from_secs(1_800_000_000));
        let wrong = Arc::new(Mutex::new(None::<Wrong>));
        let (now, then, step, round) = (clock.clone(), Arc::clone(&wrong), source.step, AtomicUsize::new(0));
        let server = Server::start(move |head| match (then.lock().unwrap().clone(), step(head)) {
            (Some(wrong), Step::Misbehave) => wrong.then,
            (Some(_), Step::Status(status)) => close(format!("HTTP/1.1 {status} No\r\nConnection: close\r\n\r\n")),
            _ => close(good(head, &now, round.fetch_add(1, Ordering::Relaxed))),
        });
        let (server, elsewhere) = (server.await, Server::of(close("")).await);
        Self { clock, server, elsewhere, step: source.step, limit: source.limit, wrong }
    }

    /// Writes a config.json with one profile, and returns its path beneath the world's root.
    pub(crate) fn config(&self, profile: &serde_json::Value) -> String {
        let path = format!("/config-{}.json", self.server.address.port());
        let config = json!({ "current": "default", "profiles": [profile] });
        std::fs::write(ROOT.join(&path[1..]), config.to_string()).unwrap();
        path
    }

    pub(crate) fn endpoint(&self) -> String {
        format!("http://{}", self.server.address)
    }

    /// A world without variables.
    pub(crate) fn world(&self) -> ContextBuilder {
        Context::builder().clock(self.clock.clone()).root(&*ROOT)
    }

    /// Lets the server misbehave from now on, or be good again.
    pub(crate) fn misbehave(&self, row: Option<&Misbehaviour>) {
        let wrong = row.map(|row| Wrong { then: row.then.clone(), takes_time: row.takes_all_the_time() });
        *self.wrong.lock().unwrap() = wrong;
    }

    /// Runs `work` to its end, and lets time pass only while the server holds a connection open: the limit of a request
    /// at once where nothing more comes, in ten parts where something does, and no more until the next request. Then waits
    /// until every connection is given up.
    pub(crate) async fn watch<T>(&mut self, work: impl Future<Output = T>) -> (T, Seen) {
        let wrong = self.wrong.lock().unwrap().clone();
        let parts = if wrong.as_ref().is_some_and(|wrong| matches!(wrong.then, Then::Drip(..))) { 10 } else { 1 };
        let takes_time = wrong.is_some_and(|wrong| wrong.takes_time);
        let start = self.clock.now().monotonic;
        let (mut seen, mut open, mut left, mut done) = (Seen::default(), 0, 0, None);
        let mut work = std::pin::pin!(work);
        loop {
            let event = match (self.server.try_event(), &done) {
                (Some(event), _) => event,
                (None, Some(_)) if open == 0 => break,
                (None, Some(_)) => self.server.event().await,
                (None, None) => tokio::select! {
                    event = self.server.event() => event,
                    value = &mut work => {
                        done = Some(value);
                        continue;
                    }
                    () = a_pause(&self.clock), if open == 0 => continue,
                },
            };
            match event {
                Event::Asked(head) => {
                    open += 1;
                    if self.wrong.lock().unwrap().is_some() && (self.step)(&head) == Step::Misbehave {
                        seen.misbehaved += 1;
                        left = parts;
                    }
                }
                Event::Waiting => {
                    if takes_time {
                        if left == 0 {
                            // The limit is over: who has not noticed yet is not to get the rest meanwhile.
                            continue;
                        }
                        left -= 1;
                        self.clock.advance(self.limit / parts);
                    }
                    self.server.drip();
                }
                Event::Closed(sent) => {
                    open -= 1;
                    seen.sent = seen.sent.max(sent);
                }
            }
        }
        seen.elapsed = self.clock.now().monotonic - start;
        (done.unwrap(), seen)
    }
}

/// Lets the pause before a request is tried again pass.
async fn a_pause(clock: &TestClock) {
    loop {
        if let Some(pause) = clock.next_wake().filter(|pause| *pause <= Duration::from_millis(400)) {
            return clock.advance(pause);
        }
        tokio::task::yield_now().await;
    }
}

/// What a server that means well answers: one document that is right for every source but instance metadata's lines.
fn good(head: &str, clock: &TestClock, round: usize) -> String {
    let body = match head.split_whitespace().nth(1).unwrap_or_default() {
        "/latest/api/token" => "good-word".to_owned(),
        "/latest/meta-data/ram/security-credentials/" => "media\n".to_owned(),
        "/latest/meta-data/region-id" => "cn-hangzhou".to_owned(),
        _ => {
            let expiration = DateTime::<Utc>::from(clock.now().system_time() + LIFETIME);
            let session = json!({
                "AccessKeyId": format!("STS.good-{round}"),
                "AccessKeySecret": format!("good-secret-{round}"),
                "SecurityToken": format!("good-token-{round}"),
                "Expiration": expiration.to_rfc3339_opts(SecondsFormat::Secs, true),
            });
            let mut whole = json!({
                "Code": "Success", "Credentials": session, "CloudCredential": session, "value": *TOKEN,
                "AccountId": "100", "Arn": "acs:ram::100:assumed-role/media/job", "IdentityType": "AssumedRoleUser",
                "PrincipalId": "1:job",
            });
            whole.as_object_mut().unwrap().extend(session.as_object().unwrap().clone());
            whole.to_string()
        }
    };
    format!("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: {}\r\n\r\n{body}", body.len())
}
