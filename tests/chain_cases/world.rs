//! The outside world of one case: a clock that stands still, files beneath a directory of its own, scripted traffic, a
//! runtime of one thread, and a log of everything at TRACE.

use std::collections::BTreeMap;
use std::future::Future;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::Poll;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use alibabacloud_credentials::{Clock, Context, TestClock};
use tracing::level_filters::LevelFilter;
use tracing_subscriber::fmt::format::FmtSpan;

use super::case::{File, Folder};
use super::script::Script;
use crate::support::log::Log;

/// Thu, 01 Jan 2026 00:00:00 GMT: when every case starts.
pub(crate) const START: Duration = Duration::from_secs(1_767_225_600);

pub(crate) struct World {
    pub(crate) clock: TestClock,
    pub(crate) script: Script,
    pub(crate) context: Context,
    logs: Log,
    log: tracing::Dispatch,
    runtime: tokio::runtime::Runtime,
    running: Arc<AtomicUsize>,
    root: PathBuf,
    runs_program: bool,
}

/// The limit of a program.
const PROGRAM_LIMIT: Duration = Duration::from_secs(60);

/// What a file's change came to.
pub(crate) enum Changed {
    Yes,
    /// This user may read everything.
    NotPossible,
}

impl World {
    /// `name` makes its directory its own.
    pub(crate) fn new(name: &str, env: &BTreeMap<String, String>, script: Script) -> io::Result<Self> {
        let own = format!("chain_cases-{}-{name}", std::process::id());
        let root = Path::new(env!("CARGO_TARGET_TMPDIR")).join(own);
        if root.exists() {
            std::fs::remove_dir_all(&root)?;
        }
        std::fs::create_dir_all(&root)?;
        let runtime = tokio::runtime::Builder::new_current_thread().build()?;
        let (handle, running) = (runtime.handle().clone(), Arc::new(AtomicUsize::new(0)));
        let count = Arc::clone(&running);
        let spawn = move |task| {
            let running = Running::one_more(&count);
            handle.spawn(async move {
                let _running = running;
                let task: alibabacloud_credentials::BoxFuture<'static, ()> = task;
                task.await;
            });
        };
        let clock = TestClock::new(UNIX_EPOCH + START);
        let context = Context::builder()
            .env(env.iter().map(|(name, value)| (name.clone(), value.clone())))
            .root(&root)
            .http(script.clone())
            .clock(clock.clone())
            .seed(7)
            .spawn(spawn)
            .build();
        let logs = Log::default();
        let writer = logs.clone();
        let subscriber = tracing_subscriber::fmt()
            .with_max_level(LevelFilter::TRACE)
            .with_span_events(FmtSpan::FULL)
            .without_time()
            .with_writer(move || writer.clone())
            .finish();
        let log = tracing::Dispatch::new(subscriber);
        Ok(Self { clock, script, context, logs, log, runtime, running, root, runs_program: false })
    }

    /// The world of a folder, with its files mounted.
    pub(crate) fn of(name: &str, folder: &mut Folder) -> io::Result<Self> {
        let script = Script::new(folder.path.clone(), std::mem::take(&mut folder.http));
        let mut world = Self::new(name, &folder.env, script)?;
        world.runs_program = folder.case.runs_program;
        let files = folder.path.join("fs");
        if files.is_dir() {
            world.mount(&files, &world.root)?;
        }
        Ok(world)
    }

    fn mount(&self, from: &Path, to: &Path) -> io::Result<()> {
        std::fs::create_dir_all(to)?;
        for entry in std::fs::read_dir(from)? {
            let entry = entry?;
            let target = to.join(entry.file_name());
            if entry.file_type()?.is_dir() {
                self.mount(&entry.path(), &target)?;
            } else {
                self.write(&target, &std::fs::read(entry.path())?)?;
            }
        }
        Ok(())
    }

    /// Files are dated by the case's clock, so that a change is one whatever the file system's granularity.
    fn write(&self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        std::fs::write(path, bytes)?;
        std::fs::File::options().write(true).open(path)?.set_modified(self.now())
    }

    pub(crate) fn now(&self) -> SystemTime {
        self.clock.now().system_time()
    }

