//! The flags that every command takes.

use clap::Args;

/// The flags of every command.
#[derive(Debug, Args)]
pub(crate) struct Global {
    /// Use this profile of ~/.aliyun/config.json, or else of ~/.alibabacloud/credentials, and nothing else.
    #[arg(long, global = true, value_name = "NAME", help_heading = "Global options")]
    pub(crate) profile: Option<String>,
    /// Region of STS and of products, as cn-hangzhou.
    #[arg(long, global = true, value_name = "REGION", help_heading = "Global options")]
    pub(crate) region: Option<String>,
    /// Print JSON, errors too.
    #[arg(long, global = true, help_heading = "Global options")]
    pub(crate) json: bool,
    /// Print no colors. The variable NO_COLOR does the same.
    #[arg(long, global = true, help_heading = "Global options")]
    pub(crate) no_color: bool,
}
