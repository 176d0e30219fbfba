//! `sightline run`

use crate::cli::RunArgs;

/// Does what `sightline run` says.
///
/// # Errors
/// One line that says what, where and what to do.
pub fn run(_args: &RunArgs) -> anyhow::Result<()> {
    anyhow::bail!("`sightline run` is not in this build yet")
}
