//! Reads what comes back from the page of a login: by a request to the listener, or pasted by a person.

use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use crate::error::{Error, ErrorKind};
use crate::login_service::is_code;

/// Longer than this no code is.
const LONGEST_CODE: usize = 2048;

/// The result of the page.
pub(super) type Returned = Result<Zeroizing<String>, Error>;

/// Reads the query that the page sent a browser back with. `None` if it does not belong to this login.
pub(super) fn read(query: &str, state: &str) -> Option<Returned> {
    let (mut code, mut error, mut given) = (None, None, None);
    for (name, value) in form_urlencoded::parse(query.as_bytes()) {
        match &*name {
            "code" => code = Some(Zeroizing::new(value.into_owned())),
            "error" => error = Some(value.into_owned()),
            "state" => given = Some(value.into_owned()),
            _ => {}
        }
    }
    if !is_same(&given?, state) {
        return None;
    }
    match (error, code) {
        (Some(error), _) => Some(Err(denied(&error))),
        (None, Some(code)) if is_formed(&code) => Some(Ok(code)),
        _ => None,
    }
}

/// Reads what a person pasted: the address that the browser was sent to, its query, or the code alone.
pub(super) fn read_pasted(text: &str, state: &str) -> Returned {
    let text = text.trim();
    let query = text.split_once('?').map(|(_, query)| query.split('#').next().unwrap_or_default());
    let query = query.or_else(|| text.contains('=').then_some(text).filter(|text| text.contains("code=")));
    let Some(query) = query else {
        return match is_formed(text) {
            true => Ok(Zeroizing::new(text.to_owned())),
            false => Err(unusable()),
        };
    };
    if let Some(returned) = read(query, state) {
        return returned;
    }
    let has = |wanted: &str| form_urlencoded::parse(query.as_bytes()).any(|(name, _)| name == wanted);
    if !has("state") || !(has("code") || has("error")) {
        return Err(unusable());
    }
    let error = Error::failed("what was pasted belongs to another login").with_code("LoginStateMismatch").permanent();
    Err(error.with_remedy("paste the address that the browser showed after this login, or begin again"))
}

/// Compares without telling by its time how much is right.
fn is_same(one: &str, other: &str) -> bool {
    Sha256::digest(one.as_bytes()) == Sha256::digest(other.as_bytes())
}

fn is_formed(code: &str) -> bool {
    (1..=LONGEST_CODE).contains(&code.len())
        && code.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._~+/=".contains(&byte))
}

fn denied(word: &str) -> Error {
    let named = if is_code(word) { format!(" ({word})") } else { String::new() };
    let error = Error::new(ErrorKind::Refused, format!("the login was refused on its page{named}"));
    error.with_code("LoginDenied").with_remedy("begin again, and allow it there").permanent()
}

fn unusable() -> Error {
    let error = Error::invalid_input("what was pasted is neither a code nor the address that the browser was sent to");
    error.with_code("LoginPasteInvalid").with_remedy("paste the whole address, with `code=` and `state=` in it")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_query_counts_only_with_the_state_of_this_login() {
        assert_eq!(read("code=c-1&state=s", "s").unwrap().unwrap().as_str(), "c-1");
        assert_eq!(read("state=s&code=a%2Bb", "s").unwrap().unwrap().as_str(), "a+b");
        for query in ["", "code=c", "code=c&state=", "code=c&state=S", "state=s", "code=&state=s", "code=a%0ab&state=s"]
        {
            assert!(read(query, "s").is_none(), "{query}");
        }
        let error = read("error=access_denied&state=s&code=canary", "s").unwrap().unwrap_err();
        assert_eq!(error.code(), Some("LoginDenied"));
        assert!(error.message().ends_with("(access_denied)") && !format!("{error:?}").contains("canary"));
        let error = read("error=%3Cb%3E&state=s", "s").unwrap().unwrap_err();
        assert_eq!(error.message(), "the login was refused on its page");
    }

    #[test]
    fn an_address_a_query_or_a_code_can_be_pasted() {
        for text in [
            " http://127.0.0.1:12345/cli/callback?code=c-1&state=s \n",
            "https://elsewhere/?state=s&code=c-1#top",
            "code=c-1&state=s",
            "c-1",
        ] {
            assert_eq!(read_pasted(text, "s").unwrap().as_str(), "c-1", "{text}");
        }
        for (text, code) in [
            ("http://127.0.0.1:12345/cli/callback?code=canary&state=t", "LoginStateMismatch"),
            ("http://127.0.0.1:12345/cli/callback?code=canary", "LoginPasteInvalid"),
            ("http://127.0.0.1:12345/cli/callback", "LoginPasteInvalid"),
            ("http://127.0.0.1:12345/cli/callback?error=access_denied&state=s", "LoginDenied"),
            ("", "LoginPasteInvalid"),
            ("canary canary", "LoginPasteInvalid"),
            (&"c".repeat(3000), "LoginPasteInvalid"),
        ] {
            let error = read_pasted(text, "s").unwrap_err();
            assert_eq!(error.code(), Some(code), "{text}");
            assert!(!format!("{error:#} {error:?}").contains("canary"), "{error}");
        }
    }
}
