//! `sightline check`: is this configuration good, and what does it come to?

use std::io::Write;

use crate::cli::{CheckArgs, stdout};
use crate::config::{Config, ConfigError, Purpose, json_schema};

/// Prints the effective configuration, or every fault.
///
/// # Errors
/// [`ConfigError`] for a bad configuration, after its faults went to stdout under `--json`.
pub fn run(args: &CheckArgs) -> anyhow::Result<()> {
    let Some(path) = args.config.as_deref().filter(|_| !args.schema) else {
        return Ok(stdout().json(&json_schema())?);
    };
    let loaded = Config::load(path, Purpose::Check);
    if args.json {
        let answer = match &loaded {
            Ok(config) => serde_json::json!({
                "is_valid": true, "faults": [], "unchecked": config.unchecked, "effective": config,
            }),
            Err(ConfigError::Faulty(faults)) => serde_json::json!({
                "is_valid": false, "faults": faults.faults, "unchecked": [], "effective": null,
            }),
            Err(ConfigError::Unreadable(_)) => serde_json::json!({
                "is_valid": false, "faults": [], "unchecked": [], "effective": null,
            }),
        };
        stdout().json(&answer)?;
        loaded?;
        return Ok(());
    }
    let config = loaded?;
    let mut out = stdout();
    out.write_all(config.to_effective_toml()?.as_bytes())?;
    out.finish()?;
    let mut words = std::io::stderr().lock();
    for note in &config.unchecked {
        writeln!(words, "sightline: not checked: {note}")?;
    }
    Ok(())
}
