//! Exit codes, those of sysexits.h where they fit. The table in README.md says what each one means.

use alibabacloud_credentials::{Error, ErrorKind};

/// A wrong argument.
pub(crate) const USAGE: u8 = 64;
/// A server refused a request for what it says.
pub(crate) const DATA: u8 = 65;
/// A file that was named cannot be read.
pub(crate) const NO_INPUT: u8 = 66;
/// No connection, or no response in time.
pub(crate) const UNAVAILABLE: u8 = 69;
/// A defect of this program or of a provider.
pub(crate) const SOFTWARE: u8 = 70;
/// Output cannot be written.
pub(crate) const IO: u8 = 74;
/// Throttling or a server's own fault: the same may succeed a little later.
pub(crate) const TEMPORARY: u8 = 75;
/// A response that does not follow the protocol.
pub(crate) const PROTOCOL: u8 = 76;
/// A server refused who asks, or the credentials belong to another identity.
pub(crate) const NO_PERMISSION: u8 = 77;
/// No credentials, or a source that is configured wrongly.
pub(crate) const CONFIG: u8 = 78;

/// The code for an error of the library.
pub(crate) fn of(error: &Error) -> u8 {
    match error.kind() {
        ErrorKind::InvalidInput => USAGE,
        ErrorKind::Unreachable | ErrorKind::TimedOut => UNAVAILABLE,
        ErrorKind::InvalidResponse if error.is_transient() => TEMPORARY,
        ErrorKind::InvalidResponse => PROTOCOL,
        ErrorKind::Refused if error.is_transient() => TEMPORARY,
        ErrorKind::Refused if is_about_the_caller(error) => NO_PERMISSION,
        ErrorKind::Refused => DATA,
        ErrorKind::IdentityMismatch => NO_PERMISSION,
        ErrorKind::Panicked => SOFTWARE,
        _ => CONFIG,
    }
}

/// Products refuse keys and tokens with various statuses, and permissions with 403.
fn is_about_the_caller(error: &Error) -> bool {
    let code = error.code().unwrap_or_default();
    let of_keys =
        ["InvalidAccessKeyId", "InvalidSecurityToken", "SignatureDoesNotMatch", "IncompleteSignature", "LoginDenied"];
    matches!(error.http_status(), Some(401 | 403)) || of_keys.iter().any(|start| code.starts_with(start))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_is_a_row_of_the_readme() {
        let readme = include_str!("../README.md");
        for code in [USAGE, DATA, NO_INPUT, UNAVAILABLE, SOFTWARE, IO, TEMPORARY, PROTOCOL, NO_PERMISSION, CONFIG] {
            assert!(readme.contains(&format!("\n| {code} | EX_")), "{code}");
        }
    }

    #[test]
    fn what_is_missing_and_what_is_wrong_differ() {
        assert_eq!(of(&Error::not_configured("A is unset")), CONFIG);
        assert_eq!(of(&Error::failed("a half-set source")), CONFIG);
        assert_eq!(of(&Error::invalid_input("no region")), USAGE);
    }
}
