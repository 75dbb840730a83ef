//! `profiles` and `session clear`.

#[cfg(unix)]
use crate::support::terminal::Terminal;
use crate::support::{CANARY, Folder, alicred, run, run_with_input};

const KEY: &str = "access_key_id=LTAI5tExampleKeyId01";

struct Home(Folder);

impl Home {
    fn new(name: &str) -> Self {
        Self(Folder::new(name))
    }

    fn alicred(&self, arguments: &[&str]) -> std::process::Command {
        let mut command = alicred(arguments);
        command.env("HOME", &self.0.0).env("XDG_CACHE_HOME", self.0.0.join("cache"));
        command
    }

    fn config(&self) -> String {
        std::fs::read_to_string(self.0.0.join(".aliyun/config.json")).unwrap()
    }
}

#[test]
fn profiles_are_added_listed_shown_and_switched() {
    let home = Home::new("profiles");
    let none = run(&mut home.alicred(&["profiles"])).clean();
    assert!(none.out.is_empty() && none.err.contains("has no profiles"), "{none:?}");
    assert_eq!(run(&mut home.alicred(&["profiles", "--json"])).clean().out, "[]\n");
    let add = ["profiles", "add", "ci", "--mode", "AK", "--set", KEY, "--region", "cn-hangzhou"];
    let added = run_with_input(&mut home.alicred(&add), &format!("{CANARY}\n")).clean();
    assert!(added.out.ends_with("config.json is added\n"), "{added:?}");
    assert!(home.config().contains(&format!("\"access_key_secret\": \"{CANARY}\"")));
    let again = run_with_input(&mut home.alicred(&add), &format!("{CANARY}\n")).without_secrets();
    assert!(again.code == 64 && again.err.contains("ProfileExists"), "{again:?}");
    let role = ["profiles", "add", "media", "--mode", "ChainableRamRoleArn", "--set", "source_profile=ci", "--json"];
    let half = run(&mut home.alicred(&role));
    assert!(half.code == 78 && half.err.contains("HalfSet"), "{half:?}");
    let arn = ["--set", "ram_role_arn=acs:ram::1234567890123456:role/media"];
    assert_eq!(run(&mut home.alicred(&[&role[..], &arn].concat())).clean().json()["profile"], "media");
    let listed = run(&mut home.alicred(&["profiles", "list"])).clean();
    assert_eq!(listed.out, "* ci     AK                   cn-hangzhou\n  media  ChainableRamRoleArn\n");
    let shown = run(&mut home.alicred(&["profiles", "show"])).clean();
    let expected = "name               ci\nmode               AK\naccess_key_id      LTAI…Id01\naccess_key_secret  ***\n\
                    region_id          cn-hangzhou\n";
    assert_eq!(shown.out, expected);
    let before = home.config();
    run(&mut home.alicred(&["profiles", "switch", "media"])).clean();
    assert_eq!(home.config(), before.replace("\"current\": \"ci\"", "\"current\": \"media\""));
    let shown = run(&mut home.alicred(&["profiles", "show", "--json"])).clean().json();
    assert_eq!((shown["name"].as_str(), shown["is_current"].as_bool()), (Some("media"), Some(true)));
    let gone = run(&mut home.alicred(&["profiles", "switch", "nope"]));
    assert!(gone.code == 78 && gone.err.contains("`alicred profiles` lists"), "{gone:?}");
}

#[test]
fn a_file_with_comments_is_read_as_far_as_it_can_be_and_never_written() {
    let home = Home::new("profiles-comments");
    let text = format!("{{\"profiles\": [{{\"name\":\"a\",\"access_key_secret\":\"{CANARY}\"}}] // mine\n}}");
    home.0.file(".aliyun/config.json", &text);
    for (arguments, code) in [
        (vec!["profiles"], 78),
        (vec!["profiles", "switch", "a"], 78),
        (vec!["profiles", "add", "x", "--mode", "EcsRamRole"], 78),
        (vec!["session", "clear"], 78),
        (vec!["login", "--site", "cn"], 78),
    ] {
        let ran = run(&mut home.alicred(&arguments)).without_secrets();
        assert_eq!((ran.code, home.config().as_str()), (code, text.as_str()), "{ran:?}");
        assert!(ran.err.contains("config.json"), "{ran:?}");
    }
}

#[cfg(unix)]
#[test]
fn on_a_terminal_a_secret_is_asked_for_and_not_shown() {
    let home = Home::new("profiles-terminal");
    let mut terminal = Terminal::start(home.alicred(&["profiles", "add", "tmp", "--mode", "StsToken"]), 80);
    terminal.read_until("access_key_id");
    terminal.send("STS.NExampleKeyId01\r");
    terminal.read_until("access_key_secret");
    terminal.wait_for_no_echo();
    terminal.send(&format!("{CANARY}\r"));
    terminal.read_until("sts_token");
    terminal.wait_for_no_echo();
    terminal.send(&format!("{CANARY}\r"));
    let (out, code) = terminal.end();
    assert_eq!(code, Some(0), "{out}");
    assert!(!out.contains(CANARY) && out.contains("is added"), "{out}");
    assert_eq!(home.config().matches(CANARY).count(), 2);
}

#[test]
fn sessions_of_logins_are_cleared_and_their_tokens_stay() {
    let home = Home::new("session-clear");
    let login = |name: &str| {
        format!(
            r#"{{"name":"{name}","mode":"OAuth","oauth_site_type":"CN","oauth_refresh_token":"r","access_key_id":"STS.a","access_key_secret":"{CANARY}","sts_token":"t","sts_expiration":9}}"#
        )
    };
    let key = r#"{"name":"k","mode":"AK","access_key_id":"i","access_key_secret":"s"}"#;
    let text = |profiles: [String; 2]| format!(r#"{{"profiles":[{},{key}]}}"#, profiles.join(","));
    home.0.file(".aliyun/config.json", &text([login("a"), login("b")]));
    let cleared = |name: &str| {
        let text = login(name).replace("STS.a", "").replace(CANARY, "").replace("\"t\"", "\"\"");
        text.replace("sts_expiration\":9", "sts_expiration\":0")
    };
    let ran = run(&mut home.alicred(&["session", "clear", "--profile", "a"])).clean();
    assert_eq!(ran.out, "shared sessions removed: 0; sessions of logins cleared: a\n");
    assert_eq!(home.config(), text([cleared("a"), login("b")]));
    let store = home.0.0.join("cache/alibabacloud-credentials");
    std::fs::create_dir_all(&store).unwrap();
    #[cfg(unix)]
    std::fs::set_permissions(&store, std::os::unix::fs::PermissionsExt::from_mode(0o700)).unwrap();
    for name in ["key", "lock-0a1", "0123abcd"] {
        std::fs::write(store.join(name), "x").unwrap();
    }
    let ran = run(&mut home.alicred(&["session", "clear", "--json"])).clean().json();
    assert_eq!((ran["shared_sessions"].as_i64(), &ran["profiles"][0]), (Some(1), &"b".into()));
    assert_eq!(home.config(), text([cleared("a"), cleared("b")]));
    assert!(store.join("key").exists() && store.join("lock-0a1").exists() && !store.join("0123abcd").exists());
    let ran = run(&mut home.alicred(&["session", "clear", "--profile", "k"]));
    assert!(ran.code == 64 && ran.err.contains("is no login"), "{ran:?}");
}
