//! Standard output: text with colors where a terminal takes them, or JSON.

use std::io::{IsTerminal as _, Write as _};

use serde::Serialize;

use crate::failure::Failure;

/// The widths between which a tree or table is drawn.
const WIDTHS: std::ops::RangeInclusive<usize> = 24..=100;
const WIDTH: usize = 80;

/// Returns whether standard output is a terminal.
pub(crate) fn is_terminal() -> bool {
    std::io::stdout().is_terminal()
}

/// The columns to draw in: the terminal's, within reason.
pub(crate) fn columns() -> usize {
    let size = is_terminal().then(|| terminal_size::terminal_size_of(std::io::stdout())).flatten();
    size.map_or(WIDTH, |(width, _)| usize::from(width.0).clamp(*WIDTHS.start(), *WIDTHS.end()))
}

/// Prints text. Its ANSI colors are taken out unless standard output is a terminal, and where `NO_COLOR` or `--no-color`
/// says so.
pub(crate) fn print(text: &str) -> Result<(), Failure> {
    let mut out = anstream::stdout().lock();
    out.write_all(text.as_bytes()).and_then(|()| out.flush()).map_err(|error| Failure::of_output(&error))
}

/// Tells a person something beside the result: on standard error.
pub(crate) fn note(text: &str) {
    // Nothing is left to do about a standard error that is closed.
    let _ = anstream::stderr().lock().write_all(text.as_bytes());
}

/// Prints bytes as they are.
pub(crate) fn print_raw(bytes: &[u8]) -> Result<(), Failure> {
    let mut out = std::io::stdout().lock();
    out.write_all(bytes).and_then(|()| out.flush()).map_err(|error| Failure::of_output(&error))
}

/// Prints a value as indented JSON.
pub(crate) fn print_json(value: &impl Serialize) -> Result<(), Failure> {
    let text = serde_json::to_string_pretty(value).map_err(|error| Failure::of_output(&error.into()))?;
    print_raw(format!("{text}\n").as_bytes())
}
