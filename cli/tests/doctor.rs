//! `doctor`.

use std::net::Ipv4Addr;

use alibabacloud_emulator::account::{OIDC_SUBJECT, TokenOptions, oidc_token};

use crate::support::tls::{Certified, certified};
use crate::support::{CANARY, Cloud, Folder, Ran, alicred, golden, run};

/// The lines without what differs from run to run.
fn fixed(cloud: &Cloud, ran: &Ran) -> String {
    ran.out.replace(&cloud.emulator.endpoint(), "http://STS")
}

#[test]
fn with_everything_in_order_it_says_so() {
    let cloud = Cloud::new();
    let ran = run(&mut cloud.alicred(&["doctor"])).clean();
    golden("doctor-good.txt", &fixed(&cloud, &ran));
    let json = run(&mut cloud.alicred(&["doctor", "--json"])).clean().json();
    assert_eq!(json["healthy"], true);
}

#[test]
fn each_fault_has_what_mends_it() {
    let cloud = Cloud::with(|emulator| emulator.clock_offset(120));
    let endpoint = ("ALIBABA_CLOUD_STS_ENDPOINT", cloud.emulator.endpoint());
    let off = run(&mut cloud.alicred(&["doctor"]));
    assert_eq!(off.code, 1);
    assert!(off.out.contains("✗ clock            120 s behind the server's\n    → "), "{}", off.out);

    let nothing = run(alicred(&["doctor"]).envs([endpoint.clone()]));
    assert_eq!(nothing.code, 1);
    assert!(nothing.out.contains("no source is configured\n    → alicred explain"), "{}", nothing.out);

    let down =
        run(cloud.alicred(&["doctor"]).env("ALIBABA_CLOUD_STS_ENDPOINT", "http://127.0.0.1:1")).without_secrets();
    assert_eq!(down.code, 1);
    assert!(down.out.contains("✗ identity") && down.out.contains("✗ sts"), "{}", down.out);

    let mut wrong = cloud.alicred(&["doctor"]);
    let wrong = run(wrong.env("ALIBABA_CLOUD_ACCESS_KEY_SECRET", CANARY).env("ALIBABA_CLOUD_SESSION_TOKEN", "x"))
        .without_secrets();
    assert!(wrong.out.contains("SignatureDoesNotMatch"), "{}", wrong.out);
    assert!(wrong.out.contains("· note             ALIBABA_CLOUD_SESSION_TOKEN is set"), "{}", wrong.out);
}

#[test]
fn tls_is_looked_at_and_proxies_are_named_without_their_passwords() {
    let Certified { roots, chain, key } = certified(&["127.0.0.1"]);
    let cloud = Cloud::with(|builder| builder.https((Ipv4Addr::LOCALHOST, 0).into(), chain, key));
    let folder = Folder::new("doctor-tls");
    let (roots, others) = (folder.file("roots.pem", &roots), folder.file("others.pem", &certified(&["x"]).roots));
    let endpoint = format!("https://{}", cloud.emulator.https_addr().unwrap());
    let doctor = |roots: &str| {
        let mut command = cloud.alicred(&["doctor"]);
        command.env("SSL_CERT_FILE", roots).env("HTTPS_PROXY", format!("http://user:{CANARY}@127.0.0.1:1"));
        run(command.env("ALIBABA_CLOUD_STS_ENDPOINT", &endpoint)).without_secrets()
    };
    let ran = doctor(&roots);
    assert_eq!(ran.code, 0, "{ran:?}");
    assert!(ran.out.contains(&format!("✓ sts              {endpoint} answers over TLS (")), "{}", ran.out);
    assert!(ran.out.contains("· proxy            HTTPS_PROXY is set\n"), "{}", ran.out);
    let ran = doctor(&others);
    assert_eq!(ran.code, 1);
    assert!(ran.out.contains("✗ sts") && ran.out.contains("certificate"), "{}", ran.out);
}

