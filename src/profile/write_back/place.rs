//! The place of config.json before it is written: what is there, and whether it can be written. Nothing that is made to find that
//! out is left behind, so that a change or a login that comes to nothing leaves no trace.

use std::fs::OpenOptions;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

use super::{NotWritten, beside, folder_of, io, read_if_there, temporary};
use crate::context::Context;

pub(crate) struct Place {
    /// The file, links followed. Where folders on the way to it are missing: the first of them.
    target: PathBuf,
}

impl Place {
    /// Follows a path as far as it leads.
    pub(crate) fn of(context: &Context, path: &Path) -> Result<Self, NotWritten> {
        let located = context.locate(path);
        let (mut known, mut missing) = (located.as_path(), None);
        loop {
            match std::fs::canonicalize(known) {
                Ok(found) => {
                    let target = missing.map_or_else(|| found.clone(), |name| found.join(name));
                    return Ok(Self { target });
                }
                // A link that leads nowhere is no place for a new file.
                Err(error) if error.kind() == ErrorKind::NotFound && !known.is_symlink() => {
                    let (Some(folder), Some(name)) = (folder_of(known), known.file_name()) else {
                        return Err(io("its path cannot be followed")(error));
                    };
                    (known, missing) = (folder, Some(name));
                }
                Err(error) => return Err(io("its path cannot be followed")(error)),
            }
        }
    }

    /// The file's content now; `None` if there is no file.
    pub(crate) fn read(&self) -> Result<Option<Zeroizing<Vec<u8>>>, NotWritten> {
        read_if_there(&self.target)
    }

    /// Checks that the file, or the first folder on the way to it, could be made or replaced. Waits for no lock.
    pub(crate) fn check(&self, context: &Context) -> Result<(), NotWritten> {
        match OpenOptions::new().read(true).write(true).open(beside(&self.target, ".lock")) {
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            opened => drop(opened.map_err(io("its lock file cannot be opened"))?),
        }
        if beside(&self.target, ".new").is_dir() {
            return Err(io("a temporary file beside it cannot be removed")(ErrorKind::IsADirectory.into()));
        }
        // A name of its own: that of a write belongs to the holder of the lock.
        temporary(&self.target, beside(&self.target, &format!(".{}", context.nonce()))).map(drop)
    }
}
