//! Writes a profile's session and tokens back to config.json: without loss, under a lock, and so that a crash leaves a whole file.
//!
//! 1. A lock file beside the file that the path leads to is locked. The system frees the lock of a holder that dies.
//! 2. The file is read, and its text is edited: see [`edit`].
//! 3. The text goes into a temporary file in the same folder, which is flushed to the disk.
//! 4. The file is read again. If somebody who knows no lock (the `aliyun` CLI) has changed it, its text is edited anew.
//! 5. The temporary file takes the place of the file.

#[cfg(feature = "login")]
mod add;
mod edit;
#[cfg(feature = "login")]
mod place;
mod scan;
#[cfg(test)]
#[cfg(unix)]
mod tests;

use std::fs::{File, OpenOptions};
use std::io::{self, ErrorKind, Read, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use zeroize::Zeroizing;

#[cfg(feature = "login")]
pub(crate) use self::add::{add, set_current};
pub(crate) use self::edit::{NewValue, NotEdited, edit};
#[cfg(feature = "login")]
pub(crate) use self::place::Place;
use crate::context::Context;

/// The largest file that is read.
const LIMIT: u64 = 1024 * 1024;
/// A file that changes so often while it is written is not written.
const ATTEMPTS: usize = 5;
/// The pause before a lock that somebody holds is tried again.
const RETRY: Duration = Duration::from_millis(50);

/// The reason why nothing was written.
#[derive(Debug)]
pub(crate) enum NotWritten {
    /// Somebody held the lock for as long as was waited.
    Locked,
    Edit(NotEdited),
    /// It has another content each time it is looked at.
    Changing,
    Io(&'static str, io::Error),
}

impl NotWritten {
    /// The reason as the end of a sentence: nothing of the file is in it.
    pub(crate) fn why(&self) -> String {
        match self {
            Self::Locked => "another process holds its lock".to_owned(),
            Self::Edit(error) => error.why().to_owned(),
            Self::Changing => "another program keeps changing it".to_owned(),
            Self::Io(what, error) => format!("{what}: {error}"),
        }
    }
}

fn io(what: &'static str) -> impl FnOnce(io::Error) -> NotWritten {
    move |error| NotWritten::Io(what, error)
}

/// The right to change the file, until it is dropped.
#[derive(Debug)]
pub(crate) struct Locked {
    /// The file that the path leads to, links followed.
    target: PathBuf,
    /// Holds the lock.
    _lock: File,
}

/// Waits for the lock of the file at `path`, for `limit` at most by the context's clock.
pub(crate) async fn lock(context: &Context, path: &Path, limit: Duration) -> Result<Locked, NotWritten> {
    let target = std::fs::canonicalize(context.locate(path)).map_err(io("its path cannot be followed"))?;
    lock_target(context, target, limit).await
}

/// The same for a file that need not be there yet: its folder is made, for its owner alone.
#[cfg(feature = "login")]
pub(crate) async fn lock_new(context: &Context, path: &Path, limit: Duration) -> Result<Locked, NotWritten> {
    let located = context.locate(path);
    let target = match std::fs::canonicalize(&located) {
        // A link that leads nowhere is no place for a new file.
        Err(error) if error.kind() == ErrorKind::NotFound && !located.is_symlink() => {
            let (Some(folder), Some(name)) = (folder_of(&located), located.file_name()) else {
                return Err(io("its path cannot be followed")(error));
            };
            make_folder(folder).map_err(io("its folder cannot be made"))?;
            std::fs::canonicalize(folder).map_err(io("its path cannot be followed"))?.join(name)
        }
        target => target.map_err(io("its path cannot be followed"))?,
    };
    lock_target(context, target, limit).await
}

/// The folder that a path is in: of a mere name, the current one.
#[cfg(feature = "login")]
fn folder_of(path: &Path) -> Option<&Path> {
    path.parent().map(|folder| if folder.as_os_str().is_empty() { Path::new(".") } else { folder })
}

#[cfg(feature = "login")]
fn make_folder(folder: &Path) -> io::Result<()> {
    let mut builder = std::fs::DirBuilder::new();
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.recursive(true).create(folder)
}

async fn lock_target(context: &Context, target: PathBuf, limit: Duration) -> Result<Locked, NotWritten> {
    let lock = open_lock(&target)?;
    let end = context.now().monotonic.saturating_add(limit);
    loop {
        match lock.try_lock() {
            Ok(()) => return Ok(Locked { target, _lock: lock }),
            Err(std::fs::TryLockError::WouldBlock) => {}
            Err(std::fs::TryLockError::Error(error)) => return Err(io("its lock file cannot be locked")(error)),
        }
        if context.now().monotonic >= end {
            return Err(NotWritten::Locked);
        }
        context.sleep(RETRY).await;
    }
}

fn open_lock(target: &Path) -> Result<File, NotWritten> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let lock = options.open(beside(target, ".lock")).map_err(io("its lock file cannot be created"))?;
    // Made by root for somebody else's file, it would lock the owner out.
    #[cfg(unix)]
    if let (Ok(file), Ok(own)) = (std::fs::metadata(target), lock.metadata()) {
        let _ = give_owner(&lock, &own, &file);
    }
    Ok(lock)
}

/// Gives a file that is `own` the owner and the group of `file`.
#[cfg(unix)]
fn give_owner(to: &File, own: &std::fs::Metadata, file: &std::fs::Metadata) -> io::Result<()> {
    use std::os::unix::fs::MetadataExt;
    match (file.uid(), file.gid()) == (own.uid(), own.gid()) {
        true => Ok(()),
        false => std::os::unix::fs::fchown(to, Some(file.uid()), Some(file.gid())),
    }
}

/// A hidden file beside `target`: `.config.json` and the ending.
fn beside(target: &Path, ending: &str) -> PathBuf {
    let name = target.file_name().unwrap_or_default().to_string_lossy();
    target.with_file_name(format!(".{name}{ending}"))
}

/// The content of the file now; `None` if there is no file.
fn read_if_there(target: &Path) -> Result<Option<Zeroizing<Vec<u8>>>, NotWritten> {
    let mut bytes = Zeroizing::new(Vec::with_capacity(64 * 1024));
    let file = match File::open(target) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        file => file.map_err(io("it cannot be read"))?,
    };
    file.take(LIMIT + 1).read_to_end(&mut bytes).map_err(io("it cannot be read"))?;
    match bytes.len() as u64 > LIMIT {
        true => Err(io("it cannot be read")(ErrorKind::FileTooLarge.into())),
        false => Ok(Some(bytes)),
    }
}

