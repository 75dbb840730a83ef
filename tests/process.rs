//! Credentials from a program: what it gets, what it may print, and how one that misbehaves is ended.
//!
//! A FIFO that the program and its children hold open shows that they are gone: its reader comes to the end when, and not
//! before, the last of them has ended.

use std::fs::{self, File};
use std::io::{BufRead, BufReader, Read};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::thread::{self, JoinHandle};
use std::time::{Duration, UNIX_EPOCH};

use alibabacloud_credentials::{
    CliProfileProvider, Context, Credentials, DefaultCredentialChain, Error, ErrorKind, ProcessProvider,
    ProvideCredentials, Refresher, TestClock,
};
use alibabacloud_emulator::Emulator;

use crate::support::block_on;
use crate::support::leaks::Exposed;

const SESSION: &str =
    r#"{"mode":"StsToken","access_key_id":"STS.id","access_key_secret":"s3cr3t-0","sts_token":"t0ken-0"}"#;

/// A folder, a clock, and the environment of the programs.
struct Stage {
    folder: PathBuf,
    clock: TestClock,
    env: Vec<(String, String)>,
}

impl Stage {
    fn new(name: &str) -> Self {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("process-{}-{name}", std::process::id()));
        let _ = fs::remove_dir_all(&folder);
        fs::create_dir_all(&folder).unwrap();
        let env = vec![
            ("PATH".to_owned(), "/usr/bin:/bin".to_owned()),
            ("D".to_owned(), folder.to_str().unwrap().to_owned()),
            ("SESSION".to_owned(), SESSION.to_owned()),
        ];
        Self { folder, clock: TestClock::new(UNIX_EPOCH + Duration::from_secs(1_800_000_000)), env }
    }

    fn with(mut self, name: &str, value: &str) -> Self {
        self.env.push((name.to_owned(), value.to_owned()));
        self
    }

    fn context(&self) -> Context {
        Context::builder().env(self.env.iter().cloned()).clock(self.clock.clone()).build()
    }

    fn provider<'a>(&self, argv: impl IntoIterator<Item = &'a str>) -> ProcessProvider {
        ProcessProvider::new(argv).context(self.context())
    }

    fn script(&self, script: &str) -> ProcessProvider {
        self.provider(["sh", "-c", script])
    }

    /// Asks a provider that runs the script.
    fn run(&self, script: &str) -> Result<Credentials, Error> {
        block_on(self.script(script).provide_credentials())
    }

    fn file(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// A FIFO that the programs open as `$D/held`.
    fn held(&self) -> Held {
        let path = self.file("held");
        assert!(std::process::Command::new("mkfifo").arg(&path).status().unwrap().success());
        Held(path)
    }

    /// Runs the script until `lines` of its processes have reported through the FIFO, then lets `passes` pass, and gives the
    /// result when all of them are gone.
    fn run_held(&self, script: &str, lines: usize, passes: Duration) -> Result<Credentials, Error> {
        let held = self.held();
        let result = ask(self.script(script));
        let rest = held.reported(lines);
        self.clock.advance(passes);
        let result = result.join().unwrap();
        rest.ended();
        result
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.folder);
    }
}

fn ask(provider: ProcessProvider) -> JoinHandle<Result<Credentials, Error>> {
    thread::spawn(move || block_on(provider.provide_credentials()))
}

struct Held(PathBuf);

struct Reported(BufReader<File>);

impl Held {
    /// Waits for so many lines.
    fn reported(self, lines: usize) -> Reported {
        let mut reader = BufReader::new(File::open(&self.0).unwrap());
        for _ in 0..lines {
            assert!(reader.read_line(&mut String::new()).unwrap() > 0);
        }
        Reported(reader)
    }
}

impl Reported {
    /// Waits until nobody holds it any more.
    fn ended(mut self) {
        self.0.read_to_end(&mut Vec::new()).unwrap();
    }
}

