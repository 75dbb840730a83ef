//! A file with one secret text, which something else replaces while it is in use: a token, an assertion, a key.

use std::path::Path;
use std::time::Duration;

use zeroize::Zeroizing;

use crate::context::Context;
use crate::error::Error;
use crate::paths;
use crate::redact::shown_path;

/// The reason why there is no text. The first two get their code from the caller.
pub(crate) enum Fault {
    /// The file does not exist, or is empty.
    Missing(Error),
    Malformed(Error),
    Unreadable(Error),
}

/// Reads the file: a leading `~` is the home directory. `what` says what the file has to hold: "one signed JWT".
pub(crate) async fn read(context: &Context, path: &Path, limit: u64, what: &str) -> Result<Zeroizing<String>, Fault> {
    // While the kubelet swaps the directory's link the file is gone for an instant, or read short.
    const TRIES: u32 = 3;
    const PAUSE: Duration = Duration::from_millis(75);
    let path: &Path = &paths::expand_home(context, path.to_owned());
    for attempt in 1.. {
        let text = context.read_file(path, limit).await.map_err(Fault::Unreadable)?;
        match text {
            Some(bytes) if !bytes.trim_ascii().is_empty() => {
                let text = std::str::from_utf8(&bytes)
                    .map_err(|_| Fault::Malformed(Error::failed(format!("{} is not UTF-8", shown_path(path)))))?;
                return Ok(Zeroizing::new(text.to_owned()));
            }
            Some(_) | None if attempt < TRIES => context.sleep(PAUSE).await,
            Some(_) => return Err(Fault::Missing(Error::failed(format!("{} is empty", shown_path(path))))),
            None => break,
        }
    }
    let remedy = paths::unexpanded(path);
    let remedy = remedy.unwrap_or_else(|| format!("correct the path: it has to lead to a file with {what}"));
    Err(Fault::Missing(Error::failed(format!("there is no {}", shown_path(path))).with_remedy(remedy)))
}
