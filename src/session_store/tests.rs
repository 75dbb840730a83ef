//! A store can lose a session, and do nothing else to it.

use std::future::ready;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicUsize;
use std::time::UNIX_EPOCH;

use super::*;
use crate::context::{TestClock, Turn};
use crate::error::ErrorKind;

const fn s(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn context(clock: &TestClock) -> Context {
    Context::builder().clock(clock.clone()).build()
}

fn clock() -> TestClock {
    TestClock::new(UNIX_EPOCH + s(1_800_000_000))
}

/// A folder of the test's own.
struct Scratch(PathBuf);

impl Scratch {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("acs-store-{}-{name}", std::process::id()));
        let _ = std::fs::remove_dir_all(&path);
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    fn folder(&self) -> PathBuf {
        self.0.join("sessions")
    }

    /// The files of sessions.
    fn sessions(&self) -> Vec<PathBuf> {
        let files = std::fs::read_dir(self.folder()).unwrap().map(|file| file.unwrap().path());
        files.filter(|path| path.file_name().unwrap().len() == 64).collect()
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// A source that counts its calls.
struct Source {
    context: Context,
    calls: AtomicUsize,
}

impl Source {
    fn new(context: &Context) -> Self {
        Self { context: context.clone(), calls: AtomicUsize::new(0) }
    }

    /// Asks `store`, or else this source.
    async fn session(&self, store: &Shared, identity: &[&str], rejected: Option<&str>) -> Result<Credentials, Error> {
        let enter = || -> BoxFuture<'_, Passage> { Box::pin(self.context.pass("sts.test", Turn::default())) };
        let call = |passage| -> BoxFuture<'_, Result<Credentials, Error>> {
            Box::pin(async move {
                let _passage: Option<Passage> = passage;
                self.grant().await
            })
        };
        store.session(&self.context, identity, rejected, enter, call).await
    }

    async fn grant(&self) -> Result<Credentials, Error> {
        let number = self.calls.fetch_add(1, Ordering::SeqCst) + 1;
        let session = Credentials::new(format!("STS.session-{number}"), "fake-secret")
            .with_security_token("fake-token")
            .with_expiration(UNIX_EPOCH + self.context.now().wall + s(3600))
            .with_left(self.context.boot_clock(), s(3600), false)
            .with_arn("acs:ram::100:assumed-role/media/job");
        Ok(session)
    }

    fn calls(&self) -> usize {
        self.calls.load(Ordering::SeqCst)
    }
}

async fn ask(store: &Shared, source: &Source, identity: &[&str]) -> String {
    let session = source.session(store, identity, None).await.unwrap();
    assert_eq!((session.access_key_secret(), session.security_token()), ("fake-secret", Some("fake-token")));
    assert_eq!(session.arn(), Some("acs:ram::100:assumed-role/media/job"));
    session.access_key_id().to_owned()
}

#[tokio::test]
async fn a_session_of_another_process_is_taken_while_it_lasts_and_never_for_another_call() {
    let (scratch, clock) = (Scratch::new("taken"), clock());
    let source = Source::new(&context(&clock));
    let [one, other] = [0, 1].map(|_| Shared::new(FileStore::at(scratch.folder())));
    assert_eq!(ask(&one, &source, &["a", "bc"]).await, "STS.session-1");
    clock.advance(s(600));
    assert_eq!(ask(&other, &source, &["a", "bc"]).await, "STS.session-1");
    let left = source.session(&other, &["a", "bc"], None).await.unwrap();
    assert_eq!(left.left(source.context.now().wall).unwrap().left, s(3000), "and it is as old as it is");
    assert_eq!(ask(&other, &source, &["ab", "c"]).await, "STS.session-2");
    let rejected = Some("STS.session-1");
    let replaced = source.session(&other, &["a", "bc"], rejected).await.unwrap();
    assert_eq!(replaced.access_key_id(), "STS.session-3", "one that a server refused is not");
    assert_eq!(ask(&one, &source, &["a", "bc"]).await, "STS.session-3");
    clock.advance(s(3580));
    assert_eq!(ask(&one, &source, &["a", "bc"]).await, "STS.session-4", "nor one that is nearly over");
    clock.step(-7200);
    clock.suspend(s(3600));
    assert_eq!(ask(&one, &source, &["a", "bc"]).await, "STS.session-5", "by whichever clock");
}

#[tokio::test]
async fn who_renews_takes_only_a_session_that_is_newer_than_its_own() {
    let (scratch, clock) = (Scratch::new("newer"), clock());
    let source = Source::new(&context(&clock));
    let [one, other] = [0, 1].map(|_| Shared::new(FileStore::at(scratch.folder())));
    ask(&one, &source, &["role"]).await;
    clock.advance(s(2800));
    let renewed = crate::context::while_held(s(800), ask(&one, &source, &["role"])).await;
    assert_eq!(renewed, "STS.session-2", "the one that it has is the one that is stored");
    let renewed = crate::context::while_held(s(800), ask(&other, &source, &["role"])).await;
    assert_eq!((renewed.as_str(), source.calls()), ("STS.session-2", 2));
}

#[tokio::test]
async fn keys_are_never_stored() {
    let scratch = Scratch::new("keys");
    let context = context(&clock());
    let store = Shared::new(FileStore::at(scratch.folder()));
    let enter = || -> BoxFuture<'_, Passage> { Box::pin(context.pass("sts.test", Turn::default())) };
    let key = |_| -> BoxFuture<'_, _> { Box::pin(ready(Ok(Credentials::new("LTAI5tExampleKeyId01", "fake-secret")))) };
    store.session(&context, &["role"], None, enter, key).await.unwrap();
    assert!(scratch.sessions().is_empty());
}

#[tokio::test]
async fn what_was_changed_exchanged_or_cut_is_a_miss_and_is_replaced() {
    let (scratch, clock) = (Scratch::new("changed"), clock());
    let source = Source::new(&context(&clock));
    let store = Shared::new(FileStore::at(scratch.folder()));
    ask(&store, &source, &["mine"]).await;
    let mine = scratch.sessions().remove(0);
    let whole = std::fs::read(&mine).unwrap();
    let shown = String::from_utf8_lossy(&whole).into_owned();
    assert!(!["STS.", "fake", "media"].iter().any(|secret| shown.contains(secret)));
    let mut bad: Vec<Vec<u8>> = [0, 3, 4, 16, whole.len() - 1].map(|at| whole[..at].to_vec()).into();
    for at in [0, 4, 15, 16, 60, whole.len() - 1] {
        let mut flipped = whole.clone();
        flipped[at] ^= 1;
        bad.push(flipped);
    }
    bad.push(vec![0; 100_000]);
    for bytes in bad {
        std::fs::write(&mine, &bytes).unwrap();
        let before = source.calls();
        ask(&store, &source, &["mine"]).await;
        ask(&store, &source, &["mine"]).await;
        assert_eq!(source.calls(), before + 1, "{} bytes", bytes.len());
    }
    ask(&store, &source, &["another"]).await;
    let another = scratch.sessions().into_iter().find(|path| *path != mine).unwrap();
    std::fs::copy(&another, &mine).unwrap();
    let before = source.calls();
    let got = ask(&store, &source, &["mine"]).await;
    assert_eq!(got, format!("STS.session-{}", before + 1), "and never another identity's session");
}

/// Asserts that a store in `folder` is of no use, and that nobody sees an error.
async fn is_useless(folder: &Path) {
    let source = Source::new(&context(&clock()));
    let store = FileStore::at(folder);
    let error = store.key().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Failed, "{error}");
    let store = Shared::new(store);
    ask(&store, &source, &["role"]).await;
    ask(&store, &source, &["role"]).await;
    assert_eq!(source.calls(), 2, "{error}");
    assert!(store.0.is_told.load(Ordering::Relaxed));
}

