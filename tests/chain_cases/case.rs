//! The format of a case: what `case.json`, `env.json` and `http.json` may hold. Unknown members are refused.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use alibabacloud_credentials::AssumeRole;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

/// A whole folder.
pub(crate) struct Folder {
    pub(crate) path: PathBuf,
    pub(crate) case: Case,
    pub(crate) env: BTreeMap<String, String>,
    pub(crate) http: Vec<Exchange>,
}

/// `case.json`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Case {
    /// Cells of the coverage list: `env/good`.
    pub(crate) covers: Vec<String>,
    /// A real program runs, in real time: its limit of a minute does not pass.
    #[serde(default)]
    pub(crate) runs_program: bool,
    /// Why it is not expected to hold yet.
    pub(crate) ignored: Option<String>,
    /// For the cases that prove the runner: a part of the problem it has to find.
    pub(crate) must_fail_with: Option<String>,
    #[serde(default)]
    pub(crate) chain: Options,
    /// Every secret and every token of the case.
    pub(crate) secrets: Vec<String>,
    pub(crate) steps: Vec<Step>,
}

/// What the builder is told.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Options {
    pub(crate) profile: Option<String>,
    #[serde(default)]
    pub(crate) env_prefix: Vec<String>,
    pub(crate) region: Option<String>,
    pub(crate) sts_endpoint: Option<String>,
    #[serde(default)]
    pub(crate) allow_plain_http: bool,
    pub(crate) vpc_endpoint: Option<bool>,
    pub(crate) ecs_metadata: Option<bool>,
    pub(crate) assume_role: Option<Role>,
    pub(crate) expect_account: Option<String>,
    pub(crate) expect_role: Option<String>,
    #[serde(default)]
    pub(crate) on_failure: Failure,
}

#[derive(Clone, Copy, Default, Deserialize, PartialEq)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Failure {
    #[default]
    Stop,
    TryNext,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Role {
    role_arn: String,
    session_name: Option<String>,
    external_id: Option<String>,
    policy: Option<String>,
    source_identity: Option<String>,
    duration_seconds: Option<u64>,
}

impl Role {
    pub(crate) fn to_assume(&self) -> AssumeRole {
        let mut role = AssumeRole::new(&self.role_arn);
        if let Some(name) = &self.session_name {
            role = role.session_name(name);
        }
        if let Some(id) = &self.external_id {
            role = role.external_id(id);
        }
        if let Some(policy) = &self.policy {
            role = role.policy(policy);
        }
        if let Some(identity) = &self.source_identity {
            role = role.source_identity(identity);
        }
        match self.duration_seconds {
            Some(seconds) => role.duration(Duration::from_secs(seconds)),
            None => role,
        }
    }
}

/// Time passes, files change, someone asks: what is answered.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Step {
    #[serde(default)]
    pub(crate) advance_seconds: u64,
    /// Files that change before anyone asks, by their absolute path.
    #[serde(default)]
    pub(crate) files: BTreeMap<String, File>,
    /// How many requests are made, in the background too.
    #[serde(default)]
    pub(crate) requests: usize,
    pub(crate) expect: Expected,
    /// For each provider: its name, its outcome (`hidden` is `not_reached` and configured, behind the one in use), and what
    /// its report has to contain: detail, code and remedy.
    pub(crate) providers: Vec<Vec<String>>,
    /// What the explanation has to contain beside the providers, whatever its line breaks.
    #[serde(default)]
    pub(crate) explanation_contains: Vec<String>,
    /// A part of each note of the explanation, in their order, where the case is about notes.
    pub(crate) notes: Option<Vec<String>>,
    /// What the log has to contain by now.
    #[serde(default)]
    pub(crate) logs_contain: Vec<String>,
}

/// What becomes of a file.
#[derive(Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub(crate) enum File {
    Removed,
    Json(Value),
    Text(String),
    /// So many blanks.
    Size(usize),
    Directory,
    /// No permission to read it. The step is skipped where that stops nobody, as for root.
    Unreadable,
    /// A symbolic link to itself: not even root can read it.
    LinkToItself,
}

