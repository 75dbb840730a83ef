//! The program in a world of its own: a bare environment, and an emulated cloud.

pub(crate) mod oauth;
#[cfg(unix)]
pub(crate) mod terminal;
pub(crate) mod tls;

use std::io::Write as _;
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};

use alibabacloud_emulator::{Builder, Emulator, account};
use serde_json::Value;
use tokio::runtime::Runtime;

pub(crate) const PROGRAM: &str = env!("CARGO_BIN_EXE_alicred");
pub(crate) const IMM_ROLE: &str = "acs:ram::1234567890123456:role/imm-role";

/// The program with nothing configured: no home, no instance metadata, no variables but `PATH`.
pub(crate) fn alicred(arguments: &[&str]) -> Command {
    let mut command = Command::new(PROGRAM);
    bare(&mut command).args(arguments);
    command
}

/// Takes the environment away, and what tests must not reach.
#[allow(clippy::disallowed_methods)] // shells are looked for where the tests' own are
pub(crate) fn bare(command: &mut Command) -> &mut Command {
    let path = std::env::var_os("PATH").unwrap_or_default();
    command.env_clear().env("PATH", path).env("HOME", "/nonexistent").env("ALIBABA_CLOUD_ECS_METADATA_DISABLED", "true")
}

/// The result of a run of the program.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Ran {
    pub(crate) code: i32,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Ran {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.out).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// Fails unless the run succeeded and showed no secret.
    pub(crate) fn clean(self) -> Self {
        assert_eq!(self.code, 0, "{self:?}");
        self.without_secrets()
    }

    pub(crate) fn without_secrets(self) -> Self {
        for secret in [account::RAM_USER.secret, CANARY] {
            assert!(!self.out.contains(secret) && !self.err.contains(secret), "{self:?}");
        }
        self
    }
}

/// A secret that no output may hold.
pub(crate) const CANARY: &str = "canary-0123456789-secret";

pub(crate) fn run(command: &mut Command) -> Ran {
    run_with_input(command, "")
}

pub(crate) fn run_with_input(command: &mut Command, input: &str) -> Ran {
    let command = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    // The child may not read it.
    let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
    ran(child.wait_with_output().unwrap())
}

fn ran(output: Output) -> Ran {
    let text = |bytes| String::from_utf8(bytes).unwrap();
    Ran { code: output.status.code().unwrap_or(-1), out: text(output.stdout), err: text(output.stderr) }
}

/// An emulated cloud, and the program with a key for it.
pub(crate) struct Cloud {
    pub(crate) emulator: Emulator,
    /// Serves the emulator.
    runtime: Runtime,
}

impl Cloud {
    pub(crate) fn new() -> Self {
        Self::with(|emulator| emulator)
    }

    pub(crate) fn with(change: impl FnOnce(Builder) -> Builder) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let emulator = runtime.block_on(change(Emulator::builder()).start()).unwrap();
        Self { emulator, runtime }
    }

    pub(crate) fn block_on<T>(&self, future: impl Future<Output = T>) -> T {
        self.runtime.block_on(future)
    }

    /// The program with the RAM user's key.
    pub(crate) fn alicred(&self, arguments: &[&str]) -> Command {
        let mut command = alicred(arguments);
        command.envs(self.key());
        command
    }

    pub(crate) fn key(&self) -> [(&'static str, String); 4] {
        [
            ("ALIBABA_CLOUD_ACCESS_KEY_ID", account::RAM_USER.id.to_owned()),
            ("ALIBABA_CLOUD_ACCESS_KEY_SECRET", account::RAM_USER.secret.to_owned()),
            ("ALIBABA_CLOUD_STS_ENDPOINT", self.emulator.endpoint()),
            ("ALIBABA_CLOUD_ENDPOINT", self.emulator.endpoint()),
        ]
    }
}

/// A folder of one test's own.
pub(crate) struct Folder(pub(crate) PathBuf);

impl Folder {
    pub(crate) fn new(name: &str) -> Self {
        let path = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("alicred-{}-{name}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    /// Writes a file, and returns its path.
    pub(crate) fn file(&self, name: &str, content: &str) -> String {
        let path = self.0.join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, content).unwrap();
        path.to_str().unwrap().to_owned()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// Compares with a file of `tests/golden`, which `ALICRED_GOLDEN=write` writes anew. Times differ from run to run, so ` (3 ms)` is
/// left out.
#[allow(clippy::disallowed_methods)] // asks how the test was started
pub(crate) fn golden(name: &str, text: &str) {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(name);
    let text: String = text.lines().map(|line| format!("{}\n", without_time(line))).collect();
    if std::env::var_os("ALICRED_GOLDEN").is_some_and(|value| value == "write") {
        std::fs::write(&path, &text).unwrap();
    }
    let expected = std::fs::read_to_string(&path).unwrap_or_default();
    assert_eq!(text, expected, "{name}: see ALICRED_GOLDEN in tests/support");
}

fn without_time(line: &str) -> String {
    match line.rsplit_once(" (") {
        Some((rest, time)) if time.ends_with(" ms)") => rest.trim_end().to_owned(),
        _ => line.trim_end().to_owned(),
    }
}
