//! The options of an emulator on a command line.

use std::path::{Path, PathBuf};

use clap::Args;

use crate::builder::Builder;
use crate::emulator::Emulator;
use crate::settings::Metadata;

/// Options of an emulator for a command line that clap reads: flatten them into your own.
///
/// ```
/// use alibabacloud_emulator::Options;
/// use clap::Parser;
///
/// #[derive(Parser)]
/// struct Arguments {
///     #[command(flatten)]
///     options: Options,
/// }
///
/// let arguments = Arguments::parse_from(["emulator", "--session-seconds", "60", "--metadata", "off"]);
/// let builder = arguments.options.builder(); // still to be given addresses, and started
/// assert!(arguments.options.faults().is_none());
/// ```
#[derive(Clone, Debug, Args)]
pub struct Options {
    /// Cap the lifetime of every session, whatever valid duration was requested.
    #[arg(long, value_name = "SECONDS")]
    session_seconds: Option<u32>,
    /// Allow this many STS calls per second; reject the others with Throttling.User.
    #[arg(long, value_name = "N")]
    sts_rate: Option<u32>,
    /// How the instance metadata service responds: hardened requires tokens.
    #[arg(long, value_enum, default_value_t)]
    metadata: Metadata,
    /// Set the clock ahead of the machine's clock, or behind it with a negative number.
    #[arg(long, value_name = "SECONDS", default_value_t = 0, allow_negative_numbers = true)]
    clock_offset: i64,
    /// Faults to inject: a JSON list of {"route","times","status","delay_ms","reset","truncate","body"}.
    #[arg(long, value_name = "FILE")]
    faults: Option<PathBuf>,
}

impl Options {
    /// Returns the settings of an emulator with these options. The faults are not among them.
    pub fn builder(&self) -> Builder {
        let mut builder = Emulator::builder().clock_offset(self.clock_offset).metadata(self.metadata);
        if let Some(seconds) = self.session_seconds {
            builder = builder.session_seconds(seconds);
        }
        if let Some(rate) = self.sts_rate {
            builder = builder.sts_rate(rate);
        }
        builder
    }

    /// Returns the file of `--faults`, whose content [`Emulator::add_faults`] takes once the emulator runs.
    pub fn faults(&self) -> Option<&Path> {
        self.faults.as_deref()
    }
}
