//! `sightline models`: the networks on this box.

use std::io::Write as _;
use std::num::NonZeroUsize;
use std::path::Path;

use anyhow::{Result, bail};
use serde::Serialize;

use crate::cli::{ModelNames, ModelsArgs, ModelsBenchArgs, ModelsCommand, ModelsListArgs, stdout};
use crate::config::{Config, Purpose};
use crate::models::bench::BenchOptions;
use crate::models::fetch::Origin;
use crate::models::list::State;
use crate::models::warm::WarmOptions;
use crate::models::{self, ModelFolders, runtime};

/// Does what `sightline models` says.
///
/// # Errors
/// One line that names the model, the file and what to do.
pub fn run(args: &ModelsArgs) -> Result<()> {
    match &args.command {
        ModelsCommand::List(args) => list(args),
        ModelsCommand::Fetch(args) => fetch(args),
        ModelsCommand::Verify(args) => verify(args),
        ModelsCommand::Bench(args) => bench(args),
        ModelsCommand::Warm(args) => warm(args),
    }
}

fn configuration(path: Option<&Path>) -> Result<(Config, ModelFolders)> {
    let config = Config::load_or_built_in(path, Purpose::Offline)?;
    let folders = ModelFolders::for_installed(config.models.folder.clone());
    Ok((config, folders))
}

/// The models that were named; none: those that the configuration uses.
fn names(args: &ModelNames, config: &Config) -> Vec<String> {
    if args.names.is_empty() {
        let models = &config.models;
        let mut names = vec![models.detector.to_string(), models.appearance.to_string()];
        if models.text_search {
            names.extend([models.joint.to_string(), models.text.to_string()]);
        }
        names
    } else {
        args.names.clone()
    }
}

fn threads(config: &Config) -> NonZeroUsize {
    crate::flow::session_threads(config)
}

fn list(args: &ModelsListArgs) -> Result<()> {
    let (_, folders) = configuration(args.config.as_deref())?;
    let listed = models::list::list(&folders)?;
    show(args.json, &listed, |out| {
        for model in &listed {
            let state = match &model.state {
                State::Installed => "installed".to_owned(),
                State::NotInstalled => "not installed".to_owned(),
                State::Damaged(why) => format!("damaged: {why}"),
            };
            let task = model.task.unwrap_or("?");
            let licence = model.licence.as_deref().unwrap_or("licence unknown");
            writeln!(out, "{:<20} {task:<12} {licence:<14} {state}", model.name)?;
        }
        Ok(())
    })
}

fn fetch(args: &ModelNames) -> Result<()> {
    let (config, folders) = configuration(args.config.as_deref())?;
    let bar = indicatif::ProgressBar::no_length();
    let mut wanted = names(args, &config);
    if args.names.is_empty() {
        // What the program brings along needs no fetching.
        wanted.retain(|name| !folders.is_shipped(name));
    }
    // No names would mean all of them.
    let fetched = if wanted.is_empty() {
        Ok(Vec::new())
    } else {
        models::fetch::fetch(&wanted, &folders, &mut |progress| {
            bar.set_length(progress.total_bytes);
            bar.set_position(progress.done_bytes);
        })
    };
    bar.finish_and_clear();
    let fetched = fetched?;
    show(args.json, &fetched, |out| {
        if wanted.is_empty() {
            writeln!(
                out,
                "nothing to fetch: the program brings the models of this configuration along; name one of `sightline models list` to fetch it"
            )?;
        }
        for model in &fetched {
            let origin = match model.origin {
                Origin::Installed => "already here",
                Origin::Mirror(_) => "from the mirror",
                Origin::Url(_) => "downloaded",
            };
            let mends = if model.mends.is_empty() {
                String::new()
            } else {
                format!(", mended ({})", model.mends.join(", "))
            };
            writeln!(
                out,
                "{}: {origin}{mends}, in {} ({})",
                model.name,
                model.folder.display(),
                model.licence
            )?;
        }
        Ok(())
    })
}

fn verify(args: &ModelNames) -> Result<()> {
    let (config, folders) = configuration(args.config.as_deref())?;
    let environment = runtime::environment(Some(&config.models.onnxruntime))?;
    let names = names(args, &config);
    let reports = models::verify::verify(&names, &folders, environment, &config.models.providers)?;
    show(args.json, &reports, |out| {
        for report in &reports {
            for check in &report.checks {
                let mark = if check.is_ok { "ok" } else { "BAD" };
                writeln!(
                    out,
                    "{} {}: {mark}, {}",
                    report.name, check.name, check.detail
                )?;
            }
        }
        Ok(())
    })?;
    let bad: Vec<&str> = reports
        .iter()
        .filter(|report| !report.is_ok)
        .map(|report| report.name.as_str())
        .collect();
    if bad.is_empty() {
        return Ok(());
    }
    bail!(
        "not as their cards say: {}; run `sightline models fetch {}`",
        bad.join(", "),
        bad.join(" ")
    )
}

fn bench(args: &ModelsBenchArgs) -> Result<()> {
    let (config, folders) = configuration(args.models.config.as_deref())?;
    let environment = runtime::environment(Some(&config.models.onnxruntime))?;
    let options = BenchOptions {
        providers: config.models.providers.clone(),
        intra_threads: threads(&config),
        batches: vec![args.batch],
        calls: args.calls,
    };
    let reports = models::bench::bench(
        &names(&args.models, &config),
        &folders,
        environment,
        &options,
    )?;
    show(args.models.json, &reports, |out| {
        for report in &reports {
            for batch in &report.batches {
                writeln!(
                    out,
                    "{} on {}, batch {}: {:.1} pictures/s ({:.2} ms preparing, {:.2} ms running)",
                    report.name,
                    report.providers.join("+"),
                    batch.batch,
                    batch.pictures_per_second,
                    batch.preprocess_ms,
                    batch.run_ms
                )?;
            }
        }
        Ok(())
    })
}

fn warm(args: &ModelNames) -> Result<()> {
    let (config, folders) = configuration(args.config.as_deref())?;
    let environment = runtime::environment(Some(&config.models.onnxruntime))?;
    let options = WarmOptions {
        providers: config.models.providers.clone(),
        intra_threads: threads(&config),
        detect_batch: NonZeroUsize::try_from(config.detect.max_batch).unwrap_or(NonZeroUsize::MIN),
        embed_batch: NonZeroUsize::try_from(config.embed.max_batch).unwrap_or(NonZeroUsize::MIN),
        engine_cache: config.models.engine_cache.clone(),
    };
    let reports = models::warm::warm(&names(args, &config), &folders, environment, &options)?;
    show(args.json, &reports, |out| {
        for report in &reports {
            writeln!(
                out,
                "{}: {:.1} s, {}",
                report.name, report.seconds, report.note
            )?;
        }
        Ok(())
    })
}

fn show(
    is_json: bool,
    value: &impl Serialize,
    words: impl FnOnce(&mut crate::cli::Stdout) -> std::io::Result<()>,
) -> Result<()> {
    let mut out = stdout();
    if is_json {
        out.json(value)?;
    } else {
        words(&mut out)?;
        out.finish()?;
    }
    Ok(())
}
