//! `sightline store`: copies of a store, and a look at everything in it.

use std::io::Write as _;
use std::path::Path;

use anyhow::{Result, bail};
use serde::Serialize;
use sightline_sink::{Backup, Restored, Verified};

use super::mover::as_moved;
use crate::cli::{
    StoreAccess, StoreArgs, StoreBackupArgs, StoreCommand, StoreRestoreArgs, StoreVerifyArgs,
    stdout,
};
use crate::config::{Config, Purpose};
use crate::flow::{self, Store};

/// Does what `sightline store` says.
///
/// # Errors
/// What went wrong, where and what to do; faults that a look at a store or a backup found.
pub fn run(args: &StoreArgs) -> Result<()> {
    match &args.command {
        StoreCommand::Backup(args) => backup(args),
        StoreCommand::Restore(args) => restore(args),
        StoreCommand::Verify(args) => verify(args),
        StoreCommand::Migrate(args) => super::migrate::run(args),
    }
}

/// The configuration of the store that is meant. It has to be free: a copy of what changes is none.
pub(super) fn configuration(access: &StoreAccess) -> Result<Config> {
    if access.api.is_some() {
        bail!(
            "a store is copied, restored, moved and looked at by its files: stop the process that holds it, and name it with --store or --config"
        );
    }
    let mut config = Config::load_or_built_in(access.config.as_deref(), Purpose::Offline)?;
    if let Some(folder) = &access.store {
        config.store.folder.clone_from(folder);
    }
    as_moved(config)
}

/// A store that is not there is not made.
pub(super) fn refuse_none(config: &Config) -> Result<()> {
    let folder = &config.store.folder;
    if !sightline_sink::Store::is_in(folder) {
        bail!("there is no store in {}", folder.display());
    }
    Ok(())
}

fn open(config: &Config) -> Result<Store> {
    refuse_none(config)?;
    Store::open(config, flow::vectors_of(config)?)
}

fn backup(args: &StoreBackupArgs) -> Result<()> {
    let store = open(&configuration(&args.work.access)?)?;
    let backup = store.backup(&args.to, args.work.dry_run)?;
    store.close()?;
    if args.work.json {
        stdout().json(&backup)?;
        return Ok(());
    }
    let mut out = stdout();
    let did = if args.work.dry_run {
        "would hold"
    } else {
        "holds"
    };
    writeln!(out, "{} {did} {}", args.to.display(), words(&backup))?;
    Ok(out.finish()?)
}

fn restore(args: &StoreRestoreArgs) -> Result<()> {
    let config = configuration(&args.work.access)?;
    let options = flow::store_options(&config, flow::vectors_of(&config)?)?;
    let folder = &config.store.folder;
    let restored = sightline_sink::Store::restore(&args.from, folder, &options, args.work.dry_run)?;
    if args.work.json {
        stdout().json(&restored)?;
        return Ok(());
    }
    let mut out = stdout();
    if args.work.dry_run {
        writeln!(
            out,
            "{} is whole and would go into {}: {}",
            args.from.display(),
            folder.display(),
            words(&restored.backup)
        )?;
    } else {
        print_restored(&mut out, &restored, folder)?;
    }
    Ok(out.finish()?)
}

fn print_restored(out: &mut impl std::io::Write, restored: &Restored, to: &Path) -> Result<()> {
    writeln!(
        out,
        "{}: {} tracks and {} sightings are there again",
        to.display(),
        restored.tracklets,
        restored.exemplars
    )?;
    if restored.forgotten > 0 {
        writeln!(
            out,
            "{} points stayed away: they are forgotten",
            restored.forgotten
        )?;
    }
    if restored.is_same {
        writeln!(out, "it is the store that was backed up, bit by bit")?;
    }
    writeln!(
        out,
        "what was forgotten after the backup is known only if the store's `forgotten` folder was kept; if not, forget it again"
    )?;
    Ok(())
}

fn verify(args: &StoreVerifyArgs) -> Result<()> {
    if let Some(from) = &args.backup {
        let backup = Backup::verify(from)?;
        return tell(args.json, &backup, |out| {
            writeln!(out, "{} is whole: {}", from.display(), words(&backup))
        });
    }
    let store = open(&configuration(&args.access)?)?;
    let verified = store.verify()?;
    store.close()?;
    tell(args.json, &verified, |out| print_verified(out, &verified))?;
    if verified.faults.is_empty() {
        return Ok(());
    }
    bail!(
        "{} things in the store are not as they should be; restore a backup, or replay the recordings",
        verified.faults.len()
    )
}

fn print_verified(out: &mut dyn std::io::Write, verified: &Verified) -> std::io::Result<()> {
    for fault in &verified.faults {
        writeln!(out, "{fault}")?;
    }
    writeln!(
        out,
        "looked at {} tracks, {} sightings and {} pictures ({} more had gone by the bounds): {} faults",
        verified.tracklets,
        verified.exemplars,
        verified.crops,
        verified.crops_gone,
        verified.faults.len()
    )
}

fn tell(
    is_json: bool,
    value: &impl Serialize,
    print: impl FnOnce(&mut dyn std::io::Write) -> std::io::Result<()>,
) -> Result<()> {
    let mut out = stdout();
    if is_json {
        out.json(value)?;
        return Ok(());
    }
    print(&mut out)?;
    Ok(out.finish()?)
}

fn words(backup: &Backup) -> String {
    format!(
        "{} tracks, {} sightings, {} pictures ({} bytes)",
        backup.tracklets, backup.exemplars, backup.crops, backup.crop_bytes
    )
}
