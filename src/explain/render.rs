//! The explanation as a tree that a person reads at once.

use std::fmt;

use super::{Explanation, ProviderOutcome, ProviderReport};

/// The width unless another is asked for: terminals are at least this wide.
const COLUMNS: usize = 80;
/// Narrower than this, the tree's branches and a provider's name leave no room.
const FEWEST_COLUMNS: usize = 24;

/// An explanation that is displayed with ANSI colors: see [`Explanation::colored`].
///
/// The width of a format is the number of columns, as for [`Explanation`] itself.
///
/// ```
/// # async fn example() {
/// use alibabacloud_credentials::DefaultCredentialChain;
///
/// println!("{}", DefaultCredentialChain::new().explain().await.colored());
/// # }
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Colored<'a>(pub(super) &'a Explanation);

impl fmt::Display for Colored<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write(self.0, f, true)
    }
}

impl fmt::Display for Explanation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write(self, f, false)
    }
}

fn write(explanation: &Explanation, f: &mut fmt::Formatter<'_>, color: bool) -> fmt::Result {
    let columns = f.width().unwrap_or(COLUMNS).max(FEWEST_COLUMNS);
    let paint = |text: &str, code: &str| {
        if color { format!("\u{1b}[{code}m{text}\u{1b}[0m") } else { text.to_owned() }
    };
    match &explanation.credentials {
        Some(used) => {
            f.write_str(&paint(&used.provider_name, "1;32"))?;
            let mut line = format!("AccessKey ID {}", used.access_key_id);
            if let Some(end) = &used.expiration {
                line.push_str(&format!(", until {end}"));
            }
            let source = used.source.iter().map(|source| format!("from {source}"));
            let owner = used.arn.iter().map(|arn| format!("whose ARN is {arn}"));
            for text in std::iter::once(line).chain(source).chain(used.roles.iter().cloned()).chain(owner) {
                wrap(f, &text, "", columns)?;
            }
        }
        None => f.write_str(&paint("no credentials", "1;31"))?,
    }
    if let Some(error) = explanation.error.as_ref().filter(|error| !is_shown(error, &explanation.providers)) {
        write!(f, "\n{}", paint("error:", "1;31"))?;
        wrap(f, error, "      ", columns)?;
    }
    for (at, report) in explanation.providers.iter().enumerate() {
        let last = at + 1 == explanation.providers.len();
        let (state, code) = match report.outcome {
            ProviderOutcome::Used => ("used", "32"),
            ProviderOutcome::NotConfigured => ("not configured", "2"),
            ProviderOutcome::Failed => ("FAILED", "31"),
            ProviderOutcome::NotReached if report.hidden => ("not reached, hidden by the one in use", "33"),
            ProviderOutcome::NotReached => ("not reached", "2"),
        };
        let branch = if last { "└─" } else { "├─" };
        let margin = if last { "      " } else { "│     " };
        let spent = report.spent.filter(|spent| spent.as_millis() > 0);
        let spent = spent.map(|spent| format!(" ({} ms)", spent.as_millis())).unwrap_or_default();
        let name = format!("{branch} {:<16}", report.provider);
        if [&name, state, &spent].iter().map(|part| part.chars().count()).sum::<usize>() < columns {
            write!(f, "\n{name} {}{spent}", paint(state, code))?;
        } else {
            write!(f, "\n{}", name.trim_end())?;
            wrap_painted(f, &format!("{state}{spent}"), margin, columns, |line| paint(line, code))?;
        }
        for text in details(report) {
            wrap(f, &text, margin, columns)?;
        }
    }
    for note in &explanation.notes {
        write!(f, "\n{}", paint("note:", "1"))?;
        wrap(f, note, "      ", columns)?;
    }
    Ok(())
}

/// Returns whether the reports tell by themselves why there is no credential: one has the error's text, or none has any.
/// They do not where it failed behind the chain (a role that was refused, another identity) or before it answered.
fn is_shown(error: &str, reports: &[ProviderReport]) -> bool {
    let nobody = !reports.is_empty() && reports.iter().all(|report| report.outcome == ProviderOutcome::NotConfigured);
    let failed = reports.iter().filter(|report| report.outcome == ProviderOutcome::Failed);
    nobody || failed.filter_map(|report| report.detail.as_deref()).any(|detail| error.contains(detail))
}

fn details(report: &ProviderReport) -> Vec<String> {
    let detail = report.detail.as_ref().map(|detail| match &report.code {
        Some(code) => format!("{detail} ({code})"),
        None => detail.clone(),
    });
    detail.into_iter().chain(report.remedy.as_ref().map(|remedy| format!("→ {remedy}"))).collect()
}

/// Writes `text` on lines of their own behind `margin`, broken between words; a word that is too long stays whole.
fn wrap(f: &mut fmt::Formatter<'_>, text: &str, margin: &str, columns: usize) -> fmt::Result {
    wrap_painted(f, text, margin, columns, str::to_owned)
}