#[test]
fn a_program_gets_its_arguments_as_they_are_and_the_environment_of_the_context_and_no_input() {
    let stage = Stage::new("gets").with("GIVEN", "given");
    let script = "cat; printf '%s\\n' \"$GIVEN\" \"$@\" >$D/seen; printf '%s' \"$SESSION\"";
    let arguments = ["$HOME ; echo", "a b", "", "*"];
    let provider = stage.provider(["sh", "-c", script, "name"].into_iter().chain(arguments));
    let found = block_on(provider.provide_credentials()).unwrap();
    assert_eq!(found.provider_name(), "external/static_sts");
    assert_eq!((found.access_key_id(), found.security_token()), ("STS.id", Some("t0ken-0")));
    assert_eq!(fs::read_to_string(stage.file("seen")).unwrap(), "given\n$HOME ; echo\na b\n\n*\n");
    assert!(!format!("{provider:?} {found:?}").contains("s3cr3t"));
    assert!(!format!("{provider:?}").contains("HOME"), "arguments may be secrets");
}

#[test]
fn a_program_that_ignores_sigterm_and_its_child_that_keeps_the_pipe_are_gone_after_the_limit() {
    let stage = Stage::new("term");
    let script = "trap '' TERM HUP INT; exec 9>$D/held; echo parent >&9
        (trap '' TERM HUP INT; echo child >&9; while :; do sleep 1000; done) & wait; sleep 1000";
    let error = stage.run_held(script, 2, Duration::from_secs(60)).unwrap_err();
    assert_eq!((error.kind(), error.code()), (ErrorKind::TimedOut, Some("ProcessTimedOut")));
    assert!(error.message().contains("took longer than 60 s and was killed"), "{error}");
}

#[test]
fn the_limit_can_be_set_and_a_program_that_closed_its_pipes_is_held_to_it() {
    let stage = Stage::new("closed");
    let held = stage.held();
    let script = "exec 9>$D/held; printf '%s' \"$SESSION\"; exec >&- 2>&-; echo closed >&9; sleep 1000";
    let result = ask(stage.script(script).timeout(Duration::from_secs(5)));
    let rest = held.reported(1);
    stage.clock.advance(Duration::from_secs(5));
    assert_eq!(result.join().unwrap().unwrap_err().code(), Some("ProcessTimedOut"));
    rest.ended();
}

#[test]
fn a_program_that_nobody_waits_for_any_more_is_killed() {
    let stage = Stage::new("dropped");
    let held = stage.held();
    let provider = stage.script("exec 9>$D/held; echo started >&9; sleep 1000");
    let mut asked = provider.provide_credentials();
    let waker = std::task::Waker::noop();
    assert!(asked.as_mut().poll(&mut std::task::Context::from_waker(waker)).is_pending());
    let rest = held.reported(1);
    drop(asked);
    rest.ended();
}

#[test]
fn a_program_that_floods_both_pipes_is_killed() {
    let stage = Stage::new("floods");
    let script = "exec 9>$D/held; echo started >&9; yes s3cr3t >&2 & exec yes s3cr3t";
    let error = stage.run_held(script, 1, Duration::ZERO).unwrap_err();
    assert_eq!((error.kind(), error.code()), (ErrorKind::InvalidResponse, Some("ProcessOutputTooLarge")));
    assert!(!format!("{error:#} {error:?}").contains("s3cr3t"), "{error}");
}

#[test]
fn more_on_standard_error_than_a_pipe_holds_stops_no_program_and_64_kib_of_output_are_read() {
    let stage = Stage::new("verbose");
    let found = stage.run("head -c 300000 /dev/zero >&2; printf '%s' \"$SESSION\"").unwrap();
    assert_eq!(found.access_key_id(), "STS.id");
    // 64 KiB to the byte, and one more.
    let blanks = 64 * 1024 - SESSION.len();
    let padded = |blanks: usize| format!("printf '%s%{blanks}s' \"$SESSION\" ''");
    assert!(stage.run(&padded(blanks)).is_ok());
    assert_eq!(stage.run(&padded(blanks + 1)).unwrap_err().code(), Some("ProcessOutputTooLarge"));
}

#[test]
fn a_child_that_outlives_its_program_with_the_pipe_in_its_hands_is_not_waited_for() {
    let stage = Stage::new("outlives");
    let held = stage.held();
    // The child reads from the FIFO: it ends when the test closes it, and not before.
    let found = stage.run("cat $D/held & printf '%s' \"$SESSION\"").unwrap();
    assert_eq!(found.access_key_id(), "STS.id");
    drop(File::create(held.0).unwrap());
}