#[derive(Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub(crate) enum Expected {
    Credentials(WantedCredentials),
    Error(WantedError),
}

/// All of a credential: what is left out has to be absent.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct WantedCredentials {
    pub(crate) access_key_id: String,
    pub(crate) access_key_secret: String,
    pub(crate) security_token: Option<String>,
    pub(crate) expiration: Option<String>,
    pub(crate) provider_name: String,
}

/// Of an error: code, status and RequestId that are left out have to be absent.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct WantedError {
    pub(crate) kind: String,
    pub(crate) provider_name: String,
    pub(crate) code: Option<String>,
    pub(crate) http_status: Option<u16>,
    pub(crate) request_id: Option<String>,
    #[serde(default)]
    pub(crate) message_contains: Vec<String>,
    #[serde(default)]
    pub(crate) message_lacks: Vec<String>,
    pub(crate) remedy_contains: Option<String>,
}

/// One request and what comes of it.
#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Exchange {
    pub(crate) request: Wanted,
    pub(crate) answer: Option<Answer>,
    /// Instead of an answer: `connect`, `timeout`, `tls`, `too_large`, `other`, or `hang`.
    pub(crate) error: Option<String>,
    /// The same request comes so often, and the same comes of it: what may pass is tried three times.
    #[serde(default = "once")]
    pub(crate) times: usize,
}

fn once() -> usize {
    1
}

#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Wanted {
    #[serde(default = "post")]
    pub(crate) method: String,
    /// `https` unless said otherwise.
    #[serde(default = "https")]
    pub(crate) scheme: String,
    pub(crate) host: String,
    #[serde(default = "slash")]
    pub(crate) path: String,
    /// The call, where the host is an STS.
    pub(crate) action: Option<String>,
    /// The AccessKey ID that signs; left out: nobody does.
    pub(crate) signed_by: Option<String>,
    /// Members of the body.
    #[serde(default)]
    pub(crate) form: BTreeMap<String, String>,
    /// The quarter of a second that metadata gets when nobody asked for it.
    #[serde(default)]
    pub(crate) probe: bool,
    /// Whether the URL is the user's own, and holds what is not to be shown.
    #[serde(default)]
    pub(crate) secret_url: bool,
    #[serde(default)]
    pub(crate) query: BTreeMap<String, String>,
    #[serde(default)]
    pub(crate) headers: BTreeMap<String, String>,
    /// Query members and headers that must not be there.
    #[serde(default)]
    pub(crate) without: Vec<String>,
    /// Texts that the URL must not hold, beside the case's secrets.
    #[serde(default)]
    pub(crate) not_in_url: Vec<String>,
}

fn post() -> String {
    "POST".to_owned()
}

fn slash() -> String {
    "/".to_owned()
}

fn https() -> String {
    "https".to_owned()
}

#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Answer {
    #[serde(default = "ok")]
    pub(crate) status: u16,
    #[serde(default)]
    pub(crate) headers: BTreeMap<String, String>,
    /// A string as it is; anything else as JSON; left out: empty.
    #[serde(default)]
    pub(crate) body: Value,
    /// A body of so many bytes, in JSON.
    pub(crate) body_size: Option<usize>,
    /// The body, in a file of the case's folder.
    pub(crate) body_file: Option<String>,
}

fn ok() -> u16 {
    200
}

impl Folder {
    pub(crate) fn read(path: &Path) -> Result<Self, String> {
        let case = json(&path.join("case.json"))?.ok_or("there is no case.json")?;
        let env = json(&path.join("env.json"))?.unwrap_or_default();
        let http = json(&path.join("http.json"))?.unwrap_or_default();
        Ok(Self { path: path.to_owned(), case, env, http })
    }
}

fn json<T: DeserializeOwned>(path: &Path) -> Result<Option<T>, String> {
    match std::fs::read(path) {
        Ok(bytes) => serde_json::from_slice(&bytes).map(Some).map_err(|error| format!("{}: {error}", path.display())),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(format!("{}: {error}", path.display())),
    }
}
