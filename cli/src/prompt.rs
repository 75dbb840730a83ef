//! Questions to a person. They stand on standard error, so that standard output holds results alone; secrets are not echoed. Without
//! a terminal nobody is asked, and what is needed comes from standard input, a line each.

use std::io::{BufRead as _, IsTerminal as _, Read as _};

use dialoguer::theme::SimpleTheme;
use dialoguer::{Input, Password, Select};
use tokio::sync::mpsc;
use zeroize::Zeroizing;

use crate::exit;
use crate::failure::Failure;

/// Longer than this no line is that anybody writes.
const LONGEST: u64 = 64 * 1024;

/// Returns whether a person can be asked.
pub(crate) fn is_interactive() -> bool {
    std::io::stdin().is_terminal() && std::io::stderr().is_terminal()
}

/// Lets a person choose one of several. Returns its place.
pub(crate) fn select(question: &str, choices: &[String]) -> Result<usize, Failure> {
    let select = Select::with_theme(&SimpleTheme).with_prompt(question).items(choices).default(0);
    select.interact().map_err(not_answered)
}

/// Asks a person for a text.
pub(crate) fn text(question: &str) -> Result<String, Failure> {
    Input::<String>::with_theme(&SimpleTheme).with_prompt(question).interact_text().map_err(not_answered)
}

/// Asks for a secret, or reads the next line of standard input.
pub(crate) fn secret(question: &str) -> Result<Zeroizing<String>, Failure> {
    if is_interactive() {
        let password = Password::with_theme(&SimpleTheme).with_prompt(question).interact();
        return password.map(Zeroizing::new).map_err(not_answered);
    }
    match line()? {
        Some(line) => Ok(line),
        None => Err(Failure::usage(format!("standard input has no line for {question}"))),
    }
}

/// The next line of standard input; `None` at its end.
fn line() -> Result<Option<Zeroizing<String>>, Failure> {
    let mut line = Zeroizing::new(String::new());
    let read = std::io::stdin().lock().take(LONGEST).read_line(&mut line);
    let count =
        read.map_err(|error| Failure::new(exit::NO_INPUT, format!("standard input cannot be read: {error}")))?;
    Ok((count > 0).then(|| Zeroizing::new(line.trim().to_owned())))
}

/// The lines of standard input as they come. A thread reads them, which ends with the process: nobody may wait for it.
pub(crate) fn lines() -> mpsc::Receiver<Zeroizing<String>> {
    let (sender, receiver) = mpsc::channel(1);
    std::thread::spawn(move || {
        while let Ok(Some(line)) = line() {
            if sender.blocking_send(line).is_err() {
                break;
            }
        }
    });
    receiver
}

fn not_answered(error: dialoguer::Error) -> Failure {
    Failure::usage(format!("nobody answered: {error}"))
}
