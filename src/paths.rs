//! Paths that variables, profiles and code name.

use std::path::{Path, PathBuf};

use crate::context::Context;

/// Puts the home directory for a leading `~`, as a shell would have done. Nothing else is expanded.
pub(crate) fn expand_home(context: &Context, path: PathBuf) -> PathBuf {
    match path.strip_prefix("~") {
        Ok(rest) => match context.home_dir() {
            // Joining nothing would add a slash.
            Some(home) if rest.as_os_str().is_empty() => home,
            Some(home) => home.join(rest),
            None => path,
        },
        Err(_) => path,
    }
}

/// Returns a hint for a path that is not there and looks as if a shell should have expanded it.
pub(crate) fn unexpanded(path: &Path) -> Option<String> {
    let text = path.to_string_lossy();
    let what = if text.contains('$') || text.split('%').count() > 2 {
        "variables"
    } else if text.starts_with("~/") || text == "~" {
        "`~` without a home directory"
    } else if text.starts_with('~') {
        "`~` of another user"
    } else {
        return None;
    };
    Some(format!("write the path out: {what} in it cannot be expanded here"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_leading_tilde_is_the_home_directory_and_nothing_else_is_expanded() {
        let context = Context::builder().env([("HOME", "/home/me")]).build();
        let homeless = Context::builder().env([("X", "y")]).build();
        for (path, expanded) in [
            ("~", "/home/me"),
            ("~/.aliyun/config.json", "/home/me/.aliyun/config.json"),
            ("~you/config.json", "~you/config.json"),
            ("/a/~/b", "/a/~/b"),
            ("$HOME/a", "$HOME/a"),
            ("a", "a"),
        ] {
            assert_eq!(expand_home(&context, path.into()), Path::new(expanded));
            assert_eq!(expand_home(&homeless, path.into()), Path::new(path));
        }
        for (path, what) in [
            ("$HOME/a", Some("variables")),
            ("${HOME}/a", Some("variables")),
            ("%USERPROFILE%/a", Some("variables")),
            ("~you/a", Some("`~` of another user")),
            ("~/a", Some("`~` without a home directory")),
            ("/a/b%20c", None),
        ] {
            assert_eq!(unexpanded(Path::new(path)).is_some(), what.is_some(), "{path}");
            assert!(what.is_none_or(|what| unexpanded(Path::new(path)).unwrap().contains(what)), "{path}");
        }
    }
}
