//! Files that hold keys, and who else may read them. What is in them is the library's to judge.

use std::path::PathBuf;

use super::Check;
use crate::world;

const BY_VARIABLE: [&str; 2] = ["ALIBABA_CLOUD_CONFIG_FILE", "ALIBABA_CLOUD_CREDENTIALS_FILE"];
const BELOW_HOME: [&str; 3] = [".aliyun/config.json", ".alibabacloud/credentials", ".alibabacloud/credentials.ini"];

pub(super) fn checks() -> Vec<Check> {
    let named = BY_VARIABLE.into_iter().filter_map(world::variable).map(PathBuf::from);
    let home = std::env::home_dir();
    let usual = BELOW_HOME.iter().filter_map(|path| Some(home.as_ref()?.join(path)));
    named.chain(usual).filter_map(|path| check(&path)).collect()
}

#[cfg(unix)]
fn check(path: &std::path::Path) -> Option<Check> {
    use std::os::unix::fs::PermissionsExt as _;
    let mode = std::fs::metadata(path).ok()?.permissions().mode();
    let path = path.display();
    Some(if mode & 0o077 == 0 {
        Check::new("file", super::State::Good, format!("{path} is its owner's alone"))
    } else {
        let detail = format!("{path} is open to other users (mode {:03o})", mode & 0o777);
        Check::bad("file", detail, format!("chmod 600 {path}"))
    })
}

#[cfg(not(unix))]
fn check(path: &std::path::Path) -> Option<Check> {
    path.exists().then(|| Check::new("file", super::State::Note, format!("{} is there", path.display())))
}