fn wrap_painted(
    f: &mut fmt::Formatter<'_>,
    text: &str,
    margin: &str,
    columns: usize,
    paint: impl Fn(&str) -> String,
) -> fmt::Result {
    let room = columns - margin.chars().count();
    let mut line = String::new();
    for word in text.split_whitespace() {
        if !line.is_empty() && line.chars().count() + 1 + word.chars().count() > room {
            write!(f, "\n{margin}{}", paint(&line))?;
            line.clear();
        }
        if !line.is_empty() {
            line.push(' ');
        }
        line.push_str(word);
    }
    write!(f, "\n{margin}{}", paint(&line))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::explain::{CredentialsSummary, ProviderReport};
    use crate::provider::SourceStatus;
    use crate::{Credentials, Error};

    fn explanation() -> Explanation {
        let found = Credentials::new("LTAI5tExampleKeyId01", "s").with_provider_name("default/env");
        let hidden = SourceStatus::configured("/home/me/.aliyun/config.json is there");
        let failed =
            Error::failed("a very long account of what went wrong, with more words than any terminal has columns")
                .with_code("HalfSet")
                .with_remedy("mend it");
        let providers = vec![
            ProviderReport::used("env", &found, Duration::from_millis(12)),
            ProviderReport::of_error("oidc_role_arn", &failed, Duration::ZERO),
            ProviderReport::not_reached("cli_profile", Some(hidden)),
        ];
        Explanation::new(&Ok(found), providers, vec!["a static key: assume a role".to_owned()])
    }

    #[test]
    fn the_tree_fits_a_terminal() {
        let expected = "\
default/env
AccessKey ID LTAI…Id01
├─ env              used (12 ms)
│     AccessKey ID LTAI…Id01
├─ oidc_role_arn    FAILED
│     a very long account of what went wrong, with more words than any terminal
│     has columns (HalfSet)
│     → mend it
└─ cli_profile      not reached, hidden by the one in use
      /home/me/.aliyun/config.json is there
note:
      a static key: assume a role";
        assert_eq!(explanation().to_string(), expected);
        assert!(expected.lines().all(|line| line.chars().count() <= COLUMNS));
    }

    #[test]
    fn the_width_of_the_format_is_the_width_of_the_tree() {
        let expected = "\
default/env
AccessKey ID LTAI…Id01
├─ env              used (12 ms)
│     AccessKey ID LTAI…Id01
├─ oidc_role_arn    FAILED
│     a very long account of what went
│     wrong, with more words than any
│     terminal has columns (HalfSet)
│     → mend it
└─ cli_profile
      not reached, hidden by the one in
      use
      /home/me/.aliyun/config.json is
      there
note:
      a static key: assume a role";
        assert_eq!(format!("{:40}", explanation()), expected);
        assert!(expected.lines().all(|line| line.chars().count() <= 40));
        let narrowest = format!("{:1}", explanation());
        assert_eq!(format!("{:24}", explanation()), narrowest, "room for a name stays");
        assert_eq!(format!("{:80}", explanation()), explanation().to_string());
    }

    #[test]
    fn the_source_the_roles_and_the_owner_of_the_credential_stand_above_the_tree() {
        let explanation = Explanation {
            credentials: Some(CredentialsSummary {
                provider_name: "default/ram_role_arn/cli_profile/static_ak".to_owned(),
                source: Some("profile `prod` of /home/me/.aliyun/config.json".to_owned()),
                roles: vec!["session job-7 of acs:ram::100:role/media".to_owned()],
                arn: Some("acs:ram::100:role/media/job-7".to_owned()),
                access_key_id: "STS.…abcd".to_owned(),
                expiration: None,
            }),
            providers: Vec::new(),
            notes: Vec::new(),
            error: None,
        };
        let expected = "\
default/ram_role_arn/cli_profile/static_ak
AccessKey ID STS.…abcd
from profile `prod` of /home/me/.aliyun/config.json
session job-7 of acs:ram::100:role/media
whose ARN is acs:ram::100:role/media/job-7";
        assert_eq!(explanation.to_string(), expected);
    }

    #[test]
    fn an_error_that_no_account_tells_is_told_above_them() {
        let found = Credentials::new("LTAI5tExampleKeyId01", "s").with_provider_name("env");
        let used = ProviderReport::used("env", &found, Duration::ZERO);
        let waiting =
            ProviderReport::not_reached("ecs_ram_role", Some(SourceStatus::not_configured("ALIBABA_CLOUD_X is unset")));
        let absent = ProviderReport::of_error("env", &Error::not_configured("A is unset"), Duration::ZERO);
        let refused = Error::failed("sts.aliyuncs.com refused AssumeRole: you are not authorized to do this action")
            .with_code("NoPermission")
            .with_remedy("attach the policy")
            .in_provider("ram_role_arn");
        let tree = |error: &Error, providers: &[ProviderReport]| {
            Explanation::new(&Err(error.clone()), providers.to_vec(), Vec::new()).to_string()
        };
        let expected = "\
no credentials
error:
      ram_role_arn: sts.aliyuncs.com refused AssumeRole: you are not authorized
      to do this action (NoPermission); attach the policy
├─ env              used
│     AccessKey ID LTAI…Id01
└─ ecs_ram_role     not reached
      ALIBABA_CLOUD_X is unset";
        assert_eq!(tree(&refused, &[used, waiting.clone()]), expected);
        // Nobody was asked yet, or some were, and the next one never came back.
        assert!(tree(&refused, std::slice::from_ref(&waiting)).contains("error:"));
        assert!(tree(&refused, &[absent.clone(), waiting.clone()]).contains("error:"));
        // The one that failed tells it, and where nobody has any each one tells why.
        let failed = ProviderReport::of_error("env", &refused, Duration::ZERO);
        assert!(!tree(&refused, &[failed, waiting]).contains("error:"));
        assert!(!tree(&Error::not_configured("no credentials (env: A is unset)"), &[absent]).contains("error:"));
    }

    #[test]
    fn colors_change_nothing_else() {
        for columns in [24, 40, 80] {
            colors_change_nothing_else_at(columns);
        }
    }

    fn colors_change_nothing_else_at(columns: usize) {
        let mut bare = String::new();
        let colored = format!("{:columns$}", explanation().colored());
        let mut rest = colored.as_str();
        while let Some((text, after)) = rest.split_once("\u{1b}[") {
            bare.push_str(text);
            rest = after.split_once('m').unwrap().1;
        }
        bare.push_str(rest);
        assert_eq!(bare, format!("{:columns$}", explanation()));
        assert_ne!(bare, colored);
    }
}
