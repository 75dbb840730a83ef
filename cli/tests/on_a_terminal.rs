//! The commands that print no secret, on a pseudo-terminal: the same text as through a pipe, but for colors.

use std::process::Command;

use alibabacloud_emulator::account;

use crate::support::terminal::{self, without_colors};
use crate::support::{Cloud, Folder, IMM_ROLE, Ran, run};

/// The text without what differs from run to run: whole lines with such things in them, and of a provider's line the time that it took,
/// which is there where it took long.
fn steady(text: &str) -> Vec<String> {
    let changing = [" ms", "\"date\"", "request", "RequestId", "trace", "\"etag\"", "Time\""];
    let is_branch = |line: &str| line.starts_with("├─") || line.starts_with("└─");
    let without_time = |line| match str::rsplit_once(line, " (") {
        Some((rest, time)) if is_branch(line) && time.ends_with(" ms)") => rest,
        _ => line,
    };
    let lines = text.lines().map(without_time);
    lines.filter(|line| !changing.iter().any(|part| line.contains(part))).map(str::to_owned).collect()
}

#[test]
fn each_command_says_the_same_as_through_a_pipe() {
    let cloud = Cloud::new();
    run(&mut cloud.alicred(&["call", "imm", "CreateProject", "ProjectName=p"])).clean();
    let role = ["exec", "--dry-run", "--role", IMM_ROLE, "--", "true"];
    let home = Folder::new("on-a-terminal");
    std::fs::create_dir(home.0.join(".aliyun")).unwrap();
    home.file(
        ".aliyun/config.json",
        r#"{"current":"a","profiles":[{"name":"a","mode":"AK","access_key_id":"LTAI5tExampleKeyId01","access_key_secret":"a-fake-secret"}]}"#,
    );
    let commands: [(&[&str], bool); 15] = [
        (&["explain"], true),
        (&["which"], false),
        (&["whoami"], true),
        (&["doctor"], true),
        (&["call", "imm", "GetProject", "ProjectName=p"], false),
        (&["exec", "--", "printenv", "ALIBABA_CLOUD_ACCESS_KEY_ID"], false),
        (&["emulator", "--exec", "printenv", "ALIBABA_CLOUD_REGION_ID"], false),
        (&["which", "--json"], false),
        (&role, false),
        (&["profiles"], true),
        (&["profiles", "show", "a"], true),
        (&["profiles", "switch", "a"], false),
        (&["session", "clear"], false),
        (&["completions", "fish"], false),
        (&["man"], false),
    ];
    for (arguments, has_colors) in commands {
        let command = || -> Command {
            let mut command = cloud.alicred(arguments);
            if arguments[0] == "profiles" {
                command.env("HOME", &home.0);
            }
            command
        };
        let piped: Ran = run(&mut command()).clean();
        let (out, code) = terminal::run(command(), 80);
        assert_eq!(code, Some(0), "{arguments:?}: {out}");
        assert_eq!(out.contains('\u{1b}'), has_colors, "{arguments:?}: {out:?}");
        let text = piped.out + &piped.err;
        assert!(!text.contains('\u{1b}'));
        assert_eq!(steady(&without_colors(&out)), steady(&text), "{arguments:?}");
        assert!(!out.contains(account::RAM_USER.secret));
    }
}
