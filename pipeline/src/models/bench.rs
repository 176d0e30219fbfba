//! Pictures a second, by batch.

use std::num::NonZeroUsize;
use std::time::{Duration, Instant};

use ort::environment::Environment;
use serde::Serialize;

use super::network::{LoadOptions, Network, installed, test_picture};
use super::{Error, ModelFolders};
use crate::config::Provider;

/// What is timed.
#[derive(Debug, Clone)]
pub struct BenchOptions {
    /// Execution providers in order of wish.
    pub providers: Vec<Provider>,
    /// Threads inside one operator.
    pub intra_threads: NonZeroUsize,
    /// Pictures in one call; a batch larger than the model takes is left out of the report.
    pub batches: Vec<NonZeroUsize>,
    /// Calls that are timed, after two that are not.
    pub calls: NonZeroUsize,
}

/// Times of one model.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct BenchReport {
    /// The model.
    pub name: String,
    /// Name and digest as they stand on the wire.
    pub model_id: String,
    /// Providers it ran on.
    pub providers: Vec<&'static str>,
    /// Threads inside one operator.
    pub intra_threads: usize,
    /// One line a batch.
    pub batches: Vec<BatchReport>,
}

/// Times of one batch size.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct BatchReport {
    /// Pictures in one call.
    pub batch: usize,
    /// Calls that were timed.
    pub calls: usize,
    /// Pictures a second, preparation included; from the median call.
    pub pictures_per_second: f64,
    /// Median milliseconds a picture for crop, resize, colours and normalisation.
    pub preprocess_ms: f64,
    /// Median milliseconds a picture in ONNX Runtime.
    pub run_ms: f64,
}

/// Times the installed models called `names` (none: all that are installed).
///
/// # Errors
/// [`Error::NotInstalled`], and whatever loading and running give.
pub fn bench(
    names: &[String],
    folders: &ModelFolders,
    environment: &Environment,
    options: &BenchOptions,
) -> Result<Vec<BenchReport>, Error> {
    let mut reports = Vec::new();
    let Some(&largest) = options.batches.iter().max() else {
        return Err(Error::Option(
            "no batch size is given, expected at least one".into(),
        ));
    };
    for (folder, card) in installed(names, folders)? {
        let load = LoadOptions {
            providers: options.providers.clone(),
            intra_threads: options.intra_threads,
            max_batch: largest,
            engine_cache: None,
        };
        let mut network = Network::load(environment, &folder, &card, &load)?;
        let picture = test_picture(network.picture_size());
        let mut batches = Vec::new();
        for batch in options.batches.iter().map(|batch| batch.get()) {
            if batch <= network.max_batch() {
                batches.push(time(&mut network, &picture, batch, options.calls.get())?);
            }
        }
        reports.push(BenchReport {
            model_id: card.model_id(),
            name: card.name,
            providers: network.providers(),
            intra_threads: options.intra_threads.get(),
            batches,
        });
    }
    Ok(reports)
}

fn time(
    network: &mut Network,
    picture: &ndarray::Array3<u8>,
    batch: usize,
    calls: usize,
) -> Result<BatchReport, Error> {
    let (mut preparing, mut running) = (Vec::new(), Vec::new());
    for call in 0..calls + 2 {
        let start = Instant::now();
        network.preprocess(&picture.view(), batch)?;
        let prepared = Instant::now();
        network.run()?;
        let end = Instant::now();
        // The first calls take memory and choose kernels.
        if call >= 2 {
            preparing.push(prepared - start);
            running.push(end - prepared);
        }
    }
    #[expect(
        clippy::cast_precision_loss,
        reason = "a batch is far smaller than 2^53"
    )]
    let pictures = batch as f64;
    let preprocess_ms = median_ms(preparing) / pictures;
    let run_ms = median_ms(running) / pictures;
    Ok(BatchReport {
        batch,
        calls,
        pictures_per_second: 1000.0 / (preprocess_ms + run_ms),
        preprocess_ms,
        run_ms,
    })
}

/// Median in milliseconds; zero for no times.
fn median_ms(mut times: Vec<Duration>) -> f64 {
    times.sort();
    times
        .get(times.len() / 2)
        .map_or(0.0, |time| time.as_secs_f64() * 1000.0)
}
