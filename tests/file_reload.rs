//! Files that change while a service runs: a valid change takes effect, anything else keeps the last good key.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use alibabacloud_credentials::{
    BoxFuture, Context, DefaultCredentialChain, DefaultCredentialChainBuilder, Health, HttpError, HttpErrorKind,
    HttpSend, SendOptions, TestClock,
};
use bytes::Bytes;

const CONFIG: &str = "home/me/.aliyun/config.json";
const INI: &str = "home/me/.alibabacloud/credentials";

struct World {
    root: PathBuf,
    clock: TestClock,
    sts: Sts,
    chain: DefaultCredentialChain,
}

/// Grants a session to whoever asks, and says that everyone is account 100, while it is up.
#[derive(Clone, Default)]
struct Sts {
    up: Arc<AtomicBool>,
    asked: Arc<AtomicUsize>,
}

impl HttpSend for Sts {
    fn send(
        &self,
        request: http::Request<Bytes>,
        _: SendOptions,
    ) -> BoxFuture<'_, Result<http::Response<Bytes>, HttpError>> {
        const SESSION: &str = r#"{"RequestId":"R","Credentials":{"AccessKeyId":"STS.session",
            "AccessKeySecret":"fake-secret","SecurityToken":"fake-token","Expiration":"2099-01-01T00:00:00Z"}}"#;
        const IDENTITY: &str = r#"{"RequestId":"R","IdentityType":"RAMUser","AccountId":"100","PrincipalId":"1",
            "UserId":"1","Arn":"acs:ram::100:user/alice"}"#;
        self.asked.fetch_add(1, Ordering::SeqCst);
        let answer = if request.headers()["x-acs-action"] == "GetCallerIdentity" { IDENTITY } else { SESSION };
        Box::pin(std::future::ready(match self.up.load(Ordering::SeqCst) {
            true => Ok(http::Response::new(Bytes::from_static(answer.as_bytes()))),
            false => Err(HttpError::new(HttpErrorKind::Other, "down")),
        }))
    }
}

impl Drop for World {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.root);
    }
}

fn config(id: &str) -> String {
    format!(
        r#"{{"current":"a","profiles":[{{"name":"a","mode":"AK","access_key_id":"{id}","access_key_secret":"fake-secret"}}]}}"#
    )
}

fn ini(id: &str) -> String {
    format!("[default]\ntype = access_key\naccess_key_id = {id}\naccess_key_secret = fake-secret\n")
}

#[tokio::test]
async fn an_end_that_no_calendar_has_is_explained_and_never_a_panic() {
    for (name, end, shown) in [
        ("late", "253402300799", "until 9999-12-31T23:59:59Z"),
        ("later", "9999999999999", "until 9999-12-31T23:59:59Z"),
        ("latest", "9223372036854775807", "until 9999-12-31T23:59:59Z"),
    ] {
        let session = format!(
            r#"{{"current":"a","profiles":[{{"name":"a","mode":"StsToken","access_key_id":"STS.an-id",
                "access_key_secret":"fake-secret","sts_token":"fake-token","sts_expiration":{end}}}]}}"#
        );
        let world = World::new(name, |root| std::fs::write(root.join(CONFIG), session).unwrap());
        assert!(world.chain.credentials().await.is_ok());
        let explanation = world.chain.explain().await.to_string();
        assert!(explanation.contains(shown), "{explanation}");
    }
}

async fn settle() {
    for _ in 0..20 {
        tokio::task::yield_now().await;
    }
}

impl World {
    fn new(name: &str, write: impl FnOnce(&Path)) -> Self {
        Self::with(name, write, |builder| builder)
    }

