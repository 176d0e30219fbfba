//! `sightline completions`

use clap::CommandFactory;
use std::io::Write;

use crate::cli::{Cli, CompletionsArgs, Shell, stdout};

/// Prints the completion script of a shell.
///
/// # Errors
/// Those of stdout.
pub fn run(args: &CompletionsArgs) -> anyhow::Result<()> {
    let shell = match args.shell {
        Shell::Bash => clap_complete::Shell::Bash,
        Shell::Fish => clap_complete::Shell::Fish,
        Shell::Zsh => clap_complete::Shell::Zsh,
        Shell::Elvish => clap_complete::Shell::Elvish,
    };
    // The generator panics on a writer that fails, so it writes to memory.
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "sightline", &mut script);
    let mut out = stdout();
    out.write_all(&script)?;
    Ok(out.finish()?)
}
