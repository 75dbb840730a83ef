//! `profiles`: what config.json has, and changes to it without loss.

use alibabacloud_credentials::{ConfigFile, NewProfile, ProfileSummary};
use anstyle::{AnsiColor, Style};
use clap::{Args, Subcommand};
use serde_json::{Value, json};

use crate::failure::Failure;
use crate::global::Global;
use crate::{exit, output, prompt, world};

pub(crate) const EXAMPLES: &str = "\
Examples:
  alicred profiles                     lists them; a star stands at the current one
  alicred profiles show dev            without its secrets
  alicred profiles switch dev
  alicred profiles add ci --mode AK --set access_key_id=LTAI…       asks for the secret
  alicred profiles add ci --mode AK --set access_key_id=LTAI… <secret.txt
  alicred profiles add media --mode ChainableRamRoleArn --set source_profile=ci --set ram_role_arn=ARN
Only the bytes of what is changed change in the file. Logins are made by `alicred login`.";

/// Members that are asked for and no arguments, since other users of the machine can read those: by mode, in this order.
const ASKED_FOR: [(&str, &[&str]); 5] = [
    ("AK", &["access_key_secret"]),
    ("StsToken", &["access_key_secret", "sts_token"]),
    ("RamRoleArn", &["access_key_secret"]),
    ("External", &["process_command"]),
    ("CredentialsURI", &["credentials_uri"]),
];

#[derive(Debug, Args)]
pub(crate) struct ProfilesArguments {
    #[command(subcommand)]
    command: Option<ProfilesCommand>,
}

#[derive(Debug, Subcommand)]
enum ProfilesCommand {
    /// List the profiles.
    List,
    /// Show a profile without its secrets: the one that is named, or the current one.
    Show {
        /// Name of the profile.
        name: Option<String>,
    },
    /// Choose the profile that is used where none is asked for.
    Switch {
        /// Name of the profile.
        name: String,
    },
    /// Add a profile. Its secrets are asked for, or read from standard input, a line each.
    Add {
        /// Name of the profile.
        name: String,
        /// Mode, as AK, StsToken, RamRoleArn, ChainableRamRoleArn, EcsRamRole, OIDC, CredentialsURI or External.
        #[arg(long)]
        mode: String,
        /// A member that is no secret, as access_key_id, ram_role_arn or expired_seconds.
        #[arg(long, value_name = "MEMBER=VALUE", value_parser = member)]
        set: Vec<(String, String)>,
    },
}

fn member(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once('=').ok_or("write MEMBER=VALUE")?;
    Ok((name.to_owned(), value.to_owned()))
}

pub(crate) async fn profiles(global: &Global, arguments: ProfilesArguments) -> Result<(), Failure> {
    let file = ConfigFile::new();
    match arguments.command.unwrap_or(ProfilesCommand::List) {
        ProfilesCommand::List => list(global, &file).await,
        ProfilesCommand::Show { name } => show(global, &file, name).await,
        ProfilesCommand::Switch { name } => {
            file.switch(&name).await?;
            done(global, &file, &name, "is the current one")
        }
        ProfilesCommand::Add { name, mode, set } => {
            file.add(new_profile(global, &name, &mode, set)?).await?;
            done(global, &file, &name, "is added")
        }
    }
}

async fn list(global: &Global, file: &ConfigFile) -> Result<(), Failure> {
    let profiles = file.profiles().await?;
    if global.json {
        return output::print_json(&profiles);
    }
    if profiles.is_empty() {
        let path = file.path()?;
        output::note(&format!(
            "{} has no profiles; `alicred login` or `alicred profiles add` makes one\n",
            path.display()
        ));
    }
    let width = |of: fn(&ProfileSummary) -> usize| profiles.iter().map(of).max().unwrap_or_default();
    let (names, modes) =
        (width(|profile| profile.name.chars().count()), width(|profile| mode(profile).chars().count()));
    let current = AnsiColor::Green.on_default().bold();
    let line = |profile: &ProfileSummary| {
        let (star, style) = if profile.is_current { ('*', current) } else { (' ', Style::new()) };
        let region = profile.members.get("region_id").and_then(Value::as_str).unwrap_or_default();
        let name = clean(&profile.name);
        let rest = format!("{:modes$}  {region}", mode(profile));
        format!("{star} {style}{name:names$}{style:#}  {}\n", rest.trim_end())
    };
    output::print(&profiles.iter().map(line).collect::<String>())
}

