//! The format: what a file of scenarios may hold. Unknown members are refused. Times are in seconds.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use serde::Deserialize;

/// A number of seconds, fractions allowed.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
pub(crate) struct Seconds(pub(crate) f64);

impl Seconds {
    pub(crate) fn duration(self) -> Duration {
        Duration::from_secs_f64(self.0)
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct File {
    /// What the file is about; for those from another suite, which.
    #[allow(dead_code)]
    pub(crate) about: String,
    pub(crate) scenarios: Vec<Scenario>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Scenario {
    pub(crate) name: String,
    /// The scenario of the AWS SDKs' common suite that this one restates, by its place there, from 1.
    pub(crate) restates_aws: Option<u32>,
    /// For those that prove the runner: a part of the problem that it has to find.
    pub(crate) must_fail_with: Option<String>,
    #[serde(default)]
    pub(crate) options: Options,
    /// What is cached when it begins; left out: nothing.
    pub(crate) given: Option<Given>,
    pub(crate) steps: Vec<Step>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Options {
    pub(crate) advisory_window: Option<Seconds>,
    pub(crate) refresh_timeout: Option<Seconds>,
    #[serde(default)]
    pub(crate) through: Through,
}

/// How the refresher reaches the source.
#[derive(Clone, Copy, Default, Deserialize, PartialEq)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Through {
    /// The source is the provider.
    #[default]
    Provider,
    /// The source is STS: it answers AssumeRole over scripted HTTP.
    AssumeRole,
    /// The provider is a `Refresher` over the source, as where roles are chained.
    Refresher,
    /// A literal key, without any source.
    Literal,
}

/// `session-1`, fetched so long ago that `left` remains; nothing or less: it has expired.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Given {
    pub(crate) lasts: Seconds,
    pub(crate) left: Seconds,
}

/// First `source` and `current` take effect, then one thing happens, then the rest is compared.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Step {
    #[allow(dead_code)]
    pub(crate) note: Option<String>,
    /// How the suite that this restates has it, where ours is otherwise.
    #[allow(dead_code)]
    pub(crate) differs: Option<String>,

    /// What the source does from now on.
    pub(crate) source: Option<Does>,
    /// What the source says from now on when it is asked whether a credential is current.
    pub(crate) current: Option<bool>,
    /// Where refreshes run from now on.
    pub(crate) home: Option<Place>,

    // ---- one of these
    pub(crate) ask: Option<Ask>,
    pub(crate) hear: Option<Hear>,
    /// Callers of this name give up.
    pub(crate) give_up: Option<String>,
    pub(crate) until_contacted: Option<UntilContacted>,
    /// All clocks go on.
    pub(crate) advance: Option<Seconds>,
    /// The wall clock alone is set, forward or back.
    pub(crate) step_wall: Option<i64>,
    /// The machine sleeps: no timer runs.
    pub(crate) suspend: Option<Seconds>,
    /// A server refused a credential.
    pub(crate) reject: Option<Reject>,
    /// `true`: renewal with no traffic begins; `false`: its stop comes.
    pub(crate) keep_fresh: Option<bool>,
    /// The refreshes under way are lost with the place where they run.
    pub(crate) lose_refresh: Option<bool>,
    /// What stood still in a stalled home runs after all.
    pub(crate) resume: Option<bool>,
    pub(crate) drop_last_handle: Option<bool>,

    // ---- what has to come of it
    /// How often the source is contacted meanwhile, in the background too: needed wherever something happens.
    pub(crate) contacts: Option<Count>,
    /// How often it is asked whether the credential is current.
    pub(crate) checks: Option<Count>,
    pub(crate) health: Option<WantedHealth>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub(crate) enum Does {
    /// A new session; nothing or less: one that has expired already.
    Grant {
        lasts: Seconds,
        #[serde(default)]
        after: Seconds,
        /// Whether it says what its clock shows. What it does not say is judged by the local wall clock.
        #[serde(default = "yes")]
        dated: bool,
    },
    /// A new key without an end.
    GrantForEver {},
    /// The session that it granted last, perhaps with another end.
    Repeat {
        ends_in: Option<Seconds>,
    },
    Fail {
        #[serde(default)]
        kind: Failure,
        #[serde(default)]
        after: Seconds,
    },
    /// STS refuses.
    Refuse {
        status: u16,
        code: String,
        #[serde(default)]
        headers: BTreeMap<String, String>,
    },
    Hang {},
    Panic {
        #[serde(default)]
        after: Seconds,
    },
}

fn yes() -> bool {
    true
}

#[derive(Clone, Copy, Debug, Default, Deserialize)]
pub(crate) enum Failure {
    #[default]
    Failed,
    NotConfigured,
    /// A failure that will not pass by itself.
    InvalidInput,
}

#[derive(Clone, Copy, Debug, Deserialize, PartialEq)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Place {
    Runs,
    /// Drops what it is given.
    Drops,
    /// Drops the next, then runs.
    DropsNext,
    /// Keeps what it is given, and does not run it.
    Stalls,
}

#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Ask {
    #[serde(default)]
    pub(crate) how: How,
    #[serde(default = "one")]
    pub(crate) callers: usize,
    /// Again and again, with `every` between.
    #[serde(default = "one")]
    pub(crate) times: usize,
    #[serde(default)]
    pub(crate) every: Seconds,
    /// They have to wait, and are left waiting under this name.
    pub(crate) waiting_as: Option<String>,
    /// They give up after so long.
    pub(crate) patience: Option<Seconds>,
    /// They are polled so often and dropped.
    pub(crate) polls: Option<usize>,
    /// Needed unless they wait or are dropped.
    pub(crate) gets: Option<Gets>,
    pub(crate) waited: Option<Waited>,
}

