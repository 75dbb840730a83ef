//! `completions` and `man`, generated from the definition of the command line.

use std::path::PathBuf;

use clap::{Args, CommandFactory as _};
use clap_complete::Shell;

use crate::arguments::Arguments;
use crate::failure::Failure;
use crate::{exit, output};

pub(crate) const COMPLETIONS_EXAMPLES: &str = "\
Examples:
  alicred completions bash > ~/.local/share/bash-completion/completions/alicred
  alicred completions zsh > ~/.zfunc/_alicred
  alicred completions fish > ~/.config/fish/completions/alicred.fish";

pub(crate) const MAN_EXAMPLES: &str = "\
Examples:
  alicred man | man -l -
  alicred man --dir /usr/local/share/man/man1      a page for each command";

#[derive(Debug, Args)]
pub(crate) struct CompletionsArguments {
    /// Shell that is to complete the words.
    shell: Shell,
}

#[derive(Debug, Args)]
pub(crate) struct ManArguments {
    /// Write the pages of all commands into this directory instead.
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
}

pub(crate) fn completions(arguments: &CompletionsArguments) -> Result<(), Failure> {
    let mut text = Vec::new();
    clap_complete::generate(arguments.shell, &mut Arguments::command(), "alicred", &mut text);
    output::print_raw(&text)
}

pub(crate) fn man(arguments: &ManArguments) -> Result<(), Failure> {
    let command = Arguments::command();
    if let Some(dir) = &arguments.dir {
        let written = std::fs::create_dir_all(dir).and_then(|()| clap_mangen::generate_to(command, dir));
        return written
            .map_err(|error| Failure::new(exit::IO, format!("{} cannot be written: {error}", dir.display())));
    }
    let mut text = Vec::new();
    let rendered = clap_mangen::Man::new(command).render(&mut text);
    rendered.map_err(|error| Failure::of_output(&error))?;
    output::print_raw(&text)
}