#[test]
fn a_child_that_left_the_group_with_both_pipes_in_its_hands_does_not_hold_up_the_limit() {
    if !Path::new("/usr/bin/setsid").exists() {
        return; // Nothing else leaves a group by a word of the shell.
    }
    let stage = Stage::new("left");
    let gate = stage.file("gate");
    assert!(std::process::Command::new("mkfifo").arg(&gate).status().unwrap().success());
    // The child ends when the test closes the gate, and not before.
    let script = "setsid sh -c 'trap \"\" TERM HUP; exec cat $D/gate' & exec 9>$D/held; echo up >&9; sleep 1000";
    let error = stage.run_held(script, 1, Duration::from_secs(60)).unwrap_err();
    assert_eq!(error.code(), Some("ProcessTimedOut"));
    drop(File::create(gate).unwrap());
}

#[test]
fn a_program_that_fails_is_told_by_its_end_and_its_plain_words() {
    let stage = Stage::new("fails");
    for (script, told) in [
        (
            "echo 'the vault is sealed: s3cr3t-1' >&2; exit 3",
            "ended with exit status 3, and said on standard error: the vault is sealed: …",
        ),
        ("echo \"$SESSION\"; echo \"$SESSION\" >&2; exit 1", "ended with exit status 1, and said on standard error: …"),
        ("echo '--secret s3cr3t-1 secret: hunter' >&2; exit 1", "said on standard error: … secret: …"),
        ("kill -SEGV $$", "ended with signal 11 (SIGSEGV)"),
        ("kill -KILL $$", "ended with signal 9 (SIGKILL)"),
        ("exit 0", "printed nothing on standard output"),
        ("echo 'log in first' >&2", "printed nothing on standard output, and said on standard error: log in first"),
        ("echo s3cr3t-1", "printed something that is not JSON at line 1 column 1"),
        ("echo \"$SESSION\"; exit 3", "ended with exit status 3"),
    ] {
        let error = stage.run(script).unwrap_err();
        assert_eq!(error.provider_name(), Some("external"));
        assert!(error.message().starts_with("`sh` given in code ") && error.message().ends_with(told), "{error}");
        let mut exposed = Exposed::default();
        exposed.error(&error);
        let secrets = ["s3cr3t-0", "s3cr3t-1", "t0ken-0", "hunter"].map(str::to_owned);
        assert_eq!(exposed.leaks(&secrets), Vec::<String>::new());
    }
    let error = stage.run("exit 127").unwrap_err();
    assert_eq!((error.code(), error.is_transient()), (Some("ProcessFailed"), false));
    assert!(error.remedy().unwrap().contains("did not find a program"));
}

#[test]
fn a_program_that_is_not_there_or_may_not_be_executed_is_called_that() {
    let stage = Stage::new("absent");
    let plain = stage.file("plain");
    fs::write(&plain, "#!/bin/sh\n").unwrap();
    fs::set_permissions(&plain, fs::Permissions::from_mode(0o600)).unwrap();
    for (program, told) in [
        ("no-such-program", "cannot be started: no such program"),
        ("~/cred", "cannot be started: no such program"),
        (plain.to_str().unwrap(), "cannot be started: permission denied"),
        (stage.folder.to_str().unwrap(), "cannot be started: permission denied"),
    ] {
        let error = block_on(stage.provider([program]).provide_credentials()).unwrap_err();
        assert_eq!((error.kind(), error.code()), (ErrorKind::Failed, Some("ProcessNotStarted")));
        assert!(error.message().contains(told), "{error}");
    }
    for argv in [&[][..], &[""]] {
        let error = block_on(stage.provider(argv.iter().copied()).provide_credentials()).unwrap_err();
        assert_eq!((error.kind(), error.code()), (ErrorKind::InvalidInput, Some("InvalidParameter.Command")));
    }
}

