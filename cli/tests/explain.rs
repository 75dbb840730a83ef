//! `explain` and `which`.

use crate::support::{CANARY, Cloud, Folder, alicred, golden, run};

const KEY: [(&str, &str); 2] =
    [("ALIBABA_CLOUD_ACCESS_KEY_ID", "LTAI5tExampleKeyId01"), ("ALIBABA_CLOUD_ACCESS_KEY_SECRET", CANARY)];

#[test]
fn with_nothing_configured_it_says_how_to_begin() {
    let ran = run(&mut alicred(&["explain"])).clean();
    golden("explain-nothing.txt", &ran.out);
    assert_eq!(ran.err, "");
    let json = run(&mut alicred(&["explain", "--json"])).clean().json();
    assert_eq!(json["how_to_begin"][0]["do"], "alicred login, or aliyun configure");
    assert_eq!(json["providers"].as_array().unwrap().len(), 6);
}

#[test]
fn through_a_pipe_it_is_80_columns_without_colors() {
    let ran = run(alicred(&["explain"]).envs(KEY)).clean();
    assert!(!ran.out.contains('\u{1b}') && !ran.out.contains("How to begin"));
    golden("explain-key.txt", &ran.out);
}

#[test]
fn a_failure_is_explained_and_is_no_failure_of_the_command() {
    let ran = run(alicred(&["explain"]).env("ALIBABA_CLOUD_ACCESS_KEY_SECRET", CANARY)).clean();
    assert!(ran.out.contains("FAILED") && !ran.out.contains("How to begin"), "{}", ran.out);
}

#[cfg(unix)]
#[test]
fn on_a_terminal_it_has_colors_and_the_terminals_width() {
    use crate::support::terminal::{self, without_colors};
    for (columns, name) in [(80, "explain-key.txt"), (40, "explain-key-40.txt")] {
        let mut command = alicred(&["explain"]);
        command.envs(KEY);
        let (out, code) = terminal::run(command, columns);
        assert_eq!(code, Some(0));
        assert!(out.contains("\u{1b}[1;32mdefault/env\u{1b}[0m"), "{out}");
        golden(name, &without_colors(&out));
    }
}

#[cfg(unix)]
#[test]
fn no_color_is_honored_as_a_variable_and_as_a_flag() {
    use crate::support::terminal;
    let mut by_variable = alicred(&["explain"]);
    by_variable.envs(KEY).env("NO_COLOR", "1");
    let mut by_flag = alicred(&["explain", "--no-color"]);
    by_flag.envs(KEY);
    let wrong = alicred(&["--no-color", "expalin"]);
    for command in [by_variable, by_flag, wrong] {
        let (out, _) = terminal::run(command, 80);
        assert!(!out.contains('\u{1b}'), "{out}");
    }
}

#[test]
fn which_is_one_line_and_its_exit_code_says_whether_there_are_credentials() {
    let ran = run(alicred(&["which"]).envs(KEY)).clean();
    assert_eq!(ran.out, "default/env LTAI…Id01 from ALIBABA_CLOUD_ACCESS_KEY_ID\n");
    let json = run(alicred(&["which", "--json"]).envs(KEY)).clean().json();
    assert_eq!(json["provider_name"], "default/env");

    let none = run(&mut alicred(&["which"]));
    assert_eq!((none.code, none.out.as_str()), (78, ""));
    golden("which-nothing.txt", &none.err);
    let none = run(&mut alicred(&["which", "--json"]));
    let error: serde_json::Value = serde_json::from_str(&none.err).unwrap();
    assert_eq!((none.code, &error["error"]["code"]), (78, &"NoCredentials".into()));
}

#[test]
fn a_profile_by_name_is_the_only_source() {
    let folder = Folder::new("profile");
    let config = format!(
        r#"{{"current": "other", "profiles": [
            {{"name": "prod", "mode": "AK", "access_key_id": "LTAI5tExampleKeyId02", "access_key_secret": "{CANARY}"}}]}}"#
    );
    folder.file(".aliyun/config.json", &config);
    let command = |arguments: &[&str]| {
        let mut command = alicred(arguments);
        command.envs(KEY).env("HOME", &folder.0);
        run(&mut command)
    };
    let ran = command(&["which", "--profile", "prod"]).clean();
    assert!(ran.out.starts_with("default/cli_profile/static_ak LTAI…Id02 from profile `prod`"), "{}", ran.out);
    let ran = command(&["--profile", "prdo", "which"]);
    assert_eq!(ran.code, 78);
    assert!(ran.err.contains("`prdo`") && ran.err.contains("\n  remedy: "), "{}", ran.err);
}

#[test]
fn a_wrong_argument_is_a_usage_error() {
    for arguments in [&["expalin"][..], &["explain", "--colour"], &[]] {
        let ran = run(&mut alicred(arguments));
        assert_eq!((ran.code, ran.out.as_str()), (64, ""), "{arguments:?}: {ran:?}");
        assert!(ran.err.contains("Usage: alicred"), "{}", ran.err);
    }
    let ran = run(alicred(&["which", "--region", "cn x"]).envs(KEY)).without_secrets();
    assert_eq!(ran.code, 64, "{ran:?}");
}

#[test]
fn help_and_version_are_no_errors() {
    for arguments in [&["--help"][..], &["explain", "--help"], &["--version"]] {
        let ran = run(&mut alicred(arguments)).clean();
        assert!(ran.err.is_empty() && ran.out.contains("alicred"), "{ran:?}");
    }
}

#[test]
fn a_reader_that_goes_away_is_no_panic() {
    let ran = run(std::process::Command::new("sh").args(["-c", "\"$0\" explain | true", crate::support::PROGRAM]));
    assert_eq!((ran.code, ran.err.as_str()), (0, ""));
}

#[test]
fn an_outage_has_a_code_of_its_own() {
    let cloud = Cloud::new();
    let role = ("ALIBABA_CLOUD_ROLE_ARN", crate::support::IMM_ROLE);
    let down = |fault| {
        cloud.emulator.fail_next("sts/AssumeRole", fault);
        run(cloud.alicred(&["which"]).envs([role])).without_secrets()
    };
    let refused = down(alibabacloud_emulator::Fault::new(403, "NoPermission"));
    assert_eq!(refused.code, 77, "{refused:?}");
    let unreachable =
        run(alicred(&["which"]).envs(KEY).envs([role]).env("ALIBABA_CLOUD_STS_ENDPOINT", "http://127.0.0.1:1"));
    assert_eq!(unreachable.code, 69, "{unreachable:?}");
}
