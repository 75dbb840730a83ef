//! A store in a folder of one host: files for sessions, and locks that die with their holders.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use super::{SessionStore, StoreKey, StoreLease};
use crate::context::BlockingIo;
use crate::error::Error;
use crate::provider::BoxFuture;
use crate::redact::shown_path;

/// Shares sessions of roles between the processes of one user on one host: those that fork, are started by a timer, or run
/// a command line in a loop.
///
/// The folder has to be this user's own, with no rights for others (0700; it is made so), and no symbolic link is followed in it. Sessions
/// are sealed by AES-256-GCM with a key of 32 random bytes in a file of its own (0600), and found by an HMAC over all that
/// influences what STS answers: source key, host, role and every argument. So a file that was changed, exchanged or taken
/// from elsewhere is as if it were not there. What is in it protects nobody from programs of the same user, who can read the
/// key. Only sessions of AssumeRole are shared: no key, no OIDC token.
///
/// Where it can't be used (another user's folder, a full disk, a file system without locks, not Unix), each process calls
/// STS itself, and a warning event says so once.
///
/// ```
/// use alibabacloud_credentials::{AssumeRole, AssumeRoleProvider, DefaultCredentialChain, FileStore, Refresher};
///
/// let role = AssumeRole::new("acs:ram::1234567890123456:role/media").session_name("job");
/// let provider = AssumeRoleProvider::new(DefaultCredentialChain::new(), role);
/// let session = Refresher::builder(provider).shared(FileStore::default()).build();
/// ```
#[derive(Clone)]
pub struct FileStore {
    folder: Option<PathBuf>,
    io: BlockingIo,
}

impl FileStore {
    /// Uses the folder at this path, which is made if there is none.
    pub fn at(folder: impl Into<PathBuf>) -> Self {
        Self { folder: Some(folder.into()), io: BlockingIo::default() }
    }

    /// Removes all sessions from the folder. Locks and the key stay, so nothing that other processes do meanwhile is disturbed; they
    /// keep the sessions that they hold. Returns how many were removed.
    ///
    /// # Errors
    ///
    /// A folder that cannot be used, or a session that cannot be removed. That there is no folder is none.
    ///
    /// ```no_run
    /// # async fn example() -> Result<(), alibabacloud_credentials::Error> {
    /// let removed = alibabacloud_credentials::FileStore::default().clear().await?;
    /// # Ok(()) }
    /// ```
    pub async fn clear(&self) -> Result<usize, Error> {
        match &self.folder {
            Some(path) if path.exists() => self.within(Folder::clear).await,
            _ => Ok(0),
        }
    }

    /// Runs `work` in the folder, where it may block.
    fn within<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Folder) -> std::io::Result<T> + Send + 'static,
    ) -> BoxFuture<'_, Result<T, Error>> {
        let path = self.folder.clone();
        Box::pin(async move {
            let Some(path) = path else {
                return Err(Error::failed("there is no folder for caches, and none was named"));
            };
            let shown = shown_path(&path);
            let done = self.io.run(move || work(&Folder::open(&path)?)).await;
            let failed = |why: &dyn fmt::Display| Error::failed(format!("{shown}: {why}"));
            done.ok_or_else(|| failed(&"the access was lost"))?.map_err(|error| failed(&error))
        })
    }
}

impl Default for FileStore {
    /// Uses `alibabacloud-credentials` in the user's folder for caches (`$XDG_CACHE_HOME`, `~/.cache`).
    fn default() -> Self {
        Self {
            folder: dirs::cache_dir().map(|caches| caches.join("alibabacloud-credentials")),
            io: BlockingIo::default(),
        }
    }
}

impl fmt::Debug for FileStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FileStore").field("folder", &self.folder).finish_non_exhaustive()
    }
}

impl SessionStore for FileStore {
    fn key(&self) -> BoxFuture<'_, Result<StoreKey, Error>> {
        self.within(Folder::key)
    }

    fn load(&self, name: &str) -> BoxFuture<'_, Result<Option<Vec<u8>>, Error>> {
        let name = name.to_owned();
        self.within(move |folder| folder.load(&name))
    }

    fn save(&self, name: &str, sealed: Vec<u8>, _: Duration) -> BoxFuture<'_, Result<(), Error>> {
        let name = name.to_owned();
        self.within(move |folder| folder.save(&name, &sealed))
    }

    fn try_lease(&self, name: &str) -> BoxFuture<'_, Result<Option<StoreLease>, Error>> {
        // Some thousand locks for any number of sessions: two that meet wait for each other's call at most.
        let name = format!("lock-{}", name.get(..3).unwrap_or_default());
        self.within(move |folder| Ok(folder.try_lock(&name)?.map(StoreLease::new)))
    }
}

