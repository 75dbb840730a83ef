//! `emulator`.

use std::io::{BufRead as _, BufReader};
use std::process::Stdio;

use serde_json::Value;

use crate::support::{Folder, IMM_ROLE, alicred, run};

#[test]
fn a_command_uses_the_emulator_with_nothing_configured() {
    let arguments = ["emulator", "--exec", "alicred", "call", "imm", "CreateProject", "ProjectName=testproject"];
    let ran = run(&mut alicred(&arguments)).clean();
    assert_eq!(ran.json()["body"]["Project"]["ProjectName"], "testproject");
    assert_eq!(ran.err, "");
}

#[test]
fn commands_nest_and_their_flags_are_their_own() {
    let arguments = ["emulator", "--exec", "alicred", "exec", "--role", IMM_ROLE, "--", "alicred", "whoami", "--json"];
    let ran = run(&mut alicred(&arguments)).clean();
    assert_eq!(ran.json()["identity_type"], "AssumedRoleUser");
}

#[test]
fn a_users_own_credentials_do_not_reach_the_emulators_command() {
    let mut command = alicred(&["emulator", "--exec", "env"]);
    command.env("ALIBABA_CLOUD_PROFILE", "prod").env("ALIBABA_CLOUD_SECURITY_TOKEN", "of-a-user");
    let ran = run(&mut command);
    assert_eq!(ran.code, 0);
    assert!(!ran.out.contains("ALIBABA_CLOUD_PROFILE") && !ran.out.contains("of-a-user"), "{}", ran.out);
}

#[test]
fn the_commands_exit_code_is_passed_on() {
    assert_eq!(run(&mut alicred(&["emulator", "--exec", "sh", "-c", "exit 42"])).code, 42);
    assert_eq!(run(&mut alicred(&["emulator", "--exec", "no-such-program-anywhere"])).code, 127);
}

#[cfg(unix)]
#[test]
fn a_signal_is_passed_on_and_one_that_ends_the_command_is_told_as_shells_tell_it() {
    let mut command = alicred(&["emulator", "--exec", "sh", "-c"]);
    command.arg("trap 'echo caught; exit 7' TERM; echo ready; while :; do sleep 0.05; done");
    let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    assert_eq!(lines.next().unwrap().unwrap(), "ready");
    let pid = rustix::process::Pid::from_child(&child);
    rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
    assert_eq!(lines.next().unwrap().unwrap(), "caught");
    assert_eq!(child.wait().unwrap().code(), Some(7));
    assert_eq!(run(&mut alicred(&["emulator", "--exec", "sh", "-c", "kill -KILL $$"])).code, 128 + 9);
}

#[cfg(unix)]
#[test]
fn without_a_command_it_says_what_to_set_and_runs_until_it_is_told_to_end() {
    let mut child = alicred(&["emulator", "--json"]).stdout(Stdio::piped()).spawn().unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
    let ready: Value = serde_json::from_str(&line).unwrap();
    let variables = ready["environment"].as_object().unwrap();
    let variables = variables.iter().map(|(name, value)| (name.as_str(), value.as_str().unwrap()));
    let ran = run(alicred(&["whoami", "--json"]).envs(variables)).clean();
    assert_eq!(ran.json()["account_id"], "1234567890123456");
    rustix::process::kill_process(rustix::process::Pid::from_child(&child), rustix::process::Signal::TERM).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(0));
}

#[test]
fn sessions_faults_and_a_wrong_address_are_as_told() {
    let folder = Folder::new("faults");
    let faults = folder
        .file("faults.json", r#"[{"route":"sts/GetCallerIdentity","times":9,"status":403,"code":"NoPermission"}]"#);
    let ran = run(&mut alicred(&["emulator", "--faults", &faults, "--exec", "alicred", "whoami"]));
    assert_eq!(ran.code, 77, "{ran:?}");
    let ran = run(&mut alicred(&["emulator", "--faults", "/nonexistent/f.json", "--exec", "true"]));
    assert_eq!(ran.code, 66, "{ran:?}");
    let ran = run(&mut alicred(&["emulator", "--http", "192.0.2.1:1", "--exec", "true"]));
    assert_eq!(ran.code, 69, "{ran:?}");
}
