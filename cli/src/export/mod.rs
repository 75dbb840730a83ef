//! `export`: the credentials in the form that a shell, a file or another program reads.

mod format;
mod github;
mod quote;

pub(crate) use self::format::uri;
pub(crate) use self::quote::sh;
use alibabacloud_credentials::Credentials;
use clap::{Args, ValueEnum};
use zeroize::Zeroizing;

use crate::failure::Failure;
use crate::global::Global;
use crate::session::{self, SessionArguments};
use crate::{output, time, world};

pub(crate) const EXAMPLES: &str = "\
Examples:
  eval \"$(alicred export)\"                                    sh, bash, zsh
  alicred export --format fish | source                       fish
  alicred export --format powershell | Out-String | iex       PowerShell
  for /f \"delims=\" %i in ('alicred export --format cmd') do %i   Command Prompt
  alicred export --format dotenv > .env
  alicred export --format external     as `process_command` of a profile with mode External";

#[derive(Debug, Args)]
pub(crate) struct ExportArguments {
    /// Form of the output.
    #[arg(long, value_enum, default_value_t = Format::Env)]
    format: Format,
    /// Print secrets even if standard output is a terminal.
    #[arg(long)]
    show_secrets: bool,
    #[command(flatten)]
    session: SessionArguments,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// Commands for sh, bash, zsh.
    Env,
    /// Commands for fish.
    Fish,
    /// Commands for PowerShell.
    Powershell,
    /// Commands for Windows' Command Prompt.
    Cmd,
    /// Lines of a .env file.
    Dotenv,
    /// A JSON object.
    Json,
    /// JSON for a `process_command` of the official SDKs and the aliyun CLI.
    External,
    /// JSON as a credentials URI responds with.
    Uri,
    /// A section of ~/.alibabacloud/credentials.
    Ini,
    /// A profile of ~/.aliyun/config.json.
    AliyunProfile,
    /// Mask the secrets in the log of a GitHub Actions job, then set the variables of its later steps.
    Github,
}

/// The values to write, all of them as text.
pub(crate) struct Exported<'a> {
    pub(crate) id: &'a str,
    pub(crate) secret: &'a str,
    pub(crate) token: Option<&'a str>,
    pub(crate) expiration: Option<String>,
    pub(crate) provider: &'a str,
    pub(crate) region: Option<String>,
    /// Variables that would change what the exported ones mean.
    pub(crate) obsolete: Vec<&'static str>,
}

pub(crate) async fn export(global: &Global, arguments: ExportArguments) -> Result<(), Failure> {
    let format = match arguments.format {
        Format::Env if global.json => Format::Json,
        format => format,
    };
    if output::is_terminal() && !arguments.show_secrets {
        let failure = Failure::usage("secrets are not printed on a terminal");
        return Err(failure.remedy("send the output where it is needed (see --help), or add --show-secrets"));
    }
    let session = session::open(global, &arguments.session)?;
    let credentials = session.refresher.credentials().await?;
    let exported = Exported::new(&credentials, session.chain.region());
    if format == Format::Github {
        return github::export(&exported);
    }
    let text = Zeroizing::new(format::text(format, &exported)?);
    output::print_raw(text.as_bytes())
}

impl<'a> Exported<'a> {
    pub(crate) fn new(credentials: &'a Credentials, region: Option<String>) -> Self {
        let token = credentials.security_token();
        let obsolete = match token {
            Some(_) => Vec::new(),
            // A key without a token is exchanged for a session of that role by whoever reads both.
            None => [crate::variables::TOKEN, crate::variables::ROLE_ARN]
                .into_iter()
                .filter(|name| world::variable(name).is_some())
                .collect(),
        };
        Self {
            id: credentials.access_key_id(),
            secret: credentials.access_key_secret(),
            token,
            expiration: credentials.expiration().map(time::rfc3339),
            provider: credentials.provider_name(),
            region,
            obsolete,
        }
    }

    /// The variables, in order.
    pub(crate) fn variables(&self) -> Vec<(&'static str, &str)> {
        let mut variables = vec![(crate::variables::ID, self.id), (crate::variables::SECRET, self.secret)];
        variables.extend(self.token.map(|token| (crate::variables::TOKEN, token)));
        variables
    }
}
