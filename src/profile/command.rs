//! Splits a command line into a program and its arguments, as the `aliyun` CLI does. There is no shell.
//!
//! White space separates; quotes group; a backslash escapes. Nothing is expanded: no variable, no `~`, no pattern. What cannot
//! be split is an error, and no part of the command is in it.

use crate::error::Error;

/// The rules for a backslash.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Rules {
    /// It escapes the next character; between double quotes only one of `"`, `\`, `$`, `` ` `` and the line break.
    Posix,
    /// It is a character as any other, but in `\"` between double quotes: paths have them.
    Windows,
}

impl Rules {
    /// The rules of the system that this runs on.
    pub(crate) fn native() -> Self {
        if cfg!(windows) { Self::Windows } else { Self::Posix }
    }
}

/// Splits `command`; the result has a program.
pub(crate) fn split(command: &str, rules: Rules) -> Result<Vec<String>, Error> {
    let mut words = Vec::new();
    // `None` between words; a pair of quotes alone is an empty word.
    let mut word: Option<String> = None;
    let mut characters = command.trim().chars();
    while let Some(c) = characters.next() {
        match c {
            '\'' => {
                let word = word.get_or_insert_default();
                quoted(&mut characters, '\'', word, None)?;
            }
            '"' => {
                let word = word.get_or_insert_default();
                quoted(&mut characters, '"', word, Some(rules))?;
            }
            '\\' if rules == Rules::Posix => match characters.next() {
                Some('\n') => {}
                Some(escaped) => word.get_or_insert_default().push(escaped),
                None => return Err(malformed("ends in a backslash")),
            },
            c if c.is_whitespace() => words.extend(word.take()),
            c => word.get_or_insert_default().push(c),
        }
    }
    words.extend(word);
    if words.first().is_none_or(String::is_empty) {
        return Err(malformed("names no program"));
    }
    if words.iter().any(|word| word.contains('\0')) {
        return Err(malformed("holds a NUL character"));
    }
    Ok(words)
}

/// Takes what stands before the closing quote. `rules` are those of a backslash, where it means anything.
fn quoted(
    characters: &mut std::str::Chars<'_>,
    quote: char,
    word: &mut String,
    rules: Option<Rules>,
) -> Result<(), Error> {
    while let Some(c) = characters.next() {
        if c == quote {
            return Ok(());
        }
        let next = characters.clone().next();
        let escapes = match rules {
            Some(Rules::Posix) => matches!(next, Some('"' | '\\' | '$' | '`' | '\n')),
            Some(Rules::Windows) => next == Some('"'),
            None => false,
        };
        if c != '\\' || !escapes {
            word.push(c);
            continue;
        }
        characters.next();
        word.extend(next.filter(|next| *next != '\n'));
    }
    Err(malformed("has a quotation mark that is not closed"))
}

fn malformed(what: &str) -> Error {
    let error = Error::failed(format!("has a command that {what}")).with_code("CommandMalformed").permanent();
    error.with_remedy("write the program and its arguments, with quotation marks around what holds blanks")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Splits `text`; gives `!` and the reason where that is not possible.
    fn of(text: &str, rules: Rules) -> Vec<String> {
        split(text, rules).unwrap_or_else(|error| vec![format!("!{}", error.message())])
    }

    #[test]
    fn quotes_group_and_backslashes_escape_as_in_the_cli() {
        let table: &[(&str, &[&str])] = &[
            ("cred get --json", &["cred", "get", "--json"]),
            ("  cred \t\n get\u{3000}x  ", &["cred", "get", "x"]),
            (r#""/opt/my tools/cred" get"#, &["/opt/my tools/cred", "get"]),
            (r"'/opt/my tools/cred' '\$x'", &["/opt/my tools/cred", r"\$x"]),
            (r"/opt/my\ tools/cred a\'b", &["/opt/my tools/cred", "a'b"]),
            (r#"c "a\"b" "a\\b" "\$x" "\`" "\n""#, &["c", "a\"b", r"a\b", "$x", "`", r"\n"]),
            ("c a\\\nb \"a\\\nb\" 'a\\\nb'", &["c", "ab", "ab", "a\\\nb"]),
            (r#"c "" '' a""b'c'"#, &["c", "", "", "abc"]),
            ("c $HOME ~ *.json a|b >x", &["c", "$HOME", "~", "*.json", "a|b", ">x"]),
            // The line break at the end is trimmed before anything else, and leaves the backslash alone.
            ("c \\\n", &["!has a command that ends in a backslash"]),
            ("c \\", &["!has a command that ends in a backslash"]),
            ("c \"a", &["!has a command that has a quotation mark that is not closed"]),
            ("c 'a", &["!has a command that has a quotation mark that is not closed"]),
            ("c \"a\\\"", &["!has a command that has a quotation mark that is not closed"]),
            (" ", &["!has a command that names no program"]),
            ("'' a", &["!has a command that names no program"]),
            ("c a\0b", &["!has a command that holds a NUL character"]),
        ];
        for (text, words) in table {
            assert_eq!(of(text, Rules::Posix), *words, "{text}");
        }
    }

    #[test]
    fn on_windows_a_backslash_is_a_part_of_a_path() {
        let table: &[(&str, &[&str])] = &[
            (r"C:\tools\cred.exe get", &[r"C:\tools\cred.exe", "get"]),
            (r#""C:\my tools\cred.exe" "{\"a\":1}""#, &[r"C:\my tools\cred.exe", r#"{"a":1}"#]),
            (r"cred C:\dir\", &["cred", r"C:\dir\"]),
            (r#"cred "a\\b" '\"'"#, &["cred", r"a\\b", r#"\""#]),
            (r#"cred "C:\dir\""#, &["!has a command that has a quotation mark that is not closed"]),
        ];
        for (text, words) in table {
            assert_eq!(of(text, Rules::Windows), *words, "{text}");
        }
    }

    proptest! {
        #[test]
        fn words_in_single_quotes_come_back_as_they_were(words in proptest::collection::vec("[^'\0]{0,12}", 1..6)) {
            let command: Vec<String> = words.iter().map(|word| format!("'{word}'")).collect();
            let expected = if words[0].is_empty() { None } else { Some(words) };
            for rules in [Rules::Posix, Rules::Windows] {
                prop_assert_eq!(split(&command.join(" "), rules).ok(), expected.clone());
            }
        }

        #[test]
        fn words_with_all_characters_escaped_come_back_as_they_were(words in proptest::collection::vec("[^\n\0]{1,12}", 1..6)) {
            let escaped = |word: &String| word.chars().flat_map(|c| ['\\', c]).collect::<String>();
            let command: Vec<String> = words.iter().map(escaped).collect();
            // White space at the end of the whole command is trimmed before anything is read.
            let command = format!("{} end", command.join(" "));
            let mut expected = words;
            expected.push("end".to_owned());
            prop_assert_eq!(split(&command, Rules::Posix).ok(), Some(expected));
        }
    }
}