fn one() -> usize {
    1
}

#[derive(Clone, Copy, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum How {
    #[default]
    Credentials,
    With,
    Cached,
    ValidFor(Seconds),
}

/// Callers who waited have their answer; time goes on until then.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Hear {
    pub(crate) who: String,
    pub(crate) gets: Gets,
    pub(crate) waited: Waited,
}

/// Someone asks again and again, until the source is contacted: after so long, between these bounds. Over all seeds the
/// first and the last quarter are met.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct UntilContacted {
    #[serde(default)]
    pub(crate) how: How,
    pub(crate) every: Seconds,
    pub(crate) between: [f64; 2],
    pub(crate) gets: Gets,
    /// What the one who contacts it gets; left out: the same.
    pub(crate) finally: Option<Gets>,
    /// By the one who contacts it; nobody else waits.
    pub(crate) waited: Waited,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Reject {
    /// `session-1`, or `stranger` for one that came from elsewhere.
    pub(crate) session: String,
    /// What the report comes to: whether it was the current one.
    pub(crate) current: bool,
}

#[derive(Clone, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub(crate) enum Gets {
    /// `session-2` is the second that was granted.
    Session(usize),
    /// Any that is valid.
    Valid,
    /// `with` and `cached` had nothing to lend.
    Nothing,
    Error {
        kind: String,
        code: Option<String>,
        granted: Option<Seconds>,
    },
    /// No answer within their patience.
    NoAnswer,
}

/// `false`: served at once. A number: waited for a refresh, and so long; 0 where the source takes no time.
/// `at_most`: not at all, or up to so long.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(untagged)]
pub(crate) enum Waited {
    No(bool),
    So(f64),
    AtMost(AtMost),
}

#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct AtMost {
    pub(crate) at_most: f64,
}

#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(untagged)]
pub(crate) enum Count {
    Exactly(usize),
    Between([usize; 2]),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct WantedHealth {
    pub(crate) is: String,
    /// What remains.
    pub(crate) left: Option<Seconds>,
    /// How long ago it began.
    pub(crate) since: Option<Seconds>,
    /// The kind of the error.
    pub(crate) error: Option<String>,
    /// Until rejections count again.
    pub(crate) deaf_for: Option<Seconds>,
}

impl File {
    pub(crate) fn read(path: &Path) -> Result<Self, String> {
        let problem = |error: &dyn std::fmt::Display| {
            format!("{}: {error}", path.file_name().unwrap_or_default().to_string_lossy())
        };
        let bytes = std::fs::read(path).map_err(|error| problem(&error))?;
        let file: Self = serde_json::from_slice(&bytes).map_err(|error| problem(&error))?;
        for scenario in &file.scenarios {
            for (at, step) in scenario.steps.iter().enumerate() {
                step.check().map_err(|wrong| problem(&format!("\"{}\", step {}: {wrong}", scenario.name, at + 1)))?;
            }
        }
        Ok(file)
    }
}

impl Step {
    fn check(&self) -> Result<(), String> {
        let happenings = [
            self.ask.is_some(),
            self.hear.is_some(),
            self.give_up.is_some(),
            self.until_contacted.is_some(),
            self.advance.is_some(),
            self.step_wall.is_some(),
            self.suspend.is_some(),
            self.reject.is_some(),
            self.keep_fresh.is_some(),
            self.lose_refresh.is_some(),
            self.resume.is_some(),
            self.drop_last_handle.is_some(),
        ];
        match happenings.iter().filter(|happens| **happens).count() {
            0 | 1 => {}
            many => return Err(format!("{many} things happen at once")),
        }
        if happenings.contains(&true) && self.contacts.is_none() && self.until_contacted.is_none() {
            return Err("it does not say how often the source is contacted".to_owned());
        }
        if let Some(ask) = &self.ask {
            let told = ask.gets.is_some() && ask.waited.is_some();
            let left = ask.waiting_as.is_some() || ask.polls.is_some();
            if told == left {
                return Err("it says what the callers get and whether they waited, or leaves them waiting".to_owned());
            }
        }
        Ok(())
    }
}
