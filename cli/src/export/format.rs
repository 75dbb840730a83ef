//! The text of each format.

use serde_json::{Value, json};

use super::{Exported, Format, quote};
use crate::exit;
use crate::failure::Failure;

/// The name of what is written into a file of profiles.
const PROFILE: &str = "alicred";

pub(super) fn text(format: Format, exported: &Exported<'_>) -> Result<String, Failure> {
    let variables = exported.variables();
    let lines = |line: &dyn Fn(&str, &str) -> String, unset: &dyn Fn(&str) -> String| {
        let unset = exported.obsolete.iter().map(|name| unset(name));
        variables.iter().map(|(name, value)| line(name, value)).chain(unset).collect::<String>()
    };
    Ok(match format {
        Format::Env => {
            lines(&|name, value| format!("export {name}={}\n", quote::sh(value)), &|name| format!("unset {name}\n"))
        }
        Format::Fish => {
            lines(&|name, value| format!("set -gx {name} {}\n", quote::fish(value)), &|name| format!("set -e {name}\n"))
        }
        Format::Powershell => lines(&|name, value| format!("$env:{name} = {}\n", quote::powershell(value)), &|name| {
            format!("Remove-Item Env:{name}\n")
        }),
        Format::Cmd => {
            check(exported, "Command Prompt", |value| quote::cmd(value).is_some())?;
            lines(&|name, value| format!("set \"{name}={value}\"\r\n"), &|name| format!("set \"{name}=\"\r\n"))
        }
        Format::Dotenv => {
            check(exported, "a .env file", |value| quote::dotenv(value).is_some())?;
            lines(&|name, value| format!("{name}={}\n", quote::dotenv(value).unwrap_or_default()), &|name| {
                format!("{name}=\n")
            })
        }
        Format::Ini => {
            check(exported, "an ini file", |value| quote::ini(value).is_some())?;
            ini(exported)
        }
        Format::Json | Format::Github => pretty(json(exported)),
        Format::External => pretty(external(exported)),
        Format::Uri => pretty(uri(exported)?),
        Format::AliyunProfile => pretty(aliyun_profile(exported)),
    })
}

fn check(exported: &Exported<'_>, place: &str, can_hold: impl Fn(&str) -> bool) -> Result<(), Failure> {
    match exported.variables().into_iter().find(|(_, value)| !can_hold(value)) {
        None => Ok(()),
        Some((name, _)) => {
            let message = format!("{place} cannot hold the value of {name} literally");
            Err(Failure::new(exit::CONFIG, message).remedy("use another --format"))
        }
    }
}

fn pretty(value: Value) -> String {
    format!("{value:#}\n")
}

/// Without the members that are `null`.
fn compact(value: Value) -> Value {
    match value {
        Value::Object(members) => members.into_iter().filter(|(_, value)| !value.is_null()).collect(),
        other => other,
    }
}

fn json(exported: &Exported<'_>) -> Value {
    compact(json!({
        "access_key_id": exported.id, "access_key_secret": exported.secret, "security_token": exported.token,
        "expiration": exported.expiration, "provider_name": exported.provider, "region": exported.region,
    }))
}

fn mode(exported: &Exported<'_>) -> &'static str {
    if exported.token.is_some() { "StsToken" } else { "AK" }
}

/// The documented keys and no others: the CLI lays them over the whole profile.
fn external(exported: &Exported<'_>) -> Value {
    compact(json!({
        "mode": mode(exported), "access_key_id": exported.id, "access_key_secret": exported.secret,
        "sts_token": exported.token, "expiration": exported.expiration,
    }))
}

/// All five members, since the official clients ask for them: so a long-lived key cannot be written like this.
pub(crate) fn uri(exported: &Exported<'_>) -> Result<Value, Failure> {
    let (Some(token), Some(expiration)) = (exported.token, &exported.expiration) else {
        let failure = Failure::new(exit::CONFIG, "a credentials URI gives sessions, and this is a long-lived key");
        return Err(failure.remedy("add --role"));
    };
    Ok(json!({
        "Code": "Success", "AccessKeyId": exported.id, "AccessKeySecret": exported.secret, "SecurityToken": token,
        "Expiration": expiration,
    }))
}

fn aliyun_profile(exported: &Exported<'_>) -> Value {
    compact(json!({
        "name": PROFILE, "mode": mode(exported), "access_key_id": exported.id, "access_key_secret": exported.secret,
        "sts_token": exported.token, "region_id": exported.region,
    }))
}

fn ini(exported: &Exported<'_>) -> String {
    let kind = if exported.token.is_some() { "sts" } else { "access_key" };
    let (id, secret) = (exported.id, exported.secret);
    let token = exported.token.map(|token| format!("security_token = {token}\n")).unwrap_or_default();
    format!("[{PROFILE}]\ntype = {kind}\naccess_key_id = {id}\naccess_key_secret = {secret}\n{token}")
}
