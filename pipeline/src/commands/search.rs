//! `sightline search`

use crate::cli::SearchArgs;

/// Does what `sightline search` says.
///
/// # Errors
/// One line that says what, where and what to do.
pub fn run(_args: &SearchArgs) -> anyhow::Result<()> {
    anyhow::bail!("`sightline search` is not in this build yet")
}