/// The text of a file that was read.
pub(crate) fn text_of(bytes: Option<&Zeroizing<Vec<u8>>>) -> Result<Option<&str>, NotWritten> {
    let text = bytes.map(|bytes| std::str::from_utf8(bytes)).transpose();
    text.map_err(|_| NotWritten::Edit(NotEdited::NotJson))
}

/// Makes a temporary file at `path`, which looks like the file.
fn temporary(target: &Path, path: PathBuf) -> Result<Prepared<'_>, NotWritten> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let file = options.open(&path).map_err(io("a temporary file beside it cannot be created"))?;
    let prepared = Prepared { target, file, path };
    // A folder may be written while the file may not: then nobody meant it to be replaced.
    match OpenOptions::new().write(true).open(target) {
        Err(error) if error.kind() == ErrorKind::NotFound => {}
        opened => {
            opened.map_err(io("it may not be written"))?;
            prepared.take_looks()?;
        }
    }
    Ok(prepared)
}

impl Locked {
    /// The file's content now; `None` if there is no file.
    pub(crate) fn read_if_there(&self) -> Result<Option<Zeroizing<Vec<u8>>>, NotWritten> {
        read_if_there(&self.target)
    }

    /// Makes the temporary file, so that what is to be written has a place before it exists.
    pub(crate) fn prepare(&self) -> Result<Prepared<'_>, NotWritten> {
        // What a holder of the lock that died left behind.
        let path = beside(&self.target, ".new");
        match std::fs::remove_file(&path) {
            Err(error) if error.kind() != ErrorKind::NotFound => {
                return Err(io("a temporary file beside it cannot be removed")(error));
            }
            _ => {}
        }
        temporary(&self.target, path)
    }
}

/// A temporary file that is to take the place of the file. It is removed unless it does.
#[derive(Debug)]
pub(crate) struct Prepared<'a> {
    target: &'a Path,
    file: File,
    path: PathBuf,
}

impl Prepared<'_> {
    /// Gives the temporary file the owner and the mode of the file.
    fn take_looks(&self) -> Result<(), NotWritten> {
        let metadata = std::fs::metadata(self.target).map_err(io("it cannot be looked at"))?;
        #[cfg(unix)]
        {
            let own = self.file.metadata().map_err(io("its temporary file cannot be looked at"))?;
            give_owner(&self.file, &own, &metadata).map_err(io("its owner cannot be given to another file"))?;
        }
        self.file.set_permissions(metadata.permissions()).map_err(io("its mode cannot be given to another file"))
    }

    /// Changes members of the profile. Returns whether there was anything to change.
    pub(crate) fn commit(self, profile: &str, changes: &[(&str, NewValue<'_>)]) -> Result<bool, NotWritten> {
        self.commit_while(profile, changes, || {})
    }

    /// The same, with what others do meanwhile.
    fn commit_while(
        self,
        profile: &str,
        changes: &[(&str, NewValue<'_>)],
        meanwhile: impl FnMut(),
    ) -> Result<bool, NotWritten> {
        let change = |text: Option<&str>| edit(text.ok_or(NotEdited::NoSuchProfile)?, profile, changes);
        self.commit_edit(change, meanwhile)
    }

    /// Writes what `change` makes of the text, which is `None` where there is no file. Returns whether there was anything to change.
    pub(crate) fn commit_edit(
        mut self,
        change: impl Fn(Option<&str>) -> Result<Zeroizing<String>, NotEdited>,
        mut meanwhile: impl FnMut(),
    ) -> Result<bool, NotWritten> {
        for _ in 0..ATTEMPTS {
            let before = read_if_there(self.target)?;
            let text = text_of(before.as_ref())?;
            let after = change(text).map_err(NotWritten::Edit)?;
            if text == Some(after.as_str()) {
                return Ok(false);
            }
            self.write(after.as_bytes()).map_err(io("its temporary file cannot be written"))?;
            meanwhile();
            if read_if_there(self.target)? != before {
                continue;
            }
            std::fs::rename(&self.path, self.target).map_err(io("it cannot be replaced"))?;
            // The name is to survive a loss of power, too; not every file system can promise that.
            #[cfg(unix)]
            if let Some(folder) = self.target.parent() {
                let _ = File::open(folder).and_then(|folder| folder.sync_all());
            }
            return Ok(true);
        }
        Err(NotWritten::Changing)
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        use std::io::Seek;
        self.file.set_len(0)?;
        self.file.rewind()?;
        self.file.write_all(bytes)?;
        self.file.sync_all()
    }
}

impl Drop for Prepared<'_> {
    fn drop(&mut self) {
        // After the rename there is none of that name.
        let _ = std::fs::remove_file(&self.path);
    }
}
