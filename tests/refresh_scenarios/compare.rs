//! What came of a step, against what it has; and what holds in every scenario, said or not.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime};

use alibabacloud_credentials::{Credentials, ErrorKind, Health};

use super::callers::{Answer, Reply};
use super::format::{AtMost, Count, Gets, Waited, WantedHealth};

/// Clocks may be read 10 ms coarse.
const GRANULARITY: Duration = Duration::from_millis(10);
/// What is taken off a session's time, since both of its times are whole seconds.
const SECOND: Duration = Duration::from_secs(1);
const EXACTLY: f64 = 0.001;

type Verdict = Result<(), String>;

/// What callers have been given so far.
#[derive(Default)]
pub(crate) struct Seen {
    /// By session.
    given: BTreeMap<String, Credentials>,
    last: Option<Credentials>,
}

impl Seen {
    pub(crate) fn generation(&self) -> u64 {
        self.last.as_ref().map_or(0, Credentials::generation)
    }

    pub(crate) fn session(&self, name: &str) -> Result<Credentials, String> {
        if name == "stranger" {
            return Ok(Credentials::new("stranger", "fake-secret"));
        }
        self.given.get(name).cloned().ok_or_else(|| format!("nobody was given {name} before"))
    }

    /// Never an expired credential; never an error while one is valid; a number for each credential, the same for the
    /// same, greater for a newer.
    pub(crate) fn always(&mut self, reply: &Reply, now: SystemTime) -> Verdict {
        match reply {
            Reply::Credentials(credentials) => {
                if credentials.expiration().is_some_and(|end| end <= now) {
                    return Err(format!("{} had expired", name(credentials)));
                }
                let number = credentials.generation();
                match self.given.get(name(credentials)) {
                    Some(known) if known.generation() != number => {
                        return Err(format!("{} has a new generation", name(credentials)));
                    }
                    None if self.given.values().any(|known| known.generation() >= number) => {
                        return Err(format!("{} is new, and its generation is not", name(credentials)));
                    }
                    _ => {}
                }
                self.given.insert(name(credentials).to_owned(), credentials.clone());
                self.last = Some(credentials.clone());
            }
            Reply::Error(error) if error.kind() != ErrorKind::TooShort => {
                let valid = |last: &Credentials| last.expiration().is_none_or(|end| end > now + GRANULARITY + SECOND);
                if let Some(last) = self.last.as_ref().filter(|last| valid(last)) {
                    return Err(format!("an error while {} was valid: {error}", name(last)));
                }
            }
            _ => {}
        }
        Ok(())
    }
}

/// `session-2`.
fn name(credentials: &Credentials) -> &str {
    let id = credentials.access_key_id();
    id.strip_prefix("STS.").unwrap_or(id)
}

pub(crate) fn gets(wanted: &Gets, reply: &Reply) -> Verdict {
    let shown = match reply {
        Reply::Credentials(credentials) => name(credentials).to_owned(),
        Reply::Error(error) => format!("the error {:?} {:?}, {error}", error.kind(), error.code()),
        Reply::Nothing => "nothing".to_owned(),
        Reply::None => "no answer".to_owned(),
    };
    let (wants, is) = match (wanted, reply) {
        (Gets::Valid, reply) => ("a credential".to_owned(), matches!(reply, Reply::Credentials(_))),
        (Gets::Nothing, reply) => ("nothing".to_owned(), matches!(reply, Reply::Nothing)),
        (Gets::NoAnswer, reply) => ("no answer".to_owned(), matches!(reply, Reply::None)),
        (Gets::Session(number), _) => (format!("session-{number}"), shown == format!("session-{number}")),
        (Gets::Error { kind, code, granted }, reply) => {
            let is = match reply {
                Reply::Error(error) => {
                    let close = |wanted: f64| {
                        error.available_lifetime().is_some_and(|has| (has.as_secs_f64() - wanted).abs() <= EXACTLY)
                    };
                    format!("{:?}", error.kind()) == *kind
                        && code.as_deref().is_none_or(|code| error.code() == Some(code))
                        && granted.is_none_or(|wanted| close(wanted.0))
                }
                _ => false,
            };
            (format!("the error {kind} {code:?} {granted:?}"), is)
        }
    };
    if is { Ok(()) } else { Err(format!("a caller gets {shown} and not {wants}")) }
}

pub(crate) fn waited(wanted: Waited, answer: &Answer) -> Verdict {
    let (wants, is) = match wanted {
        Waited::No(false) => ("not at all".to_owned(), answer.waited.is_none()),
        Waited::AtMost(AtMost { at_most }) => {
            (format!("at most {at_most} s"), answer.waited.is_none_or(|has| has.as_secs_f64() <= at_most + EXACTLY))
        }
        Waited::No(true) => ("for a while".to_owned(), answer.waited.is_some()),
        Waited::So(seconds) => {
            (format!("{seconds} s"), answer.waited.is_some_and(|has| (has.as_secs_f64() - seconds).abs() <= EXACTLY))
        }
    };
    let has = answer.waited.map_or("not at all".to_owned(), |has| format!("{} s", has.as_secs_f64()));
    if is { Ok(()) } else { Err(format!("a caller waited {has} and not {wants}")) }
}

pub(crate) fn count(wanted: Count, has: usize, what: &str) -> Verdict {
    match wanted {
        Count::Exactly(wants) if has != wants => Err(format!("the source is {what} {has} times and not {wants}")),
        Count::Between([least, most]) if !(least..=most).contains(&has) => {
            Err(format!("the source is {what} {has} times and not {least} to {most}"))
        }
        _ => Ok(()),
    }
}

pub(crate) fn health(wanted: &WantedHealth, has: &Health, now: SystemTime) -> Verdict {
    let (is, left, since, error, deaf) = match has {
        Health::Empty => ("Empty", None, None, None, None),
        Health::Fresh { expires_at, .. } => ("Fresh", *expires_at, None, None, None),
        Health::Degraded { since, error, expires_at, .. } => ("Degraded", *expires_at, Some(*since), Some(error), None),
        Health::Expired { since, error, .. } => ("Expired", None, Some(*since), Some(error), None),
        Health::RejectedWhileFresh { until, expires_at, .. } => {
            ("RejectedWhileFresh", *expires_at, None, None, Some(*until))
        }
        _ => ("something new", None, None, None, None),
    };
    let ahead = |at: Option<SystemTime>| at.and_then(|at| at.duration_since(now).ok()).map(|d| d.as_secs_f64());
    let ago = |at: Option<SystemTime>| at.and_then(|at| now.duration_since(at).ok()).map(|d| d.as_secs_f64());
    let close = |wanted: f64, has: Option<f64>| has.is_some_and(|has| (has - wanted).abs() <= EXACTLY);
    let right = is == wanted.is
        && wanted.left.is_none_or(|left_| close(left_.0, ahead(left)))
        && wanted.since.is_none_or(|since_| close(since_.0, ago(since)))
        && wanted.deaf_for.is_none_or(|deaf_| close(deaf_.0, ahead(deaf)))
        && wanted.error.as_ref().is_none_or(|kind| error.is_some_and(|error| format!("{:?}", error.kind()) == *kind));
    if right {
        return Ok(());
    }
    Err(format!(
        "the health is {is} (left {:?}, since {:?}, error {error:?}, deaf for {:?}) and not {}",
        ahead(left),
        ago(since),
        ahead(deaf),
        wanted.is
    ))
}
