//! `export`.

use std::process::Command;

use alibabacloud_emulator::account;

use crate::support::{Cloud, Folder, IMM_ROLE, PROGRAM, alicred, bare, golden, run};

/// Characters that a shell might take for something else, of those that the library lets pass.
const AWKWARD: &str = r"a$HOME$(id)\n&|;()*?~#%50!^=+/@:,.-_%PATH%";

fn key() -> [(&'static str, &'static str); 2] {
    [("ALIBABA_CLOUD_ACCESS_KEY_ID", "LTAI5tExampleKeyId01"), ("ALIBABA_CLOUD_ACCESS_KEY_SECRET", "a-fake-secret")]
}

fn exported(format: &str) -> String {
    run(alicred(&["export", "--format", format]).envs(key()).env("ALIBABA_CLOUD_SECURITY_TOKEN", "a-fake-token")).out
}

#[test]
fn each_format_of_a_session_is_as_written_down() {
    let formats = ["env", "fish", "powershell", "cmd", "dotenv", "json", "external", "ini", "aliyun-profile"];
    let all: String = formats.iter().map(|format| format!("== {format}\n{}", exported(format))).collect();
    golden("export-session.txt", &all);
}

#[test]
fn each_format_of_a_key_is_as_written_down_and_takes_a_role_away_that_would_be_assumed_with_it() {
    let folder = Folder::new("export-key");
    let config = r#"{"current": "p", "profiles": [{"name": "p", "mode": "AK", "access_key_id": "LTAI5tExampleKeyId01",
        "access_key_secret": "a-fake-secret", "region_id": "cn-shanghai"}]}"#;
    folder.file(".aliyun/config.json", config);
    let formats = ["env", "fish", "powershell", "cmd", "dotenv", "json", "external", "ini", "aliyun-profile"];
    let one = |format: &&str| {
        let mut command = alicred(&["export", "--format", format]);
        let ran = run(command.env("HOME", &folder.0).env("ALIBABA_CLOUD_ROLE_ARN", IMM_ROLE));
        assert_eq!(ran.code, 0, "{ran:?}");
        format!("== {format}\n{}", ran.out)
    };
    golden("export-key.txt", &formats.iter().map(one).collect::<String>());
}

/// Runs `script` with a command in `$0` that exports, and returns the secret that the shell then has.
fn secret_in(shell: &str, flags: &[&str], script: &str) -> Option<String> {
    let mut command = Command::new(shell);
    bare(&mut command).args(flags).args([script, PROGRAM]).envs(key()).env("ALIBABA_CLOUD_ACCESS_KEY_SECRET", AWKWARD);
    if command.output().is_err() {
        eprintln!("{shell} is not installed");
        return None;
    }
    let ran = run(&mut command);
    assert_eq!(ran.code, 0, "{shell}: {ran:?}");
    Some(ran.out)
}

const SH: &str = "v=$(\"$0\" export); unset ALIBABA_CLOUD_ACCESS_KEY_SECRET; eval \"$v\"; \
                  sh -c 'printf %s \"$ALIBABA_CLOUD_ACCESS_KEY_SECRET\"'";

#[test]
fn shells_take_every_value_literally() {
    assert_eq!(secret_in("sh", &["-c"], SH).as_deref(), Some(AWKWARD));
    for shell in ["bash", "dash", "zsh", "ksh"] {
        assert!(secret_in(shell, &["-c"], SH).is_none_or(|secret| secret == AWKWARD), "{shell}");
    }
    // fish gives what follows `-c` as $argv.
    let fish = "$argv[1] export --format fish | source; printf %s $ALIBABA_CLOUD_ACCESS_KEY_SECRET";
    assert!(secret_in("fish", &["--no-config", "-c"], fish).is_none_or(|secret| secret == AWKWARD));
}

/// Command Prompt as wine has it. It expands `%` and ends a command at `&` as the real one does, which is looked at first.
#[cfg(unix)]
#[test]
fn command_prompt_takes_every_value_literally() {
    const SECRET: &str = r"a$HOME$(id)\n&|;()*?~#50^=+/@:,.-_";
    let folder = Folder::new("cmd");
    let run_script = |lines: &str| {
        folder.file("run.bat", &format!("@echo off\r\n{lines}\r\n"));
        let mut wine = Command::new("wine");
        bare(&mut wine).args(["cmd", "/c", "run.bat"]).current_dir(&folder.0).env("HOME", &folder.0);
        let output = wine.env("WINEPREFIX", folder.0.join("wine")).env("WINEDEBUG", "-all").output().ok()?;
        Some(String::from_utf8(output.stdout).unwrap().replace('\r', ""))
    };
    if run_script("echo works").is_none_or(|out| out.trim() != "works") {
        eprintln!("wine is not installed");
        return;
    }
    let out = run_script("set \"X=a%OS%b\"\r\nset X\r\nset Y=a&echo b").unwrap();
    assert_eq!(out, "X=aWindows_NTb\nb\n");
    let ran = run(alicred(&["export", "--format", "cmd"]).envs(key()).env("ALIBABA_CLOUD_ACCESS_KEY_SECRET", SECRET));
    folder.file("export.bat", &ran.out);
    for mode in ["Disable", "Enable"] {
        let lines =
            format!("setlocal {mode}DelayedExpansion\r\ncall export.bat\r\nset ALIBABA_CLOUD_ACCESS_KEY_SECRET");
        assert_eq!(run_script(&lines).unwrap(), format!("ALIBABA_CLOUD_ACCESS_KEY_SECRET={SECRET}\n"), "{mode}");
    }
}

