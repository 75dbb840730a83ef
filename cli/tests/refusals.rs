//! Wrong arguments, files, endpoints and networks: each is told by one clear line with a code of its own, without a panic and
//! without the secret.

use crate::support::{CANARY, Folder, alicred, run};

const ROLE: &str = "acs:ram::1:role/x";

#[test]
fn whatever_is_wrong_is_told_in_one_line_and_no_secret_is_in_it() {
    let folder = Folder::new("refusals");
    let list = folder.file("list.json", "[1]");
    let with_password = format!("user:{CANARY}@x");
    let secret_argument = format!("access_key_secret={CANARY}");
    let cases: &[(&[&str], i32)] = &[
        (&["which", "--region", ""], 64),
        (&["which", "--profile", ""], 78),
        (&["export", "--format", "nope"], 64),
        (&["export", "--role", "x"], 64),
        (&["export", "--role", ROLE, "--duration", "0"], 64),
        (&["export", "--role", ROLE, "--duration", "99999999999999999999"], 64),
        (&["export", "--role", ROLE, "--session-name", "a b"], 64),
        (&["export", "--role", ROLE, "--policy", &list], 64),
        (&["export", "--role", ROLE], 69),
        (&["export", "--session-name", "x"], 64),
        (&["exec"], 64),
        (&["exec", "--", "/"], 126),
        (&["call", "imm", "X"], 64),
        (&["call", "", "X"], 64),
        (&["call", "imm", "CreateProject", "ProjectName"], 64),
        (&["call", "imm", "CreateProject", "ProjectName=a", "ProjectName=b"], 64),
        (&["call", "imm", "CreateProject", "--body-file", &list], 65),
        (&["call", "imm", "CreateProject", "--body-file", "/"], 66),
        (&["call", "imm", "CreateProject", "ProjectName=@/nonexistent/x"], 66),
        (&["call", "imm", "ListProjects"], 64),
        (&["call", "imm", "ListProjects", "--all", "--dry-run"], 64),
        (&["call", "imm", "ListProjects", "--region", "cn-x/evil"], 64),
        (&["call", "imm", "ListProjects", "--endpoint", ""], 64),
        (&["call", "imm", "ListProjects", "--endpoint", "http://evil.example"], 64),
        (&["call", "imm", "ListProjects", "--endpoint", &with_password], 64),
        (&["call", "imm", "ListProjects", "--endpoint", "http://127.0.0.1:1"], 69),
        (&["call", "sts", "GetCallerIdentity"], 69),
        (&["whoami"], 69),
        (&["serve"], 78),
        (&["serve", "--listen", "x"], 64),
        (&["serve", "--listen", "127.0.0.1:0", "--role", ROLE], 69),
        (&["emulator", "--http", "nope"], 64),
        (&["emulator", "--session-seconds", "-1", "--exec", "true"], 64),
        (&["emulator", "--faults", &list, "--exec", "true"], 65),
        (&["login"], 64),
        (&["login", "--mode", "oauth"], 64),
        (&["login", "--mode", "cloudsso"], 64),
        (&["login", "--site", "eu"], 64),
        (&["login", "--site", "cn", "--sign-in-url", "https://x.example"], 64),
        (&["login", "--mode", "oauth", "--sign-in-url", "https://x.example"], 64),
        (&["login", "--sign-in-url", &with_password], 64),
        (&["login", "--sign-in-url", "http://x.example"], 64),
        (&["login", "--site", "cn", "--timeout", "soon"], 64),
        (&["profiles", "show"], 78),
        (&["profiles", "show", "x"], 78),
        (&["profiles", "switch", "x"], 78),
        (&["profiles", "add", "x", "--mode", "AK", "--set", &secret_argument], 64),
        (&["profiles", "add", "x", "--mode", "AK", "--set", "region_id"], 64),
        (&["profiles", "add", "x", "--mode", "AK"], 64),
        (&["profiles", "add", " x", "--mode", "EcsRamRole"], 64),
        (&["profiles", "add", "x", "--mode", "EcsRamRole", "--set", "nope=1"], 64),
        (&["session", "clear", "--profile", "x"], 78),
        (&["completions"], 64),
        (&["man", "--dir", "/dev/null/x"], 74),
    ];
    for (arguments, code) in cases {
        let mut command = alicred(arguments);
        command
            .env("ALIBABA_CLOUD_ACCESS_KEY_ID", "LTAI5tExampleKeyId01")
            .env("ALIBABA_CLOUD_ACCESS_KEY_SECRET", CANARY);
        let ran = run(command.env("ALIBABA_CLOUD_STS_ENDPOINT", "http://127.0.0.1:1")).without_secrets();
        assert_eq!((ran.code, ran.out.as_str()), (*code, ""), "{arguments:?}: {ran:?}");
        let first = ran.err.lines().next().unwrap_or_default();
        assert!(first.starts_with("alicred: ") || first.starts_with("error: "), "{arguments:?}: {}", ran.err);
        assert!(!ran.err.contains("panicked"), "{}", ran.err);
    }
}