    pub(crate) fn change(&self, path: &str, change: &File) -> io::Result<Changed> {
        let path = self.root.join(path.trim_start_matches('/'));
        if let Some(parent) = path.parent() {
            std::fs::create_dir_all(parent)?;
        }
        match change {
            File::Removed => std::fs::remove_file(&path)?,
            File::Json(value) => self.write(&path, value.to_string().as_bytes())?,
            File::Text(text) => self.write(&path, text.as_bytes())?,
            File::Size(size) => self.write(&path, &vec![b' '; *size])?,
            File::Directory => std::fs::create_dir(&path)?,
            File::Unreadable => {
                #[cfg(unix)]
                std::fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o000))?;
                if std::fs::read(&path).is_ok() {
                    return Ok(Changed::NotPossible);
                }
            }
            File::LinkToItself => {
                #[cfg(unix)]
                std::os::unix::fs::symlink(&path, &path)?;
                #[cfg(not(unix))]
                return Ok(Changed::NotPossible);
            }
        }
        Ok(Changed::Yes)
    }

    /// Runs `work` and all that it starts in the background. Time stands still, unless nothing else can go on: then it
    /// goes to the next timer.
    pub(crate) fn run<T>(&self, work: impl Future<Output = T>) -> Result<T, String> {
        tracing::dispatcher::with_default(&self.log, || self.runtime.block_on(self.drive(work)))
    }

    async fn drive<T>(&self, work: impl Future<Output = T>) -> Result<T, String> {
        let mut work = std::pin::pin!(work);
        let value = loop {
            let mut value = None;
            for _ in 0..50 {
                if let Poll::Ready(ready) = std::future::poll_fn(|cx| Poll::Ready(work.as_mut().poll(cx))).await {
                    value = Some(ready);
                    break;
                }
                tokio::task::yield_now().await;
            }
            if let Some(value) = value {
                break value;
            }
            match self.clock.next_wake() {
                Some(PROGRAM_LIMIT) if self.runs_program => std::thread::yield_now(),
                Some(wait) => self.clock.advance(wait),
                None => return Err("nothing goes on, and nobody waits for the clock".to_owned()),
            }
        };
        for _ in 0..50 {
            if self.running.load(Ordering::Acquire) == 0 {
                return Ok(value);
            }
            tokio::task::yield_now().await;
        }
        Err("something is still under way in the background".to_owned())
    }

    /// Takes away the right to write. That stops nobody who is root, so what stands beside a file that is written is in the
    /// way as well: a folder, where the lock would be.
    pub(crate) fn make_read_only(&self) -> io::Result<()> {
        let config = self.root.join("home/me/.aliyun");
        if config.is_dir() {
            std::fs::create_dir_all(config.join(".config.json.lock"))?;
        }
        set_read_only(&self.root, true)
    }

    /// All paths beneath the root, with what is in the files.
    pub(crate) fn snapshot(&self) -> BTreeMap<PathBuf, Vec<u8>> {
        let (mut folders, mut found) = (vec![self.root.clone()], BTreeMap::new());
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
                let path = entry.path();
                if path.is_dir() {
                    folders.push(path.clone());
                }
                found.insert(path.clone(), std::fs::read(&path).unwrap_or_default());
            }
        }
        found
    }

    pub(crate) fn logs(&self) -> String {
        self.logs.text()
    }
}

impl Drop for World {
    fn drop(&mut self) {
        let _ = set_read_only(&self.root, false);
        // What cannot be removed stays in the build directory; the next run has another name.
        let _ = std::fs::remove_dir_all(&self.root);
    }
}

/// Changes the modes of everything beneath `path`.
fn set_read_only(path: &Path, read_only: bool) -> io::Result<()> {
    if path.is_symlink() {
        return Ok(());
    }
    let set = |path: &Path| {
        let mut permissions = std::fs::metadata(path)?.permissions();
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            let mode = permissions.mode();
            permissions.set_mode(if read_only { mode & !0o222 } else { mode | 0o700 });
        }
        #[cfg(not(unix))]
        permissions.set_readonly(read_only);
        std::fs::set_permissions(path, permissions)
    };
    if !read_only {
        set(path)?;
    }
    if path.is_dir() {
        for entry in std::fs::read_dir(path)? {
            set_read_only(&entry?.path(), read_only)?;
        }
    }
    if read_only { set(path) } else { Ok(()) }
}

/// Counts what runs in the background.
struct Running(Arc<AtomicUsize>);

impl Running {
    fn one_more(count: &Arc<AtomicUsize>) -> Self {
        count.fetch_add(1, Ordering::AcqRel);
        Self(Arc::clone(count))
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::AcqRel);
    }
}