#[cfg(unix)]
use self::unix::Folder;

#[cfg(unix)]
mod unix {
    use std::ffi::OsStr;
    use std::fs::{File, TryLockError};
    use std::io::{Error, ErrorKind, Read, Result, Write};
    use std::os::fd::OwnedFd;
    use std::os::unix::fs::{DirBuilderExt, MetadataExt};
    use std::path::{Path, PathBuf};
    use std::time::Duration;

    use rustix::fs::{AtFlags, Mode, OFlags};
    use zeroize::Zeroizing;

    use super::StoreKey;
    use crate::encode::push_hex;

    const KEY: &str = "key";
    /// A session is some 2 KiB. What is longer is none.
    const LONGEST: u64 = 64 * 1024;
    /// No session lasts longer than this, so a file that is older is of no use.
    const OLDEST: Duration = Duration::from_secs(13 * 3600);

    /// A folder that is this user's own. What is in it is found by its descriptor, so that nobody exchanges it meanwhile.
    pub(super) struct Folder {
        descriptor: OwnedFd,
        path: PathBuf,
    }

    fn refused(what: &str) -> Error {
        Error::new(ErrorKind::PermissionDenied, what)
    }

    /// Returns whether it is of this user, and nobody else may do anything with it.
    fn is_own(uid: u32, mode: u32) -> bool {
        uid == rustix::process::geteuid().as_raw() && mode & 0o077 == 0
    }

    impl Folder {
        pub(super) fn open(path: &Path) -> Result<Self> {
            if let Some(parent) = path.parent() {
                std::fs::create_dir_all(parent)?;
            }
            match std::fs::DirBuilder::new().mode(0o700).create(path) {
                Err(error) if error.kind() != ErrorKind::AlreadyExists => return Err(error),
                _ => {}
            }
            let flags = OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::RDONLY;
            let folder = File::from(rustix::fs::open(path, flags, Mode::empty())?);
            let metadata = folder.metadata()?;
            if !is_own(metadata.uid(), metadata.mode()) {
                return Err(refused("the folder is another user's, or others have rights in it (chmod 700)"));
            }
            Ok(Self { descriptor: folder.into(), path: path.to_owned() })
        }

        /// Opens a regular file of this user's; `None` if there is none.
        fn file(&self, name: &str, flags: OFlags) -> Result<Option<File>> {
            // Not blocked by a pipe that somebody put there.
            let flags = flags | OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::NONBLOCK;
            let file = match rustix::fs::openat(&self.descriptor, name, flags, Mode::RUSR | Mode::WUSR) {
                Ok(file) => File::from(file),
                Err(rustix::io::Errno::NOENT) => return Ok(None),
                Err(error) => return Err(error.into()),
            };
            let metadata = file.metadata()?;
            if !metadata.is_file() || !is_own(metadata.uid(), metadata.mode()) {
                return Err(refused("a file in it is no file of this user's alone"));
            }
            Ok(Some(file))
        }

        pub(super) fn load(&self, name: &str) -> Result<Option<Vec<u8>>> {
            let Some(file) = self.file(name, OFlags::RDONLY)? else { return Ok(None) };
            let mut bytes = Vec::new();
            file.take(LONGEST).read_to_end(&mut bytes)?;
            Ok(Some(bytes))
        }

        /// Writes a new file beside and moves it into its place, so that nobody reads half of one.
        pub(super) fn save(&self, name: &str, bytes: &[u8]) -> Result<()> {
            let new = self.write_new(bytes)?;
            let moved = rustix::fs::renameat(&self.descriptor, &new, &self.descriptor, name);
            if moved.is_err() {
                let _ = rustix::fs::unlinkat(&self.descriptor, &new, AtFlags::empty());
            }
            self.clean();
            Ok(moved?)
        }

        /// The name of a file that nobody else has.
        fn write_new(&self, bytes: &[u8]) -> Result<String> {
            let mut random = [0; 16];
            getrandom::fill(&mut random).map_err(Error::other)?;
            let mut name = "new-".to_owned();
            push_hex(&random, &mut name);
            let Some(mut file) = self.file(&name, OFlags::CREATE | OFlags::EXCL | OFlags::WRONLY)? else {
                return Err(ErrorKind::NotFound.into());
            };
            if let Err(error) = file.write_all(bytes) {
                let _ = rustix::fs::unlinkat(&self.descriptor, &name, AtFlags::empty());
                return Err(error);
            }
            Ok(name)
        }

