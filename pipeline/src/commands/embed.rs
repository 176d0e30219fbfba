//! `sightline embed`

use crate::cli::EmbedArgs;

/// Does what `sightline embed` says.
///
/// # Errors
/// One line that says what, where and what to do.
pub fn run(_args: &EmbedArgs) -> anyhow::Result<()> {
    anyhow::bail!("`sightline embed` is not in this build yet")
}
