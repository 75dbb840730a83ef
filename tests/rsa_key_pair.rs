//! Profiles with an RSA key pair against the emulator: the forms of a key, where it is asked for, and what each refusal says.

use std::path::{Path, PathBuf};
use std::time::Duration;

use alibabacloud_credentials::{
    CliProfileProvider, Context, Credentials, DefaultCredentialChain, Error, ErrorKind, IniProfileProvider,
    ProvideCredentials, TestClock,
};
use alibabacloud_emulator::account::{KEY_PAIR_ID, key_pair_pem};
use alibabacloud_emulator::{Emulator, Fault};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::json;

/// An emulator, a client's clock that stands still with it, and a home directory.
struct World {
    emulator: Emulator,
    clock: TestClock,
    home: PathBuf,
}

impl Drop for World {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.home);
    }
}

impl World {
    async fn new(name: &str) -> Self {
        let emulator = Emulator::builder().start().await.unwrap();
        emulator.freeze_clock_at(emulator.now());
        let clock = TestClock::new(emulator.now());
        let home = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("rsa-key-pair-{name}-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&home);
        for folder in [".aliyun", ".alibabacloud"] {
            std::fs::create_dir_all(home.join(folder)).unwrap();
        }
        Self { emulator, clock, home }
    }

    fn context(&self) -> Context {
        let home = self.home.to_str().unwrap().to_owned();
        let endpoint = self.emulator.endpoint();
        let env = [("HOME", home), ("ALIBABA_CLOUD_STS_ENDPOINT", endpoint)];
        Context::builder().clock(self.clock.clone()).env(env).build()
    }

    fn profile(&self, members: serde_json::Value) -> CliProfileProvider {
        let mut profile = json!({ "name": "dev", "mode": "RsaKeyPair", "key_pair_name": KEY_PAIR_ID });
        profile.as_object_mut().unwrap().extend(members.as_object().unwrap().clone());
        let config = json!({ "current": "dev", "profiles": [profile] }).to_string();
        std::fs::write(self.home.join(".aliyun/config.json"), config).unwrap();
        CliProfileProvider::new().context(self.context())
    }

    fn with_key(&self, key: &str) -> CliProfileProvider {
        self.profile(json!({ "private_key": key }))
    }

    fn section(&self, file: &str) -> IniProfileProvider {
        let text =
            format!("[default]\ntype = rsa_key_pair\npublic_key_id = {KEY_PAIR_ID}\nprivate_key_file = {file}\n");
        std::fs::write(self.home.join(".alibabacloud/credentials"), text).unwrap();
        IniProfileProvider::new().context(self.context())
    }
}

fn pem(label: &str, der: &[u8]) -> String {
    format!("-----BEGIN {label}-----\n{}\n-----END {label}-----\n", STANDARD.encode(der))
}

fn pkcs1() -> Vec<u8> {
    let body: String = key_pair_pem().lines().filter(|line| !line.starts_with("-----")).collect();
    STANDARD.decode(body).unwrap()
}

/// The key within the envelope of PKCS #8: a version, the algorithm, and an octet string.
fn pkcs8() -> Vec<u8> {
    const RSA: [u8; 15] = [0x30, 0x0d, 0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01, 0x05, 0x00];
    let long = |tag: u8, content: &[u8]| {
        let length = u16::try_from(content.len()).unwrap().to_be_bytes();
        [&[tag, 0x82, length[0], length[1]], content].concat()
    };
    long(0x30, &[&[0x02, 0x01, 0x00][..], &RSA, &long(0x04, &pkcs1())].concat())
}

async fn error_of(provider: &impl ProvideCredentials) -> Error {
    provider.provide_credentials().await.unwrap_err()
}

#[tokio::test]
async fn a_key_in_either_form_of_pem_or_in_none_gives_a_session_key() {
    let world = World::new("forms").await;
    let pkcs1_pem = key_pair_pem();
    let mut found: Vec<Credentials> = Vec::new();
    for key in [
        pkcs1_pem.clone(),
        pem("RSA PRIVATE KEY", &pkcs1()),
        pem("PRIVATE KEY", &pkcs8()).replace('\n', "\r\n"),
        // A label that is wrong, a text in front, one line, and what the Go SDK leaves of a file.
        pem("PRIVATE KEY", &pkcs1()),
        format!("Key pair of the console\n{}", pem("PRIVATE KEY", &pkcs8())),
        pem("PRIVATE KEY", &pkcs8()).replace('\n', " "),
        STANDARD.encode(pkcs8()),
    ] {
        found.push(world.with_key(&key).provide_credentials().await.unwrap());
    }
    let file = world.home.join("key.pem");
    std::fs::write(&file, &pkcs1_pem).unwrap();
    for path in [file.to_str().unwrap(), "~/key.pem"] {
        found.push(world.section(path).provide_credentials().await.unwrap());
    }
    for key in &found {
        assert!(key.security_token().is_none() && key.access_key_id().starts_with("TMPSK."), "{key:?}");
        let lasts = key.expiration().unwrap().duration_since(world.emulator.now()).unwrap();
        assert_eq!(lasts.as_secs(), 3600);
        assert!(key.provider_name().ends_with("/rsa_key_pair"), "{}", key.provider_name());
    }
    assert_eq!(world.emulator.summary().rejected, 0);
    for call in world.emulator.calls() {
        assert_eq!((call.method.as_str(), call.action.as_str()), ("POST", "GenerateSessionAccessKey"));
        assert!(!call.path_and_query.contains("Signature"), "a signature in a URL: {}", call.path_and_query);
    }
}

#[tokio::test]
async fn the_session_key_signs_calls_is_renewed_and_assumes_roles() {
    let world = World::new("used").await;
    let role = json!({ "name": "role", "mode": "ChainableRamRoleArn", "source_profile": "dev", "ram_session_name": "job",
                       "ram_role_arn": "acs:ram::1234567890123456:role/imm-role" });
    let pair = json!({ "name": "dev", "mode": "RsaKeyPair", "key_pair_name": KEY_PAIR_ID, "private_key": key_pair_pem(),
                       "expired_seconds": 900 });
    let config = json!({ "current": "dev", "profiles": [pair, role] }).to_string();
    std::fs::write(world.home.join(".aliyun/config.json"), config).unwrap();
    let chain = DefaultCredentialChain::builder().context(world.context()).build();
    assert_eq!(chain.caller_identity().await.unwrap().arn, "acs:ram::1234567890123456:user/imm-dev");
    let first = chain.credentials().await.unwrap();
    world.clock.advance(Duration::from_secs(901));
    world.emulator.advance_clock(Duration::from_secs(901));
    let second = chain.credentials().await.unwrap();
    assert_ne!(first.access_key_id(), second.access_key_id());
    let chained = DefaultCredentialChain::builder().profile("role").context(world.context()).build();
    let session = chained.credentials().await.unwrap();
    assert!(session.security_token().is_some());
    assert_eq!(chained.caller_identity().await.unwrap().arn, "acs:ram::1234567890123456:assumed-role/imm-role/job");
}

#[tokio::test]
async fn what_is_no_key_is_named_and_never_shown() {
    let world = World::new("malformed").await;
    let body = STANDARD.encode(pkcs1());
    let encrypted =
        format!("-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\n\n{body}\n-----END RSA PRIVATE KEY-----");
    for (key, what) in [
        (pem("ENCRYPTED PRIVATE KEY", &pkcs8()), "it is encrypted"),
        (encrypted, "it is encrypted"),
        (pem("PUBLIC KEY", &pkcs1()), "it is the public key"),
        (pem("EC PRIVATE KEY", &pkcs1()), "elliptic curve"),
        (pem("OPENSSH PRIVATE KEY", &pkcs1()), "OpenSSH"),
        (pem("CERTIFICATE", &pkcs1()), "PEM of another kind"),
        (pem("PRIVATE KEY", &pkcs1()[..600]), "what it encodes is none"),
        (format!("-----BEGIN PRIVATE KEY-----\n{body}"), "no last line"),
        (format!("-----BEGIN RSA PRIVATE KEY {body}"), "first line breaks off"),
        (format!("{}!", &body[..400]), "not base64"),
        (format!("/home/me/{}", &body[..60]), "not base64"),
    ] {
        let error = error_of(&world.with_key(&key)).await;
        assert_eq!((error.kind(), error.code()), (ErrorKind::Failed, Some("PrivateKeyMalformed")));
        assert!(error.message().contains(what) && error.message().contains("profile `dev` of "), "{error}");
        let shown = format!("{error:#} {error:?}");
        assert!(!shown.contains(&body[..40]) && !shown.contains(&STANDARD.encode(pkcs8())[..40]), "{shown}");
    }
    std::fs::write(world.home.join("key.pem"), "\u{fffd}\u{fffd}").unwrap();
    assert_eq!(error_of(&world.section("~/key.pem")).await.code(), Some("PrivateKeyMalformed"));
    std::fs::write(world.home.join("key.pem"), b"\xff\xfe").unwrap();
    assert_eq!(error_of(&world.section("~/key.pem")).await.code(), Some("PrivateKeyMalformed"));
    let provider = world.section("~/none.pem");
    let ask = tokio::spawn(async move { provider.provide_credentials().await });
    while !ask.is_finished() {
        if world.clock.next_wake().is_some_and(|wake| wake <= Duration::from_millis(75)) {
            world.clock.advance(Duration::from_millis(75));
        }
        tokio::task::yield_now().await;
    }
    let error = ask.await.unwrap().unwrap_err();
    assert_eq!(error.code(), Some("PrivateKeyMissing"));
    assert!(error.message().contains("none.pem"), "{error}");
    assert!(world.emulator.calls().is_empty());
}

#[tokio::test]
async fn a_refusal_says_what_to_do() {
    let world = World::new("refused").await;
    let pem = key_pair_pem();
    let unknown = world.profile(json!({ "private_key": pem, "key_pair_name": "another-key-pair" }));
    let error = error_of(&unknown).await;
    assert_eq!((error.kind(), error.code()), (ErrorKind::Refused, Some("InvalidAccessKeyId.NotFound")));
    assert!(error.message().contains("key pair anot…pair: ") && error.remedy().unwrap().contains("deleted"), "{error}");
    for (fault, remedy) in [
        (
            Fault::new(400, "SignatureDoesNotMatch").message("server string to sign is:POST&s3cr3t"),
            "not the one of this",
        ),
        (Fault::new(404, "InvalidAction.NotFound"), "site of Japan"),
    ] {
        world.emulator.fail_next("sts/GenerateSessionAccessKey", fault);
        let error = error_of(&world.with_key(&pem)).await;
        assert!(error.remedy().unwrap().contains(remedy), "{error}");
        assert!(!format!("{error:#} {error:?}").contains("s3cr3t"));
    }
    let short = world.profile(json!({ "private_key": pem, "expired_seconds": 60 }));
    let calls = world.emulator.calls().len();
    let error = error_of(&short).await;
    assert_eq!((error.kind(), error.code()), (ErrorKind::InvalidInput, Some("InvalidParameter.DurationSeconds")));
    assert_eq!(world.emulator.calls().len(), calls);
}
