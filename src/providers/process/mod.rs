//! `external`: credentials that a program prints.

mod environment;
mod output;

use std::borrow::Cow;
use std::ffi::OsString;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use self::output::Output;
use super::AssumeRoleProvider;
use crate::context::{Context, Ended, Program, ProgramError, ending};
use crate::credentials::Credentials;
use crate::error::{Error, ErrorKind};
use crate::provenance::Provenance;
use crate::provider::{BoxFuture, ProvideCredentials, SourceStatus};
use crate::redact::{plain_words, shown};
use crate::sts::Sts;

/// The switch by which an administrator forbids programs. The `aliyun` CLI has it, too.
const DISABLED: &str = "ALIBABA_CLOUD_DISABLE_EXTERNAL_PROCESS";
/// The limit of the official SDKs.
const TIMEOUT: Duration = Duration::from_secs(60);
/// A session whose end the program does not tell is asked for again after this time of use.
const UNDATED: Duration = Duration::from_secs(60);

/// Runs a program that prints credentials as JSON on its standard output, as mode `External` of the `aliyun` CLI does.
///
/// ```json
/// { "mode": "StsToken", "access_key_id": "STS.…", "access_key_secret": "…", "sts_token": "…", "expiration": "2030-01-02T03:04:05Z" }
/// ```
///
/// | member | meaning |
/// |---|---|
/// | `mode` | `AK`, `StsToken` or `RamRoleArn`; may be absent |
/// | `access_key_id`, `access_key_secret` | required |
/// | `sts_token` | required for `StsToken` and for an id that begins with `STS.` |
/// | `expiration` | RFC 3339; may be absent. A session without it is asked for again after a minute of use, an AccessKey pair without it is used until a server refuses it |
/// | `ram_role_arn`, `ram_session_name`, `expired_seconds`, `external_id`, `policy`, `sts_region`, `sts_endpoint` | for `RamRoleArn`: the role that is assumed with the key |
///
/// The command is a program and its arguments: there is no shell, and nothing is expanded. The program gets the environment of
/// the [`Context`] and nothing on standard input. It may take 60 s ([`timeout`](Self::timeout)) and print 64 KiB; beyond that, it
/// and all processes of its group (on Windows: of its job) are killed. It runs once for all who wait. A program that asks this
/// crate for the credentials that it is to print is an error (`ProcessCycle`).
///
/// `ALIBABA_CLOUD_DISABLE_EXTERNAL_PROCESS` (`1` or `true`) forbids it, as it does for the CLI.
///
/// Errors tell the exit status or signal, and what of the end of standard error are plain words: all that may be an id, a
/// secret or a path is left out. Nothing of standard output is ever shown.
///
/// ```
/// use std::time::Duration;
/// use alibabacloud_credentials::{ProcessProvider, Refresher};
///
/// let vault = ProcessProvider::new(["/opt/my tools/cred", "get", "--json"]).timeout(Duration::from_secs(10));
/// let credentials = Refresher::new(vault);
/// ```
pub struct ProcessProvider {
    argv: Vec<OsString>,
    timeout: Duration,
    /// The profile that names the program, as errors name it; `None` if code does.
    profile: Option<String>,
    sts: Sts,
    /// The time at which a session without an end was printed last.
    undated: Mutex<Option<Duration>>,
}

impl fmt::Debug for ProcessProvider {
    /// Arguments may be secrets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ProcessProvider").field("program", &self.program_name()).finish_non_exhaustive()
    }
}

impl ProcessProvider {
    /// Creates a provider that runs `argv`: a program and its arguments. A program without a separator in its name is looked
    /// up in `PATH`. No program at all is an error (`InvalidParameter.Command`).
    pub fn new<A: Into<OsString>>(argv: impl IntoIterator<Item = A>) -> Self {
        Self {
            argv: argv.into_iter().map(Into::into).collect(),
            timeout: TIMEOUT,
            profile: None,
            sts: Sts::default(),
            undated: Mutex::new(None),
        }
    }

    /// Runs the program that a profile names, with the STS settings already made.
    pub(crate) fn of_profile(argv: &[String], profile: String, sts: Sts) -> Self {
        Self { profile: Some(profile), sts, ..Self::new(argv) }
    }

    /// Sets the longest time that the program may take. The default is 60 s, and the limit of a refresh (120 s) holds in any
    /// case.
    ///
    /// ```
    /// use std::time::Duration;
    /// use alibabacloud_credentials::ProcessProvider;
    ///
    /// let quick = ProcessProvider::new(["cred"]).timeout(Duration::from_secs(5));
    /// ```
    #[must_use]
    pub fn timeout(mut self, limit: Duration) -> Self {
        self.timeout = limit;
        self
    }

    /// Sets the outside world. The default is the real one. The program gets its environment, and its clock measures the
    /// limit; the program itself is not looked up beneath its root.
    #[must_use]
    pub fn context(mut self, context: Context) -> Self {
        self.sts.context = context;
        self
    }

    /// The program's name as errors may show it. The arguments may be secrets.
    fn program_name(&self) -> String {
        self.argv.first().map(|name| shown(&name.to_string_lossy())).unwrap_or_default()
    }

    /// The program as errors name it. What a profile is asked for names the profile already.
    fn shown(&self) -> String {
        format!("`{}`{}", self.program_name(), if self.profile.is_some() { "" } else { " given in code" })
    }

    /// The program and who named it.
    fn place(&self) -> String {
        match &self.profile {
            Some(profile) => format!("{} of {profile}", self.shown()),
            None => self.shown(),
        }
    }

