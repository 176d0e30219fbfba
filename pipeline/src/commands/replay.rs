//! `sightline replay`

use crate::cli::ReplayArgs;

/// Does what `sightline replay` says.
///
/// # Errors
/// One line that says what, where and what to do.
pub fn run(_args: &ReplayArgs) -> anyhow::Result<()> {
    anyhow::bail!("`sightline replay` is not in this build yet")
}