#[cfg(unix)]
#[test]
fn a_file_is_judged_by_its_content_and_by_who_may_read_it() {
    use std::os::unix::fs::PermissionsExt as _;
    let (cloud, folder) = (Cloud::new(), Folder::new("doctor"));
    let file = folder.file(".aliyun/config.json", &format!("{{\"profiles\": [{{\"access_key_secret\": \"{CANARY}\" x"));
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o644)).unwrap();
    let doctor = |arguments: &[&str]| {
        let mut command = alicred(arguments);
        run(command.env("HOME", &folder.0).env("ALIBABA_CLOUD_STS_ENDPOINT", cloud.emulator.endpoint()))
            .without_secrets()
    };
    let ran = doctor(&["doctor"]);
    assert_eq!(ran.code, 1);
    assert!(ran.out.contains("✗ cli_profile") && ran.out.contains("(line 1, column "), "{}", ran.out);
    assert!(ran.out.contains(&format!("(mode 644)\n    → chmod 600 {file}\n")), "{}", ran.out);
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o600)).unwrap();
    let report = doctor(&["doctor", "--report"]).out;
    assert!(report.starts_with("alicred ") && report.contains("✓ file             ~/.aliyun/config.json"), "{report}");
    assert!(!report.contains(folder.0.to_str().unwrap()), "{report}");
}

#[test]
fn a_report_names_no_account() {
    let cloud = Cloud::new();
    let report = run(&mut cloud.alicred(&["doctor", "--report"])).clean().out;
    assert!(report.contains("acs:ram::<account>:user/imm-dev") && !report.contains("1234567890123456"), "{report}");
}

#[test]
fn a_pods_token_is_shown_by_its_claims_alone() {
    let (cloud, folder) = (Cloud::new(), Folder::new("doctor-token"));
    let issued_at = cloud.emulator.now() - std::time::Duration::from_secs(86_400);
    let options = TokenOptions::default().issued_at(issued_at);
    let expired = oidc_token(&options).unwrap();
    let file = folder.file("token", &expired);
    let ran = run(cloud.alicred(&["doctor"]).env("ALIBABA_CLOUD_OIDC_TOKEN_FILE", &file)).without_secrets();
    assert_eq!(ran.code, 1);
    assert!(ran.out.contains("✗ oidc_token") && ran.out.contains(&format!("sub {}", OIDC_SUBJECT)), "{}", ran.out);
    assert!(!ran.out.contains(expired.split('.').nth(1).unwrap()), "{}", ran.out);
    let ran = run(cloud.alicred(&["doctor"]).env("ALIBABA_CLOUD_OIDC_TOKEN_FILE", "/nonexistent"));
    assert!(ran.out.contains("✗ oidc_token       /nonexistent cannot be read"), "{}", ran.out);
}

#[test]
fn profiles_that_nobody_asked_for_are_looked_at_too() {
    let (cloud, folder) = (Cloud::new(), Folder::new("doctor-profiles"));
    let profiles = serde_json::json!({ "current": "ci", "profiles": [
        { "name": "ci", "mode": "AK", "access_key_id": "LTAI5tExampleKeyId02", "access_key_secret": CANARY,
          "acces_key": CANARY },
        { "name": "it's", "mode": "CloudSSO", "access_token": CANARY, "cloud_sso_access_token_expire": 1_000_000_000 },
        { "name": "renewed", "mode": "OAuth", "oauth_access_token_expire": 1_000_000_000 },
        { "name": "a", "mode": "ChainableRamRoleArn", "source_profile": "b" },
        { "name": "b", "mode": "ChainableRamRoleArn", "source_profile": "a" },
        { "name": "c", "mode": "ChainableRamRoleArn", "source_profile": "gone" },
    ]});
    folder.file(".aliyun/config.json", &profiles.to_string());
    let ran = run(cloud.alicred(&["doctor"]).env("HOME", &folder.0)).without_secrets();
    assert_eq!(ran.code, 1);
    for expected in [
        "· profile          no tool reads these members of ci: acces_key\n",
        "✗ profile          the login of it's is over for ",
        "\n    → alicred login --profile 'it'\\''s'\n",
        "✗ profile          source_profile leads in a circle: a → b → a\n",
        "✗ profile          source_profile leads to no profile: c → gone\n    → aliyun configure",
    ] {
        assert!(ran.out.contains(expected), "{expected}: {}", ran.out);
    }
    assert!(!ran.out.contains("renewed"), "{}", ran.out);
}