#[tokio::test]
async fn a_folder_or_key_that_is_not_this_users_alone_is_not_used() {
    let scratch = Scratch::new("foreign");
    let folder = scratch.folder();
    let set = |path: &Path, mode| std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
    FileStore::at(&folder).key().await.unwrap();
    let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode(&folder), mode(&folder.join("key"))), (0o700, 0o600));
    set(&folder, 0o750);
    is_useless(&folder).await;
    set(&folder, 0o700);
    set(&folder.join("key"), 0o640);
    is_useless(&folder).await;
    set(&folder.join("key"), 0o600);
    let link = scratch.0.join("link");
    symlink(&folder, &link).unwrap();
    is_useless(&link).await;
    std::fs::rename(folder.join("key"), scratch.0.join("key")).unwrap();
    symlink(scratch.0.join("key"), folder.join("key")).unwrap();
    is_useless(&folder).await;
    std::fs::remove_file(folder.join("key")).unwrap();
    std::fs::write(folder.join("key"), "short").unwrap();
    set(&folder.join("key"), 0o600);
    is_useless(&folder).await;
    let file = scratch.0.join("file");
    std::fs::write(&file, "").unwrap();
    is_useless(&file).await;
    is_useless(&file.join("below")).await;
}

#[test]
fn all_who_come_first_get_one_key() {
    let scratch = Scratch::new("first");
    let folder = scratch.folder();
    let keys: Vec<_> = (0..8)
        .map(|_| {
            let store = FileStore::at(&folder);
            std::thread::spawn(move || {
                let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
                runtime.block_on(store.key()).unwrap().0
            })
        })
        .collect();
    let keys: Vec<_> = keys.into_iter().map(|key| *key.join().unwrap()).collect();
    assert!(keys.iter().all(|key| *key == keys[0]) && keys[0] != [0; 32]);
    assert_eq!(std::fs::read_dir(&folder).unwrap().count(), 1, "and nothing is left behind");
}

