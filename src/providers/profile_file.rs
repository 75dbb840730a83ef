//! A file of profiles, as far as it could be read.

use std::path::PathBuf;

use crate::error::Error;
use crate::paths;
use crate::redact::shown_path;

/// A file that was read, or found missing.
pub(crate) struct ProfileFile<T> {
    pub(super) path: PathBuf,
    /// The variable that names it, if one does.
    pub(super) variable: Option<&'static str>,
    pub(super) content: Option<T>,
    /// Nobody named it, and a directory on the way to it may not be entered.
    pub(super) barred: bool,
}

impl<T> ProfileFile<T> {
    pub(super) fn shown(&self) -> String {
        shown_path(&self.path)
    }

    /// A file that a variable names has to be there.
    pub(super) fn required(&self) -> Result<(), Error> {
        match self.variable.filter(|_| self.content.is_none()) {
            None => Ok(()),
            Some(variable) => {
                let message = format!("{variable} names {}, and there is no such file", self.shown());
                let remedy = match paths::unexpanded(&self.path) {
                    Some(hint) => hint,
                    None => format!("mount the file, correct the path, or unset {variable}"),
                };
                Err(Error::failed(message).with_code("ConfigMissing").with_remedy(remedy).permanent())
            }
        }
    }

    /// Says why there is nothing to read.
    pub(super) fn absence(&self) -> String {
        match self.barred {
            true => format!("{} may not be looked for: permission denied on a directory of it", self.shown()),
            false => format!("there is no {}", self.shown()),
        }
    }
}
