//! `sightline cameras probe`: what does this camera send?

use crate::cli::{CamerasArgs, CamerasCommand};

/// Does what `sightline cameras` says.
///
/// # Errors
/// One line that names the camera's address without its password.
pub fn run(args: &CamerasArgs) -> anyhow::Result<()> {
    match &args.command {
        CamerasCommand::Probe(_) => {
            anyhow::bail!("`sightline cameras probe` is not in this build yet")
        }
    }
}
