//! The environment of a program that is to print credentials, and the mark by which it is known when it asks for its own.

use std::ffi::OsString;
use std::fmt::Write as _;

use sha2::{Digest, Sha256};

use crate::context::Context;
use crate::encode::push_hex;
use crate::error::Error;

/// Set for the programs that this crate starts: a line for each of those under way, the outermost first. A line is a digest of
/// the command, a blank, and where the command is named.
const RUNNING: &str = "ALIBABA_CLOUD_CREDENTIALS_PROCESS";
/// Variables that choose a profile: a program started by a profile that inherits one would ask for that very profile.
const PROFILE_NAMES: [&str; 3] = ["ALIBABA_CLOUD_PROFILE", "ALIBABACLOUD_PROFILE", "ALICLOUD_PROFILE"];
/// Programs may lead to programs, but no further than this on purpose.
const DEEPEST: usize = 5;

/// The environment of the context, less the name of the profile if a profile names the program; an error if the program is
/// under way already.
pub(super) fn of_program(
    context: &Context,
    argv: &[OsString],
    place: &str,
    of_profile: bool,
) -> Result<Vec<(OsString, OsString)>, Error> {
    let mut variables = context.variables();
    variables.retain(|(name, _)| !(of_profile && PROFILE_NAMES.iter().any(|profile| name == profile)));
    let at = variables.iter().position(|(name, _)| name == RUNNING);
    let mut running = at
        .map(|at| variables.swap_remove(at).1)
        .map(|value| value.to_string_lossy().into_owned())
        .filter(|value| !value.is_empty())
        .unwrap_or_default();
    let digest = digest(argv);
    let same = running.lines().find_map(|line| line.split_once(' ').filter(|(known, _)| *known == digest));
    if let Some((_, first)) = same {
        let message =
            format!("{first} started a program that asks for the credentials which it is to print, by {place}");
        return Err(cycle(message));
    }
    if running.lines().count() >= DEEPEST {
        let first = running.lines().next().and_then(|line| line.split_once(' ')).map_or("", |(_, place)| place);
        return Err(cycle(format!("{first} leads to too many programs, the last of them {place}")));
    }
    // Lines end at a line feed, and a place has no control characters.
    let _ = write!(running, "{}{digest} {place}", if running.is_empty() { "" } else { "\n" });
    variables.push((RUNNING.into(), running.into()));
    Ok(variables)
}

fn cycle(message: String) -> Error {
    let remedy =
        "let the program ask for a source of its own, as a profile with keys by --profile or ALIBABA_CLOUD_PROFILE";
    Error::failed(message).with_code("ProcessCycle").with_remedy(remedy).permanent()
}

/// A command by a digest: its arguments may be secrets.
fn digest(argv: &[OsString]) -> String {
    let mut hash = Sha256::new();
    for argument in argv {
        hash.update(argument.as_encoded_bytes());
        hash.update([0]);
    }
    let mut out = String::with_capacity(32);
    push_hex(&hash.finalize()[..16], &mut out);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(env: &[(&str, &str)], argv: &[&str], place: &str, of_profile: bool) -> Result<Vec<(String, String)>, Error> {
        let context = Context::builder().env(env.iter().copied()).build();
        let argv: Vec<OsString> = argv.iter().map(Into::into).collect();
        let variables = of_program(&context, &argv, place, of_profile)?;
        let text = |value: OsString| value.into_string().unwrap();
        Ok(variables.into_iter().map(|(name, value)| (text(name), text(value))).collect())
    }

    fn running(variables: &[(String, String)]) -> &str {
        &variables.iter().find(|(name, _)| name == RUNNING).unwrap().1
    }

    #[test]
    fn a_profiles_program_does_not_inherit_the_name_of_the_profile_and_one_of_code_does() {
        let env = [("PATH", "/bin"), ("ALIBABA_CLOUD_PROFILE", "p"), ("ALICLOUD_PROFILE", "p")];
        let names = |of_profile| {
            let mut names: Vec<String> =
                of(&env, &["a"], "here", of_profile).unwrap().into_iter().map(|(name, _)| name).collect();
            names.sort();
            names
        };
        assert_eq!(names(true), [RUNNING, "PATH"]);
        assert_eq!(names(false), [RUNNING, "ALIBABA_CLOUD_PROFILE", "ALICLOUD_PROFILE", "PATH"]);
    }

    #[test]
    fn a_program_that_leads_to_itself_is_an_error_that_names_both_ends_and_no_argument() {
        let outer = of(&[], &["a", "s3cr3t"], "profile `x` of /c", true).unwrap();
        let inner = of(&[(RUNNING, running(&outer))], &["b"], "profile `y` of /c", true).unwrap();
        let env = [(RUNNING, running(&inner))];
        assert_eq!(env[0].1.lines().count(), 2);
        assert!(!env[0].1.contains("s3cr3t"), "{}", env[0].1);
        let error = of(&env, &["a", "s3cr3t"], "`a` given in code", false).unwrap_err();
        assert_eq!(error.code(), Some("ProcessCycle"));
        assert!(error.message().starts_with("profile `x` of /c started a program"), "{error}");
        assert!(error.message().ends_with("by `a` given in code"), "{error}");
        assert!(of(&env, &["a", "other"], "there", false).is_ok(), "other arguments are another command");
    }

    #[test]
    fn programs_that_lead_to_ever_other_programs_come_to_an_end() {
        let mut mark = String::new();
        let mut depth = 0;
        let error = loop {
            let program = format!("program-{depth}");
            match of(&[(RUNNING, &mark)], &[&program], &program, false) {
                Ok(variables) => mark = running(&variables).to_owned(),
                Err(error) => break error,
            }
            depth += 1;
        };
        assert_eq!((depth, error.code()), (DEEPEST, Some("ProcessCycle")));
        assert!(
            error.message().contains("program-0 leads to too many programs, the last of them program-5"),
            "{error}"
        );
    }
}
