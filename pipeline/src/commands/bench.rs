//! `sightline bench`

use crate::cli::BenchArgs;

/// Does what `sightline bench` says.
///
/// # Errors
/// One line that says what, where and what to do.
pub fn run(_args: &BenchArgs) -> anyhow::Result<()> {
    anyhow::bail!("`sightline bench` is not in this build yet")
}
