//! Files, bounded: a regular file of a known size, read whole or not at all.

use std::collections::BTreeMap;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use zeroize::Zeroizing;

use super::{BlockingIo, Context};
use crate::error::{Error, ErrorKind};
use crate::redact::shown_path;

/// The content of a file: keys and tokens, so it is zeroized.
pub(crate) type Content = Zeroizing<Vec<u8>>;

/// A read that takes longer has failed.
const READ_LIMIT: Duration = Duration::from_secs(10);

/// So long what a file looked like is taken to hold, for all who look at the same one.
const SHARED: Duration = Duration::from_secs(1);

/// The reads under way and the last looks, by where they are looked up.
#[derive(Default)]
pub(super) struct Reads {
    under_way: Mutex<BTreeMap<PathBuf, BlockingIo>>,
    looks: Mutex<BTreeMap<PathBuf, (Duration, Option<Stamp>)>>,
}

impl Reads {
    fn of(&self, path: &Path) -> BlockingIo {
        let mut reads = self.under_way.lock().unwrap_or_else(PoisonError::into_inner);
        reads.retain(|_, blocking_io| blocking_io.is_busy());
        reads.entry(path.to_owned()).or_default().clone()
    }

    fn seen(&self, path: &Path, now: Duration) -> Option<Option<Stamp>> {
        let looks = self.looks.lock().unwrap_or_else(PoisonError::into_inner);
        let (at, stamp) = looks.get(path)?;
        (now.saturating_sub(*at) < SHARED).then(|| stamp.clone())
    }

    fn note(&self, path: &Path, now: Duration, stamp: Option<Stamp>) {
        let mut looks = self.looks.lock().unwrap_or_else(PoisonError::into_inner);
        looks.retain(|_, (at, _)| now.saturating_sub(*at) < SHARED);
        looks.insert(path.to_owned(), (now, stamp));
    }
}

/// The look of a file when it was read. A change in place shows in size or time, a rename in the inode, and the swap
/// of a link anywhere on the way to it (as a ConfigMap's) in where the path leads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Stamp {
    length: u64,
    modified: Option<SystemTime>,
    inode: u64,
    target: Option<PathBuf>,
}

impl Context {
    /// Returns the path at which `path` is looked up.
    pub(crate) fn locate(&self, path: &Path) -> PathBuf {
        match &self.0.root {
            Some(root) if path.is_absolute() => {
                // The prefix and the root component are what makes it absolute.
                let inner = path.components().filter(|part| matches!(part, std::path::Component::Normal(_)));
                root.join(inner.collect::<PathBuf>())
            }
            _ => path.to_owned(),
        }
    }

    /// Returns the look of the file, `None` if there is none; a second old at most. On this very thread: it is for looks that
    /// may hang.
    pub(crate) fn stamp(&self, path: &Path) -> Option<Stamp> {
        let (path, now) = (self.locate(path), self.now().monotonic);
        self.0.reads.seen(&path, now).unwrap_or_else(|| {
            let stamp = stamp(&path);
            self.0.reads.note(&path, now, stamp.clone());
            stamp
        })
    }

    /// [`read_file`](Self::read_file) on this very thread, for explanations.
    pub(crate) fn read_now(&self, path: &Path, limit: u64) -> Result<Option<Content>, Error> {
        read(&self.locate(path), &shown_path(path), limit)
    }

    /// The whole file; `None` when there is none. Anything but a regular file of at most `limit` bytes is an error.
    ///
    /// On the executor thread the read goes to a thread of its own and has a limit, so that a file system that hangs stops
    /// nobody else's refresh.
    pub(crate) async fn read_file(&self, path: &Path, limit: u64) -> Result<Option<Content>, Error> {
        self.read_stamped(path, limit).await.1
    }

    /// The same, and what the file looked like just before: a change in between is seen next time.
    pub(crate) async fn read_stamped(
        &self,
        path: &Path,
        limit: u64,
    ) -> (Option<Stamp>, Result<Option<Content>, Error>) {
        let (shown, path) = (shown_path(path), self.locate(path));
        let message = format!("{shown} could not be read within {} s", READ_LIMIT.as_secs());
        let reads = self.0.reads.of(&path);
        let (context, now) = (self.clone(), self.now().monotonic);
        let work = move || {
            let stamp = stamp(&path);
            context.0.reads.note(&path, now, stamp.clone());
            (stamp, read(&path, &shown, limit))
        };
        let read = reads.run_within(self, READ_LIMIT, work).await;
        read.unwrap_or_else(|| {
            let error = Error::new(ErrorKind::TimedOut, message).with_code("FileUnreadable");
            (None, Err(error.with_remedy("look at the file system: it does not answer")))
        })
    }
}

fn stamp(path: &Path) -> Option<Stamp> {
    let metadata = std::fs::metadata(path).ok()?;
    #[cfg(unix)]
    let inode = std::os::unix::fs::MetadataExt::ino(&metadata);
    #[cfg(not(unix))]
    let inode = 0;
    let target = std::fs::canonicalize(path).ok();
    Some(Stamp { length: metadata.len(), modified: metadata.modified().ok(), inode, target })
}

fn read(path: &Path, shown: &str, limit: u64) -> Result<Option<Content>, Error> {
    let unreadable = |error: &std::io::Error| {
        let why = match error.kind() {
            std::io::ErrorKind::PermissionDenied => "permission denied".to_owned(),
            _ => error.to_string(),
        };
        Error::failed(format!("{shown} cannot be read: {why}"))
            .with_code("FileUnreadable")
            .with_remedy("let this user read it, as its owner or by its group")
    };
    let metadata = match std::fs::metadata(path) {
        Ok(metadata) => metadata,
        Err(error) if matches!(error.kind(), std::io::ErrorKind::NotFound | std::io::ErrorKind::NotADirectory) => {
            return Ok(None);
        }
        // The file's own permissions do not matter here: a directory on the way to it may not be entered.
        Err(error) if error.kind() == std::io::ErrorKind::PermissionDenied => {
            let message = format!("{shown} cannot be looked for: permission denied on a directory of it");
            return Err(Error::failed(message)
                .with_code("DirectoryUnreadable")
                .with_remedy("let this user enter the directories that lead to it, or name another path"));
        }
        Err(error) => return Err(unreadable(&error)),
    };
    if !metadata.is_file() {
        return Err(Error::failed(format!("{shown} is not a regular file"))
            .with_code("FileUnreadable")
            .with_remedy("name a regular file, not a directory or a device")
            .permanent());
    }
    let file = std::fs::File::open(path).map_err(|error| unreadable(&error))?;
    // Of the size at once: what grows leaves copies behind.
    let size = metadata.len().min(limit).saturating_add(1);
    let mut bytes = Content::new(Vec::with_capacity(usize::try_from(size).unwrap_or_default()));
    file.take(limit + 1).read_to_end(&mut bytes).map_err(|error| unreadable(&error))?;
    if bytes.len() as u64 > limit {
        return Err(Error::failed(format!("{shown} is larger than {limit} bytes"))
            .with_code("FileTooLarge")
            .permanent());
    }
    Ok(Some(bytes))
}