#[tokio::test]
async fn a_lease_is_one_holders_and_who_waits_too_long_calls_for_itself() {
    let (scratch, clock) = (Scratch::new("lease"), clock());
    let source = Source::new(&context(&clock));
    let store = FileStore::at(scratch.folder());
    let name = "0123456789abcdef";
    let lease = store.try_lease(name).await.unwrap();
    assert!(lease.is_some() && store.try_lease(name).await.unwrap().is_none());
    drop(lease);
    assert!(store.try_lease(name).await.unwrap().is_some());
    let keys = Keys::of(&store.key().await.unwrap()).unwrap();
    let _lease = store.try_lease(&keys.name(&["role"]).unwrap()).await.unwrap().unwrap();
    let shared = Shared::new(store);
    let before = source.context.now().monotonic;
    let mut call = std::pin::pin!(ask(&shared, &source, &["role"]));
    while std::future::poll_fn(|cx| std::task::Poll::Ready(call.as_mut().poll(cx).is_pending())).await {
        clock.advance(PAUSE);
    }
    let waited = source.context.now().monotonic - before;
    assert!((s(4)..=s(6)).contains(&waited) && source.calls() == 1, "{waited:?}");
}

#[tokio::test]
async fn who_renews_waits_for_another_ones_call_no_longer_than_its_own_session_lasts() {
    let (scratch, clock) = (Scratch::new("patience"), clock());
    let source = Source::new(&context(&clock));
    let store = FileStore::at(scratch.folder());
    let keys = Keys::of(&store.key().await.unwrap()).unwrap();
    let _lease = store.try_lease(&keys.name(&["role"]).unwrap()).await.unwrap().unwrap();
    let shared = Shared::new(store);
    let before = source.context.now().monotonic;
    let call = crate::context::while_held(s(2), source.session(&shared, &["role"], None));
    let mut call = std::pin::pin!(call);
    while std::future::poll_fn(|cx| std::task::Poll::Ready(call.as_mut().poll(cx).is_pending())).await {
        clock.advance(PAUSE);
    }
    let waited = source.context.now().monotonic - before;
    assert!(waited <= s(3) && source.calls() == 1, "{waited:?}");
}

/// One that has nothing but a quota, whose turns are three seconds away.
struct Slow;

impl SessionStore for Slow {
    fn key(&self) -> BoxFuture<'_, Result<StoreKey, Error>> {
        Box::pin(ready(Ok(StoreKey::new([7; 32]))))
    }

    fn load(&self, _: &str) -> BoxFuture<'_, Result<Option<Vec<u8>>, Error>> {
        Box::pin(ready(Ok(None)))
    }

    fn save(&self, _: &str, _: Vec<u8>, _: Duration) -> BoxFuture<'_, Result<(), Error>> {
        Box::pin(ready(Ok(())))
    }

    fn try_lease(&self, _: &str) -> BoxFuture<'_, Result<Option<StoreLease>, Error>> {
        Box::pin(ready(Ok(Some(StoreLease::new(())))))
    }

    fn turn(&self) -> BoxFuture<'_, Result<Duration, Error>> {
        Box::pin(ready(Ok(s(3))))
    }
}

#[tokio::test]
async fn a_call_waits_for_its_turn_in_the_quota_of_all_who_share_the_store() {
    let clock = clock();
    let context = context(&clock);
    let store = Shared::new(Slow);
    let mut turn = std::pin::pin!(store.turn(&context));
    let mut is_over =
        async || std::future::poll_fn(|cx| std::task::Poll::Ready(turn.as_mut().poll(cx).is_ready())).await;
    assert!(!is_over().await);
    clock.advance(s(2));
    assert!(!is_over().await);
    clock.advance(s(1));
    assert!(is_over().await);
}

/// One that hangs, or fails.
struct Broken {
    hangs: bool,
}

impl Broken {
    fn answer<T: Send + 'static>(&self) -> BoxFuture<'_, Result<T, Error>> {
        if self.hangs { Box::pin(std::future::pending()) } else { Box::pin(ready(Err(Error::failed("full")))) }
    }
}

impl SessionStore for Broken {
    fn key(&self) -> BoxFuture<'_, Result<StoreKey, Error>> {
        if self.hangs { self.answer() } else { Box::pin(ready(Ok(StoreKey::new([7; 32])))) }
    }

    fn load(&self, _: &str) -> BoxFuture<'_, Result<Option<Vec<u8>>, Error>> {
        self.answer()
    }

    fn save(&self, _: &str, _: Vec<u8>, _: Duration) -> BoxFuture<'_, Result<(), Error>> {
        self.answer()
    }

    fn try_lease(&self, _: &str) -> BoxFuture<'_, Result<Option<StoreLease>, Error>> {
        self.answer()
    }
}

#[tokio::test]
async fn a_store_that_fails_or_hangs_is_as_if_it_were_absent() {
    let clock = clock();
    for hangs in [false, true] {
        let source = Source::new(&context(&clock));
        let store = Shared::new(Broken { hangs });
        let mut call = std::pin::pin!(ask(&store, &source, &["role"]));
        while std::future::poll_fn(|cx| std::task::Poll::Ready(call.as_mut().poll(cx).is_pending())).await {
            clock.advance(s(1));
        }
        assert_eq!(source.calls(), 1);
    }
}
