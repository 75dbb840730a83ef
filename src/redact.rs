//! Redaction: the parts of ids, names, paths and foreign texts that may be shown.

use std::path::Path;

use crate::encode::percent_encode;

/// A key id as it may be shown: enough to recognise, not enough to use.
pub(crate) fn shorten(id: &str) -> String {
    let chars: Vec<char> = id.chars().collect();
    match chars.len() {
        0..=4 => "…".to_owned(),
        5..=11 => chars[..2].iter().chain(&['…']).collect(),
        n => chars[..4].iter().chain(&['…']).chain(&chars[n - 4..]).collect(),
    }
}

/// A name that a file or a token holds, as an error may repeat it: one line, not too long.
pub(crate) fn shown(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { '?' } else { c }).take(200).collect()
}

/// A path as errors name it.
pub(crate) fn shown_path(path: &Path) -> String {
    path.display().to_string().replace(char::is_control, "?")
}

/// Reduces a text that a server wrote: nothing after an echoed string to sign (it holds tokens), none of the `secrets` that
/// were sent, no control characters, at most 300 characters.
pub(crate) fn tame(text: &str, secrets: &[&str]) -> String {
    let lower = text.to_ascii_lowercase();
    let end = ["string to sign is", "stringtosign is", "canonicalrequest is"]
        .iter()
        .filter_map(|marker| lower.find(marker))
        .min()
        .unwrap_or(text.len());
    let mut kept = text.get(..end).unwrap_or_default().to_owned();
    // The longest first: a short one may be a part of it.
    let mut secrets: Vec<&str> = secrets.iter().copied().filter(|secret| !secret.is_empty()).collect();
    secrets.sort_by_key(|secret| std::cmp::Reverse(secret.len()));
    for secret in &secrets {
        // As it is, as a form or query has it, and as a string to sign has it.
        let mut spellings = vec![(*secret).to_owned()];
        for round in 0..2 {
            let mut encoded = String::new();
            percent_encode(&spellings[round], &mut encoded);
            spellings.push(encoded);
        }
        for spelling in spellings.iter().rev() {
            kept = strike(&kept, spelling);
        }
    }
    let kept: String = kept.chars().map(|c| if c.is_control() { ' ' } else { c }).take(300).collect();
    let kept = kept.trim();
    kept.strip_suffix("server").unwrap_or(kept).trim_end().to_owned()
}

/// Reduces a text that a program wrote, whose secrets nobody knows, to its plain words: letters alone, at most 16 of them, and
/// numbers of at most five digits. Everything else (keys, tokens, URLs, paths) becomes `…`, and so does what follows a word that
/// announces a secret. At most the last 300 characters.
#[cfg(feature = "process")]
pub(crate) fn plain_words(text: &str) -> String {
    const ANNOUNCERS: [&str; 6] = ["secret", "token", "password", "passphrase", "key", "authorization"];
    let (mut words, mut announced) = (Vec::new(), false);
    for word in text.split_whitespace() {
        let bare = word.trim_matches(|c: char| matches!(c, '.' | ',' | ':' | ';' | '!' | '?' | '(' | ')' | '\'' | '"'));
        let is_word = bare.chars().all(char::is_alphabetic) && bare.chars().count() <= 16;
        let is_number = bare.len() <= 5 && bare.bytes().all(|byte| byte.is_ascii_digit());
        let is_plain = !bare.is_empty() && word.len() - bare.len() <= 3 && (is_word || is_number) && !announced;
        // `secret: x` and `token = x`; in `the token has expired` nothing is announced.
        let is_mark = matches!(word, ":" | "=");
        let lower = bare.to_lowercase();
        let announces = ANNOUNCERS.iter().any(|name| lower.ends_with(name));
        announced = (announces && word.ends_with(':')) || (is_mark && (announced || ends_in(&words, &ANNOUNCERS)));
        match is_plain || is_mark {
            true => words.push(word),
            false if words.last() == Some(&"…") => {}
            false => words.push("…"),
        }
    }
    let said = words.join(" ");
    let skipped = said.chars().count().saturating_sub(300);
    said.chars().skip(skipped).collect()
}

#[cfg(feature = "process")]
fn ends_in(words: &[&str], names: &[&str]) -> bool {
    words.last().is_some_and(|word| names.iter().any(|name| word.to_lowercase().ends_with(name)))
}

/// Shorter than this, a secret is struck out where it stands as a word: `s` is a part of most words and gives none of them
/// away.
const WORD: usize = 8;

fn strike(text: &str, secret: &str) -> String {
    if secret.len() >= WORD {
        return text.replace(secret, "***");
    }
    let ends = |c: Option<char>| c.is_none_or(|c| !c.is_alphanumeric());
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find(secret) {
        let (before, after) = (&rest[..at], &rest[at + secret.len()..]);
        let is_word = ends(before.chars().next_back().or(out.chars().next_back())) && ends(after.chars().next());
        out.push_str(before);
        out.push_str(if is_word { "***" } else { secret });
        rest = after;
    }
    out + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_after_an_echoed_string_to_sign_is_kept() {
        let text = "Specified signature does not match our calculation. server StringToSign is [ACS3 CAIStoken]";
        assert_eq!(tame(text, &[]), "Specified signature does not match our calculation.");
        let text = "not matched with our calculation. server string to sign is:POST&%2F&SecurityToken%3DCAIS";
        assert_eq!(tame(text, &[]), "not matched with our calculation.");
    }

    #[cfg(feature = "process")]
    #[test]
    fn of_a_programs_text_the_plain_words_are_kept() {
        for (text, kept) in [
            ("Error: the vault is sealed (status 503).", "Error: the vault is sealed (status 503)."),
            ("open /home/me/.vault: permission denied\n", "open … permission denied"),
            ("key LTAI5tFakeFakeFake is bad", "key … is bad"),
            ("AccessKeySecret: hunter\nwas refused", "AccessKeySecret: … was refused"),
            ("password = hunter , sorry", "password = … sorry"),
            ("the token has expired", "the token has expired"),
            ("https://me:pw@host/?a=b 123456 fake-secret abcdefghijklmnopq", "…"),
            ("\u{1b}[31mred", "…"),
            ("", ""),
        ] {
            assert_eq!(plain_words(text), kept);
        }
        assert_eq!(plain_words(&"word ".repeat(1000)).len(), 300);
    }

    #[test]
    fn a_secret_that_a_server_repeats_is_struck_out_and_long_texts_are_cut() {
        assert_eq!(tame("bad secret s3cr3t\nhere", &["s3cr3t"]), "bad secret *** here");
        assert_eq!(tame("you sent abc and wxabcd", &["abc", "wxabcd"]), "you sent *** and ***");
        assert_eq!(tame("short ab", &["ab", ""]), "short ***");
        assert_eq!(tame("IllegalTimestamp, sss, s", &["s"]), "IllegalTimestamp, sss, ***");
        assert_eq!(tame(&"x".repeat(1000), &[]).len(), 300);
    }
}
