//! `sightline track`

use crate::cli::TrackArgs;

/// Does what `sightline track` says.
///
/// # Errors
/// One line that says what, where and what to do.
pub fn run(_args: &TrackArgs) -> anyhow::Result<()> {
    anyhow::bail!("`sightline track` is not in this build yet")
}
