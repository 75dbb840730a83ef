//! Checks ids, secrets and tokens for characters that none of them has, before anyone is asked with them.
//!
//! A value that was pasted with its quotes, a placeholder of a manual, or a trailing line feed would otherwise be sent, and
//! the refusal would speak of a key that does not exist.

use crate::credentials::{Credentials, KeyHeaders};
use crate::error::Error;

/// Checks one value that stands at `place`, as `ALIBABA_CLOUD_ACCESS_KEY_ID`. The error names the place and the character's
/// position there, and nothing of the value.
pub(crate) fn check(place: &str, value: &str) -> Result<(), Error> {
    let holds = |what: &str| Error::failed(format!("{place} holds {what}")).permanent();
    if is_placeholder(value) {
        let remedy = "put the real value in its place; nothing here expands variables";
        return Err(holds("a placeholder, not a value").with_code("Placeholder").with_remedy(remedy));
    }
    // Without a branch for each byte: tokens are long, and this is done for every request that is signed.
    if value.bytes().fold(true, |allowed, byte| allowed & is_allowed(byte.into())) {
        return Ok(());
    }
    let Some((at, c)) = value.chars().enumerate().find(|(_, c)| !is_allowed(*c)) else { return Ok(()) };
    let what = match c {
        '"' | '\'' | '`' => "a quotation mark".to_owned(),
        '[' | ']' | '<' | '>' | '{' | '}' => "a bracket".to_owned(),
        '\n' | '\r' => "a line break".to_owned(),
        ' ' | '\t' => "a blank".to_owned(),
        c if c.is_ascii() => "a control character".to_owned(),
        c => format!("a character that is not ASCII (U+{:04X})", u32::from(c)),
    };
    let error = holds(&format!("{what} (character {}), which no key has", at + 1)).with_code("InvalidKeyCharacter");
    Err(error.with_remedy("write the value by itself, without quotes, brackets and blanks"))
}

/// Checks all parts of a credential by their names.
pub(crate) fn check_characters(credentials: &Credentials) -> Result<(), Error> {
    check("the AccessKey ID", credentials.access_key_id())?;
    check("the AccessKey secret", credentials.access_key_secret())?;
    credentials.security_token().map_or(Ok(()), |token| check("the security token", token))
}

/// Returns what requests carry of a credential, if its parts pass: they are checked once.
pub(crate) fn checked_headers(credentials: &Credentials) -> Result<&KeyHeaders, Error> {
    credentials.key_headers(|| check_characters(credentials))
}

/// `<AccessKey ID>`, `${AK}`, `$(cat key)`, `{{ key }}`, `%KEY%`, `$KEY`.
fn is_placeholder(value: &str) -> bool {
    let within = |open: &str, close: &str| value.starts_with(open) && value.ends_with(close) && value.len() > 2;
    let is_variable = |name: &str| {
        !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_uppercase() || byte == b'_' || byte.is_ascii_digit())
    };
    within("<", ">")
        || within("${", "}")
        || within("$(", ")")
        || within("{{", "}}")
        || (within("%", "%") && is_variable(value.trim_matches('%')))
        || value.strip_prefix('$').is_some_and(is_variable)
}

fn is_allowed(c: char) -> bool {
    c.is_ascii_graphic() && !matches!(c, '"' | '\'' | '`' | '[' | ']' | '<' | '>' | '{' | '}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_no_key_has_is_named_by_its_position_and_not_shown() {
        for (value, code, what) in [
            ("\"LTAI5tFake\"", "InvalidKeyCharacter", "a quotation mark (character 1)"),
            ("'LTAI5tFake'", "InvalidKeyCharacter", "a quotation mark (character 1)"),
            ("[LTAI5tFake]", "InvalidKeyCharacter", "a bracket (character 1)"),
            ("LTAI5tFake\u{200b}", "InvalidKeyCharacter", "not ASCII (U+200B) (character 11)"),
            ("\u{feff}LTAI5tFake", "InvalidKeyCharacter", "not ASCII (U+FEFF) (character 1)"),
            ("\u{ff2c}TAI5tFake", "InvalidKeyCharacter", "not ASCII (U+FF2C) (character 1)"),
            ("LTAI5t Fake", "InvalidKeyCharacter", "a blank (character 7)"),
            ("LTAI5tFake\n", "InvalidKeyCharacter", "a line break (character 11)"),
            ("LTAI5t\u{7}Fake", "InvalidKeyCharacter", "a control character (character 7)"),
            ("<AccessKey ID>", "Placeholder", "a placeholder"),
            ("${AK}", "Placeholder", "a placeholder"),
            ("$ACCESS_KEY", "Placeholder", "a placeholder"),
            ("$(cat key)", "Placeholder", "a placeholder"),
            ("{{ key }}", "Placeholder", "a placeholder"),
            ("%ACCESS_KEY%", "Placeholder", "a placeholder"),
        ] {
            let error = check("VARIABLE", value).unwrap_err();
            assert_eq!(error.code(), Some(code), "{value}");
            assert!(error.message().starts_with("VARIABLE holds ") && error.message().contains(what), "{error}");
            assert!(!error.to_string().contains("LTAI5t") && !error.to_string().contains("TAI5t"), "{error}");
        }
    }

    #[test]
    fn what_keys_secrets_and_tokens_do_have_passes() {
        for value in
            ["LTAI5tFake", "STS.NUfake", "a%b%(c)s", "a#b;c", "a=b==", r"a\b", "CAIS+/x=", "$2a-x", "a_b-c.d@e", ""]
        {
            assert!(check("VARIABLE", value).is_ok(), "{value}");
        }
    }
}
