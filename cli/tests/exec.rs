//! `exec`.

use alibabacloud_emulator::account;

use crate::support::{Cloud, Folder, IMM_ROLE, alicred, run, run_with_input};

#[test]
fn the_command_has_the_session_and_no_other_credentials() {
    let cloud = Cloud::new();
    let mut command = cloud.alicred(&["exec", "--role", IMM_ROLE, "--region", "cn-shanghai", "--", "env"]);
    for name in ["IMM_ACCESS_KEY_ID", "ALIBABA_CLOUD_ROLE_SESSION_NAME", "ALICLOUD_SECRET_KEY", "OSS_ACCESS_KEY_SECRET"]
    {
        command.env(name, "something");
    }
    let ran = run(command.env("KEPT", "1")).clean();
    let value = |name: &str| ran.out.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix('='));
    assert!(value("ALIBABA_CLOUD_ACCESS_KEY_ID").unwrap().starts_with("STS."), "{ran:?}");
    assert!(value("ALIBABA_CLOUD_SECURITY_TOKEN").is_some() && value("KEPT") == Some("1"));
    assert_eq!(value("ALIBABA_CLOUD_REGION_ID"), Some("cn-shanghai"));
    assert_eq!(value("ALIBABA_CLOUD_STS_ENDPOINT"), Some(cloud.emulator.endpoint().as_str()));
    assert!(!ran.out.contains("something"), "{}", ran.out);
}

#[test]
fn input_output_and_exit_code_are_the_commands_own() {
    let cloud = Cloud::new();
    let script = "cat; echo to-stderr >&2; exit 37";
    let ran = run_with_input(&mut cloud.alicred(&["exec", "--", "sh", "-c", script]), "through\n");
    assert_eq!((ran.code, ran.out.as_str(), ran.err.as_str()), (37, "through\n", "to-stderr\n"));
}

#[test]
fn a_command_that_does_not_start_has_the_shells_codes() {
    let (cloud, folder) = (Cloud::new(), Folder::new("exec"));
    let plain = folder.file("plain", "no program");
    for (program, code) in [("no-such-program-anywhere", 127), (plain.as_str(), 126)] {
        let ran = run(&mut cloud.alicred(&["exec", "--", program])).without_secrets();
        assert_eq!(ran.code, code, "{ran:?}");
        assert!(ran.err.contains(program), "{}", ran.err);
    }
    assert_eq!(run(&mut cloud.alicred(&["exec", "--"])).code, 64);
}

#[test]
fn without_credentials_the_command_does_not_run() {
    let ran = run(&mut alicred(&["exec", "--", "echo", "ran"]));
    assert_eq!((ran.code, ran.out.as_str()), (78, ""));
}

#[test]
fn a_policy_limits_the_session() {
    let (cloud, folder) = (Cloud::new(), Folder::new("policy"));
    let policy = folder
        .file("policy.json", r#"{"Version": "1", "Statement": [{"Effect": "Deny", "Action": "*", "Resource": "*"}]}"#);
    let arguments =
        ["exec", "--role", IMM_ROLE, "--policy", &policy, "--session-name", "job-7", "--", "alicred", "whoami"];
    let ran = run(&mut cloud.alicred(&arguments)).clean();
    assert!(ran.out.contains("imm-role/job-7"), "{}", ran.out);
    let assumed = cloud.emulator.calls().into_iter().find(|call| call.action == "AssumeRole").unwrap();
    assert!(assumed.path_and_query.contains("Policy="), "{}", assumed.path_and_query);
}

#[cfg(unix)]
#[test]
fn the_command_takes_the_place_of_the_program_so_signals_are_its_own() {
    use std::os::unix::process::ExitStatusExt as _;
    let cloud = Cloud::new();
    let script = "trap 'echo caught; exit 5' TERM; kill -TERM $$; exit 6";
    let ran = run(&mut cloud.alicred(&["exec", "--", "sh", "-c", script]));
    assert_eq!((ran.code, ran.out.as_str()), (5, "caught\n"));
    // The process that was started is the command by now, and SIGPIPE is no longer ignored.
    let mut child = cloud.alicred(&["exec", "--", "sh", "-c", "kill -PIPE $$"]).spawn().unwrap();
    assert_eq!(child.wait().unwrap().signal(), Some(13));
}

#[cfg(target_os = "linux")]
#[test]
fn on_a_terminal_ctrl_c_reaches_the_command() {
    use crate::support::terminal::Terminal;
    let cloud = Cloud::new();
    // A session of its own, so that the terminal controls it and its keys become signals.
    // Where the tests run in the background of a script, the signal is ignored, and a shell cannot trap what it was started to ignore.
    let mut command = std::process::Command::new("env");
    crate::support::bare(&mut command).args(["--default-signal=INT", "setsid", "--ctty", crate::support::PROGRAM]);
    command.args(["exec", "--", "sh", "-c"]);
    command.arg("trap 'echo caught; exit 9' INT; test -t 0 && echo ready; while :; do read line; done");
    command.envs(cloud.key());
    let mut terminal = Terminal::start(command, 80);
    let out = terminal.read_until("ready");
    assert!(!out.contains(account::RAM_USER.secret));
    terminal.send("\u{3}");
    let (out, code) = terminal.end();
    assert_eq!(code, Some(9), "{out}");
    assert!(out.contains("caught"), "{out}");
}
