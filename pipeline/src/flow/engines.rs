//! The models of a configuration, loaded and checked.

use std::num::NonZeroUsize;
use std::path::Path;

use anyhow::{Context as _, Result, bail};
use ort::environment::Environment;
use sightline_detector::{Detector, GateOptions, Tiling};
use sightline_reid::ImageEncoder;

use super::follow::FollowerParts;
use super::{Embedder, StageTimes};
use crate::config::{Config, Precision, View};
use crate::ingest::{FrameRate, Polygon, RecordingSpec, Region};
use crate::models::{detector_providers, encoder_providers};
use crate::select::SelectorConfig;
use crate::track::{CameraMotionConfig, TrackerConfig};

/// Loads the detector that the configuration names.
///
/// # Errors
/// One line: no such model, another file than its card's, a provider that is missing.
pub fn load_detector(environment: &Environment, config: &Config) -> Result<Detector> {
    let detect = &config.detect;
    let tiling = &detect.tiling;
    let (columns, rows) = (tiling.columns.get(), tiling.rows.get());
    let options = sightline_detector::Options {
        providers: detector_providers(&config.models.providers),
        intra_threads: session_threads(config),
        score_threshold: detect.score_threshold.map(|score| score.get()),
        nms_iou: detect.nms_iou.map(|iou| iou.get()),
        max_batch: NonZeroUsize::try_from(detect.max_batch).unwrap_or(NonZeroUsize::MIN),
        tiling: (columns * rows > 1).then(|| Tiling {
            columns,
            rows,
            overlap: tiling.overlap.get(),
        }),
        engine_cache: config.models.engine_cache.clone(),
    };
    let folder = model_folder(config, config.models.detector.as_str())?;
    Ok(Detector::load(environment, &folder, &options)?)
}

/// Loads the encoder of `appearance` vectors that the configuration names.
///
/// # Errors
/// As [`load_detector`], and when its vectors have another name.
pub fn load_encoder(environment: &Environment, config: &Config) -> Result<ImageEncoder> {
    let options = sightline_reid::Options {
        providers: encoder_providers(&config.models.providers),
        intra_threads: session_threads(config).get(),
        max_batch: config.embed.max_batch.get() as usize,
        engine_cache: config.models.engine_cache.clone(),
    };
    let name = &config.models.appearance;
    let folder = model_folder(config, name.as_str())?;
    let encoder = ImageEncoder::load(environment, &folder, &options)?;
    if encoder.vector_name() != "appearance" {
        bail!(
            "model `{name}` gives `{}` vectors, expected `appearance`; choose another in models.appearance",
            encoder.vector_name()
        );
    }
    if config.models.precision == Precision::Fp16
        && encoder.card().input.precision != sightline_reid::card::Precision::Fp16
    {
        bail!(
            "models.precision is fp16, and model `{name}` is fp32; choose a model whose card says fp16"
        );
    }
    Ok(encoder)
}

/// What followers of the cameras of this configuration are made of.
pub fn follower_parts(
    config: &Config,
    embedder: Embedder,
    times: std::sync::Arc<StageTimes>,
    keep_frames: bool,
) -> FollowerParts {
    let (track, select) = (&config.track, &config.select);
    let mut tracker = TrackerConfig {
        high_score: track.high_score.get(),
        low_score: track.low_score.get(),
        birth_score: track.birth_score.get(),
        confirm_hits: track.confirm_frames.get(),
        lost_buffer_s: f64::from(track.lost_seconds),
        ..TrackerConfig::default()
    };
    tracker.appearance.budget_per_frame = if track.use_appearance {
        track.appearance_budget_per_frame as usize
    } else {
        0
    };
    FollowerParts {
        site: config.site.as_str().into(),
        tracker,
        camera_motion: CameraMotionConfig {
            is_enabled: track.use_camera_motion,
            ..CameraMotionConfig::default()
        },
        selector: SelectorConfig {
            per_track_per_second: select.per_track_per_second,
            most_kept: select.max_kept.get() as usize,
            least_height_px: select.min_height_px as f32,
            least_quality: select.min_quality.get(),
            better_by: select.better_by.get(),
            new_view_below: select.new_view_below.get(),
            ..SelectorConfig::default()
        },
        embedder,
        times,
        keep_frames,
        tells_coverage: true,
    }
}

/// Settings of the motion gate; none where it is off.
pub fn gate_options(config: &Config) -> Option<GateOptions> {
    let gate = &config.detect.motion_gate;
    gate.enabled.then(|| GateOptions {
        longest_skip_ns: i64::from(gate.look_anyway_ms.0) * 1_000_000,
        ..GateOptions::default()
    })
}

/// A recording with what the configuration says of its camera.
///
/// # Errors
/// When a region or a mask of the configuration is no polygon.
pub fn recording_spec(
    config: &Config,
    recording: &crate::config::Recording,
) -> Result<RecordingSpec> {
    let id = recording.id.as_str();
    let view = config.view_of(id);
    let mut spec = RecordingSpec::new(id, &recording.file, recording.start.capture_ns());
    spec.fps_override = recording.fps.map(FrameRate::try_new).transpose()?;
    spec.fps_cap = view
        .fps_cap
        .map(|fps| FrameRate::try_new(f64::from(fps)))
        .transpose()?;
    (spec.region, spec.masks) = areas(&view).with_context(|| format!("camera `{id}`"))?;
    Ok(spec)
}

/// The region and the masks of a view.
///
/// # Errors
/// When one of them is no polygon.
pub fn areas(view: &View) -> Result<(Option<Region>, Vec<Polygon>)> {
    let polygon = |corners: &crate::config::Polygon| {
        Polygon::try_new(corners.iter().map(|[x, y]| (*x, *y)).collect())
    };
    let region = view.region.as_ref().map(polygon).transpose()?;
    let masks = view.masks.iter().map(polygon).collect::<Result<_, _>>()?;
    Ok((region.map(|polygon| Region::new(vec![polygon])), masks))
}

fn model_folder(config: &Config, name: &str) -> Result<std::path::PathBuf> {
    let folder = config.models.folder.join(name);
    if !Path::new(&folder).is_dir() {
        bail!(
            "model `{name}` is not in {}; run `sightline models fetch {name}`",
            config.models.folder.display()
        );
    }
    Ok(folder)
}

/// Threads of one model session on the CPU: those of the configuration, or one a core.
pub fn session_threads(config: &Config) -> NonZeroUsize {
    NonZeroUsize::new(config.models.intra_threads as usize)
        .unwrap_or_else(|| std::thread::available_parallelism().unwrap_or(NonZeroUsize::MIN))
}
