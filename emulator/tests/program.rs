//! The program: its one line when ready, its refusal to start with faults that do nothing, and the tokens that it mints.

// Tests stop at the first thing that is not as expected.
use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};

use serde_json::Value;

fn program(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_alibabacloud-emulator"));
    command.args(arguments);
    command
}

fn run(arguments: &[&str]) -> Output {
    program(arguments).output().unwrap()
}

/// A path of this test's own, in the folder that cargo has for such files.
fn scratch(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("{}-{name}", std::process::id()))
}

#[test]
fn serve_tells_its_addresses_in_one_line_and_then_answers() {
    let faults = scratch("faults.json");
    fs::write(&faults, r#"[{"route":"metadata/role","status":503,"body":"down"}]"#).unwrap();
    let arguments = ["serve", "--http", "127.0.0.1:0", "--metadata", "hardened", "--sts-rate", "5", "--faults"];
    let mut child = program(&arguments).arg(&faults).stdout(Stdio::piped()).spawn().unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
    let ready: Value = serde_json::from_str(&line).unwrap();
    assert!(ready["https"].is_null());
    let get = || {
        let mut stream = TcpStream::connect(ready["http"].as_str().unwrap()).unwrap();
        let path = "/latest/meta-data/ram/security-credentials/";
        write!(stream, "GET {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    };
    let (first, second) = (get(), get());
    child.kill().unwrap();
    child.wait().unwrap();
    fs::remove_file(&faults).unwrap();
    assert!(first.starts_with("HTTP/1.1 503 ") && first.ends_with("\r\n\r\ndown"), "{first}");
    assert!(second.starts_with("HTTP/1.1 403 "), "{second}");
}

#[test]
fn faults_that_do_nothing_keep_it_from_starting() {
    let faults = scratch("bad.json");
    fs::write(&faults, r#"[{"route":"sts/*"}]"#).unwrap();
    let output = program(&["serve", "--http", "127.0.0.1:0", "--faults"]).arg(&faults).output().unwrap();
    fs::remove_file(&faults).unwrap();
    assert!(!output.status.success() && output.stdout.is_empty());
    assert!(String::from_utf8(output.stderr).unwrap().contains("nothing goes wrong"));
}

#[test]
fn a_token_goes_to_standard_output_or_whole_into_a_file() {
    let printed = run(&["token", "--sub", "system:serviceaccount:other:app", "--aud", "a", "--ttl", "60"]);
    assert!(printed.status.success());
    assert_eq!(String::from_utf8(printed.stdout).unwrap().trim_end().split('.').count(), 3);

    let folder = scratch("tokens");
    fs::create_dir_all(&folder).unwrap();
    let path = folder.join("token");
    fs::write(&path, "the old one").unwrap();
    assert!(run(&["token", "--out", path.to_str().unwrap()]).status.success());
    let written = fs::read_to_string(&path).unwrap();
    assert_eq!(written.split('.').count(), 3);
    assert_eq!(written, written.trim());
    let failed = run(&["token", "--out", folder.join("none").join("token").to_str().unwrap()]);
    assert!(!failed.status.success());
    assert_eq!(fs::read_dir(&folder).unwrap().count(), 1, "nothing is left over");
    fs::remove_dir_all(&folder).unwrap();
}

#[test]
fn the_account_is_json() {
    let account: Value = serde_json::from_slice(&run(&["account"]).stdout).unwrap();
    assert_eq!(account["oidc_provider"]["arn"], "acs:ram::1234567890123456:oidc-provider/ack-rrsa-test");
    assert_eq!(account["roles"][0]["trusts_oidc_subject"], "system:serviceaccount:default:app");
}