#[test]
fn the_switch_forbids_programs_by_its_name_and_none_is_run() {
    for (value, forbids) in [("1", true), ("True", true), ("0", false), ("yes", false), ("", false)] {
        let stage = Stage::new("switch").with("ALIBABA_CLOUD_DISABLE_EXTERNAL_PROCESS", value);
        let result = stage.run(">$D/ran; printf '%s' \"$SESSION\"");
        assert_eq!((stage.file("ran").exists(), result.is_err()), (!forbids, forbids), "{value}");
        if let Err(error) = result {
            assert_eq!(error.code(), Some("ExternalProcessDisabled"));
            assert!(error.message().contains("ALIBABA_CLOUD_DISABLE_EXTERNAL_PROCESS forbids running `sh`"), "{error}");
        }
    }
}

#[test]
fn a_program_that_asks_for_its_own_credentials_is_an_error_that_names_both_ends() {
    let stage = Stage::new("cycle");
    let script = "printf '%s' \"$ALIBABA_CLOUD_CREDENTIALS_PROCESS\" >$D/mark; printf '%s' \"$SESSION\"";
    stage.run(script).unwrap();
    let mark = fs::read_to_string(stage.file("mark")).unwrap();
    let inner = Stage::new("cycle-inner").with("ALIBABA_CLOUD_CREDENTIALS_PROCESS", &mark);
    let error = inner.run(script).unwrap_err();
    assert_eq!(error.code(), Some("ProcessCycle"));
    assert_eq!(error.message().matches("`sh` given in code").count(), 2, "{error}");
    assert!(!inner.file("mark").exists(), "it was not run again");
    assert!(inner.run("printf '%s' \"$SESSION\"").is_ok(), "another command is no cycle");
}