#[test]
fn external_is_what_the_official_sdks_expect_of_a_process() {
    let cloud = Cloud::new();
    let ran = run(&mut cloud.alicred(&["export", "--format", "external", "--role", IMM_ROLE, "--duration", "15m"]));
    let json = ran.json();
    assert_eq!(json["mode"], "StsToken");
    assert!(json["access_key_id"].as_str().unwrap().starts_with("STS."));
    assert!(json["sts_token"].is_string() && json["expiration"].as_str().unwrap().ends_with('Z'));
    assert_eq!(json.as_object().unwrap().len(), 5);
    assert!(!ran.out.contains(account::RAM_USER.secret), "the source's key stays with the source");
}

#[test]
fn a_credentials_uris_answer_needs_a_session() {
    let cloud = Cloud::new();
    let json = run(&mut cloud.alicred(&["export", "--format", "uri", "--role", IMM_ROLE])).json();
    assert_eq!(json["Code"], "Success");
    assert!(
        ["AccessKeyId", "AccessKeySecret", "SecurityToken", "Expiration"].iter().all(|name| json[name].is_string())
    );
    let ran = run(&mut cloud.alicred(&["export", "--format", "uri"])).without_secrets();
    assert_eq!(ran.code, 78);
    assert!(ran.err.contains("remedy: add --role"), "{}", ran.err);
}

#[test]
fn roles_chain() {
    let cloud = Cloud::new();
    let chained = "acs:ram::1234567890123456:role/chained-role";
    let alone = run(&mut cloud.alicred(&["export", "--role", chained])).without_secrets();
    assert_eq!(alone.code, 77, "{alone:?}");
    let ran = run(&mut cloud.alicred(&["export", "--json", "--role", IMM_ROLE, "--role", chained]));
    assert_eq!(ran.json()["provider_name"], "ram_role_arn/ram_role_arn/default/env", "{ran:?}");
    let actions: Vec<String> = cloud.emulator.calls().iter().map(|call| call.action.clone()).collect();
    assert_eq!(actions, ["AssumeRole", "AssumeRole", "AssumeRole"]);
}

#[test]
fn what_a_format_cannot_hold_literally_is_refused() {
    for (format, secret) in [("cmd", "a%PATH%b"), ("dotenv", r"a\b")] {
        let mut command = alicred(&["export", "--format", format]);
        let ran = run(command.envs(key()).env("ALIBABA_CLOUD_ACCESS_KEY_SECRET", secret));
        assert_eq!((ran.code, ran.out.as_str()), (78, ""), "{ran:?}");
        assert!(!ran.err.contains(secret) && ran.err.contains("ALIBABA_CLOUD_ACCESS_KEY_SECRET"), "{}", ran.err);
    }
}

#[test]
fn github_masks_before_it_exports() {
    let folder = Folder::new("github");
    let file = folder.file("env", "BEFORE=1\n");
    let mut command = alicred(&["export", "--format", "github"]);
    let ran = run(command.envs(key()).env("GITHUB_ENV", &file));
    assert_eq!((ran.code, ran.err.as_str()), (0, ""));
    assert_eq!(ran.out, "::add-mask::LTAI5tExampleKeyId01\n::add-mask::a-fake-secret\n");
    let written = std::fs::read_to_string(&file).unwrap();
    let variables = "ALIBABA_CLOUD_ACCESS_KEY_ID=LTAI5tExampleKeyId01\nALIBABA_CLOUD_ACCESS_KEY_SECRET=a-fake-secret\n";
    assert_eq!(written, format!("BEFORE=1\n{variables}"));

    let ran = run(alicred(&["export", "--format", "github"]).envs(key()));
    assert_eq!((ran.code, ran.out.as_str()), (64, ""));
    assert!(ran.err.contains("GITHUB_ENV is unset"));
}

#[cfg(unix)]
#[test]
fn on_a_terminal_secrets_are_refused_unless_asked_for() {
    use crate::support::terminal;
    let command = |arguments: &[&str]| {
        let mut command = alicred(arguments);
        command.envs(key());
        command
    };
    let (out, code) = terminal::run(command(&["export"]), 80);
    assert_eq!(code, Some(64));
    assert!(!out.contains("a-fake-secret") && out.contains("--show-secrets"), "{out}");
    let (out, code) = terminal::run(command(&["export", "--show-secrets"]), 80);
    assert_eq!(code, Some(0));
    assert!(out.contains("export ALIBABA_CLOUD_ACCESS_KEY_SECRET='a-fake-secret'"), "{out}");
}

#[test]
fn no_secret_can_be_given_as_an_argument() {
    let ran = run(&mut alicred(&["export", "--help"]));
    let flags: Vec<&str> = ran.out.split_whitespace().filter(|word| word.starts_with("--")).collect();
    assert!(!flags.iter().any(|flag| flag.contains("key") || flag.contains("token")), "{flags:?}");
}

#[test]
fn a_duration_without_a_role_is_a_usage_error_and_a_missing_policy_file_is_named() {
    let ran = run(alicred(&["export", "--duration", "15m"]).envs(key()));
    assert_eq!(ran.code, 64, "{ran:?}");
    let ran = run(alicred(&["export", "--role", IMM_ROLE, "--policy", "/nonexistent/p.json"]).envs(key()));
    assert_eq!(ran.code, 66);
    assert!(ran.err.contains("/nonexistent/p.json cannot be read"), "{}", ran.err);
}