    /// The program with its environment, if it may be run.
    fn program(&self) -> Result<Program, Error> {
        if self.argv.first().is_none_or(|name| name.is_empty()) {
            let error = Error::invalid_input("the command given in code names no program");
            return Err(error.with_code("InvalidParameter.Command"));
        }
        let context = &self.sts.context;
        if context.env(DISABLED)?.is_some_and(|value| value == "1" || value.eq_ignore_ascii_case("true")) {
            let message = format!("{DISABLED} forbids running {}", self.shown());
            let remedy = format!("use a source that runs no program, or ask who set {DISABLED}");
            let error = Error::failed(message).with_code("ExternalProcessDisabled");
            return Err(error.with_remedy(remedy).permanent());
        }
        let env = environment::of_program(context, &self.argv, &self.place(), self.profile.is_some())?;
        Ok(Program { argv: self.argv.clone(), env })
    }

    async fn run(&self) -> Result<Output, Error> {
        let program = self.program()?;
        let ended = self.sts.context.run_program(program, self.timeout).await.map_err(|error| self.failure(&error))?;
        if !ended.status.success() {
            return Err(self.refusal(&ended));
        }
        output::read(&ended.stdout, &self.shown(), &self.sts.context).map_err(|error| {
            // A program that succeeds with nothing to say may have said why.
            match self.said(&ended) {
                said if !said.is_empty() && ended.stdout.trim_ascii().is_empty() => {
                    error.map_message(|message| format!("{message}{said}"))
                }
                _ => error,
            }
        })
    }

    /// The plain words of standard error, as the end of a sentence.
    fn said(&self, ended: &Ended) -> String {
        let said = plain_words(&String::from_utf8_lossy(&ended.stderr));
        if said.is_empty() { said } else { format!(", and said on standard error: {said}") }
    }

    fn refusal(&self, ended: &Ended) -> Error {
        let message = format!("{} ended with {}{}", self.shown(), ending(ended.status), self.said(ended));
        let remedy = match ended.status.code() {
            // By the convention of shells.
            Some(126) => "it found a program that cannot be executed: run it by hand",
            Some(127) => "it did not find a program: check its PATH, or run it by hand",
            _ => "run it by hand to see what it says",
        };
        Error::failed(message).with_code("ProcessFailed").with_remedy(remedy)
    }

    fn failure(&self, error: &ProgramError) -> Error {
        let place = self.shown();
        match error {
            ProgramError::NotStarted(error) => {
                let (why, remedy) = match error.kind() {
                    std::io::ErrorKind::NotFound => (
                        "no such program, or not its interpreter".to_owned(),
                        "write its absolute path, or add its directory to PATH; there is no shell, so ~, $HOME and pipes mean nothing",
                    ),
                    std::io::ErrorKind::PermissionDenied => {
                        ("permission denied".to_owned(), "let this user execute it (chmod +x)")
                    }
                    _ => (error.to_string(), "run it by hand as this user"),
                };
                Error::failed(format!("{place} cannot be started: {why}"))
                    .with_code("ProcessNotStarted")
                    .with_remedy(remedy)
            }
            ProgramError::TimedOut => {
                let limit = self.timeout.as_secs_f64();
                let message =
                    format!("{place} took longer than {limit} s and was killed, with all that it had started");
                Error::new(ErrorKind::TimedOut, message)
                    .with_code("ProcessTimedOut")
                    .with_remedy("run it by hand: it may wait for somebody to answer it")
            }
            ProgramError::TooMuchOutput => {
                Error::new(ErrorKind::InvalidResponse, format!("{place} printed more than 64 KiB"))
                    .with_code("ProcessOutputTooLarge")
                    .with_remedy("let it print one JSON object and nothing else")
            }
            ProgramError::Lost => Error::failed(format!("the end of {place} could not be seen"))
                .with_code("ProcessLost")
                .with_remedy("do not ignore SIGCHLD in this process, and let nobody else reap its children"),
        }
    }

    async fn ask(&self) -> Result<Credentials, Error> {
        let Output { keys, role } = self.run().await?;
        let keys = Provenance::or_place(keys, &self.place());
        let session = match role {
            None => keys,
            Some((role, endpoint)) => {
                let mut sts = self.sts.clone();
                sts.endpoint.profile = Some(endpoint);
                let provider = AssumeRoleProvider::with_shared_source(Arc::new(keys), role, sts);
                provider.provide_credentials().await?
            }
        };
        let undated = session.security_token().is_some() && session.expiration().is_none();
        let since = undated.then(|| self.sts.context.now().monotonic);
        *self.undated.lock().unwrap_or_else(PoisonError::into_inner) = since;
        Ok(session.in_provider("external"))
    }
}

impl ProvideCredentials for ProcessProvider {
    fn provider_name(&self) -> Cow<'_, str> {
        Cow::Borrowed("external")
    }

    fn provide_credentials(&self) -> BoxFuture<'_, Result<Credentials, Error>> {
        Box::pin(async move { self.ask().await.map_err(|error| error.in_provider("external")) })
    }

    fn source_status(&self) -> Option<SourceStatus> {
        Some(SourceStatus::configured(format!("runs {}", self.place())))
    }

    fn is_current(&self, _credentials: &Credentials) -> bool {
        let since = *self.undated.lock().unwrap_or_else(PoisonError::into_inner);
        since.is_none_or(|since| self.sts.context.now().monotonic.saturating_sub(since) < UNDATED)
    }
}