fn mode(profile: &ProfileSummary) -> &str {
    profile.mode.as_deref().unwrap_or("-")
}

/// A name as a terminal may be given it.
fn clean(name: &str) -> String {
    name.replace(char::is_control, "?")
}

/// The profile that is named, or that `--profile`, the variable or the file chooses.
async fn show(global: &Global, file: &ConfigFile, name: Option<String>) -> Result<(), Failure> {
    let profiles = file.profiles().await?;
    let name = name.or_else(|| global.profile.clone()).or_else(|| world::variable("ALIBABA_CLOUD_PROFILE"));
    let is_wanted = |profile: &&ProfileSummary| match &name {
        Some(name) => profile.name == *name,
        None => profile.is_current,
    };
    let Some(profile) = profiles.iter().find(is_wanted) else {
        let path = file.path()?;
        let what = name.map_or_else(|| "no current profile".to_owned(), |name| format!("no profile {}", clean(&name)));
        let failure = Failure::new(exit::CONFIG, format!("{} has {what}", path.display()));
        return Err(failure.remedy("`alicred profiles` lists those that are there"));
    };
    if global.json {
        return output::print_json(profile);
    }
    let label = Style::new().dimmed();
    let first = [("name", clean(&profile.name)), ("mode", mode(profile).to_owned())];
    let rest = profile.members.iter().map(|(name, value)| {
        let value = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        (name.as_str(), value)
    });
    let lines: Vec<(&str, String)> = first.into_iter().chain(rest).collect();
    let width = lines.iter().map(|(name, _)| name.len()).max().unwrap_or_default();
    let draw = |(name, value): &(&str, String)| format!("{label}{name:width$}{label:#}  {value}\n");
    output::print(&lines.iter().map(draw).collect::<String>())
}

/// Asks for what is secret, and is not an argument therefore.
fn new_profile(global: &Global, name: &str, mode: &str, set: Vec<(String, String)>) -> Result<NewProfile, Failure> {
    let mut profile = NewProfile::new(name, mode);
    let asked_for = |member: &str| ASKED_FOR.iter().any(|(_, members)| members.contains(&member));
    if let Some((member, _)) = set.iter().find(|(member, _)| asked_for(member)) {
        let failure = Failure::usage(format!("{member} is no argument: other users of the machine can read those"));
        return Err(failure.remedy("leave it out; it is asked for, or read from standard input"));
    }
    if let Some(region) = &global.region {
        profile = profile.set("region_id", region);
    }
    let takes_id = ASKED_FOR.iter().any(|(of, members)| *of == mode && members.contains(&"access_key_secret"));
    if takes_id && prompt::is_interactive() && !set.iter().any(|(member, _)| member == "access_key_id") {
        profile = profile.set("access_key_id", prompt::text("access_key_id")?);
    }
    for (member, value) in set {
        profile = profile.set(member, value);
    }
    for member in ASKED_FOR.iter().filter(|(of, _)| *of == mode).flat_map(|(_, members)| *members) {
        profile = profile.set(*member, prompt::secret(member)?.as_str());
    }
    Ok(profile)
}

fn done(global: &Global, file: &ConfigFile, name: &str, what: &str) -> Result<(), Failure> {
    let path = file.path()?;
    if global.json {
        return output::print_json(&json!({ "profile": name, "config_file": path.display().to_string() }));
    }
    output::print(&format!("profile {} of {} {what}\n", clean(name), path.display()))
}
