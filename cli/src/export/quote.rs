//! Quotes a value so that a shell takes it literally, or says that it cannot be done.

/// sh, bash, zsh, ksh: nothing is special between single quotes but the quote itself.
pub(crate) fn sh(value: &str) -> String {
    format!("'{}'", value.replace('\'', r"'\''"))
}

/// fish: backslash and single quote are escaped between single quotes.
pub(super) fn fish(value: &str) -> String {
    format!("'{}'", value.replace('\\', r"\\").replace('\'', r"\'"))
}

/// PowerShell: a single quote is doubled, and it takes the typographic ones for the same.
pub(super) fn powershell(value: &str) -> String {
    let mut quoted = String::from("'");
    for c in value.chars() {
        if matches!(c, '\'' | '\u{2018}' | '\u{2019}' | '\u{201a}' | '\u{201b}') {
            quoted.push(c);
        }
        quoted.push(c);
    }
    quoted + "'"
}

/// Command Prompt, for the inside of `set "NAME=…"`: no quoting holds `%`, `!`, a quote or a line break in every mode.
pub(super) fn cmd(value: &str) -> Option<&str> {
    literal(value, &['"', '%', '!'])
}

/// .env: readers differ in what they unescape between single quotes, so nothing that one of them unescapes may be there.
pub(super) fn dotenv(value: &str) -> Option<String> {
    literal(value, &['\'', '\\']).map(|value| format!("'{value}'"))
}

/// ini: no quotes at all, and blanks around a value are dropped.
pub(super) fn ini(value: &str) -> Option<&str> {
    literal(value, &[';', '#', '"', '\'']).filter(|value| value.trim() == *value)
}

fn literal<'a>(value: &'a str, special: &[char]) -> Option<&'a str> {
    Some(value).filter(|value| !value.contains(|c: char| c.is_control() || special.contains(&c)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn single_quotes_are_escaped_by_each_shells_own_rule() {
        assert_eq!(sh("a'b$c"), r"'a'\''b$c'");
        assert_eq!(fish(r"a'b\c"), r"'a\'b\\c'");
        assert_eq!(powershell("a'b\u{2019}c`d$e"), "'a''b\u{2019}\u{2019}c`d$e'");
    }

    #[test]
    fn what_cannot_be_written_literally_is_refused() {
        assert_eq!(cmd("a&b|c^d<e"), Some("a&b|c^d<e"));
        assert!(["50%", "a!", "a\"b", "a\nb"].iter().all(|value| cmd(value).is_none()));
        assert_eq!(dotenv("a$b c").as_deref(), Some("'a$b c'"));
        assert!(["a'b", r"a\b", "a\nb"].iter().all(|value| dotenv(value).is_none()));
        assert_eq!(ini("a=b/c+d"), Some("a=b/c+d"));
        assert!([" a", "a;b", "a\nb"].iter().all(|value| ini(value).is_none()));
    }

    /// Whatever the library lets pass: this holds for any text.
    #[cfg(unix)]
    #[test]
    fn sh_itself_reads_any_text_literally() {
        for text in ["a'b\"c`d\\e$f\ng\th!*?[x]{y}<z>", "", "'", "\u{4e2d}", "-n", "~"] {
            let script = format!("printf %s {}", sh(text));
            let output = std::process::Command::new("sh").args(["-c", &script]).output().unwrap();
            assert_eq!(String::from_utf8(output.stdout).unwrap(), text);
        }
    }
}
