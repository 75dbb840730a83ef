//! The file around the edit: links, modes, locks, and others who write.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::time::UNIX_EPOCH;

use super::*;
use crate::context::TestClock;

const TEXT: &str = "{\n\t\"profiles\": [ {\"name\":\"a\", \"sts_token\" : \"old\"} ],\"x\":1e2}\n";
const CHANGES: [(&str, NewValue<'_>); 1] = [("sts_token", NewValue::Text("new"))];

fn new_text() -> String {
    TEXT.replace("old", "new")
}

struct Folder {
    path: PathBuf,
    clock: TestClock,
    context: Context,
}

impl Folder {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("alibabacloud-write-back-{}-{name}", std::process::id()));
        let _ = fs::remove_dir_all(&path);
        fs::create_dir_all(&path).unwrap();
        fs::write(path.join("config.json"), TEXT).unwrap();
        let clock = TestClock::new(UNIX_EPOCH);
        let context = Context::builder().env([("A", "a")]).clock(clock.clone()).build();
        Self { path, clock, context }
    }

    fn file(&self) -> PathBuf {
        self.path.join("config.json")
    }

    fn text(&self) -> String {
        fs::read_to_string(self.file()).unwrap()
    }

    async fn lock(&self, path: &Path) -> Locked {
        lock(&self.context, path, Duration::ZERO).await.unwrap()
    }

    /// All files but the configuration and its lock.
    fn left_over(&self) -> Vec<String> {
        let names = fs::read_dir(&self.path).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
        names.filter(|name| !["config.json", ".config.json.lock", "link.json"].contains(&name.as_str())).collect()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.path);
    }
}

#[tokio::test]
async fn a_file_keeps_its_mode_and_a_link_leads_to_it_as_before() {
    let folder = Folder::new("link");
    fs::set_permissions(folder.file(), fs::Permissions::from_mode(0o640)).unwrap();
    let link = folder.path.join("link.json");
    symlink("config.json", &link).unwrap();
    let inode = fs::metadata(folder.file()).unwrap().ino();
    let locked = folder.lock(&link).await;
    let prepared = locked.prepare().unwrap();
    let private = fs::metadata(folder.path.join(".config.json.new")).unwrap();
    assert!(prepared.commit("a", &CHANGES).unwrap());
    assert_eq!(folder.text(), new_text());
    assert_eq!(fs::read_link(&link).unwrap(), Path::new("config.json"));
    let metadata = fs::metadata(folder.file()).unwrap();
    assert_eq!((metadata.mode() & 0o7777, private.mode() & 0o7777), (0o640, 0o640));
    assert_ne!(metadata.ino(), inode, "it was replaced, and not written in place");
    assert_eq!(fs::metadata(folder.path.join(".config.json.lock")).unwrap().mode() & 0o7777, 0o600);
    assert_eq!(folder.left_over(), Vec::<String>::new());
}

#[tokio::test]
async fn what_root_writes_belongs_to_the_owner_of_the_file() {
    let folder = Folder::new("owner");
    if std::os::unix::fs::chown(folder.file(), Some(4321), Some(4322)).is_err() {
        return; // Only root can give a file away.
    }
    let locked = folder.lock(&folder.file()).await;
    assert!(locked.prepare().unwrap().commit("a", &CHANGES).unwrap());
    for name in ["config.json", ".config.json.lock"] {
        let metadata = fs::metadata(folder.path.join(name)).unwrap();
        assert_eq!((metadata.uid(), metadata.gid()), (4321, 4322), "{name}");
    }
}

#[tokio::test]
async fn what_another_program_writes_meanwhile_is_kept() {
    let folder = Folder::new("meanwhile");
    let locked = folder.lock(&folder.file()).await;
    let mut times = 0;
    let meanwhile = || {
        times += 1;
        if times == 1 {
            fs::write(folder.file(), TEXT.replace("1e2", "[true]")).unwrap();
        }
    };
    assert!(locked.prepare().unwrap().commit_while("a", &CHANGES, meanwhile).unwrap());
    assert_eq!((folder.text(), times), (new_text().replace("1e2", "[true]"), 2));
    fs::write(folder.file(), TEXT).unwrap();
    let mut times = 0;
    let always = || {
        times += 1;
        fs::write(folder.file(), TEXT.replace("1e2", &times.to_string())).unwrap();
    };
    let error = locked.prepare().unwrap().commit_while("a", &CHANGES, always).unwrap_err();
    assert!(matches!(error, NotWritten::Changing));
    assert_eq!(folder.left_over(), Vec::<String>::new());
}

#[tokio::test]
async fn what_is_not_written_leaves_the_file_and_nothing_else() {
    let folder = Folder::new("not-written");
    let locked = folder.lock(&folder.file()).await;
    assert!(!locked.prepare().unwrap().commit("a", &[("sts_token", NewValue::Text("old"))]).unwrap());
    let gone = locked.prepare().unwrap().commit("b", &CHANGES).unwrap_err();
    assert_eq!(gone.why(), "the profile is not there any more, or is there twice");
    drop(locked.prepare().unwrap());
    assert_eq!((folder.text(), folder.left_over()), (TEXT.to_owned(), Vec::new()));
    fs::write(folder.path.join(".config.json.new"), "left behind by a process that died").unwrap();
    assert!(locked.prepare().unwrap().commit("a", &CHANGES).unwrap());
    assert_eq!((folder.text(), folder.left_over()), (new_text(), Vec::new()));
    fs::create_dir(folder.path.join(".config.json.new")).unwrap();
    let barred = locked.prepare().unwrap_err();
    assert!(barred.why().starts_with("a temporary file beside it cannot be removed"), "{}", barred.why());
}

#[tokio::test]
async fn a_lock_is_waited_for_as_long_as_was_said_and_ends_with_its_holder() {
    let folder = Folder::new("lock");
    let holder = folder.lock(&folder.file()).await;
    let path = folder.file();
    let mut waiting = Box::pin(lock(&folder.context, &path, Duration::from_secs(30)));
    let refused = loop {
        let polled = std::future::poll_fn(|cx| std::task::Poll::Ready(waiting.as_mut().poll(cx))).await;
        match polled {
            std::task::Poll::Ready(result) => break result.unwrap_err(),
            std::task::Poll::Pending => folder.clock.advance(folder.clock.next_wake().unwrap()),
        }
        // Or a budget of tokio's would come to its end.
        tokio::task::yield_now().await;
    };
    assert!(matches!(refused, NotWritten::Locked));
    assert_eq!(folder.context.now().monotonic, Duration::from_secs(30));
    drop(holder);
    assert!(lock(&folder.context, &path, Duration::ZERO).await.is_ok());
}
