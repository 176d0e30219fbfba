//! `sightline models`: the networks on this box.

use crate::cli::{ModelsArgs, ModelsCommand};

/// Does what `sightline models` says.
///
/// # Errors
/// One line that names the model, the file and what to do.
pub fn run(args: &ModelsArgs) -> anyhow::Result<()> {
    let name = match &args.command {
        ModelsCommand::List(_) => "list",
        ModelsCommand::Fetch(_) => "fetch",
        ModelsCommand::Verify(_) => "verify",
        ModelsCommand::Bench(_) => "bench",
        ModelsCommand::Warm(_) => "warm",
    };
    anyhow::bail!("`sightline models {name}` is not in this build yet")
}