    fn with(
        name: &str,
        write: impl FnOnce(&Path),
        choose: impl FnOnce(DefaultCredentialChainBuilder) -> DefaultCredentialChainBuilder,
    ) -> Self {
        let root = std::env::temp_dir().join(format!("alibabacloud-reload-{name}-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&root);
        std::fs::create_dir_all(root.join("home/me/.aliyun")).unwrap();
        std::fs::create_dir_all(root.join("home/me/.alibabacloud")).unwrap();
        write(&root);
        let clock = TestClock::new(std::time::UNIX_EPOCH + Duration::from_secs(1_800_000_000));
        let sts = Sts::default();
        let context = Context::builder()
            .env([("HOME", "/home/me")])
            .root(&root)
            .http(sts.clone())
            .clock(clock.clone())
            .spawn(|task| drop(tokio::spawn(task)))
            .build();
        let chain = choose(DefaultCredentialChain::builder().context(context)).build();
        Self { root, clock, sts, chain }
    }

    /// The key in use after two more seconds of use.
    async fn key(&self) -> String {
        for _ in 0..2 {
            self.clock.advance(Duration::from_secs(1));
            self.chain.credentials().await.unwrap();
            settle().await;
        }
        self.chain.credentials().await.unwrap().access_key_id().to_owned()
    }

    /// The same after any back-off.
    async fn key_later(&self) -> String {
        self.clock.advance(Duration::from_secs(600));
        self.key().await
    }
}

fn write(path: &Path, text: &str) {
    std::fs::write(path, text).unwrap();
}

/// As editors and the CLI do.
fn replace(path: &Path, text: &str) {
    let next = path.with_extension("tmp");
    write(&next, text);
    std::fs::rename(next, path).unwrap();
}

#[tokio::test]
async fn a_rewrite_in_place_and_an_atomic_rename_take_effect() {
    for (name, change) in [("in-place", write as fn(&Path, &str)), ("rename", replace)] {
        let world = World::new(name, |root| write(&root.join(CONFIG), &config("key-1")));
        assert_eq!(world.key().await, "key-1");
        change(&world.root.join(CONFIG), &config("key-2-longer"));
        assert_eq!(world.key().await, "key-2-longer", "{name}");
    }
}

#[tokio::test]
async fn a_rename_of_the_same_size_and_time_is_seen_by_its_inode() {
    let world = World::new("inode", |root| write(&root.join(CONFIG), &config("key-1")));
    assert_eq!(world.key().await, "key-1");
    let path = world.root.join(CONFIG);
    let modified = std::fs::metadata(&path).unwrap().modified().unwrap();
    let next = path.with_extension("tmp");
    write(&next, &config("key-2"));
    std::fs::File::options().write(true).open(&next).unwrap().set_modified(modified).unwrap();
    std::fs::rename(next, &path).unwrap();
    assert_eq!(world.key().await, "key-2");
}

#[cfg(unix)]
#[tokio::test]
async fn a_config_maps_link_swap_takes_effect() {
    use std::os::unix::fs::symlink;
    // As the kubelet mounts it: the file leads over `..data` to a directory that is swapped as a whole.
    let publish = |directory: &Path, round: u32, text: &str| {
        let version = directory.join(format!("..{round}"));
        std::fs::create_dir_all(&version).unwrap();
        write(&version.join("config.json"), text);
        symlink(&version, directory.join("..tmp")).unwrap();
        std::fs::rename(directory.join("..tmp"), directory.join("..data")).unwrap();
    };
    let world = World::new("config-map", |root| {
        let directory = root.join("home/me/.aliyun");
        publish(&directory, 1, &config("key-1"));
        symlink(directory.join("..data/config.json"), directory.join("config.json")).unwrap();
    });
    assert_eq!(world.key().await, "key-1");
    publish(&world.root.join("home/me/.aliyun"), 2, &config("key-2"));
    assert_eq!(world.key().await, "key-2");
}

#[tokio::test]
async fn what_is_half_written_broken_or_gone_keeps_the_last_good_key_and_shows_in_health() {
    let half = &config("key-2")[..40];
    for (name, text) in [("half", Some(half)), ("empty", Some("")), ("not-json", Some("{]")), ("gone", None)] {
        let world = World::new(name, |root| write(&root.join(CONFIG), &config("key-1")));
        assert_eq!(world.key().await, "key-1");
        let path = world.root.join(CONFIG);
        match text {
            Some(text) => write(&path, text),
            None => std::fs::remove_file(&path).unwrap(),
        }
        assert_eq!(world.key().await, "key-1", "{name}");
        let Health::Degraded { error, .. } = world.chain.refresher().health() else { panic!("{name}") };
        assert!(error.message().contains("config.json"), "{error}");
        write(&path, &config("key-3"));
        assert_eq!(world.key_later().await, "key-3", "{name}");
        assert!(matches!(world.chain.refresher().health(), Health::Fresh { .. }));
    }
}

#[tokio::test]
async fn the_ini_file_is_watched_alike() {
    let path = "home/me/.alibabacloud/credentials.ini";
    let world = World::new("ini", |root| write(&root.join(path), &ini("key-1")));
    assert_eq!(world.key().await, "key-1");
    replace(&world.root.join(path), &ini("key-2"));
    assert_eq!(world.key().await, "key-2");
    write(&world.root.join(path), "[default");
    assert_eq!(world.key().await, "key-2");
    assert!(matches!(world.chain.refresher().health(), Health::Degraded { .. }));
}

/// The failure is none of the file's, so the file need not change again.
#[tokio::test]
async fn a_change_whose_first_look_fails_is_looked_at_again_after_the_back_off() {
    let role = r#"{"current":"a","profiles":[{"name":"a","mode":"RamRoleArn","access_key_id":"key-2",
        "access_key_secret":"fake-secret","ram_role_arn":"acs:ram::100:role/media"}]}"#;
    let ini_role = "[default]\ntype = ram_role_arn\naccess_key_id = key-2\naccess_key_secret = fake-secret\n\
        role_arn = acs:ram::100:role/media\n";
    for (name, file, before, after) in
        [("sts-config", CONFIG, config("key-1"), role), ("sts-ini", INI, ini("key-1"), ini_role)]
    {
        let world = World::new(name, |root| write(&root.join(file), &before));
        assert_eq!(world.key().await, "key-1");
        replace(&world.root.join(file), after);
        assert_eq!(world.key().await, "key-1", "{name}");
        assert!(matches!(world.chain.refresher().health(), Health::Degraded { .. }), "{name}");
        for _ in 0..600 {
            assert_eq!(world.key().await, "key-1", "{name}");
        }
        // In 20 minutes of use, at 0.25 s and then at up to 5 minutes; the client tries each call more than once.
        let asked = world.sts.asked.load(Ordering::SeqCst);
        assert!(asked <= 60, "{name}: asked {asked} times");
        world.sts.up.store(true, Ordering::SeqCst);
        assert_eq!(world.key_later().await, "STS.session", "{name}");
        assert!(matches!(world.chain.refresher().health(), Health::Fresh { .. }), "{name}");
    }
}

#[tokio::test]
async fn a_changed_key_whose_account_sts_did_not_tell_is_asked_about_again_after_the_back_off() {
    let before = |root: &Path| write(&root.join(CONFIG), &config("key-1"));
    let world = World::with("pin", before, |builder| builder.expect_account("100"));
    world.sts.up.store(true, Ordering::SeqCst);
    assert_eq!(world.key().await, "key-1");
    world.sts.up.store(false, Ordering::SeqCst);
    replace(&world.root.join(CONFIG), &config("key-2"));
    assert_eq!(world.key_later().await, "key-1");
    world.sts.up.store(true, Ordering::SeqCst);
    assert_eq!(world.key_later().await, "key-2");
}

#[tokio::test]
async fn an_unchanged_file_keeps_its_generation() {
    let world = World::new("unchanged", |root| write(&root.join(CONFIG), &config("key-1")));
    assert_eq!(world.key().await, "key-1");
    let generation = world.chain.refresher().generation();
    replace(&world.root.join(CONFIG), &config("key-1"));
    assert_eq!(world.key().await, "key-1");
    assert_eq!(world.chain.refresher().generation(), generation, "the same key is the same credential");
}
