//! The checks as lines, for the user or for support.

use anstyle::{AnsiColor, Style};

use super::{Check, State};

pub(super) fn lines(checks: &[Check]) -> String {
    checks.iter().map(line).collect()
}

fn line(check: &Check) -> String {
    let (mark, style) = match check.state {
        State::Good => ("✓", AnsiColor::Green.on_default()),
        State::Note => ("·", Style::new().dimmed()),
        State::Bad => ("✗", AnsiColor::Red.on_default().bold()),
    };
    let remedy = check.remedy.as_ref().map(|remedy| format!("    → {remedy}\n")).unwrap_or_default();
    format!("{style}{mark}{style:#} {:<16} {}\n{remedy}", check.name, check.detail)
}

/// Without colors, with what says which program this is, and without what says whose machine it is.
pub(super) fn for_support(checks: &[Check]) -> String {
    let program = concat!("alicred ", env!("CARGO_PKG_VERSION"));
    let system = format!("{} {}", std::env::consts::OS, std::env::consts::ARCH);
    let text = format!("{program} on {system}\n{}", lines(checks));
    let home = std::env::home_dir().and_then(|home| home.to_str().map(str::to_owned));
    let text = match home.filter(|home| home.len() > 1) {
        Some(home) => text.replace(&home, "~"),
        None => text,
    };
    without_accounts(&anstream::adapter::strip_str(&text).to_string())
}

/// An account's number has 16 digits; shorter ones are ports, times and sizes.
fn without_accounts(text: &str) -> String {
    let (mut out, mut digits) = (String::new(), String::new());
    for c in text.chars().chain(['\0']) {
        if c.is_ascii_digit() {
            digits.push(c);
            continue;
        }
        out.push_str(if digits.len() < 12 { &digits } else { "<account>" });
        digits.clear();
        out.push(c);
    }
    out.pop();
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_names_no_account() {
        assert_eq!(without_accounts("acs:ram::1234567890123456:role/a in 12 ms"), "acs:ram::<account>:role/a in 12 ms");
        let check = Check::bad("file", "open", "chmod 600 x");
        let text = for_support(&[check]);
        assert!(text.ends_with("✗ file             open\n    → chmod 600 x\n") && !text.contains('\u{1b}'), "{text}");
    }
}