#[test]
fn an_explanation_does_not_run_the_program_of_a_profile_that_was_not_reached() {
    let stage = Stage::new("explained");
    let config = stage.file("config.json");
    let command = r#"sh -c '>$D/ran; printf %s \"$SESSION\"'"#;
    let json =
        format!(r#"{{"current":"dev","profiles":[{{"name":"dev","mode":"External","process_command":"{command}"}}]}}"#);
    fs::write(&config, json).unwrap();
    let stage = stage.with("ALIBABA_CLOUD_CONFIG_FILE", config.to_str().unwrap());
    let explained = |stage: &Stage| {
        let chain = DefaultCredentialChain::builder().context(stage.context()).ecs_metadata(false).build();
        (block_on(chain.explain()).to_string(), stage.file("ran").exists())
    };
    let stage = stage.with("ALIBABA_CLOUD_ACCESS_KEY_ID", "id").with("ALIBABA_CLOUD_ACCESS_KEY_SECRET", "s3cr3t-0");
    let (explanation, ran) = explained(&stage);
    assert!(!ran && explanation.contains("cli_profile"), "{explanation}");
    let mut reached = stage;
    reached.env.truncate(reached.env.len() - 2);
    let (explanation, ran) = explained(&reached);
    assert!(ran && explanation.contains("external"), "{explanation}");
}

#[test]
fn a_profiles_program_does_not_inherit_the_profiles_name() {
    let stage = Stage::new("inherits");
    let config = stage.file("config.json");
    let command = r#"sh -c 'echo \"$ALIBABA_CLOUD_PROFILE/$OTHER\" >$D/seen; printf %s \"$SESSION\"'"#;
    let json = format!(r#"{{"profiles":[{{"name":"dev","mode":"External","process_command":"{command}"}}]}}"#);
    fs::write(&config, json).unwrap();
    let stage = stage
        .with("ALIBABA_CLOUD_CONFIG_FILE", config.to_str().unwrap())
        .with("ALIBABA_CLOUD_PROFILE", "dev")
        .with("OTHER", "other");
    let chain = DefaultCredentialChain::builder().context(stage.context()).ecs_metadata(false).build();
    assert_eq!(block_on(chain.credentials()).unwrap().access_key_id(), "STS.id");
    assert_eq!(fs::read_to_string(stage.file("seen")).unwrap(), "/other\n");
}

#[test]
fn a_session_without_an_end_that_a_profiles_program_printed_is_asked_for_again_in_use() {
    let stage = Stage::new("again");
    let config = stage.file("config.json");
    let command = r#"sh -c 'echo run >>$D/runs; printf %s \"$SESSION\"'"#;
    let json = format!(r#"{{"profiles":[{{"name":"default","mode":"External","process_command":"{command}"}}]}}"#);
    fs::write(&config, json).unwrap();
    let stage = stage.with("ALIBABA_CLOUD_CONFIG_FILE", config.to_str().unwrap());
    let provider = CliProfileProvider::new().context(stage.context());
    let found = block_on(provider.provide_credentials()).unwrap();
    stage.clock.advance(Duration::from_secs(59));
    assert!(provider.is_current(&found));
    stage.clock.advance(Duration::from_secs(1));
    assert!(!provider.is_current(&found));
    block_on(provider.provide_credentials()).unwrap();
    assert!(provider.is_current(&found));
    assert_eq!(fs::read_to_string(stage.file("runs")).unwrap(), "run\nrun\n");
}

#[test]
fn the_end_that_a_program_tells_is_the_sessions_and_one_that_has_passed_is_an_error() {
    let stage = Stage::new("dated");
    let dated = |end: &str| stage.run(&format!("printf '%s' \"${{SESSION%?}},\\\"expiration\\\":\\\"{end}\\\"}}\""));
    // The clock shows 2027-01-15T08:00:00Z.
    let end = UNIX_EPOCH + Duration::from_secs(1_800_003_600);
    assert_eq!(dated("2027-01-15T09:00:00Z").unwrap().expiration(), Some(end));
    assert_eq!(dated("2027-01-15T08:00:00Z").unwrap_err().kind(), ErrorKind::Expired);
    assert_eq!(dated("tomorrow").unwrap_err().kind(), ErrorKind::InvalidResponse);
}

#[test]
fn a_session_without_an_end_is_asked_for_again_after_a_minute_of_use_and_a_pair_is_not() {
    let stage = Stage::new("undated");
    let pair = r#"{"access_key_id":"id","access_key_secret":"s3cr3t-0"}"#;
    for (script, is_current) in [("printf '%s' \"$SESSION\"", false), (&*format!("printf '%s' '{pair}'"), true)] {
        let provider = stage.script(script);
        let found = block_on(provider.provide_credentials()).unwrap();
        assert!(provider.is_current(&found));
        stage.clock.advance(Duration::from_secs(59));
        assert!(provider.is_current(&found));
        stage.clock.advance(Duration::from_secs(1));
        assert_eq!(provider.is_current(&found), is_current, "{script}");
    }
}

#[test]
fn a_program_runs_once_for_all_who_wait() {
    let stage = Stage::new("once");
    let held = stage.held();
    let script = "echo run >>$D/runs; exec 9>$D/held; echo started >&9; read x <$D/go; printf '%s' \"$SESSION\"";
    let go = stage.file("go");
    assert!(std::process::Command::new("mkfifo").arg(&go).status().unwrap().success());
    let refresher = Refresher::builder(stage.script(script)).context(stage.context()).build();
    let callers: Vec<_> = (0..20)
        .map(|_| {
            let refresher = refresher.clone();
            thread::spawn(move || block_on(refresher.credentials()).unwrap().generation())
        })
        .collect();
    let rest = held.reported(1);
    fs::write(go, "go\n").unwrap();
    let generations: Vec<u64> = callers.into_iter().map(|caller| caller.join().unwrap()).collect();
    assert!(generations.iter().all(|generation| *generation == generations[0]));
    rest.ended();
    assert_eq!(fs::read_to_string(stage.file("runs")).unwrap(), "run\n");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_program_that_prints_a_key_and_a_role_gives_the_roles_session() {
    let emulator = Emulator::builder().start().await.unwrap();
    let printed = r#"{"mode":"RamRoleArn","access_key_id":"emulator-ram-user","access_key_secret":"emulator-ram-user-secret",
        "ram_role_arn":"acs:ram::1234567890123456:role/imm-role","ram_session_name":"by-program"}"#;
    let variables =
        [("PATH", "/usr/bin:/bin"), ("PRINTED", printed), ("ALIBABA_CLOUD_STS_ENDPOINT", &emulator.endpoint())];
    let provider = ProcessProvider::new(["sh", "-c", "printf '%s' \"$PRINTED\""])
        .context(Context::builder().env(variables).build());
    let session = provider.provide_credentials().await.unwrap();
    assert_eq!(session.provider_name(), "external/ram_role_arn/static_ak");
    assert!(session.access_key_id().starts_with("STS."));
    assert!(session.expiration().is_some());
}