        /// The key, made by the first one who needs it. One that is there is never replaced.
        pub(super) fn key(&self) -> Result<StoreKey> {
            if self.file(KEY, OFlags::RDONLY)?.is_none() {
                let mut key = Zeroizing::new([0; 32]);
                getrandom::fill(&mut *key).map_err(Error::other)?;
                let new = self.write_new(&*key)?;
                let linked = rustix::fs::linkat(&self.descriptor, &new, &self.descriptor, KEY, AtFlags::empty());
                let _ = rustix::fs::unlinkat(&self.descriptor, &new, AtFlags::empty());
                match linked {
                    // Another process was first.
                    Ok(()) | Err(rustix::io::Errno::EXIST) => {}
                    Err(error) => return Err(error.into()),
                }
            }
            let bytes = Zeroizing::new(self.load(KEY)?.unwrap_or_default());
            let key = <[u8; 32]>::try_from(bytes.as_slice());
            key.map(StoreKey::new).map_err(|_| Error::new(ErrorKind::InvalidData, "its key is not 32 bytes; remove it"))
        }

        /// The lock, which the system gives back when the file is closed, or its process has ended in whatever way.
        pub(super) fn try_lock(&self, name: &str) -> Result<Option<File>> {
            let Some(file) = self.file(name, OFlags::CREATE | OFlags::RDWR)? else {
                return Err(ErrorKind::NotFound.into());
            };
            match file.try_lock() {
                Ok(()) => Ok(Some(file)),
                Err(TryLockError::WouldBlock) => Ok(None),
                Err(TryLockError::Error(error)) => Err(error),
            }
        }

        /// Removes all sessions, and what is left of those that were being written.
        pub(super) fn clear(&self) -> Result<usize> {
            let mut removed = 0;
            for file in std::fs::read_dir(&self.path)? {
                let name = file?.file_name();
                if is_kept(&name) {
                    continue;
                }
                match rustix::fs::unlinkat(&self.descriptor, &name, AtFlags::empty()) {
                    Ok(()) => removed += usize::from(!name.as_encoded_bytes().starts_with(b"new-")),
                    Err(rustix::io::Errno::NOENT) => {}
                    Err(error) => return Err(error.into()),
                }
            }
            Ok(removed)
        }

        /// Removes what is of no use any more, now and then. That it fails is nobody's concern.
        fn clean(&self) {
            let mut draw = [0];
            if getrandom::fill(&mut draw).is_err() || draw[0] != 0 {
                return;
            }
            let Ok(files) = std::fs::read_dir(&self.path) else { return };
            for file in files.flatten() {
                let name = file.file_name();
                let age = file.metadata().and_then(|metadata| metadata.modified()).ok().and_then(age);
                if !is_kept(&name) && age.is_some_and(|age| age > OLDEST) {
                    let _ = rustix::fs::unlinkat(&self.descriptor, &name, AtFlags::empty());
                }
            }
        }
    }

    /// Returns whether a file is the key or a lock.
    fn is_kept(name: &OsStr) -> bool {
        name == OsStr::new(KEY) || name.as_encoded_bytes().starts_with(b"lock-")
    }

    /// By the clock that the file system dates with, which is not the `Context`'s.
    #[allow(clippy::disallowed_methods)]
    fn age(modified: std::time::SystemTime) -> Option<Duration> {
        modified.elapsed().ok()
    }
}

#[cfg(not(unix))]
struct Folder;

#[cfg(not(unix))]
impl Folder {
    fn open(_: &std::path::Path) -> std::io::Result<Self> {
        Err(std::io::Error::new(std::io::ErrorKind::Unsupported, "sessions are shared on Unix only"))
    }

    fn key(&self) -> std::io::Result<StoreKey> {
        Err(std::io::ErrorKind::Unsupported.into())
    }

    fn load(&self, _: &str) -> std::io::Result<Option<Vec<u8>>> {
        Ok(None)
    }

    fn clear(&self) -> std::io::Result<usize> {
        Ok(0)
    }

    fn save(&self, _: &str, _: &[u8]) -> std::io::Result<()> {
        Ok(())
    }

    fn try_lock(&self, _: &str) -> std::io::Result<Option<std::fs::File>> {
        Ok(None)
    }
}
