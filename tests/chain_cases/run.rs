//! Runs a case, and says everything that is otherwise than the case has it.

use alibabacloud_credentials::{
    Credentials, DefaultCredentialChain, Error, Explanation, OnFailure, ProviderOutcome, ProviderReport,
};
use chrono::DateTime;

use super::case::{Expected, Failure, Folder, Options, Step, WantedCredentials, WantedError};
use super::world::{Changed, World};
use crate::support::leaks::Exposed;

/// What came of a case.
pub(crate) enum Verdict {
    Holds,
    /// Why it could not be tried here.
    Skipped(String),
    Fails(Vec<String>),
}

/// Runs the case in this folder.
pub(crate) fn run(name: &str, folder: Folder) -> Verdict {
    run_on(name, folder, Disk::Writable)
}

/// Runs the case on a disk that is read-only: nothing may have changed there, and of a login's session there is one warning.
pub(crate) fn run_read_only(name: &str, folder: Folder) -> Verdict {
    run_on(&format!("read_only-{name}"), folder, Disk::ReadOnly)
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Disk {
    Writable,
    ReadOnly,
}

fn run_on(name: &str, mut folder: Folder, disk: Disk) -> Verdict {
    let undeclared = super::declared::undeclared_secrets(&folder);
    if !undeclared.is_empty() {
        return Verdict::Fails(vec![format!("secrets that the case does not declare: {undeclared:?}")]);
    }
    let world = match World::of(name, &mut folder) {
        Ok(world) => world,
        Err(error) => return Verdict::Fails(vec![format!("no world for it: {error}")]),
    };
    if disk == Disk::ReadOnly
        && let Err(error) = world.make_read_only()
    {
        return Verdict::Fails(vec![format!("no read-only disk for it: {error}")]);
    }
    let before = world.snapshot();
    let chain = chain(&folder.case.chain, &world);
    let mut exposed = Exposed::default();
    let mut problems = Vec::new();
    for (at, step) in folder.case.steps.iter().enumerate() {
        world.clock.advance(std::time::Duration::from_secs(step.advance_seconds));
        for (path, change) in &step.files {
            match world.change(path, change) {
                Ok(Changed::Yes) => {}
                Ok(Changed::NotPossible) => {
                    return Verdict::Skipped(format!("{path} cannot be made unreadable for this user"));
                }
                Err(error) => return Verdict::Fails(vec![format!("{path}: {error}")]),
            }
        }
        let wrong = ask(&chain, &world, step, &mut exposed);
        problems.extend(wrong.into_iter().map(|wrong| format!("step {}: {wrong}", at + 1)));
    }
    problems.extend(world.script.problems());
    if disk == Disk::ReadOnly {
        if world.snapshot() != before {
            problems.push("something was written on a disk that is read-only".to_owned());
        }
        let is_login = |cell: &String| ["OAuth", "CloudSSO"].iter().any(|mode| cell.split('/').nth(1) == Some(mode));
        let (warnings, wanted) = (
            world.logs().matches("cannot be written back").count(),
            usize::from(folder.case.covers.iter().any(is_login)),
        );
        if warnings != wanted {
            problems.push(format!("{warnings} warnings of what cannot be written, and not {wanted}"));
        }
    }
    exposed.debug("the chain", &chain);
    exposed.debug("the refresher", chain.refresher());
    exposed.debug("the health", &chain.refresher().health());
    exposed.debug("the context", &world.context);
    exposed.text("the log", world.logs());
    for (url, debug) in world.script.shown() {
        exposed.text("a URL", url);
        exposed.text("Debug of a request", debug);
    }
    let secrets = [folder.case.secrets, world.script.signatures()].concat();
    problems.extend(exposed.leaks(&secrets));
    if problems.is_empty() { Verdict::Holds } else { Verdict::Fails(problems) }
}

fn chain(options: &Options, world: &World) -> DefaultCredentialChain {
    let mut builder = DefaultCredentialChain::builder().context(world.context.clone());
    if let Some(profile) = &options.profile {
        builder = builder.profile(profile);
    }
    for prefix in &options.env_prefix {
        builder = builder.env_prefix(prefix);
    }
    if let Some(region) = &options.region {
        builder = builder.region(region);
    }
    if let Some(endpoint) = &options.sts_endpoint {
        builder = builder.sts_endpoint(endpoint);
    }
    if options.allow_plain_http {
        builder = builder.allow_plain_http();
    }
    if let Some(vpc) = options.vpc_endpoint {
        builder = builder.vpc_endpoint(vpc);
    }
    if let Some(ask) = options.ecs_metadata {
        builder = builder.ecs_metadata(ask);
    }
    if let Some(role) = &options.assume_role {
        builder = builder.assume_role(role.to_assume());
    }
    if let Some(account) = &options.expect_account {
        builder = builder.expect_account(account);
    }
    if let Some(role) = &options.expect_role {
        builder = builder.expect_role(role);
    }
    if options.on_failure == Failure::TryNext {
        builder = builder.on_failure(OnFailure::TryNext);
    }
    builder.build()
}

/// One step: someone asks, and then has it explained.
fn ask(chain: &DefaultCredentialChain, world: &World, step: &Step, exposed: &mut Exposed) -> Vec<String> {
    let before = world.script.sent();
    let result = match world.run(chain.credentials()) {
        Ok(result) => result,
        Err(stuck) => return vec![stuck],
    };
    let explanation = match world.run(chain.explain()) {
        Ok(explanation) => explanation,
        Err(stuck) => return vec![stuck],
    };
    exposed.result(&result);
    exposed.explanation(&explanation);

    let mut wrong = match (&step.expect, &result) {
        (Expected::Credentials(wanted), Ok(has)) => compare_credentials(wanted, has),
        (Expected::Error(wanted), Err(has)) => compare_error(wanted, has),
        (Expected::Credentials(_), Err(has)) => vec![format!("an error and no credentials: {has:#}")],
        (Expected::Error(_), Ok(has)) => vec![format!("credentials and no error: {has:?}")],
    };
    wrong.extend(compare_reports(&step.providers, &explanation.providers));
    wrong.extend(compare_explanation(&result, &explanation));
    let sent = world.script.sent() - before;
    if sent != step.requests {
        wrong.push(format!("{sent} requests were made and not {}", step.requests));
    }
    let (shown, logs) = (flat(&explanation.to_string()), world.logs());
    contains(&mut wrong, "the explanation", &shown, &step.explanation_contains);
    if let Some(notes) = &step.notes {
        let has = &explanation.notes;
        let same = has.len() == notes.len() && has.iter().zip(notes).all(|(has, part)| has.contains(part.as_str()));
        if !same {
            wrong.push(format!("the notes are {has:#?} and not {notes:?}"));
        }
    }
    contains(&mut wrong, "the log", &logs, &step.logs_contain);
    wrong
}

/// The tree without its branches and line breaks.
fn flat(tree: &str) -> String {
    let words = tree.split_whitespace().filter(|word| *word != "│");
    words.collect::<Vec<_>>().join(" ")
}

fn contains(wrong: &mut Vec<String>, what: &str, text: &str, parts: &[String]) {
    for part in parts {
        if !text.contains(part.as_str()) {
            wrong.push(format!("{what} lacks `{part}`: {text}"));
        }
    }
}

fn compare_credentials(wanted: &WantedCredentials, has: &Credentials) -> Vec<String> {
    let mut wrong = Vec::new();
    let mut same = |what: &str, has: Option<&str>, wants: Option<&str>| {
        if has != wants {
            wrong.push(format!("{what} is {has:?} and not {wants:?}"));
        }
    };
    same("the AccessKey ID", Some(has.access_key_id()), Some(&wanted.access_key_id));
    same("the secret", Some(has.access_key_secret()), Some(&wanted.access_key_secret));
    same("the token", has.security_token(), wanted.security_token.as_deref());
    same("the provider", Some(has.provider_name()), Some(&wanted.provider_name));
    let end = wanted.expiration.as_deref().map(|end| DateTime::parse_from_rfc3339(end).map(Into::into));
    match (end.transpose(), has.expiration()) {
        (Ok(wanted), has) if wanted == has => {}
        (wanted, has) => wrong.push(format!("it ends at {has:?} and not {wanted:?}")),
    }
    wrong
}

fn compare_error(wanted: &WantedError, has: &Error) -> Vec<String> {
    let mut wrong = Vec::new();
    let mut same = |what: &str, has: Option<&str>, wants: Option<&str>| {
        if has != wants {
            wrong.push(format!("{what} is {has:?} and not {wants:?}"));
        }
    };
    same("the kind", Some(&format!("{:?}", has.kind())), Some(&wanted.kind));
    same("the code", has.code(), wanted.code.as_deref());
    same("the provider", has.provider_name(), Some(&wanted.provider_name));
    same("the RequestId", has.request_id(), wanted.request_id.as_deref());
    let status = |status: Option<u16>| status.map(|status| status.to_string());
    same("the status", status(has.http_status()).as_deref(), status(wanted.http_status).as_deref());
    contains(&mut wrong, "the message", has.message(), &wanted.message_contains);
    for part in &wanted.message_lacks {
        if has.message().contains(part.as_str()) {
            wrong.push(format!("the message holds `{part}`: {}", has.message()));
        }
    }
    if let Some(part) = &wanted.remedy_contains {
        contains(&mut wrong, "the remedy", has.remedy().unwrap_or("(none)"), std::slice::from_ref(part));
    }
    if has.to_string().contains(char::is_control) {
        wrong.push(format!("the error is not one line: {has:?}"));
    }
    wrong
}

fn compare_reports(wanted: &[Vec<String>], has: &[ProviderReport]) -> Vec<String> {
    let mut wrong = Vec::new();
    for at in 0..wanted.len().max(has.len()) {
        let (Some(wanted), Some(has)) = (wanted.get(at), has.get(at)) else {
            wrong.push(format!("the providers are {} and not {}: {has:#?}", has.len(), wanted.len()));
            break;
        };
        let [provider, outcome, parts @ ..] = wanted.as_slice() else {
            wrong.push(format!("provider {at} of the case lacks provider or outcome"));
            continue;
        };
        let is = match has.outcome {
            ProviderOutcome::NotReached if has.hidden => "hidden",
            ProviderOutcome::NotReached => "not_reached",
            ProviderOutcome::NotConfigured => "not_configured",
            ProviderOutcome::Failed => "failed",
            ProviderOutcome::Used => "used",
            _ => "?",
        };
        // What was asked took no time by this clock, or some; what was not has none.
        let asked = has.outcome != ProviderOutcome::NotReached;
        if has.provider != *provider || is != outcome || has.spent.is_some() != asked {
            wrong.push(format!("provider {at} is {has:?} and not {wanted:?}"));
        }
        let text = [("", &has.detail), ("code ", &has.code), ("→ ", &has.remedy)];
        let text = text.iter().filter_map(|(before, part)| Some(format!("{before}{}", part.as_ref()?)));
        let text = text.collect::<Vec<_>>().join(" ");
        contains(&mut wrong, &format!("{provider}'s report"), &text, parts);
        if has.detail.is_none() {
            wrong.push(format!("{provider}'s report says nothing"));
        }
    }
    wrong
}

/// The explanation agrees with what the caller got.
fn compare_explanation(result: &Result<Credentials, Error>, explanation: &Explanation) -> Vec<String> {
    let used = explanation.credentials.as_ref();
    let agrees = match result {
        Ok(credentials) => used.is_some_and(|used| used.provider_name == credentials.provider_name()),
        Err(error) => used.is_none() && explanation.error.as_ref() == Some(&error.to_string()),
    };
    if agrees { Vec::new() } else { vec![format!("the explanation disagrees with the answer: {explanation}")] }
}
