//! GitHub Actions: the log masks a value once it has read a command that names it, and later steps get variables from a
//! file. The command comes first, so that no line of the log shows a secret.

use std::fs::OpenOptions;
use std::io::Write as _;
use std::path::PathBuf;

use zeroize::Zeroizing;

use super::Exported;
use crate::failure::Failure;
use crate::{exit, output, world};

const FILE: &str = "GITHUB_ENV";

pub(super) fn export(exported: &Exported<'_>) -> Result<(), Failure> {
    let Some(path) = world::variable(FILE).map(PathBuf::from) else {
        let failure = Failure::usage(format!("{FILE} is unset: this is no step of a GitHub Actions job"));
        return Err(failure.remedy("use another --format"));
    };
    let variables = exported.variables();
    let mut masks = Zeroizing::new(String::new());
    variables.iter().for_each(|(_, value)| masks.push_str(&format!("::add-mask::{}\n", command_value(value))));
    output::print_raw(masks.as_bytes())?;
    let mut lines = Zeroizing::new(String::new());
    for (name, value) in &variables {
        if value.contains(char::is_control) {
            return Err(Failure::new(exit::CONFIG, format!("the value of {name} has control characters")));
        }
        lines.push_str(&format!("{name}={value}\n"));
    }
    exported.obsolete.iter().for_each(|name| lines.push_str(&format!("{name}=\n")));
    let written = OpenOptions::new().append(true).create(true).open(&path);
    written
        .and_then(|mut file| file.write_all(lines.as_bytes()))
        .map_err(|error| Failure::new(exit::IO, format!("{FILE} names a file that cannot be written: {error}")))
}

/// A value in a workflow command.
fn command_value(value: &str) -> String {
    value.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_in_a_command_has_no_percent_sign_or_line_break_of_its_own() {
        assert_eq!(command_value("a%0Ab\nc"), "a%250Ab%0Ac");
    }
}
